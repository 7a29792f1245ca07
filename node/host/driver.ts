// The loop that listens: to the directories and resources of all steps in force. It asks watch.ts what that means, and
// has the engine look.
import type { Hearing, Listener } from './linux-listen.ts'
import type { AuditOutcome } from './look.ts'
import type { Providers } from './resource.ts'
import { createWatch, type Heard, type Heed, type Watch, type Watched } from './watch.ts'

export type WatchEvent =
  /**
   * Something was repaired, is not kept, or is kept again. `ids`: the steps that were looked at; undefined: all.
   */
  | {
      readonly kind: 'looked'
      readonly ids: readonly string[] | undefined
      readonly outcome: AuditOutcome
      readonly atMs: number
    }
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
  /** ms since 1970 by the machine's clock. */
  readonly now: () => number
  /** ms by a clock that nobody sets: all waits go by it. */
  readonly steady: () => number
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
  readonly ears: Ears
}

/** What the loop asks of the platform. */
export interface Ears {
  readonly listen: (hearing: Hearing) => Listener
  /** Events that may wait to be heard before some are lost. */
  readonly queuedMax: number
  /** Does it once, so many milliseconds from now, unless what it answers is called before. */
  readonly after: (ms: number, action: () => void) => () => void
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

/** Between attempts to finish kept edits, while that fails. Milliseconds. */
const unsettledMs = 60_000

export function watch(
  engine: Watching,
  watched: readonly Watched[],
  onEvent: (event: WatchEvent) => void,
): Watcher {
  const core: Watch = createWatch(watched, engine.ears.queuedMax)
  const due = new Set<string>()
  const supplied = new Set<string>()
  const timers = new Set<() => void>()
  const deaf = new Map<string, Deaf>()
  /** Ids of steps that were not kept when they were last looked at. */
  const unkept = new Set<string>()
  let auditDue = false
  let busy = false
  let closed = false

  const later = (atMs: number, action: () => void) => {
    const cancel = engine.ears.after(Math.max(1, atMs - engine.steady()), () => {
      timers.delete(cancel)
      if (closed) return
      // Timers and the clock do not tick together.
      if (engine.steady() < atMs) later(atMs, action)
      else action()
    })
    timers.add(cancel)
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
  const listener = engine.ears.listen({
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
        return onEvent({ ...each, untilMs: each.untilMs - engine.steady() + engine.now() })
      case 'wake':
        return later(each.atMs, () => hear({ kind: 'tick', busy: engine.busy() }))
    }
  }
  const hear = (heard: Heard) => {
    if (closed) return
    for (const each of core.handle(heard, engine.steady())) heed(each)
    if (!busy && (auditDue || due.size + supplied.size > 0)) void work()
  }
  const settle = () => {
    let atMs: number | undefined
    try {
      atMs = engine.settle()
    } catch (error) {
      // A full disk: what is kept stays open until there is room.
      onEvent({ kind: 'failed', error: error as Error })
      atMs = engine.now() + unsettledMs
    }
    if (atMs !== undefined) later(engine.steady() + atMs - engine.now(), settle)
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
        const told = outcome.repaired.length + outcome.notKept.length > 0
        if (told || (all ? unkept.size > 0 : ids.some(id => unkept.has(id))))
          onEvent({ kind: 'looked', ids: all ? undefined : ids, outcome, atMs: engine.now() })
        for (const id of all ? [...unkept] : ids) unkept.delete(id)
        for (const { step } of outcome.notKept) unkept.add(step.id)
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
    contested: () => core.contested(engine.steady()),
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
      for (const cancel of timers) cancel()
    },
  }
}
