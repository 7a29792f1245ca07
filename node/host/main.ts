// The host engine, put together: one state directory, one root directory, and what may be asked of them. Used by the
// agent and, without one, by `fleet apply`. What is done at once is one thing at a time.
import * as fs from 'node:fs'
import { setImmediate as breathe } from 'node:timers/promises'
import { type Applying, apply, type NotKept, type Payloads, reasonFrom, revert, takeBack } from './apply.ts'
import {
  type AuditOutcome,
  type Looking,
  look as lookAgain,
  patience,
  type WatchEvent,
  type Watcher,
  watch,
} from './driver.ts'

export type { AuditOutcome } from './driver.ts'

import { adoptOriginals } from './adopt.ts'
import { dirtyReason, type Reason } from './errors.ts'
import {
  type About,
  advance,
  blank,
  type Entry,
  encode,
  type Pause,
  replay,
  type State,
  savedIn,
  version,
  withSums,
} from './journal.ts'
import { openMachine } from './linux.ts'
import { type DriftEntry, type DriftKind, openDrift } from './linux-drift.ts'
import { lock } from './linux-lock.ts'
import { openProviders } from './linux-resources.ts'
import { isObserved, leaveObserved } from './observed.ts'
import { hasDirectory, sweep, temporaryPrefix } from './perform.ts'
import { type Held, plan as planSteps, type StepPlan, targetOf } from './plan.ts'
import type { Providers } from './resource.ts'
import type { Step } from './steps/step.ts'
import { basename, dirname, join, type System, sameLook } from './system.ts'
import { declaredPaths, openView } from './view.ts'
import { watchedOf } from './watch.ts'

export interface EngineOptions {
  /** Every target lies inside it; `/` for the machine itself. Must exist. */
  readonly root: string
  /** Made if missing, mode 0700. One process at a time. */
  readonly state: string
  /** Milliseconds since 1970; compared with the file system's times. */
  readonly now: () => number
  /** In [0, 1); names the temporary files of this state directory. */
  readonly random: () => number
  readonly log?: (line: string) => void
  /** Replace files that exist without carrying their ACL and extended attributes over. */
  readonly withoutXattrs?: boolean
  /** Default: those of the machine, openProviders(root, state). */
  readonly providers?: Providers
  /** For tests: what stands between the engine and the machine. */
  readonly wrap?: (machine: System) => System
}

export interface RunOutcome {
  /** `wait`: nothing was changed; `failed`: what was changed is taken back. */
  readonly kind: 'applied' | 'unchanged' | 'wait' | 'failed'
  readonly kept: readonly Step[]
  readonly repaired: readonly Step[]
  readonly notKept: readonly NotKept[]
  /** Steps that a failed run took back. */
  readonly undone: readonly Step[]
  /** Paths that an undo left, since something else is in them. */
  readonly leftBehind: readonly string[]
  /** What could not be taken back: the host is DIRTY until retry(). */
  readonly dirty: readonly Reason[]
}

export interface Why {
  readonly step: Step
  readonly since: Held['since']
  /** What is done about the path when the step leaves. */
  readonly originals: Held['originals']
}

export interface Engine {
  /** After a start: takes back a run that a crash cut short. Answers whether there was one. */
  recover(): Promise<{
    readonly undone: boolean
    readonly leftBehind: readonly string[]
    readonly dirty: readonly Reason[]
  }>
  inForce(): { readonly about: About; readonly steps: readonly Step[] } | undefined
  /** Looks only. */
  plan(steps: readonly Step[]): readonly StepPlan[]
  /** `steps: []` restores what was before. */
  run(
    steps: readonly Step[],
    about: About,
    payloads: Payloads,
    options?: { readonly keepFailed?: boolean },
  ): Promise<RunOutcome>
  /** Looks at everything in force and repairs what drifted. */
  audit(payloads: Payloads): Promise<AuditOutcome>
  /** The same for some steps, by id. */
  look(ids: Iterable<string>, payloads: Payloads): Promise<AuditOutcome>
  /** Repairs by events until closed, an audit first; call again after each run, for the list of targets is fixed. */
  watch(payloads: Payloads, onEvent: (event: WatchEvent) => void): Watcher
  /** Kept edits, newest last. */
  readonly drift: {
    list(): readonly DriftEntry[]
    read(id: string): Uint8Array | undefined
    drop(id: string): void
    /** Finishes what has been quiet; answers when to call again. */
    settle(): number | undefined
  }
  /** Undefined path: everything. Replaces an earlier pause of the same path. */
  pause(path: string | undefined, untilMs: number, reason: string): void
  unpause(path: string | undefined): void
  pauses(): readonly Pause[]
  why(path: string): Why | undefined
  dirty(): readonly Reason[]
  /** An operator looked after what was dirty. */
  retry(): void
  /** The real path of a target. */
  where(path: string): string
  close(): void
}

/** A change time this close to the look may hide another change in the same tick of the kernel's clock (at most 10 ms). */
const racyMs = 20
/** Written anew above this, and twice what is needed. Bytes. */
const journalBytesMin = 1024 * 1024
const journalBytesMax = 1024 * 1024 * 1024
const sliceMs = 10

/** Throws HostError: STATE_LOCKED, JOURNAL_DAMAGED, STATE_UNKNOWN. */
export function openEngine(options: EngineOptions): Engine {
  const { now } = options
  fs.mkdirSync(options.state, { recursive: true, mode: 0o700 })
  const unlock = lock(options.state)
  try {
    return openLocked(options, now, unlock)
  } catch (error) {
    unlock()
    throw error
  }
}

function openLocked(options: EngineOptions, now: () => number, unlock: () => void): Engine {
  for (const name of ['saved', 'drift'])
    fs.mkdirSync(`${options.state}/${name}`, { recursive: true, mode: 0o700 })
  const real = openMachine(options.root, options.state)
  const machine: System = options.wrap?.(real) ?? real
  if (!machine.lstat('tag')) {
    const tag = Math.floor(options.random() * 0x1000000)
      .toString(16)
      .padStart(6, '0')
    machine.replace('tag', new TextEncoder().encode(tag))
  }
  const tag = new TextDecoder().decode(machine.read('tag', 16))
  const prefix = temporaryPrefix(tag)
  const isTemporary = (name: string) => name.startsWith(prefix)

  const bytes = machine.lstat('journal') ? machine.read('journal', journalBytesMax) : new Uint8Array()
  const replayed = replay(bytes)
  if (replayed.size < bytes.length) machine.truncate('journal', replayed.size)
  let state: State = replayed.state
  let size = replayed.size
  let snapshotSize = 0
  let declared = declaredPaths([])
  let byPath = new Map<string, Held>()
  const index = () => {
    byPath = new Map(
      state.held.flatMap(held => {
        const target = targetOf(held.step)
        return target === undefined ? [] : [[target, held] as const]
      }),
    )
    declared = declaredPaths(byPath.keys())
    machine.guard(new Set(state.held.flatMap(({ step }) => (step.verb === 'MKDIR' ? [targetOf(step)!] : []))))
  }
  index()

  const note = (entry: Entry, durable = true) => {
    const next = advance(state, entry)
    if (entry.kind === 'done' && size > Math.max(journalBytesMin, 2 * snapshotSize)) {
      const whole = encode({ kind: 'snapshot', version, state: next })
      machine.replace('journal', whole)
      size = snapshotSize = whole.length
    } else {
      // Each journal begins by saying which version wrote it.
      const head = size === 0 ? encode({ kind: 'snapshot', version, state: blank }) : new Uint8Array()
      const whole = Buffer.concat([head, encode(entry)])
      try {
        machine.append('journal', whole, durable)
      } catch (error) {
        // Half a record before whole ones would be damage.
        machine.truncate('journal', size)
        throw error
      }
      size += whole.length
    }
    state = next
  }
  const drift = openDrift(machine)
  const label = () => state.about?.label ?? ''
  const context: Applying = {
    machine,
    note: entry => note(entry),
    tag,
    withoutXattrs: options.withoutXattrs ?? false,
    keepEdit: (path, stat, act) => {
      const what: DriftKind =
        stat === null ? 'missing' : act === 'modify' ? 'attributes' : act === 'remove' ? 'foreign' : 'content'
      drift.keep(path, stat, what, now(), label())
    },
  }
  const trusted = (held: Held): boolean => {
    if (held.seen === undefined || held.seenAtMs === undefined) return false
    if (held.seen && held.seenAtMs - held.seen.ctimeMs < racyMs) return false
    return sameLook(held.seen, machine.lstat(targetOf(held.step)!) ?? null)
  }
  const paused = (path: string | undefined): Pause | undefined =>
    state.pauses.find(
      each =>
        each.untilMs > now() &&
        (each.path === undefined ||
          (path !== undefined && (path === each.path || path.startsWith(`${each.path}/`)))),
    )
  const planWith = (steps: readonly Step[], held: readonly Held[], run: number): StepPlan[] => {
    machine.settle()
    const targets = steps.flatMap(step => targetOf(step) ?? [])
    const view = openView(machine, declaredPaths(targets), isTemporary)
    return planSteps({ declared: steps, held, view, run, trusted }).map(leaveObserved)
  }

  const providers = options.providers ?? openProviders(options.root, options.state)
  const busy = patience(providers, now)
  let watcher: Watcher | undefined

  // One thing at a time: whoever comes while something runs waits for it.
  let last: Promise<unknown> = Promise.resolve()
  const alone = <T>(action: () => Promise<T>): Promise<T> => {
    const mine = last.then(action)
    last = mine.catch(() => undefined)
    return mine
  }

  const recover = async () => {
    machine.settle()
    const { open } = state
    const back = open ? await revert(context, open) : { leftBehind: [], dirty: [] }
    if (open) note({ kind: 'undone', dirty: back.dirty })
    if (!machine.lstat('clean')) {
      const homes = new Set([...byPath.keys()].map(dirname))
      for (const home of [...homes].filter(path => hasDirectory(machine, path)))
        for (const name of machine.list(home)) if (isTemporary(name)) machine.removeTree(join(home, name))
    }
    // What is dirty may need it: it stays until an operator has looked.
    const needed = new Set(state.held.flatMap(held => savedIn(held.originals)))
    if (state.dirty.length === 0)
      for (const name of machine.list('saved'))
        if (!needed.has(`saved/${name}`)) machine.removeTree(`saved/${name}`)
    return { undone: open !== undefined, ...back }
  }

  const run: Engine['run'] = async (steps, about, payloads, { keepFailed = false } = {}) => {
    if (state.open) await recover()
    const empty = { kept: [], repaired: [], undone: [], leftBehind: [], dirty: [] }
    if (state.dirty.length > 0) {
      const notKept = steps.slice(0, 1).map(step => ({ step, reason: dirtyReason(state.dirty) }))
      return { kind: 'wait', ...empty, notKept, dirty: state.dirty }
    }
    const number = state.runs + 1
    const plans = planWith(steps, state.held, number)
    for (const [at, each] of plans.entries()) {
      const pause = each.acts.length > 0 ? paused(targetOf(each.step)) : undefined
      if (pause) plans[at] = { ...each, acts: [], reason: pausedReason(each.step, pause) }
    }
    const kept = plans.filter(each => each.kind === 'kept' && !each.reason).map(each => each.step)
    const applied = await apply(context, plans, number, payloads, keepFailed)
    const intents = state.open?.intents ?? []
    if (applied.ended) {
      const kind = applied.ended === 'prepare' ? 'wait' : 'failed'
      return { kind, ...empty, ...applied, kept: applied.ended === 'prepare' ? [] : kept }
    }
    machine.settle()
    const failed = new Set(applied.notKept.map(each => each.step.id))
    const before = new Map(state.held.map(each => [each.step.id, each]))
    const held: Held[] = []
    let slice = performance.now()
    for (const each of plans) {
      const old = before.get(each.step.id)
      if (each.kind === 'undo' ? failed.has(each.step.id) : failed.has(each.step.id) && old) held.push(old!)
      else if (each.kind !== 'undo' && !failed.has(each.step.id))
        held.push(heldAfter({ ...each, originals: withSums(each.originals, applied.sums) }, old, about))
      if (performance.now() - slice > sliceMs) {
        await breathe()
        slice = performance.now()
      }
    }
    const changed = plans.some(each => each.acts.length + each.damaged.length > 0)
    const repaired = plans
      .filter(each => each.kind !== 'kept' && !failed.has(each.step.id) && each.acts.length > 0)
      .map(each => each.step)
    try {
      note({ kind: 'done', about, held, dirty: applied.dirty })
    } catch (error) {
      const back = await takeBack(context, state.open!)
      const notKept = plans.slice(0, 1).map(({ step }) => ({ step, reason: reasonFrom(error) }))
      return { kind: 'failed', ...empty, ...back, notKept, undone: repaired }
    }
    const needed = new Set(held.flatMap(each => savedIn(each.originals)))
    for (const { drifted, before: was, saved, path } of intents)
      if (drifted && was?.kind === 'directory' && saved && !needed.has(saved) && machine.lstat(saved))
        drift.adopt(saved, path!, now(), label())
    const gone = [...before.values()].flatMap(each => savedIn(each.originals)).map(saved => ({ saved }))
    if (applied.dirty.length > 0) gone.length = 0
    // What took its target's place is no longer under its temporary name; only failures and removals leave some.
    const clean = applied.notKept.length === 0
    const rest = intents.filter(each => each.saved || each.keeps || each.kind === 'remove' || !clean)
    sweep(machine, [...rest, ...gone], needed)
    index()
    return { kind: changed ? 'applied' : 'unchanged', ...empty, ...applied, kept, repaired }
  }

  const heldAfter = (each: StepPlan, old: Held | undefined, about: About): Held => {
    const since =
      old && (each.kind === 'kept' || each.kind === 'repair')
        ? old.since
        : { id: about.id, label: about.label, atMs: now() }
    const target = targetOf(each.step)
    if (target === undefined) return { step: each.step, originals: each.originals, since }
    if (old && each.kind === 'kept' && (isObserved(each.step) || trusted(old)))
      return { ...old, step: each.step }
    return {
      step: each.step,
      originals: each.originals,
      since,
      seen: machine.lstat(target) ?? null,
      seenAtMs: now(),
    }
  }

  const looking: Looking = {
    machine,
    context,
    now,
    state: () => state,
    note,
    providers,
    view: snapshot => openView(machine, declared, isTemporary, snapshot),
    trusted,
    paused: subject => paused(subject) !== undefined,
    contested: () => watcher?.contested() ?? [],
    busy,
    keepState: ({ id, from }) => drift.keepState(id, from, now(), label()),
    log: line => options.log?.(line),
  }
  const look = async (held: readonly Held[], payloads: Payloads): Promise<AuditOutcome> => {
    if (state.open) await recover()
    const outcome = await lookAgain(looking, held, payloads)
    watcher?.looked(
      held.map(each => each.step.id),
      outcome,
    )
    return outcome
  }
  const audit = (payloads: Payloads) =>
    alone(async () => {
      watcher?.refresh()
      if (!busy()) adopt()
      return look(state.held, payloads)
    })
  const adopt = (paths?: readonly string[]) => {
    try {
      for (const path of adoptOriginals({ machine, state: () => state, note }, paths))
        options.log?.(`took over the package's own ${path} as its original`)
    } catch (error) {
      // It stays beside the file, for the next audit.
      options.log?.(`could not take over an original: ${reasonFrom(error).detail}`)
    }
  }

  const lookAt = (ids: Iterable<string>, payloads: Payloads) => {
    const wanted = new Set(ids)
    return alone(() =>
      look(
        state.held.filter(held => wanted.has(held.step.id)),
        payloads,
      ),
    )
  }

  return {
    recover: () =>
      alone(async () => {
        const back = await recover()
        if (machine.lstat('clean')) machine.unlink('clean')
        drift.settle(now())
        return back
      }),
    inForce: () => state.about && { about: state.about, steps: state.held.map(held => held.step) },
    plan: steps => planWith(steps, state.held, state.runs + 1),
    run: (...args) => alone(() => run(...args)),
    audit,
    look: lookAt,
    watch: (payloads, onEvent) => {
      watcher = watch(
        {
          now,
          where: real.where,
          providers,
          look: ids => lookAt(ids, payloads),
          audit: () => audit(payloads),
          adopt: paths => alone(async () => adopt(paths)),
          busy,
          settle: () => drift.settle(now()),
          isTemporary,
        },
        state.held.flatMap(({ step }) => watchedOf(step) ?? []),
        onEvent,
      )
      return watcher
    },
    drift: { list: drift.list, read: drift.read, drop: drift.drop, settle: () => drift.settle(now()) },
    pause: (path, untilMs, reason) => {
      const others = state.pauses.filter(each => each.path !== path && each.untilMs > now())
      note({
        kind: 'pauses',
        pauses: [...others, { ...(path === undefined ? {} : { path }), untilMs, reason }],
      })
    },
    unpause: path => note({ kind: 'pauses', pauses: state.pauses.filter(each => each.path !== path) }),
    pauses: () => state.pauses.filter(each => each.untilMs > now()),
    why: path => {
      const held = byPath.get(path)
      return held && { step: held.step, since: held.since, originals: held.originals }
    },
    dirty: () => state.dirty,
    retry: () => note({ kind: 'retry' }),
    where: real.where,
    close: () => {
      if (!state.open) machine.replace('clean', new Uint8Array())
      for (const provider of providers.values()) provider.close()
      real.close()
      unlock()
    },
  }
}

function pausedReason(step: Step, pause: Pause): Reason {
  const path = targetOf(step) ?? basename(step.id)
  return { code: 'PAUSED', path, detail: `${pause.reason}; until ${pause.untilMs}` }
}
