// The loop that looks again at steps in force: reads what is there, and repairs what drifted, each step by itself. When
// to look is left to driver.ts, how a repair is done to apply.ts and the providers.
import { type Applying, type NotKept, type Payloads, repair } from './apply.ts'
import { type Reason, StepError } from './errors.ts'
import type { Entry, State } from './journal.ts'
import { isObserved, observedReason } from './observed.ts'
import { reasonFrom } from './perform.ts'
import {
  ask,
  type Held,
  isBelow,
  owedOf,
  pathsOf,
  plan as planSteps,
  resourcesOf,
  type StepPlan,
  targetOf,
} from './plan.ts'
import { nothingObserved, type Observed, observe } from './providers.ts'
import { kindOf, nameOf, type Providers } from './resource.ts'
import type { Step } from './steps/step.ts'
import type { Stat } from './system.ts'
import { specs } from './verbs/index.ts'
import type { View } from './view.ts'
import { contestedReason, subjectOf } from './watch.ts'

export interface AuditOutcome {
  readonly kept: number
  readonly repaired: readonly Step[]
  readonly notKept: readonly NotKept[]
  /** Ids of those not kept whose repair was tried in vain, and of those whose repair waits for a package manager. */
  readonly failed: readonly string[]
  readonly waiting: readonly string[]
}

/** What a look needs of the engine. */
export interface Looking {
  readonly context: Applying
  readonly now: () => number
  readonly state: () => State
  readonly note: (entry: Entry, durable?: boolean) => void
  /** The machine as it is. */
  readonly view: (observed: Observed) => View
  /** Whether a held step's target is known to be untouched, without reading it. */
  readonly trusted: (held: Held) => boolean
  /** `subject`: as of subjectOf. */
  readonly paused: (subject: string) => boolean
  readonly contested: () => readonly string[]
  /** A package manager is at work, and patience with it is not over. */
  readonly busy: () => boolean
  readonly log: (line: string) => void
}

/** Longest stretch without giving the event loop a turn, in milliseconds. */
const sliceMs = 10
/** How often one step may go on, as in a run. */
const legsMax = 5
/** How often a target is tried that changes while it is repaired. */
const attemptsMax = 3
/** How long a CHECK may take outside of a run: it is looked at once. Milliseconds. */
const checkMs = 10_000

/** How long repairs wait for a package manager at work (DESIGN section 8). */
export const patienceMs = 30 * 60_000

/** Answers whether a package manager is at work, and has been for less than that since it was first seen. */
export function patience(providers: Providers, now: () => number): () => boolean {
  let sinceMs: number | undefined
  return () => {
    if (![...providers.values()].some(each => each.busy())) sinceMs = undefined
    else sinceMs ??= now()
    return sinceMs !== undefined && now() - sinceMs < patienceMs
  }
}

/** Looks at these steps again and repairs what drifted. Each stands alone: a failure undoes nothing. */
export async function look(
  engine: Looking,
  held: readonly Held[],
  payloads: Payloads,
): Promise<AuditOutcome> {
  const { note } = engine
  const { machine, providers, timing } = engine.context
  machine.settle()
  // What changes from here on may have been read before it changed: it is to be looked at again.
  const sinceMs = engine.now()
  let kept = 0
  let slice = timing.now()
  const repaired: Step[] = []
  const notKept: NotKept[] = []
  const failed: string[] = []
  const waiting: string[] = []
  const seen: [string, Stat | null][] = []
  const contested = new Set(engine.contested())
  const owned = ownedOf(held)
  const ids = held.flatMap(({ step }) => resourcesOf(step))
  const observed = ids.length > 0 ? await observe(providers, ids) : nothingObserved
  for (const mine of held) {
    if (timing.now() - slice > sliceMs) {
      await timing.wait(0)
      slice = timing.now()
    }
    const { step } = mine
    if (engine.paused(subjectOf(step)) || isSettled(mine, engine)) {
      kept++
      continue
    }
    const found = await verdict(engine, mine, observed, contested, owned, payloads)
    if ('reason' in found) {
      notKept.push({ step, reason: found.reason })
      if (found.kind === 'failed') failed.push(step.id)
      if (found.kind === 'waits') waiting.push(step.id)
    } else {
      if (found.kind === 'kept') kept++
      else repaired.push(step)
      if (found.seen !== undefined) seen.push([step.id, found.seen])
    }
  }
  try {
    if (seen.length > 0) note({ kind: 'seen', atMs: sinceMs, seen }, false)
    await reload(engine, repaired, notKept, payloads)
  } catch (error) {
    // The journal cannot grow: what was found must be looked at again, and what is owed was not run.
    const [first] = held
    if (first) notKept.push({ step: first.step, reason: reasonFrom(error) })
  }
  return { kept, repaired, notKept, failed, waiting }
}

type Verdict =
  /** `seen`: how its target looks, if it has one. */
  | { readonly kind: 'kept' | 'repaired'; readonly seen: Stat | null | undefined }
  /** `failed`: a repair was tried in vain; `waits`: for a package manager. */
  | { readonly kind: 'left' | 'failed' | 'waits'; readonly reason: Reason }

async function verdict(
  engine: Looking,
  mine: Held,
  observed: Observed,
  contested: ReadonlySet<string>,
  owned: Owned,
  payloads: Payloads,
): Promise<Verdict> {
  const { step } = mine
  const { machine } = engine.context
  const path = subjectOf(step)
  const target = targetOf(step)
  const seen = () => (target === undefined ? undefined : (machine.lstat(target) ?? null))
  for (let attempt = 1, tried = false; ; attempt++)
    try {
      const planned = planAgain(engine, mine, observed)
      if (planned.reason) return { kind: 'left', reason: planned.reason }
      if (planned.acts.length === 0) return { kind: 'kept', seen: seen() }
      if (isObserved(step)) return { kind: 'left', reason: observedReason(path, planned.acts) }
      if (contested.has(path)) return { kind: 'left', reason: contestedReason(path) }
      const detail = 'repaired once the package manager is done'
      if (mustWait(engine, planned, owned))
        return { kind: 'waits', reason: { code: 'PACKAGES_BUSY', path, detail } }
      tried = true
      owe(engine, step)
      await mend(engine, mine, planned, payloads)
      machine.settle()
      engine.log(`repaired ${step.id}`)
      return { kind: 'repaired', seen: seen() }
    } catch (error) {
      const reason = reasonFrom(error, path)
      // Somebody is writing right now: what is there by now is looked at, not what was.
      if (reason.code !== 'CHANGED_MEANWHILE' || attempt === attemptsMax)
        return { kind: tried ? 'failed' : 'left', reason }
      machine.settle()
    }
}

/** How its target looks says all, and it looks as it did when it was found right; or there is nothing to look at. */
function isSettled(mine: Held, { trusted }: Looking): boolean {
  const { step } = mine
  const paths = pathsOf(step)
  if (resourcesOf(step).length > 0) return false
  try {
    return paths.length === 0 || (paths.length === 1 && !specs.get(step.verb)?.deep && trusted(mine))
  } catch (error) {
    // Its planner meets the same, and names it.
    reasonFrom(error)
    return false
  }
}

/** Without the commands that it owes: reload() has them all. */
function planAgain(engine: Looking, mine: Held, observed: Observed): StepPlan {
  const [planned] = planSteps({
    declared: [mine.step],
    held: [mine],
    view: engine.view(observed),
    run: engine.state().runs,
    trusted: () => false,
    unseen: observed.unseen,
  })
  return { ...planned!, acts: planned!.acts.filter(each => !each.reload) }
}

/** Package managers replace files and stop units while they work; what they have in hand is left to them. */
function mustWait({ busy, context }: Looking, { step, acts }: StepPlan, owned: Owned): boolean {
  if (!busy()) return false
  const theirs = acts.some(({ act }) =>
    act.kind === 'set'
      ? kindOf(act.id) === 'package' || kindOf(act.id) === 'unit'
      : // Such as a `.dpkg-new` in an exclusive directory.
        act.kind === 'remove',
  )
  if (theirs) return true
  const paths = pathsOf(step)
  return paths.some(path => owned(context.providers).has(path))
}

/** Which paths of the steps that are looked at belong to packages; asked once, and only if it matters. */
type Owned = (providers: Providers) => ReadonlySet<string>

function ownedOf(held: readonly Held[]): Owned {
  let known: ReadonlySet<string> | undefined
  return providers => {
    known ??= providers.get('package')?.owns?.(held.flatMap(each => pathsOf(each.step))) ?? new Set()
    return known
  }
}

/** All acts of one step, and those that only show when these are done; then resources are read once more. */
async function mend(engine: Looking, mine: Held, planned: StepPlan, payloads: Payloads): Promise<void> {
  const resources = resourcesOf(mine.step)
  const units = engine.state().held.flatMap(({ step }) => resourcesOf(step))
  const quiet = units.filter(id => kindOf(id) === 'unit').map(nameOf)
  const context = { ...engine.context, surroundings: { quiet } }
  for (let leg = 1, now = planned; ; leg++) {
    await repair(context, now, payloads, engine.state().runs)
    if (resources.length === 0) return
    context.machine.settle()
    const rest = planAgain(engine, mine, await observe(context.providers, resources))
    if (rest.reason) throw new StepError(rest.reason.code, rest.reason.path, rest.reason.detail)
    if (rest.acts.length === 0) return
    if (!now.more || leg === legsMax) {
      const { path, detail } = observedReason(subjectOf(mine.step), rest.acts)
      throw new StepError('CHANGED_BACK', path, detail)
    }
    now = rest
  }
}

/** Notes what a repair will owe before it is begun: a crash in between must not lose it. */
function owe({ state, note }: Looking, step: Step): void {
  const { held, owed } = state()
  const paths = pathsOf(step)
  const ids = held.flatMap(each => {
    const on = owedOf(each.step)?.on ?? []
    return on.some(one => paths.some(path => isBelow(path, one))) ? [each.step.id] : []
  })
  const all = new Set([...owed, ...ids])
  if (all.size > owed.length) note({ kind: 'owed', ids: [...all] })
}

/** Commands that watch what a repair touched; owed until they ran. */
async function reload(engine: Looking, repaired: readonly Step[], notKept: NotKept[], payloads: Payloads) {
  const { runs, held, owed: owing } = engine.state()
  const paths = repaired.flatMap(pathsOf)
  const due = held.filter(({ step }) => {
    const owed = owedOf(step)
    if (owed === undefined) return false
    return owing.includes(step.id) || paths.some(path => owed.on.some(on => isBelow(path, on)))
  })
  if (due.length === 0) return
  const ids = due.map(each => each.step.id)
  if (ids.some(id => !owing.includes(id))) engine.note({ kind: 'owed', ids })
  const unpaid: string[] = []
  for (const { step } of due) {
    const [planned] = planSteps({
      declared: [step],
      held: [],
      view: engine.view(nothingObserved),
      run: runs,
      trusted: () => false,
      owed: true,
    })
    try {
      await repair(engine.context, planned!, payloads, runs)
    } catch (error) {
      notKept.push({ step, reason: reasonFrom(error) })
      unpaid.push(step.id)
    }
  }
  // What failed is owed still: the next look tries it again.
  engine.note({ kind: 'owed', ids: unpaid })
}

/** `withinMs`: for how long its step may fail. */
export interface FailedCheck extends NotKept {
  readonly withinMs: number
}

/** Asks once what these steps want to be asked, all at the same time; nothing follows from it. */
export async function checkAgain(engine: Looking, held: readonly Held[]): Promise<FailedCheck[]> {
  const view = engine.view(nothingObserved)
  const asked = held.flatMap(({ step }) => {
    const bare = pathsOf(step).length + resourcesOf(step).length === 0
    const answer = bare ? ask(step, view) : []
    const acts = 'code' in answer ? [] : answer
    return acts.flatMap(act => (act.kind === 'check' ? [{ step, act }] : []))
  })
  const answers = await Promise.all(
    asked.map(async ({ step, act: { probe, withinMs } }): Promise<FailedCheck[]> => {
      const detail = await engine.context.probe(probe, checkMs)
      return detail === undefined ? [] : [{ step, reason: { code: 'CHECK_FAILED', detail }, withinMs }]
    }),
  )
  return answers.flat()
}
