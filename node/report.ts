// Core: what this host says of itself, and when. Keeps the state of the newest run (APPLYING … HEALTHY or FAILED) and
// the soak; speaks at once when something changed, at most once a second, else as a heartbeat.
import type { StatusPair } from '../gossip/message.ts'
import { hex } from '../signing/bytes.ts'
import type { Place, State, Status } from '../signing/status.ts'
import { type Board, type Counter, heartbeatMs, type Taken } from './status.ts'

export interface StepCounts {
  readonly declared: number
  readonly kept: number
  readonly repaired: number
  readonly notKept: number
}

/** The outcome of a run as the agent needs it. `wait`: preparing failed, nothing was changed. */
export interface RunReport {
  readonly kind: 'applied' | 'failed' | 'wait'
  readonly steps: StepCounts
  /** Why it failed or waits. */
  readonly why?: string
  /** An undo failed: the host takes nothing until that is mended. */
  readonly dirty: boolean
}

/** What a status says besides what the reporter itself knows. */
export type StatusFacts = Pick<Status, 'up' | 'head' | 'trust' | 'refused'>

export interface ReporterPorts {
  readonly board: Board
  readonly counter: Counter
  /** This host's key in hex. */
  readonly host: string
  readonly facts: (nowMs: number) => StatusFacts
  /** Whether the facts would name a refused entry: asked at every decision. */
  readonly refused: () => boolean
  /** Fills in fleet, host, boot id and agent version, and signs. */
  readonly make: (body: Omit<Status, 'fleet' | 'host' | 'boot' | 'agent'>) => StatusPair
  readonly idOf: (entry: string) => Place | undefined
  readonly hosts: () => number
  readonly rostered: () => boolean
  readonly random: () => number
}

/** What a host says of a trial besides the release that it speaks of. */
export interface TrialWord {
  /** The order's id, 32 bytes. */
  readonly id: Uint8Array
  /** Its steps are in force: what happens here says nothing of a release. */
  readonly runs: boolean
  readonly words: string | undefined
}

/** ms between two statuses of one host, however much happens. */
const quietMs = 1_000
/** Characters of a reason: three bytes of UTF-8 each stay within the 512 bytes of the format. */
const whyMax = 170

export class Reporter {
  readonly board: Board
  readonly #ports: ReporterPorts
  #entry: string | undefined
  #attempt = 1
  #state: State | undefined
  #why: string | undefined
  #steps: StepCounts = { declared: 0, kept: 0, repaired: 0, notKept: 0 }
  #drift: readonly [repairs: number, kept: number, contested: number] = [0, 0, 0]
  #soakUntilMs: number | undefined
  #trial: TrialWord | undefined
  #dirty = false
  #changed = true
  #flags = ''
  #spokeMs = Number.NEGATIVE_INFINITY
  #heartbeatMs = Number.NEGATIVE_INFINITY

  constructor(ports: ReporterPorts) {
    this.#ports = ports
    this.board = ports.board
  }

  get cloned(): boolean {
    return this.#ports.counter.cloned
  }
  get dirty(): boolean {
    return this.#dirty
  }
  get state(): State | undefined {
    return this.#state
  }
  get why(): string | undefined {
    return this.#why
  }
  get steps(): StepCounts {
    return this.#steps
  }
  get drift(): readonly [repairs: number, kept: number, contested: number] {
    return this.#drift
  }

  /** Restores what the journal says is in force, after a restart: it counts as applied, and soaks anew. */
  resume(entry: string, steps: StepCounts, dirty: boolean, soakMs: number, nowMs: number, attempt = 1): void {
    this.#entry = entry
    this.#attempt = attempt
    this.#state = 'APPLIED'
    this.#steps = steps
    this.#dirty = dirty
    this.#soakUntilMs = nowMs + soakMs
  }

  take(pair: StatusPair, nowMs: number): Taken {
    const taken = this.board.take(pair, nowMs)
    // Our own key with a number we have not used: a restored disk, or a clone. Speak above it.
    if (taken.kind !== 'bad' && taken.kind !== 'stranger' && taken.host === this.#ports.host)
      if (taken.kind !== 'old' && this.#ports.counter.heard(taken.status.n)) this.#changed = true
    return taken
  }

  /** An operator has looked after what an undo could not put back. */
  lookedAfter(): void {
    this.#dirty = false
    this.#changed = true
  }

  changed(): void {
    this.#changed = true
  }

  /** Told at every decision. */
  onTrial(trial: TrialWord | undefined): void {
    const [now, before] = [trial, this.#trial].map(
      each => each && `${hex(each.id)} ${each.runs} ${each.words}`,
    )
    if (now === before) return
    this.#trial = trial
    this.#changed = true
  }

  /** A trial runs now, or is taken back: the release is spoken of as before, and a soak that it cut short begins anew. */
  tried({ kind, steps, dirty }: RunReport, soakMs: number, nowMs: number): void {
    this.#dirty = dirty
    if (kind === 'applied') this.#steps = steps
    if (this.#soakUntilMs !== undefined && kind !== 'wait') this.#soakUntilMs = nowMs + soakMs
    this.#changed = true
  }

  rosterChanged(): void {
    this.board.prune()
    this.#changed = true
  }

  /** A run begins; `attempt` is 1 unless a signed `retry` allows more. */
  started(entry: string, attempt: number): void {
    this.#attempt = attempt
    this.#entry = entry
    this.#state = 'APPLYING'
    this.#why = undefined
    this.#soakUntilMs = undefined
    this.#changed = true
  }

  ran(entry: string, report: RunReport, soakMs: number, nowMs: number): void {
    this.#entry = entry
    this.#state = report.kind === 'applied' ? 'APPLIED' : report.kind === 'failed' ? 'FAILED' : 'WAIT'
    this.#why = report.why
    this.#dirty = report.dirty
    this.#steps = report.steps
    this.#soakUntilMs = report.kind === 'applied' ? nowMs + soakMs : undefined
    this.#changed = true
  }

  /** Repairs, kept edits, contested targets since the start; steps not kept as the audits and repairs see them now. */
  host(drift: { repairs: number; kept: number; contested: number }, notKept: number, nowMs: number): void {
    this.#drift = [drift.repairs, drift.kept, drift.contested]
    if (notKept !== this.#steps.notKept) {
      const { declared } = this.#steps
      this.#steps = { ...this.#steps, notKept, kept: declared - notKept }
      // A soak is an unbroken time with every step kept.
      if (this.#soakUntilMs !== undefined && notKept > 0)
        this.#soakUntilMs = Math.max(this.#soakUntilMs, nowMs)
    }
    this.#changed = true
  }

  /** A new status on the board when it is time for one; the caller passes it on after `reserve` is durable. */
  speak(
    flags: readonly string[],
    nowMs: number,
    wallMs = nowMs,
  ): { readonly host: string; readonly reserve?: number } | undefined {
    if (this.#soaks() && nowMs >= (this.#soakUntilMs ?? 0)) {
      this.#state = 'HEALTHY'
      this.#soakUntilMs = undefined
      this.#changed = true
    }
    const all = [...flags]
    if (this.cloned) all.push('CLONED')
    if (this.#dirty) all.push('DIRTY')
    if (this.#ports.refused()) all.push('REFUSED')
    const spelled = all.length === 0 ? '' : all.sort().join(' ')
    if (spelled !== this.#flags) {
      this.#flags = spelled
      this.#changed = true
    }
    if (!this.#ports.rostered()) return undefined
    const due = (this.#changed && nowMs >= this.#spokeMs + quietMs) || nowMs >= this.#heartbeatMs
    if (!due) return undefined
    const { n, reserve } = this.#ports.counter.take()
    const entry = this.#entry === undefined ? undefined : this.#ports.idOf(this.#entry)
    const { declared, kept, repaired, notKept } = this.#steps
    const why = [this.#why, this.#trial?.words].filter(each => each !== undefined).join('; ')
    const pair = this.#ports.make({
      n,
      at: Math.max(0, Math.round(wallMs)),
      ...this.#ports.facts(nowMs),
      ...(entry !== undefined &&
        this.#state !== undefined && { entry, attempt: this.#attempt, state: this.#state }),
      ...(why !== '' && { why: why.slice(0, whyMax) }),
      ...(this.#trial && { trial: this.#trial.id }),
      steps: [declared, kept, repaired, notKept],
      drift: this.#drift,
      flags: all,
    })
    this.board.take(pair, nowMs)
    this.#changed = false
    this.#spokeMs = nowMs
    this.#heartbeatMs = nowMs + heartbeatMs(this.#ports.hosts()) * (0.75 + this.#ports.random() / 2)
    return { host: this.#ports.host, ...(reserve !== undefined && { reserve }) }
  }

  /** What a trial keeps here says nothing of the release. */
  #soaks(): boolean {
    return this.#soakUntilMs !== undefined && this.#steps.notKept === 0 && this.#trial?.runs !== true
  }

  wakeMs(): number | undefined {
    if (!this.#ports.rostered()) return undefined
    let atMs = this.#heartbeatMs
    if (this.#changed) atMs = Math.min(atMs, this.#spokeMs + quietMs)
    if (this.#soaks()) atMs = Math.min(atMs, this.#soakUntilMs ?? atMs)
    return Math.max(0, atMs)
  }
}
