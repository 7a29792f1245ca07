// The drift store: what people changed by hand and a repair replaced. The replaced inode gets a second name here at
// once, so an editor that truncated first goes on writing into what is kept; digest and size are taken when it has
// been quiet. Bounded: the oldest goes first.
import { sha256 } from './digest.ts'
import { basename, type Stat, type System } from './system.ts'

export type DriftKind = 'content' | 'attributes' | 'missing' | 'foreign'

/** One kept edit. Without bytes for `attributes` and `missing`. */
export interface DriftEntry {
  readonly id: string
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
  /** Undefined: no such entry, or one without bytes. */
  read(id: string): Uint8Array | undefined
  drop(id: string): void
  keep(path: string, stat: Stat | null, what: DriftKind, atMs: number, label: string): void
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
  for (const name of machine.list('drift')) {
    if (!name.endsWith('.json')) continue
    const text = new TextDecoder().decode(machine.read(place(name), 65_536))
    const body = text.slice(65, -1)
    if (sha256(new TextEncoder().encode(body)) !== text.slice(0, 64)) continue
    const entry = JSON.parse(body) as DriftEntry
    entries.set(entry.id, entry)
    if (entry.size === undefined && entry.what !== 'missing' && entry.what !== 'attributes')
      unquiet.add(entry.id)
  }
  const drop = (id: string) => {
    for (const path of [place(id), place(`${id}.json`)]) if (machine.lstat(path)) machine.removeTree(path)
    entries.delete(id)
    unquiet.delete(id)
  }
  const bound = () => {
    let bytes = [...entries.values()].reduce((sum, each) => sum + (each.size ?? 0), 0)
    for (const [id, entry] of entries) {
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
  const record = (entry: DriftEntry) => {
    entries.set(entry.id, entry)
    machine.create(place(`${entry.id}.json`), encode(entry), { mode: 0o600, uid: undefined, gid: undefined })
    if (entry.what === 'content' || entry.what === 'foreign') unquiet.add(entry.id)
    bound()
  }
  const describe = (stat: Stat | null | undefined) =>
    stat ? { type: stat.kind, mode: stat.mode, uid: stat.uid, gid: stat.gid } : {}

  return {
    list: () => [...entries.values()].sort((a, b) => a.atMs - b.atMs || (a.id < b.id ? -1 : 1)),
    read: id => {
      const entry = entries.get(id)
      if (entry?.type !== 'file' || !machine.lstat(place(id))) return undefined
      return machine.read(place(id), bytesMax)
    },
    drop,
    keep: (path, stat, what, atMs, label) => {
      const id = identify(atMs)
      if (stat && (what === 'content' || what === 'foreign')) {
        if (stat.kind === 'directory') {
          machine.rename(path, place(id))
          machine.settle()
        } else if (!machine.link(path, place(id))) machine.copy(path, place(id))
      }
      record({ id, path, atMs, what, label, ...describe(stat) })
    },
    adopt: (saved, path, atMs, label) => {
      const id = identify(atMs)
      const stat = machine.lstat(saved)
      machine.rename(saved, place(id))
      record({ id, path, atMs, what: 'foreign', label, ...describe(stat) })
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
        const done = { ...entry, size: stat.size, ...(digest === undefined ? {} : { sha256: digest }) }
        entries.set(id, done)
        machine.flush(stat.kind === 'file' || stat.kind === 'directory' ? [place(id)] : [])
        machine.replace(place(`${basename(id)}.json`), encode(done))
      }
      bound()
      return next
    },
  }
}
