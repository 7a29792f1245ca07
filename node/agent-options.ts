// What an agent's core is made of: the cores that it ties together, and what its host is and held when it began.
import type { Codec, Hello } from '../gossip/message.ts'
import type { Admissions } from './admission.ts'
import type { SaidRecord } from './aftermath.ts'
import type { EntryLog } from './log.ts'
import type { Orders } from './orders.ts'
import type { Reporter } from './report.ts'
import type { TurnsMaker } from './stages.ts'
import type { TrialInForce } from './trial-about.ts'

/**
 * What becomes of statuses. `spread`: kept, and passed on to all. In large simulations nobody passes any on, and only some
 * are `kept`; of the others' boards each has its `own` line.
 */
export type Statuses = 'spread' | 'kept' | 'own'

/**
 * `host` applies releases and reports; `operator` only takes part in the log, from a laptop; `onlooker` does so, too, and works
 * out how the newest release fares.
 */
export type Role = 'host' | 'operator' | 'onlooker'

export interface AgentOptions {
  readonly log: EntryLog
  readonly orders: Orders
  readonly reporter: Reporter
  /** This host's key in hex: orders name it so. */
  readonly self: string
  readonly random: () => number
  readonly role: Role
  /** Default: `spread`. */
  readonly statuses?: Statuses
  /** Id of the entry in force, from the host's journal. */
  readonly inForce: string | undefined
  /** A trial in force, from the same; `inForce` is the entry before it then. */
  readonly trial?: TrialInForce | undefined
  readonly paused?: { readonly untilMs: number; readonly reason: string } | undefined
  /** As `Failed` writes them. */
  readonly failed: readonly string[]
  /** Release commits whose pack is installed. */
  readonly held: ReadonlySet<string>
  /** The floor is lost in both places: this many peers must be heard before anything is applied. */
  readonly peersToHear: number
  readonly admissions: Admissions
  readonly hello: () => Hello
  readonly peersToShare: () => readonly (readonly [string, readonly string[]])[]
  /** Of the machine, new at each boot. */
  readonly boot: Uint8Array
  /** Records of an earlier life (stages-record.ts, aftermath.ts). */
  readonly stages?: Uint8Array | undefined
  readonly said?: SaidRecord | undefined
  readonly turns?: TurnsMaker | undefined
  /** Bytes of a pack that lie in quarantine from an earlier life. */
  readonly quarantined: (pack: string) => number
  /** Default: the plain one. */
  readonly codec?: Codec | undefined
}
