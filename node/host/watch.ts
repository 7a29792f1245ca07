// Core: what was heard of the machine -> which steps to look at, when, and when to look at everything. Events are
// hints; what is true is read again by whoever is told to look. What something else keeps changing is fought over only
// so often, then it is contested; what cannot be repaired is tried ever more seldom.
import type { Reason } from './errors.ts'
import { pathsOf, resourcesOf } from './plan.ts'
import type { Kind, ResourceId } from './resource.ts'
import { kindOf, resourceId } from './resource.ts'
import type { Step } from './steps/step.ts'
import { basename, dirname } from './system.ts'
import { specs } from './verbs/index.ts'

export type Heard =
  /** `name` undefined: something about the directory, nobody knows what. */
  | { readonly kind: 'event'; readonly directory: string; readonly name: string | undefined }
  /** `name` undefined: any resource of the kind. */
  | { readonly kind: 'resource'; readonly of: Kind; readonly name: string | undefined }
  | { readonly kind: 'looked'; readonly looked: Looked }
  /** Everything heard so far has been looked at. */
  | { readonly kind: 'quiet' }
  /** `busy`: a package manager is at work, and patience with it is not over. */
  | { readonly kind: 'tick'; readonly busy: boolean }

/** What came of a look, by ids of steps. What is in none of the lists is as declared. */
export interface Looked {
  /** Those that were looked at. */
  readonly ids: readonly string[]
  readonly repaired: readonly string[]
  /** Repairs that were tried in vain. */
  readonly failed: readonly string[]
  /** Those whose repair waits for the package manager. */
  readonly waiting: readonly string[]
}

export type Heed =
  | { readonly kind: 'look'; readonly ids: readonly string[] }
  | { readonly kind: 'audit'; readonly reason: string }
  /** The directory's watch must be made again. */
  | { readonly kind: 'rewatch'; readonly directory: string }
  /** A package manager put new originals beside these targets. */
  | { readonly kind: 'adopt'; readonly paths: readonly string[] }
  | { readonly kind: 'contested'; readonly subject: string; readonly untilMs: number }
  | { readonly kind: 'wake'; readonly atMs: number }

export interface Watched {
  readonly id: string
  /** Every path that the step decides. */
  readonly paths: readonly string[]
  /** Directories in which whatever happens concerns it. */
  readonly inside: readonly string[]
  readonly resources: readonly ResourceId[]
}

/** Undefined: nothing that is heard can be about the step. */
export function watchedOf(step: Step): Watched | undefined {
  const paths = pathsOf(step)
  const resources = resourcesOf(step)
  if (paths.length + resources.length === 0) return undefined
  const exclusive = step.options['exclusive'] !== undefined ? paths.slice(0, 1) : []
  const deep = specs.get(step.verb)?.deep ? paths.slice(1).map(dirname) : []
  return { id: step.id, paths, inside: [...new Set([...exclusive, ...deep])], resources }
}

/** What a step's budget is counted on: its first path, or else its first resource. */
export function subjectOf(step: Step): string {
  return pathsOf(step)[0] ?? resourcesOf(step)[0] ?? step.id
}

/** Repairs of one subject in a row, and the time to earn one back: an editor's session fits, two managers do not. */
export const burstMax = 10
export const earnMs = 30_000
/** What is contested is left alone for this long. */
export const truceMs = 10 * 60_000
/** A repair that failed is tried again after the first, then after twice as long each time, up to the second. */
export const backoffMinMs = 1000
export const backoffMaxMs = 5 * 60_000
/** How often a package manager at work is asked whether it is done, while something waits for it. */
export const busyMs = 1000
/** Events further apart than this are not one burst. */
const burstMs = 1000

/** Between audits while something cannot be listened to, in milliseconds. */
export const deafAuditMs = 5 * 60_000

/** Milliseconds until the next audit. `pausesMs`: when pauses end, since what drifted meanwhile nobody has looked at. */
export function auditInMs(
  auditMs: number,
  deaf: boolean,
  pausesMs: readonly number[],
  nowMs: number,
  random: number,
): number {
  const betweenMs = deaf ? Math.min(auditMs, deafAuditMs) : auditMs
  // Hosts that started together do not audit together.
  const jitteredMs = betweenMs * (0.8 + 0.4 * random)
  return Math.max(1, Math.min(jitteredMs, ...pausesMs.map(untilMs => untilMs + 1 - nowMs)))
}

/**
 * What package managers call the new version of a configuration file that they did not put in place. dpkg's `.dpkg-new`
 * is not among them: it is dpkg's own until the package is configured, and becomes one of these then.
 */
export const suppliedSuffixes = ['.dpkg-dist', '.ucf-dist', '.rpmnew'] as const

export function contestedReason(subject: string): Reason {
  const detail = `repaired ${burstMax} times in a row, and changed again; left alone for ${truceMs / 60_000} minutes`
  return { code: 'CONTESTED', path: subject, detail }
}

export interface Watch {
  handle(heard: Heard, nowMs: number): readonly Heed[]
  /** Directories to listen to. */
  readonly directories: ReadonlySet<string>
  /** Kinds of resources to listen to. */
  readonly kinds: ReadonlySet<Kind>
  /** Subjects, as of subjectOf. */
  contested(nowMs: number): readonly string[]
}

/** `queuedMax`: the kernel's bound on events that wait; half of it in one burst counts as lost events. */
export function createWatch(watched: readonly Watched[], queuedMax: number): Watch {
  const byId = new Map(watched.map(each => [each.id, each]))
  const byPath = grouped(watched, each => each.paths)
  const byHome = grouped(watched, each => each.paths.map(dirname))
  const byResource = grouped(watched, each => each.resources)
  const byKind = grouped(watched, each => each.resources.map(kindOf))
  const inside = grouped(watched, each => each.inside)
  const directories = new Set([...byHome.keys(), ...inside.keys()])
  const tokens = new Map<string, { left: number; atMs: number }>()
  const truces = new Map<string, number>()
  const failures = new Map<string, { count: number; untilMs: number }>()
  const waiting = new Set<string>()
  const supplied = new Set<string>()
  let burst = { count: 0, atMs: 0 }
  /** When the package manager is asked next. */
  let askAtMs = 0

  const subject = ({ paths, resources }: Watched) => paths[0] ?? resources[0]!
  const spend = (what: string, nowMs: number): boolean => {
    const held = tokens.get(what) ?? { left: burstMax, atMs: nowMs }
    const left = Math.min(burstMax, held.left + (nowMs - held.atMs) / earnMs) - 1
    tokens.set(what, { left, atMs: nowMs })
    return left >= 0
  }
  /** Without those that are left alone for now. */
  const lookAt = (found: readonly Watched[], nowMs: number): Heed[] => {
    const ids = new Set<string>()
    for (const each of found)
      if ((truces.get(subject(each)) ?? 0) <= nowMs && (failures.get(each.id)?.untilMs ?? 0) <= nowMs)
        ids.add(each.id)
    return ids.size > 0 ? [{ kind: 'look', ids: [...ids] }] : []
  }
  /** Asks the package manager again in a while. */
  const ask = (nowMs: number): Heed[] => {
    if (askAtMs > nowMs || waiting.size + supplied.size === 0) return []
    askAtMs = nowMs + busyMs
    return [{ kind: 'wake', atMs: askAtMs }]
  }

  const event = (directory: string, name: string | undefined, nowMs: number): Heed[] => {
    if (nowMs - burst.atMs > burstMs) burst = { count: 0, atMs: nowMs }
    if (++burst.count === Math.max(1, Math.floor(queuedMax / 2)))
      return [{ kind: 'audit', reason: `${burst.count} events in one burst` }]
    if (burst.count > queuedMax / 2) return []
    const path = name === undefined ? directory : directory === '/' ? `/${name}` : `${directory}/${name}`
    const heeds: Heed[] = []
    const suffix = suppliedSuffixes.find(each => name?.endsWith(each))
    if (suffix !== undefined && byPath.has(path.slice(0, -suffix.length))) {
      supplied.add(path.slice(0, -suffix.length))
      heeds.push(...ask(nowMs))
    }
    // Without a name, or with its own: the directory itself was moved, removed or unmounted.
    const itself = name === undefined || name === basename(directory)
    const again = [itself ? directory : undefined, directories.has(path) ? path : undefined]
    const found = [...(byPath.get(path) ?? []), ...(inside.get(directory) ?? [])]
    // A directory that came back may be another one: what is in it is looked at too.
    for (const each of new Set(again)) {
      if (each === undefined) continue
      heeds.push({ kind: 'rewatch', directory: each })
      found.push(...(byPath.get(each) ?? []), ...(byHome.get(each) ?? []))
    }
    return [...heeds, ...lookAt(found, nowMs)]
  }

  /** What failed may have lacked what is there again: a group, a directory. It is tried at once, then as seldom as before. */
  const unblock = (repaired: readonly Watched[], nowMs: number): Heed[] => {
    const around = repaired.flatMap(each => [
      ...each.resources.flatMap(id => byResource.get(id) ?? []),
      ...each.paths.flatMap(path => byHome.get(path) ?? []),
    ])
    const blocked = around.filter(each => !repaired.includes(each) && failures.has(each.id))
    for (const { id } of blocked) failures.set(id, { ...failures.get(id)!, untilMs: nowMs })
    return lookAt(blocked, nowMs)
  }

  const looked = ({ ids, repaired, failed, waiting: waits }: Looked, nowMs: number): Heed[] => {
    const heeds: Heed[] = []
    for (const id of ids) {
      waiting.delete(id)
      if (!failed.includes(id)) failures.delete(id)
    }
    for (const id of failed) {
      const count = failures.get(id)?.count ?? 0
      const untilMs = nowMs + Math.min(backoffMaxMs, backoffMinMs * 2 ** count)
      failures.set(id, { count: count + 1, untilMs })
      heeds.push({ kind: 'wake', atMs: untilMs })
    }
    for (const id of waits) waiting.add(id)
    heeds.push(...ask(nowMs))
    const steps = repaired.flatMap(id => byId.get(id) ?? [])
    for (const path of steps.flatMap(each => each.paths))
      if (directories.has(path)) heeds.push({ kind: 'rewatch', directory: path })
    heeds.push(...unblock(steps, nowMs))
    for (const what of new Set(steps.map(subject))) {
      if (spend(what, nowMs)) continue
      const untilMs = nowMs + truceMs
      truces.set(what, untilMs)
      tokens.delete(what)
      heeds.push({ kind: 'contested', subject: what, untilMs }, { kind: 'wake', atMs: untilMs })
    }
    return heeds
  }

  const tick = (busy: boolean, nowMs: number): Heed[] => {
    const heeds: Heed[] = []
    const due: Watched[] = []
    const ids: string[] = []
    for (const [what, until] of truces)
      if (until <= nowMs) {
        truces.delete(what)
        due.push(...(byPath.get(what) ?? byResource.get(what as ResourceId) ?? []))
      }
    for (const [id, { untilMs }] of failures) if (untilMs <= nowMs) ids.push(id)
    if (busy) heeds.push(...ask(nowMs))
    else {
      ids.push(...waiting)
      if (supplied.size > 0) heeds.push({ kind: 'adopt', paths: [...supplied] })
      supplied.clear()
      waiting.clear()
    }
    due.push(...ids.flatMap(id => byId.get(id) ?? []))
    return [...heeds, ...lookAt(due, nowMs)]
  }

  return {
    directories,
    kinds: new Set(byKind.keys()),
    contested: nowMs => [...truces].flatMap(([what, until]) => (until > nowMs ? [what] : [])),
    handle: (heard, nowMs) => {
      switch (heard.kind) {
        case 'event':
          return event(heard.directory, heard.name, nowMs)
        case 'resource': {
          const { of, name } = heard
          const found = name === undefined ? byKind.get(of) : byResource.get(resourceId(of, name))
          return lookAt(found ?? [], nowMs)
        }
        case 'looked':
          return looked(heard.looked, nowMs)
        case 'quiet':
          burst = { count: 0, atMs: nowMs }
          return []
        case 'tick':
          return tick(heard.busy, nowMs)
      }
    },
  }
}

function grouped<K>(
  watched: readonly Watched[],
  keys: (each: Watched) => readonly K[],
): ReadonlyMap<K, readonly Watched[]> {
  const groups = new Map<K, Watched[]>()
  for (const each of watched)
    for (const key of new Set(keys(each))) {
      const group = groups.get(key)
      if (group) group.push(each)
      else groups.set(key, [each])
    }
  return groups
}
