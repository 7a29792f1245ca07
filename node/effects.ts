// What the agent's core takes and what it wants done: the whole of its contact with the world. driver.ts performs it.
import type { Directory, PeerId, Verdict } from '../gossip/carrier.ts'
import type { StatusPair, WantKnock, WantPack } from '../gossip/message.ts'
import type { Point } from '../signing/chain.ts'
import type { OrderId } from '../signing/order.ts'
import type { AftermathEffect } from './aftermath.ts'
import type { BranchEffect } from './branch-supply.ts'
import type { LogLevel } from './config.ts'
import type { LogEntry } from './log.ts'
import type { PlansEffect, PlansInput } from './plans.ts'
import type { Installed } from './ports.ts'
import type { RunReport } from './report.ts'
import type { FailingCheck } from './soak.ts'
import type { StagesEffect } from './stages.ts'
import type { SupplyEffect } from './supply.ts'
import type { TrialRun } from './trial.ts'

export type Input =
  | { readonly kind: 'up'; readonly peer: PeerId }
  | { readonly kind: 'down'; readonly peer: PeerId }
  /** Bytes of a direct message, or of one gossiped; a gossiped one is answered by a `verdict`. */
  | { readonly kind: 'message'; readonly from: PeerId; readonly bytes: Uint8Array; readonly gossip: boolean }
  /** An entry made on this machine, or brought by a file. */
  | { readonly kind: 'submit'; readonly envelope: Uint8Array }
  /** The envelope of an order made on this machine, or brought by a file. */
  | { readonly kind: 'order'; readonly envelope: Uint8Array }
  /** The bytes of `pack` are complete in quarantine, and this came of installing them. */
  | { readonly kind: 'installed'; readonly entry: string; readonly pack: string; readonly result: Installed }
  /** A pack could not be stored or indexed: a full disk, no rights. */
  | { readonly kind: 'stuck'; readonly pack: string; readonly why: string }
  | { readonly kind: 'ran'; readonly entry: string; readonly report: RunReport }
  /** The same for a pack that no entry names, and for the run of a trial. */
  | {
      readonly kind: 'branch-installed'
      readonly commit: string
      readonly pack: string
      readonly result: Installed
    }
  | { readonly kind: 'tried'; readonly run: TrialRun; readonly report: RunReport }
  | PlansInput
  /** The run of a release is about to change something: what came before was only preparing. */
  | { readonly kind: 'acting'; readonly entry: string }
  /** The CHECKs of what is in force were asked. */
  | { readonly kind: 'checked'; readonly entry: string; readonly failing: readonly FailingCheck[] }
  /** The host went back from a release, or could not. */
  | {
      readonly kind: 'reverted'
      readonly entry: string
      readonly to: string | undefined
      readonly report: RunReport
    }
  | Surveyed
  /** What drift repair found since the last such input. */
  | { readonly kind: 'host'; readonly drift: DriftCounts; readonly notKept: number }
  | { readonly kind: 'pause'; readonly untilMs: number; readonly reason: string }
  /** A pause has ended; with `path` only that one's, which may be what a run waits for. */
  | { readonly kind: 'unpause'; readonly path?: string }
  /** An operator asked for another try here. */
  | { readonly kind: 'retry' }
  | { readonly kind: 'tick' }

/** What a release changes for each host of its roster. */
export interface Surveyed {
  readonly kind: 'surveyed'
  readonly entry: string
  /** As asked; undefined too when the content of Stable is not held here, so that all steps of the release are new. */
  readonly stable: string | undefined
  /** By key in hex: names the change list, equal for equal lists; undefined: nothing changes for this host. */
  readonly changes: ReadonlyMap<string, string | undefined>
}

/** Totals since the agent started: repairs made, kept edits in the store, targets given up as contested. */
export interface DriftCounts {
  readonly repairs: number
  readonly kept: number
  readonly contested: number
}

export type Effect =
  | { readonly kind: 'send'; readonly to: PeerId; readonly bytes: Uint8Array }
  | { readonly kind: 'publish'; readonly bytes: Uint8Array }
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  /** Make durable, with the floor, before the effects that follow are carried out. The entry may lie below the floor. */
  | { readonly kind: 'keep'; readonly entry: LogEntry; readonly floor: Point }
  /** A sibling of a fork: kept to be shown, never followed. */
  | { readonly kind: 'keep-fork'; readonly entry: LogEntry }
  /** An order is to be there at the next start, or no longer. */
  | { readonly kind: 'keep-order'; readonly id: OrderId; readonly envelope: Uint8Array }
  | { readonly kind: 'drop-orders'; readonly ids: readonly OrderId[] }
  /** Make durable: the counter of statuses may go up to here; entries that failed here (node/failed.ts). */
  | { readonly kind: 'reserve'; readonly counter: number }
  | { readonly kind: 'remember'; readonly failed: readonly string[] }
  /** Keep a host's status for the next start; peers have it too. */
  | { readonly kind: 'board'; readonly host: string; readonly pair: StatusPair }
  | Exclude<SupplyEffect, { kind: 'send' }>
  | Exclude<BranchEffect, { kind: 'send' }>
  | { readonly kind: 'serve'; readonly to: PeerId; readonly want: WantPack }
  /** Another host may be about to cut itself off. */
  | { readonly kind: 'wanted'; readonly from: PeerId; readonly want: WantKnock }
  /** Run the release's steps. Answered by `ran`. */
  | { readonly kind: 'apply'; readonly entry: LogEntry; readonly attempt: number }
  /** Run a trial's steps, or go back from them. Answered by `tried`. */
  | { readonly kind: 'try'; readonly run: TrialRun }
  | PlansEffect
  | StagesEffect
  | AftermathEffect
  /** Who may connect has changed. */
  | { readonly kind: 'recheck' }
  /** The hosts that there are have changed. */
  | { readonly kind: 'enrol'; readonly roster: Directory }
  | { readonly kind: 'learn'; readonly peer: string; readonly addresses: readonly string[] }
  | {
      readonly kind: 'log'
      readonly level: LogLevel
      readonly event: string
      readonly data?: Readonly<Record<string, unknown>>
    }

export function log(level: LogLevel, event: string, data?: Readonly<Record<string, unknown>>): Effect {
  return { kind: 'log', level, event, ...(data && { data }) }
}
