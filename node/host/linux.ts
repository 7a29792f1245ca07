// System on a real machine. Every target is reached through a handle on its directory, opened one component at a
// time (`/proc/self/fd/N/name`, Node's only way to openat), so that nobody can swap a parent during a run. What Node
// has no call for is done by coreutils, which every Linux has: `sync -f`, `cp -a`, `cp --attributes-only`.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { type ReasonCode, StepError } from './errors.ts'
import { run } from './linux-run.ts'
import { unpack } from './linux-unpack.ts'
import { basename, dirname, join, type Ownership, type Stat, type System } from './system.ts'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY, O_APPEND } = fs.constants
/** A handle that needs no right to read (Linux, the same on x86-64 and arm64). */
const O_PATH = 0o10000000
/** Open directory handles kept; a tenth of the usual limit of 1,024 files a process. */
const handlesMax = 100
/** As in the kernel (MAXSYMLINKS). */
const linksMax = 40
/** Up to here each file is synced by itself; above, whole file systems: one `sync -f` costs about as much. */
const fsyncsMax = 16
/** What tar says of a batch of files; their paths are a few dozen characters long. Bytes. */
const tarBytesMax = 16 * 1024 * 1024
const chunkBytes = 256 * 1024
/** The kernel takes paths of 4,095 bytes; a character has up to three. */
const seenCharsMax = 1300

export interface Machine extends System {
  /** The real path, for a person or a command; not for the engine's own work. */
  where(path: string): string
  close(): void
}

/** `root` and `state` are existing directories; `state` belongs to this process alone (linux-lock.ts). */
export function openMachine(root: string, state: string): Machine {
  const uid = process.geteuid!()
  const gid = process.getegid!()
  const realRoot = fs.realpathSync(root)
  const realState = fs.realpathSync(state)
  const handles = new Map<string, { fd: number; real: string }>()
  const appends = new Map<string, number>()
  let guarded: ReadonlySet<string> = new Set()
  let buffer: Uint8Array | undefined

  const settle = () => {
    for (const { fd } of handles.values()) fs.closeSync(fd)
    handles.clear()
  }

  const isGuarded = (directory: string) => {
    for (let at = directory; at !== '/'; at = dirname(at)) if (guarded.has(at)) return true
    return guarded.has('/')
  }

  /** The handle of a directory inside the root; links on the way are resolved inside the root too. */
  const directory = (path: string, hops = 0): { fd: number; real: string } => {
    const known = handles.get(path)
    if (known) return known
    if (path === '/') return keep('/', { fd: fs.openSync(realRoot, O_PATH | O_DIRECTORY), real: '/' })
    const parent = directory(dirname(path), hops)
    const name = basename(path)
    const at = `/proc/self/fd/${parent.fd}/${name}`
    // Asked first: to be told by open() costs an Error with its stack, and runs ask for thousands of directories to come.
    if (fs.lstatSync(at, { throwIfNoEntry: false }) === undefined) throw missing
    try {
      const fd = fs.openSync(at, O_PATH | O_DIRECTORY | O_NOFOLLOW)
      return keep(path, { fd, real: join(parent.real, name) })
    } catch (error) {
      if (!['ENOTDIR', 'ELOOP'].includes(errnoOf(error))) throw error
      const stat = fs.lstatSync(at)
      if (!stat.isSymbolicLink()) throw error
      // A link made by an unprivileged user, or below a managed directory, must not redirect what root writes.
      if (isGuarded(parent.real) || (stat.uid !== 0 && stat.uid !== uid) || hops >= linksMax)
        throw new StepError('SYMLINK_IN_PATH', path, 'found a symbolic link; expected a directory')
      const target = directory(resolve(parent.real, fs.readlinkSync(at)), hops + 1)
      return { fd: target.fd, real: target.real }
    }
  }
  const keep = (path: string, handle: { fd: number; real: string }) => {
    handles.set(path, handle)
    return handle
  }

  const at = (path: string): string => {
    if (!path.startsWith('/')) return `${realState}/${path}`
    if (path === '/') return realRoot
    return `/proc/self/fd/${directory(dirname(path)).fd}/${basename(path)}`
  }
  /**
   * For a look alone: the directory's own path, free of links when its handle was opened. The kernel finds that three
   * times faster than a way through /proc, and nothing is done on the strength of a look but through the handle.
   */
  const seenAt = (path: string): string => {
    if (!path.startsWith('/') || path === '/') return at(path)
    const above = directory(dirname(path)).real
    const found = `${realRoot === '/' ? '' : realRoot}${above === '/' ? '' : above}/${basename(path)}`
    return found.length < seenCharsMax ? found : at(path)
  }
  const where = (path: string): string =>
    path.startsWith('/') ? (realRoot === '/' ? path : `${realRoot}${path}`) : `${realState}/${path}`

  /** Before an operation, never within one: it may hold several handles. */
  const trim = () => {
    if (handles.size > handlesMax) settle()
  }

  const attempt = <T>(path: string, action: (real: string) => T): T => {
    trim()
    try {
      return action(at(path))
    } catch (error) {
      throw named(error, path, uid === 0)
    }
  }

  const own = (fd: number, ownership: Ownership) => {
    const wanted = { uid: ownership.uid ?? uid, gid: ownership.gid ?? gid }
    const now = fs.fstatSync(fd)
    const owned = now.uid !== wanted.uid || now.gid !== wanted.gid
    if (owned) fs.fchownSync(fd, wanted.uid, wanted.gid)
    // chown clears setuid and setgid.
    const { mode } = ownership
    const moded = mode !== undefined && (owned || (now.mode & 0o7777) !== mode)
    if (moded) fs.fchmodSync(fd, mode)
    return owned || moded ? fs.fstatSync(fd) : now
  }

  const tool = (argv: readonly string[], path: string, fail: ReasonCode, input?: string) => {
    const done = spawnSync(argv[0]!, argv.slice(1), {
      stdio: ['pipe', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      ...(input === undefined ? {} : { input }),
    })
    if (done.error) {
      const missing = errnoOf(done.error) === 'ENOENT'
      throw new StepError(missing ? 'TOOL_MISSING' : fail, path, `${argv[0]}: ${done.error.message}`)
    }
    if (done.status !== 0) {
      const output = done.stderr.toString().trim().slice(-500)
      const full = /No space left|quota exceeded/i.test(output)
      throw new StepError(full ? 'DISK_FULL' : fail, path, `${argv[0]}: ${output}`)
    }
  }

  const lstat = (path: string): Stat | undefined => {
    trim()
    try {
      const stat = fs.lstatSync(seenAt(path), { throwIfNoEntry: false })
      return stat === undefined ? undefined : toStat(stat)
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error))) return undefined
      throw named(error, path, uid === 0)
    }
  }

  const machine: Machine = {
    uid,
    gid,
    where,
    settle,
    guard: directories => {
      guarded = directories
    },
    lstat,
    read: (path, bytesMax) =>
      attempt(path, real => {
        const fd = fs.openSync(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        try {
          const { size } = fs.fstatSync(fd)
          if (size > bytesMax)
            throw new StepError('TOO_LARGE', path, `found ${size} bytes; expected at most ${bytesMax}`)
          return fs.readFileSync(fd)
        } finally {
          fs.closeSync(fd)
        }
      }),
    digest: path =>
      attempt(path, real => {
        const fd = fs.openSync(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        try {
          const hash = createHash('sha256')
          buffer ??= new Uint8Array(chunkBytes)
          for (let got = chunkBytes; got === chunkBytes; ) {
            got = fs.readSync(fd, buffer, 0, chunkBytes, null)
            hash.update(buffer.subarray(0, got))
          }
          return hash.digest('hex')
        } finally {
          fs.closeSync(fd)
        }
      }),
    readlink: path => attempt(path, real => fs.readlinkSync(real)),
    list: path => attempt(path, real => fs.readdirSync(real).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))),
    create: (path, bytes, ownership) =>
      attempt(path, real => {
        const foreign = (ownership.uid ?? uid) !== uid || (ownership.gid ?? gid) !== gid
        // Nobody but its owner to be may read it, not even before it is his; else born as it is to be: a call less.
        const born = foreign ? 0o600 : (ownership.mode ?? 0o600) & 0o777
        const fd = fs.openSync(real, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, born)
        try {
          for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done)
          return toStat(own(fd, ownership))
        } finally {
          fs.closeSync(fd)
        }
      }),
    mkdir: (path, ownership) =>
      attempt(path, real => {
        fs.mkdirSync(real, ownership.mode === undefined ? 0o777 : 0o700)
        const fd = fs.openSync(real, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        try {
          own(fd, ownership)
        } finally {
          fs.closeSync(fd)
        }
      }),
    symlink: (path, target, { uid: owner, gid: group }) =>
      attempt(path, real => {
        fs.symlinkSync(target, real)
        if ((owner ?? uid) !== uid || (group ?? gid) !== gid) fs.lchownSync(real, owner ?? uid, group ?? gid)
      }),
    chmod: (path, mode) => attempt(path, real => fs.chmodSync(real, mode)),
    chown: (path, owner, group) => attempt(path, real => fs.lchownSync(real, owner, group)),
    rename: (from, to) => attempt(to, target => fs.renameSync(at(from), target)),
    link: (from, to) => {
      trim()
      try {
        fs.linkSync(at(from), at(to))
        return true
      } catch (error) {
        if (['EXDEV', 'EPERM', 'EMLINK', 'EOPNOTSUPP'].includes(errnoOf(error))) return false
        throw named(error, from, uid === 0)
      }
    },
    unlink: path => attempt(path, real => fs.unlinkSync(real)),
    rmdir: path => attempt(path, real => fs.rmdirSync(real)),
    copy: (from, to) => {
      const all = uid === 0 ? ['--preserve=all'] : []
      tool(['cp', '-a', ...all, '-T', '--', real(from), real(to)], from, 'ATTRIBUTES_LOST')
      // A file is flushed with others; a tree has nobody who knows what is in it.
      if (lstat(to)?.kind === 'directory') tool(['sync', '-f', '--', real(to)], from, 'IO_FAILED')
    },
    removeTree: path => attempt(path, target => fs.rmSync(target, { recursive: true, force: true })),
    plain: paths => {
      if (paths.length === 0) return new Set()
      // Every machine has tar, few have getfattr; into /dev/null it reads no content. One line a file, the mark after its mode.
      const looks = ['--xattrs', '--xattrs-include=*', '--acls', '--selinux', '--no-recursion', '-P']
      const done = spawnSync('tar', ['-cvvf', '/dev/null', ...looks, '--null', '-T', '-'], {
        input: paths.map(path => `${real(path)}\0`).join(''),
        encoding: 'latin1',
        env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
        maxBuffer: tarBytesMax,
      })
      const lines = (done.stdout ?? '').split('\n').slice(0, -1)
      const told = done.status === 0 && done.stderr === '' && lines.length === paths.length
      return new Set(told ? paths.filter((_, at) => lines[at]![10] === ' ') : [])
    },
    carry: pairs => {
      if (pairs.length === 0) return
      const cp = ['cp', '--attributes-only', '--preserve=mode,xattr', '--']
      const [[from, to], ...others] = pairs as [(typeof pairs)[number], ...typeof pairs]
      // A repair is one file, and each process counts.
      if (others.length === 0) return void tool([...cp, real(from), real(to)], from, 'ATTRIBUTES_LOST')
      const input = pairs.map(([from, to]) => `${real(from)}\0${real(to)}\0`).join('')
      tool(['xargs', '-0', '-n', '2', ...cp], from, 'ATTRIBUTES_LOST', input)
    },
    flush: (paths, trees = false) => {
      if (paths.length > fsyncsMax || trees) {
        // One directory of each file system is enough: the call syncs all of it.
        const systems = new Map<number, string>()
        for (const path of new Set(paths.map(each => where(dirname(each))))) {
          const stat = fs.statSync(path, { throwIfNoEntry: false })
          if (stat) systems.set(stat.dev, path)
        }
        if (systems.size > 0) tool(['sync', '-f', '--', ...systems.values()], paths[0]!, 'IO_FAILED')
        return
      }
      for (const path of paths)
        attempt(path, target => {
          const fd = fs.openSync(target, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
          try {
            fs.fsyncSync(fd)
          } finally {
            fs.closeSync(fd)
          }
        })
    },
    space: path =>
      attempt(`${path}/.`, real => {
        const { bavail, bsize, ffree, files } = fs.statfsSync(real)
        // Some file systems (btrfs) make inodes as they go and say 0.
        return { bytes: bavail * bsize, files: files === 0 ? Number.POSITIVE_INFINITY : ffree }
      }),
    append: (path, bytes, durable) =>
      attempt(path, real => {
        let fd = appends.get(path)
        if (fd === undefined) {
          const fresh = !fs.existsSync(real)
          fd = fs.openSync(real, O_CREAT | O_APPEND | O_WRONLY | O_NOFOLLOW, 0o600)
          appends.set(path, fd)
          if (fresh) syncDirectory(real)
        }
        for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done)
        if (durable) fs.fdatasyncSync(fd)
      }),
    replace: (path, bytes) =>
      attempt(path, real => {
        const fd = fs.openSync(`${real}.new`, 'w', 0o600)
        try {
          for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done)
          fs.fsyncSync(fd)
        } finally {
          fs.closeSync(fd)
        }
        fs.renameSync(`${real}.new`, real)
        const old = appends.get(path)
        if (old !== undefined) fs.closeSync(old)
        appends.delete(path)
        syncDirectory(real)
      }),
    truncate: (path, size) => attempt(path, real => fs.truncateSync(real, size)),
    run: (argv, timeoutMs, subject) =>
      run(subject === undefined ? argv : argv.map(word => word.replaceAll('%s', () => where(subject))), {
        timeoutMs,
        cwd: realRoot,
        env: { FLEET_ROOT: realRoot },
      }),
    unpack: async (archive, into, options) => {
      trim()
      try {
        // Both names are opened before the first wait, while their handles stand.
        await unpack(at(archive), at(into), options)
      } catch (error) {
        throw named(error, into, uid === 0)
      }
    },
    userId: name => identify(realRoot, 'passwd', name),
    groupId: name => identify(realRoot, 'group', name),
    close: () => {
      settle()
      for (const fd of appends.values()) fs.closeSync(fd)
      appends.clear()
    },
  }
  /** For a tool: our own handles are closed to it, so it gets them under our process id. */
  const real = (path: string) => {
    try {
      return at(path).replace('/proc/self/', `/proc/${process.pid}/`)
    } catch (error) {
      throw named(error, path, uid === 0)
    }
  }
  return machine
}

/** As the platform would throw it, once for all. */
const missing = Object.assign(new Error('ENOENT: no such directory'), { code: 'ENOENT' })

function toStat(stat: fs.Stats): Stat {
  const kind = stat.isFile()
    ? 'file'
    : stat.isDirectory()
      ? 'directory'
      : stat.isSymbolicLink()
        ? 'link'
        : 'other'
  const { dev, ino, size, mtimeMs, ctimeMs, uid, gid } = stat
  return { kind, dev, ino, size, mtimeMs, ctimeMs, mode: stat.mode & 0o7777, uid, gid }
}

const errnoOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? ''

function named(error: unknown, path: string, privileged: boolean): unknown {
  const errno = errnoOf(error)
  if (error instanceof StepError || !/^E[A-Z0-9]+$/.test(errno)) return error
  return new StepError(reasonOf(errno, privileged), path, (error as Error).message.split(', ')[0]!)
}

/** For root, EPERM on a file means a file attribute (chattr) rather than a missing right. */
export function reasonOf(errno: string, privileged: boolean): ReasonCode {
  switch (errno) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'DISK_FULL'
    case 'EROFS':
      return 'READ_ONLY'
    case 'EACCES':
      return 'NO_PERMISSION'
    case 'EPERM':
      return privileged ? 'IMMUTABLE' : 'NO_PERMISSION'
    case 'EBUSY':
    case 'ETXTBSY':
      return 'BUSY'
    case 'ENOENT':
      return 'NO_PARENT'
    case 'ENOTDIR':
    case 'EISDIR':
    case 'EEXIST':
      return 'WRONG_TYPE'
    case 'ELOOP':
      return 'SYMLINK_IN_PATH'
    default:
      return 'IO_FAILED'
  }
}

/** A link's target as a path inside the root; `..` stops at the root, as the kernel does. */
function resolve(directory: string, target: string): string {
  const names: string[] = []
  for (const name of (target.startsWith('/') ? target : `${directory}/${target}`).split('/')) {
    if (name === '..') names.pop()
    else if (name !== '' && name !== '.') names.push(name)
  }
  return `/${names.join('/')}`
}

function syncDirectory(path: string) {
  const fd = fs.openSync(dirname(path), O_RDONLY | O_DIRECTORY)
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** A name's number in the root's own database, else in the machine's; numbers stand for themselves. */
function identify(root: string, database: 'passwd' | 'group', name: string): number | undefined {
  if (/^\d+$/.test(name)) return Number(name)
  if (name === 'root') return 0
  for (const file of new Set([`${root}/etc/${database}`, `/etc/${database}`])) {
    if (!fs.existsSync(file)) continue
    for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
      const fields = line.split(':')
      if (fields[0] === name) return Number(fields[2])
    }
  }
  return undefined
}
