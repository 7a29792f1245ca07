// Core: what was heard of the file system -> which steps to look at, when, and when to look at everything. Events are
// hints; what is true is read again by whoever is told to look. A target that something else keeps changing is fought
// over only so often, then it is contested.
import type { Reason } from './errors.ts'
import { targetOf } from './plan.ts'
import type { Step } from './steps/step.ts'
import { basename, dirname } from './system.ts'

export type Heard =
  /** `name` undefined: something about the directory, nobody knows what. */
  | { readonly kind: 'event'; readonly directory: string; readonly name: string | undefined }
  /** A look repaired this target. */
  | { readonly kind: 'repaired'; readonly path: string }
  /** Everything heard so far has been looked at. */
  | { readonly kind: 'quiet' }
  | { readonly kind: 'tick' }

export type Heed =
  | { readonly kind: 'look'; readonly ids: readonly string[] }
  | { readonly kind: 'audit'; readonly reason: string }
  /** The directory's watch must be made again. */
  | { readonly kind: 'rewatch'; readonly directory: string }
  | { readonly kind: 'contested'; readonly path: string; readonly untilMs: number }
  | { readonly kind: 'wake'; readonly atMs: number }

export interface Watched {
  readonly id: string
  readonly path: string
  /** Also what happens inside it. */
  readonly exclusive: boolean
}

/** Undefined: the step has no target. */
export function watchedOf(step: Step): Watched | undefined {
  const path = targetOf(step)
  return path === undefined
    ? undefined
    : { id: step.id, path, exclusive: step.options['exclusive'] !== undefined }
}

/** Repairs of one target in a row, and the time to earn one back: an editor's session fits, two managers do not. */
export const burstMax = 10
export const earnMs = 30_000
/** A contested target is left alone for this long. */
export const truceMs = 10 * 60_000

export function contestedReason(path: string): Reason {
  const detail = `repaired ${burstMax} times in a row, and changed again; left alone for ${truceMs / 60_000} minutes`
  return { code: 'CONTESTED', path, detail }
}

export interface Watch {
  handle(heard: Heard, nowMs: number): readonly Heed[]
  /** Directories to listen to. */
  readonly directories: ReadonlySet<string>
  contested(nowMs: number): readonly string[]
}

/** `queuedMax`: the kernel's bound on events that wait; half of it in one burst counts as lost events. */
export function createWatch(watched: readonly Watched[], queuedMax: number): Watch {
  const byPath = new Map(watched.map(each => [each.path, each]))
  const inside = new Map(watched.flatMap(each => (each.exclusive ? [[each.path, each] as const] : [])))
  const directories = new Set(watched.map(each => dirname(each.path)))
  for (const path of inside.keys()) directories.add(path)
  const tokens = new Map<string, { left: number; atMs: number }>()
  const truces = new Map<string, number>()
  let burst = 0

  const spend = (path: string, nowMs: number): boolean => {
    const held = tokens.get(path) ?? { left: burstMax, atMs: nowMs }
    const left = Math.min(burstMax, held.left + (nowMs - held.atMs) / earnMs) - 1
    tokens.set(path, { left, atMs: nowMs })
    return left >= 0
  }

  return {
    directories,
    contested: nowMs => [...truces].flatMap(([path, until]) => (until > nowMs ? [path] : [])),
    handle: (heard, nowMs) => {
      switch (heard.kind) {
        case 'event': {
          if (++burst === Math.max(1, Math.floor(queuedMax / 2)))
            return [{ kind: 'audit', reason: `${burst} events in one burst` }]
          if (burst > queuedMax / 2) return []
          const { directory, name } = heard
          const found: Watched[] = []
          // Without a name, or with its own: the directory itself was moved, removed or unmounted.
          const itself = name === undefined || name === basename(directory)
          const path =
            name === undefined ? directory : directory === '/' ? `/${name}` : `${directory}/${name}`
          for (const each of [
            byPath.get(path),
            inside.get(directory),
            itself ? byPath.get(directory) : undefined,
          ])
            if (each && (truces.get(each.path) ?? 0) <= nowMs) found.push(each)
          const heeds: Heed[] = []
          if (itself) heeds.push({ kind: 'rewatch', directory })
          if (directories.has(path)) heeds.push({ kind: 'rewatch', directory: path })
          const ids = found.map(each => each.id)
          // A directory that came back may be another one: what is below it is looked at too.
          if (directories.has(path))
            for (const each of watched) if (dirname(each.path) === path) ids.push(each.id)
          if (ids.length > 0) heeds.push({ kind: 'look', ids: [...new Set(ids)] })
          return heeds
        }
        case 'repaired': {
          const heeds: Heed[] = []
          if (directories.has(heard.path)) heeds.push({ kind: 'rewatch', directory: heard.path })
          if (spend(heard.path, nowMs)) return heeds
          const untilMs = nowMs + truceMs
          truces.set(heard.path, untilMs)
          tokens.delete(heard.path)
          return [...heeds, { kind: 'contested', path: heard.path, untilMs }, { kind: 'wake', atMs: untilMs }]
        }
        case 'quiet':
          burst = 0
          return []
        case 'tick': {
          const ids: string[] = []
          for (const [path, until] of truces)
            if (until <= nowMs) {
              truces.delete(path)
              const each = byPath.get(path)
              if (each) ids.push(each.id)
            }
          return ids.length > 0 ? [{ kind: 'look', ids }] : []
        }
      }
    },
  }
}
