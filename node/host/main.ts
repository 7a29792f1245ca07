// The host engine, put together: one state directory, one root directory, and what may be asked of them. Used by the
// agent and, without one, by `fleet apply`. What is done at once is one thing at a time.
import * as fs from 'node:fs'
import { setImmediate as breathe, setTimeout as sleep } from 'node:timers/promises'
import { adoptOriginals } from './adopt.ts'
import { type Applying, type Payloads, takeBack } from './apply.ts'
import { type Ears, type WatchEvent, type Watcher, watch } from './driver.ts'
import type { Reason } from './errors.ts'
import { type About, type OpenRun, type Pause, savedIn } from './journal.ts'
import { type Hosting, markOneWay, planLeg, type RunInput, type RunOutcome, runLegs } from './legs.ts'
import { openMachine } from './linux.ts'
import { type DriftEntry, type DriftKind, openDrift } from './linux-drift.ts'
import { openListener, queuedMax } from './linux-listen.ts'
import { lock } from './linux-lock.ts'
import { openProber } from './linux-probe.ts'
import { openProviders } from './linux-resources.ts'
import {
  type AuditOutcome,
  checkAgain,
  type FailedCheck,
  type Looking,
  look as lookAgain,
  patience,
} from './look.ts'
import { hasDirectory, reasonFrom, statOf, temporaryPrefix } from './perform.ts'
import { type Held, pathsOf, resourcesOf, type StepPlan, targetOf } from './plan.ts'
import { contained } from './providers.ts'
import { openRecord } from './record.ts'
import { kindOf, type Provider, type Providers } from './resource.ts'
import type { Step } from './steps/step.ts'
import { dirname, join, type Probing, type System, sameLook, type Timing } from './system.ts'
import { editsOf } from './unpacked.ts'
import { specs } from './verbs/index.ts'
import { declaredPaths, openView } from './view.ts'
import { watchedOf } from './watch.ts'

export type { RunOutcome } from './legs.ts'
export type { AuditOutcome } from './look.ts'

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
  /** For tests: who asks what a CHECK asks, and the clock by which that is repeated. */
  readonly probe?: Probing
  readonly timing?: Timing
  /** For tests: what stands between the engine and the machine. */
  readonly wrap?: (machine: System) => System
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
  plan(steps: readonly Step[]): Promise<readonly StepPlan[]>
  /** `steps: []` restores what was before. */
  run(
    steps: readonly Step[],
    about: About,
    payloads: Payloads,
    options?: Partial<Pick<RunInput, 'keepFailed' | 'witness' | 'shut' | 'acting'>>,
  ): Promise<RunOutcome>
  /** Asks the CHECKs in force once; answers with those that fail. */
  check(): Promise<readonly FailedCheck[]>
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
  /** Of a path or a resource. */
  why(subject: string): Why | undefined
  dirty(): readonly Reason[]
  /** An operator looked after what was dirty. */
  retry(): void
  /** The real path of a target. */
  where(path: string): string
  close(): void
}

/** A change time this close to the look may hide another change in the same tick of the kernel's clock (at most 10 ms). */
const racyMs = 20
/** Throws HostError: STATE_LOCKED, JOURNAL_DAMAGED, STATE_UNKNOWN. */
export function openEngine(options: EngineOptions): Engine {
  const { root, state } = options
  fs.mkdirSync(state, { recursive: true, mode: 0o700 })
  const unlock = lock(state)
  try {
    for (const name of ['saved', 'drift']) fs.mkdirSync(`${state}/${name}`, { recursive: true, mode: 0o700 })
    const real = openMachine(root, state)
    return engineOn({
      ...options,
      machine: options.wrap?.(real) ?? real,
      providers: options.providers ?? openProviders(root, state),
      probe: options.probe ?? openProber(root),
      timing: options.timing ?? {
        now: () => performance.now(),
        wait: ms => (ms === 0 ? breathe() : sleep(ms)),
      },
      ears: { listen: openListener, queuedMax: queuedMax(), after },
      where: real.where,
      close: () => {
        real.close()
        unlock()
      },
    })
  } catch (error) {
    unlock()
    throw error
  }
}

/** Keeps no process alive. */
function after(ms: number, action: () => void): () => void {
  const timer = setTimeout(action, ms).unref()
  return () => clearTimeout(timer)
}

/** What an engine is made of: the ports, open, and its state directory with `saved` and `drift` in it. */
export interface EngineParts
  extends Pick<EngineOptions, 'now' | 'random' | 'log' | 'withoutXattrs'>,
    Pick<Engine, 'where'> {
  readonly machine: System
  readonly providers: Providers
  readonly probe: Probing
  readonly timing: Timing
  readonly ears: Ears
  /** Lets go of what was opened for it. */
  readonly close: () => void
}

interface Index {
  readonly byPath: ReadonlyMap<string, Held>
  /** Of declaredPaths(). */
  readonly declared: ReadonlySet<string>
}

function indexOf(held: readonly Held[]): Index {
  const byPath = new Map(
    held.flatMap(each => {
      const target = targetOf(each.step)
      return target === undefined ? [] : [[target, each] as const]
    }),
  )
  return { byPath, declared: declaredPaths(byPath.keys()) }
}

/** The engine on any ports: touches neither the disk nor the clock but through them. Throws as openEngine. */
export function engineOn(options: EngineParts): Engine {
  const { machine, now, where, ears } = options
  if (!machine.lstat('tag')) {
    const tag = Math.floor(options.random() * 0x1000000)
      .toString(16)
      .padStart(6, '0')
    machine.replace('tag', new TextEncoder().encode(tag))
  }
  const tag = new TextDecoder().decode(machine.read('tag', 16))
  const prefix = temporaryPrefix(tag)
  const isTemporary = (name: string) => name.startsWith(prefix)

  const record = openRecord(machine)
  const { state } = record
  // Made when first asked for: most short commands ask for none.
  let known: Index | undefined
  const index = () => {
    known ??= indexOf(state().held)
    return known
  }
  const changed = () => {
    known = undefined
    machine.guard(
      new Set(state().held.flatMap(({ step }) => (step.verb === 'MKDIR' ? [targetOf(step)!] : []))),
    )
  }
  changed()

  const note: typeof record.note = (entry, durable) => {
    record.note(entry, durable)
    if (entry.kind === 'done') changed()
  }
  const drift = openDrift(machine)
  const label = () => state().about?.label ?? ''
  const providers = contained(options.providers)
  const context: Applying = {
    machine,
    note,
    open: () => state().open,
    tag,
    providers,
    surroundings: { quiet: [] },
    probe: options.probe,
    timing: options.timing,
    withoutXattrs: options.withoutXattrs ?? false,
    keepEdit: (path, stat, act) => {
      const what: DriftKind =
        stat === null ? 'missing' : act === 'modify' ? 'attributes' : act === 'remove' ? 'foreign' : 'content'
      for (const edit of stat?.kind === 'directory' ? editsOf(machine, path) : [path])
        drift.keep(edit, edit === path ? stat : (machine.lstat(edit) ?? null), what, now(), label())
    },
    keepState: (id, found) => drift.keepState(id, found, now(), label()),
  }
  const trusted = (held: Held): boolean => {
    if (held.seen === undefined || held.seenAtMs === undefined) return false
    if (specs.get(held.step.verb)?.deep) return false
    // What went while it was looked at: only to ABSENT is it as it should be.
    if (held.seen === null && held.step.verb !== 'ABSENT') return false
    if (held.seen && held.seenAtMs - held.seen.ctimeMs < racyMs) return false
    return sameLook(held.seen, statOf(machine, targetOf(held.step)!) ?? null)
  }
  const paused = (path: string | undefined): Pause | undefined =>
    state().pauses.find(
      each =>
        each.untilMs > now() &&
        (each.path === undefined ||
          (path !== undefined && (path === each.path || path.startsWith(`${each.path}/`)))),
    )
  const busy = patience(providers, context.timing.now)
  let watcher: Watcher | undefined

  // One thing at a time: whoever comes while something runs waits for it.
  let last: Promise<unknown> = Promise.resolve()
  const alone = <T>(action: () => Promise<T>): Promise<T> => {
    const mine = last.then(action)
    last = mine.catch(() => undefined)
    return mine
  }

  let tidied = true
  const hosting: Hosting = {
    machine,
    context,
    state,
    drift,
    now,
    isTemporary,
    trusted,
    paused,
    after: ears.after,
    untidy: () => {
      tidied = false
    },
  }

  const recover = async () => {
    machine.settle()
    const { open, held } = state()
    const clean = machine.lstat('clean') !== undefined
    // What a transaction left half done is finished before anything is observed.
    if (open || !clean)
      for (const provider of concerned(held, open)) {
        const reverts = open?.intents.some(({ id }) => id !== undefined && kindOf(id) === provider.kind)
        // What is still wrong then shows in what is observed: no reason not to start.
        await provider
          .recover(reverts ?? false)
          .catch(error => options.log?.(`could not recover ${provider.kind}: ${reasonFrom(error).detail}`))
      }
    const back = await takeBack(context)
    if (!clean) {
      const homes = new Set([...[...index().byPath.keys()].map(dirname), ...(state().homes ?? [])])
      for (const home of [...homes].filter(path => hasDirectory(machine, path)))
        for (const name of machine.list(home)) if (isTemporary(name)) machine.removeTree(join(home, name))
    }
    // What is dirty may need it: it stays until an operator has looked.
    const needed = new Set(state().held.flatMap(held => savedIn(held.originals)))
    if (state().dirty.length === 0)
      for (const name of machine.list('saved'))
        if (!needed.has(`saved/${name}`)) machine.removeTree(`saved/${name}`)
    return { undone: open !== undefined, ...back }
  }
  const concerned = (held: readonly Held[], open: OpenRun | undefined): readonly Provider[] => {
    const ids = [
      ...held.flatMap(each => resourcesOf(each.step)),
      ...(open?.intents ?? []).flatMap(({ id }) => id ?? []),
    ]
    return [...new Set(ids.map(kindOf))].flatMap(kind => providers.get(kind) ?? [])
  }

  const looking: Looking = {
    context,
    now,
    state,
    note,
    view: ({ snapshot }) => openView(machine, index().declared, isTemporary, snapshot),
    trusted,
    paused: subject => paused(subject) !== undefined,
    contested: () => watcher?.contested() ?? [],
    busy,
    log: line => options.log?.(line),
  }
  const look = async (held: readonly Held[], payloads: Payloads): Promise<AuditOutcome> => {
    if (state().open) await recover()
    const outcome = await lookAgain(looking, held, payloads)
    watcher?.looked(
      held.map(each => each.step.id),
      outcome,
    )
    return outcome
  }
  const audit = async (payloads: Payloads): Promise<AuditOutcome> => {
    const outcome = await alone(async () => {
      watcher?.refresh()
      if (!busy()) adopt()
      return look(state().held, payloads)
    })
    // Nobody waits for what a CHECK asks.
    const unkept = await checkAgain(looking, state().held)
    return { ...outcome, kept: outcome.kept - unkept.length, notKept: [...outcome.notKept, ...unkept] }
  }
  const adopt = (paths?: readonly string[]) => {
    try {
      for (const path of adoptOriginals({ machine, state, note }, paths))
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
        state().held.filter(held => wanted.has(held.step.id)),
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
    inForce: () => {
      const { about, held } = state()
      return about && { about, steps: held.map(each => each.step) }
    },
    plan: steps =>
      alone(async () => markOneWay(providers, await planLeg(hosting, steps, state().held, state().runs + 1))),
    run: (steps, about, payloads, { keepFailed = false, ...options } = {}) =>
      alone(async () => {
        if (state().open) await recover()
        return runLegs(hosting, { steps, about, payloads, keepFailed, ...options })
      }),
    check: () => checkAgain(looking, state().held),
    audit,
    look: lookAt,
    watch: (payloads, onEvent) => {
      watcher = watch(
        {
          now,
          where,
          providers,
          look: ids => lookAt(ids, payloads),
          audit: () => audit(payloads),
          adopt: paths => alone(async () => adopt(paths)),
          busy,
          steady: context.timing.now,
          settle: () => drift.settle(now()),
          isTemporary,
          ears,
        },
        state().held.flatMap(({ step }) => watchedOf(step) ?? []),
        onEvent,
      )
      return watcher
    },
    drift: { list: drift.list, read: drift.read, drop: drift.drop, settle: () => drift.settle(now()) },
    pause: (path, untilMs, reason) => {
      const others = state().pauses.filter(each => each.path !== path && each.untilMs > now())
      note({
        kind: 'pauses',
        pauses: [...others, { ...(path === undefined ? {} : { path }), untilMs, reason }],
      })
    },
    unpause: path => note({ kind: 'pauses', pauses: state().pauses.filter(each => each.path !== path) }),
    pauses: () => state().pauses.filter(each => each.untilMs > now()),
    why: subject => {
      const held =
        index().byPath.get(subject) ??
        state().held.find(({ step }) => [...pathsOf(step), ...resourcesOf(step)].includes(subject))
      return held && { step: held.step, since: held.since, originals: held.originals }
    },
    dirty: () => state().dirty,
    retry: () => note({ kind: 'retry' }),
    where,
    close: () => {
      // Not durable: whoever misses it only looks for what was left.
      if (tidied && !state().open && !machine.lstat('clean'))
        machine.create('clean', new Uint8Array(), { mode: 0o600, uid: undefined, gid: undefined })
      for (const provider of providers.values()) provider.close()
      options.close()
    },
  }
}
