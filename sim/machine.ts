// System on a simulated disk, call for call what node/host/linux.ts does on a real one (test/compliance/system.test.ts).
// Commands do what a table says; what a machine has besides is providers.ts's.

import { sha256 } from '../node/host/digest.ts'
import { type ReasonCode, StepError } from '../node/host/errors.ts'
import { reasonOf } from '../node/host/linux.ts'
import type { ResourceId, States } from '../node/host/resource.ts'
import { baseGroups, baseUsers } from '../node/host/steps/base.ts'
import {
  basename,
  dirname,
  join,
  type Ownership,
  type Ran,
  type Stat,
  type System,
} from '../node/host/system.ts'
import { DiskError, type Node } from './disk.ts'
import type { Life } from './life.ts'
import { unpack } from './unpack.ts'
import { stateOf } from './world.ts'

export interface SimMachine extends System {
  /** From now on the first act on a target but so many fails, once; Infinity: none. Temporary files are no targets. */
  failAt(acts: number): void
  /** Whoever is to hear what becomes of a directory's names: its real path, and the name. */
  where(path: string): string
}

export interface MachineOptions {
  /** Every target lies inside it; default `/`. Made if missing, as are the next, and `saved` and `drift` in it. */
  readonly root?: string
  readonly state: string
  /** Default: root's. */
  readonly uid?: number
  readonly gid?: number
  readonly run: (argv: readonly string[], timeoutMs: number) => Promise<Ran>
}

/** As linux.ts. */
const handlesMax = 100
const linksMax = 40
const fsyncsMax = 16
const umask = 0o022
const device = 1
/** Ids of accounts that packages bring. */
const packagedFirst = 100
const packagedCount = 800

interface Handle {
  readonly node: Node
  readonly real: string
}

export function openSimMachine(life: Life, options: MachineOptions): SimMachine {
  const { disk } = life
  const { root = '/', state, uid = 0, gid = 0 } = options
  const handles = new Map<string, Handle>()
  let guarded: ReadonlySet<string> = new Set()
  let failing = Number.POSITIVE_INFINITY
  const fresh = { uid, gid }
  const top = makeAll(root)
  const home = makeAll(state)

  function makeAll(path: string): Node {
    let at = disk.root
    for (const name of path.split('/').filter(each => each !== ''))
      at = at.entries.get(name) ?? disk.add(at, name, 'directory', { mode: 0o700, ...fresh })
    return at
  }
  for (const name of ['saved', 'drift']) makeAll(`${state}/${name}`)

  const isGuarded = (directory: string) => {
    for (let at = directory; at !== '/'; at = dirname(at)) if (guarded.has(at)) return true
    return guarded.has('/')
  }
  const directory = (path: string, hops = 0): Handle => {
    const known = handles.get(path)
    if (known) return known
    if (path === '/') return keep('/', { node: top, real: '/' })
    const parent = directory(dirname(path), hops)
    const name = basename(path)
    const node = name === '.' ? parent.node : parent.node.entries.get(name)
    if (node === undefined) throw missing
    if (node.kind === 'file') throw new DiskError('ENOTDIR', path)
    if (node.kind === 'directory') return keep(path, { node, real: join(parent.real, name) })
    if (isGuarded(parent.real) || (node.uid !== 0 && node.uid !== uid) || hops >= linksMax)
      throw new StepError('SYMLINK_IN_PATH', path, 'found a symbolic link; expected a directory')
    return directory(resolve(parent.real, node.target), hops + 1)
  }
  const keep = (path: string, handle: Handle) => {
    handles.set(path, handle)
    return handle
  }
  const settle = () => handles.clear()
  const where = (path: string) =>
    path.startsWith('/') ? (root === '/' ? path : `${root}${path}`) : `${state}/${path}`

  /** Where a name stands: its directory, and itself. */
  const at = (path: string): [directory: Node, name: string] => {
    if (path === '/') return [top, '.']
    if (path.startsWith('/')) return [directory(dirname(path)).node, basename(path)]
    const slash = path.lastIndexOf('/')
    const folder = `${state}/${path.slice(0, slash)}`
    const found = slash < 0 ? home : disk.find(folder)
    const above = found?.kind === 'link' ? disk.find(`${folder}/.`) : found
    if (above === undefined) throw new DiskError('ENOENT', path)
    return [above, path.slice(slash + 1)]
  }
  /** Directories of targets are opened before a call, others looked up in it. */
  const early = (path: string) => (path.startsWith('/') ? at(path) : undefined)
  const lookup = ([above, name]: [Node, string]): Node | undefined => {
    if (above.kind !== 'directory') throw new DiskError('ENOTDIR')
    return name === '.' ? above : above.entries.get(name)
  }
  const nodeAt = (path: string): Node => {
    const node = lookup(at(path))
    if (node === undefined) throw new DiskError('ENOENT', path)
    return node
  }
  const fileAt = (path: string): Node => {
    const node = nodeAt(path)
    if (node.kind === 'link') throw new DiskError('ELOOP', path)
    return node
  }

  const attempt = <T>(path: string, action: () => T): T => {
    life.live()
    if (handles.size > handlesMax) settle()
    try {
      return action()
    } catch (error) {
      throw named(error, path)
    }
  }
  /** The same for what changes a target. */
  const act = <T>(path: string, action: () => T): T =>
    attempt(path, () => {
      if (disk.faults.immutable.size > 0 && disk.faults.immutable.has(path))
        throw new DiskError('EPERM', path)
      if (path.startsWith('/') && !isTemporary(path) && failing-- <= 0) {
        failing = Number.POSITIVE_INFINITY
        throw new StepError('IO_FAILED', path, 'found a release that does not work here')
      }
      return action()
    })
  type Place = [directory: Node, name: string]
  /** What a tool would say of two paths, once their directories are open. */
  const tool = (
    [from, to]: readonly [string, string],
    fail: ReasonCode,
    action: (from: Place, to: Place) => void,
  ) => {
    const [one, other] = [attempt(from, () => at(from)), attempt(to, () => at(to))]
    try {
      action(one, other)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      throw new StepError(error.code === 'ENOSPC' ? 'DISK_FULL' : fail, from, error.message)
    }
  }

  const own = (node: Node, { uid: owner = uid, gid: group = gid, mode }: Ownership) => {
    const owned = node.uid !== owner || node.gid !== group
    if (owned) disk.setOwner(node, owner, group)
    if (mode !== undefined && node.mode !== mode) disk.setMode(node, mode)
  }

  const lstat = (path: string): Stat | undefined => {
    life.live()
    if (handles.size > handlesMax) settle()
    try {
      // By the name that the directory has now, or had when it was opened: a look is made anew.
      const node =
        path === '/' || !path.startsWith('/')
          ? lookup(at(path))
          : disk.find(where(join(directory(dirname(path)).real, basename(path))))
      return node && statOf(node)
    } catch (error) {
      if (error instanceof DiskError && ['ENOENT', 'ENOTDIR'].includes(error.code)) return undefined
      throw named(error, path)
    }
  }

  const copyNode = (node: Node, [above, name]: [Node, string], known: Map<Node, Node>) => {
    const { kind, target, mtimeMs } = node
    const there = above.entries.get(name)
    const twin = known.get(node)
    if (twin) return disk.link(above, name, twin)
    let copy: Node
    if (kind === 'file' && there?.kind === 'file') {
      copy = there
      disk.overwrite(copy, disk.read(node))
    } else {
      const content = kind === 'file' ? disk.read(node) : kind === 'link' ? target : undefined
      if (there && kind !== 'directory') disk.unlink(above, name)
      copy =
        there && kind === 'directory'
          ? there
          : disk.add(above, name, kind, { mode: 0o700, uid: node.uid, gid: node.gid }, content)
    }
    known.set(node, copy)
    for (const each of node.entries.keys()) copyNode(node.entries.get(each)!, [copy, each], known)
    own(copy, { uid: node.uid, gid: node.gid, mode: node.mode })
    disk.setTime(copy, mtimeMs)
  }

  const accounts = (kind: 'user' | 'group', name: string) => {
    if (/^\d+$/.test(name)) return Number(name)
    if (name === 'root') return 0
    const found = disk.resources.get(`${kind}:${name}` as ResourceId)
    if (found !== undefined)
      return kind === 'user' ? (found as States['user']).uid : (found as States['group']).gid
    const base = [...(kind === 'user' ? baseUsers : baseGroups)].indexOf(name)
    if (base >= 0) return base
    // Packages bring accounts of their own; which, no machine in memory knows.
    const packaged = [...disk.resources.keys()].some(id => id.startsWith('package:'))
    return packaged ? packagedFirst + (stateOf(0, name) % packagedCount) : undefined
  }

  return {
    uid,
    gid,
    where,
    failAt: acts => {
      failing = acts
    },
    settle,
    guard: directories => {
      guarded = directories
    },
    lstat,
    read: (path, bytesMax) =>
      attempt(path, () => {
        const node = fileAt(path)
        if (node.size > bytesMax)
          throw new StepError('TOO_LARGE', path, `found ${node.size} bytes; expected at most ${bytesMax}`)
        return disk.read(node)
      }),
    digest: path => attempt(path, () => digestOf(disk.read(fileAt(path)))),
    readlink: path =>
      attempt(path, () => {
        const node = nodeAt(path)
        if (node.kind !== 'link') throw new DiskError('EINVAL', path)
        return node.target
      }),
    list: path => attempt(path, () => disk.list(nodeAt(path))),
    create: (path, bytes, ownership) =>
      act(path, () => {
        const mode = ownership.mode ?? 0o600
        const foreign = (ownership.uid ?? uid) !== uid || (ownership.gid ?? gid) !== gid
        const born = (foreign ? 0o600 : mode & 0o777) & ~umask
        const node = disk.add(...at(path), 'file', { mode: born, ...fresh }, bytes)
        own(node, ownership)
        return statOf(node)
      }),
    mkdir: (path, ownership) =>
      act(path, () => {
        const mode = ownership.mode === undefined ? 0o777 & ~umask : 0o700
        own(disk.add(...at(path), 'directory', { mode, ...fresh }), ownership)
      }),
    symlink: (path, target, { uid: owner, gid: group }) =>
      act(path, () => {
        const node = disk.add(...at(path), 'link', { mode: 0o777, ...fresh }, target)
        if ((owner ?? uid) !== uid || (group ?? gid) !== gid) disk.setOwner(node, owner ?? uid, group ?? gid)
      }),
    chmod: (path, mode) => act(path, () => disk.setMode(nodeAt(path), mode)),
    chown: (path, owner, group) => act(path, () => disk.setOwner(nodeAt(path), owner, group)),
    rename: (from, to) =>
      act(to, () => {
        const [place, origin] = [early(to), early(from)]
        disk.rename(...(origin ?? at(from)), ...(place ?? at(to)))
      }),
    link: (from, to) =>
      attempt(from, () => {
        const [origin, there] = [early(from), early(to)]
        const node = lookup(origin ?? at(from))
        if (node === undefined) throw new DiskError('ENOENT', from)
        const place = there ?? at(to)
        if (node.kind === 'directory' && place[0].kind === 'directory' && !place[0].entries.has(place[1]))
          return false
        disk.link(...place, node)
        return true
      }),
    unlink: path => act(path, () => disk.unlink(...at(path))),
    rmdir: path => act(path, () => disk.rmdir(...at(path))),
    copy: (from, to) =>
      tool([from, to], 'ATTRIBUTES_LOST', (_, place) => {
        const node = nodeAt(from)
        copyNode(node, place, new Map())
        if (node.kind === 'directory') disk.flush()
      }),
    removeTree: path =>
      attempt(path, () => {
        // rm -f below a name that is gone; a target's directory is opened first.
        if (path.startsWith('/') || lstat(path)) disk.remove(...at(path))
      }),
    plain: paths => {
      const all = paths.every(path => lstat(path) !== undefined)
      return new Set(all ? paths : [])
    },
    carry: pairs => {
      for (const [from, to] of pairs)
        tool([from, to], 'ATTRIBUTES_LOST', () => disk.setMode(nodeAt(to), nodeAt(from).mode))
    },
    flush: (paths, trees = false) =>
      attempt(paths[0] ?? '/', () => {
        if (paths.length > fsyncsMax || trees) return disk.flush()
        // Each by itself, so that each may fail.
        for (const path of paths) attempt(path, () => disk.flush([fileAt(path)]))
      }),
    space: path =>
      attempt(`${path}/.`, () => {
        nodeAt(`${path}/.`)
        const { full } = disk.faults
        return { bytes: full ? 0 : 2 ** 40, files: full ? 0 : 2 ** 30 }
      }),
    append: (path, bytes, durable) =>
      attempt(path, () => {
        const place = at(path)
        const node = lookup(place)
        if (node?.kind === 'link') throw new DiskError('ELOOP', path)
        const file = node ?? disk.add(...place, 'file', { mode: 0o600, ...fresh })
        if (node === undefined) disk.flush([])
        disk.append(file, bytes)
        if (durable) disk.flush([file])
      }),
    replace: (path, bytes) => attempt(path, () => replaceDurably(life, at(path), bytes, fresh)),
    truncate: (path, size) => attempt(path, () => disk.truncate(nodeAt(path), size)),
    run: async (argv, timeoutMs, subject) => {
      life.live()
      const ran = await options.run(
        subject === undefined ? argv : argv.map(word => word.replaceAll('%s', () => subject)),
        timeoutMs,
      )
      life.live()
      return ran
    },
    unpack: async (archive, into, unpacking) =>
      attempt(into, () => unpack(disk, disk.read(fileAt(archive)), at(into), unpacking, fresh)),
    userId: name => accounts('user', name),
    groupId: name => accounts('group', name),
  }
}

/** A file by way of another beside it, on the disk when it returns. */
export function replaceDurably(
  { disk }: Life,
  [above, name]: [Node, string],
  bytes: Uint8Array,
  owner: { readonly uid: number; readonly gid: number },
  [room, temporary]: [Node, string] = [above, `${name}.new`],
): void {
  const old = room.entries.get(temporary)
  if (old) disk.overwrite(old, bytes)
  const node = old ?? disk.add(room, temporary, 'file', { mode: 0o600, ...owner }, bytes)
  disk.flush([node])
  disk.rename(room, temporary, above, name)
  disk.flush([])
}

function statOf(node: Node): Stat {
  const { kind, ino, size, mtimeMs, ctimeMs, mode, uid, gid } = node
  return { kind, dev: device, ino, size, mtimeMs, ctimeMs, mode, uid, gid }
}

function named(error: unknown, path: string): unknown {
  if (!(error instanceof DiskError)) return error
  return new StepError(reasonOf(error.code, true), path, error.message)
}

const isTemporary = (path: string) => path.includes('/.fleet-')

function resolve(directory: string, target: string): string {
  const names: string[] = []
  for (const name of (target.startsWith('/') ? target : `${directory}/${target}`).split('/')) {
    if (name === '..') names.pop()
    else if (name !== '' && name !== '.') names.push(name)
  }
  return `/${names.join('/')}`
}

/** Made once: an Error with its stack costs more than all else of a look, and runs ask for what is to come. */
const missing = new DiskError('ENOENT', 'no such directory')

/** Contents are shared by a fleet, and hashed once. */
const digests = new WeakMap<Uint8Array, string>()

export function digestOf(bytes: Uint8Array): string {
  let found = digests.get(bytes)
  if (found === undefined) {
    found = sha256(bytes)
    digests.set(bytes, found)
  }
  return found
}
