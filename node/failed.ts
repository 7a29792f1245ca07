// Core: the releases that failed on this host, and at which attempt, so that it refuses each until a signed `retry` allows more.
// What is remembered, and how that is written; when to forget, the agent decides.

/** Newest failures that are remembered: a host has the newest 10 releases, and goes after one. */
const failedMax = 64

export class Failed {
  readonly #attempts: Map<string, number>

  /** `lines`: as `lines()` gave them; what is of another form is left out. */
  constructor(lines: readonly string[]) {
    const found = lines.map(line => /^([0-9a-f]{64})(?: ([1-9][0-9]{0,15}))?$/.exec(line))
    this.#attempts = new Map(found.flatMap(each => (each ? [[each[1]!, Number(each[2] ?? 1)]] : [])))
  }

  /** The entry failed here at this attempt, from 1. */
  add(entry: string, attempt: number): void {
    this.#attempts.delete(entry)
    this.#attempts.set(entry, attempt)
    const [oldest] = this.#attempts.keys()
    if (this.#attempts.size > failedMax && oldest !== undefined) this.#attempts.delete(oldest)
  }

  /** Whether it failed at this attempt or a later one. */
  has(entry: string, attempt: number): boolean {
    return (this.#attempts.get(entry) ?? 0) >= attempt
  }

  /** It came in force here after all. True: it was known as failed. */
  forget(entry: string): boolean {
    return this.#attempts.delete(entry)
  }

  clear(): void {
    this.#attempts.clear()
  }

  /** One an entry: its id, and the attempt when it was not the first (docs/formats.md section 12). */
  lines(): string[] {
    return [...this.#attempts].map(([entry, attempt]) => (attempt === 1 ? entry : `${entry} ${attempt}`))
  }
}
