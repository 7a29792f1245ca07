// What happens in a simulated fleet, as checkers and marks hear it, and what they may ask of it. Decides nothing.

import type { StatusPair } from '../gossip/message.ts'
import type { Effect, Input } from '../node/effects.ts'
import type { LogEntry } from '../node/log.ts'
import type { Peer } from '../node/peer.ts'
import type { RunReport } from '../node/report.ts'
import type { Status } from '../signing/status.ts'
import type { Ledger } from './ledger.ts'
import type { Memory } from './memory.ts'

/** A host as the outside sees it: what checkers may look at. */
export interface Watched {
  readonly name: string
  readonly index: number
  /** Key in hex. */
  readonly key: string
  /** Does what fleet says; false from the moment on at which a fault makes it hostile. */
  readonly honest: boolean
  /** Undefined: its process does not run. */
  readonly peer: Peer | undefined
  /** Grows when the disk was replaced by a new or an older one: what the host once knew, it may not know now. */
  readonly disks: number
  /** Its key was seen on two machines in this run. */
  readonly cloned: boolean
  /** Healed for good in the second phase. */
  readonly core: boolean
  /** Keeps the whole board, not only its own line. */
  readonly observes: boolean
  /** A release has cut it off, and nothing has brought it back yet. */
  readonly cutOff: boolean
  /** What is in force on its machine, and whether its targets are exactly as that says; undefined: not to be told now. */
  readonly state: () =>
    | { readonly inForce: string | undefined; readonly differs: string | undefined }
    | undefined
}

export type SimEvent =
  | { readonly kind: 'started'; readonly host: Watched }
  | { readonly kind: 'ended'; readonly host: Watched; readonly how: 'kill' | 'power' | 'exit' }
  | {
      readonly kind: 'decided'
      readonly host: Watched
      readonly input: Input
      readonly effects: readonly Effect[]
    }
  /** A status of its own leaves it for the first time. */
  | {
      readonly kind: 'spoke'
      readonly host: Watched
      readonly status: Status
      readonly pair: StatusPair
    }
  | { readonly kind: 'run'; readonly host: Watched; readonly entry: LogEntry }
  | { readonly kind: 'ran'; readonly host: Watched; readonly entry: LogEntry; readonly report: RunReport }
  | {
      readonly kind: 'logged'
      readonly host: Watched
      readonly event: string
      readonly data: Readonly<Record<string, unknown>>
    }
  /** The first phase is over: the core is healed for good. */
  | { readonly kind: 'healed' }

/** What a checker may ask of the world. */
export interface Scene {
  readonly nowMs: () => number
  readonly seed: number
  readonly hosts: readonly Watched[]
  readonly ledger: Ledger
  readonly memory: Memory
  /** In [0, 1). */
  readonly chance: (purpose: string) => () => number
}

/** One promise. New for each run; it keeps what it needs to remember. */
export interface Checker {
  /** Kinds of events that it looks at; default: all. */
  readonly of?: readonly SimEvent['kind'][]
  /** What is wrong now, in words; undefined: nothing. */
  event(event: SimEvent, scene: Scene): string | undefined
  /** At the end of the run. */
  end?(scene: Scene): string | undefined
  /** While the core is healed: what it still waits for; empty: it is content. */
  pending?(scene: Scene): readonly string[]
}
