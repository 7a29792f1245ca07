// The drift store: what people changed by hand and a repair replaced. The replaced inode gets a second name here at
// once, durably and with its entry, so an editor that truncated first goes on writing into what is kept; digest and
// size are taken when it has been quiet. Bounded: the oldest goes first.
import { sha256 } from './digest.ts'
import { copyTree, measure } from './perform.ts'
import type { ResourceId, State } from './resource.ts'
import type { Stat, System } from './system.ts'

/** `state`: of a resource, as a JSON document. */
export type DriftKind = 'content' | 'attributes' | 'missing' | 'foreign' | 'state'

/** One kept edit. Without bytes for `attributes` and `missing`. */
export interface DriftEntry {
  readonly id: string
  /** Or a resource; `unknown` when damage to the disk left only the bytes. */
  readonly path: string
  readonly atMs: number
  readonly what: DriftKind
  /** The release that was in force. */
  readonly label: string
  readonly type?: Stat['kind']
  /** Bytes, once quiet. */
  readonly size?: number
  readonly sha256?: string
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
}

export interface DriftStore {
  /** Newest last. */
  list(): readonly DriftEntry[]
  /** Of a link: its target. Undefined: no such entry, or one without bytes. */
  read(id: string): Uint8Array | undefined
  drop(id: string): void
  /** Durable when it returns: the target may be replaced. */
  keep(path: string, stat: Stat | null, what: DriftKind, atMs: number, label: string): void
  /** The state of a resource before it is set back; null: it was gone. */
  keepState(id: ResourceId, found: State | null, atMs: number, label: string): void
  /** Takes over a tree that was moved into the state directory already. */
  adopt(saved: string, path: string, atMs: number, label: string): void
  /** Finishes entries that have been quiet; answers when to call again, undefined: nothing is open. */
  settle(nowMs: number): number | undefined
}

/** How long an inode must rest before its content counts (DESIGN section 8). */
const quietMs = 2000
/** Kept in all: a day of somebody's scripted edits of usual configuration files. */
const bytesMax = 64 * 1024 * 1024
const entriesMax = 1000

export function openDrift(machine: System): DriftStore {
  const entries = new Map<string, DriftEntry>()
  const unquiet = new Set<string>()
  let counter = 0
  const place = (id: string) => `drift/${id}`
  const encode = (entry: DriftEntry) => {
    const body = JSON.stringify(entry)
    return new TextEncoder().encode(`${sha256(new TextEncoder().encode(body))} ${body}\n`)
  }
  const hasBytes = ({ what }: DriftEntry) => what === 'content' || what === 'foreign' || what === 'state'
  const add = (entry: DriftEntry) => {
    entries.set(entry.id, entry)
    if (entry.size === undefined && hasBytes(entry)) unquiet.add(entry.id)
  }
  const decode = (bytes: Uint8Array): DriftEntry | undefined => {
    const text = new TextDecoder().decode(bytes)
    const body = text.slice(65, -1)
    if (sha256(new TextEncoder().encode(body)) !== text.slice(0, 64)) return undefined
    return JSON.parse(body) as DriftEntry
  }
  const drop = (id: string) => {
    for (const path of [place(id), place(`${id}.json`)]) if (machine.lstat(path)) machine.removeTree(path)
    entries.delete(id)
    unquiet.delete(id)
  }
  const bound = () => {
    let bytes = [...entries.values()].reduce((sum, each) => sum + (each.size ?? 0), 0)
    // The newest stays, however large it is: it was on the disk before.
    for (const [id, entry] of [...entries].slice(0, -1)) {
      if (entries.size <= entriesMax && bytes <= bytesMax) return
      bytes -= entry.size ?? 0
      drop(id)
    }
  }
  const identify = (atMs: number) => {
    let id: string
    do id = `${atMs.toString(36)}${(counter++ % 1296).toString(36).padStart(2, '0')}`
    while (entries.has(id))
    return id
  }
  /** The entry goes first: bytes without one could not be told from a leak. */
  const record = (entry: DriftEntry, take: (to: string) => void = () => {}) => {
    const index = place(`${entry.id}.json`)
    machine.create(index, encode(entry), { mode: 0o600, uid: undefined, gid: undefined })
    try {
      take(place(entry.id))
    } catch (error) {
      drop(entry.id)
      throw error
    }
    const bytes = entry.type === 'file' && hasBytes(entry) ? [place(entry.id)] : []
    machine.flush([...bytes, index, 'drift/.'])
    add(entry)
    bound()
  }
  const describe = (stat: Stat | null | undefined) =>
    stat ? { type: stat.kind, mode: stat.mode, uid: stat.uid, gid: stat.gid } : {}

  const names = new Set(machine.list('drift'))
  for (const name of names) {
    if (!name.endsWith('.json')) continue
    const entry = decode(machine.read(place(name), 65_536))
    if (entry && (!hasBytes(entry) || names.has(entry.id))) add(entry)
    else machine.unlink(place(name))
  }
  for (const name of names) {
    if (/\.json(\.new)?$/.test(name) || entries.has(name)) continue
    const stat = machine.lstat(place(name))!
    record({ id: name, path: 'unknown', atMs: stat.mtimeMs, what: 'content', label: '', ...describe(stat) })
  }

  return {
    list: () => [...entries.values()].sort((a, b) => a.atMs - b.atMs || (a.id < b.id ? -1 : 1)),
    read: id => {
      const entry = entries.get(id)
      if (entry === undefined || !machine.lstat(place(id))) return undefined
      if (entry.type === 'link') return new TextEncoder().encode(machine.readlink(place(id)))
      if (entry.type !== 'file') return undefined
      return machine.read(place(id), bytesMax)
    },
    drop,
    keep: (path, stat, what, atMs, label) => {
      const entry = { id: identify(atMs), path, atMs, what, label, ...describe(stat) }
      record(entry, to => {
        if (!stat || !hasBytes(entry)) return
        if (stat.kind !== 'directory') {
          if (!machine.link(path, to)) machine.copy(path, to)
        } else if (stat.dev === machine.lstat('drift')!.dev) {
          machine.rename(path, to)
          machine.settle()
        } else copyTree(machine, path, to)
      })
    },
    keepState: (id, found, atMs, label) => {
      const entry = { id: identify(atMs), path: id, atMs, what: 'state', label, type: 'file' } as const
      const bytes = new TextEncoder().encode(`${JSON.stringify(found, undefined, 2)}\n`)
      record(entry, to => machine.create(to, bytes, { mode: 0o600, uid: undefined, gid: undefined }))
    },
    adopt: (saved, path, atMs, label) => {
      const found = describe(machine.lstat(saved))
      const entry: DriftEntry = { id: identify(atMs), path, atMs, what: 'foreign', label, ...found }
      record(entry, to => machine.rename(saved, to))
    },
    settle: nowMs => {
      let next: number | undefined
      for (const id of [...unquiet]) {
        const entry = entries.get(id)!
        const stat = machine.lstat(place(id))
        const restsMs = stat ? Math.max(stat.mtimeMs, entry.atMs) + quietMs : 0
        if (stat && restsMs > nowMs && restsMs < nowMs + 2 * quietMs) {
          next = Math.min(next ?? restsMs, restsMs)
          continue
        }
        unquiet.delete(id)
        if (!stat) {
          drop(id)
          continue
        }
        const digest = stat.kind === 'file' ? machine.digest(place(id)) : undefined
        const twin = [...entries.values()].find(
          each =>
            each.id !== id && each.path === entry.path && digest !== undefined && each.sha256 === digest,
        )
        if (twin) {
          drop(id)
          continue
        }
        const size =
          stat.kind === 'directory' ? measure(machine, place(id), Number.POSITIVE_INFINITY) : stat.size
        const done = { ...entry, size, ...(digest === undefined ? {} : { sha256: digest }) }
        entries.set(id, done)
        machine.flush(stat.kind === 'file' || stat.kind === 'directory' ? [place(id)] : [])
        machine.replace(place(`${id}.json`), encode(done))
      }
      bound()
      return next
    },
  }
}
