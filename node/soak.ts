// Core: how long this host has stood by a release: an unbroken time with every step kept and every CHECK passing. Says when
// CHECKs are to be asked and when the soak is over; what a host says of it is report.ts's.

/** ms between two rounds of CHECKs in a soak; one more ends it. */
const checkMs = 10_000
/** ms to the next round, while one fails. */
const missedMs = 1_000

/** A CHECK that fails now. It may for `withinMs`, in a run as in a soak: a hand may have stopped what is repaired at once. */
export interface FailingCheck {
  /** Which step, the same in every round. */
  readonly id: string
  readonly withinMs: number
  /** In words, with the step and where it is declared. */
  readonly why: string
}

/** What a round of CHECKs has brought. */
export interface Checked {
  /** One that passed before. */
  readonly news?: FailingCheck
  /** One that has failed for too long. */
  readonly lost?: FailingCheck
}

export interface SoakPorts {
  /** False: nobody here can ask CHECKs, and only steps count. */
  readonly checks: boolean
  /** How long a release soaks; undefined: not known yet, as after a power cut that took the end of the log. */
  readonly soakMs: (entry: string) => number | undefined
}

export class Soak {
  /** Undefined: none is under way. */
  #run: { readonly entry: string; sinceMs: number; keeps: boolean } | undefined
  readonly #ports: SoakPorts
  #askedMs = Number.NEGATIVE_INFINITY
  #asking = false
  /** When the newest round was asked that all CHECKs passed. */
  #passedMs = Number.NEGATIVE_INFINITY
  /** Since when which CHECKs fail, by id. */
  #failing = new Map<string, number>()

  constructor(ports: SoakPorts) {
    this.#ports = ports
  }

  /** `sinceMs` before now: so much of it has passed already, in an earlier life of this agent. */
  begin(entry: string, keeps: boolean, sinceMs: number): void {
    this.#run = { entry, sinceMs, keeps }
    this.#askedMs = this.#passedMs = Number.NEGATIVE_INFINITY
    this.#failing.clear()
  }

  /** What was kept meanwhile was not the release's: from the start. */
  again(keeps: boolean, nowMs: number): void {
    if (this.#run !== undefined) this.begin(this.#run.entry, keeps, nowMs)
  }

  end(): void {
    this.#run = undefined
  }

  /** Of which release; undefined: none is under way. */
  get entry(): string | undefined {
    return this.#run?.entry
  }

  get sinceMs(): number | undefined {
    return this.#run?.sinceMs
  }

  /** Whether all steps are kept now. Once they are not, it begins anew when they are again. True when that changed its begin. */
  keeps(all: boolean, nowMs: number): boolean {
    if (this.#run === undefined || this.#run.keeps === all) return false
    this.#run.keeps = all
    if (all) this.#run.sinceMs = nowMs
    return all
  }

  /** Whether CHECKs are to be asked now; the answer goes to `checked`. */
  asks(nowMs: number): boolean {
    if (!this.#ports.checks || this.#asking || nowMs < (this.#askMs() ?? Number.POSITIVE_INFINITY))
      return false
    this.#asking = true
    this.#askedMs = nowMs
    return true
  }

  /** With any that fails, the soak begins anew. */
  checked(entry: string, failing: readonly FailingCheck[], nowMs: number): Checked {
    this.#asking = false
    if (entry !== this.#run?.entry) return {}
    if (failing.length === 0) this.#passedMs = this.#askedMs
    else this.#run.sinceMs = nowMs
    const news = failing.find(({ id }) => !this.#failing.has(id))
    this.#failing = new Map(failing.map(({ id }) => [id, this.#failing.get(id) ?? nowMs]))
    const lost = failing.find(({ id, withinMs }) => nowMs >= this.#failing.get(id)! + withinMs)
    return { ...(news && { news }), ...(lost && { lost }) }
  }

  isOver(nowMs: number): boolean {
    const endMs = this.#endMs()
    if (endMs === undefined || !this.#run?.keeps) return false
    return nowMs >= endMs && (!this.#ports.checks || this.#passedMs >= endMs)
  }

  wakeMs(): number | undefined {
    if (this.#ports.checks) return this.#asking ? undefined : this.#askMs()
    return this.#run?.keeps ? this.#endMs() : undefined
  }

  #endMs(): number | undefined {
    if (this.#run === undefined) return undefined
    const soakMs = this.#ports.soakMs(this.#run.entry)
    return soakMs === undefined ? undefined : this.#run.sinceMs + soakMs
  }

  /** At least once after the soak has passed, whatever the pause between rounds. */
  #askMs(): number | undefined {
    const endMs = this.#endMs()
    if (endMs === undefined) return undefined
    if (this.#failing.size > 0) return this.#askedMs + missedMs
    const nextMs = this.#askedMs + checkMs
    return this.#askedMs < endMs ? Math.min(nextMs, endMs) : nextMs
  }
}
