// What is declared, what is in force and what is there -> the ordered acts that lead from one to the other, or the
// reason why not. Knows no verb by name: verbs answer with acts, and acts say how they are taken back.
import { type Act, type Answer, isReason, type Original } from './act.ts'
import { describe } from './describe.ts'
import type { Reason } from './errors.ts'
import { type Acts, createLeg, isOpaque, type Leg, type Planned } from './leg.ts'
import { isLeft, originalOf, remember, takeBack } from './originals.ts'
import { type Kind, kindOf, type ResourceId, sameState } from './resource.ts'
import { leaving, sameStep } from './steps/diff.ts'
import type { Step } from './steps/step.ts'
import { dirname, type Stat } from './system.ts'
import { planners, specs } from './verbs/index.ts'
import type { Owed, UndoClass } from './verbs/verb.ts'
import type { View } from './view.ts'

export type { Planned } from './leg.ts'

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

export type StepKind = 'kept' | 'repair' | 'new' | 'changed' | 'undo'

export interface StepPlan {
  readonly step: Step
  readonly kind: StepKind
  readonly acts: Planned[]
  readonly undoClass: UndoClass
  /** What the step holds afterwards; of an `undo`: what is still to be taken back in a later leg. */
  readonly originals: readonly Original[]
  /** Paths that an undo leaves as they are. */
  readonly leftBehind: readonly string[]
  /** Originals that cannot come back; the step leaves without them, and the host is DIRTY. */
  readonly damaged: readonly Reason[]
  /** Why it cannot be kept; then there are no acts. */
  readonly reason?: Reason
  /** Only foreseen: planned again when the acts of this leg are done. */
  readonly tentative?: true
  /** Not finished by these acts: it is planned again in the next leg. */
  readonly more?: true
}

export interface PlanInput {
  readonly declared: readonly Step[]
  readonly held: readonly Held[]
  readonly view: View
  /** Numbers of the run and its leg, from 0; what is saved has them in its name. */
  readonly run: number
  readonly leg?: number
  /** Whether a held step's target is known to be untouched, without reading it. */
  readonly trusted: (held: Held) => boolean
  /** What the earlier legs of this run did. */
  readonly earlier?: readonly StepPlan[]
  /** Kinds of resources that could not be observed. */
  readonly unseen?: ReadonlyMap<Kind, Reason>
  /** Only the commands that these steps owe, whatever was touched: a repair owes them. */
  readonly owed?: boolean
}

export function targetOf(step: Step): string | undefined {
  return specs.get(step.verb)?.target?.(step)
}

/** Every path that the step decides, its target first. */
export function pathsOf(step: Step): readonly string[] {
  const spec = specs.get(step.verb)
  const target = spec?.target?.(step)
  return spec?.paths?.(step) ?? (target === undefined ? [] : [target])
}

export function resourcesOf(step: Step): readonly ResourceId[] {
  return specs.get(step.verb)?.resources?.(step) ?? none
}

/** One for all: of most steps, and asked of each many times. */
const none: readonly ResourceId[] = []

export function owedOf(step: Step): Owed | undefined {
  return specs.get(step.verb)?.owes?.(step)
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

/**
 * Undo first, in reverse order; then what is declared, in its order; then the commands whose paths changed; last the
 * checks. What follows acts that nobody can see through is tentative.
 */
export function plan(input: PlanInput): StepPlan[] {
  const { declared, held, view, earlier = [] } = input
  if (input.owed) return declared.flatMap(owedPlan)
  const heldById = new Map(held.map(each => [each.step.id, each]))
  const undo = leaving(
    held.map(each => each.step),
    declared,
  )
  const finished = new Set(earlier.flatMap(each => (each.more ? [] : [each.step.id])))
  const leg = createLeg(view, input.leg ? `${input.run}.${input.leg}` : `${input.run}`)
  const plans: StepPlan[] = []
  const settle = (plan: StepPlan) => {
    plans.push(leg.over() && !plan.more ? { ...plan, tentative: true } : plan)
  }

  const wanted = new Set(declared.flatMap(resourcesOf))
  for (const step of undo) settle(planUndo(heldById.get(step.id)!, leg, input, wanted))
  for (const step of declared)
    if (!finished.has(step.id)) settle(planStep(step, heldById.get(step.id), leg, input))

  addOwed(plans, leg, earlier)
  return leg.over() ? plans.map(checksLast) : plans
}

function planUndo(
  mine: Held,
  leg: Leg,
  { view, trusted }: PlanInput,
  wanted: ReadonlySet<ResourceId>,
): StepPlan {
  const acts: Acts = []
  const leftBehind: string[] = []
  const damaged: Reason[] = []
  const rest = [...mine.originals]
  const edited = !trusted(mine) && drifted(ask(mine.step, view))
  const plan = (more?: true): StepPlan => ({
    ...stepPlan(mine.step, 'undo', acts, more ? rest : []),
    leftBehind,
    damaged,
    ...(more ? { more } : {}),
  })
  for (let original = rest.at(-1); original !== undefined; original = rest.at(-1)) {
    const answer = takeBack(original, view, wanted)
    if (isLeft(answer)) leftBehind.push(...answer.left)
    else if (isReason(answer)) damaged.push(answer)
    else
      for (const act of answer) {
        if (!leg.over() && leg.ends(act)) {
          const started = acts.length > 0
          leg.close()
          if (started) return plan(true)
        }
        const changed =
          act.kind === 'set'
            ? original.was === 'state' && act.id === original.id && !sameState(act.from, original.after)
            : edited && original.was !== 'line'
        leg.add(acts, act, { drifted: changed, made: original.was === 'absent' })
      }
    rest.pop()
  }
  return plan()
}

function planStep(step: Step, mine: Held | undefined, leg: Leg, input: PlanInput): StepPlan {
  const { view, trusted } = input
  // A step that goes on is still what it was when it began.
  const begun = input.earlier?.find(each => each.more && each.step.id === step.id)
  const same = begun ? begun.kind === 'repair' : mine !== undefined && sameStep(mine.step, step)
  const kind = begun ? begun.kind : mine === undefined ? 'new' : same ? 'repair' : 'changed'
  const owed = owedOf(step)
  const originals = remember(mine?.originals ?? [], owed && original(owed))
  const { unseen: all } = input
  const unseen = all?.size ? resourcesOf(step).flatMap(id => all.get(kindOf(id)) ?? [])[0] : undefined
  if (unseen) return { ...stepPlan(step, kind, [], originals), reason: unseen }
  if (same && !begun && mine && isSettled(mine, input)) {
    if (touchesAnything(step) && leg.opaque() !== undefined) leg.close()
    return stepPlan(step, 'kept', [], originals)
  }
  const asked = ask(step, view)
  // Nothing says whether a command that was run is still as it should be: once is enough.
  const due = same && !begun && !isReason(asked) && !touchesAnything(step) ? asked.filter(isCheck) : asked
  if (leg.opaque() !== undefined && isCutBefore(step, due, leg)) leg.close()
  const reason = isReason(due) ? due : leg.over() ? undefined : orphaned(due, view)
  if (reason || isReason(due)) return { ...stepPlan(step, kind, [], originals), reason: reason as Reason }

  const edited = same || (!begun && mine !== undefined && !trusted(mine) && drifted(ask(mine.step, view)))
  const acts: Acts = []
  let after = originals
  const plan = (): StepPlan =>
    stepPlan(step, acts.some(({ act }) => !isCheck(act)) || kind !== 'repair' ? kind : 'kept', acts, after)
  for (const act of due) {
    if (!leg.over() && leg.ends(act)) {
      leg.close()
      if (acts.length > 0) return { ...plan(), more: true }
    }
    after = addAct(acts, act, { leg, view, same, edited, mine: mine?.originals ?? [], originals: after })
  }
  return plan()
}

interface AddingAct {
  readonly leg: Leg
  readonly view: View
  readonly same: boolean
  readonly edited: boolean
  /** What the step held before this run. */
  readonly mine: readonly Original[]
  readonly originals: readonly Original[]
}

/** Answers what the step is to remember with this act. */
function addAct(
  acts: Acts,
  act: Act,
  { leg, view, same, edited, mine, originals }: AddingAct,
): readonly Original[] {
  if (!('path' in act)) {
    const known = act.kind === 'set' && mine.find(each => each.was === 'state' && each.id === act.id)
    const changed = act.kind === 'set' && known && known.was === 'state' && !sameState(act.from, known.after)
    const planned = leg.add(acts, act, { drifted: changed === true })
    return same && act.kind === 'set' && known ? originals : remember(originals, original(planned ?? { act }))
  }
  const earlier = leg.earlierAt(act.path)
  const savedBefore = view.savedAt(act.path)
  const before = view.stat(act.path)
  const content = view.contentAt(act.path)
  const made = mine.some(one => one.was === 'absent' && one.path === act.path)
  const like = same && mine.find(one => one.was === 'saved' && one.path === act.path)
  const planned = leg.add(acts, act, {
    drifted: edited && earlier === undefined,
    made,
    ...(like && like.was === 'saved' && like.stat.kind === 'file' ? { like } : {}),
  })
  // A repair puts back what is held already; what it replaces is drift, not an original, unless it came back in
  // this very run.
  if (!planned || (same && earlier === undefined)) return originals
  const found = originalOf(planned, before, savedBefore, earlier)
  if (found !== 'predicted') return remember(originals, found)
  if (before === undefined || content?.kind !== 'bytes') return originals
  // What is to be kept exists only once LINE has left the file; it is written for us alone.
  const saved = leg.saveAs()
  leg.amend(acts, { ...planned, keeps: { saved, bytes: content.bytes, ownership: before } })
  return remember(originals, { was: 'saved', path: act.path, saved, stat: before })
}

/** Of what is not about a path. */
function original(planned: { readonly act: Act }): Original | undefined {
  const found = originalOf(planned, undefined, undefined, undefined)
  return found === 'predicted' ? undefined : found
}

/** Nothing needs to be asked: its target looks as it did when it was found right. */
function isSettled(mine: Held, { view, trusted }: PlanInput): boolean {
  const { step } = mine
  const target = targetOf(step)
  if (target === undefined || resourcesOf(step).length > 0) return false
  return trusted(mine) && !view.predicted(target) && !disturbed(step, view)
}

function touchesAnything(step: Step): boolean {
  return targetOf(step) !== undefined || resourcesOf(step).length > 0
}

/** Whether the step must be looked at again after what the leg does last. */
function isCutBefore(step: Step, answer: Answer, leg: Leg): boolean {
  if (isReason(answer)) return true
  const [first] = answer
  if (first) return leg.ends(first)
  // One that is kept may stand among others of its kind.
  return targetOf(step) !== undefined || resourcesOf(step).some(id => kindOf(id) !== leg.opaque())
}

const isCheck = (act: Act) => act.kind === 'check'

/** Adds the commands that are due, to the plans that owe them or to new ones. */
function addOwed(plans: StepPlan[], leg: Leg, earlier: readonly StepPlan[]): void {
  const touched = [...earlier.flatMap(each => each.acts.map(({ act }) => act)), ...leg.touched]
  const owing = new Map<string, StepPlan>()
  for (const each of [...earlier, ...plans]) owing.set(each.step.id, each)
  for (const plan of owing.values()) {
    const owed = owedOf(plan.step)
    // What the step that leaves takes back by itself is not done once more.
    if (!owed || plan.reason || (plan.kind === 'undo' && owed.act.undo) || !isDue(owed, touched)) continue
    const mine = plans.includes(plan) && leg.over() === (plan.tentative ?? false)
    if (mine) leg.add(plan.acts, owed.act, { reload: true })
    else {
      const { tentative: _, ...rest } = plan
      const later = {
        ...rest,
        acts: [],
        leftBehind: [],
        damaged: [],
        ...(leg.over() ? { tentative: true as const } : {}),
      }
      leg.add(later.acts, owed.act, { reload: true })
      plans.push(later)
    }
  }
}

/** Something at or below a path that it watches is touched, and nothing made it unnecessary. */
function isDue({ on, spares }: Owed, touched: readonly Act[]): boolean {
  if (touched.some(act => act.kind === 'set' && spares?.(act))) return false
  return touched.some(act => 'path' in act && on.some(path => isBelow(act.path, path)))
}

/** At the path, or below it. */
export function isBelow(path: string, above: string): boolean {
  return path === above || path.startsWith(above === '/' ? '/' : `${above}/`)
}

function owedPlan(step: Step): StepPlan[] {
  const owed = owedOf(step)
  if (!owed) return []
  const plan = stepPlan(step, 'kept', [], [])
  plan.acts.push({ act: owed.act, before: null, first: false, drifted: false, reload: true })
  return [plan]
}

/** A step that only checks waits for the last leg. */
function checksLast(plan: StepPlan): StepPlan {
  const checks = plan.acts.length > 0 && plan.acts.every(each => isCheck(each.act))
  return checks ? { ...plan, tentative: true } : plan
}

/** The acts of a plan in the order in which they are done: owed commands after all others, then the checks. */
export function ordered(plans: readonly StepPlan[]): { plan: StepPlan; planned: Planned }[] {
  const all = plans.flatMap(each => each.acts.map(planned => ({ plan: each, planned })))
  const rank = ({ planned }: { planned: Planned }) => (isCheck(planned.act) ? 2 : planned.reload ? 1 : 0)
  return [0, 1, 2].flatMap(at => all.filter(each => rank(each) === at))
}

/** Whether the plan does anything to the machine. */
export function changes({ acts, damaged }: StepPlan): boolean {
  return damaged.length > 0 || acts.some(each => !isCheck(each.act))
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
  const made = new Set<string>()
  for (const act of acts) {
    if (isOpaque(act)) return undefined
    if (act.kind === 'mkdir' || act.kind === 'link') made.add(act.path)
    if (act.kind !== 'put' && act.kind !== 'link' && act.kind !== 'mkdir' && act.kind !== 'unpack') continue
    const parent = dirname(act.path)
    if (parent === '/' || made.has(parent) || view.stat(parent) !== undefined) continue
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
