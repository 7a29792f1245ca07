// What a campaign keeps of one seed: a line of JSON small enough for millions. Also where a seed is run twice, and where
// a simulator that throws becomes a crash with its seed. The summary over all of them is summary.ts's.
import type { FaultClass, Scenario } from './faults.ts'
import type { Plan } from './plan.ts'
import { type Ending, exitCodes, type Report, type Violation } from './report.ts'

/** Violations and pending things that are kept of a seed; the others are seen when it is run again. */
const kept = 3
/** Characters kept of one text: a stack has its end. */
const textMax = 2_000

export interface Outcome {
  readonly seed: number
  readonly ending: Ending
  readonly violations: readonly Violation[]
  readonly pending: readonly string[]
  readonly marks: Readonly<Record<string, number>>
  /** Empty when the run did not come to its end. */
  readonly traceHash: string
  readonly wallMs: number
  readonly queues: Report['queues']
}

/** What a seed of a campaign is run with, besides the seed. */
export interface Terms {
  readonly hosts?: number
  /** Each of them strikes. Default: the dice of the seed choose. */
  readonly classes?: readonly FaultClass[]
  /** Published in the first phase; default: drawn. */
  readonly releases?: number
  /** No stages, whatever the dice of the seed say. */
  readonly atOnce?: boolean
  readonly realCrypto?: boolean
  /** Run twice, and compared. */
  readonly twice?: boolean
}

/** sim/main.ts and sim/draw.ts, as they are handed in. */
export interface Simulator {
  simulate(
    scenario: Scenario,
    options?: {
      readonly realCrypto?: boolean
      readonly plan?: Plan
      readonly onProgress?: (share: number, line: string) => void
    },
  ): Promise<Report>
  drawScenario(
    seed: number,
    options?: {
      readonly hosts?: number
      readonly classes?: readonly FaultClass[]
      readonly everything?: boolean
      readonly releases?: number
      readonly atOnce?: boolean
    },
  ): Scenario
}

export function drawn(simulator: Simulator, seed: number, terms: Terms): Scenario {
  const { hosts, classes, releases, atOnce } = terms
  return simulator.drawScenario(seed, {
    ...(hosts !== undefined && { hosts }),
    ...(classes !== undefined && { classes, everything: true }),
    ...(releases !== undefined && { releases }),
    ...(atOnce !== undefined && { atOnce }),
  })
}

/** Never rejects: what a seed throws is its outcome. */
export async function runSeed(
  simulator: Simulator,
  seed: number,
  terms: Terms,
  nowMs: () => number,
): Promise<Outcome> {
  const beganMs = nowMs()
  try {
    const scenario = drawn(simulator, seed, terms)
    const run = () => simulator.simulate(scenario, { realCrypto: terms.realCrypto === true })
    const report = terms.twice ? await twice(run) : await run()
    return outcomeOf(report, nowMs() - beganMs)
  } catch (error) {
    return crashed(
      seed,
      error instanceof Error ? (error.stack ?? error.message) : String(error),
      nowMs() - beganMs,
    )
  }
}

export function outcomeOf(report: Report, wallMs: number): Outcome {
  const { seed, ending, violations, pending, marks, traceHash, queues } = report
  return {
    seed,
    ending,
    violations: violations.slice(0, kept).map(each => ({ ...each, text: each.text.slice(0, textMax) })),
    pending: pending.slice(0, kept).map(each => each.slice(0, textMax)),
    marks,
    traceHash,
    wallMs: Math.round(wallMs),
    queues,
  }
}

export function crashed(seed: number, text: string, wallMs: number): Outcome {
  return {
    seed,
    ending: 'crash',
    violations: [{ checker: 'crash', atMs: 0, text: text.slice(0, textMax) }],
    pending: [],
    marks: {},
    traceHash: '',
    wallMs: Math.round(wallMs),
    queues: {},
  }
}

/** The first report; it ends as nondeterminism when the second has another trace. */
export async function twice(run: () => Promise<Report>): Promise<Report> {
  const first = await run()
  const second = await run()
  if (first.traceHash === second.traceHash) return first
  const text = `the same scenario gave the trace ${first.traceHash} (${first.events} events), then ${second.traceHash} (${second.events} events)`
  return {
    ...first,
    ending: 'nondeterminism',
    violations: [{ checker: 'nondeterminism', atMs: 0, text }, ...first.violations],
  }
}

/** The first checker that spoke; a core that did not converge has none. */
export function checkerOf({ ending, violations }: Pick<Outcome, 'ending' | 'violations'>): string {
  return violations[0]?.checker ?? ending
}

/** What a run must have in common with the one that is shrunk: another bug that shows on the way is another bug. */
export function signature(report: Pick<Report, 'ending' | 'violations'>): string {
  const checker = checkerOf(report)
  if (checker !== 'crash') return `${report.ending} ${checker}`
  // Of crashes the message is the kind, without what differs from run to run.
  const message = report.violations[0]?.text.split('\n')[0] ?? ''
  return `crash ${message.replace(/0x[0-9a-f]+|\b[0-9a-f]{8,}\b|[0-9]+/g, '#')}`
}

/** The codes ascend by how bad it is: what cannot be replayed is worst. */
export const worse = (a: Ending, b: Ending): Ending => (exitCodes[b] > exitCodes[a] ? b : a)
