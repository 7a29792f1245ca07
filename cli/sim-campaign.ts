// `fleet sim --seeds`: many seeds, what was done before left out, every outcome kept as it comes, and one screen at the end.
import { appendFileSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { runCampaign, type Worker } from '../sim/campaign.ts'
import { checkerOf, type Outcome } from '../sim/outcome.ts'
import { readResults, resultLine } from '../sim/results.ts'
import { exitOf, type Summary, saidBy, Tally } from '../sim/summary.ts'
import type { Progress } from './bar.ts'
import { type Answer, exits, type Io } from './command.ts'
import { count, duration, paint, table } from './render.ts'
import { againFor, type CampaignAsk } from './sim-options.ts'

/** Failures of one checker that are told as they come; the others are counted. */
const toldMax = 3

export interface CampaignParts {
  /** Of the sources: seeds done by other code are run again. */
  readonly code: string
  /** All marks there are. */
  readonly marks: readonly string[]
  start(): Worker
}

export async function simulateMany(
  ask: CampaignAsk,
  parts: CampaignParts,
  progress: Progress,
  io: Io,
): Promise<Answer> {
  const { first, last, terms } = ask
  const tally = new Tally()
  const again = (seed: number) => againFor(seed, terms)
  const kept = keep(ask, parts.code, io)
  const done = new Set<number>()
  for (const outcome of kept.before.values()) {
    if (outcome.seed < first || outcome.seed > last) continue
    done.add(outcome.seed)
    tally.add(outcome)
  }
  const total = last - first + 1
  if (done.size > 0) io.progress(`${done.size} of ${count(total, 'seed')} were done before, by the same code`)
  const told = new Told()
  const beganMs = performance.now()
  const isWhole = await runCampaign({
    seeds: left(first, last, done),
    jobs: Math.min(ask.jobs, total - done.size),
    start: parts.start,
    nowMs: () => performance.now(),
    after(ms, action) {
      const timer = setTimeout(action, ms)
      return () => clearTimeout(timer)
    },
    boundMs: ask.patienceMs * (terms.twice ? 2 : 1),
    stopped: io.stopped(),
    onOutcome(outcome, isLate) {
      // What was late is run again by whoever goes on: with more patience, or when the machine is less busy.
      if (!isLate) kept.add(outcome)
      tally.add(outcome)
      if (outcome.ending !== 'ok' && told.isNews(checkerOf(outcome)))
        progress.line(failureLine(outcome, again, io.colour))
      progress.show(tally.seeds / total, statusText(tally, total, done.size, performance.now() - beganMs))
    },
  }).finally(() => progress.end())
  // Terms that leave out hosts or faults leave out the marks that need them.
  const isJudged =
    isWhole && terms.hosts === undefined && terms.classes === undefined && terms.releases === undefined
  const summary = tally.summary(isJudged ? parts.marks : undefined, again)
  const elapsedMs = performance.now() - beganMs
  return {
    exit: isWhole || summary.ending !== 'ok' ? exitOf(summary) : exits.failed,
    json: { first, last, ...summary, isWhole, isJudged, elapsedMs: Math.round(elapsedMs) },
    text: () => summaryText(summary, { total, isWhole, isJudged, elapsedMs, resume: ask.resume }, io),
  }
}

function* left(first: number, last: number, done: ReadonlySet<number>): Generator<number> {
  for (let seed = first; seed <= last; seed++) if (!done.has(seed)) yield seed
}

interface Kept {
  readonly before: ReadonlyMap<number, Outcome>
  add(outcome: Outcome): void
}

function keep({ resume, terms }: CampaignAsk, code: string, io: Io): Kept {
  if (resume === undefined) return { before: new Map(), add: () => {} }
  const file = resolve(io.cwd, resume)
  const text = readIfThere(file)
  // Whoever was killed while writing left half a line: ours must not be glued to it.
  if (text !== '' && !text.endsWith('\n')) appendFileSync(file, '\n')
  const key = { code, terms }
  return {
    before: readResults(text, key),
    add: outcome => appendFileSync(file, resultLine(outcome, key)),
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

/** Where all fail alike, a few lines say so. */
class Told {
  readonly #times = new Map<string, number>()

  isNews(checker: string): boolean {
    const times = (this.#times.get(checker) ?? 0) + 1
    this.#times.set(checker, times)
    return times <= toldMax
  }
}

function failureLine(outcome: Outcome, again: (seed: number) => string, colour: boolean): string {
  return `${paint(outcome.ending, 'red', colour)}: ${saidBy(outcome)}\n  ${again(outcome.seed)}`
}

/** `450 of 1000, 2 failing, 3.1 seeds/s, 3 min left` */
export function statusText(
  tally: Pick<Tally, 'seeds' | 'failed'>,
  total: number,
  before: number,
  elapsedMs: number,
): string {
  const perSecond = (tally.seeds - before) / (elapsedMs / 1000)
  const leftMs = ((total - tally.seeds) / perSecond) * 1000
  return `${tally.seeds} of ${total}, ${tally.failed} failing, ${perSecond.toFixed(1)} seeds/s, ${duration(leftMs)} left`
}

interface Circumstances {
  readonly total: number
  readonly isWhole: boolean
  readonly isJudged: boolean
  readonly elapsedMs: number
  readonly resume: string | undefined
}

export function summaryText(
  summary: Summary,
  about: Circumstances,
  io: Pick<Io, 'columns' | 'colour'>,
): string {
  const { failures, marks, dark, slowest, queues } = summary
  const endings = Object.entries(summary.endings).filter(([, seeds]) => seeds > 0)
  const heads = endings.map(([name, seeds]) =>
    paint(`${seeds} ${name}`, name === 'ok' ? 'green' : 'red', io.colour),
  )
  const lines = [
    `${count(summary.seeds, 'seed')} in ${duration(about.elapsedMs)}: ${heads.join(', ') || 'none'}`,
  ]
  if (!about.isWhole) {
    const resume = about.resume === undefined ? '' : `; the same command goes on from ${about.resume}`
    lines.push(`stopped: ${about.total - summary.seeds} were not run${resume}`)
  }
  if (failures.length > 0) {
    const rows = failures.map(each => [
      each.ending,
      each.checker,
      String(each.count),
      each.seeds.join(' '),
      each.text,
    ])
    lines.push('', table(['ENDING', 'CHECKER', 'SEEDS', 'FIRST', 'WHAT THE FIRST SAID'], rows, io.columns))
    lines.push(...failures.map(each => `  ${each.again}`))
  }
  if (marks.length > 0) {
    const rows = marks.map(([mark, seeds]) => [mark, String(seeds)])
    lines.push('', table(['MARK', 'SEEDS THAT REACHED IT'], rows, io.columns))
  }
  if (dark.length > 0)
    lines.push('', paint(`never reached, so nothing was tried there: ${dark.join(', ')}`, 'red', io.colour))
  else if (!about.isJudged)
    lines.push('', 'marks were not judged: that takes a whole campaign without --hosts and --faults')
  if (Object.keys(queues).length > 0) {
    const rows = Object.entries(queues).map(([name, [largest, bound]]) => [
      name,
      String(largest),
      String(bound),
    ])
    lines.push('', table(['QUEUE', 'LARGEST', 'BOUND'], rows, io.columns))
  }
  if (slowest.length > 0)
    lines.push('', `slowest: ${slowest.map(each => `${each.seed} (${duration(each.wallMs)})`).join(', ')}`)
  return lines.join('\n')
}
