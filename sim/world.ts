// The world of a simulation: one clock, one queue, one seed, one trace. What happens at one moment happens in the order
// in which it was asked for, so that a seed tells the whole story.
import { createHash } from 'node:crypto'
import { Calendar } from './calendar.ts'

/** Time and chance, as whoever lives in a world needs them. World has virtual ones, libp2p.ts real ones. */
export interface Time {
  /** ms since the world began. */
  readonly nowMs: number
  /** Runs `action` after `ms`; answers with how to cancel it. */
  after(ms: number, action: () => void): () => void
  /** Numbers in [0, 1). */
  chance(entity: string, purpose: string): () => number
  /** To be called by whoever settles a promise, or calls code that may. */
  unsettled(): void
}

/** Events after which promises get a turn although nobody asked for one: what they wait for must not pile up. */
const eventsPerTurn = 1_000
/** Turns after which the process gets one for itself: what it is told by signals, and what it prints. */
const turnsPerBreath = 1_000
/** Characters of trace that are gathered before they are hashed. */
const traceChars = 64 * 1024

export class World implements Time {
  readonly seed: number
  readonly #calendar = new Calendar()
  /** Of each slot; undefined once cancelled. */
  readonly #actions: ((() => void) | undefined)[] = []
  /** Of each slot: which use of it this is, so that a late cancel hits nobody else. */
  readonly #uses: number[] = []
  #events = 0
  #isUnsettled = true
  #sinceTurn = 0
  #turns = 0
  readonly #hash = createHash('sha256')
  #trace = ''

  constructor(seed: number) {
    this.seed = seed
  }

  /** ms since the world began. */
  get nowMs(): number {
    return this.#calendar.nowMs
  }

  /** How many have happened so far. */
  get events(): number {
    return this.#events
  }

  /** Runs `action` after `ms`, rounded to whole ones, at least at the next turn; answers with how to cancel it. */
  after(ms: number, action: () => void): () => void {
    const slot = this.#push(ms, action)
    const use = this.#uses[slot]
    return () => {
      if (this.#uses[slot] === use) this.#actions[slot] = undefined
    }
  }

  /** The same for what nobody cancels. */
  later(ms: number, action: () => void): void {
    this.#push(ms, action)
  }

  #push(ms: number, action: () => void): number {
    const slot = this.#calendar.push(this.#calendar.nowMs + Math.max(0, Math.round(ms)))
    this.#uses[slot] = (this.#uses[slot] ?? 0) + 1
    this.#actions[slot] = action
    return slot
  }

  /** Numbers in [0, 1): one stream per seed, entity and purpose, so that a new use of chance disturbs no other. */
  chance(entity: string, purpose: string): () => number {
    return this.chances(entity)(purpose)
  }

  /** The same for many purposes of one entity. */
  chances(entity: string): (purpose: string) => () => number {
    const begin = stateOf(this.seed, `${entity}\0`)
    return purpose => stream(textState(begin, purpose))
  }

  /** To be called by whoever settles a promise, or calls code that may: it gets its turn before the next event. */
  unsettled(): void {
    this.#isUnsettled = true
  }

  /** Notes what happened, as part of `traceHash`. */
  trace(text: string): void {
    this.#trace += `${this.nowMs} ${text}\n`
    if (this.#trace.length >= traceChars) this.#flush()
  }

  /** SHA-256 over all that was traced so far, in hex. */
  traceHash(): string {
    this.#flush()
    return this.#hash.copy().digest('hex')
  }

  /** Runs the next event; false when there is none, or none by `untilMs`. */
  step(untilMs = Number.POSITIVE_INFINITY): boolean {
    for (let slot = this.#calendar.pop(untilMs); slot >= 0; slot = this.#calendar.pop(untilMs)) {
      const action = this.#actions[slot]
      this.#actions[slot] = undefined
      this.#uses[slot]! += 1
      if (action === undefined) continue
      this.#events += 1
      action()
      return true
    }
    return false
  }

  /** Runs events until `done` says so; promises get their turn where they may be settled. Fails after `withinMs`. */
  async until(done: () => boolean, withinMs = 3_600_000): Promise<void> {
    const endMs = this.nowMs + withinMs
    // The caller may have settled something meanwhile.
    this.unsettled()
    for (;;) {
      if (this.#isTurn()) await this.#turn()
      if (done()) return
      if (this.nowMs > endMs || !(this.step() || this.#isUnsettled))
        throw new Error(`seed ${this.seed}: not done at ${this.nowMs} ms`)
    }
  }

  /** Runs all events up to `untilMs`, and ends then. */
  async run(untilMs: number): Promise<void> {
    this.unsettled()
    do if (this.#isTurn()) await this.#turn()
    while (this.step(untilMs) || this.#isUnsettled)
    if (untilMs > this.nowMs) this.#calendar.advance(untilMs)
  }

  #isTurn(): boolean {
    if (!this.#isUnsettled && ++this.#sinceTurn < eventsPerTurn) return false
    this.#isUnsettled = false
    this.#sinceTurn = 0
    return true
  }

  /** Lets every promise that is settled, and those that follow from it, run: a tick comes when none is left. */
  #turn(): Promise<void> {
    const isBreath = ++this.#turns % turnsPerBreath === 0
    return new Promise(resolve => (isBreath ? setImmediate(resolve) : process.nextTick(resolve)))
  }

  #flush(): void {
    this.#hash.update(this.#trace)
    this.#trace = ''
  }
}

/** Where a stream of chance begins. */
export function stateOf(seed: number, text: string): number {
  return textState(seed >>> 0, text)
}

function textState(begin: number, text: string): number {
  let state = begin
  for (let at = 0; at < text.length; at++) state = mix(state ^ text.codePointAt(at)!)
  return state
}

function stream(begin: number): () => number {
  let state = begin
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    return mix(state) / 2 ** 32
  }
}

/** A bijection of 32 bits in which every input bit moves about half of the output's. */
export function mix(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x21f0aaad)
  value = Math.imul(value ^ (value >>> 15), 0x735a2d97)
  return (value ^ (value >>> 15)) >>> 0
}
