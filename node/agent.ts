// The agent's core: ties log, spread, fetch, board and gates together. `handle(input, now) -> effects`, no clock, no
// chance, no IO: the simulator runs this very code. driver.ts turns effects into deeds and deeds into inputs.
import type { PeerId } from '../gossip/carrier.ts'
import type { FetchInput } from '../gossip/fetch.ts'
import { type Codec, type Malformed, type Message, plainCodec } from '../gossip/message.ts'
import { createSpread, type SpreadInput } from '../gossip/spread.ts'
import { hex } from '../signing/bytes.ts'
import { Aftermath } from './aftermath.ts'
import type { AgentOptions } from './agent-options.ts'
import { type Effect, type Input, log } from './effects.ts'
import { Failed } from './failed.ts'
import { Hearing, keysOf } from './hearing.ts'
import { holdingsOf } from './holdings.ts'
import { Intake } from './intake.ts'
import type { EntryLog, ReleaseEntry } from './log.ts'
import { Neighbours } from './neighbours.ts'
import type { Orders } from './orders.ts'
import { Pursuit } from './pursuit.ts'
import type { Reporter } from './report.ts'
import { Retries } from './retries.ts'
import { type Decision, decide, hostShut } from './rollout.ts'
import { Sideline } from './sideline.ts'
import { Stages } from './stages.ts'
import { Supply, type SupplyEffect } from './supply.ts'

export class Agent {
  readonly #options: AgentOptions
  readonly #log: EntryLog
  readonly #orders: Orders
  readonly #reporter: Reporter
  readonly #spread
  readonly #supply: Supply
  readonly #intake: Intake
  /** Trials and plans. */
  readonly sideline: Sideline
  readonly #stages: Stages
  readonly #aftermath: Aftermath
  readonly #hearing: Hearing
  readonly #pursuit: Pursuit
  readonly #codec: Codec
  readonly #failed: Failed
  readonly neighbours: Neighbours
  /** Statuses are passed on. */
  readonly #spreads: boolean
  #inForce: string | undefined
  /** Of the release in force that failed: an operator at this machine wants it run again. */
  #again: string | undefined
  /** What the machine's clock shows beyond the steady one. */
  #aheadMs = 0
  #running: { readonly entry: string; readonly attempt: number } | undefined
  readonly #retries: Retries
  #paused: { untilMs: number; reason: string } | undefined
  #decision: Decision | undefined
  #nowMs: number
  /** Who brought the newest entry: asked first for its pack. */
  #announcer: PeerId | undefined

  constructor(options: AgentOptions, nowMs: number) {
    this.#options = options
    this.#retries = new Retries(options.random)
    this.#spreads = (options.statuses ?? 'spread') === 'spread'
    this.#codec = options.codec ?? plainCodec
    this.#log = options.log
    this.#orders = options.orders
    this.#reporter = options.reporter
    this.#failed = new Failed(options.failed)
    this.#inForce = options.inForce
    this.#paused = options.paused
    this.#spread = createSpread(
      holdingsOf({
        ...{ log: options.log, orders: options.orders, board: options.reporter.board },
        ...{ spreads: this.#spreads, peersToShare: options.peersToShare },
        supply: () => this.#supply,
      }),
      options.random,
      nowMs,
      options.role !== 'host',
    )
    this.neighbours = new Neighbours({
      ...{ log: options.log, orders: options.orders, headsOf: peer => this.#spread.headsOf(peer) },
      packHolders: sequence => this.#spread.holders(sequence),
    })
    const { held, quarantined, random } = options
    const holders = (sequence: number) => this.#spread.holders(sequence)
    const others = () => this.sideline.needs()
    this.#supply = new Supply({ log: options.log, held, holders, random, quarantined, others })
    this.sideline = new Sideline(
      {
        ...{ log: options.log, orders: options.orders, reporter: options.reporter, self: options.self },
        ...{ admissions: options.admissions, failed: this.#failed, inForce: options.trial, held },
        ...{
          random,
          quarantined,
          peers: () => this.neighbours.heard(),
          send: (to, each) => this.#send(to, each),
        },
        tidy: () => this.#supplied(this.#supply.tidy(this.#inForce, this.#aftermath.needs())),
      },
      nowMs,
    )
    this.#intake = new Intake({
      ...{ log: options.log, orders: options.orders, reporter: options.reporter },
      ...{ admissions: options.admissions, codec: this.#codec },
      send: (to, message) => this.#send(to, message),
      changed: (kind, atMs) => {
        if (kind === 'orders') this.#stages.ordersChanged(atMs)
        return this.#tell({ kind }, atMs)
      },
      headsOf: peer => this.#spread.headsOf(peer),
      accepted: (entry, from) => {
        this.#announcer = from
        if (entry.kind === 'trust') this.#stages.rosterChanged(this.#nowMs)
      },
      ordered: (id, from) => this.sideline.trials.announced(id, from),
    })
    this.#nowMs = nowMs
    const { log, reporter, self, boot, statuses, turns } = options
    this.#stages = new Stages({
      ...{ log, self, turns, board: reporter.board, record: options.stages },
      orders: entry => this.#orders.of(entry),
      connected: () => keysOf(this.#spread.compared()),
      hearsFew: statuses === 'own' || options.role === 'onlooker',
    })
    this.#aftermath = new Aftermath({ log, reporter, boot, failed: this.#failed }, options.said)
    this.#hearing = new Hearing({
      ...{ reporter, stages: this.#stages },
      passOn: (host, from, atMs) => {
        if (this.#spreads) this.#spread.handle({ kind: 'status', host, from }, atMs)
      },
    })
    this.#pursuit = new Pursuit({
      ...{ log, self, random, supply: this.#supply, stages: this.#stages, aftermath: this.#aftermath },
      hasFailed: release => this.#failed.has(release.id, this.#attemptOf(release)),
      orders: options.orders,
    })
  }

  /** `nowMs` by a clock that never jumps, by which all waiting goes; `wallMs` by the machine's, which says what has expired. */
  handle(input: Input, nowMs: number, wallMs = nowMs): Effect[] {
    this.#aheadMs = wallMs - nowMs
    this.sideline.at(nowMs, wallMs)
    this.#nowMs = nowMs
    const effects = this.#take(input, nowMs)
    if (this.#options.role === 'onlooker') {
      this.#seek(effects, this.#log.release()?.id, nowMs)
      this.#stages.hold(this.#pursuit.shut, nowMs)
    }
    if (this.#options.role !== 'host') return effects
    this.#pursue(effects, nowMs)
    this.#report(effects, nowMs)
    effects.push(...this.#stages.keep(nowMs, this.#aheadMs), ...this.#aftermath.keep(nowMs))
    return effects
  }

  /** When `tick` is wanted next. */
  wakeMs(): number {
    const never = Number.POSITIVE_INFINITY
    const held = this.#decision?.kind === 'hold' ? this.#decision.untilMs : undefined
    return Math.min(
      this.#spread.wakeMs(),
      this.#reporter.wakeMs() ?? never,
      this.#supply.wakeMs() ?? never,
      this.sideline.wakeMs() ?? never,
      this.#pursuit.wakeMs() ?? never,
      (this.#options.role === 'host' ? this.#stages.wakeMs() : undefined) ?? never,
      held ?? never,
      // Nothing else may wait for the end of a pause, save a trial.
      this.#paused === undefined ? never : this.#paused.untilMs - this.#aheadMs,
    )
  }

  hello(): Uint8Array {
    return this.#codec.encode(this.#options.hello())
  }

  // What the outside may look at; views.ts makes the answers of the control socket from it.
  get decision(): Decision | undefined {
    return this.#decision
  }
  get inForce(): string | undefined {
    return this.#inForce
  }
  get paused(): { untilMs: number; reason: string } | undefined {
    return this.#paused
  }
  /** The newest release on its way through the fleet, as this host sees it. */
  progress(): ReturnType<Stages['progress']> {
    return this.#stages.progress(this.#pursuit.shut, this.#nowMs, this.#options.role === 'onlooker')
  }
  /** Why the run of a release that is prepared must not go on to change anything; undefined: it may. */
  shut(entry: string): string | undefined {
    const { target } = this.#pursuit
    if (target?.id !== entry) return 'another release has taken its place'
    const decision = this.#decide(target, this.#nowMs, false)
    if (decision.kind === 'hold') return decision.reason
    return decision.kind === 'done' ? 'nobody asks for it any more' : undefined
  }
  /** What it has opened of it. */
  noted = (): Stages['noted'] => this.#stages.noted
  fetching(): readonly { pack: string; size: number; offset: number }[] {
    return [...this.#supply.progress(), ...this.sideline.progress()]
  }

  #take(input: Input, nowMs: number): Effect[] {
    switch (input.kind) {
      case 'up':
        return this.#tell(input, nowMs)
      case 'down':
        this.neighbours.left(input.peer)
        return [...this.#tell(input, nowMs), ...this.#fetched(input, nowMs)]
      case 'message': {
        const message = this.#codec.decode(input.bytes)
        if (!input.gossip) return this.#direct(input.from, message, nowMs)
        return message.t === 'statuses'
          ? this.#hearing.gossiped(input.from, message.statuses, nowMs)
          : this.#intake.gossiped(input.from, message, nowMs)
      }
      case 'submit':
        return this.#intake.submit(input.envelope, nowMs)
      case 'order':
        return this.#intake.submitOrder(input.envelope, nowMs)
      case 'branch-installed':
      case 'tried':
      case 'planned':
      case 'ask-plan':
        return this.sideline.take(input)
      case 'stuck':
        if (this.sideline.stuck(input.pack, input.why)) return []
        this.#supply.stuck(input.pack, input.why, nowMs)
        this.#reporter.changed()
        return [log('error', 'pack could not be stored', { pack: input.pack, why: input.why })]
      case 'installed':
        return this.#installed(input, nowMs)
      case 'ran':
        return this.#ran(input, nowMs)
      case 'surveyed':
        this.#stages.surveyed(input.entry, input.changes, nowMs)
        return []
      case 'acting':
        this.#reporter.acting(input.entry)
        return []
      case 'checked':
        return this.#aftermath.checked(input, this.sideline.trials.isOn ? '' : this.#inForce, nowMs)
      case 'reverted':
        return this.#reverted(input)
      case 'host':
        this.#reporter.host(input.drift, input.notKept, nowMs)
        return []
      case 'pause':
        this.#paused = { untilMs: input.untilMs, reason: input.reason }
        return [log('info', 'paused', { untilMs: input.untilMs, reason: input.reason })]
      case 'unpause':
        if (input.path === undefined) this.#paused = undefined
        this.#retries.soon()
        this.sideline.trials.retry()
        return [log('info', 'unpaused', { ...(input.path !== undefined && { path: input.path }) })]
      case 'retry':
        this.#retries.clear()
        this.#pursuit.retry()
        this.sideline.trials.retry()
        this.#reporter.lookedAfter()
        this.#aftermath.retry()
        if (this.#inForce !== undefined && this.#failed.has(this.#inForce, 1)) this.#again = this.#inForce
        this.#failed.clear()
        return [{ kind: 'remember', failed: [] }]
      case 'tick':
        if (this.#paused !== undefined && nowMs + this.#aheadMs >= this.#paused.untilMs)
          this.#paused = undefined
        return [...this.#tell(input, nowMs), ...this.#fetched(input, nowMs)]
    }
  }

  #direct(from: PeerId, message: Message | Malformed, nowMs: number): Effect[] {
    switch (message.t) {
      case 'malformed':
        return [log('warn', 'malformed message', { from, reason: message.reason })]
      case 'entry':
        return this.#intake.entry(from, message.entry, nowMs)
      case 'entries':
        return this.#intake.entries(from, message, nowMs)
      case 'statuses':
        this.#spread.handle({ kind: 'message', from, message }, nowMs)
        return this.#hearing.batch(from, message.statuses, nowMs)
      case 'peers':
        return message.peers.map(([peer, addresses]) => ({ kind: 'learn', peer, addresses }))
      case 'order':
        return this.#intake.orders(from, [message.order], nowMs)
      case 'orders':
        return this.#intake.orders(from, message.orders, nowMs)
      case 'want-knock':
        return [{ kind: 'wanted', from, want: message }]
      case 'want-pack':
        return [{ kind: 'serve', to: from, want: message }]
      case 'part':
        return this.#fetched({ kind: 'part', from, part: message, pack: hex(message.pack) }, nowMs)
      case 'no-pack':
        return this.#fetched({ kind: 'no-pack', from, pack: hex(message.pack) }, nowMs)
      case 'want-plan':
        return this.sideline.wanted(from, message.order)
      case 'plan':
        this.sideline.plans.answered(message)
        return []
      case 'heads':
        this.neighbours.add(from)
        return [
          ...this.#tell({ kind: 'message', from, message }, nowMs),
          ...this.#fetched({ kind: 'holder' }, nowMs),
        ]
      default:
        return this.#tell({ kind: 'message', from, message }, nowMs)
    }
  }

  #installed(input: Extract<Input, { kind: 'installed' }>, nowMs: number): Effect[] {
    const { entry, pack, result } = input
    const needed = this.#aftermath.needs()
    const { effects, condemned } = this.#supply.installed(entry, pack, result, this.#inForce, needed, nowMs)
    const out = this.#supplied(effects)
    if (result.kind === 'installed') return [...out, ...this.#tell({ kind: 'changed' }, nowMs)]
    if (condemned) this.#log.refuse(entry, result.code, result.detail)
    this.#reporter.changed()
    const sequence = this.#log.byId(entry)?.sequence
    return [...out, log('warn', 'pack refused', { code: result.code, detail: result.detail, sequence })]
  }

  #ran(input: Extract<Input, { kind: 'ran' }>, nowMs: number): Effect[] {
    const attempt = this.#running?.attempt ?? 1
    this.#running = undefined
    const { report } = input
    const entry = this.#log.byId(input.entry)
    this.#reporter.ran(input.entry, report, nowMs)
    const data = {
      sequence: entry?.sequence,
      outcome: report.kind,
      ...report.steps,
      ...(report.why && { why: report.why }),
    }
    const ended = log(report.kind === 'failed' ? 'error' : 'info', 'run ended', data)
    this.#retries.ran(report.kind, nowMs)
    this.#pursuit.ran(input.entry, report.kind)
    if (report.kind === 'applied' || report.kind === 'failed') this.#again = undefined
    let isNews = false
    if (report.kind === 'applied') {
      this.#aftermath.applied(input.entry, this.#inForce)
      this.#inForce = input.entry
      this.sideline.trials.left()
      // The order that allowed this attempt may go, with its signer: an earlier one must not count again then.
      isNews = this.#failed.forget(input.entry)
    } else if (report.kind === 'failed') {
      this.#failed.add(input.entry, attempt)
      isNews = true
    }
    return isNews ? [{ kind: 'remember', failed: this.#failed.lines() }, ended] : [ended]
  }

  #reverted({ entry, to, report }: Extract<Input, { kind: 'reverted' }>): Effect[] {
    this.#running = undefined
    if (report.kind === 'applied') this.#inForce = to
    this.#reporter.wentBack(entry, report)
    const { kind: outcome, why } = report
    return [log(outcome === 'applied' ? 'info' : 'error', 'went back', { outcome, ...(why && { why }) })]
  }

  /** Gets what the newest release is judged by: its pack, Stable's, and whom it concerns. */
  #seek(effects: Effect[], inForce: string | undefined, nowMs: number): void {
    this.#pursuit.set({ inForce, nowMs, wallMs: nowMs + this.#aheadMs })
    const { sought } = this.#pursuit
    const announcer = sought?.id === this.#log.release()?.id ? this.#announcer : undefined
    if (sought !== undefined) effects.push(...this.#supplied(this.#supply.seek(sought, announcer, nowMs)))
    effects.push(...this.#pursuit.survey(nowMs))
  }

  /** Goes after the newest release, and runs it when every gate is open. A blank host takes Stable first. */
  #pursue(effects: Effect[], nowMs: number): void {
    this.#seek(effects, this.#inForce, nowMs)
    const { target } = this.#pursuit
    // What a trial brings about says nothing of the release before it.
    if (!this.sideline.trials.isOn) effects.push(...this.#aftermath.check(nowMs), ...this.#goBack())
    if (target !== undefined) this.#retries.aim(target.id, this.#attemptOf(target))
    const before = this.#decision?.kind === 'hold' ? this.#decision.gate : undefined
    const decision = this.#decide(target, nowMs, this.#running !== undefined)
    this.#decision = decision
    if (decision.kind === 'go' && target !== undefined) {
      this.#running = { entry: target.id, attempt: this.#attemptOf(target) }
      this.#reporter.started(target.id, this.#running.attempt)
      const { sequence, id } = target
      effects.push(
        { kind: 'apply', entry: target, attempt: this.#running.attempt },
        log('info', 'run started', { sequence, id }),
      )
    } else if (decision.kind === 'hold' && decision.gate !== before) {
      const { gate, reason } = decision
      effects.push(log('debug', 'held', { gate, reason, sequence: target?.sequence }))
    }
    const shut = hostShut(this.#host(), nowMs)
    effects.push(...this.sideline.pursue(this.#inForce, this.#running !== undefined, shut))
  }

  /** What is in force here has failed since. */
  #goBack(): readonly Effect[] {
    const entry = this.#inForce && this.#log.byId(this.#inForce)
    if (this.#running || !entry) return []
    // Orders say what is allowed now, not which attempt is in force.
    const attempt = this.#reporter.entry === entry.id ? this.#reporter.attempt : 1
    if (!this.#failed.has(entry.id, attempt)) return []
    const back = this.#aftermath.back(entry, attempt)
    if (back.length > 0) this.#running = { entry: entry.id, attempt }
    return back
  }

  #decide(target: ReleaseEntry | undefined, nowMs: number, isRunning: boolean): Decision {
    const turn = () => this.#pursuit.turn(nowMs)
    return decide(
      {
        target,
        inForce: this.#inForce,
        again: target !== undefined && this.#isAgain(target),
        running: isRunning || this.sideline.trials.running,
        trial: this.sideline.holds(),
        ...this.#host(),
        refusal: target && this.#hold(target, nowMs),
        halts: target === undefined ? [] : this.#orders.of(target.id).halts,
        failed: target !== undefined && this.#failed.has(target.id, this.#attemptOf(target)),
        held: target !== undefined && this.#supply.holds(target),
        trouble: this.#supply.trouble,
        get stage() {
          return turn()
        },
        retryMs: this.#retries.atMs,
        exhausted: this.#retries.exhausted,
      },
      nowMs,
    )
  }

  /** It has failed in force here, stayed, and another attempt is allowed, which may have begun and come to nothing. */
  #isAgain(target: ReleaseEntry): boolean {
    if (this.#again === target.id) return true
    return this.#failed.has(target.id, 1) && !this.#failed.has(target.id, this.#attemptOf(target))
  }

  #host() {
    const { cloned, dirty } = this.#reporter
    const pausedUntilMs = this.#paused && this.#paused.untilMs - this.#aheadMs
    return { cloned, dirty, pausedUntilMs, peersToHear: this.neighbours.toHear(this.#options.peersToHear) }
  }

  /** Why the log does not let a release start here now. */
  #hold({ id }: ReleaseEntry, nowMs: number) {
    const { freshUntilMs } = this.#orders.of(id)
    const opened = this.#inForce === undefined || this.#stages.isOpen()
    return this.#log.hold(id, opened, nowMs + this.#aheadMs, freshUntilMs)
  }

  /** The attempt that a run here would be. */
  #attemptOf({ id }: { readonly id: string }): number {
    return this.#orders.of(id).attemptOf(this.#options.self)
  }

  #supplied(effects: readonly SupplyEffect[]): Effect[] {
    return effects.flatMap((each): Effect[] =>
      each.kind === 'send' ? this.#send(each.to, each.message) : [each],
    )
  }

  #fetched(input: FetchInput, nowMs: number): Effect[] {
    return [...this.#supplied(this.#supply.handle(input, nowMs)), ...this.sideline.fetched(input)]
  }

  /** Says what has changed of this host, if it is time. */
  #report(effects: Effect[], nowMs: number): void {
    const flags: string[] = this.sideline.report()
    const target = this.#log.release()
    if (this.#log.frozen()) flags.push('FORK')
    if (this.#paused !== undefined) flags.push('PAUSED')
    if (target !== undefined && this.#orders.endsMs(target) <= nowMs + this.#aheadMs) flags.push('STALE')
    const hold = target && this.#hold(target, nowMs)
    if (hold?.code === 'LANGUAGE_TOO_NEW') flags.push('NEEDS_AGENT')
    const said = this.#reporter.speak(flags, nowMs, nowMs + this.#aheadMs)
    if (said === undefined) return
    if (said.reserve !== undefined) effects.push({ kind: 'reserve', counter: said.reserve })
    if (this.#spreads) this.#spread.handle({ kind: 'status', host: said.host }, nowMs)
    const { status, pair } = this.#reporter.board.row(said.host) ?? {}
    if (status === undefined || pair === undefined) return
    const isNews = this.#stages.take(said.host, status, pair, nowMs)
    const { state } = status
    if (said.news !== undefined) effects.push(log('info', 'state', said.news))
    if (!isNews || state === undefined || state === 'WAIT' || state === 'APPLIED') return
    if (this.#stages.tells(state))
      effects.push({ kind: 'publish', bytes: this.#codec.encode({ t: 'statuses', statuses: [pair] }) })
  }

  #tell(input: SpreadInput | Extract<Input, { kind: 'up' | 'down' | 'tick' }>, nowMs: number): Effect[] {
    return this.#spread.handle(input, nowMs).flatMap(each => this.#send(each.to, each.message))
  }

  #send(to: PeerId, message: Message): Effect[] {
    return [{ kind: 'send', to, bytes: this.#codec.encode(message) }]
  }
}
