// The agent's core: ties log, spread, fetch, board and gates together. `handle(input, now) -> effects`, no clock, no
// chance, no IO: the simulator runs this very code. driver.ts turns effects into deeds and deeds into inputs.
import type { PeerId } from '../gossip/carrier.ts'
import type { FetchInput } from '../gossip/fetch.ts'
import {
  type Codec,
  type Hello,
  type Malformed,
  type Message,
  type PlanMessage,
  plainCodec,
} from '../gossip/message.ts'
import { createSpread, type Holdings, noBoard, type SpreadInput } from '../gossip/spread.ts'
import { equal, hex, unhex } from '../signing/bytes.ts'
import type { Admissions } from './admission.ts'
import { type Effect, type Input, log } from './effects.ts'
import { Failed } from './failed.ts'
import { Intake } from './intake.ts'
import type { EntryLog, ReleaseEntry } from './log.ts'
import type { Orders } from './orders.ts'
import type { Reporter } from './report.ts'
import { type Decision, decide } from './rollout.ts'
import { Sideline } from './sideline.ts'
import { Supply, type SupplyEffect } from './supply.ts'
import type { TrialStanding } from './trial.ts'
import type { TrialInForce } from './trial-about.ts'

/**
 * What becomes of statuses. `spread`: kept, and passed on to all. In large simulations nobody passes any on, and only some
 * are `kept`; of the others' boards each has its `own` line.
 */
export type Statuses = 'spread' | 'kept' | 'own'

export interface AgentOptions {
  readonly log: EntryLog
  readonly orders: Orders
  readonly reporter: Reporter
  /** This host's key in hex: orders name it so. */
  readonly self: string
  readonly random: () => number
  /** `host` applies releases and reports; `operator` only takes part in the log, from a laptop. */
  readonly role: 'host' | 'operator'
  /** Default: `spread`. */
  readonly statuses?: Statuses
  /** Id of the entry in force, from the host's journal. */
  readonly inForce: string | undefined
  /** A trial in force, from the same; `inForce` is the entry before it then. */
  readonly trial?: TrialInForce | undefined
  readonly paused?: { readonly untilMs: number; readonly reason: string } | undefined
  /** As `Failed` writes them. */
  readonly failed: readonly string[]
  /** Release commits whose pack is installed. */
  readonly held: ReadonlySet<string>
  /** The floor is lost in both places: this many peers must be heard before anything is applied. */
  readonly peersToHear: number
  readonly admissions: Admissions
  readonly hello: () => Hello
  readonly peersToShare: () => readonly (readonly [string, readonly string[]])[]
  /** Bytes of a pack that lie in quarantine from an earlier life. */
  readonly quarantined: (pack: string) => number
  /** Default: the plain one. */
  readonly codec?: Codec | undefined
}

/** ms after a run that answered WAIT; doubled each time up to the second number. */
const retryMs = { first: 15_000, most: 600_000 } as const
const noId = new Uint8Array(32)

export class Agent {
  readonly #options: AgentOptions
  readonly #log: EntryLog
  readonly #orders: Orders
  readonly #reporter: Reporter
  readonly #spread
  readonly #supply: Supply
  readonly #intake: Intake
  readonly #sideline: Sideline
  readonly #codec: Codec
  readonly #failed: Failed
  readonly #heard = new Set<PeerId>()
  /** Statuses are passed on. */
  readonly #spreads: boolean
  #inForce: string | undefined
  /** What the machine's clock shows beyond the steady one. */
  #aheadMs = 0
  #running: { readonly entry: string; readonly attempt: number } | undefined
  #retry: { atMs: number; pauseMs: number } | undefined
  #paused: { untilMs: number; reason: string } | undefined
  #decision: Decision | undefined
  /** Who brought the newest entry: asked first for its pack. */
  #announcer: PeerId | undefined

  constructor(options: AgentOptions, nowMs: number) {
    this.#options = options
    this.#spreads = (options.statuses ?? 'spread') === 'spread'
    this.#codec = options.codec ?? plainCodec
    this.#log = options.log
    this.#orders = options.orders
    this.#reporter = options.reporter
    this.#failed = new Failed(options.failed)
    this.#inForce = options.inForce
    this.#paused = options.paused
    this.#spread = createSpread(this.#holdings(), options.random, nowMs, options.role === 'operator')
    const { held, quarantined, random } = options
    const holders = (sequence: number) => this.#spread.holders(sequence)
    const others = () => this.#sideline.needs()
    this.#supply = new Supply({ log: options.log, held, holders, random, quarantined, others })
    this.#sideline = new Sideline(
      {
        ...{ log: options.log, orders: options.orders, reporter: options.reporter, self: options.self },
        ...{ admissions: options.admissions, failed: this.#failed, inForce: options.trial, held },
        ...{ random, quarantined, peers: () => [...this.#heard], send: (to, each) => this.#send(to, each) },
        tidy: () => this.#supplied(this.#supply.tidy(this.#inForce)),
      },
      nowMs,
    )
    this.#intake = new Intake({
      log: options.log,
      orders: options.orders,
      reporter: options.reporter,
      admissions: options.admissions,
      codec: this.#codec,
      send: (to, message) => this.#send(to, message),
      changed: (kind, atMs) => this.#tell({ kind }, atMs),
      headsOf: peer => this.#spread.headsOf(peer),
      accepted: (entry, from) => {
        this.#announcer = from
        if (entry.kind === 'release') this.#retry = undefined
      },
      ordered: (id, from) => this.#sideline.trials.announced(id, from),
    })
  }

  /** `nowMs` by a clock that never jumps, by which all waiting goes; `wallMs` by the machine's, which says what has expired. */
  handle(input: Input, nowMs: number, wallMs = nowMs): Effect[] {
    this.#aheadMs = wallMs - nowMs
    this.#sideline.at(nowMs, wallMs)
    const effects = this.#take(input, nowMs)
    if (this.#options.role === 'operator') return effects
    this.#pursue(effects, nowMs)
    this.#report(effects, nowMs)
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
      this.#sideline.wakeMs() ?? never,
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
  get trial(): TrialStanding | undefined {
    return this.#sideline.trials.standing
  }
  /** What a host has answered to `ask-plan`. */
  planOf(order: string): PlanMessage | undefined {
    return this.#sideline.plans.answerOf(order)
  }
  fetching(): readonly { pack: string; size: number; offset: number }[] {
    return [...this.#supply.progress(), ...this.#sideline.progress()]
  }
  /** Connected peers that have said what they hold. */
  heard(): readonly PeerId[] {
    return [...this.#heard]
  }
  /** Connected peers that hold the entry, and those that hold its pack too. */
  holders(sequence: number): { readonly entry: readonly PeerId[]; readonly pack: readonly PeerId[] } {
    // Another entry of the same sequence is not this one.
    const agrees = (peer: PeerId) => {
      const [theirs, id] = this.#spread.headsOf(peer)?.head ?? [0, noId]
      const ours = this.#log.idAt(theirs)
      return theirs >= sequence && (ours === undefined || ours === hex(id))
    }
    return {
      entry: [...this.#heard].filter(agrees),
      pack: this.#spread.holders(sequence).filter(agrees),
    }
  }
  /** Connected peers that hold the very orders that are held here. */
  orderHolders(): readonly PeerId[] {
    const root = this.#orders.root()
    return [...this.#heard].filter(peer => equal(this.#spread.headsOf(peer)?.orders ?? noId, root))
  }
  headOf(peer: PeerId): number | undefined {
    return this.#spread.headsOf(peer)?.head[0]
  }

  #take(input: Input, nowMs: number): Effect[] {
    switch (input.kind) {
      case 'up':
        return this.#tell(input, nowMs)
      case 'down':
        this.#heard.delete(input.peer)
        return [...this.#tell(input, nowMs), ...this.#fetched(input, nowMs)]
      case 'message': {
        const message = this.#codec.decode(input.bytes)
        const effects = input.gossip
          ? this.#intake.gossiped(input.from, message, nowMs)
          : this.#direct(input.from, message, nowMs)
        return effects
      }
      case 'submit':
        return this.#intake.submit(input.envelope, nowMs)
      case 'order':
        return this.#intake.submitOrder(input.envelope, nowMs)
      case 'branch-installed':
      case 'tried':
      case 'planned':
      case 'ask-plan':
        return this.#sideline.take(input, this.#inForce)
      case 'stuck':
        if (this.#sideline.stuck(input.pack, input.why)) return []
        this.#supply.stuck(input.pack, input.why, nowMs)
        this.#reporter.changed()
        return [log('error', 'pack could not be stored', { pack: input.pack, why: input.why })]
      case 'installed':
        return this.#installed(input, nowMs)
      case 'ran':
        return this.#ran(input, nowMs)
      case 'host':
        this.#reporter.host(input.drift, input.notKept, nowMs)
        return []
      case 'pause':
        this.#paused = { untilMs: input.untilMs, reason: input.reason }
        return [log('info', 'paused', { untilMs: input.untilMs, reason: input.reason })]
      case 'unpause':
        if (input.path === undefined) this.#paused = undefined
        this.#retry = undefined
        this.#sideline.trials.retry()
        return [log('info', 'unpaused', { ...(input.path !== undefined && { path: input.path }) })]
      case 'retry':
        this.#retry = undefined
        this.#sideline.trials.retry()
        this.#reporter.lookedAfter()
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
      case 'statuses': {
        const effects: Effect[] = []
        for (const pair of message.statuses) {
          const taken = this.#reporter.take(pair, nowMs)
          if (taken.kind === 'new') {
            effects.push({ kind: 'board', host: taken.host, pair })
            // A status is only noted: it goes out with the next batch.
            if (this.#spreads) this.#spread.handle({ kind: 'status', host: taken.host, from }, nowMs)
          }
          if (taken.kind === 'twins')
            effects.push(log('warn', 'two statuses under one counter', { host: taken.host }))
          // Who passes on one that is not good has checked none: the rest is not looked at, nor told line by line.
          if (taken.kind === 'bad') {
            effects.push(log('warn', 'bad status', { from }))
            break
          }
        }
        return effects
      }
      case 'peers':
        return message.peers.map(([peer, addresses]) => ({ kind: 'learn', peer, addresses }))
      case 'order':
        return this.#intake.orders(from, [message.order], nowMs)
      case 'orders':
        return this.#intake.orders(from, message.orders, nowMs)
      case 'want-pack':
        return [{ kind: 'serve', to: from, want: message }]
      case 'part':
        return this.#fetched({ kind: 'part', from, part: message, pack: hex(message.pack) }, nowMs)
      case 'no-pack':
        return this.#fetched({ kind: 'no-pack', from, pack: hex(message.pack) }, nowMs)
      case 'want-plan':
        return this.#sideline.wanted(from, message.order)
      case 'plan':
        this.#sideline.plans.answered(message)
        return []
      case 'heads':
        this.#heard.add(from)
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
    const { effects, condemned } = this.#supply.installed(entry, pack, result, this.#inForce, nowMs)
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
    this.#reporter.ran(input.entry, report, entry?.release?.soakMs ?? 0, nowMs)
    const data = {
      sequence: entry?.sequence,
      outcome: report.kind,
      ...report.steps,
      ...(report.why && { why: report.why }),
    }
    const effects: Effect[] = [log(report.kind === 'failed' ? 'error' : 'info', 'run ended', data)]
    switch (report.kind) {
      case 'applied':
        this.#inForce = input.entry
        this.#sideline.trials.left()
        this.#retry = undefined
        return effects
      case 'failed':
        this.#failed.add(input.entry, attempt)
        return [{ kind: 'remember', failed: this.#failed.lines() }, ...effects]
      case 'wait': {
        const pauseMs = Math.min(retryMs.most, (this.#retry?.pauseMs ?? retryMs.first / 2) * 2)
        this.#retry = { pauseMs, atMs: nowMs + pauseMs * (0.75 + this.#options.random() / 2) }
        return effects
      }
    }
  }

  /** Goes after the newest release: get its pack, then run it when every gate is open. */
  #pursue(effects: Effect[], nowMs: number): void {
    const target = this.#log.release()
    if (target !== undefined && this.#log.refusalOf(target.id) === undefined)
      effects.push(...this.#supplied(this.#supply.seek(target, this.#announcer, nowMs)))
    const before = this.#decision?.kind === 'hold' ? this.#decision.gate : undefined
    const decision = this.#decide(target, nowMs)
    this.#decision = decision
    if (decision.kind === 'go' && target !== undefined) {
      this.#running = { entry: target.id, attempt: this.#attemptOf(target) }
      this.#reporter.started(target.id, this.#running.attempt)
      const { sequence, id } = target
      effects.push({ kind: 'apply', entry: target }, log('info', 'run started', { sequence, id }))
    } else if (decision.kind === 'hold' && decision.gate !== before) {
      const { gate, reason } = decision
      effects.push(log('debug', 'held', { gate, reason, sequence: target?.sequence }))
    }
    effects.push(...this.#sideline.pursue(this.#inForce, this.#running !== undefined, this.#shut(nowMs)))
  }

  /** Why nothing new may start on this host, be it a release or not. */
  #shut(nowMs: number): string | undefined {
    if (this.#peersToHear() > 0) return 'the floor was lost: peers must be heard first'
    if (this.#reporter.cloned) return 'another machine uses the key of this host'
    if (this.#reporter.dirty) return 'an undo failed here'
    if (this.#log.frozen()) return 'two operators published one entry at once'
    return this.#paused !== undefined && nowMs + this.#aheadMs < this.#paused.untilMs ? 'paused' : undefined
  }

  #decide(target: ReleaseEntry | undefined, nowMs: number): Decision {
    return decide(
      {
        target,
        inForce: this.#inForce,
        running: this.#running !== undefined || this.#sideline.trials.running,
        trial: this.#sideline.holds(),
        pausedUntilMs: this.#paused && this.#paused.untilMs - this.#aheadMs,
        cloned: this.#reporter.cloned,
        dirty: this.#reporter.dirty,
        refusal: target && this.#hold(target, nowMs),
        halts: target === undefined ? [] : this.#orders.of(target.id).halts,
        peersToHear: this.#peersToHear(),
        failed: target !== undefined && this.#failed.has(target.id, this.#attemptOf(target)),
        held: target !== undefined && this.#supply.holds(target),
        trouble: this.#supply.trouble,
        retryMs: this.#retry?.atMs,
      },
      nowMs,
    )
  }

  /** Why the log does not let a release start here now. */
  #hold({ id }: ReleaseEntry, nowMs: number) {
    const { freshUntilMs } = this.#orders.of(id)
    return this.#log.hold(id, this.#inForce === undefined, nowMs + this.#aheadMs, freshUntilMs)
  }

  #expiresMs({ id, release }: ReleaseEntry): number {
    return Math.max(release.expiresMs, this.#orders.of(id).freshUntilMs ?? 0)
  }

  /** The attempt that a run here would be. */
  #attemptOf({ id }: ReleaseEntry): number {
    return this.#orders.of(id).attemptOf(this.#options.self)
  }

  /** Peers to hear still, all of them where the fleet has fewer. One is heard when all that it holds is here too. */
  #peersToHear(): number {
    if (this.#options.peersToHear === 0) return 0
    const wanted = Math.min(this.#options.peersToHear, this.#log.roster().length - 1)
    const head = this.#log.head()?.sequence ?? 0
    const heard = [...this.#heard].filter(peer => (this.headOf(peer) ?? 0) <= head)
    return Math.max(0, wanted - heard.length)
  }

  #supplied(effects: readonly SupplyEffect[]): Effect[] {
    return effects.flatMap((each): Effect[] =>
      each.kind === 'send' ? this.#send(each.to, each.message) : [each],
    )
  }

  #fetched(input: FetchInput, nowMs: number): Effect[] {
    return [...this.#supplied(this.#supply.handle(input, nowMs)), ...this.#sideline.fetched(input)]
  }

  /** Says what has changed of this host, if it is time. */
  #report(effects: Effect[], nowMs: number): void {
    const flags: string[] = this.#sideline.report()
    const target = this.#log.release()
    if (this.#log.frozen()) flags.push('FORK')
    if (this.#paused !== undefined) flags.push('PAUSED')
    if (target !== undefined && nowMs + this.#aheadMs >= this.#expiresMs(target)) flags.push('STALE')
    const hold = target && this.#hold(target, nowMs)
    if (hold?.code === 'LANGUAGE_TOO_NEW') flags.push('NEEDS_AGENT')
    const said = this.#reporter.speak(flags, nowMs, nowMs + this.#aheadMs)
    if (said === undefined) return
    if (said.reserve !== undefined) effects.push({ kind: 'reserve', counter: said.reserve })
    if (this.#spreads) this.#spread.handle({ kind: 'status', host: said.host }, nowMs)
  }

  #tell(input: SpreadInput | Extract<Input, { kind: 'up' | 'down' | 'tick' }>, nowMs: number): Effect[] {
    return this.#spread.handle(input, nowMs).flatMap(each => this.#send(each.to, each.message))
  }

  #send(to: PeerId, message: Message): Effect[] {
    return [{ kind: 'send', to, bytes: this.#codec.encode(message) }]
  }

  #holdings(): Holdings {
    const board = this.#reporter.board
    return {
      head: () => {
        const head = this.#log.head()
        return head === undefined ? [0, noId] : [head.sequence, unhex(head.id, 32) ?? noId]
      },
      idAt: sequence => {
        const id = this.#log.idAt(sequence)
        return id === undefined ? undefined : unhex(id, 32)
      },
      trustSequence: () => this.#log.trustSequence(),
      held: () => this.#supply.newestHeld(),
      after: sequence => this.#log.after(sequence),
      ordersRoot: () => this.#orders.root(),
      orderIds: () => this.#orders.ids(),
      orders: have => this.#orders.missingIn(have),
      boardRoot: () => (this.#spreads ? board.root() : noBoard),
      have: () => board.have(),
      newer: than => board.newer(than),
      lacks: list => board.lacks(list),
      status: host => board.row(host)?.pair,
      peersToShare: () => this.#options.peersToShare(),
    }
  }
}
