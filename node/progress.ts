// Core: how far a release has come, stage by stage, for people: how its hosts stand, and what the evidence says. Decides nothing;
// what opens is gate.ts's.
import type { StatusPair } from '../gossip/message.ts'
import type { Claim } from './evidence.ts'
import { completeMs, type GateDecision, type GateInput, gate, grantedOf, stagesOf } from './gate.ts'
import { type Standing, Standings } from './standing.ts'

export interface StageProgress {
  /** From 1. */
  readonly stage: number
  /** Hosts of this stage alone; those that follow are in the last one. */
  readonly hosts: number
  /** Of these, how many may start, stand-ins not counted. */
  readonly granted: number
  readonly healthy: number
  readonly failed: number
  readonly running: number
  /** Open and not begun, or not open yet. */
  readonly waiting: number
  readonly absent: number
  readonly timedOut: number
  /** By this host's steady clock; undefined: shut. */
  readonly openedMs: number | undefined
}

export interface Progress {
  readonly stages: readonly StageProgress[]
  readonly decision: Pick<GateDecision, 'kind' | 'reason' | 'untilMs'>
  /** Of hosts in reach of a panel, sorted by key. */
  readonly evidence: readonly {
    readonly host: string
    readonly claim: Claim
    /** In its own words. */
    readonly why: string | undefined
  }[]
}

/** `input` without the host that asks: the answer is about the release. */
export function progressOf(
  input: GateInput,
  evidence: readonly (readonly [string, Claim & { readonly proof: StatusPair | undefined }])[],
  whyOf: (pair: StatusPair) => string | undefined,
  nowMs: number,
): Progress {
  const { kind, reason, untilMs, opened } = gate(input, nowMs)
  const ladder = stagesOf(input)
  const { hosts } = input.turns
  const completed = completeMs(ladder, opened)
  const standings = new Standings({ ...input, opened }, completed, nowMs)
  // A release that changes no host has a stage all the same, of those that follow.
  const ends = ladder.length === 0 ? [hosts.length] : [...ladder.slice(0, -1), hosts.length]
  const stages = ends.map((end, at): StageProgress => {
    const from = ends[at - 1] ?? 0
    const count = new Map<Standing['state'], number>()
    for (let place = from; place < end; place++) {
      const { state } = standings.of(place)
      count.set(state, (count.get(state) ?? 0) + 1)
    }
    const of = (...states: Standing['state'][]) =>
      states.reduce((sum, each) => sum + (count.get(each) ?? 0), 0)
    const isLast = at === ends.length - 1
    const granted = isLast && completed !== undefined ? end - from : grantedOf(opened, at + 1)
    return {
      stage: at + 1,
      hosts: end - from,
      granted,
      healthy: of('healthy'),
      failed: of('failed'),
      running: of('running'),
      waiting: of('unheard', 'waiting', 'shut'),
      absent: of('absent'),
      timedOut: of('timed out'),
      openedMs: opened.find(each => each.stage === at + 1)?.atMs,
    }
  })
  return {
    stages,
    decision: { kind, reason, ...(untilMs !== undefined && { untilMs }) },
    evidence: evidence.flatMap(([host, { proof, ...claim }]) =>
      proof === undefined ? [] : [{ host, claim, why: whyOf(proof) }],
    ),
  }
}
