// Core: may this host take the newest release now? An ordered list of gates, each of which says in words why not. What the fleet
// says of the release is one of them, and left to stages.ts.

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
  /** Why the release's stages do not let this host start yet; worked out only when it is asked for. */
  readonly stage: { readonly reason: string; readonly untilMs?: number } | undefined
  /** Set after a run that answered WAIT. */
  readonly retryMs: number | undefined
  /** Nobody could say whether the target's run cuts this host off, as often as it was tried. */
  readonly exhausted: boolean
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
  | 'inconclusive'
  | 'pack'
  | 'stage'
  | 'wait'

export type Decision =
  /** Run the target now. */
  | { readonly kind: 'go' }
  /** The target is in force. */
  | { readonly kind: 'done' }
  | { readonly kind: 'hold'; readonly gate: Gate; readonly reason: string; readonly untilMs?: number }

type HostSituation = Pick<Situation, 'peersToHear' | 'cloned' | 'pausedUntilMs' | 'dirty'>

const hostGates: readonly Gate[] = ['floor', 'cloned', 'paused', 'dirty']

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
    'inconclusive',
    at =>
      at.exhausted
        ? 'no peer reached this host after its runs, nor once they were taken back; to try again: fleet apply --agent'
        : undefined,
  ],
  [
    'pack',
    at =>
      at.held
        ? undefined
        : `its pack ${at.trouble === undefined ? 'is not here yet' : `could not be stored: ${at.trouble}`}`,
  ],
  ['stage', at => at.stage?.reason],
  [
    'wait',
    (at, nowMs) => (at.retryMs !== undefined && nowMs < at.retryMs ? 'it will be prepared again' : undefined),
  ],
]

/** What is wrong with the host itself, so that nothing new may start on it, be it a release or not. */
export function hostShut(at: HostSituation, nowMs: number): string | undefined {
  for (const [gate, shut] of gates)
    if (hostGates.includes(gate)) {
      const reason = shut(at as Situation, nowMs)
      if (reason !== undefined) return reason
    }
  return undefined
}

/** The first gate that is shut holds. Pure. */
export function decide(at: Situation, nowMs: number): Decision {
  const target = at.target
  if (target === undefined) return { kind: 'hold', gate: 'release', reason: 'there is no release yet' }
  if (target.id === at.inForce && !at.running) return { kind: 'done' }
  for (const [gate, shut] of gates) {
    const reason = shut(at, nowMs)
    if (reason === undefined) continue
    const untilMs = untilOf(gate, at)
    return { kind: 'hold', gate, reason, ...(untilMs !== undefined && { untilMs }) }
  }
  return { kind: 'go' }
}

function untilOf(gate: Gate, at: Situation): number | undefined {
  switch (gate) {
    case 'wait':
      return at.retryMs
    case 'paused':
      return at.pausedUntilMs
    case 'stage':
      return at.stage?.untilMs
    default:
      return undefined
  }
}

/** Who halted a release, when and why. */
export function haltText(halts: readonly Halt[]): string {
  const [first, ...others] = halts
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  const reason = first?.reason === undefined ? '' : `: ${first.reason}`
  return `halted by ${first?.signer} at ${first?.issued}${more}${reason}; fleet resume lets it go on`
}
