// What many outcomes come to: which checkers spoke for how many seeds and how to see it again, which marks were lit,
// which never. Plain data, and its text; adds one outcome at a time, so that it may be asked for at any moment.
import { checkerOf, type Outcome, worse } from './outcome.ts'
import { type Ending, exitCodes, type Report } from './report.ts'

/** Seeds that are named of a checker, and of the slowest. */
const named = 5

export interface Summary {
  readonly seeds: number
  readonly ending: Ending
  readonly endings: Readonly<Record<Ending, number>>
  readonly failures: readonly Failure[]
  /** Seeds that lit it, most first. */
  readonly marks: readonly (readonly [mark: string, seeds: number])[]
  /** Marks that no seed lit; empty when that was not judged. */
  readonly dark: readonly string[]
  readonly slowest: readonly { readonly seed: number; readonly wallMs: number }[]
  readonly queues: Report['queues']
  /** Wall clock of all seeds, however many ran at a time. */
  readonly wallMs: number
}

export interface Failure {
  readonly checker: string
  readonly ending: Ending
  /** How many seeds. */
  readonly count: number
  /** The first few. */
  readonly seeds: readonly number[]
  /** What the first of them said. */
  readonly text: string
  /** The command that runs the first of them again. */
  readonly again: string
}

interface Counted {
  count: number
  ending: Ending
  seeds: { readonly seed: number; readonly text: string }[]
}

export class Tally {
  #seeds = 0
  #wallMs = 0
  #ending: Ending = 'ok'
  readonly #endings: Record<Ending, number> = { ok: 0, crash: 0, liveness: 0, safety: 0, nondeterminism: 0 }
  readonly #failures = new Map<string, Counted>()
  readonly #marks = new Map<string, number>()
  #slowest: { readonly seed: number; readonly wallMs: number }[] = []
  readonly #queues = new Map<string, readonly [largest: number, bound: number]>()

  get seeds(): number {
    return this.#seeds
  }

  get failed(): number {
    return this.#seeds - this.#endings.ok
  }

  add(outcome: Outcome): void {
    const { seed, ending, wallMs } = outcome
    this.#seeds++
    this.#wallMs += wallMs
    this.#ending = worse(this.#ending, ending)
    this.#endings[ending]++
    if (ending !== 'ok') this.#fail(outcome)
    for (const [mark, times] of Object.entries(outcome.marks))
      if (times > 0) this.#marks.set(mark, (this.#marks.get(mark) ?? 0) + 1)
    this.#slowest = firsts(
      [...this.#slowest, { seed, wallMs }],
      (a, b) => b.wallMs - a.wallMs || a.seed - b.seed,
    )
    for (const [name, [largest, bound]] of Object.entries(outcome.queues))
      this.#queues.set(name, [Math.max(largest, this.#queues.get(name)?.[0] ?? 0), bound])
  }

  #fail(outcome: Outcome): void {
    const { seed, ending } = outcome
    const checker = checkerOf(outcome)
    const known = this.#failures.get(checker) ?? { count: 0, ending, seeds: [] }
    known.count++
    known.ending = worse(known.ending, ending)
    // By seed, not by time: which worker was first is chance.
    known.seeds = firsts([...known.seeds, { seed, text: saidBy(outcome) }], (a, b) => a.seed - b.seed)
    this.#failures.set(checker, known)
  }

  /** `known`: all marks there are, or nothing when dark ones say nothing. `again`: the command that runs a seed. */
  summary(known: readonly string[] | undefined, again: (seed: number) => string): Summary {
    return {
      seeds: this.#seeds,
      ending: this.#ending,
      endings: { ...this.#endings },
      failures: [...this.#failures]
        .map(([checker, { count, ending, seeds }]) => ({
          checker,
          ending,
          count,
          seeds: seeds.map(each => each.seed),
          text: seeds[0]!.text,
          again: again(seeds[0]!.seed),
        }))
        .sort((a, b) => exitCodes[b.ending] - exitCodes[a.ending] || b.count - a.count),
      marks: [...this.#marks].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)),
      dark: (known ?? []).filter(each => !this.#marks.has(each)),
      slowest: this.#slowest,
      queues: Object.fromEntries([...this.#queues].sort(([a], [b]) => (a < b ? -1 : 1))),
      wallMs: this.#wallMs,
    }
  }
}

function firsts<T>(all: readonly T[], order: (a: T, b: T) => number): T[] {
  return all.toSorted(order).slice(0, named)
}

/** The first line of what is wrong. */
export function saidBy({ violations, pending, ending }: Outcome): string {
  const text = violations[0]?.text ?? (pending.length > 0 ? `still pending: ${pending.join('; ')}` : ending)
  return text.split('\n')[0]!
}

/** Of violations the code of the worst; else 1 when a mark stayed dark. */
export function exitOf({ ending, dark }: Summary): 1 | (typeof exitCodes)[Ending] {
  return ending === 'ok' && dark.length > 0 ? 1 : exitCodes[ending]
}
