// The world of a simulation: one clock, one queue, one seed. What happens at one moment happens in the order in which
// it was asked for, so that a seed tells the whole story.

interface Event {
  readonly atMs: number
  readonly sequence: number
  /** Undefined once cancelled. */
  action: (() => void) | undefined
}

export class World {
  readonly seed: number
  #nowMs = 0
  #sequence = 0
  readonly #queue: Event[] = []

  constructor(seed: number) {
    this.seed = seed
  }

  /** ms since the world began. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Runs `action` after `ms`, rounded to whole ones, at least at the next turn; answers with how to cancel it. */
  after(ms: number, action: () => void): () => void {
    const atMs = this.#nowMs + Math.max(0, Math.round(ms))
    const event: Event = { atMs, sequence: this.#sequence++, action }
    this.#push(event)
    return () => {
      event.action = undefined
    }
  }

  /** Numbers in [0, 1): one stream per seed, entity and purpose, so that a new use of chance disturbs no other. */
  chance(entity: string, purpose: string): () => number {
    let state = this.seed >>> 0
    for (const char of `${entity}\0${purpose}`) state = mix(state ^ char.codePointAt(0)!)
    return () => {
      state = (state + 0x9e3779b9) >>> 0
      return mix(state) / 2 ** 32
    }
  }

  /** Runs the next event; false when there is none. */
  step(): boolean {
    for (let event = this.#pop(); event !== undefined; event = this.#pop()) {
      if (event.action === undefined) continue
      this.#nowMs = event.atMs
      event.action()
      return true
    }
    return false
  }

  /** Runs events until `done` says so; promises get their turn between two events. Fails after `withinMs`. */
  async until(done: () => boolean, withinMs = 3_600_000): Promise<void> {
    const endMs = this.#nowMs + withinMs
    for (await turn(); !done(); await turn())
      if (this.#nowMs > endMs || !this.step())
        throw new Error(`seed ${this.seed}: not done at ${this.#nowMs} ms`)
  }

  #push(event: Event): void {
    const queue = this.#queue
    let at = queue.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (isBefore(queue[parent]!, event)) break
      queue[at] = queue[parent]!
      at = parent
    }
    queue[at] = event
  }

  #pop(): Event | undefined {
    const queue = this.#queue
    const first = queue[0]
    const last = queue.pop()
    if (last === undefined || last === first) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child + 1 < queue.length && isBefore(queue[child + 1]!, queue[child]!)) child += 1
      if (child >= queue.length || isBefore(last, queue[child]!)) break
      queue[at] = queue[child]!
      at = child
    }
    queue[at] = last
    return first
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)
}

/** A bijection of 32 bits in which every input bit moves about half of the output's. */
function mix(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x21f0aaad)
  value = Math.imul(value ^ (value >>> 15), 0x735a2d97)
  return (value ^ (value >>> 15)) >>> 0
}

/** Lets every promise that is settled, and those that follow from it, run. */
function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
