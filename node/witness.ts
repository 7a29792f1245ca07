// Core: who can say that this host is still reached? Before a run that may cut it off, finds up to five hosts that make a
// new connection to it (or it to them); after the run, wants one of them to do so again. Does the same for other hosts.
import { Bucket } from '../gossip/bucket.ts'
import type { PeerId } from '../gossip/carrier.ts'
import { limits } from '../gossip/limits.ts'

export type WitnessInput =
  | { readonly kind: 'up' | 'down'; readonly peer: PeerId }
  /** A run may follow that cuts this host off. `nonce`, in hex, is this run's alone. Answered by `found`. */
  | { readonly kind: 'find'; readonly nonce: string }
  /** From now on somebody who was found must connect anew. Answered by `proven`. */
  | { readonly kind: 'prove'; readonly withinMs: number }
  /** The run is over, whatever came of it. */
  | { readonly kind: 'over' }
  /** A new connection of theirs brought a nonce; `ageMs`: since it was opened. Answered by `answer`, or not at all. */
  | { readonly kind: 'knocked'; readonly from: PeerId; readonly nonce: string; readonly ageMs: number }
  /** What came of a `knock` of ours. */
  | { readonly kind: 'tried'; readonly peer: PeerId; readonly nonce: string; readonly answered: boolean }
  /** Another host wants us to knock there until it answers. */
  | { readonly kind: 'wanted'; readonly from: PeerId; readonly nonce: string; readonly ms: number }
  | { readonly kind: 'tick' }

export type WitnessEffect =
  /** Make a new connection there, and say the nonce by it. Answered by `tried`. */
  | { readonly kind: 'knock'; readonly peer: PeerId; readonly nonce: string }
  /** Ask it, by whatever connection there is, to knock here. */
  | { readonly kind: 'want'; readonly peer: PeerId; readonly nonce: string; readonly ms: number }
  /** The nonce goes back by the connection that brought it. */
  | { readonly kind: 'answer' }
  /** Who may be asked after the run, and which of the two sides dials; none: nobody could be. */
  | { readonly kind: 'found'; readonly side: Side; readonly peers: readonly PeerId[] }
  | { readonly kind: 'proven'; readonly proven: boolean }

/** Who dials: they or we. */
type Side = 'they' | 'we'

export interface WitnessOptions {
  /** Whether it is a host of the roster: laptops leave. */
  readonly isHost: (peer: PeerId) => boolean
  /** In [0, 1). */
  readonly random: () => number
}

/** Peers that are asked before a run (DESIGN section 7). */
const witnessesMax = 5
/** ms that finding them may take: a dial, and another where that was lost. */
const findMs = 15_000
/** ms between two tries to have them prove it. */
const pressMs = 5_000

/** One peer that is asked: whether it has knocked, and whether it has answered ours (undefined: not yet). */
interface Asked {
  they: boolean
  we: boolean | undefined
}

/** A run of this host. */
interface Run {
  readonly nonce: string
  phase: 'finding' | 'armed' | 'proving'
  /** Only connections made since then count. */
  sinceMs: number
  untilMs: number
  pressMs: number
  readonly asked: Map<PeerId, Asked>
  side: Side
  peers: readonly PeerId[]
}

/** What another host wants of us. */
interface Errand {
  readonly nonce: string
  untilMs: number
  lastMs: number
  nextMs: number
}

export class Witnesses {
  readonly #options: WitnessOptions
  readonly #up = new Set<PeerId>()
  #run: Run | undefined
  readonly #errands = new Map<PeerId, Errand>()
  /** Knocks of ours that have not ended -> when they began. */
  readonly #flying = new Map<string, number>()
  /** How often a peer's knocks were answered that were not for a run of ours. */
  readonly #buckets = new Map<PeerId, Bucket>()

  constructor(options: WitnessOptions) {
    this.#options = options
  }

  handle(input: WitnessInput, nowMs: number): WitnessEffect[] {
    const effects: WitnessEffect[] = []
    this.#take(input, nowMs, effects)
    this.#runErrands(nowMs, effects)
    this.#goOn(nowMs, effects)
    return effects
  }

  /** When `tick` is wanted next. */
  wakeMs(): number {
    const run = this.#run
    const ms = [...this.#errands.values()].map(each => Math.min(each.nextMs, each.untilMs))
    if (run !== undefined && run.phase !== 'armed') ms.push(run.untilMs, run.pressMs)
    return Math.min(...ms, Number.POSITIVE_INFINITY)
  }

  #take(input: WitnessInput, nowMs: number, effects: WitnessEffect[]): void {
    const run = this.#run
    switch (input.kind) {
      case 'up':
        this.#up.add(input.peer)
        if (run?.phase === 'finding') this.#ask(run, input.peer, nowMs, effects)
        if (run?.phase === 'proving' && run.peers.includes(input.peer))
          this.#press(run, input.peer, nowMs, effects)
        return
      case 'down':
        this.#up.delete(input.peer)
        return
      case 'find':
        this.#find(input.nonce, nowMs, effects)
        return
      case 'prove':
        if (run === undefined || run.phase === 'finding') effects.push({ kind: 'proven', proven: false })
        else
          Object.assign(run, {
            phase: 'proving',
            sinceMs: nowMs,
            untilMs: nowMs + input.withinMs,
            pressMs: nowMs,
          })
        return
      case 'over':
        this.#run = undefined
        return
      case 'knocked':
        this.#knocked(input.from, input.nonce, nowMs - input.ageMs, nowMs, effects)
        return
      case 'tried':
        this.#tried(input, effects)
        return
      case 'wanted':
        this.#wanted(input.from, input.nonce, input.ms, nowMs)
        return
      case 'tick':
    }
  }

  #find(nonce: string, nowMs: number, effects: WitnessEffect[]): void {
    const untilMs = nowMs + findMs
    const asked = new Map<PeerId, Asked>()
    const run: Run = {
      ...{
        nonce,
        phase: 'finding',
        sinceMs: nowMs,
        untilMs,
        pressMs: untilMs,
        asked,
        side: 'they',
        peers: [],
      },
    }
    this.#run = run
    const lots = [...this.#up].map(peer => ({ peer, lot: this.#options.random() }))
    for (const { peer } of lots.sort((a, b) => a.lot - b.lot)) this.#ask(run, peer, nowMs, effects)
  }

  #ask(run: Run, peer: PeerId, nowMs: number, effects: WitnessEffect[]): void {
    // Asked now, not when it came up: a new host hears of the roster from its first peers.
    if (!this.#options.isHost(peer) || run.asked.has(peer) || run.asked.size >= witnessesMax) return
    run.asked.set(peer, { they: false, we: undefined })
    effects.push({ kind: 'want', peer, nonce: run.nonce, ms: run.untilMs - nowMs })
    this.#knock(peer, run.nonce, nowMs, effects)
  }

  #press(run: Run, peer: PeerId, nowMs: number, effects: WitnessEffect[]): void {
    const { nonce, side, untilMs } = run
    if (side === 'we') this.#knock(peer, nonce, nowMs, effects)
    else if (this.#up.has(peer)) effects.push({ kind: 'want', peer, nonce, ms: untilMs - nowMs })
  }

  #knock(peer: PeerId, nonce: string, nowMs: number, effects: WitnessEffect[]): void {
    const key = flight(peer, nonce)
    if (this.#flying.has(key)) return
    this.#flying.set(key, nowMs)
    effects.push({ kind: 'knock', peer, nonce })
  }

  #knocked(from: PeerId, nonce: string, openedMs: number, nowMs: number, effects: WitnessEffect[]): void {
    const run = this.#run
    if (run?.nonce !== nonce) {
      if (this.#mayAnswer(from, nowMs)) effects.push({ kind: 'answer' })
      return
    }
    // Too early: it tries again.
    if (run.phase === 'armed' || openedMs < run.sinceMs) return
    const asked = run.asked.get(from)
    if (asked === undefined) return
    asked.they = true
    effects.push({ kind: 'answer' })
    if (run.phase === 'proving' && run.side === 'they' && run.peers.includes(from)) this.#proven(run, effects)
  }

  #mayAnswer(from: PeerId, nowMs: number): boolean {
    if (!this.#options.isHost(from)) return false
    let bucket = this.#buckets.get(from)
    if (bucket === undefined) {
      const [oldest] = this.#buckets.keys()
      if (oldest !== undefined && this.#buckets.size >= limits.connectionsHard) this.#buckets.delete(oldest)
      this.#buckets.set(from, (bucket = new Bucket(limits.knocksPerSecond, limits.knocksBurst)))
    }
    return bucket.take(nowMs) === 0
  }

  #tried(
    { peer, nonce, answered }: Extract<WitnessInput, { kind: 'tried' }>,
    effects: WitnessEffect[],
  ): void {
    const key = flight(peer, nonce)
    const beganMs = this.#flying.get(key) ?? Number.NEGATIVE_INFINITY
    this.#flying.delete(key)
    if (answered && this.#errands.get(peer)?.nonce === nonce) this.#errands.delete(peer)
    const run = this.#run
    if (run?.nonce !== nonce || beganMs < run.sinceMs) return
    const asked = run.asked.get(peer)
    if (asked !== undefined && run.phase === 'finding') asked.we = answered
    if (run.phase === 'proving' && run.side === 'we' && answered && run.peers.includes(peer))
      this.#proven(run, effects)
  }

  #proven(run: Run, effects: WitnessEffect[]): void {
    run.phase = 'armed'
    effects.push({ kind: 'proven', proven: true })
  }

  /** What this host does for others is bounded: so many at a time, so long, so often. */
  #wanted(from: PeerId, nonce: string, ms: number, nowMs: number): void {
    const old = this.#errands.get(from)
    if (!this.#options.isHost(from) || (!old && this.#errands.size >= limits.knockErrands)) return
    const lastMs = old?.lastMs ?? Number.NEGATIVE_INFINITY
    const nextMs = Math.max(nowMs, lastMs + limits.knockLeastMs)
    this.#errands.set(from, { nonce, lastMs, nextMs, untilMs: nowMs + Math.min(ms, limits.knockForMs) })
  }

  #runErrands(nowMs: number, effects: WitnessEffect[]): void {
    for (const [peer, errand] of this.#errands)
      if (nowMs >= errand.untilMs) this.#errands.delete(peer)
      else if (nowMs >= errand.nextMs) {
        errand.lastMs = nowMs
        errand.nextMs = nowMs + limits.knockEveryMs
        this.#knock(peer, errand.nonce, nowMs, effects)
      }
  }

  #goOn(nowMs: number, effects: WitnessEffect[]): void {
    const run = this.#run
    if (run?.phase === 'finding') {
      const asked = [...run.asked.values()]
      const isAll = asked.length > 0 && asked.every(({ they, we }) => they && we !== undefined)
      if (isAll || nowMs >= run.untilMs) this.#found(run, effects)
    } else if (run?.phase === 'proving') {
      if (nowMs >= run.untilMs) {
        run.phase = 'armed'
        effects.push({ kind: 'proven', proven: false })
      } else if (nowMs >= run.pressMs) {
        run.pressMs = nowMs + pressMs
        for (const peer of run.peers) this.#press(run, peer, nowMs, effects)
      }
    }
  }

  /**
   * The way in is what such runs break, so it is what must be shown, wherever somebody could show it. They begin to knock at
   * once: afterwards there may be no connection to ask them by.
   */
  #found(run: Run, effects: WitnessEffect[]): void {
    const those = (does: (asked: Asked) => boolean | undefined) =>
      [...run.asked].filter(([, asked]) => does(asked)).map(([peer]) => peer)
    const they = those(asked => asked.they)
    run.side = they.length > 0 ? 'they' : 'we'
    run.peers = they.length > 0 ? they : those(asked => asked.we)
    run.phase = 'armed'
    if (run.peers.length === 0) this.#run = undefined
    if (run.side === 'they')
      for (const peer of run.peers)
        effects.push({ kind: 'want', peer, nonce: run.nonce, ms: limits.knockForMs })
    effects.push({ kind: 'found', side: run.side, peers: run.peers })
  }
}

const flight = (peer: PeerId, nonce: string) => `${peer} ${nonce}`
