// What is remembered of how things were before fleet, and the acts that bring it back: one case for each kind of original.
// Decides nothing about order or merging; plan.ts does.
import type { Act, Answer, Original } from './act.ts'
import { type ResourceId, sameState, withdrawn } from './resource.ts'
import type { Ownership, Stat } from './system.ts'
import { edited, readManifest } from './unpacked.ts'
import { decode, lineFileBytesMax, takeLine } from './verbs/line.ts'
import { lacking } from './verbs/observe.ts'
import type { View } from './view.ts'

export type StateOriginal = Extract<Original, { was: 'state' }>

/** What stays, since it is not fleet's to remove: a directory with something in it, what was edited in an unpacked one. */
export interface Left {
  readonly left: readonly string[]
}

export function isLeft(answer: Answer | Left): answer is Left {
  return 'left' in answer
}

/** The acts that put an original back, or its damage. `wanted`: resources that steps decide. */
export function takeBack(original: Original, view: View, wanted: ReadonlySet<ResourceId>): Answer | Left {
  if (original.was === 'command') return [{ kind: 'run', argv: original.undo, timeoutMs: original.timeoutMs }]
  if (original.was === 'state') return takeStateBack(original, view, wanted)
  const { path } = original
  const now = view.stat(path)
  switch (original.was) {
    case 'absent':
      if (now === undefined) return []
      if (now.kind !== 'directory') return [{ kind: 'remove', path }]
      return view.list(path).length === 0 ? [{ kind: 'rmdir', path }] : takeTreeBack(path, view)
    case 'saved': {
      const { saved, stat, sum } = original
      const detail = view.damageOf(saved, stat.kind, sum)
      if (detail !== undefined) return { code: 'ORIGINAL_DAMAGED', path, detail }
      if (now !== undefined && (now.kind === 'directory' || stat.kind === 'directory'))
        return { left: [path] }
      return [{ kind: 'restore', path, saved, stat }]
    }
    case 'attributes': {
      if (now === undefined) return []
      const ownership = lacking(now, original.ownership)
      return ownership === undefined ? [] : [{ kind: 'modify', path, ownership }]
    }
    case 'line': {
      if (now?.kind !== 'file') return []
      const text = decode(view.read(path, lineFileBytesMax))
      const next = text === undefined ? undefined : takeLine(text, original)
      if (next === undefined) return []
      const ownership = { mode: now.mode, uid: now.uid, gid: now.gid }
      const bytes = new TextEncoder().encode(next)
      return [{ kind: 'put', path, content: { kind: 'bytes', bytes }, ownership }]
    }
  }
}

/** A directory that was unpacked goes whole, if it is still as it was unpacked. */
function takeTreeBack(path: string, view: View): Answer | Left {
  const manifest = readManifest(view, path)
  if (!manifest) return { left: [path] }
  const changed = edited(view, path, manifest, { uid: undefined, gid: undefined })
  return changed.length > 0 ? { left: changed } : [{ kind: 'remove', path }]
}

function takeStateBack(original: StateOriginal, view: View, wanted: ReadonlySet<ResourceId>): Answer {
  const { id, before, after, purge, along = [] } = original
  const now = view.state(id)
  if (now === undefined)
    return { code: 'TOOL_MISSING', path: id, detail: 'found no provider for it on this machine' }
  const acts: Act[] = []
  const back = withdrawn(before, after, now)
  if (back)
    acts.push({ kind: 'set', id, from: now, to: back.to, ...(purge && back.to === null ? { purge } : {}) })
  for (const each of along) {
    const state = view.state(each.id)
    // What was changed since is somebody else's. Whether others need it, its provider knows.
    if (state === undefined || wanted.has(each.id) || !sameState(state, each.after)) continue
    if (!sameState(state, each.before))
      acts.push({ kind: 'set', id: each.id, from: state, to: each.before, along: true })
  }
  return acts
}

export function originalOf(
  { act, saved }: { readonly act: Act; readonly saved?: string },
  before: Stat | undefined,
  savedBefore: string | undefined,
  earlier: { readonly act: Act } | undefined,
): Original | 'predicted' | undefined {
  switch (act.kind) {
    case 'run':
      return act.undo === undefined ? undefined : { was: 'command', undo: act.undo, timeoutMs: act.timeoutMs }
    case 'set':
      return {
        was: 'state',
        id: act.id,
        // What was to go anyway does not return.
        before: act.from && 'leaving' in act.from ? null : act.from,
        after: act.to,
        ...(act.purge ? { purge: act.purge } : {}),
      }
    case 'mkdir':
    case 'unpack':
      return { was: 'absent', path: act.path }
    case 'modify': {
      if (before === undefined) return undefined
      const was: Ownership = {
        mode: act.ownership.mode === undefined ? undefined : before.mode,
        uid: act.ownership.uid === undefined ? undefined : before.uid,
        gid: act.ownership.gid === undefined ? undefined : before.gid,
      }
      return { was: 'attributes', path: act.path, ownership: was }
    }
    case 'put':
    case 'link':
    case 'remove': {
      if (act.kind === 'put' && act.original) return act.original
      if (before === undefined) return { was: 'absent', path: act.path }
      const untouched = earlier === undefined || earlier.act.kind === 'modify'
      const place = savedBefore ?? (untouched ? saved : undefined)
      return place === undefined ? 'predicted' : { was: 'saved', path: act.path, saved: place, stat: before }
    }
    default:
      return undefined
  }
}

/** The first original of a path or resource stays, whatever is done to it later; a line's text follows the declaration. */
export function remember(held: readonly Original[], fresh: Original | undefined): readonly Original[] {
  if (fresh === undefined) return held
  if (fresh.was === 'command') return [...held.filter(each => each.was !== 'command'), fresh]
  if (fresh.was === 'state') {
    const at = held.findIndex(each => each.was === 'state' && each.id === fresh.id)
    const old = held[at]
    if (old?.was !== 'state') return [...held, fresh]
    const { purge: _, ...kept } = old
    return held.with(at, { ...kept, after: fresh.after, ...(fresh.purge ? { purge: fresh.purge } : {}) })
  }
  const at = held.findIndex(each => 'path' in each && each.path === fresh.path)
  const old = held[at]
  if (old === undefined) return [...held, fresh]
  if (old.was === 'line' && fresh.was === 'line') return held.with(at, { ...old, text: fresh.text })
  if (old.was === 'attributes' && fresh.was === 'saved') {
    const { mode, uid, gid } = old.ownership
    const stat = {
      ...fresh.stat,
      mode: mode ?? fresh.stat.mode,
      uid: uid ?? fresh.stat.uid,
      gid: gid ?? fresh.stat.gid,
    }
    return held.with(at, { ...fresh, stat })
  }
  if (old.was === 'attributes' && fresh.was === 'attributes') {
    const ownership = {
      mode: old.ownership.mode ?? fresh.ownership.mode,
      uid: old.ownership.uid ?? fresh.ownership.uid,
      gid: old.ownership.gid ?? fresh.ownership.gid,
    }
    return held.with(at, { ...old, ownership })
  }
  return held
}
