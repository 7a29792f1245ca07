// Core: may this host take the newest release now? An ordered list of gates, each of which says in words why not. Here
// every release opens for all hosts at once (`Stages: N`); stages and evidence become further gates of the list.

import type { Halt } from './orders.ts'

/** What the gates look at; facts only, gathered by the agent. */
export interface Situation {
  /** The newest release accepted; undefined: none yet. */
  readonly target:
    | {
        readonly sequence: number
        readonly id: string
      }
    | undefined
  /** Id of the entry whose content is in force here; undefined on a blank host. */
  readonly inForce: string | undefined
  /** A run is under way. */
  readonly running: boolean
  readonly pausedUntilMs: number | undefined
  readonly cloned: boolean
  readonly dirty: boolean
  /** Why the log does not let the target start: a fork, the never list, expiry, a newer language, a bad pack. */
  readonly refusal: { readonly code: string; readonly detail: string } | undefined
  /** Orders that halt the target, the earliest first. */
  readonly halts: readonly Halt[]
  /** Peers still to be heard before the floor counts as known again; 0 normally. */
  readonly peersToHear: number
  /** This host tried the target and failed; a new entry or a `retry` clears it. */
  readonly failed: boolean
  /** Why a trial on this host goes first. */
  readonly trial: string | undefined
  /** The target's pack is checked and installed. */
  readonly held: boolean
  /** Why this machine could not store the pack. */
  readonly trouble: string | undefined
  /** Set after a run that answered WAIT. */
  readonly retryMs: number | undefined
}

export type Gate =
  | 'release'
  | 'running'
  | 'floor'
  | 'cloned'
  | 'paused'
  | 'dirty'
  | 'refused'
  | 'halted'
  | 'failed'
  | 'trial'
  | 'pack'
  | 'wait'

export type Decision =
  /** Run the target now. */
  | { readonly kind: 'go' }
  /** The target is in force. */
  | { readonly kind: 'done' }
  | { readonly kind: 'hold'; readonly gate: Gate; readonly reason: string; readonly untilMs?: number }

type Check = (at: Situation, nowMs: number) => string | undefined

/** In this order: what is wrong with the host itself before what is wrong with the release. */
const gates: readonly (readonly [Gate, Check])[] = [
  ['running', at => (at.running ? 'a run is under way' : undefined)],
  [
    'floor',
    at =>
      at.peersToHear > 0 ? `the floor was lost: ${at.peersToHear} more peers must be heard first` : undefined,
  ],
  ['cloned', at => (at.cloned ? 'another machine uses the key of this host' : undefined)],
  [
    'paused',
    (at, nowMs) => (at.pausedUntilMs !== undefined && nowMs < at.pausedUntilMs ? 'paused' : undefined),
  ],
  [
    'dirty',
    at => (at.dirty ? 'an undo failed here; once its cause is gone: fleet apply --agent' : undefined),
  ],
  ['refused', at => at.refusal?.detail],
  ['halted', ({ halts }) => (halts.length > 0 ? haltText(halts) : undefined)],
  [
    'failed',
    at => (at.failed ? 'it failed here before; a newer release or fleet retry clears that' : undefined),
  ],
  ['trial', at => at.trial],
  [
    'pack',
    at =>
      at.held
        ? undefined
        : `its pack ${at.trouble === undefined ? 'is not here yet' : `could not be stored: ${at.trouble}`}`,
  ],
  [
    'wait',
    (at, nowMs) => (at.retryMs !== undefined && nowMs < at.retryMs ? 'it will be prepared again' : undefined),
  ],
]

/** The first gate that is shut holds. Pure. */
export function decide(at: Situation, nowMs: number): Decision {
  const target = at.target
  if (target === undefined) return { kind: 'hold', gate: 'release', reason: 'there is no release yet' }
  if (target.id === at.inForce && !at.running) return { kind: 'done' }
  for (const [gate, shut] of gates) {
    const reason = shut(at, nowMs)
    if (reason === undefined) continue
    const untilMs = gate === 'wait' ? at.retryMs : gate === 'paused' ? at.pausedUntilMs : undefined
    return { kind: 'hold', gate, reason, ...(untilMs !== undefined && { untilMs }) }
  }
  return { kind: 'go' }
}

function haltText(halts: readonly Halt[]): string {
  const [first, ...others] = halts
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  const reason = first?.reason === undefined ? '' : `: ${first.reason}`
  return `halted by ${first?.signer} at ${first?.issued}${more}${reason}; fleet resume lets it go on`
}
