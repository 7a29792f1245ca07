// The loop of one run: observe, plan, apply; what follows acts that nobody can see through is planned again when they are
// done, in another leg of the same run. It is in force as a whole, or taken back as a whole.
import type { Along } from './act.ts'
import { type Applied, type Applying, apply, type NotKept, type Payloads } from './apply.ts'
import type { Ears } from './driver.ts'
import { dirtyReason, type Reason, StepError } from './errors.ts'
import { foresee } from './foresee.ts'
import { confirmWithinMs, isGuarded, type Witness } from './guard.ts'
import {
  type About,
  bequeath,
  type Intent,
  orphansOf,
  type Pause,
  type State,
  savedIn,
  withOutcomes,
  withSums,
} from './journal.ts'
import type { DriftStore } from './linux-drift.ts'
import { isObserved, leaveObserved } from './observed.ts'
import { reasonFrom, statOf, sweep } from './perform.ts'
import { changes, type Held, plan as planSteps, resourcesOf, type StepPlan, targetOf } from './plan.ts'
import { nothingObserved, observe } from './providers.ts'
import { kindOf, nameOf, type Providers, type ResourceId } from './resource.ts'
import { takeBack } from './revert.ts'
import { identical } from './steps/diff.ts'
import type { Step } from './steps/step.ts'
import type { Stat, System } from './system.ts'
import { editsOf } from './unpacked.ts'
import { declaredPaths, openView } from './view.ts'
import { subjectOf } from './watch.ts'

/** What a run needs of the engine. */
export interface Hosting {
  readonly machine: System
  readonly context: Applying
  readonly state: () => State
  readonly drift: DriftStore
  readonly now: () => number
  readonly isTemporary: (name: string) => boolean
  /** Whether a held step's target is known to be untouched, without reading it. */
  readonly trusted: (held: Held) => boolean
  readonly paused: (path: string | undefined) => Pause | undefined
  readonly after: Ears['after']
  /** Something that only the way back needed may have stayed: the next start is to look for it. */
  readonly untidy: () => void
}

export interface RunInput {
  /** [] restores what was before. */
  readonly steps: readonly Step[]
  readonly about: About
  readonly payloads: Payloads
  readonly keepFailed: boolean
  /** Without one nothing is guarded. */
  readonly witness?: Witness
  /** Asked before that: why nothing may be done any more, in words. The run answers `wait` then. */
  readonly shut?: () => string | undefined
  /** Called once, when all is prepared and something is about to be done. */
  readonly acting?: () => void
}

export interface RunOutcome {
  /**
   * `wait`: nothing was changed; `failed`: what was changed is taken back; `inconclusive`: so too, but whether the run
   * or the world is to blame is not known.
   */
  readonly kind: 'applied' | 'unchanged' | 'wait' | 'failed' | 'inconclusive'
  readonly kept: readonly Step[]
  readonly repaired: readonly Step[]
  readonly notKept: readonly NotKept[]
  /** Steps that a failed run took back. */
  readonly undone: readonly Step[]
  /** Paths that an undo left, since something else is in them; what a package leaves. */
  readonly leftBehind: readonly string[]
  /** What could not be taken back: the host is DIRTY until retry(). */
  readonly dirty: readonly Reason[]
  /** What was done, or was about to be, of all legs. */
  readonly plans: readonly StepPlan[]
}

/** How often one step may go on in a further leg: a step has few parts, and one that never ends must not loop. */
const legsOfStepMax = 5
/** Longest stretch without giving the event loop a turn, in milliseconds. */
const sliceMs = 10

/** For the witness's own words, beside the time that it is given. Milliseconds. */
const witnessMs = 30_000

/** The plan of leg number `leg` of run number `run`, on the machine as it is. */
export async function planLeg(
  { machine, context, isTemporary, trusted }: Hosting,
  steps: readonly Step[],
  held: readonly Held[],
  run: number,
  leg = 0,
  earlier: readonly StepPlan[] = [],
): Promise<StepPlan[]> {
  machine.settle()
  const ids = [...steps.flatMap(resourcesOf), ...held.flatMap(heldResources)]
  const { snapshot, unseen } = ids.length > 0 ? await observe(context.providers, ids) : nothingObserved
  const targets = steps.flatMap(step => targetOf(step) ?? [])
  const view = openView(machine, declaredPaths(targets), isTemporary, snapshot)
  const input = { declared: steps, held, view, run, leg, earlier, unseen, trusted }
  return planSteps(input).map(leaveObserved)
}

function heldResources({ originals }: Held): ResourceId[] {
  return originals.flatMap(each =>
    each.was === 'state' ? [each.id, ...(each.along ?? []).map(({ id }) => id)] : [],
  )
}

/** What has come of the run so far. */
interface Sofar {
  readonly held: Map<string, Held>
  readonly plans: StepPlan[]
  readonly notKept: NotKept[]
  readonly leftBehind: string[]
  readonly dirty: Reason[]
  readonly begun: Set<Step>
  /** What came along with steps that left, is still needed, and has been taken over by no other step. */
  orphans: readonly Along[]
  /** In words, all that ever was such. */
  readonly inherited: Set<string>
}

/** One run; the engine sees to it that no other is open. */
export async function runLegs(host: Hosting, input: RunInput): Promise<RunOutcome> {
  const { machine, state } = host
  const { steps, about, payloads, keepFailed, witness } = input
  const empty = { kept: [], repaired: [], undone: [], leftBehind: [], dirty: [], plans: [] }
  if (state().dirty.length > 0) {
    const notKept = steps.slice(0, 1).map(step => ({ step, reason: dirtyReason(state().dirty) }))
    return { kind: 'wait', ...empty, notKept, dirty: state().dirty }
  }
  const run = state().runs + 1
  const before = state().held
  let acts = false
  const note: Applying['note'] = (entry, durable) => {
    const begins = entry.kind === 'staged' && !acts && (state().open?.intents.length ?? 0) > 0
    const shut = begins ? input.shut?.() : undefined
    // As if it could not be prepared.
    if (shut !== undefined) throw new StepError('CALLED_OFF', undefined, shut)
    host.context.note(entry, durable)
    if (!begins) return
    acts = true
    input.acting?.()
  }
  const context = {
    ...host.context,
    note,
    surroundings: { quiet: unitsOf([...steps, ...before.map(each => each.step)]) },
  }
  const sofar: Sofar = {
    held: new Map(before.map(each => [each.step.id, each])),
    plans: [],
    notKept: [],
    leftBehind: [],
    dirty: [],
    begun: new Set(),
    orphans: [],
    inherited: new Set(),
  }
  const kept = () => keptOf(sofar)
  let token: { readonly token: unknown } | undefined
  for (let leg = 0, rest = true; rest; leg++) {
    const once = lookingOnce(host)
    const lookedMs = host.now()
    const all = await planLeg(once, steps, [...sofar.held.values()], run, leg, sofar.plans)
    const plans = all.filter(each => !each.tentative).map(each => allowed(host, each, sofar))
    rest = all.length > plans.length || plans.some(each => each.more)
    if (leg === 0) {
      const refused = await foresee(context, all, payloads)
      if (refused.length > 0 && !keepFailed) return { kind: 'wait', ...empty, notKept: refused, plans: all }
    }
    const guarded = (leg === 0 ? all : plans).find(isGuarded)
    if (guarded && witness && !token) {
      const found = await within(host, witness.before(), witnessMs, 'none' as const)
      if (found === 'none') {
        const back = leg === 0 ? undefined : await takeBack(context)
        const notKept = [{ step: guarded.step, reason: noWitness }]
        return { kind: back ? 'inconclusive' : 'wait', ...empty, ...back, notKept, plans: sofar.plans }
      }
      token = found
    }
    sofar.plans.push(...plans)
    const applied = await applyLeg(context, plans, run, payloads, keepFailed)
    for (const step of applied.begun) sofar.begun.add(step)
    sofar.leftBehind.push(...applied.leftBehind)
    sofar.dirty.push(...applied.dirty)
    sofar.notKept.push(...applied.notKept)
    if (applied.ended === 'prepare') return { kind: 'wait', ...empty, ...only(sofar) }
    if (applied.ended) {
      return { kind: 'failed', ...empty, ...only(sofar), kept: kept(), undone: [...sofar.begun] }
    }
    machine.settle()
    await fold(once, about, plans, applied, sofar, lookedMs)
  }

  const confirmed =
    !witness ||
    !token ||
    (await within(
      host,
      witness.confirm(token.token, confirmWithinMs),
      confirmWithinMs + witnessMs,
      'silent',
    )) === 'confirmed'
  if (!confirmed) {
    const back = await takeBack(context)
    const guarded = sofar.plans.filter(isGuarded)
    const { step } = guarded.find(each => each.kind !== 'undo') ?? guarded[0] ?? sofar.plans[0]!
    const kind = (await within(host, witness.heard(), confirmWithinMs, false)) ? 'failed' : 'inconclusive'
    const notKept = [{ step, reason: cutOff(kind) }]
    return { kind, ...empty, ...back, notKept, undone: [...sofar.begun], plans: sofar.plans }
  }
  const failed = new Set(sofar.notKept.map(each => each.step.id))
  const repaired = sofar.plans
    .filter(
      each => each.kind !== 'kept' && !failed.has(each.step.id) && each.acts.length > 0 && changes(each),
    )
    .map(each => each.step)
  const held = handOver(sofar, inOrder(steps, sofar.held))
  const leftBehind = [
    ...sofar.leftBehind.filter(each => !sofar.inherited.has(each)),
    ...sofar.orphans.map(({ id }) => wordsOf(id)),
  ]
  const intents = state().open?.intents ?? []
  try {
    record(host, about, held, sofar.dirty)
  } catch (error) {
    const back = await takeBack(context)
    const notKept = sofar.plans.slice(0, 1).map(({ step }) => ({ step, reason: reasonFrom(error) }))
    return { kind: 'failed', ...empty, ...back, notKept, undone: [...new Set(repaired)] }
  }
  try {
    tidy(host, about, intents, before, held, sofar)
  } catch (error) {
    reasonFrom(error)
    host.untidy()
  }
  const kind = sofar.plans.some(changes) ? 'applied' : 'unchanged'
  return { kind, ...empty, ...only(sofar), leftBehind, kept: kept(), repaired: [...new Set(repaired)] }
}

/** Steps that were so already; what only checks or leaves without a trace changes nothing. */
function keptOf({ plans, notKept }: Sofar): Step[] {
  const others = new Set(notKept.map(each => each.step.id))
  for (const each of plans)
    if (each.kind === 'undo' || each.reason || (each.kind !== 'kept' && changes(each)))
      others.add(each.step.id)
  return [...new Map(plans.map(({ step }) => [step.id, step])).values()].filter(({ id }) => !others.has(id))
}

/** What steps that left brought along goes over to others, as far as there are such. */
function handOver(sofar: Sofar, held: readonly Held[]): readonly Held[] {
  for (const { id } of sofar.orphans) sofar.inherited.add(wordsOf(id))
  const { held: next, heirless } = bequeath(held, sofar.orphans)
  sofar.orphans = heirless
  return next
}

/** As providers say it of what is left behind. */
const wordsOf = (id: ResourceId) => `${kindOf(id)} ${nameOf(id)}`

/** What the witness says, or `otherwise` if that takes too long or fails: a host that is cut off must not wait for ever. */
async function within<T>({ after }: Hosting, said: Promise<T>, ms: number, otherwise: T): Promise<T> {
  let cancel = () => {}
  const late = new Promise<T>(done => {
    cancel = after(ms, () => done(otherwise))
  })
  try {
    return await Promise.race([said.catch(() => otherwise), late])
  } finally {
    cancel()
  }
}

const noWitness: Reason = {
  code: 'NO_WITNESS',
  detail:
    'found no peer that could say whether the host is still reached; expected one that connected lately',
}

function cutOff(kind: 'failed' | 'inconclusive'): Reason {
  const then = kind === 'failed' ? 'they are back since the run was taken back' : 'they are not back'
  return { code: 'CUT_OFF', detail: `no peer reached the host within ${confirmWithinMs / 1000} s; ${then}` }
}

const only = ({ notKept, leftBehind, dirty, plans }: Sofar) => ({ notKept, leftBehind, dirty, plans })

function unitsOf(steps: readonly Step[]): string[] {
  const units = steps.flatMap(resourcesOf).filter(id => kindOf(id) === 'unit')
  return [...new Set(units.map(nameOf))]
}

/** A paused target is left alone; a step that goes on and on is given up. */
function allowed(host: Hosting, plan: StepPlan, { plans }: Sofar): StepPlan {
  const refuse = (reason: Reason): StepPlan => {
    const { more: _, ...rest } = plan
    return { ...rest, acts: [], reason }
  }
  const pause = plan.acts.length > 0 ? host.paused(subjectOf(plan.step)) : undefined
  if (pause) return refuse(pausedReason(plan.step, pause))
  const legs = plans.filter(each => each.more && each.step.id === plan.step.id).length
  if (!plan.more || legs < legsOfStepMax) return plan
  return refuse({ code: 'CHANGED_BACK', detail: `found it in want of the same ${legs} times in a row` })
}

function pausedReason(step: Step, pause: Pause): Reason {
  return { code: 'PAUSED', path: subjectOf(step), detail: `${pause.reason}; until ${pause.untilMs}` }
}

/**
 * Notes that the run is in force. Where nothing was done, little is to be said, or nothing: how those targets look that were
 * looked at again, and if that gets lost, they are looked at once more.
 */
function record(
  { state, context: { note } }: Hosting,
  about: About,
  held: readonly Held[],
  dirty: readonly Reason[],
) {
  const { open, held: before, about: was } = state()
  const alike = (each: Held, at: number) =>
    each.step === before[at]!.step &&
    each.originals === before[at]!.originals &&
    each.since === before[at]!.since
  const same = JSON.stringify(was) === JSON.stringify(about) && held.length === before.length
  if (open || dirty.length > 0 || !same || !held.every(alike))
    return note({ kind: 'done', about, held, dirty })
  const news = held.filter((each, at) => each !== before[at])
  if (news.length === 0) return
  const atMs = news.reduce((least, { seenAtMs }) => Math.min(least, seenAtMs!), Number.POSITIVE_INFINITY)
  note({ kind: 'seen', atMs, seen: news.map(({ step, seen }) => [step.id, seen!] as const) }, false)
}

/** Targets are looked at once a leg: one that changes after it was found untouched will look different then. */
function lookingOnce(host: Hosting): Hosting {
  const known = new Map<Held, boolean>()
  const trusted = (held: Held) => {
    const found = known.get(held) ?? host.trusted(held)
    known.set(held, found)
    return found
  }
  return { ...host, trusted }
}

/** Without acts there is nothing to journal. */
async function applyLeg(
  context: Applying,
  plans: readonly StepPlan[],
  run: number,
  payloads: Payloads,
  keepFailed: boolean,
): Promise<Applied> {
  if (plans.some(each => each.acts.length > 0 || each.reason))
    return apply(context, plans, run, payloads, keepFailed)
  return {
    notKept: [],
    leftBehind: plans.flatMap(each => each.leftBehind),
    begun: [],
    dirty: plans.flatMap(each => each.damaged),
    sums: {},
    outcomes: new Map(),
    looks: new Map(),
  }
}

/** The same plans, with what the providers know cannot be taken back. */
export async function markOneWay(providers: Providers, plans: readonly StepPlan[]): Promise<StepPlan[]> {
  const wanted = plans.flatMap(({ acts }) => acts.flatMap(({ act }) => (act.kind === 'set' ? [act] : [])))
  const found = new Set<ResourceId>()
  for (const [kind, mine] of Map.groupBy(wanted, each => kindOf(each.id)))
    try {
      for (const id of (await providers.get(kind)?.oneWay(mine))?.keys() ?? []) found.add(id)
    } catch (error) {
      // What nobody can say is not promised.
      reasonFrom(error)
      for (const { id } of mine) found.add(id)
    }
  return plans.map(each =>
    each.acts.some(({ act }) => act.kind === 'set' && found.has(act.id))
      ? { ...each, undoClass: 'one-way' }
      : each,
  )
}

/** What is held once a leg is done. `lookedMs`: before it was planned. */
async function fold(
  host: Hosting,
  about: About,
  plans: readonly StepPlan[],
  applied: Applied,
  sofar: Sofar,
  lookedMs: number,
): Promise<void> {
  const isOurs = written(host.state())
  // What the run wrote is right as it stands; anything else that changes from the look on is looked at again.
  const atMs = (seen: Stat | null) => (seen && isOurs(seen) ? host.now() : lookedMs)
  const failed = new Set(applied.notKept.map(each => each.step.id))
  const { held } = sofar
  const { timing } = host.context
  let slice = timing.now()
  for (const plan of plans) {
    const { id } = plan.step
    const old = held.get(id)
    if (failed.has(id)) continue
    if (plan.kind === 'undo')
      sofar.orphans = [...sofar.orphans, ...orphansOf(old?.originals ?? [], applied.outcomes)]
    const originals = withOutcomes(withSums(plan.originals, applied.sums), applied.outcomes)
    if (plan.kind !== 'undo')
      held.set(id, heldAfter(host, { ...plan, originals }, old, about, applied.looks, atMs))
    else if (plan.more) held.set(id, { ...held.get(id)!, originals })
    else held.delete(id)
    if (timing.now() - slice > sliceMs) {
      await timing.wait(0)
      slice = timing.now()
    }
  }
  // Also to steps that leave in a later leg: once they are gone, nothing may need it any more.
  if (sofar.orphans.length > 0)
    for (const each of handOver(sofar, [...held.values()])) held.set(each.step.id, each)
}

function heldAfter(
  { machine, now, trusted }: Hosting,
  { step, kind, originals, acts }: StepPlan,
  old: Held | undefined,
  about: About,
  looks: Applied['looks'],
  atMs: (seen: Stat | null) => number,
): Held {
  const since =
    old && (kind === 'kept' || kind === 'repair')
      ? old.since
      : { id: about.id, label: about.label, atMs: now() }
  const target = targetOf(step)
  const untouched = kind === 'kept' && acts.length === 0
  if (old && untouched && (target === undefined || isObserved(step) || trusted(old)))
    return identical(old.step, step) ? old : { ...old, step }
  const same = old && originals === old.originals && since === old.since && identical(old.step, step)
  const mine = same ? old : { step, originals, since }
  if (target === undefined) return mine
  const made = looks.get(target)
  if (made) return { ...mine, seen: made, seenAtMs: now() }
  const seen = statOf(machine, target) ?? null
  return { ...mine, seen, seenAtMs: atMs(seen) }
}

/** Recognises what the open run has put in place, as long as nobody wrote to it. */
function written({ open }: State): (stat: Stat) => boolean {
  const made = new Set((open?.made ?? []).map(each => each?.join()))
  return ({ ino, mtimeMs }) => made.has([ino, mtimeMs].join())
}

/** What could not be taken back first, then what is declared. */
function inOrder(steps: readonly Step[], held: ReadonlyMap<string, Held>): Held[] {
  const declared = new Set(steps.map(step => step.id))
  const stuck = [...held.values()].filter(each => !declared.has(each.step.id))
  return [...stuck, ...steps.flatMap(step => held.get(step.id) ?? [])]
}

/** Once the outcome is durable: edits that moved as a whole, and what only the way back needed. */
function tidy(
  { machine, drift, now }: Hosting,
  about: About,
  intents: readonly Intent[],
  before: readonly Held[],
  held: readonly Held[],
  { notKept, dirty }: Sofar,
): void {
  const needed = new Set(held.flatMap(each => savedIn(each.originals)))
  for (const { drifted, before: was, saved, path } of intents)
    if (drifted && was?.kind === 'directory' && saved && !needed.has(saved))
      for (const edit of editsOf(machine, saved))
        if (machine.lstat(edit)) drift.adopt(edit, path + edit.slice(saved.length), now(), about.label)
  const gone = before.flatMap(each => savedIn(each.originals)).map(saved => ({ saved }))
  if (dirty.length > 0) gone.length = 0
  // What took its target's place is no longer under its temporary name; only failures and removals leave some.
  const clean = notKept.length === 0
  const rest = intents.filter(
    each => each.saved || each.keeps || each.states || each.kind === 'remove' || !clean,
  )
  sweep(machine, [...rest, ...gone], needed)
}
