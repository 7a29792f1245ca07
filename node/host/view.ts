// The machine as it will be once the acts planned so far are done: what is there now, under a layer of predictions.
// So a whole run is planned before anything is touched. Reads only.
import { carriedAlong } from './accounts.ts'
import type { Act, Content, Look } from './act.ts'
import { sha256 } from './digest.ts'
import { kindOf, nameOf, type Snapshot, type State, type States } from './resource.ts'
import { damageOf, type Sum } from './saved.ts'
import { basename, dirname, join, type Stat, type System } from './system.ts'

/** What the view reads from. */
export type Readable = Pick<
  System,
  'lstat' | 'digest' | 'read' | 'readlink' | 'list' | 'userId' | 'groupId' | 'uid' | 'gid'
>

/** `saved`: the bytes lie in the state directory; `fresh`: a directory that holds only what is predicted. */
interface Prediction {
  readonly stat: Stat | undefined
  readonly content?: Content
  readonly target?: string
  readonly saved?: string
  readonly fresh?: boolean
}

export interface View extends Look {
  predict(act: Act): void
  /** Where the bytes of `path` will have come from, if a saved file is to return there. */
  savedAt(path: string): string | undefined
  /** What an act planned so far will have put there. */
  contentAt(path: string): Content | undefined
  /** As saved.ts says it of what lies in the state directory. */
  damageOf(saved: string, kind: Stat['kind'], sum: Sum | undefined): string | undefined
  /** Whether an act planned so far touches the path. */
  predicted(path: string): boolean
}

/** All targets and the directories above them. */
export function declaredPaths(targets: Iterable<string>): ReadonlySet<string> {
  const declared = new Set<string>()
  for (const target of targets)
    for (let at = target; at !== '/' && !declared.has(at); at = dirname(at)) declared.add(at)
  return declared
}

/**
 * `temporary`: recognises the engine's own temporary names; `declared`: of declaredPaths(); `snapshot`: the resources
 * that may be asked for.
 */
export function openView(
  machine: Readable,
  declared: ReadonlySet<string>,
  temporary: (name: string) => boolean,
  snapshot: Snapshot = new Map(),
): View {
  const resources = new Map(snapshot)
  const layer = new Map<string, Prediction>()
  const added = new Map<string, Set<string>>()
  const ids = { user: new Map<string, number | undefined>(), group: new Map<string, number | undefined>() }
  const known = (
    map: Map<string, number | undefined>,
    name: string,
    find: (name: string) => number | undefined,
  ) => {
    if (!map.has(name)) map.set(name, find(name))
    return map.get(name)
  }

  /** The nearest prediction at or above, and whether it is about the path itself. */
  const find = (path: string): { at: Prediction; exact: boolean } | undefined => {
    if (layer.size === 0) return undefined
    const exact = layer.get(path)
    if (exact) return { at: exact, exact: true }
    for (let at = dirname(path); at !== '/'; at = dirname(at)) {
      const above = layer.get(at)
      if (above && (above.fresh || above.stat?.kind !== 'directory')) return { at: above, exact: false }
    }
    return undefined
  }
  const put = (path: string, prediction: Prediction) => {
    layer.set(path, prediction)
    if (!prediction.stat) return
    const directory = dirname(path)
    const names = added.get(directory)
    if (names) names.add(basename(path))
    else added.set(directory, new Set([basename(path)]))
  }
  const stat = (path: string): Stat | undefined => {
    const found = find(path)
    return found ? (found.exact ? found.at.stat : undefined) : machine.lstat(path)
  }

  return {
    privileged: machine.uid === 0,
    stat,
    digest: path => {
      const at = find(path)?.at
      if (at?.content?.kind === 'payload') return at.content.payload.sha256
      if (at?.content) return sha256(at.content.bytes)
      return machine.digest(at?.saved ?? path)
    },
    read: (path, bytesMax) => {
      const at = find(path)?.at
      return at?.content?.kind === 'bytes' ? at.content.bytes : machine.read(at?.saved ?? path, bytesMax)
    },
    readlink: path => {
      const at = find(path)?.at
      return at?.target ?? machine.readlink(at?.saved ?? path)
    },
    list: path => {
      const found = find(path)
      const here = found && (!found.exact || found.at.fresh) ? [] : machine.list(path)
      const names = new Set([...here, ...(added.get(path) ?? [])])
      return [...names].filter(name => !temporary(name) && stat(join(path, name)) !== undefined)
    },
    userId: name =>
      (resources.get(`user:${name}`) as States['user'] | null | undefined)?.uid ??
      known(ids.user, name, machine.userId),
    groupId: name =>
      (resources.get(`group:${name}`) as States['group'] | null | undefined)?.gid ??
      known(ids.group, name, machine.groupId),
    state: id => resources.get(id),
    states: kind => {
      const found = new Map<string, State>()
      for (const [id, state] of resources)
        if (state !== null && kindOf(id) === kind) found.set(nameOf(id), state)
      return found
    },
    declared: path => declared.has(path),
    savedAt: path => layer.get(path)?.saved,
    contentAt: path => layer.get(path)?.content,
    damageOf: (saved, kind, sum) => damageOf(machine, saved, kind, sum),
    predicted: path => layer.has(path),
    predict: act => {
      if (act.kind === 'set') {
        for (const [id, state] of carriedAlong(act, resources)) resources.set(id, state)
        resources.set(act.id, act.to)
      }
      if (!('path' in act)) return
      const old = stat(act.path)
      const base: Stat = old ?? {
        kind: 'file',
        dev: 0,
        ino: 0,
        size: 0,
        mtimeMs: 0,
        ctimeMs: 0,
        mode: 0,
        uid: machine.uid,
        gid: machine.gid,
      }
      const mine = {
        ...base,
        ...('ownership' in act
          ? {
              mode: act.ownership.mode ?? base.mode,
              uid: act.ownership.uid ?? base.uid,
              gid: act.ownership.gid ?? base.gid,
            }
          : {}),
      }
      const before = layer.get(act.path)
      switch (act.kind) {
        case 'put': {
          const { content } = act
          const size = content.kind === 'payload' ? content.payload.size : content.bytes.length
          return put(act.path, { stat: { ...mine, kind: 'file', size }, content })
        }
        case 'link':
          return put(act.path, { stat: { ...mine, kind: 'link' }, target: act.target })
        case 'mkdir':
        case 'unpack':
          return put(act.path, { stat: { ...mine, kind: 'directory' }, fresh: true })
        case 'modify':
          return put(act.path, { ...before, stat: mine })
        case 'remove':
        case 'rmdir':
          return put(act.path, { stat: undefined })
        case 'restore':
          return put(act.path, { stat: act.stat, saved: act.saved, fresh: act.stat.kind === 'directory' })
      }
    },
  }
}
