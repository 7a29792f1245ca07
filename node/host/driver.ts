// The loops that keep drift away: one listens to the directories and resources of all steps in force and asks watch.ts
// what that means; the other looks again, and repairs what drifted. How a repair is done is left to apply.ts and to the
// providers.
import * as fs from 'node:fs'
import { setImmediate as breathe } from 'node:timers/promises'
import type { Act } from './act.ts'
import { type Applying, type NotKept, type Payloads, reasonFrom, repair } from './apply.ts'
import { type Reason, StepError } from './errors.ts'
import type { Entry, State } from './journal.ts'
import { openListener } from './linux-listen.ts'
import { isObserved, observedReason } from './observed.ts'
import { type Held, type Planned, plan as planSteps, type StepPlan, targetOf } from './plan.ts'
import {
  type Kind,
  kindOf,
  nameOf,
  type Providers,
  type ResourceId,
  type State as ResourceState,
  type Snapshot,
} from './resource.ts'
import type { Step } from './steps/step.ts'
import type { Stat, System } from './system.ts'
import { specs } from './verbs/index.ts'
import type { View } from './view.ts'
import {
  contestedReason,
  createWatch,
  type Heard,
  type Heed,
  pathsOf,
  resourcesOf,
  subjectOf,
  type Watch,
  type Watched,
} from './watch.ts'

export type WatchEvent =
  | { readonly kind: 'looked'; readonly outcome: AuditOutcome; readonly atMs: number }
  /** `subject`: a path or a resource. */
  | { readonly kind: 'contested'; readonly subject: string; readonly untilMs: number }
  /** Something cannot be listened to, or can again. */
  | { readonly kind: 'deaf'; readonly deaf: Deaf }
  | { readonly kind: 'hears'; readonly source: string }
  /** What went wrong while looking; the watch goes on. */
  | { readonly kind: 'failed'; readonly error: Error }

/** What cannot be listened to: audits must do. */
export interface Deaf {
  /** A directory, or a kind of resource. */
  readonly source: string
  /** An errno, a file system, or words. */
  readonly why: string
  /** By its nature (a network file system), which is no reason to audit more often. */
  readonly remote: boolean
}

/** What the loop asks of the engine. */
export interface Watching {
  readonly now: () => number
  readonly where: (path: string) => string
  readonly providers: Providers
  readonly look: (ids: readonly string[]) => Promise<AuditOutcome>
  readonly audit: () => Promise<AuditOutcome>
  /** Takes over new originals that a package manager put beside these targets. */
  readonly adopt: (paths: readonly string[]) => Promise<void>
  /** A package manager is at work, and patience with it is not over. */
  readonly busy: () => boolean
  /** Finishes kept edits; answers when to call again. */
  readonly settle: () => number | undefined
  readonly isTemporary: (name: string) => boolean
}

export interface Watcher {
  /** What something else keeps changing and is left alone for now: paths and resources. */
  contested(): readonly string[]
  deaf(): readonly Deaf[]
  /** Before an audit: listens anew where another directory has taken a directory's place. */
  refresh(): void
  /** Of every look, whoever asked for it. */
  looked(ids: readonly string[], outcome: AuditOutcome): void
  close(): void
}

const queuedDefault = 16_384

export function watch(
  engine: Watching,
  watched: readonly Watched[],
  onEvent: (event: WatchEvent) => void,
): Watcher {
  const core: Watch = createWatch(watched, queuedMax())
  const due = new Set<string>()
  const supplied = new Set<string>()
  const timers = new Set<NodeJS.Timeout>()
  const deaf = new Map<string, Deaf>()
  let auditDue = false
  let busy = false
  let closed = false

  const later = (atMs: number, action: () => void) => {
    const timer = setTimeout(
      () => {
        timers.delete(timer)
        if (closed) return
        // Timers and the clock do not tick together.
        if (engine.now() < atMs) later(atMs, action)
        else action()
      },
      Math.max(1, atMs - engine.now()),
    )
    timer.unref()
    timers.add(timer)
  }
  const deafen = (source: string, why: string, remote: boolean) => {
    const one = { source, why, remote }
    const known = deaf.get(source)?.why === why
    deaf.set(source, one)
    if (!known) onEvent({ kind: 'deaf', deaf: one })
  }
  const hears = (source: string) => {
    if (deaf.delete(source)) onEvent({ kind: 'hears', source })
  }
  const listener = openListener({
    where: engine.where,
    isTemporary: engine.isTemporary,
    event: (directory, name) => hear({ kind: 'event', directory, name }),
    deaf: deafen,
    hears,
  })
  const heed = (each: Heed) => {
    switch (each.kind) {
      case 'look':
        for (const id of each.ids) due.add(id)
        return
      case 'audit':
        auditDue = true
        return
      case 'adopt':
        for (const path of each.paths) supplied.add(path)
        return
      case 'rewatch':
        return listener.listen(each.directory)
      case 'contested':
        return onEvent(each)
      case 'wake':
        return later(each.atMs, () => hear({ kind: 'tick', busy: engine.busy() }))
    }
  }
  const hear = (heard: Heard) => {
    if (closed) return
    for (const each of core.handle(heard, engine.now())) heed(each)
    if (!busy && (auditDue || due.size + supplied.size > 0)) void work()
  }
  const settle = () => {
    const atMs = engine.settle()
    if (atMs !== undefined) later(atMs, settle)
  }
  const work = async () => {
    busy = true
    while (!closed && (auditDue || due.size + supplied.size > 0)) {
      const all = auditDue
      const ids = [...due]
      const paths = [...supplied]
      auditDue = false
      due.clear()
      supplied.clear()
      try {
        if (paths.length > 0) await engine.adopt(paths)
        if (!all && ids.length === 0) continue
        const outcome = await (all ? engine.audit() : engine.look(ids))
        if (outcome.repaired.length > 0 || outcome.notKept.length > 0)
          onEvent({ kind: 'looked', outcome, atMs: engine.now() })
        if (outcome.repaired.length > 0) settle()
      } catch (error) {
        onEvent({ kind: 'failed', error: error as Error })
        hear({ kind: 'looked', looked: { ids, repaired: [], failed: ids, waiting: [] } })
      }
    }
    hear({ kind: 'quiet' })
    busy = false
  }

  for (const directory of core.directories) listener.listen(directory)
  const silence = [...core.kinds].flatMap(of => {
    const provider = engine.providers.get(of)
    if (provider === undefined) return []
    const hint = (name: string | undefined) => {
      hears(of)
      hear({ kind: 'resource', of, name })
    }
    return [provider.hear(hint, why => deafen(of, why, false))]
  })
  // What changed before the watches stood.
  auditDue = true
  void work()
  return {
    contested: () => core.contested(engine.now()),
    deaf: () => [...deaf.values()],
    refresh: () => {
      for (const directory of listener.stale()) listener.listen(directory)
    },
    looked: (ids, { repaired, failed, waiting }) =>
      hear({ kind: 'looked', looked: { ids, repaired: repaired.map(step => step.id), failed, waiting } }),
    close: () => {
      closed = true
      listener.close()
      for (const end of silence) end()
      for (const timer of timers) clearTimeout(timer)
    },
  }
}

function queuedMax(): number {
  try {
    return Number(fs.readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8')) || queuedDefault
  } catch {
    return queuedDefault
  }
}

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
  readonly machine: System
  readonly context: Applying
  readonly providers: Providers
  readonly now: () => number
  readonly state: () => State
  readonly note: (entry: Entry, durable?: boolean) => void
  /** The machine as it is. */
  readonly view: (snapshot: Snapshot) => View
  /** Whether a held step's target is known to be untouched, without reading it. */
  readonly trusted: (held: Held) => boolean
  /** `subject`: as of subjectOf. */
  readonly paused: (subject: string) => boolean
  readonly contested: () => readonly string[]
  readonly busy: () => boolean
  /** Into the drift store, before it is changed back. */
  readonly keepState: (act: SetAct) => void
  readonly log: (line: string) => void
}

type SetAct = Extract<Act, { kind: 'set' }>

const sliceMs = 10

/** Looks at these steps again and repairs what drifted. Each stands alone: a failure undoes nothing. */
export async function look(
  engine: Looking,
  held: readonly Held[],
  payloads: Payloads,
): Promise<AuditOutcome> {
  const { machine, note } = engine
  machine.settle()
  let kept = 0
  let slice = performance.now()
  const repaired: Step[] = []
  const notKept: NotKept[] = []
  const failed: string[] = []
  const waiting: string[] = []
  const seen: [string, Stat | null][] = []
  const contested = new Set(engine.contested())
  const known = await observe(
    engine.providers,
    held.flatMap(({ step }) => resourcesOf(step)),
  )
  const settled = (step: Step) => {
    const target = targetOf(step)
    if (target !== undefined) seen.push([step.id, machine.lstat(target) ?? null])
  }
  for (const mine of held) {
    if (performance.now() - slice > sliceMs) {
      await breathe()
      slice = performance.now()
    }
    const { step } = mine
    const paths = pathsOf(step)
    const resources = resourcesOf(step)
    const subject = subjectOf(step)
    const leave = (reason: Reason) => notKept.push({ step, reason })
    const blind = resources.map(id => known.failures.get(kindOf(id))).find(reason => reason !== undefined)
    // How the target looks says all: nothing else is decided, nor anything deeper.
    const shallow = resources.length === 0 && paths.length === 1 && !specs.get(step.verb)?.deep
    let tried = false
    try {
      if (
        paths.length + resources.length === 0 ||
        engine.paused(subject) ||
        (shallow && engine.trusted(mine))
      ) {
        kept++
        continue
      }
      if (blind !== undefined) {
        leave(blind)
        continue
      }
      const planned = planAgain(engine, mine, known.snapshot)
      if (planned.reason) leave(planned.reason)
      else if (planned.acts.length === 0) {
        kept++
        settled(step)
      } else if (isObserved(step)) leave(observedReason(subject, planned.acts))
      else if (contested.has(subject)) leave(contestedReason(subject))
      else if (mustWait(engine, planned)) {
        waiting.push(step.id)
        leave({ code: 'PACKAGES_BUSY', path: subject, detail: 'repaired once the package manager is done' })
      } else {
        tried = true
        await mend(engine, mine, planned, known.snapshot, payloads)
        machine.settle()
        settled(step)
        repaired.push(step)
        engine.log(`repaired ${step.id}`)
      }
    } catch (error) {
      leave(reasonFrom(error, paths[0]))
      if (tried) failed.push(step.id)
    }
  }
  try {
    if (seen.length > 0) note({ kind: 'seen', atMs: engine.now(), seen }, false)
    await reload(engine, repaired, notKept, payloads)
  } catch (error) {
    // The journal cannot grow: what was found must be looked at again, and what is owed was not run.
    const [first] = held
    if (first) notKept.push({ step: first.step, reason: reasonFrom(error) })
  }
  return { kept, repaired, notKept, failed, waiting }
}

function planAgain(engine: Looking, mine: Held, snapshot: Snapshot): StepPlan {
  const [planned] = planSteps({
    declared: [mine.step],
    held: [mine],
    view: engine.view(snapshot),
    run: engine.state().runs,
    trusted: () => false,
  })
  return planned!
}

/** Package managers replace files and stop units while they work; what they have in hand is left to them. */
function mustWait(engine: Looking, { acts }: StepPlan): boolean {
  if (!engine.busy()) return false
  const paths: string[] = []
  for (const { act } of acts) {
    if (act.kind === 'set' && ['package', 'unit'].includes(kindOf(act.id))) return true
    // Such as a `.dpkg-new` in an exclusive directory.
    if (act.kind === 'remove') return true
    if ('path' in act) paths.push(act.path)
  }
  const owned = paths.length > 0 ? engine.providers.get('package')?.owns?.(paths) : undefined
  return (owned?.size ?? 0) > 0
}

/** All acts of one step, in order. Of `snapshot` what was set is brought up to date. */
async function mend(
  engine: Looking,
  mine: Held,
  planned: StepPlan,
  snapshot: Map<ResourceId, ResourceState | null>,
  payloads: Payloads,
): Promise<void> {
  let files: Planned[] = []
  const flush = async () => {
    if (files.length > 0)
      await repair(engine.context, { ...planned, acts: files }, payloads, engine.state().runs)
    files = []
  }
  const kinds = new Set<Kind>()
  for (const each of planned.acts) {
    const { act } = each
    if (act.kind !== 'set') {
      files.push(each)
      continue
    }
    await flush()
    const kind = kindOf(act.id)
    const provider = engine.providers.get(kind)!
    engine.keepState(act)
    const { kind: _, ...change } = act
    const quiet = engine.state().held.flatMap(({ step }) => resourcesOf(step))
    await provider.change([change], { quiet: quiet.filter(id => kindOf(id) === 'unit').map(nameOf) })
    kinds.add(kind)
  }
  await flush()
  if (kinds.size === 0) return
  const ids = [...snapshot.keys(), ...resourcesOf(mine.step)].filter(id => kinds.has(kindOf(id)))
  const now = await observe(engine.providers, ids)
  for (const [id, state] of now.snapshot) snapshot.set(id, state)
  const rest = planAgain(engine, mine, snapshot)
  if (rest.reason === undefined && rest.acts.length === 0) return
  const { detail } = rest.reason ?? observedReason(subjectOf(mine.step), rest.acts)
  throw new StepError('CHANGED_BACK', subjectOf(mine.step), detail)
}

/** All of these resources, each kind in one batch; a provider that fails is a reason for all steps of its kind. */
async function observe(providers: Providers, ids: readonly ResourceId[]) {
  const snapshot = new Map<ResourceId, ResourceState | null>()
  const failures = new Map<Kind, Reason>()
  await Promise.all(
    [...Map.groupBy(new Set(ids), kindOf)].map(async ([kind, some]) => {
      try {
        const found = await providers.get(kind)?.observe(some.map(nameOf))
        for (const [id, state] of found ?? []) snapshot.set(id, state)
      } catch (error) {
        failures.set(kind, reasonFrom(error))
      }
    }),
  )
  return { snapshot, failures }
}

/** Commands that watch what a repair touched; owed until they ran. */
async function reload(engine: Looking, repaired: readonly Step[], notKept: NotKept[], payloads: Payloads) {
  const paths = repaired.flatMap(pathsOf)
  const due = engine.state().held.flatMap(({ step }) => {
    const owed = specs.get(step.verb)?.owes?.(step)
    if (owed === undefined) return []
    const touched = paths.some(path => owed.on.some(on => path === on || path.startsWith(`${on}/`)))
    return touched || engine.state().owed.includes(step.id) ? [{ step, act: owed.act }] : []
  })
  if (due.length === 0) return
  engine.note({ kind: 'owed', ids: due.map(each => each.step.id) })
  for (const { step, act } of due) {
    const planned = { act, before: null, first: false, drifted: false, carry: false, reload: true }
    const plan: StepPlan = {
      step,
      kind: 'repair',
      acts: [planned],
      undoClass: 'compensating',
      originals: [],
      leftBehind: [],
      damaged: [],
    }
    try {
      await repair(engine.context, plan, payloads, engine.state().runs)
    } catch (error) {
      notKept.push({ step, reason: reasonFrom(error) })
    }
  }
  engine.note({ kind: 'owed', ids: [] })
}
