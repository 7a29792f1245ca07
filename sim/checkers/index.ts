// The promises that a simulated fleet is held to, by the names that reports give them.
import type { Checker } from '../events.ts'
import { aboveFloor } from './above-floor.ts'
import { blastRadius } from './blast-radius.ts'
import { bounded, type Queues } from './bounded.ts'
import { converges } from './converges.ts'
import { counter } from './counter.ts'
import { evidence } from './evidence.ts'
import { fetchEnds } from './fetch-ends.ts'
import { haltObeyed } from './halt-obeyed.ts'
import { journalConsistent } from './journal-consistent.ts'
import { lateJoiner } from './late-joiner.ts'
import { merge } from './merge.ts'
import { neverUnsigned } from './never-unsigned.ts'
import { oneRun } from './one-run.ts'
import { quarantined } from './quarantined.ts'
import { relaysValid } from './relays-valid.ts'
import { soak } from './soak.ts'
import { stageOrder } from './stage-order.ts'
import { stillReached } from './still-reached.ts'

/** Those of liveness: what they find is no wrong deed, but one that does not come. */
export const liveness: ReadonlySet<string> = new Set(['converges', 'late-joiner', 'fetch-ends'])

export function checkers(queues: Queues['largest']): ReadonlyMap<string, Checker> {
  return new Map<string, Checker>([
    ['never-unsigned', neverUnsigned()],
    ['above-floor', aboveFloor()],
    ['one-run', oneRun()],
    ['journal-consistent', journalConsistent()],
    ['bounded', bounded(queues)],
    ['still-reached', stillReached()],
    ['quarantined', quarantined()],
    ['relays-valid', relaysValid()],
    ['counter', counter()],
    ['merge', merge()],
    ['stage-order', stageOrder()],
    ['blast-radius', blastRadius()],
    ['halt-obeyed', haltObeyed()],
    ['soak', soak()],
    ['evidence', evidence()],
    ['converges', converges()],
    ['late-joiner', lateJoiner()],
    ['fetch-ends', fetchEnds()],
  ])
}
