// The clock that a simulated host reads: the world's time from an epoch, made wrong by faults. Waits do not go by it.
import type { Clock } from '../node/ports.ts'
import type { Time } from './world.ts'

/** ms since 1970 at which every world begins: 2026-11-01T00:00:00Z. */
export const epochMs = 1_793_491_200_000

export class SimClock implements Clock {
  readonly #world: Time
  /** What it showed, and when that was: it goes on from there. */
  #shownMs: number
  #sinceMs: number
  #rate = 1

  constructor(world: Time) {
    this.#world = world
    this.#shownMs = epochMs + world.nowMs
    this.#sinceMs = world.nowMs
  }

  now(): number {
    return Math.round(this.#shownMs + (this.#world.nowMs - this.#sinceMs) * this.#rate)
  }

  steady(): number {
    return epochMs + this.#world.nowMs
  }

  /** Jumps forth or back. */
  step(ms: number): void {
    this.#shownMs = this.now() + ms
    this.#sinceMs = this.#world.nowMs
  }

  /** 1: right; 0: it stands still. */
  run(rate: number): void {
    this.step(0)
    this.#rate = rate
  }

  /** Somebody sets it right. */
  mend(): void {
    this.#shownMs = epochMs + this.#world.nowMs
    this.#sinceMs = this.#world.nowMs
    this.#rate = 1
  }
}
