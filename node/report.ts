// Core: what this host says of itself, and when. Keeps the state of the newest run (APPLYING … HEALTHY or FAILED) and
// the soak; speaks at once when something changed, at most once a second, else as a heartbeat.
import type { StatusPair } from '../gossip/message.ts'
import { hex } from '../signing/bytes.ts'
import type { Place, State, Status } from '../signing/status.ts'
import { type Checked, type FailingCheck, Soak } from './soak.ts'
import { type Board, type Counter, heartbeatMs, type Taken } from './status.ts'

export interface StepCounts {
  readonly declared: number
  readonly kept: number
  readonly repaired: number
  readonly notKept: number
}

/**
 * The outcome of a run as the agent needs it. `wait`: preparing failed, nothing was changed. `inconclusive`: it is taken back,
 * since no peer reached this host after it; nor did one then, so nobody knows whether the run was to blame.
 */
export interface RunReport {
  readonly kind: 'applied' | 'failed' | 'wait' | 'inconclusive'
  readonly steps: StepCounts
  /** Why it failed or waits. */
  readonly why?: string
  /** It had nothing to do: the plan was empty. */
  readonly empty?: boolean
  /** An undo failed: the host takes nothing until that is mended. */
  readonly dirty: boolean
}

/** What this host last said of a release, for its next life. */
export interface Said {
  readonly entry: string
  readonly attempt: number
  readonly state: State
  readonly why?: string | undefined
  /** Seconds since boot at which its soak began; undefined: none is under way. */
  readonly soakUp?: number | undefined
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
  /** How long a release soaks; undefined for one that is not known here. */
  readonly soakMs: (entry: string) => number | undefined
  readonly hosts: () => number
  readonly rostered: () => boolean
  readonly random: () => number
  /** The host engine can ask CHECKs again. */
  readonly checks?: boolean
}

/** What a host says of a trial besides the release that it speaks of. */
export interface TrialWord {
  /** The order's id, 32 bytes. */
  readonly id: Uint8Array
  /** Its steps are in force, or come or go: what happens here says nothing of a release. */
  readonly isOn: boolean
  readonly words: string | undefined
}

/** ms between two statuses of one host, however much happens. */
const quietMs = 1_000
/** Characters of a reason: three bytes of UTF-8 each stay within the 512 bytes of the format. */
const whyMax = 170

const stateAfter: Readonly<Record<RunReport['kind'], State>> = {
  applied: 'APPLIED',
  failed: 'FAILED',
  wait: 'WAIT',
  inconclusive: 'INCONCLUSIVE',
}

/** What became of a host that failed when an operator had it try again, without a signed `retry`. */
const sinceFailed: Partial<Readonly<Record<State, string>>> = {
  APPLYING: 'tried again by hand',
  APPLIED: 'applied by hand since',
  NOOP: 'applied by hand since',
  HEALTHY: 'applied by hand since, and healthy',
  INCONCLUSIVE: 'tried again by hand: inconclusive',
}

export class Reporter {
  readonly board: Board
  readonly #ports: ReporterPorts
  #entry: string | undefined
  #attempt = 1
  #state: State | undefined
  #why: string | undefined
  /** In words: what came after the state that is said. */
  #since: string | undefined
  #steps: StepCounts = { declared: 0, kept: 0, repaired: 0, notKept: 0 }
  #drift: readonly [repairs: number, kept: number, contested: number] = [0, 0, 0]
  #trial: TrialWord | undefined
  /** The attempt under way, which says nothing before it changes something. */
  #run: { readonly entry: string; readonly attempt: number } | undefined
  readonly #soak: Soak
  #dirty = false
  #changed = true
  #flags = ''
  /** Release, attempt and state of the last status. */
  #said = ''
  #spokeMs = Number.NEGATIVE_INFINITY
  #heartbeatMs = Number.NEGATIVE_INFINITY

  constructor(ports: ReporterPorts) {
    this.#ports = ports
    this.board = ports.board
    this.#soak = new Soak({ checks: ports.checks ?? false, soakMs: ports.soakMs })
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
    return joined(this.#why, this.#since)
  }
  get steps(): StepCounts {
    return this.#steps
  }
  get drift(): readonly [repairs: number, kept: number, contested: number] {
    return this.#drift
  }

  /** What is in force here, after a restart: it counts as applied, and soaks anew unless `resume` knows better. */
  inForce(entry: string, steps: StepCounts, dirty: boolean, nowMs: number, attempt = 1): void {
    this.#entry = entry
    this.#attempt = attempt
    this.#state = 'APPLIED'
    this.#steps = steps
    this.#dirty = dirty
    this.#soak.begin(entry, steps.notKept === 0, nowMs)
  }

  /**
   * Goes on with what was said before the restart, of what is in force or of a later release that failed; `sameBoot` with its soak.
   * False: it was said before that, and what was said since is lost.
   */
  resume({ entry, attempt, state, why, soakUp }: Said, sameBoot: boolean, nowMs: number): boolean {
    if (entry !== this.#entry && (state !== 'FAILED' || this.#isBefore(entry))) return false
    const keeps = this.#steps.notKept === 0
    this.#entry = entry
    this.#attempt = attempt
    this.#state = state
    this.#why = why
    if (state !== 'APPLIED') this.#soak.end()
    else if (soakUp !== undefined && sameBoot && keeps)
      this.#soak.begin(entry, keeps, nowMs - Math.max(0, this.#ports.facts(nowMs).up - soakUp) * 1000)
    return true
  }

  /** Whether an entry is older than what is in force here; the end of the log may have been lost. */
  #isBefore(entry: string): boolean {
    if (this.#entry === undefined) return false
    const [place, current] = [this.#ports.idOf(entry), this.#ports.idOf(this.#entry)]
    return place !== undefined && (current === undefined || place[0] < current[0])
  }

  /** Of the release that it speaks of; undefined on a blank host, and while nothing is decided. */
  said(nowMs: number): Said | undefined {
    if (this.#entry === undefined || this.#state === undefined || this.#state === 'APPLYING') return undefined
    const { sinceMs } = this.#soak
    // A second more, since both ends are whole seconds: a soak is never shortened.
    const soakUp =
      sinceMs === undefined
        ? undefined
        : this.#ports.facts(nowMs).up - Math.floor((nowMs - sinceMs) / 1000) + 1
    return { entry: this.#entry, attempt: this.#attempt, state: this.#state, why: this.#why, soakUp }
  }

  get entry(): string | undefined {
    return this.#entry
  }
  get attempt(): number {
    return this.#attempt
  }
  get soakSinceMs(): number | undefined {
    return this.#soak.sinceMs
  }
  /** The release that soaks. */
  get soaks(): string | undefined {
    return this.#soak.entry
  }

  /** `nowMs` undefined: from this host's own store. */
  take(pair: StatusPair, nowMs: number | undefined, said = this.board.read(pair)): Taken {
    const taken = this.board.take(pair, nowMs, said)
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
      each => each && `${hex(each.id)} ${each.isOn} ${each.words}`,
    )
    if (now === before) return
    this.#trial = trial
    this.#changed = true
  }

  /** A trial runs now, or is taken back: the release is spoken of as before, and a soak that it cut short begins anew. */
  tried({ kind, steps, dirty }: RunReport, nowMs: number): void {
    this.#dirty = dirty
    if (kind === 'applied') this.#steps = steps
    if (kind !== 'wait') this.#soak.again(this.#steps.notKept === 0, nowMs)
    this.#changed = true
  }

  rosterChanged(): void {
    this.board.prune()
    this.#changed = true
  }

  /** A run begins to prepare: nothing is changed yet, and nothing said. */
  started(entry: string, attempt: number): void {
    this.#run = { entry, attempt }
  }

  /** It is about to change something. */
  acting(entry: string): void {
    if (this.#run?.entry !== entry) return
    this.#speakOf(this.#run, 'APPLYING', undefined)
    this.#soak.end()
  }

  ran(entry: string, report: RunReport, nowMs: number): void {
    const run = this.#run ?? { entry, attempt: entry === this.#entry ? this.#attempt : 1 }
    this.#run = undefined
    const isSame = this.#entry === entry && this.#attempt === run.attempt
    const hasActed = isSame && this.#state !== undefined && !['WAIT', 'NOOP'].includes(this.#state)
    const isEmpty = report.empty === true && !hasActed && report.steps.notKept === 0
    const { kind } = report
    this.#speakOf(run, isEmpty && kind === 'applied' ? 'NOOP' : stateAfter[kind], report.why)
    this.#dirty = report.dirty
    this.#steps = report.steps
    if (kind === 'applied' && !isEmpty) this.#soak.begin(entry, report.steps.notKept === 0, nowMs)
    else this.#soak.end()
  }

  /** Whether the CHECKs of the release that soaks are to be asked now. */
  asksChecks(nowMs: number): boolean {
    return this.#soak.asks(nowMs)
  }

  /** They were asked. */
  checked(entry: string, failing: readonly FailingCheck[], nowMs: number): Checked {
    return this.#soak.checked(entry, failing, nowMs)
  }

  /** A CHECK has failed for too long in the soak. */
  fell(why: string): void {
    if (this.#entry === undefined) return
    this.#soak.end()
    this.#speakOf({ entry: this.#entry, attempt: this.#attempt }, 'FAILED', why)
  }

  /** The host went back from a release that failed: of that it goes on to speak. `report`: of the way back. */
  wentBack(entry: string, { kind, why, steps, dirty }: RunReport): void {
    this.#soak.end()
    this.#dirty = dirty
    this.#steps = steps
    const attempt = entry === this.#entry ? this.#attempt : 1
    const said = entry === this.#entry ? this.#why : undefined
    const also = kind === 'applied' ? 'taken back' : `not taken back: ${why ?? kind}`
    this.#speakOf({ entry, attempt }, 'FAILED', said === undefined ? also : `${said} (${also})`)
  }

  /**
   * The board holds a host's last word only, and who comes late hears no other: nothing takes back what was said of a release. One
   * that failed has failed, whatever a hand brings about: another attempt takes a signed `retry`. WAIT says that nothing was begun.
   */
  #speakOf(
    { entry, attempt }: { entry: string; attempt: number },
    state: State,
    why: string | undefined,
  ): void {
    this.#changed = true
    const stands = entry === this.#entry && this.#state !== undefined && this.#state !== 'WAIT'
    if (stands && state === 'WAIT') {
      this.#since = joined('waits to try again', why)
      return
    }
    if (stands && attempt === this.#attempt && this.#state === 'FAILED' && state !== 'FAILED') {
      this.#since = joined(sinceFailed[state], why)
      return
    }
    this.#since = undefined
    this.#entry = entry
    this.#attempt = attempt
    this.#state = state
    this.#why = why
  }

  /** Repairs, kept edits, contested targets since the start; steps not kept as the audits and repairs see them now. */
  host(drift: { repairs: number; kept: number; contested: number }, notKept: number, nowMs: number): void {
    this.#drift = [drift.repairs, drift.kept, drift.contested]
    if (notKept !== this.#steps.notKept) {
      const { declared } = this.#steps
      this.#steps = { ...this.#steps, notKept, kept: declared - notKept }
      this.#soak.keeps(notKept === 0, nowMs)
    }
    this.#changed = true
  }

  /**
   * A new status on the board when it is time for one; the caller passes it on after `reserve` is durable. `news`: for the log,
   * when it says another state than the one before.
   */
  speak(
    flags: readonly string[],
    nowMs: number,
    wallMs = nowMs,
  ):
    | { readonly host: string; readonly reserve?: number; readonly news?: Readonly<Record<string, unknown>> }
    | undefined {
    if (this.#trial?.isOn !== true && this.#soak.isOver(nowMs) && this.#entry !== undefined) {
      const why = this.#state === 'FAILED' ? undefined : this.#why
      this.#speakOf({ entry: this.#entry, attempt: this.#attempt }, 'HEALTHY', why)
      this.#soak.end()
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
    const why = joined(this.why, this.#trial?.words) ?? ''
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
    const news = this.#news(entry?.[0])
    return { host: this.#ports.host, ...(reserve !== undefined && { reserve }), ...(news && { news }) }
  }

  #news(sequence: number | undefined): Readonly<Record<string, unknown>> | undefined {
    const said = `${sequence} ${this.#attempt} ${this.#state}`
    if (said === this.#said || sequence === undefined || this.#state === undefined) return undefined
    this.#said = said
    return { state: this.#state, sequence, ...(this.#why && { why: this.#why }) }
  }

  wakeMs(): number | undefined {
    if (!this.#ports.rostered()) return undefined
    let atMs = this.#heartbeatMs
    if (this.#changed) atMs = Math.min(atMs, this.#spokeMs + quietMs)
    if (this.#trial?.isOn !== true) atMs = Math.min(atMs, this.#soak.wakeMs() ?? atMs)
    return Math.max(0, atMs)
  }
}

function joined(...words: readonly (string | undefined)[]): string | undefined {
  const said = words.filter(each => each !== undefined)
  return said.length === 0 ? undefined : said.join('; ')
}
