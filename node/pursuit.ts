// Core: which release this host goes after, what it must have for that, and why it is not its turn yet. What the fleet says is
// weighed by stages.ts; whether anything else is in the way, rollout.ts decides.
import type { Aftermath } from './aftermath.ts'
import type { EntryLog, ReleaseEntry } from './log.ts'
import type { Orders } from './orders.ts'
import type { RunReport } from './report.ts'
import { haltText } from './rollout.ts'
import type { Stages, StagesEffect, Turn } from './stages.ts'
import type { Supply } from './supply.ts'

export interface PursuitPorts {
  readonly log: EntryLog
  readonly orders: Orders
  /** This host's key in hex. */
  readonly self: string
  readonly supply: Supply
  readonly stages: Stages
  readonly aftermath: Aftermath
  readonly hasFailed: (release: ReleaseEntry) => boolean
  readonly random: () => number
}

/** How things stand at one moment; times by the steady clock, `wallMs` by the machine's. */
export interface Moment {
  readonly inForce: string | undefined
  readonly nowMs: number
  readonly wallMs: number
}

/** ms that a host waits for Stable's pack before it compares without it. */
const stableMs = 120_000
/** Runs of Stable that come to nothing on a blank host, before it waits for its turn without it. */
const stableTries = 3
/** ms within which hosts start that go back to what they know to be good. */
const rollbackMs = 30_000

export class Pursuit {
  readonly #ports: PursuitPorts
  #newest: ReleaseEntry | undefined
  #stable: ReleaseEntry | undefined
  #isBlank = true
  #wallMs = 0
  /** When to compare without Stable, if its pack does not come. */
  #surveyMs: number | undefined
  /** Runs of a release on a blank host that came to nothing, one after another. */
  #vain: { readonly entry: string; readonly runs: number } | undefined
  /** When this host may go back to a content that it knows. */
  #rollback: { readonly entry: string; readonly atMs: number } | undefined

  constructor(ports: PursuitPorts) {
    this.#ports = ports
  }

  /** Takes its bearings; the questions below are about that moment. */
  set({ inForce, nowMs, wallMs }: Moment): void {
    const { log, stages } = this.#ports
    this.#newest = log.release()
    this.#isBlank = inForce === undefined
    this.#wallMs = wallMs
    this.#stable = this.#stableOf(this.#newest)
    stages.aim(this.#newest, nowMs, wallMs - nowMs)
  }

  /** What is to be run next: the newest release, on a blank host Stable before that, if it can be had. */
  get target(): ReleaseEntry | undefined {
    const stable = this.#stable
    if (!this.#isBlank || stable === undefined) return this.#newest
    const isHalted = this.#ports.orders.of(stable.id).halts.length > 0
    const isVain = this.#vain?.entry === stable.id && this.#vain.runs >= stableTries
    return isHalted || isVain ? this.#newest : stable
  }

  /** What came of a run. */
  ran(entry: string, kind: RunReport['kind']): void {
    const runs = this.#vain?.entry === entry ? this.#vain.runs + 1 : 1
    if (!this.#isBlank || this.#stable?.id !== entry) return
    this.#vain = kind === 'wait' || kind === 'inconclusive' ? { entry, runs } : undefined
  }

  /** An operator asks for another try here. */
  retry(): void {
    this.#vain = undefined
  }

  /** The release whose pack is to be got. */
  get sought(): ReleaseEntry | undefined {
    const { log, supply } = this.#ports
    const wanted = [this.target, this.#newest, this.#stable].find(
      each => each !== undefined && !supply.holds(each) && log.refusalOf(each.id) === undefined,
    )
    const sought = wanted ?? this.#newest
    return sought && log.refusalOf(sought.id) === undefined ? sought : undefined
  }

  /** Asks whom the newest release concerns, once it is here, and Stable too unless that takes too long. */
  survey(nowMs: number): StagesEffect[] {
    const { supply, stages } = this.#ports
    const [newest, stable] = [this.#newest, this.#stable]
    const isHere = newest !== undefined && supply.holds(newest)
    if (isHere && stable !== undefined && !supply.holds(stable)) this.#surveyMs ??= nowMs + stableMs
    else this.#surveyMs = undefined
    if (!isHere || nowMs < (this.#surveyMs ?? nowMs)) return []
    this.#surveyMs = undefined
    return stages.survey()
  }

  wakeMs(): number | undefined {
    return this.#surveyMs
  }

  /** Why this host is not to start the target yet, by the newest release's way through the fleet. */
  turn(nowMs: number): Turn | undefined {
    const newest = this.#newest
    if (newest === undefined || this.target !== newest) return undefined
    const { aftermath, stages, orders, self } = this.#ports
    // An operator has asked this very host: what holds or halts the others does not hold it.
    if (orders.of(newest.id).attemptOf(self) > 1 && stages.isOpen()) return undefined
    if (!aftermath.wasHealthy(newest.release.content)) return stages.hold(this.shut, nowMs)
    if (this.#rollback?.entry !== newest.id)
      this.#rollback = { entry: newest.id, atMs: nowMs + this.#ports.random() * rollbackMs }
    const { atMs } = this.#rollback
    if (nowMs >= atMs) return undefined
    return { reason: 'its content was healthy here before; it starts in a moment', untilMs: atMs }
  }

  /** Why nothing more of the newest release opens. A blank host takes also what has expired. */
  get shut(): string | undefined {
    const { log, orders } = this.#ports
    const newest = this.#newest
    if (newest === undefined) return undefined
    const { halts, freshUntilMs } = orders.of(newest.id)
    if (halts.length > 0) return haltText(halts)
    return log.hold(newest.id, this.#isBlank, this.#wallMs, freshUntilMs)?.detail
  }

  /** What the newest release is to be compared with, if it is known here and may be taken. */
  #stableOf(newest: ReleaseEntry | undefined): ReleaseEntry | undefined {
    const { log, hasFailed } = this.#ports
    const { stable } = newest?.release ?? {}
    const entry = stable === undefined ? undefined : log.byId(stable)
    if (entry?.release === undefined || entry.id === newest?.id) return undefined
    const found = { ...entry, release: entry.release }
    return hasFailed(found) || log.hold(entry.id, true, this.#wallMs) !== undefined ? undefined : found
  }
}
