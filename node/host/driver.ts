// The loop that keeps drift away: listens to the directories of all targets, asks watch.ts what an event means, and
// has the engine look. One watch per directory, never recursive; where none can be had, the audit must do.
import * as fs from 'node:fs'
import type { AuditOutcome } from './main.ts'
import type { Step } from './steps/step.ts'
import { createWatch, type Heard, type Heed, type Watch, type Watched } from './watch.ts'

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
