// Core: when a run that changed nothing is tried again. Pauses grow; a run that could not be confirmed is tried so often
// and no more, until somebody asks for it or another release comes.
import type { RunReport } from './report.ts'

/** ms after a run that answered WAIT; doubled each time up to the second number. */
const pauseMs = { first: 15_000, most: 600_000 } as const
/** Runs that nobody confirmed (DESIGN section 7). */
const inconclusiveMax = 3

export class Retries {
  readonly #random: () => number
  #pauseMs = pauseMs.first / 2
  #inconclusive = 0
  #atMs: number | undefined
  #aim: { readonly entry: string; readonly attempt: number } | undefined

  /** `random` is in [0, 1). */
  constructor(random: () => number) {
    this.#random = random
  }

  /** When the next try is due; undefined: none is waited for. */
  get atMs(): number | undefined {
    return this.#atMs
  }

  /** Tried as often as it may be: nobody could say whether the run cuts this host off. */
  get exhausted(): boolean {
    return this.#inconclusive >= inconclusiveMax
  }

  /** What is run next: another release, or a higher attempt that an operator signed, is as if nothing had ever been tried. */
  aim(entry: string, attempt: number): void {
    if (entry !== this.#aim?.entry || attempt > this.#aim.attempt) this.clear()
    this.#aim = { entry, attempt }
  }

  ran(kind: RunReport['kind'], nowMs: number): void {
    if (kind === 'applied' || kind === 'failed') {
      this.clear()
      return
    }
    if (kind === 'inconclusive') this.#inconclusive++
    this.#pauseMs = Math.min(pauseMs.most, this.#pauseMs * 2)
    this.#atMs = nowMs + this.#pauseMs * (0.75 + this.#random() / 2)
  }

  /** Something has changed that a try may depend on. */
  soon(): void {
    this.#atMs = undefined
    this.#pauseMs = pauseMs.first / 2
  }

  /** An operator asks: all is as if it had never been tried. */
  clear(): void {
    this.soon()
    this.#inconclusive = 0
  }
}
