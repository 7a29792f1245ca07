// What all hosts of all labs share: a Debian tree that is built once and never written to, and the packages that hosts
// may install. Kept in $FLEET_LAB_CACHE, which may be deleted at any time.
import { createHash } from 'node:crypto'
import { existsSync, linkSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { command } from './command.ts'
import { cgroup2 } from './groups.ts'

const suite = 'bookworm'
/** Of the tree: what systemd needs to be process 1, Node.js to run, and the tests to go wrong with. */
const basePackages = [
  ...['systemd', 'systemd-sysv', 'dbus', 'libpam-systemd', 'iproute2', 'procps', 'libstdc++6', 'libatomic1'],
  ...['sudo', 'attr', 'acl', 'logrotate', 'unattended-upgrades', 'vim-tiny', 'nano'],
]
/** Of the pool, with what they depend on. */
const poolPackages = ['nginx', 'curl']
/** Units that take locks, or time, in the middle of a test. */
const idleUnits = [
  ...['apt-daily.timer', 'apt-daily-upgrade.timer', 'unattended-upgrades.service', 'logrotate.timer'],
  ...['e2scrub_all.timer', 'fstrim.timer', 'dpkg-db-backup.timer', 'e2scrub_reap.service'],
]

/** Command -> package that brings it. */
const tools: Readonly<Record<string, string>> = {
  'systemd-nspawn': 'systemd-container',
  mmdebstrap: 'mmdebstrap',
  'apt-ftparchive': 'apt-utils',
  'dpkg-deb': 'dpkg',
  'mkfs.ext4': 'e2fsprogs',
  ip: 'iproute2',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  perl: 'perl-base',
  strace: 'strace',
}

export interface Base {
  readonly tree: string
  /** Folder of .deb files. */
  readonly packages: string
}

const cache = process.env['FLEET_LAB_CACHE'] ?? '/var/cache/fleet-lab'

/** Why no lab can stand here, in words; undefined: one can. Installs by apt what is missing. */
export async function obstacle(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'this is not Linux'
  if (process.getuid?.() !== 0) return 'it needs root'
  if (cgroup2() === undefined) return 'it needs a mounted cgroup2 file system that can be written to'
  const missing = await missingPackages()
  if (missing.length > 0) {
    if (!existsSync('/usr/bin/apt-get')) return `these are missing: ${missing.join(' ')}`
    await apt('update').catch(() => {})
    await apt('install', '-y', '--no-install-recommends', ...missing).catch(() => {})
    const still = await missingPackages()
    if (still.length > 0) return `these cannot be installed: ${still.join(' ')}`
  }
  try {
    await openBase()
  } catch (error) {
    return `the Debian tree of the hosts cannot be built: ${(error as Error).message.slice(-500)}`
  }
}

const apt = (...words: string[]) => command(['apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=300', ...words])

async function missingPackages(): Promise<readonly string[]> {
  const missing = new Set<string>()
  for (const [tool, name] of Object.entries(tools))
    if ((await command(['sh', '-c', `command -v ${tool}`], { exits: 'any' })).exit !== 0) missing.add(name)
  return [...missing]
}

/** Builds what is not there yet: about a minute, and some 40 MB from Debian's archive. */
export async function openBase(): Promise<Base> {
  const key = createHash('sha256').update(JSON.stringify([suite, basePackages, poolPackages, idleUnits]))
  const folder = join(cache, `${suite}-${key.digest('hex').slice(0, 8)}`)
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true })
    // Under a name of its own, since another lab may be building the same.
    const making = `${folder}.${process.pid}`
    try {
      await build(making)
      if (!existsSync(folder)) renameSync(making, folder)
    } finally {
      rmSync(making, { recursive: true, force: true })
    }
  }
  return { tree: join(folder, 'tree'), packages: join(folder, 'packages') }
}

async function build(folder: string): Promise<void> {
  const tree = join(folder, 'tree')
  const packages = join(folder, 'packages')
  mkdirSync(packages, { recursive: true })
  const idle = idleUnits.map(unit => `ln -sf /dev/null "$1/etc/systemd/system/${unit}"`).join('; ')
  await command([
    ...['mmdebstrap', '--quiet', '--variant=minbase', '--skip=cleanup/apt/lists'],
    `--include=${basePackages.join(',')}`,
    `--customize-hook=${idle}; : >"$1/etc/machine-id"; rm -f "$1/etc/hostname"; : >"$1/etc/resolv.conf"`,
    // By the machine's apt, which knows the way out, with the lists and the status of the tree.
    `--customize-hook=APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -qq install -y --no-install-recommends --download-only -oAPT::Keep-Downloaded-Packages=true ${poolPackages.join(' ')}`,
    `--customize-hook=mv "$1"/var/cache/apt/archives/*.deb ${packages}/`,
    '--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin; : >"$1/etc/apt/sources.list"',
    ...[suite, tree],
  ])
}

/** Fills a folder that is to be an apt repository: the packages of the cache, and what `folder` holds already. */
export async function indexPool(base: Base, folder: string): Promise<void> {
  for (const name of readdirSync(base.packages))
    if (!existsSync(join(folder, name))) {
      try {
        linkSync(join(base.packages, name), join(folder, name))
      } catch {
        await command(['cp', join(base.packages, name), folder])
      }
    }
  const release = ['Origin', 'Label', 'Suite'].flatMap(each => [
    '-o',
    `APT::FTPArchive::Release::${each}=fleet-lab`,
  ])
  await command(['sh', '-ec', 'apt-ftparchive packages . >.new && mv .new Packages'], { cwd: folder })
  await command(['sh', '-ec', 'apt-ftparchive "$@" release . >.new && mv .new Release', '-', ...release], {
    cwd: folder,
  })
}
