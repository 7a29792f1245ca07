// Core: the stages of a release as cumulative host counts, and how many hosts of a stage the evidence lets start. Who these
// hosts are is turns.ts's; whether the evidence is in is gate.ts's.
import { budgetLeft, largestStep, liesAmong } from './bound.ts'

/** What a release entry says of its stages. */
export interface Terms {
  /** Cumulative host counts, strictly increasing, 1 to 64 of them; the last one is all. */
  readonly stages: readonly number[]
  /** Basis points, 0 to 10,000: the share of the hosts that may break, and of verdicts that may be lies. */
  readonly risk: number
  readonly liars: number
}

export interface Verdicts {
  readonly healthy: number
  readonly failed: number
}

/** Hosts of a stage whose evidence counts: enough to be sure of 2.3 % without a failure, and no more to send in larger fleets. */
export const panelMax = 128
/** Below so many hosts the bound would allow nothing: stages double, and any failure holds. */
export const boundFrom = 40
/** docs/formats.md section 4. */
const stagesMax = 64

/** A stage, or a part of one. */
export interface Step {
  /** From 1. */
  readonly stage: number
  /** Hosts open once it starts. */
  readonly upTo: number
}

export type Ladder =
  | { readonly kind: 'stages'; readonly stages: readonly number[] }
  /** In words: what is wrong, and what would do. */
  | { readonly kind: 'refused'; readonly reason: string }

/**
 * How many hosts of a stage may start, at least `granted` and at most `size`, once the panel members among the granted are
 * settled: beyond these, the most that stay within the risk if they fail as often as the evidence allows, beside the damage in
 * the `before` hosts open before the stage. What is open beyond the panel stays counted by the bound, since nobody hears of it.
 * Below 40 hosts: all of it, or, with a failure, no more. A step of one panel member passes while nothing has failed: it brings
 * evidence.
 */
export function grant(
  hosts: number,
  { risk, liars }: Pick<Terms, 'risk' | 'liars'>,
  { healthy, failed }: Verdicts,
  stage: { readonly before: number; readonly size: number; readonly granted: number },
): number {
  const { before, size, granted } = stage
  if (hosts < boundFrom) return failed === 0 ? size : granted
  const trials = Math.max(0, healthy - liesAmong(healthy + failed, liars)) + failed
  const known = Math.min(granted, panelMax)
  const budget = budgetLeft({ hosts, risk, healthy, failed, open: before + known })
  const most = known + largestStep(failed, trials, budget, size - known)
  const one = failed === 0 && granted < panelMax ? Math.min(size, granted + 1) : 0
  return Math.max(granted, most, one)
}

/** The steps in which stages open when every host is healthy; short of all hosts when the evidence never suffices. */
export function stepsOf(terms: Terms): readonly Step[] {
  const hosts = terms.stages.at(-1) ?? 0
  const steps: Step[] = []
  let [before, healthy] = [0, 0]
  for (const [at, upTo] of terms.stages.entries()) {
    const size = upTo - before
    let granted = 0
    while (granted < size) {
      const next = grant(hosts, terms, { healthy, failed: 0 }, { before, size, granted })
      if (next === granted) return steps
      healthy += Math.min(next, panelMax) - Math.min(granted, panelMax)
      granted = next
      steps.push({ stage: at + 1, upTo: before + granted })
    }
    before = upTo
  }
  return steps
}

/** Milliseconds from the first opening until the last host is healthy, if all are and none is absent; runs take no time here. */
export function earliestMs(
  terms: Terms,
  times: { readonly windowMs: number; readonly soakMs: number },
): number {
  return stepsOf(terms).length * (times.windowMs + times.soakMs)
}

/**
 * Stages for `hosts` affected hosts, 1 to 1,000,000. `wish`: `auto`, or percentages (up to two decimals, rounded up to
 * hosts) and counts between commas or blanks; counts above `hosts` are cut to it, so that a policy serves small releases too.
 * Refuses what would stand still without any failure.
 */
export function ladderOf(wish: string, hosts: number, terms: Pick<Terms, 'risk' | 'liars'>): Ladder {
  const ladder = wish.trim() === 'auto' ? autoLadder(hosts, terms) : namedLadder(wish, hosts)
  if (ladder.kind === 'refused') return ladder
  const { stages } = ladder
  if (stages.length > stagesMax)
    return refused(
      `${count(stages.length, 'stage')}; at most ${stagesMax} can be signed: allow more risk per stage, or name fewer`,
    )
  const reached = stepsOf({ ...terms, stages }).at(-1)?.upTo ?? 0
  if (reached === hosts) return ladder
  const stage = stages.findIndex(upTo => upTo > reached)
  return refused(
    `stage ${stage + 1} would stop at ${reached} of ${stages[stage]} hosts even with every host healthy: its panel of ${panelMax} cannot show that more stay within a risk of ${terms.risk / 100} %; end it at ${reached}, or allow more risk`,
  )
}

/** The largest steps that the gate allows without a failure, after one host; below 40 hosts, doubling. */
function autoLadder(hosts: number, terms: Pick<Terms, 'risk' | 'liars'>): Ladder {
  const stages = [1]
  let healthy = 1
  for (let before = 1; before < hosts && stages.length <= stagesMax; ) {
    const size = hosts - before
    const step =
      hosts < boundFrom
        ? Math.min(size, before)
        : grant(hosts, terms, { healthy, failed: 0 }, { before, size, granted: 0 })
    before += step
    healthy += Math.min(step, panelMax)
    stages.push(before)
  }
  return { kind: 'stages', stages }
}

function namedLadder(wish: string, hosts: number): Ladder {
  const stages: number[] = []
  for (const word of wish.split(/[\s,]+/).filter(each => each !== '')) {
    const upTo = hostsOf(word, hosts)
    if (upTo === undefined)
      return refused(`found ${word}; expected auto, or stages such as 1%,10%,100% or 1,5,100%`)
    const last = stages.at(-1) ?? 0
    if (upTo < last) return refused(`found ${word} after ${last} hosts; each stage takes in the ones before`)
    if (upTo > last) stages.push(upTo)
  }
  return stages.at(-1) === hosts
    ? { kind: 'stages', stages }
    : refused(`the last stage takes ${stages.at(-1) ?? 0} of ${hosts} hosts; end with 100%`)
}

/** 1 to `hosts`; undefined for what is neither a count nor a percentage. */
function hostsOf(word: string, hosts: number): number | undefined {
  const [, whole, part = '', percent] = /^(\d{1,7})(?:\.(\d{1,2}))?(%?)$/.exec(word) ?? []
  if (whole === undefined || (part !== '' && percent === '')) return undefined
  if (percent === '') return Number(whole) > 0 ? Math.min(hosts, Number(whole)) : undefined
  const basisPoints = Number(whole) * 100 + Number(part.padEnd(2, '0'))
  return basisPoints > 0 && basisPoints <= 10_000 ? Math.ceil((basisPoints * hosts) / 10_000) : undefined
}

function refused(reason: string): Ladder {
  return { kind: 'refused', reason }
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`
}
