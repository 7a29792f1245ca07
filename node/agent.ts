// The agent's core: ties log, spread, fetch, board and gates together. `handle(input, now) -> effects`, no clock, no
// chance, no IO: the simulator runs this very code. driver.ts turns effects into deeds and deeds into inputs.
import type { PeerId } from '../gossip/carrier.ts'
import { type Codec, type Hello, type Malformed, type Message, plainCodec } from '../gossip/message.ts'
import { createSpread, type Holdings, noBoard, type SpreadInput } from '../gossip/spread.ts'
import { hex, unhex } from '../signing/bytes.ts'
import type { Admissions } from './admission.ts'
import { type Effect, type Input, log } from './effects.ts'
import { Intake } from './intake.ts'
import type { EntryLog, ReleaseEntry } from './log.ts'
import type { Reporter } from './report.ts'
import { type Decision, decide } from './rollout.ts'
import { Supply, type SupplyEffect } from './supply.ts'

/**
 * What becomes of statuses. `spread`: kept, and passed on to all. In large simulations nobody passes any on, and only some
 * are `kept`; of the others' boards each has its `own` line.
 */
export type Statuses = 'spread' | 'kept' | 'own'

export interface AgentOptions {
  readonly log: EntryLog
  readonly reporter: Reporter
  readonly random: () => number
  /** `host` applies releases and reports; `operator` only takes part in the log, from a laptop. */
  readonly role: 'host' | 'operator'
  /** Default: `spread`. */
  readonly statuses?: Statuses
  /** Id of the entry in force, from the host's journal. */
  readonly inForce: string | undefined
  readonly paused?: { readonly untilMs: number; readonly reason: string } | undefined
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
  readonly #reporter: Reporter
  readonly #spread
  readonly #supply: Supply
  readonly #intake: Intake
  readonly #codec: Codec
  readonly #failed: Set<string>
  readonly #heard = new Set<PeerId>()
  /** Statuses are passed on. */
  readonly #spreads: boolean
  #inForce: string | undefined
  /** What the machine's clock shows beyond the steady one. */
  #aheadMs = 0
  #running: string | undefined
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
    this.#reporter = options.reporter
    this.#failed = new Set(options.failed)
    this.#inForce = options.inForce
    this.#paused = options.paused
    this.#spread = createSpread(this.#holdings(), options.random, nowMs, options.role === 'operator')
    const { held, quarantined, random } = options
    const holders = (sequence: number) => this.#spread.holders(sequence)
    this.#supply = new Supply({ log: options.log, held, holders, random, quarantined })
    this.#intake = new Intake({
      log: options.log,
      reporter: options.reporter,
      admissions: options.admissions,
      codec: this.#codec,
      send: (to, message) => this.#send(to, message),
      changed: atMs => this.#tell({ kind: 'changed' }, atMs),
      headOf: peer => this.headOf(peer),
      accepted: (entry, from) => {
        this.#announcer = from
        if (entry.kind === 'release') this.#retry = undefined
      },
    })
  }

  /** `nowMs` by a clock that never jumps, by which all waiting goes; `wallMs` by the machine's, which says what has expired. */
  handle(input: Input, nowMs: number, wallMs = nowMs): Effect[] {
    this.#aheadMs = wallMs - nowMs
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
      held ?? never,
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
  fetching(): readonly { pack: string; size: number; offset: number }[] {
    return this.#supply.progress()
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
  headOf(peer: PeerId): number | undefined {
    return this.#spread.headsOf(peer)?.head[0]
  }
  /** The root of its board, as a peer last said. */
  boardOf(peer: PeerId): Uint8Array | undefined {
    return this.#spread.headsOf(peer)?.board
  }

  #take(input: Input, nowMs: number): Effect[] {
    switch (input.kind) {
      case 'up':
        return this.#tell(input, nowMs)
      case 'down':
        this.#heard.delete(input.peer)
        return [...this.#tell(input, nowMs), ...this.#supplied(this.#supply.handle(input, nowMs))]
      case 'message': {
        const message = this.#codec.decode(input.bytes)
        const effects = input.gossip
          ? this.#intake.gossiped(input.from, message, nowMs)
          : this.#direct(input.from, message, nowMs)
        return effects
      }
      case 'submit':
        return this.#intake.submit(input.envelope, nowMs)
      case 'stuck':
        this.#supply.stuck(input.pack, input.why, nowMs)
        this.#reporter.changed()
        return [log('error', 'pack could not be stored', { pack: input.pack, why: input.why })]
      case 'installed':
        return this.#installed(input, nowMs)
      case 'ran':
        return this.#ran(input, nowMs)
      // Nobody asks for it yet.
      case 'surveyed':
        return []
      case 'host':
        this.#reporter.host(input.drift, input.notKept, nowMs)
        return []
      case 'pause':
        this.#paused = { untilMs: input.untilMs, reason: input.reason }
        return [log('info', 'paused', { untilMs: input.untilMs, reason: input.reason })]
      case 'unpause':
        if (input.path === undefined) this.#paused = undefined
        this.#retry = undefined
        return [log('info', 'unpaused', { ...(input.path !== undefined && { path: input.path }) })]
      case 'retry':
        this.#retry = undefined
        this.#reporter.lookedAfter()
        this.#failed.clear()
        return [{ kind: 'remember', failed: [] }]
      case 'tick':
        if (this.#paused !== undefined && nowMs + this.#aheadMs >= this.#paused.untilMs)
          this.#paused = undefined
        return [...this.#tell(input, nowMs), ...this.#supplied(this.#supply.handle(input, nowMs))]
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
      case 'want-pack':
        return [{ kind: 'serve', to: from, want: message }]
      case 'part':
        return this.#supplied(
          this.#supply.handle({ kind: 'part', from, part: message, pack: hex(message.pack) }, nowMs),
        )
      case 'no-pack':
        return this.#supplied(this.#supply.handle({ kind: 'no-pack', from, pack: hex(message.pack) }, nowMs))
      case 'heads':
        this.#heard.add(from)
        return [
          ...this.#tell({ kind: 'message', from, message }, nowMs),
          ...this.#supplied(this.#supply.handle({ kind: 'holder' }, nowMs)),
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
        this.#retry = undefined
        return effects
      case 'failed':
        this.#failed.add(input.entry)
        return [{ kind: 'remember', failed: [...this.#failed].slice(-64) }, ...effects]
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
      this.#running = target.id
      this.#reporter.started(target.id)
      const { sequence, id } = target
      effects.push({ kind: 'apply', entry: target }, log('info', 'run started', { sequence, id }))
    } else if (decision.kind === 'hold' && decision.gate !== before) {
      const { gate, reason } = decision
      effects.push(log('debug', 'held', { gate, reason, sequence: target?.sequence }))
    }
  }

  #decide(target: ReleaseEntry | undefined, nowMs: number): Decision {
    return decide(
      {
        target,
        inForce: this.#inForce,
        running: this.#running !== undefined,
        pausedUntilMs: this.#paused && this.#paused.untilMs - this.#aheadMs,
        cloned: this.#reporter.cloned,
        dirty: this.#reporter.dirty,
        refusal: target && this.#log.hold(target.id, this.#inForce === undefined, nowMs + this.#aheadMs),
        peersToHear: this.#peersToHear(),
        failed: target !== undefined && this.#failed.has(target.id),
        held: target !== undefined && this.#supply.holds(target),
        trouble: this.#supply.trouble,
        retryMs: this.#retry?.atMs,
      },
      nowMs,
    )
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

  /** Says what has changed of this host, if it is time. */
  #report(effects: Effect[], nowMs: number): void {
    const flags: string[] = []
    const target = this.#log.release()
    if (this.#log.frozen()) flags.push('FORK')
    if (this.#paused !== undefined) flags.push('PAUSED')
    if (target !== undefined && nowMs + this.#aheadMs >= target.release.expiresMs) flags.push('STALE')
    const hold = target && this.#log.hold(target.id, this.#inForce === undefined, nowMs + this.#aheadMs)
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
      ordersRoot: () => noId,
      orders: () => [],
      boardRoot: () => (this.#spreads ? board.root() : noBoard),
      have: () => board.have(),
      newer: than => board.newer(than),
      lacks: list => board.lacks(list),
      status: host => board.row(host)?.pair,
      peersToShare: () => this.#options.peersToShare(),
    }
  }
}
