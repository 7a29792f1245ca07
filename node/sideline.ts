// Core: what a host does beside the log: trials and plans, and the commits that these need. Ties their cores together for the agent,
// and says on the board what of it concerns others.
import type { PeerId } from '../gossip/carrier.ts'
import type { FetchInput } from '../gossip/fetch.ts'
import type { Message } from '../gossip/message.ts'
import { unhex } from '../signing/bytes.ts'
import type { Admissions } from './admission.ts'
import { type BranchEffect, BranchSupply } from './branch-supply.ts'
import type { Effect, Input } from './effects.ts'
import type { Failed } from './failed.ts'
import type { EntryLog } from './log.ts'
import type { Orders } from './orders.ts'
import { Plans } from './plans.ts'
import type { Reporter } from './report.ts'
import { Trials } from './trial.ts'
import type { TrialInForce } from './trial-about.ts'

export interface SidelineOptions {
  readonly log: EntryLog
  readonly orders: Orders
  readonly reporter: Reporter
  readonly admissions: Admissions
  readonly failed: Failed
  /** This host's key in hex. */
  readonly self: string
  readonly inForce: TrialInForce | undefined
  readonly held: ReadonlySet<string>
  readonly random: () => number
  readonly quarantined: (pack: string) => number
  /** Connected peers that have said what they hold. */
  readonly peers: () => readonly PeerId[]
  readonly send: (to: PeerId, message: Message) => Effect[]
  /** Lets go of commits that nothing needs any more. */
  readonly tidy: () => Effect[]
}

type SidelineInput = Extract<Input, { kind: 'branch-installed' | 'tried' | 'planned' | 'ask-plan' }>

export class Sideline {
  readonly trials: Trials
  readonly plans: Plans
  readonly #options: SidelineOptions
  readonly #branches: BranchSupply
  /** What was needed at the last look: when that shrinks, something may go. */
  #needed: readonly string[] = []
  #nowMs: number
  #wallMs: number

  constructor(options: SidelineOptions, nowMs: number) {
    const { log, orders, self, random, failed, inForce, held, peers, quarantined, admissions } = options
    this.#options = options
    this.#nowMs = nowMs
    this.#wallMs = nowMs
    this.#branches = new BranchSupply({ held, peers, random, quarantined })
    const about = {
      holds: (commit: string) => this.#branches.holds(commit),
      refusalOf: (commit: string) => this.#branches.refusalOf(commit),
    }
    const trouble = () => this.#branches.trouble
    this.trials = new Trials({ ...{ log, orders, self, random, failed, inForce, trouble }, ...about })
    this.plans = new Plans({ ...{ orders, admissions, self }, ...about })
  }

  /** The time of the input that is handled. */
  at(nowMs: number, wallMs: number): void {
    this.#nowMs = nowMs
    this.#wallMs = wallMs
  }

  wakeMs(): number | undefined {
    const aheadMs = this.#wallMs - this.#nowMs
    const times = [this.trials.wakeMs(aheadMs), this.plans.wakeMs(), this.#branches.wakeMs()]
    const known = times.flatMap(each => each ?? [])
    return known.length === 0 ? undefined : Math.min(...known)
  }

  /** Commits that no entry names and that must stay. */
  needs(): readonly string[] {
    return [...this.trials.needs(this.#wallMs), ...this.plans.needs()]
  }

  progress(): readonly { pack: string; size: number; offset: number }[] {
    return this.#branches.progress()
  }

  /** Why the newest release has to wait. */
  holds(): string | undefined {
    return this.trials.holds(this.#wallMs)
  }

  fetched(input: FetchInput): Effect[] {
    if (input.kind === 'down') this.plans.down(input.peer)
    return this.#sent(this.#branches.handle(input, this.#nowMs))
  }

  /** True: the pack was one of these. */
  stuck(pack: string, why: string): boolean {
    return this.#branches.stuck(pack, why, this.#nowMs)
  }

  wanted(from: PeerId, order: Uint8Array): Effect[] {
    return this.#sent(this.plans.take(from, order, this.#nowMs, this.#wallMs))
  }

  take(input: SidelineInput): Effect[] {
    switch (input.kind) {
      case 'branch-installed':
        return this.#sent(this.#branches.installed(input.commit, input.pack, input.result, this.#nowMs))
      case 'tried':
        this.#options.reporter.tried(input.report, this.#nowMs)
        return this.trials.ran(input.run, input.report, this.#nowMs)
      case 'planned':
        return this.#sent(this.plans.planned(input.id, input.plan))
      case 'ask-plan':
        return this.#sent(this.plans.ask(input.to, input.envelope, input.id))
    }
  }

  /** After the newest release has been looked at: `busy` when a run of it is under way. */
  pursue(inForce: string | undefined, busy: boolean, shut: string | undefined): Effect[] {
    const frozen = this.#options.log.frozen() ? 'two operators published one entry at once' : undefined
    const effects = this.trials.pursue({
      ...{ inForce, busy, shut: shut ?? frozen },
      ...{ nowMs: this.#nowMs, wallMs: this.#wallMs },
    })
    effects.push(...this.#sent(this.plans.pursue(this.#nowMs)))
    const wanted = [...this.trials.wanted(this.#wallMs), ...this.plans.wanted()]
    effects.push(...this.#sent(this.#branches.seek(wanted, this.#nowMs)))
    const needed = this.needs()
    const shrinks = this.#needed.some(each => !needed.includes(each))
    this.#needed = needed
    if (!shrinks) return effects
    const tidied = this.#options.tidy()
    for (const each of tidied) if (each.kind === 'prune') this.#branches.pruned(each.keep)
    return [...effects, ...tidied]
  }

  /** Tells the reporter, and answers with the flags. */
  report(): string[] {
    const { standing, inForce } = this.trials
    const id = standing && unhex(standing.id, 32)
    if (standing === undefined || id === undefined) {
      this.#options.reporter.onTrial(undefined)
      return []
    }
    const failed = standing.state === 'failed'
    const runs = inForce !== undefined
    const name = `trial ${standing.id.slice(0, 10)}`
    const words = failed
      ? `${name} failed: ${standing.why}`
      : standing.why && `${name} waits: ${standing.why}`
    this.#options.reporter.onTrial({ id, isOn: this.trials.isOn, words })
    return [...(runs ? ['TRIAL'] : []), ...(failed ? ['TRIAL_FAILED'] : [])]
  }

  #sent(effects: readonly (BranchEffect | ReturnType<Plans['pursue']>[number])[]): Effect[] {
    return effects.flatMap((each): Effect[] =>
      each.kind === 'send' ? this.#options.send(each.to, each.message) : [each],
    )
  }
}
