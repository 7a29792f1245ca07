// Core: how far a release has come, stage by stage, for people: how its hosts stand, and what the evidence says. Decides nothing;
// what opens is gate.ts's.
import type { StatusPair } from '../gossip/message.ts'
import type { Claim } from './evidence.ts'
import { completeMs, type GateDecision, type GateInput, gate, grantedOf, stagesOf } from './gate.ts'
import { boundFrom } from './ladder.ts'
import { isSettled, type Opening, type Standing, Standings } from './standing.ts'

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
  const { kind, reason, untilMs, opened } = inHindsight(input, nowMs)
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

/**
 * The gate's answer. A host that has the release asks it no more and notes no openings: what these rest on was heard before now,
 * and they count from then. Else they would be of this very moment, and whoever is silent would be waited for at each look.
 */
function inHindsight(input: GateInput, nowMs: number): GateDecision {
  let { opened } = input
  for (;;) {
    const decision = gate({ ...input, opened }, nowMs)
    const next = decision.opened[opened.length]
    if (next === undefined) return decision
    const atMs = Math.min(nowMs, restsOnMs(input, opened, next, nowMs) ?? nowMs)
    opened = [...opened, { ...next, atMs }]
  }
}

/** When the last of the hosts settled that were open before; of the first opening, when any of its hosts was heard of. */
function restsOnMs(
  input: GateInput,
  opened: readonly Opening[],
  next: Opening,
  nowMs: number,
): number | undefined {
  const last = opened.at(-1)
  if (last === undefined) {
    const heard = input.turns.hosts.slice(0, next.upTo).map(host => input.heardOf(host)?.firstMs)
    const known = heard.filter(each => each !== undefined)
    return known.length === 0 ? undefined : Math.min(...known)
  }
  const standings = new Standings({ ...input, opened }, completeMs(stagesOf(input), opened), nowMs)
  let atMs = last.atMs
  for (let place = 0; place < standings.open; place++) {
    const standing = standings.of(place)
    if (isSettled(standing)) atMs = Math.max(atMs, standing.ms)
  }
  return atMs
}

/**
 * For one who has just come, and did not see stages open: what is open by the deeds of hosts, since nobody begins whose stage is
 * shut. A silent host opens nothing: others stand in for it.
 */
export function openedByDeeds(input: GateInput, nowMs: number): readonly Opening[] {
  const { turns, opened, claimOf, heardOf } = input
  const begun = turns.hosts.slice(0, turns.counted).filter(host => claimOf(host) !== undefined)
  const last = begun.at(-1)
  const end = last === undefined ? 0 : turns.placeOf(last)! + 1
  if (opened.some(each => each.upTo >= end)) return opened
  const atMs = Math.min(nowMs, ...begun.map(host => heardOf(host)?.firstMs ?? nowMs))
  const ladder = stagesOf(input)
  return ladder.flatMap((upTo, at) => {
    const before = ladder[at - 1] ?? 0
    const size = upTo - before
    const more = Math.min(size, begun.length - before)
    const granted = turns.counted < boundFrom ? size : more
    return more <= 0 ? [] : [{ stage: at + 1, granted, upTo: Math.max(before + granted, end), atMs }]
  })
}
