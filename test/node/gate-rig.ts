// Fleets and what is heard of them, for the tests of the gate.
import type { Claim, EvidenceState } from '../../node/evidence.ts'
import type { GateInput } from '../../node/gate.ts'
import { ladderOf } from '../../node/ladder.ts'
import type { Opening } from '../../node/standing.ts'
import { type Candidate, type Turns, turnsOf } from '../../node/turns.ts'

export const minute = 60_000
export const times = {
  windowMs: 10 * minute,
  soakMs: 10 * minute,
  deadlineMs: 30 * minute,
  heartbeatMs: minute,
}
/** When a host that says nothing counts as absent, and one that began as timed out. */
export const absentMs = 13 * minute
export const lateMs = 40 * minute
export const words: Record<string, EvidenceState> = {
  n: 'NOOP',
  a: 'APPLYING',
  d: 'APPLIED',
  i: 'INCONCLUSIVE',
  h: 'HEALTHY',
  f: 'FAILED',
}

export function fleet(
  hosts: number,
  more: (n: number) => Partial<Candidate> = () => ({}),
  serial?: string,
): Turns {
  const candidates = Array.from({ length: hosts }, (_, n) => ({
    key: n.toString(16).padStart(64, '0'),
    labels: {},
    changes: `only ${n}`,
    origin: true,
    guest: false,
    ...more(n),
  }))
  return turnsOf(candidates, '00'.repeat(32), serial)
}

export interface Case {
  /** A letter a place: n a d i h f, or . for silence. */
  readonly said?: string
  /** Stages opened at 0, or openings. */
  readonly open?: number | readonly Opening[]
  readonly nowMs?: number
  readonly more?: Partial<GateInput>
}

export function inputOf(turns: Turns, { said = '', open = 1, more = {} }: Case): GateInput {
  const ladder = ladderOf('auto', Math.max(1, turns.counted), { risk: 500, liars: 0 })
  const stages = ladder.kind === 'stages' ? ladder.stages : []
  const claims = new Map<string, Claim>(
    [...said].flatMap((letter, place) =>
      letter === '.' ? [] : [[turns.hosts[place]!, { attempt: 1, state: words[letter]! }] as const],
    ),
  )
  const opened =
    typeof open === 'number'
      ? stages
          .slice(0, open)
          .map((upTo, at) => ({ stage: at + 1, granted: upTo - (stages[at - 1] ?? 0), upTo, atMs: 0 }))
      : open
  return {
    turns,
    terms: { stages, risk: 500, liars: 0 },
    times,
    claimOf: host => claims.get(host),
    heardOf: () => ({ firstMs: 0, verdictMs: 0 }),
    opened,
    roster: { enrolled: turns.counted, heard: turns.counted },
    ...more,
  }
}

export function upTo(count: number, stages: readonly number[]): Opening[] {
  return stages
    .slice(0, count)
    .map((each, at) => ({ stage: at + 1, granted: each - (stages[at - 1] ?? 0), upTo: each, atMs: 0 }))
}
