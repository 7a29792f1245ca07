// Run in a host that keeps the role: does by hand what people do, and waits, looking at nothing but the machine itself, until
// it is as it was. Prints {kind: milliseconds from the end of the hand edit to the repaired state; null: never}.
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'

const patienceMs = 30_000
/**
 * Edits of one kind, of which the middle one counts: a slow one may be somebody else's fault. At most ten of one target:
 * more in a row, and the agent calls it contested.
 */
const rounds = 3
const quietMs = 400

const sh = text => execFileSync('sh', ['-ec', text], { stdio: ['ignore', 'pipe', 'pipe'] }).toString()
const sleep = ms => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
/** One text for all that may be wrong with a path. */
const state = path => {
  try {
    const stat = lstatSync(path)
    const content = stat.isSymbolicLink() ? readlinkSync(path) : stat.isFile() ? readFileSync(path, 'latin1') : ''
    return `${stat.mode} ${stat.uid}:${stat.gid} ${content}`
  } catch {
    return 'missing'
  }
}
/** The line of a file that begins so. */
const line = (path, start) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .find(each => each.startsWith(start))
const systemctl = (verb, unit) => {
  try {
    return sh(`systemctl ${verb} ${unit}`).trim()
  } catch (error) {
    return error.stdout.toString().trim()
  }
}
const processes = unit => {
  const path = `/sys/fs/cgroup/system.slice/${unit}/cgroup.procs`
  return existsSync(path) && readFileSync(path, 'utf8') !== ''
}
const account = name =>
  ['passwd', 'shadow', 'group'].map(file => line(`/etc/${file}`, `${name}:`)?.replace(/:\d+:0:99999/, '')).join(' ') +
  (line('/etc/group', 'adm:') ?? '')
const packaged = name =>
  readFileSync('/var/lib/dpkg/status', 'utf8')
    .split('\n\n')
    .find(each => each.startsWith(`Package: ${name}\n`))
    ?.split('\n')[1]

/** A path is edited; it is repaired when all about it is as before. */
const path = (file, edit, most = rounds) => ({ edit: () => edit(file), look: () => state(file), most })
/** Anything else: repaired when `look` answers as before. */
const other = (look, edit, most = rounds) => ({ edit, look, most })

const conf = '/etc/shop/shop.conf'
const sudoers = '/etc/sudoers.d/deploy'
const motd = '/etc/motd'
const snippet = '/etc/nginx/snippets/headers.conf'
const keys = '/home/deploy/.ssh/authorized_keys'
const rotate = '/etc/logrotate.d/shop'
const cases = {
  'file: content': path(sudoers, file => appendFileSync(file, 'edited\n')),
  'file: replaced by rename': path(sudoers, file => {
    writeFileSync('/run/edit', 'another\n')
    sh(`mv /run/edit ${file}`)
  }),
  'file: mode': path(motd, file => chmodSync(file, 0o666)),
  'file: owner': path(motd, file => chownSync(file, 33, 33)),
  'file: deleted': path(rotate, file => rmSync(file)),
  'file: moved away': path(rotate, file => renameSync(file, '/root/moved')),
  'file of a template: content': path(motd, file => writeFileSync(file, '')),
  'file of a tree: deleted': path(snippet, file => rmSync(file)),
  'file that a service reads: content': path(conf, file => appendFileSync(file, 'edited\n')),
  'link: another target': path('/usr/local/bin/shop', file => {
    rmSync(file)
    symlinkSync('/bin/true', file)
  }),
  'link: deleted': path('/etc/nginx/sites-enabled/shop', file => rmSync(file)),
  // The last line, since one that is missing is added at the end.
  'line: removed': path('/etc/profile', file => sh(`sed -i '/^export EDITOR=/d' ${file}`)),
  'line: changed': path('/etc/login.defs', file => sh(`sed -i 's/^UMASK.*/UMASK 000/' ${file}`)),
  'directory: mode': path('/etc/sudoers.d', file => chmodSync(file, 0o777)),
  'directory: polluted (exclusive)': path('/etc/shop/stray', file => writeFileSync(file, 'stray\n')),
  'directory: deleted': path(conf, () => rmSync('/etc/shop', { recursive: true })),
  'absent: came back': path('/etc/issue.net', file => writeFileSync(file, 'hello\n')),
  'absent: a directory came back': path('/etc/issue.net', file => mkdirSync(file)),
  'mode of a foreign file': path('/usr/bin/chage', file => chmodSync(file, 0o4777)),
  'unpacked version: deleted': path('/srv/shop/1/bin/shop', () => rmSync('/srv/shop/1', { recursive: true })),
  'unpacked version: link turned': path('/srv/shop/current', file => {
    rmSync(file)
    symlinkSync('2', file)
  }),
  'service: stopped': other(
    () => processes('shop.service'),
    () => systemctl('stop', 'shop'),
  ),
  'nginx: stopped': other(
    () => processes('nginx.service'),
    () => systemctl('stop', 'nginx'),
  ),
  'service: disabled': other(
    () => state('/etc/systemd/system/multi-user.target.wants/shop.service'),
    () => systemctl('disable', 'shop'),
  ),
  'service: masked and stopped': other(
    () => `${state('/etc/systemd/system/nginx.service')} ${processes('nginx.service')}`,
    () => systemctl('mask --now', 'nginx'),
  ),
  'service: unit file edited': path('/etc/systemd/system/shop.service', file => appendFileSync(file, '# x\n')),
  'timer: stopped': other(
    () => systemctl('is-active', 'fleet-shop-tidy.timer'),
    () => systemctl('stop', 'fleet-shop-tidy.timer'),
  ),
  'timer: disabled': other(
    () => state('/etc/systemd/system/timers.target.wants/fleet-shop-tidy.timer'),
    () => systemctl('disable', 'fleet-shop-tidy.timer'),
  ),
  'timer: file deleted': path('/etc/systemd/system/fleet-shop-tidy.timer', file => rmSync(file)),
  'user: deleted': other(
    () => account('deploy'),
    () => sh('userdel deploy'),
    2,
  ),
  'user: shell': other(
    () => account('deploy'),
    () => sh('usermod -s /bin/sh deploy'),
    2,
  ),
  'user: taken out of a group': other(
    () => account('deploy'),
    () => sh('gpasswd -d deploy adm'),
    2,
  ),
  'user: authorized key added': path(keys, file => appendFileSync(file, 'ssh-rsa x\n'), 2),
  'group: number': other(
    () => account('deploy'),
    () => sh('groupmod -g 2002 deploy'),
    2,
  ),
  'package: removed': other(
    () => `${packaged('curl')} ${existsSync('/usr/bin/curl')}`,
    () => sh('dpkg --force-hold --remove curl'),
    1,
  ),
  'package: no longer held': other(
    () => packaged('curl'),
    () => sh('apt-mark unhold curl'),
  ),
  'sysctl: file deleted': path('/etc/sysctl.d/60-fleet-net.core.somaxconn.conf', file => rmSync(file)),
  'sysctl: value, with an audit': other(
    () => readFileSync('/proc/sys/net/core/somaxconn', 'utf8'),
    () => {
      writeFileSync('/proc/sys/net/core/somaxconn', '100')
      sh('fleet apply --agent')
    },
    1,
  ),
}

const wanted = process.argv.slice(2)
const found = {}
for (const [name, { edit, look, most }] of Object.entries(cases)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const times = []
  const before = look()
  for (let round = 0; round < most && !times.includes(null); round++) {
    edit()
    const began = performance.now()
    let ms = null
    do {
      if (look() === before) {
        ms = performance.now() - began
        break
      }
      sleep(0.2)
    } while (performance.now() - began < patienceMs)
    times.push(ms)
    // What the repair owes (a restart) is over too, before the next hand is raised.
    sleep(quietMs)
  }
  found[name] = times.includes(null) ? null : times.sort((a, b) => a - b)[Math.floor((times.length - 1) / 2)]
  console.error(name, ...times)
}
rmSync('/root/moved', { force: true })
console.log(JSON.stringify(found))
