// A file system in memory with what a journalling one promises, and what it does not: after a power cut the newest changes
// of names and attributes are gone, from a random one on, and what was not flushed is torn. Faults are switched here;
// what a path means, and what an error is called, is left to the ports on it (machine.ts, repository.ts, store.ts).
import type { ResourceId, State } from '../node/host/resource.ts'

/** An errno, as the platform throws it. */
export class DiskError extends Error {
  readonly code: string
  constructor(code: string, path = '') {
    // Nobody reads where it was thrown, and there are hundreds of thousands.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(`${code}: ${path || 'on a simulated disk'}`)
    Error.stackTraceLimit = stackTraceLimit
    this.code = code
  }
}

export interface Node {
  readonly ino: number
  readonly kind: 'file' | 'directory' | 'link'
  mode: number
  uid: number
  gid: number
  mtimeMs: number
  ctimeMs: number
  /** Names; 0: it is gone. */
  names: number
  /** Of a file. The arrays are never changed, so that other files and disks may share them. */
  chunks: Uint8Array[]
  /** Bytes. */
  size: number
  /** Of a link. */
  readonly target: string
  readonly entries: Map<string, Node>
}

/** How a new thing looks; umask and inheritance are the caller's and the disk's. */
export interface Birth {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

export interface DiskFaults {
  /** Nothing new fits: ENOSPC, and nothing is half written. */
  full: boolean
  /** Share of changes that fail with EIO. */
  errors: number
  /** Targets (paths) that nobody may replace or change: EPERM. */
  readonly immutable: Set<string>
}

/** Changes that may be lost at once: a journalling file system commits by itself every few seconds. */
const uncommittedMax = 4096
/** The finest step of a double that counts milliseconds since 1970. */
const tickMs = 1 / 4096
const linksMax = 40

export class SimDisk {
  readonly faults: DiskFaults = { full: false, errors: 0, immutable: new Set() }
  /** Of the store beside the files; changed by `keepRows` alone. */
  rows = new Map<string, Uint8Array>()
  /** What the machine has besides paths; changed by `keepResource` alone. */
  resources = new Map<ResourceId, State>()
  root: Node
  /** Changes and flushes so far: what a slow disk costs. */
  changes = 0
  /** Called before each of them; what it throws stops it. */
  before: (() => void) | undefined
  readonly #now: () => number
  readonly #chance: () => number
  #inodes = 1
  #lastMs = 0
  #ticks = 0
  #undo: (() => void)[] = []
  /** What was written and not flushed -> bytes of it that are on the disk for certain. */
  readonly #loose = new Map<Node, number>()

  /** `now`: ms since 1970, of the host's clock. `chance` in [0, 1) says which changes fail. */
  constructor(now: () => number, chance: () => number = () => 0.5) {
    this.#now = now
    this.#chance = chance
    this.root = this.#node('directory', { mode: 0o755, uid: 0, gid: 0 })
    this.root.names = 1
  }

  // Looking

  /** Undefined: there is no such path. Links are followed on the way, not at its end. */
  find(path: string): Node | undefined {
    let at = this.root
    for (let from = 0; from < path.length; ) {
      const slash = path.indexOf('/', from)
      const to = slash < 0 ? path.length : slash
      if (to > from) {
        if (at.kind !== 'directory') return at.kind === 'link' ? this.#follow(path, 0) : undefined
        const next = at.entries.get(path.slice(from, to))
        // Nothing is called `.` or `..`.
        if (next === undefined) return path.includes('/.', from - 1) ? this.#follow(path, 0) : undefined
        at = next
      }
      from = to + 1
    }
    return at
  }

  /** The same, however crooked the path is. */
  #follow(path: string, hops: number): Node | undefined {
    let at = this.root
    const names = path.split('/')
    const trail: Node[] = []
    for (const [index, name] of names.entries()) {
      if (name === '' || name === '.') continue
      if (at.kind !== 'directory') return undefined
      const next = name === '..' ? (trail.pop() ?? at) : at.entries.get(name)
      if (next === undefined) return undefined
      if (next.kind === 'link' && index < names.length - 1) {
        if (hops >= linksMax) throw new DiskError('ELOOP', path)
        const above = next.target.startsWith('/') ? '' : names.slice(0, index).join('/')
        return this.#follow([above, next.target, ...names.slice(index + 1)].join('/'), hops + 1)
      }
      if (name !== '..') trail.push(at)
      at = next
    }
    return at
  }

  /** The whole file. Not to be changed. */
  read(node: Node): Uint8Array {
    if (node.kind === 'directory') throw new DiskError('EISDIR')
    if (node.chunks.length === 1) return node.chunks[0]!
    const whole = new Uint8Array(node.size)
    let at = 0
    for (const each of node.chunks) {
      whole.set(each, at)
      at += each.length
    }
    node.chunks = [whole]
    return whole
  }

  list(node: Node): string[] {
    if (node.kind !== 'directory') throw new DiskError('ENOTDIR')
    return [...node.entries.keys()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  }

  // Changing

  add(directory: Node, name: string, kind: Node['kind'], birth: Birth, content?: Uint8Array | string): Node {
    this.#change(true)
    inside(directory)
    if (directory.entries.has(name)) throw new DiskError('EEXIST', name)
    const node = this.#node(kind, birth, typeof content === 'string' ? content : '')
    // As everywhere but on BSD: what is made in a set-group-id directory belongs to its group.
    if (directory.mode & 0o2000) {
      node.gid = directory.gid
      if (kind === 'directory') node.mode |= 0o2000
    }
    if (content instanceof Uint8Array) {
      node.chunks = [content]
      node.size = content.length
      if (content.length > 0) this.#loose.set(node, 0)
    }
    this.#tie(directory, name, node)
    return node
  }

  link(directory: Node, name: string, node: Node): void {
    // A second name takes no block of its own: on ext4 it fits where a directory has room for names.
    this.#change(false)
    inside(directory)
    if (directory.entries.has(name)) throw new DiskError('EEXIST', name)
    if (node.kind === 'directory') throw new DiskError('EPERM', name)
    this.#touch(node)
    this.#tie(directory, name, node)
  }

  unlink(directory: Node, name: string): void {
    this.#change(false)
    const node = entry(directory, name)
    if (node.kind === 'directory') throw new DiskError('EISDIR', name)
    this.#cut(directory, name, node)
  }

  rmdir(directory: Node, name: string): void {
    this.#change(false)
    const node = entry(directory, name)
    if (node.kind !== 'directory') throw new DiskError('ENOTDIR', name)
    if (node.entries.size > 0) throw new DiskError('ENOTEMPTY', name)
    this.#cut(directory, name, node)
  }

  /** A whole tree, from the inside out, one change each; missing is fine. */
  remove(directory: Node, name: string): void {
    const node = directory.entries.get(name)
    if (node === undefined) return
    if (node.kind === 'directory') {
      for (const each of this.list(node)) this.remove(node, each)
      this.rmdir(directory, name)
    } else this.unlink(directory, name)
  }

  rename(from: Node, name: string, to: Node, newName: string): void {
    this.#change(false)
    inside(to)
    const node = entry(from, name)
    const there = to.entries.get(newName)
    if (there === node) return
    if (node.kind === 'directory' && holds(node, to)) throw new DiskError('EINVAL', newName)
    if (there?.kind === 'directory' && holds(there, from)) throw new DiskError('ENOTEMPTY', newName)
    if (there) {
      if (node.kind === 'directory' && there.kind !== 'directory') throw new DiskError('ENOTDIR', newName)
      if (node.kind !== 'directory' && there.kind === 'directory') throw new DiskError('EISDIR', newName)
      if (there.entries.size > 0) throw new DiskError('ENOTEMPTY', newName)
    }
    this.#stamp(from)
    this.#stamp(to)
    this.#touch(node)
    if (there) there.names--
    from.entries.delete(name)
    to.entries.set(newName, node)
    this.#undo.push(() => {
      from.entries.set(name, node)
      if (there) {
        there.names++
        to.entries.set(newName, there)
      } else if (from !== to || name !== newName) to.entries.delete(newName)
    })
  }

  setMode(node: Node, mode: number): void {
    this.#change(false)
    this.#touch(node)
    node.mode = mode
  }

  setOwner(node: Node, uid: number, gid: number): void {
    this.#change(false)
    this.#touch(node)
    node.uid = uid
    node.gid = gid
    if (node.kind !== 'file') return
    node.mode &= ~0o4000
    if (node.mode & 0o010) node.mode &= ~0o2000
  }

  setTime(node: Node, mtimeMs: number): void {
    this.#touch(node)
    node.mtimeMs = mtimeMs
  }

  append(node: Node, bytes: Uint8Array): void {
    try {
      this.#change(true)
    } catch (error) {
      // A process that is killed may have written a part; one that is told of an error knows of it.
      if (!(error instanceof DiskError)) this.#grow(node, bytes.subarray(0, bytes.length >> 1))
      throw error
    }
    this.#grow(node, bytes)
  }

  /** As open(2) with O_TRUNC and one write: a power cut may leave nothing of old and new. */
  overwrite(node: Node, bytes: Uint8Array): void {
    this.#change(true)
    this.#remake(node, [bytes])
    this.#loose.set(node, 0)
  }

  truncate(node: Node, size: number): void {
    this.#change(false)
    const bytes = this.read(node)
    const next = size <= bytes.length ? bytes.subarray(0, size) : bytes
    const more = size > bytes.length ? [new Uint8Array(size - bytes.length)] : []
    this.#remake(node, [next, ...more])
    const sure = this.#loose.get(node)
    if (sure !== undefined) this.#loose.set(node, Math.min(sure, size))
  }

  /** All or nothing; undefined removes. The values are kept as they are. */
  keepRows(changes: readonly { readonly key: string; readonly value: Uint8Array | undefined }[]): void {
    this.#change(true)
    const { rows } = this
    const before = changes.map(({ key }) => ({ key, value: rows.get(key) }))
    play(rows, changes)
    this.#undo.push(() => play(rows, before))
  }

  /** Durable at once: tools that change accounts, packages and units flush what they write. */
  keepResource(id: ResourceId, state: State | null): void {
    this.#change(true)
    if (state === null) this.resources.delete(id)
    else this.resources.set(id, state)
  }

  /** Makes all names and attributes durable, and the content of these; of everything without. */
  flush(nodes?: Iterable<Node>): void {
    this.#change(false)
    this.#undo = []
    if (nodes === undefined) this.#loose.clear()
    else for (const each of nodes) this.#loose.delete(each)
  }

  // Faults that strike at once

  /** A power cut. */
  crash(random: () => number): void {
    const kept = Math.floor(random() * (this.#undo.length + 1))
    while (this.#undo.length > kept) this.#undo.pop()!()
    for (const [node, sure] of this.#loose) {
      const lot = random()
      const reached = lot < 1 / 3 ? sure : lot < 2 / 3 ? node.size : sure + (node.size - sure) * random()
      if (reached >= node.size) continue
      const left = this.read(node).subarray(0, Math.floor(reached))
      node.chunks = [left]
      node.size = left.length
    }
    this.#undo = []
    this.#loose.clear()
  }

  /** Flips one bit of one file below `path`; answers which, undefined if there is none. */
  flip(path: string, random: () => number): string | undefined {
    const files: [string, Node][] = []
    const visit = (at: string, node: Node) => {
      for (const [name, child] of node.entries) visit(`${at}/${name}`, child)
      if (node.kind === 'file' && node.size > 0) files.push([at, node])
    }
    const top = this.find(path)
    if (top) visit(path, top)
    const [at, node] = files[Math.floor(random() * files.length)] ?? []
    if (node === undefined) return undefined
    const bytes = this.read(node).slice()
    bytes[Math.floor(random() * bytes.length)]! ^= 1 << Math.floor(random() * 8)
    node.chunks = [bytes]
    return at
  }

  /** A copy of all that survives; `restore` it any number of times, also to another disk. */
  snapshot(): DiskCopy {
    return {
      root: copyOf(this.root, new Map()),
      rows: new Map(this.rows),
      resources: new Map(this.resources),
    }
  }

  restore(copy: DiskCopy): void {
    this.root = copyOf(copy.root, new Map())
    this.rows = new Map(copy.rows)
    this.resources = new Map(copy.resources)
    this.#undo = []
    this.#loose.clear()
    this.#inodes += 1_000_000
  }

  wipe(): void {
    this.restore({ root: { ...this.root, entries: new Map() }, rows: new Map(), resources: new Map() })
  }

  // Within

  #change(room: boolean): void {
    this.changes++
    this.before?.()
    const { full, errors } = this.faults
    if (room && full) throw new DiskError('ENOSPC', 'no space left on device')
    if (errors > 0 && this.#chance() < errors) throw new DiskError('EIO', 'i/o error')
    if (this.#undo.length > uncommittedMax) this.#undo = this.#undo.slice(uncommittedMax / 2)
  }

  #node(kind: Node['kind'], { mode, uid, gid }: Birth, target = ''): Node {
    const nowMs = this.#tick()
    const times = { mtimeMs: nowMs, ctimeMs: nowMs }
    const size = kind === 'directory' ? 4096 : target.length
    const entries = kind === 'directory' ? new Map<string, Node>() : none
    return {
      ino: this.#inodes++,
      kind,
      mode,
      uid,
      gid,
      ...times,
      names: 0,
      chunks: [],
      size,
      target,
      entries,
    }
  }

  /** Each change has a time of its own, as on a kernel whose clock is fine enough. */
  #tick(): number {
    const nowMs = Math.floor(this.#now())
    this.#ticks = nowMs === this.#lastMs ? this.#ticks + 1 : 0
    this.#lastMs = nowMs
    return nowMs + this.#ticks * tickMs
  }

  #tie(directory: Node, name: string, node: Node): void {
    this.#stamp(directory)
    node.names++
    directory.entries.set(name, node)
    this.#undo.push(() => {
      node.names--
      directory.entries.delete(name)
    })
  }

  #cut(directory: Node, name: string, node: Node): void {
    this.#stamp(directory)
    this.#touch(node)
    node.names--
    directory.entries.delete(name)
    this.#undo.push(() => {
      node.names++
      directory.entries.set(name, node)
    })
  }

  #grow(node: Node, bytes: Uint8Array): void {
    const { size } = node
    if (!this.#loose.has(node)) this.#loose.set(node, size)
    // A journal grows by hundreds of bytes a time.
    node.chunks.push(bytes)
    node.size = size + bytes.length
    node.mtimeMs = node.ctimeMs = this.#tick()
  }

  #remake(node: Node, chunks: Uint8Array[]): void {
    this.#stamp(node)
    const { chunks: before, size } = node
    node.chunks = chunks
    node.size = chunks.reduce((sum, each) => sum + each.length, 0)
    this.#undo.push(() => {
      node.chunks = before
      node.size = size
    })
  }

  /** Its content or names change. */
  #stamp(node: Node): void {
    this.#touch(node)
    node.mtimeMs = node.ctimeMs
  }

  /** Its attributes change; all of them come back at once. */
  #touch(node: Node): void {
    const { mode, uid, gid, mtimeMs, ctimeMs } = node
    node.ctimeMs = this.#tick()
    this.#undo.push(() => Object.assign(node, { mode, uid, gid, mtimeMs, ctimeMs }))
  }
}

export interface DiskCopy {
  readonly root: Node
  readonly rows: ReadonlyMap<string, Uint8Array>
  readonly resources: ReadonlyMap<ResourceId, State>
}

const none: Map<string, Node> = new Map()

function play(
  rows: Map<string, Uint8Array>,
  changes: readonly { readonly key: string; readonly value: Uint8Array | undefined }[],
): void {
  for (const { key, value } of changes)
    if (value === undefined) rows.delete(key)
    else rows.set(key, value)
}

function inside(directory: Node): void {
  if (directory.kind !== 'directory') throw new DiskError('ENOTDIR')
  if (directory.names === 0) throw new DiskError('ENOENT', 'in a directory that is gone')
}

function entry(directory: Node, name: string): Node {
  if (directory.kind !== 'directory') throw new DiskError('ENOTDIR', name)
  const node = directory.entries.get(name)
  if (node === undefined) throw new DiskError('ENOENT', name)
  return node
}

function holds(above: Node, node: Node): boolean {
  if (above === node) return true
  for (const each of above.entries.values()) if (each.kind === 'directory' && holds(each, node)) return true
  return false
}

/** Second names of one file stay such. */
function copyOf(node: Node, known: Map<Node, Node>): Node {
  const found = known.get(node)
  if (found) return found
  const entries = node.kind === 'directory' ? new Map<string, Node>() : none
  const copy = { ...node, entries, chunks: [...node.chunks] }
  known.set(node, copy)
  for (const [name, each] of node.entries) entries.set(name, copyOf(each, known))
  return copy
}
