// Several Debian hosts on one machine, each with systemd as process 1, its own disk, network address and users. Power
// cuts are real: a host's disk stops in the middle of what it does. Nothing of the machine itself is changed.
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Base, indexPool, openBase } from './base.ts'
import { type CommandOptions, command, type Ran, until } from './command.ts'
import { Group } from './groups.ts'

/** The project, which every host has, read-only, as /opt/fleet. */
export const project = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** Of each host; sparse. */
const diskSize = 4 * 2 ** 30
/** Host hN is `.N`; the wire itself `.254`. In a network of its own, so it meets nobody else's. */
const subnet = '10.78.0'
/** What many hosts together need of the machine's kernel: raised, never lowered. */
const kernelLimits = {
  'fs/inotify/max_user_instances': 1024,
  'fs/inotify/max_user_watches': 524_288,
} as const

/** The unit that runs the agent, as it is packaged. */
const unitFile = 'packaging/fleet.service'

export class Lab {
  readonly folder: string
  readonly group: Group
  /** Folder that every host has, read-only, as /srv/pool: an apt repository. */
  readonly pool: string
  readonly wire: string
  readonly #name: string
  readonly #base: Base

  private constructor(folder: string, base: Base) {
    this.folder = folder
    this.#base = base
    this.#name = `fleet-lab-${createHash('sha256').update(folder).digest('hex').slice(0, 8)}`
    this.group = new Group(this.#name)
    this.pool = join(folder, 'pool')
    this.wire = join(folder, 'wire')
  }

  /** Where a lab of this name keeps its state; labs of other names, or of other checkouts, do not meet it. */
  static folder(name: string): string {
    const key = createHash('sha256').update(project).digest('hex').slice(0, 6)
    return join(tmpdir(), `fleet-lab-${key}-${name}`)
  }

  /** A lab that may be there already; `fresh`: what a crashed one left is removed first. */
  static async open(name: string, { fresh = false } = {}): Promise<Lab> {
    const lab = new Lab(Lab.folder(name), await openBase())
    if (fresh) await lab.down()
    if (existsSync(lab.pool)) return lab
    mkdirSync(lab.#hostsFolder, { recursive: true })
    mkdirSync(lab.pool)
    await lab.index()
    for (const [limit, least] of Object.entries(kernelLimits)) {
      const file = join('/proc/sys', limit)
      if (Number(readFileSync(file, 'utf8')) < least) writeFileSync(file, String(least))
    }
    // Shared, so that an unmount here reaches the copies that other hosts' mount namespaces hold of it.
    await command(['mount', '--bind', '--make-shared', lab.#hostsFolder, lab.#hostsFolder])
    await newNetwork(lab.wire)
    await lab.inWire([
      ...['sh', '-ec'],
      `ip link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
       ip link set br0 addrgenmode none up
       ip addr add ${subnet}.254/24 dev br0`,
    ])
    return lab
  }

  get #hostsFolder(): string {
    return join(this.folder, 'hosts')
  }

  /** Those that were ever up, by name. */
  hosts(): readonly Host[] {
    return existsSync(this.#hostsFolder)
      ? readdirSync(this.#hostsFolder)
          .filter(name => /^h\d+$/.test(name))
          .sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)))
          .map(name => this.host(name))
      : []
  }

  host(name: string): Host {
    return new Host(this, this.#base, `${this.#name}-${name}`, name)
  }

  /** h1 to hN, booted; those that are there keep their disk. */
  async up(count: number): Promise<readonly Host[]> {
    const hosts = Array.from({ length: count }, (_, at) => this.host(`h${at + 1}`))
    await Promise.all(hosts.map(host => host.start()))
    return hosts
  }

  /** Makes the pool's index anew, after files were put in. */
  index(): Promise<void> {
    return indexPool(this.#base, this.pool)
  }

  /** A command of the machine, in the network of the hosts. */
  inWire(argv: readonly string[], options: CommandOptions = {}): Promise<Ran> {
    return command(['nsenter', `--net=${this.wire}`, ...argv], options)
  }

  /** Cuts these hosts off from all others; among themselves they still meet. As when a switch far away fails: cables stay up. */
  async cutOff(hosts: readonly Host[]): Promise<void> {
    await this.inWire([
      ...['sh', '-ec'],
      `ip link add br1 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
       ip link set br1 addrgenmode none up
       ${hosts.map(({ name }) => `ip link set ${name} master br1`).join('\n')}`,
    ])
  }

  /** Undoes `cutOff`. */
  async heal(): Promise<void> {
    const all = this.hosts().map(
      ({ name }) => `! ip link show ${name} >/dev/null 2>&1 || ip link set ${name} master br0`,
    )
    await this.inWire(['sh', '-ec', `${all.join('\n')}\nip link del br1`])
  }

  /** Ends and removes everything. Safe to repeat, and after a crash. */
  async down(): Promise<void> {
    await this.group.end()
    for (const host of this.hosts()) await host.release()
    for (const path of mountsBelow(this.folder).toReversed()) await command(['umount', path])
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export class Host {
  readonly name: string
  readonly address: string
  readonly #lab: Lab
  readonly #base: Base
  readonly #machine: string
  readonly #folder: string
  readonly #group: Group

  constructor(lab: Lab, base: Base, machine: string, name: string) {
    assertName(name)
    this.name = name
    this.address = `${subnet}.${name.slice(1)}`
    this.#lab = lab
    this.#base = base
    this.#machine = machine
    this.#folder = join(lab.folder, 'hosts', name)
    this.#group = new Group(join(lab.group.path.split('/').at(-1)!, name))
  }

  get running(): boolean {
    return this.#group.populated
  }

  /** All that the host's process 1 and the kernel's loader said. */
  get console(): string {
    return readFileSync(join(this.#folder, 'console'), 'utf8')
  }

  /** Boots it, if it is off, and waits until all units are up. */
  async start(): Promise<void> {
    if (this.running) return
    await this.release()
    if (!existsSync(this.#folder)) await this.#make()
    await command(['mount', '-o', 'loop,noatime', this.#in('image'), this.#in('disk')])
    // xino: as on a disk, a directory has the same inode number after a boot.
    const layers = `xino=on,lowerdir=${this.#base.tree},upperdir=${this.#in('disk/upper')},workdir=${this.#in('disk/work')}`
    await command(['mount', '-t', 'overlay', '-o', layers, this.#machine, this.#in('root')])
    await this.#plug()
    this.#boot()
    await until(`${this.name} to boot (${this.#in('console')})`, async () => {
      const said = await this.exec(['systemctl', 'is-system-running', '--wait'], { exits: 'any' }).catch(
        () => undefined,
      )
      return /^(running|degraded)/.test(said?.stdout ?? '') ? true : undefined
    })
  }

  /** Orderly. */
  async stop(): Promise<void> {
    if (this.running) await this.exec(['systemctl', '--no-block', 'poweroff'], { exits: 'any' })
    await this.#group.emptied(90_000)
    await this.release()
  }

  /** Orderly, as `systemctl reboot` typed in it. */
  async reboot(): Promise<void> {
    await this.exec(['systemctl', '--no-block', 'reboot'], { exits: 'any' })
    await this.#group.emptied(90_000)
    await this.start()
  }

  /**
   * Power failure: its peers get no goodbye, and what was not synced is lost. It stays off until `start`.
   */
  async kill(): Promise<void> {
    this.#group.freeze(true)
    await this.#lab.inWire(['ip', 'link', 'del', this.name], { exits: 'any' })
    if (isMount(this.#in('disk'))) await command(['perl', '-e', shutdownDisk, this.#in('disk')])
    await this.release()
  }

  /** Hangs all of it but its kernel, and lets it go on. */
  freeze(on: boolean): void {
    this.#group.freeze(on)
  }

  /** Runs a command as the host's root, with no more rights than that has. */
  async exec(argv: readonly string[], options: CommandOptions = {}): Promise<Ran> {
    const leader = this.leader()
    const status = readFileSync(`/proc/${leader}/status`, 'utf8')
    const bounding = BigInt(`0x${/^CapBnd:\t(\w+)$/m.exec(status)![1]}`)
    const known = Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8')) + 1
    const caps = Array.from({ length: known }, (_, cap) => cap)
      .filter(cap => ((bounding >> BigInt(cap)) & 1n) === 0n)
      .map(cap => `-cap_${cap}`)
    const entering = new Group(join(this.#group.path.split('/').slice(-2).join('/'), 'payload/exec')).entering
    return command(
      [
        ...entering,
        ...['nsenter', '-t', String(leader), '-m', '-u', '-i', '-n', '-p', '-C', '-r', '-w'],
        ...['env', '-i', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
        ...['HOME=/root', 'LANG=C.UTF-8', 'TERM=dumb', 'DEBIAN_FRONTEND=noninteractive'],
        ...(caps.length > 0 ? ['setpriv', '--inh-caps=-all', `--bounding-set=${caps.join(',')}`, '--'] : []),
        ...argv,
      ],
      options,
    )
  }

  /** What a shell script printed, `set -e`. */
  async sh(script: string, options: CommandOptions = {}): Promise<string> {
    return (await this.exec(['sh', '-ec', script], options)).stdout.trimEnd()
  }

  /** Writes a file, its folder too. */
  async write(path: string, content: string | Uint8Array, mode = '644'): Promise<void> {
    const script = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"'
    await this.exec(['sh', '-ec', script, '-', path, mode], { input: content })
  }

  /** A path of the host, as the machine sees it. For looking only. */
  at(path: string): string {
    return join(this.#in('root'), path)
  }

  /** Processes of a group of the host, such as `payload/system.slice/x.service`, as the machine counts. */
  pids(group: string): readonly number[] {
    return this.#group.pids(group)
  }

  /** Process 1 of the host, as the machine counts. */
  leader(): number {
    const found = this.#group.pids('payload/init.scope').find(pid => {
      try {
        return /^NSpid:.*\t1$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
      } catch {
        return false
      }
    })
    if (found === undefined) throw new Error(`${this.name} is not running`)
    return found
  }

  /** Ends what runs of it, and takes away all that the machine holds for it, but its disk. */
  async release(): Promise<void> {
    await this.#group.end()
    if (isMount(this.#lab.wire)) await this.#lab.inWire(['ip', 'link', 'del', this.name], { exits: 'any' })
    if (existsSync(this.#in('net'))) {
      if (isMount(this.#in('net'))) await command(['umount', this.#in('net')])
      rmSync(this.#in('net'))
    }
    // What nspawn leaves behind when it is killed.
    rmSync(`/run/systemd/nspawn/propagate/${this.#machine}`, { recursive: true, force: true })
    if (isMount(this.#in('root'))) {
      const { dev, ino } = statSync(this.#in('root'))
      rmSync(`/run/systemd/nspawn/locks/inode-${dev}:${ino}`, { force: true })
    }
    for (const each of ['root', 'disk'])
      if (isMount(this.#in(each))) await command(['umount', this.#in(each)])
    // The kernel lets go of a host's own mounts in its own time; a new mount of the image would be the old one till then.
    if (existsSync(this.#in('image')))
      await until(`the disk of ${this.name} to be free`, async () =>
        (await command(['losetup', '-j', this.#in('image')])).stdout === '' ? true : undefined,
      )
  }

  #in(name: string): string {
    return join(this.#folder, name)
  }

  async #make(): Promise<void> {
    const seed = this.#in('seed')
    const put = (path: string, text: string) => {
      const file = join(seed, 'upper', path)
      mkdirSync(join(file, '..'), { recursive: true })
      writeFileSync(file, text)
    }
    mkdirSync(join(seed, 'work'), { recursive: true })
    for (const each of ['root', 'disk']) mkdirSync(this.#in(each))
    const id = randomBytes(16).toString('hex')
    writeFileSync(this.#in('id'), id)
    put('etc/machine-id', `${id}\n`)
    put('etc/hostname', `${this.name}\n`)
    put('etc/hosts', `127.0.0.1 localhost\n::1 localhost\n${this.address} ${this.name}\n`)
    put('etc/apt/sources.list', 'deb [trusted=yes] file:/srv/pool ./\n')
    put('etc/systemd/system/fleet.service', readFileSync(join(project, unitFile), 'utf8'))
    mkdirSync(join(seed, 'upper/usr/local/bin'), { recursive: true })
    symlinkSync('/opt/fleet/bin/fleet', join(seed, 'upper/usr/local/bin/fleet'))
    truncateSync(closedFile(this.#in('image')), diskSize)
    await command(['mkfs.ext4', '-q', '-m', '0', '-J', 'size=16', '-d', seed, this.#in('image')])
    rmSync(seed, { recursive: true })
  }

  async #plug(): Promise<void> {
    const net = this.#in('net')
    await newNetwork(net)
    const number = Number(this.name.slice(1))
    const hardware = `02:00:00:00:00:${number.toString(16).padStart(2, '0')}`
    await this.#lab.inWire([
      ...['sh', '-ec'],
      `ip link add ${this.name} type veth peer name eth0 netns ${net} address ${hardware}
       ip link set ${this.name} addrgenmode none master br0 up`,
    ])
    await command([
      ...['nsenter', `--net=${net}`, 'sh', '-ec'],
      `ip addr add ${this.address}/24 brd + dev eth0
       ip link set eth0 up
       ip route add default via ${subnet}.254`,
    ])
  }

  /** One boot: systemd-nspawn lives until the host is off. It outlives this process. */
  #boot(): void {
    const log = openSync(this.#in('console'), 'a')
    const modules = realpathSync(join(project, 'node_modules'))
    const binds = [`${project}:/opt/fleet`, `${this.#lab.pool}:/srv/pool`]
    // Of a worktree, node_modules is a link; the host must find what it leads to under the same name.
    if (lstatSync(join(project, 'node_modules')).isSymbolicLink()) binds.push(modules)
    const argv = [
      ...this.#group.entering,
      ...['systemd-nspawn', '--quiet', '--boot', '--register=no', '--keep-unit', '--settings=no'],
      ...[`--machine=${this.#machine}`, `--hostname=${this.name}`, `--directory=${this.#in('root')}`],
      ...[`--uuid=${readFileSync(this.#in('id'), 'utf8')}`, `--network-namespace-path=${this.#in('net')}`],
      ...['--capability=CAP_NET_ADMIN', '--console=pipe', '--link-journal=no'],
      ...['--resolv-conf=off', '--timezone=off', ...binds.map(each => `--bind-ro=${each}`)],
    ]
    const env = {
      ...process.env,
      UNIFIED_CGROUP_HIERARCHY: '1',
      SYSTEMD_NSPAWN_API_VFS_WRITABLE: 'network',
    }
    spawn(argv[0]!, argv.slice(1), { detached: true, stdio: ['ignore', log, log], env }).unref()
    closeSync(log)
  }
}

/** EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH (include/uapi/linux/ext4.h): what is not on the disk is lost. */
const shutdownDisk =
  'open(my $disk, "<", $ARGV[0]) or die; my $how = pack("L", 2); ioctl($disk, 0x8004587d, $how) or die "shutdown: $!"'

function assertName(name: string): void {
  if (!/^h([1-9]|[1-9]\d|1\d\d|2[0-4]\d)$/.test(name))
    throw new Error(`found host ${name}, expected h1 to h249`)
}

async function newNetwork(path: string): Promise<void> {
  closedFile(path)
  await command(['unshare', `--net=${path}`, 'ip', 'link', 'set', 'lo', 'up'])
}

function closedFile(path: string): string {
  closeSync(openSync(path, 'a'))
  return path
}

/** What is mounted at this path and below, innermost last. */
function mountsBelow(path: string): readonly string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map(line => line.split(' ')[1] ?? '')
    .filter(each => each === path || each.startsWith(`${path}/`))
}

const isMount = (path: string) => mountsBelow(path).includes(path)
