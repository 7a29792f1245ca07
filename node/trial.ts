// Core: a trial on this host, from the order to the way back: which commit is to run here until when, whether it may start, what
// came of it, and when the host goes back to the release that was in force before. How orders are weighed is orders.ts's.
import type { PeerId } from '../gossip/carrier.ts'
import type { Branch } from './branch-supply.ts'
import { type Effect, log } from './effects.ts'
import type { Failed } from './failed.ts'
import type { EntryLog, LogEntry } from './log.ts'
import type { Orders, Trial } from './orders.ts'
import type { RunReport } from './report.ts'
import { Retries } from './retries.ts'
import type { TrialInForce } from './trial-about.ts'

/** What a host runs besides releases. */
export type TrialRun =
  | (TrialInForce & { readonly kind: 'trial' })
  /** Back from the trial `id` to what was in force before; undefined: to nothing. */
  | { readonly kind: 'back'; readonly id: string; readonly entry: LogEntry | undefined }

export interface TrialOptions {
  readonly log: EntryLog
  readonly orders: Orders
  /** This host's key in hex. */
  readonly self: string
  readonly random: () => number
  /** Remembers orders as it does entries: a trial that failed here is not begun again. */
  readonly failed: Failed
  /** What the journal says. */
  readonly inForce: TrialInForce | undefined
  readonly holds: (commit: string) => boolean
  readonly refusalOf: (commit: string) => string | undefined
  /** Why this machine could not store a pack. */
  readonly trouble: () => string | undefined
}

/** What the agent knows besides. */
export interface TrialSituation {
  /** Id of the release in force, or of that before the trial. */
  readonly inForce: string | undefined
  /** Why nothing new may start on this host at all. */
  readonly shut: string | undefined
  /** A run is under way. */
  readonly busy: boolean
  readonly nowMs: number
  readonly wallMs: number
}

/** For the control socket and the status. */
export interface TrialStanding {
  readonly id: string
  readonly commit: string
  /** Undefined: its time is over, or its order is gone. */
  readonly untilMs: number | undefined
  readonly state: 'waiting' | 'running' | 'failed' | 'ending'
  readonly why: string | undefined
}

export class Trials {
  readonly #options: TrialOptions
  #inForce: TrialInForce | undefined
  #run: TrialRun | undefined
  /** Why the trial that failed last did so. */
  #failure: { readonly id: string; readonly why: string } | undefined
  /** Why what is to run next does not yet. */
  #waits: string | undefined
  readonly #retries: Retries
  /** Who brought the newest order of a trial. */
  #announced: { readonly id: string; readonly from: PeerId | undefined } | undefined
  #standing: TrialStanding | undefined
  #untilMs: number | undefined
  #nowMs = 0

  constructor(options: TrialOptions) {
    this.#options = options
    this.#inForce = options.inForce
    this.#retries = new Retries(options.random)
  }

  get running(): boolean {
    return this.#run !== undefined
  }
  /** Its steps are in force, or come or go. */
  get isOn(): boolean {
    return this.#inForce !== undefined || this.#run !== undefined
  }
  /** The trial whose steps are in force. */
  get inForce(): TrialInForce | undefined {
    return this.#inForce
  }
  get standing(): TrialStanding | undefined {
    return this.#standing
  }

  announced(id: string, from: PeerId | undefined): void {
    this.#announced = { id, from }
  }

  /** An operator asked for another try here, or a pause has ended. */
  retry(): void {
    this.#retries.clear()
  }

  /** Commits that must stay here. */
  needs(wallMs: number): readonly string[] {
    const trial = this.#live(wallMs)
    return [
      trial?.order.commit,
      this.#inForce?.commit,
      this.#run?.kind === 'trial' && this.#run.commit,
    ].flatMap(each => each || [])
  }

  /** What is to be fetched. */
  wanted(wallMs: number): readonly Branch[] {
    const trial = this.#live(wallMs)
    if (trial === undefined || this.#hasFailed(trial.id)) return []
    const { commit, pack } = trial.order
    const from = this.#announced?.id === trial.id ? this.#announced.from : undefined
    return [{ commit, pack, from }]
  }

  /** Why the newest release has to wait, in words. */
  holds(wallMs: number): string | undefined {
    if (this.#inForce === undefined) return undefined
    const { id } = this.#inForce
    const trial = this.#live(wallMs)
    if (trial?.id === id)
      return `a trial runs here until ${trial.order.until} (${id.slice(0, 10)}); fleet trial end`
    // Where there is no way back, the newest release is the way out.
    return this.#wayBack() === 'none' ? undefined : 'a trial that is over is taken back first'
  }

  /** What to do next: begin a trial, or go back from one. */
  pursue(at: TrialSituation): Effect[] {
    const trial = this.#live(at.wallMs)
    this.#untilMs = trial?.untilMs
    this.#nowMs = at.nowMs
    const effects = this.#refuse(trial)
    const run = this.#next(trial, at)
    const known = trial ?? this.#inForce
    this.#standing = known && this.#stand(known, trial)
    if (run === undefined) return effects
    this.#run = run
    this.#waits = undefined
    const event = run.kind === 'trial' ? 'trial started' : 'trial ends'
    return [...effects, { kind: 'try', run }, log('info', event, { order: run.id })]
  }

  /** When this host has to look again, by the machine's clock and by the steady one. */
  wakeMs(aheadMs: number): number | undefined {
    const { atMs } = this.#retries
    const times = [
      this.#untilMs === undefined ? undefined : this.#untilMs - aheadMs,
      // Once it is past, something else is waited for.
      atMs !== undefined && atMs > this.#nowMs ? atMs : undefined,
    ]
    const known = times.flatMap(each => each ?? [])
    return known.length === 0 ? undefined : Math.min(...known)
  }

  /** What came of a run. */
  ran(run: TrialRun, report: RunReport, nowMs: number): Effect[] {
    this.#run = undefined
    this.#retries.ran(report.kind, nowMs)
    const { kind: outcome, why } = report
    const event = run.kind === 'trial' ? 'trial run ended' : 'trial taken back'
    const level = outcome === 'failed' ? 'error' : 'info'
    const effects: Effect[] = [
      log(level, event, { order: run.id, outcome, ...report.steps, ...(why && { why }) }),
    ]
    if (outcome === 'applied') {
      this.#inForce =
        run.kind === 'trial' ? { id: run.id, commit: run.commit, before: run.before } : undefined
      return effects
    }
    const isHopeless = outcome === 'failed' || this.#retries.exhausted
    if (isHopeless && run.kind === 'trial')
      return [...this.#fail(run.id, why ?? 'its run failed'), ...effects]
    // Preparing failed, or there is no going back yet: tried until it can be done.
    this.#waits = why
    // A run that is undone has `failed` start at once again: the way back must not turn in circles.
    if (outcome === 'failed') this.#retries.ran('wait', nowMs)
    return effects
  }

  /** A release has taken its place. */
  left(): void {
    this.#inForce = undefined
  }

  #live(wallMs: number): Trial | undefined {
    return this.#options.orders.trialOn(this.#options.self, wallMs)
  }

  #hasFailed(id: string): boolean {
    return this.#options.failed.has(id, 1)
  }

  #fail(id: string, why: string): Effect[] {
    this.#failure = { id, why }
    this.#retries.clear()
    this.#options.failed.add(id, 1)
    return [{ kind: 'remember', failed: this.#options.failed.lines() }]
  }

  /** A pack that is not what it should be is no better at the next try. */
  #refuse(trial: Trial | undefined): Effect[] {
    const why = trial && this.#options.refusalOf(trial.order.commit)
    if (trial === undefined || why === undefined || this.#hasFailed(trial.id)) return []
    return [...this.#fail(trial.id, why), log('warn', 'trial refused', { order: trial.id, why })]
  }

  #next(trial: Trial | undefined, at: TrialSituation): TrialRun | undefined {
    if (at.busy || this.#run !== undefined) return undefined
    if (this.#retries.atMs !== undefined && at.nowMs < this.#retries.atMs) return undefined
    const { inForce } = this
    const isGoing = trial !== undefined && trial.id === inForce?.id
    if (isGoing) return undefined
    const starts =
      trial !== undefined && !this.#hasFailed(trial.id) && this.#options.holds(trial.order.commit)
    if (starts) {
      this.#waits = at.shut
      if (this.#waits !== undefined) return undefined
      const { commit } = trial.order
      // One trial after another: the way back is still that of the first.
      const before = inForce === undefined ? at.inForce : inForce.before
      return { kind: 'trial', id: trial.id, commit, before }
    }
    if (inForce === undefined) return undefined
    const entry = this.#wayBack()
    if (entry === 'none') {
      this.#waits =
        'the release before it is not in the log any more, or was taken back; the next one ends it'
      return undefined
    }
    return { kind: 'back', id: inForce.id, entry }
  }

  /** The release to go back to; `none`: it is not known any more, or the fleet does not want its content. */
  #wayBack(): LogEntry | undefined | 'none' {
    const before = this.#inForce?.before
    if (before === undefined) return undefined
    const { log } = this.#options
    const entry = log.byId(before)
    const content = entry?.release?.content
    return content === undefined || log.terms()?.never?.some(each => each === content) ? 'none' : entry
  }

  #stand(known: Trial | TrialInForce, trial: Trial | undefined): TrialStanding {
    const { id } = known
    const commit = 'order' in known ? known.order.commit : known.commit
    const untilMs = trial?.untilMs
    if (trial === undefined) return { id, commit, untilMs, state: 'ending', why: this.#waits }
    if (this.#inForce?.id === id) return { id, commit, untilMs, state: 'running', why: undefined }
    if (this.#hasFailed(id)) {
      const why = this.#failure?.id === id ? this.#failure.why : 'it failed here before'
      return { id, commit, untilMs, state: 'failed', why }
    }
    const trouble = this.#options.trouble()
    const lacks = trouble === undefined ? 'is not here yet' : `could not be stored: ${trouble}`
    if (!this.#options.holds(commit))
      return { id, commit, untilMs, state: 'waiting', why: `its pack ${lacks}` }
    return { id, commit, untilMs, state: 'waiting', why: this.#waits }
  }
}
