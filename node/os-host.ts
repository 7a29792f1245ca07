// What a host has besides a peer: the host engine on releases (os-declare.ts), audits by the clock, drift repair by
// events, and the words in which all that is reported.
import type { DriftEdit, DriftView, StatusView, WhyView } from './control.ts'
import type { Runner, RunTerms } from './driver-ports.ts'
import type { NotKept } from './host/apply.ts'
import type { WatchEvent, Watcher } from './host/driver.ts'
import { type Engine, openEngine, type RunOutcome } from './host/main.ts'
import { changedFacts, type FactChange, type Facts, frozen } from './host/steps/facts.ts'
import type { Step } from './host/steps/step.ts'
import { auditInMs, subjectOf } from './host/watch.ts'
import type { LogEntry } from './log.ts'
import { systemTimers } from './os.ts'
import { type Attempts, cutMax, openAttempts } from './os-attempts.ts'
import { Declarer } from './os-declare.ts'
import { type Edited, foundView, keeperOf, lookAt, nearestManaged, stepView } from './os-edits.ts'
import { machineFacts } from './os-facts.ts'
import type { Log } from './os-log.ts'
import { openTerminals, type Terminals } from './os-terminals.ts'
import type { HostPorts, HostSide } from './peer.ts'
import type { Timers } from './ports.ts'
import type { RunReport, StepCounts } from './report.ts'
import * as words from './step-words.ts'
import { type ToldPlan, tellPlan } from './told-plan.ts'
import type { TrialRun } from './trial.ts'
import { readTrialAbout, writeTrialAbout } from './trial-about.ts'

export interface HostOptions {
  readonly root: string
  /** The engine's own state folder. */
  readonly state: string
  /** This host's key in hex. */
  readonly key: string
  readonly auditMs: number
  /** Tell logged-in people what was put back. */
  readonly terminals: boolean
  readonly log: Log
  readonly random: () => number
  readonly now: () => number
  /** Default: those of this machine. */
  readonly facts?: () => Facts
}

/** The host's side, and what the control socket asks of it. */
export interface RunningHost extends HostSide {
  /** Looks at everything once, then listens for drift. Called when the peer listens, so that both are up soonest. */
  begin(): void
  notKept(): StatusView['notKept']
  /** What the release was declared for and is no longer so. */
  changedFacts(): StatusView['changedFacts']
  /** Paths that are paused now. */
  pauses(): StatusView['pausedPaths']
  /** What cannot be listened to. */
  deaf(): StatusView['deaf']
  why(path: string): WhyView | null
  drift(): DriftView[]
  driftRead(id: string): Promise<DriftEdit | undefined>
  /** A managed path as it is now; undefined: it is not managed. */
  draft(path: string): Promise<DriftEdit | undefined>
  /** Undefined: a pause of this path or resource has an effect; else the nearest that would. */
  unmanaged(path: string): readonly string[] | undefined
  driftDrop(id: string): void
  /** Undefined path: the whole host. */
  pause(path: string | undefined, untilMs: number, reason: string): void
  unpause(path: string | undefined): void
  /** Repairs everything now. */
  audit(): Promise<StepCounts>
  /** The same, after what is in force was declared anew if facts have changed: somebody asked for it. */
  apply(): Promise<StepCounts>
  retry(): void
  /** Plans what is in force, and does nothing. Fails where that cannot be planned. */
  rehearse(): Promise<void>
}

/** Opens the engine and takes back what a crash cut short; `begin` begins to watch. Errors: those of openEngine. */
export async function openHost(options: HostOptions, ports: HostPorts): Promise<RunningHost> {
  const { log, now } = options
  const engine = openEngine({
    root: options.root,
    state: options.state,
    now,
    random: options.random,
    log: line => log('info', 'engine', { line }),
  })
  return hostOn(options, ports, {
    engine,
    attempts: openAttempts(options.state),
    timers: systemTimers,
    ...(options.terminals && options.root === '/' && { terminals: openTerminals({ now }) }),
  })
}

type Settings = Pick<HostOptions, 'root' | 'key' | 'auditMs' | 'log' | 'random' | 'now' | 'facts'>

/** What a host's side is made of. */
export interface HostParts {
  readonly engine: Engine
  readonly attempts: Attempts
  readonly timers: Timers
  readonly terminals?: Terminals
}

/** The same on any parts; all that it does to the world goes through them and `ports`. */
export async function hostOn(options: Settings, ports: HostPorts, parts: HostParts): Promise<RunningHost> {
  const { undone, leftBehind } = await parts.engine.recover()
  if (undone) options.log('warn', 'a run that was cut short is taken back', { leftBehind: leftBehind.length })
  return new Host(options, ports, parts)
}

class Host implements RunningHost {
  readonly #options: Settings
  readonly #ports: HostPorts
  readonly #engine: Engine
  readonly #attempts: Attempts
  readonly #declarer: Declarer
  #notKept: readonly NotKept[] = []
  readonly #facts: () => Facts
  #changedFacts: readonly FactChange[] = []
  #repairs = 0
  /** Path -> until when it is left alone. */
  readonly #contested = new Map<string, number>()
  readonly #timers: Timers
  #cancelAudit = () => {}
  #watch: Watcher | undefined
  readonly #terminals: Terminals | undefined

  constructor(options: Settings, ports: HostPorts, { engine, attempts, timers, terminals }: HostParts) {
    this.#options = options
    this.#facts = options.facts ?? machineFacts
    this.#ports = ports
    this.#engine = engine
    this.#attempts = attempts
    this.#timers = timers
    this.#terminals = terminals
    this.#declarer = this.#declarerOf()
  }

  /** One for what is in force; another one leaves alone what that has rendered. */
  #declarerOf(): Declarer {
    const { root, key } = this.#options
    const inForce = () => {
      const about = this.#engine.inForce()?.about
      const commit = about && this.#commitOf(about.id)
      return commit === undefined ? undefined : { commit, facts: about?.facts ?? this.#facts() }
    }
    return new Declarer({ root, key, inForce }, this.#ports)
  }

  #commitOf(about: string): string | undefined {
    return readTrialAbout(about)?.commit ?? this.#ports.entries.byId(about)?.release?.commit
  }

  readonly runner: Runner = {
    run: (entry, terms) => this.#run(entry, terms),
    check: async () => (await this.#engine.check()).map(words.failingCheck),
    revert: (from, to) =>
      to === undefined ? this.#clear(`before ${from.sequence} ${from.subject}`) : this.#run(to),
    try: run => this.#try(run),
    plan: commit => this.#plan(commit),
  }

  get trial(): HostSide['trial'] {
    return readTrialAbout(this.#engine.inForce()?.about.id ?? '')
  }

  get inForce(): HostSide['inForce'] {
    const current = this.#engine.inForce()
    const entry = this.trial === undefined ? current?.about.id : this.trial.before
    if (current === undefined || entry === undefined || entry === '') return undefined
    return { entry, declared: current.steps.length, notKept: this.#notKept.length }
  }

  get dirty(): boolean {
    return this.#engine.dirty().length > 0
  }

  get paused(): HostSide['paused'] {
    return this.#engine.pauses().find(each => each.path === undefined)
  }

  begin(): void {
    this.#listen()
    this.#armAudit()
  }

  /** Watches what is in force now; called again after each run. */
  #listen(): void {
    const { log } = this.#options
    this.#watch?.close()
    this.#watch = this.#engine.watch(this.#declarer.payloads, event => {
      switch (event.kind) {
        case 'looked':
          this.#looked(event)
          return
        case 'contested':
          this.#contested.set(event.subject, event.untilMs)
          log('warn', 'contested', { path: event.subject, untilMs: event.untilMs })
          this.#tell()
          return
        case 'deaf': {
          const { source, why, remote } = event.deaf
          log('warn', 'cannot be listened to; audits must do', { source, why })
          if (!remote) this.#armAudit()
          return
        }
        case 'hears':
          log('info', 'can be listened to again', { source: event.source })
          return
        case 'failed':
          log('error', 'repair failed', { message: event.error.message })
      }
    })
  }

  #looked({ ids, outcome, atMs }: Extract<WatchEvent, { kind: 'looked' }>): void {
    const { log, now } = this.#options
    const repaired = outcome.repaired.length
    this.#repairs += repaired
    // A look sees only some steps: those it did not look at keep their verdict.
    const before = new Set(this.#notKept.map(words.wordsOf))
    const others = ids === undefined ? [] : this.#notKept.filter(each => !ids.includes(each.step.id))
    this.#notKept = [...others, ...outcome.notKept]
    const steps = outcome.repaired.slice(0, 5).map(words.stepText)
    if (repaired > 0) log('info', 'drift repaired', { repaired, steps, ms: now() - atMs })
    const news = outcome.notKept.filter(each => !before.has(words.wordsOf(each)))
    for (const each of news.slice(0, 5)) log('warn', 'not kept', { step: words.wordsOf(each) })
    this.#tellPeople(outcome.repaired)
    this.#tell()
  }

  async close(): Promise<void> {
    this.#cancelAudit()
    this.#watch?.close()
    this.#terminals?.close()
    this.#engine.close()
  }

  #run(entry: LogEntry, terms?: RunTerms): Promise<RunReport> {
    const { id, sequence, subject, release } = entry
    return this.#runAs({ id, label: `${sequence} ${subject}`, commit: release?.commit ?? '' }, terms)
  }

  #try(run: TrialRun): Promise<RunReport> {
    if (run.kind === 'trial') {
      const { id, commit } = run
      return this.#runAs({ id: writeTrialAbout(run), label: `trial ${id.slice(0, 10)}`, commit })
    }
    return run.entry === undefined ? this.#clear('') : this.#run(run.entry)
  }

  /** Looks only. */
  async #plan(commit: string): Promise<ToldPlan | string> {
    const declared = await this.#declarerOf().declare(commit, this.#facts())
    if (declared.kind === 'bad') return words.problemsText(declared.problems)
    return tellPlan(await this.#engine.plan(declared.steps))
  }

  /** Of a trial only: what the log says of releases, it says itself. */
  async #isNever({ id, commit }: { readonly id: string; readonly commit: string }) {
    if (readTrialAbout(id) === undefined) return undefined
    const { entries, repository } = this.#ports
    return words.neverText(entries.terms(), (await repository.release(commit)).content)
  }

  /** A run of a release or a trial; every failure is a report. */
  async #runAs(
    what: { readonly id: string; readonly label: string; readonly commit: string },
    terms?: RunTerms,
  ): Promise<RunReport> {
    const none = { declared: 0, kept: 0, repaired: 0, notKept: 0 }
    if (this.#attempts.cut(what.id, terms?.attempt) >= cutMax) {
      const why = `the agent ended ${cutMax} times in the middle of this run, which was taken back each time`
      return { kind: 'failed', steps: none, why, dirty: this.dirty }
    }
    try {
      const never = await this.#isNever(what)
      if (never !== undefined) return { kind: 'failed', steps: none, why: never, dirty: this.dirty }
      const facts = this.#facts()
      const declared = await this.#declarer.declare(what.commit, facts)
      if (declared.kind === 'bad')
        return { kind: 'failed', steps: none, why: words.problemsText(declared.problems), dirty: this.dirty }
      const about = { id: what.id, label: what.label, facts: frozen(facts, declared.facts) }
      this.#attempts.begin(what.id, terms?.attempt)
      const outcome = await this.#engine.run(declared.steps, about, this.#declarer.payloads, {
        ...(this.#ports.witness && { witness: this.#ports.witness }),
        ...(terms && { shut: terms.shut, acting: terms.acting }),
      })
      this.#take(outcome.notKept)
      this.#compareFacts()
      this.#listen()
      return this.#report(outcome, declared.steps.length)
    } catch (error) {
      const { code, message } = error as { code?: string; message: string }
      this.#options.log('error', 'run broke off', { code, message })
      return words.brokenOff(error, this.dirty)
    } finally {
      this.#ports.witness?.over()
      this.#attempts.end()
    }
  }

  #report(outcome: RunOutcome, declared: number): RunReport {
    for (const path of outcome.leftBehind) this.#options.log('info', 'left behind', { path })
    return words.reportOf(outcome, declared)
  }

  /** Back to what was before the first release. */
  async #clear(label: string): Promise<RunReport> {
    try {
      const about = { id: '', label }
      const outcome = await this.#engine.run([], about, this.#declarer.payloads)
      this.#take(outcome.notKept)
      this.#listen()
      return this.#report(outcome, 0)
    } catch (error) {
      return words.brokenOff(error, this.dirty)
    }
  }

  #armAudit(): void {
    const { auditMs, now, random } = this.#options
    const deaf = this.#watch?.deaf().some(each => !each.remote) ?? false
    const pausesMs = this.#engine.pauses().map(each => each.untilMs)
    this.#cancelAudit()
    this.#cancelAudit = this.#timers.after(auditInMs(auditMs, deaf, pausesMs, now(), random()), () =>
      this.#auditSoon(),
    )
  }

  async apply(): Promise<StepCounts> {
    this.#compareFacts()
    const { id = '', label = '' } = this.#engine.inForce()?.about ?? {}
    const commit = this.#commitOf(id)
    if (this.#changedFacts.length > 0 && commit !== undefined) {
      const { kind, why } = await this.#runAs({ id, label, commit })
      this.#options.log('info', 'applied again, since facts have changed', { kind, why })
    }
    return this.audit()
  }

  /** Facts are frozen with a run: one that changes is shown, and counts from the next release on. */
  #compareFacts(): void {
    const changes = changedFacts(this.#engine.inForce()?.about.facts ?? {}, this.#facts())
    const news = changes.filter(
      ({ name, to }) => !this.#changedFacts.some(each => each.name === name && each.to === to),
    )
    this.#changedFacts = changes
    for (const { name, from, to } of news) this.#options.log('warn', 'FACTS CHANGED', { name, from, to })
  }

  changedFacts(): StatusView['changedFacts'] {
    return this.#changedFacts
  }

  #auditSoon(): void {
    this.audit()
      .catch(error => this.#options.log('error', 'audit failed', { message: (error as Error).message }))
      .finally(() => this.#armAudit())
  }

  #tellPeople(repaired: readonly Step[]): void {
    this.#terminals?.restored(repaired.map(subjectOf), this.#engine.inForce()?.about.label ?? '')
  }

  async audit(): Promise<StepCounts> {
    this.#compareFacts()
    const outcome = await this.#engine.audit(this.#declarer.payloads)
    this.#repairs += outcome.repaired.length
    this.#tellPeople(outcome.repaired)
    this.#take(outcome.notKept)
    this.#tell()
    const counts = { kept: outcome.kept, repaired: outcome.repaired.length, notKept: outcome.notKept.length }
    this.#options.log('debug', 'audit', counts)
    return { declared: this.#engine.inForce()?.steps.length ?? 0, ...counts }
  }

  #take(notKept: readonly NotKept[]): void {
    this.#notKept = notKept
  }

  #tell(): void {
    const now = this.#options.now()
    for (const [path, untilMs] of this.#contested) if (untilMs <= now) this.#contested.delete(path)
    const drift = {
      repairs: this.#repairs,
      kept: this.#engine.drift.list().length,
      contested: this.#contested.size,
    }
    this.#ports.report(drift, this.#notKept.length)
  }

  notKept(): StatusView['notKept'] {
    return this.#notKept.slice(0, 20).map(({ step, reason }) => ({
      step: words.stepText(step),
      origin: words.originText(step),
      reason: words.reasonText(reason),
    }))
  }

  pauses(): StatusView['pausedPaths'] {
    const now = this.#options.now()
    return this.#engine
      .pauses()
      .flatMap(({ path, untilMs, reason }) =>
        path !== undefined && untilMs > now ? [{ path, untilMs, reason }] : [],
      )
  }

  deaf(): StatusView['deaf'] {
    return (this.#watch?.deaf() ?? []).map(({ source, why }) => ({ source, why }))
  }

  why(path: string): WhyView | null {
    const found = this.#engine.why(path)
    if (found === undefined) return null
    const { step, since, originals } = found
    return {
      path,
      step: words.stepText(step),
      origin: words.originText(step),
      made: step.origin.made ?? null,
      release: since.label,
      sinceMs: since.atMs,
      original: originals.some(each => each.was !== 'absent'),
      real: path.startsWith('/') ? this.#engine.where(path) : path,
    }
  }

  drift(): DriftView[] {
    return this.#engine.drift.list().map(each => ({
      id: each.id,
      path: each.path,
      what: each.what,
      atMs: each.atMs,
      size: each.size ?? null,
    }))
  }

  async driftRead(id: string): Promise<DriftEdit | undefined> {
    const entry = this.#engine.drift.list().find(each => each.id === id)
    return entry && this.#edit(entry, this.#engine.drift.read(id))
  }

  async draft(path: string): Promise<DriftEdit | undefined> {
    if (this.#engine.why(path) === undefined) return undefined
    const found = lookAt(this.#engine.where(path))
    return this.#edit({ id: '', path, what: found ? 'content' : 'missing', ...found }, found?.bytes)
  }

  async #edit(entry: Edited, bytes: Uint8Array | undefined): Promise<DriftEdit> {
    const step = keeperOf(entry.path, path => this.#engine.why(path)?.step)
    const own = step !== undefined && entry.what !== 'foreign' ? step.payload : undefined
    const declared = own && (await this.#declarer.payloads.read(own).catch(() => undefined))
    return {
      ...{ id: entry.id, path: entry.path, what: entry.what },
      base64: base64(bytes),
      declared: base64(declared),
      source: own !== undefined && step?.verb === 'COPY' ? own.path : null,
      origin: step === undefined ? 'a step of an earlier release' : words.originText(step),
      found: foundView(entry, step, this.#engine.where('/etc')),
      step: step === undefined ? null : stepView(step),
    }
  }

  unmanaged(path: string): readonly string[] | undefined {
    return nearestManaged(path, this.#engine.inForce()?.steps ?? [])
  }

  driftDrop(id: string): void {
    this.#engine.drift.drop(id)
    this.#tell()
  }

  pause(path: string | undefined, untilMs: number, reason: string): void {
    this.#engine.pause(path, untilMs, reason)
    this.#armAudit()
  }
  unpause(path: string | undefined): void {
    this.#engine.unpause(path)
    this.#auditSoon()
  }
  retry(): void {
    this.#attempts.end()
    this.#engine.retry()
  }
  async rehearse(): Promise<void> {
    await this.#engine.plan(this.#engine.inForce()?.steps ?? [])
  }
}

const base64 = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? null : Buffer.from(bytes).toString('base64')
