// A rate with a burst. What happens to those who come too often is for the caller to decide.

export class Bucket {
  readonly #perMs: number
  readonly #burst: number
  #tokens: number
  #atMs: number | undefined

  /** `perSecond` tokens come back, up to `burst`, which is also what a new bucket holds. */
  constructor(perSecond: number, burst: number) {
    this.#perMs = perSecond / 1_000
    this.#burst = burst
    this.#tokens = burst
  }

  /** Takes a token and answers 0, or takes none and answers in how many ms there will be one. */
  take(nowMs: number): number {
    const wait = this.wait(nowMs)
    if (wait === 0) this.#tokens -= 1
    return wait
  }

  /** Takes what was used already, and so may leave a debt. */
  charge(tokens: number): void {
    this.#tokens -= tokens
  }

  /** As `take`, but only looks. */
  wait(nowMs: number): number {
    const passed = Math.max(0, nowMs - (this.#atMs ?? nowMs))
    this.#tokens = Math.min(this.#burst, this.#tokens + passed * this.#perMs)
    this.#atMs = nowMs
    return this.#tokens >= 1 ? 0 : Math.ceil((1 - this.#tokens) / this.#perMs)
  }
}
