// What is declared, what is in force and what is there -> the ordered acts that lead from one to the other, or the
// reason why not. Knows no verb by name: verbs answer with acts, and acts say how they are taken back.
import { type Act, type Answer, describe, isReason, type Original } from './act.ts'
import type { Reason } from './errors.ts'
import { diff, sameStep } from './steps/diff.ts'
import type { Step } from './steps/step.ts'
import { dirname, type Ownership, type Stat } from './system.ts'
import { planners, specs } from './verbs/index.ts'
import { decode, lineFileBytesMax, takeLine } from './verbs/line.ts'
import { lacking } from './verbs/observe.ts'
import { readList } from './verbs/values.ts'
import type { UndoClass } from './verbs/verb.ts'
import type { View } from './view.ts'

/** A step in force: what it took to make it so, and how its target looked when that was done. */
export interface Held {
  readonly step: Step
  /** In the order in which they were touched. */
  readonly originals: readonly Original[]
  /** The release (or other run) that put this version in force, and when (ms). */
  readonly since: { readonly id: string; readonly label: string; readonly atMs: number }
  /** How the target looked when it was last found right; null: absent; undefined: never looked at. */
  readonly seen?: Stat | null
  /** When that was (ms). */
  readonly seenAtMs?: number
}

/** An act with what was found where it acts. */
export interface Planned {
  readonly act: Act
  /** Null: nothing. Of a path that an earlier act touches: a prediction. */
  readonly before: Stat | null
  /** The first act on its path: its `before` is real, and what a failed run returns to. */
  readonly first: boolean
  /** Where what it replaces is saved, in the state directory. */
  readonly saved?: string
  /** A file that is saved as an original although it is on the machine at no time. */
  readonly keeps?: { readonly saved: string; readonly bytes: Uint8Array; readonly ownership: Ownership }
  /** What it replaces was edited since fleet wrote it: a copy goes to the drift store first. */
  readonly drifted: boolean
  /** The new file takes over ACL and extended attributes of the old, which fleet did not make. */
  readonly carry: boolean
  /** A RUN that is owed because a path of its `on=` changed. */
  readonly reload: boolean
}

export type StepKind = 'kept' | 'repair' | 'new' | 'changed' | 'undo'

export interface StepPlan {
  readonly step: Step
  readonly kind: StepKind
  readonly acts: Planned[]
  readonly undoClass: UndoClass
  /** What the step holds afterwards; empty for `undo`. */
  readonly originals: readonly Original[]
  /** Paths that an undo leaves as they are. */
  readonly leftBehind: readonly string[]
  /** Originals that cannot come back; the step leaves without them, and the host is DIRTY. */
  readonly damaged: readonly Reason[]
  /** Why it cannot be kept; then there are no acts. */
  readonly reason?: Reason
}

export interface PlanInput {
  readonly declared: readonly Step[]
  readonly held: readonly Held[]
  readonly view: View
  /** Number of the run; names what is saved. */
  readonly run: number
  /** Whether a held step's target is known to be untouched, without reading it. */
  readonly trusted: (held: Held) => boolean
  /** Commands with `on=` are due whatever was touched: a repair owes them. */
  readonly owed?: boolean
}

export function targetOf(step: Step): string | undefined {
  return specs.get(step.verb)?.target?.(step)
}

/** Asks the step's verb; what the machine throws while it is looked at is the reason. */
export function ask(step: Step, view: View): Answer {
  const planner = planners.get(step.verb)
  if (!planner) return { code: 'TOOL_MISSING', detail: `found ${step.verb}; expected a verb of this version` }
  try {
    return planner(step, view)
  } catch (error) {
    const reason = (error as { reason?: Reason }).reason
    if (reason) return reason
    throw error
  }
}

/** Undo first, in reverse order; then what is declared, in its order; last the RUNs whose paths changed. */
export function plan({ declared, held, view, run, trusted, owed = false }: PlanInput): StepPlan[] {
  const difference = diff(
    held.map(each => each.step),
    declared,
  )
  const heldById = new Map(held.map(each => [each.step.id, each]))
  const firstAt = new Map<string, { acts: Planned[]; planned: Planned }>()
  const plans: StepPlan[] = []
  const touched: string[] = []
  let count = 0
  const saveAs = () => `saved/${run}-${count++}`

  const add = (
    acts: Planned[],
    act: Act,
    drifted: boolean,
    reload = false,
    made = false,
  ): Planned | undefined => {
    if (!('path' in act)) {
      const planned = { act, before: null, first: false, drifted: false, carry: false, reload }
      acts.push(planned)
      return planned
    }
    const earlier = firstAt.get(act.path)
    const before = view.stat(act.path) ?? null
    view.predict(act)
    touched.push(act.path)
    if (earlier) {
      const { act: old } = earlier.planned
      const replaceable = act.kind === 'put' || act.kind === 'link' || act.kind === 'remove'
      const was = earlier.planned.before
      // A file that changes its step, or gets two lines, changes once: nobody sees it missing or half done.
      if (
        replaceable &&
        'path' in old &&
        old.kind !== 'mkdir' &&
        old.kind !== 'rmdir' &&
        was?.kind !== 'directory' &&
        (was !== null || act.kind !== 'remove')
      ) {
        earlier.acts.splice(earlier.acts.indexOf(earlier.planned), 1)
        const planned = {
          ...earlier.planned,
          act,
          carry: act.kind === 'put' && was?.kind === 'file',
          drifted: earlier.planned.drifted || drifted,
          ...(was !== null && earlier.planned.saved === undefined ? { saved: saveAs() } : {}),
        }
        acts.push(planned)
        firstAt.set(act.path, { acts, planned })
        return planned
      }
      const planned = { act, before, first: false, drifted: false, carry: false, reload: false }
      acts.push(planned)
      return planned
    }
    const replaces = before !== null && act.kind !== 'modify' && act.kind !== 'rmdir' && act.kind !== 'mkdir'
    const planned: Planned = {
      act,
      before,
      first: true,
      drifted: drifted && before !== null,
      carry: !made && act.kind === 'put' && before?.kind === 'file',
      reload: false,
      ...(replaces ? { saved: saveAs() } : {}),
    }
    acts.push(planned)
    firstAt.set(act.path, { acts, planned })
    return planned
  }

  for (const step of difference.undo) {
    const mine = heldById.get(step.id)!
    const acts: Planned[] = []
    const leftBehind: string[] = []
    const damaged: Reason[] = []
    const edited = !trusted(mine) && drifted(ask(step, view))
    for (const original of [...mine.originals].reverse()) {
      const answer = takeBack(original, view)
      if (answer === 'left') leftBehind.push((original as { path: string }).path)
      else if (isReason(answer)) damaged.push(answer)
      else for (const act of answer) add(acts, act, edited && original.was !== 'line')
    }
    plans.push({ ...stepPlan(step, 'undo', acts, []), leftBehind, damaged })
  }
  // A step that leaves together with what it watches still owes its command.
  const reloads: StepPlan[] = []
  const undone = plans.slice()
  for (const step of declared) {
    const mine = heldById.get(step.id)
    const same = mine !== undefined && sameStep(mine.step, step)
    const originals = mine?.originals ?? []
    const kind = mine === undefined ? 'new' : same ? 'repair' : 'changed'
    if (step.options['on'] !== undefined && step.verb === 'RUN') {
      const answer = ask(step, view)
      const [act] = isReason(answer) ? [] : answer
      const undo = act?.kind === 'run' ? act.undo : undefined
      const fresh =
        undo && ({ was: 'command', undo, timeoutMs: (act as { timeoutMs: number }).timeoutMs } as const)
      const later = stepPlan(step, same ? 'kept' : kind, [], remember(originals, fresh))
      plans.push(later)
      reloads.push(later)
      continue
    }
    const target = targetOf(step)
    if (
      same &&
      (target === undefined || (trusted(mine) && !view.predicted(target) && !disturbed(step, view)))
    ) {
      plans.push(stepPlan(step, 'kept', [], originals))
      continue
    }
    const asked = ask(step, view)
    const answer = isReason(asked) ? asked : (orphaned(asked, view) ?? asked)
    if (isReason(answer)) {
      plans.push({ ...stepPlan(step, kind, [], originals), reason: answer })
      continue
    }
    const edited = same || (mine !== undefined && !trusted(mine) && drifted(ask(mine.step, view)))
    const acts: Planned[] = []
    let after = originals
    for (const act of answer) {
      const savedBefore = !('path' in act) ? undefined : view.savedAt(act.path)
      const wasPlanned = !('path' in act) ? undefined : firstAt.get(act.path)?.planned
      const before = !('path' in act) ? undefined : view.stat(act.path)
      const content = !('path' in act) ? undefined : view.contentAt(act.path)
      const made = originals.some(one => one.was === 'absent' && 'path' in act && one.path === act.path)
      const planned = add(acts, act, edited && wasPlanned === undefined, false, made)
      if (!planned) continue
      // A repair puts back what is held already; what it replaces is drift, not an original, unless it came back in
      // this very run.
      if (same && wasPlanned === undefined) continue
      const original = originalOf(planned, before, savedBefore, wasPlanned)
      if (original === 'predicted' && before && content?.kind === 'bytes') {
        // What is to be kept exists only once LINE has left the file; it is written for us alone.
        const saved = saveAs()
        acts[acts.indexOf(planned)] = {
          ...planned,
          keeps: { saved, bytes: content.bytes, ownership: before },
        }
        firstAt.set((act as { path: string }).path, { acts, planned: acts.at(-1)! })
        after = remember(after, { was: 'saved', path: (act as { path: string }).path, saved, stat: before })
      } else if (original !== 'predicted') after = remember(after, original)
    }
    plans.push(stepPlan(step, acts.length > 0 || kind !== 'repair' ? kind : 'kept', acts, after))
  }
  const owing = undone.filter(
    ({ step: { options } }) => options['on'] !== undefined && options['undo'] === undefined,
  )
  for (const each of [...owing, ...reloads]) {
    const paths = readList(each.step.options['on'] ?? '')
    if (!owed && !touched.some(path => paths.some(on => path === on || path.startsWith(`${on}/`)))) continue
    const answer = ask(each.step, view)
    if (!isReason(answer)) for (const act of answer) add(each.acts, act, false, true)
  }
  return plans
}

/** The acts of a plan in the order in which they are done: owed commands last. */
export function ordered(plans: readonly StepPlan[]): { plan: StepPlan; planned: Planned }[] {
  const all = plans.flatMap(each => each.acts.map(planned => ({ plan: each, planned })))
  return [...all.filter(each => !each.planned.reload), ...all.filter(each => each.planned.reload)]
}

/** What would be done, a line an act. */
export function summary(plan: StepPlan): string {
  if (plan.reason) return `${plan.reason.code}: ${plan.reason.detail}`
  const damaged = plan.damaged.map(({ code, path }) => `${code} ${path}`)
  return [...plan.acts.map(each => describe(each.act)), ...damaged].join('; ')
}

function stepPlan(step: Step, kind: StepKind, acts: Planned[], originals: readonly Original[]): StepPlan {
  const undoClass = specs.get(step.verb)?.undo(step) ?? 'one-way'
  return { step, kind, acts, undoClass, originals, leftBehind: [], damaged: [] }
}

/** The first act whose directory will not be there. */
function orphaned(acts: readonly Act[], view: View): Reason | undefined {
  for (const act of acts) {
    if (act.kind !== 'put' && act.kind !== 'link' && act.kind !== 'mkdir') continue
    const parent = dirname(act.path)
    if (parent === '/' || view.stat(parent) !== undefined) continue
    return { code: 'NO_PARENT', path: act.path, detail: `found no ${parent}; expected a directory` }
  }
  return undefined
}

/** An exclusive directory is looked at again when something in it is taken back. */
function disturbed(step: Step, view: View): boolean {
  if (step.options['exclusive'] === undefined) return false
  const path = targetOf(step)!
  return view.list(path).some(name => view.predicted(`${path}/${name}`))
}

function drifted(answer: Answer): boolean {
  return !isReason(answer) && answer.some(act => 'path' in act && act.kind !== 'mkdir')
}

/** The acts that put an original back, or its damage; `left`: something that cannot be replaced stands there. */
function takeBack(original: Original, view: View): Answer | 'left' {
  if (original.was === 'command') return [{ kind: 'run', argv: original.undo, timeoutMs: original.timeoutMs }]
  if (original.was === 'state') return []
  const { path } = original
  const now = view.stat(path)
  switch (original.was) {
    case 'absent':
      if (now === undefined) return []
      if (now.kind !== 'directory') return [{ kind: 'remove', path }]
      return view.list(path).length === 0 ? [{ kind: 'rmdir', path }] : 'left'
    case 'saved': {
      const { saved, stat, sum } = original
      const detail = view.damageOf(saved, stat.kind, sum)
      if (detail !== undefined) return { code: 'ORIGINAL_DAMAGED', path, detail }
      if (now !== undefined && (now.kind === 'directory' || stat.kind === 'directory')) return 'left'
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

function originalOf(
  { act, saved }: Planned,
  before: Stat | undefined,
  savedBefore: string | undefined,
  earlier: Planned | undefined,
): Original | 'predicted' | undefined {
  switch (act.kind) {
    case 'run':
      return act.undo === undefined ? undefined : { was: 'command', undo: act.undo, timeoutMs: act.timeoutMs }
    case 'mkdir':
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

/** The first original of a path stays, whatever is done to it later; a line's text follows the declaration. */
function remember(held: readonly Original[], fresh: Original | undefined): readonly Original[] {
  if (fresh === undefined) return held
  if (fresh.was === 'command') return [...held.filter(each => each.was !== 'command'), fresh]
  if (fresh.was === 'state') return [...held, fresh]
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
