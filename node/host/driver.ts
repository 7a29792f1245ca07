// The loop that keeps drift away: listens to the directories of all targets, asks watch.ts what an event means, and
// has the engine look. One watch per directory, never recursive; where none can be had, the audit must do.
import * as fs from 'node:fs'
import { setImmediate as breathe } from 'node:timers/promises'
import { type Applying, type NotKept, type Payloads, reasonFrom, repair } from './apply.ts'
import type { Entry, State } from './journal.ts'
import { type Held, plan as planSteps, targetOf } from './plan.ts'
import type { Step } from './steps/step.ts'
import type { Stat, System } from './system.ts'
import { readList } from './verbs/values.ts'
import type { View } from './view.ts'
import { contestedReason, createWatch, type Heard, type Heed, type Watch, type Watched } from './watch.ts'

export type WatchEvent =
  | { readonly kind: 'looked'; readonly outcome: AuditOutcome; readonly atMs: number }
  | { readonly kind: 'contested'; readonly path: string; readonly untilMs: number }
  /** A directory that cannot be listened to: audit more often. */
  | { readonly kind: 'deaf'; readonly directory: string; readonly errno: string }
  /** What went wrong while looking; the watch goes on. */
  | { readonly kind: 'failed'; readonly error: Error }

/** What the loop asks of the engine. */
export interface Watching {
  readonly now: () => number
  readonly where: (path: string) => string
  readonly look: (ids: Iterable<string>) => Promise<AuditOutcome>
  readonly audit: () => Promise<AuditOutcome>
  /** Finishes kept edits; answers when to call again. */
  readonly settle: () => number | undefined
  readonly targetOf: (step: Step) => string | undefined
  readonly isTemporary: (name: string) => boolean
}

export interface Watcher {
  /** Targets that something else keeps changing and that are left alone for now. */
  contested(): readonly string[]
  close(): void
}

const queuedDefault = 16_384
/** When a directory cannot be watched since it is missing, it is tried again after the next look; at the latest then. */
const retryMs = 60_000

export function watch(
  engine: Watching,
  watched: readonly Watched[],
  onEvent: (event: WatchEvent) => void,
): Watcher {
  const core: Watch = createWatch(watched, queuedMax())
  const listeners = new Map<string, fs.FSWatcher>()
  const due = new Set<string>()
  const timers = new Set<NodeJS.Timeout>()
  let auditDue = false
  let busy = false
  let closed = false

  const later = (atMs: number, action: () => void) => {
    const timer = setTimeout(
      () => {
        timers.delete(timer)
        if (!closed) action()
      },
      Math.max(1, atMs - engine.now()),
    )
    timer.unref()
    timers.add(timer)
  }
  const listen = (directory: string) => {
    listeners.get(directory)?.close()
    listeners.delete(directory)
    if (closed) return
    const deaf = (error: unknown) => {
      listeners.get(directory)?.close()
      listeners.delete(directory)
      const errno = (error as NodeJS.ErrnoException).code ?? 'unknown'
      if (errno !== 'ENOENT') onEvent({ kind: 'deaf', directory, errno })
      later(engine.now() + retryMs, () => !listeners.has(directory) && listen(directory))
    }
    try {
      const listener = fs.watch(engine.where(directory), (_, name) => {
        if (name === null || !engine.isTemporary(name))
          hear({ kind: 'event', directory, name: name ?? undefined })
      })
      listener.on('error', deaf)
      listeners.set(directory, listener)
    } catch (error) {
      deaf(error)
    }
  }
  const heed = (each: Heed) => {
    switch (each.kind) {
      case 'look':
        for (const id of each.ids) due.add(id)
        return
      case 'audit':
        auditDue = true
        return
      case 'rewatch':
        return listen(each.directory)
      case 'contested':
        return onEvent(each)
      case 'wake':
        return later(each.atMs, () => hear({ kind: 'tick' }))
    }
  }
  const hear = (heard: Heard) => {
    for (const each of core.handle(heard, engine.now())) heed(each)
    if (!busy && (auditDue || due.size > 0)) void work()
  }
  const settle = () => {
    const atMs = engine.settle()
    if (atMs !== undefined) later(atMs, settle)
  }
  const work = async () => {
    busy = true
    while (!closed && (auditDue || due.size > 0)) {
      const all = auditDue
      const ids = [...due]
      auditDue = false
      due.clear()
      try {
        const outcome = await (all ? engine.audit() : engine.look(ids))
        for (const step of outcome.repaired)
          for (const each of core.handle({ kind: 'repaired', path: engine.targetOf(step)! }, engine.now()))
            heed(each)
        if (outcome.repaired.length > 0 || outcome.notKept.length > 0)
          onEvent({ kind: 'looked', outcome, atMs: engine.now() })
        if (outcome.repaired.length > 0) settle()
      } catch (error) {
        onEvent({ kind: 'failed', error: error as Error })
      }
    }
    core.handle({ kind: 'quiet' }, engine.now())
    busy = false
  }

  for (const directory of core.directories) listen(directory)
  // What changed before the watches stood.
  auditDue = true
  void work()
  return {
    contested: () => core.contested(engine.now()),
    close: () => {
      closed = true
      for (const listener of listeners.values()) listener.close()
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

export interface AuditOutcome {
  readonly kept: number
  readonly repaired: readonly Step[]
  readonly notKept: readonly NotKept[]
}

/** What a look needs of the engine. */
export interface Looking {
  readonly machine: System
  readonly context: Applying
  readonly now: () => number
  readonly state: () => State
  readonly note: (entry: Entry, durable?: boolean) => void
  /** The machine as it is. */
  readonly view: () => View
  /** Whether a held step's target is known to be untouched, without reading it. */
  readonly trusted: (held: Held) => boolean
  readonly paused: (path: string) => boolean
  readonly contested: () => readonly string[]
  readonly log: (line: string) => void
}

const sliceMs = 10

/** Looks at these steps again and repairs what drifted. Each stands alone: a failure undoes nothing. */
export async function look(
  engine: Looking,
  held: readonly Held[],
  payloads: Payloads,
): Promise<AuditOutcome> {
  const { machine, context, note, trusted } = engine
  machine.settle()
  let kept = 0
  let slice = performance.now()
  const repaired: Step[] = []
  const notKept: NotKept[] = []
  const seen: [string, Stat | null][] = []
  const contested = new Set(engine.contested())
  const settled = (step: Step) => seen.push([step.id, machine.lstat(targetOf(step)!) ?? null])
  for (const mine of held) {
    if (performance.now() - slice > sliceMs) {
      await breathe()
      slice = performance.now()
    }
    const target = targetOf(mine.step)
    try {
      if (target === undefined || engine.paused(target) || trusted(mine)) {
        kept++
        continue
      }
      const [planned] = planSteps({
        declared: [mine.step],
        held: [mine],
        view: engine.view(),
        run: engine.state().runs,
        trusted: () => false,
      })
      const step = mine.step
      if (planned!.reason) notKept.push({ step, reason: planned!.reason })
      else if (planned!.acts.length === 0) {
        kept++
        settled(step)
      } else if (contested.has(target)) {
        notKept.push({ step, reason: contestedReason(target) })
      } else {
        await repair(context, planned!, payloads, engine.state().runs)
        machine.settle()
        settled(step)
        repaired.push(step)
        engine.log(`repaired ${step.id}`)
      }
    } catch (error) {
      notKept.push({ step: mine.step, reason: reasonFrom(error, target) })
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
  return { kept, repaired, notKept }
}

/** Commands that watch what a repair touched; owed until they ran. */
async function reload(engine: Looking, repaired: readonly Step[], notKept: NotKept[], payloads: Payloads) {
  const { context, note } = engine

  const paths = repaired.flatMap(step => targetOf(step) ?? [])
  const due = engine.state().held.filter(({ step }) => {
    if (step.verb !== 'RUN' || step.options['on'] === undefined) return false
    const on = readList(step.options['on'])
    return (
      engine.state().owed.includes(step.id) ||
      paths.some(path => on.some(each => path === each || path.startsWith(`${each}/`)))
    )
  })
  if (due.length === 0) return
  note({ kind: 'owed', ids: due.map(each => each.step.id) })
  for (const { step } of due) {
    const [planned] = planSteps({
      declared: [step],
      held: [],
      view: engine.view(),
      run: engine.state().runs,
      trusted: () => false,
      owed: true,
    })
    try {
      await repair(context, planned!, payloads, engine.state().runs)
    } catch (error) {
      notKept.push({ step, reason: reasonFrom(error) })
    }
  }
  note({ kind: 'owed', ids: [] })
}
