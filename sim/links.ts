// What happens to a message on its way between two hosts, and which faults are on. Every coin is of a stream for
// (seed, from, to, purpose), so that a fault left out shifts no other dice. Knows no connection: station.ts does.
import type { PeerId } from '../gossip/carrier.ts'
import { limits } from '../gossip/limits.ts'
import { type Cut, cutOf } from './cuts.ts'
import type { Fault } from './faults.ts'
import { baseMs, type Latency, latencies } from './latency.ts'
import { stateOf, type World } from './world.ts'

export interface LinksOptions {
  readonly latency?: Latency
  /** A send takes up to this share longer than the way does. Default 0.1. */
  readonly jitter?: number
}

/** One copy of a gossiped message. */
export interface Arrival {
  readonly afterMs: number
  /** One byte is another. */
  readonly isCorrupt: boolean
  /** It comes whether the connection of then still stands or not. */
  readonly isReplay: boolean
}

/** A fault that is on. */
interface Active {
  readonly fault: Fault
  /** Empty: all. */
  readonly struck: ReadonlySet<PeerId>
  cut: Cut | undefined
  /** The names of its streams: of gossip, and of direct messages. */
  readonly name: string
  readonly streamName: string
  ended: boolean
}

/** One direction between two hosts. */
export interface Way {
  readonly from: PeerId
  readonly to: PeerId
  readonly baseMs: number
  readonly chances: (purpose: string) => () => number
  readonly coins: Map<string, () => number>
  /** Of the jitter, which every send throws for. */
  jitter: (() => number) | undefined
  /** When the line has sent all it was given (rate). */
  freeMs: number
  /** What may strike it, as of so many changes of what is on. */
  striking: readonly Active[]
  asOf: number
  /** Of each burst: until when it is silent or speaks. */
  readonly bursts: Map<string, { isSilent: boolean; untilMs: number }>
  /** Held back, in order. */
  readonly held: { readonly go: () => void; readonly bytes: number; readonly isGossip: boolean }[]
  heldBytes: number
  /** It is about to try again. */
  isReleasing: boolean
}

/** ms of TCP's first retransmission (RFC 6298 has 1 s, Linux 200 ms), doubled each time, and the longest stretch. */
const retryMs = 200
const retryMaxMs = 60_000
/** A burst speaks this many times longer than it is silent. */
const burstTalk = 9
/** Least and most ms until old traffic comes again. */
const replayMs = [60_000, 600_000] as const
/** What `slow` makes of a way, least and most. */
const slowdown = [10, 50] as const
/** What `jam` loses. */
const jamLoss = 0.5
/** Of a fault that names no host. */
const all: ReadonlySet<PeerId> = new Set()

export class Links {
  /** Called when a link may have begun or ceased to carry; `peers`: of these hosts, undefined of all. */
  changed: (peers: ReadonlySet<PeerId> | undefined) => void = () => {}
  /** Connections of these hosts, of all if there are none, are dead from now on, and they do not know. */
  deafened: (peers: ReadonlySet<PeerId>) => void = () => {}
  readonly #world: World
  readonly #latency: Latency
  readonly #jitter: number
  readonly #ways = new Map<PeerId, Map<PeerId, Way>>()
  readonly #everyone: PeerId[] = []
  readonly #active: Active[] = []
  /** How often that has changed. */
  #changes = 0
  /** Of these: what cuts links, what clogs them, and what slows them down. */
  #cutting: readonly Active[] = []
  #clogging: readonly Active[] = []
  #slowing: readonly Active[] = []
  readonly #frozen = new Set<PeerId>()
  /** Ways that hold something back. */
  readonly #holding = new Set<Way>()

  constructor(world: World, { latency = latencies.site, jitter = 0.1 }: LinksOptions = {}) {
    this.#world = world
    this.#latency = latency
    this.#jitter = jitter
  }

  /** A host there is, up or not. */
  know(peer: PeerId): void {
    if (!this.#everyone.includes(peer)) this.#everyone.push(peer)
  }

  /** A fault of the classes `network` and `partition` begins; `peers`: the hosts it names, none for all. */
  begin(fault: Fault, peers: readonly PeerId[] = []): void {
    const struck = peers.length > 0 ? new Set(peers) : all
    // Short: each way makes streams of it.
    const name = `${fault.kind} ${fault.atMs} ${stateOf(0, peers.join(',')).toString(36)}`
    const active: Active = { fault, struck, cut: undefined, name, streamName: `${name} stream`, ended: false }
    active.cut =
      fault.kind === 'swizzle' ? this.#swizzle(active, peers) : cutOf(fault.kind, peers, this.#everyone)
    this.#active.push(active)
    this.#sort()
    if (fault.kind === 'halfOpen') this.deafened(struck)
    this.#change(this.#touched(active))
  }

  /** The same fault, as it was begun. */
  end(fault: Fault): void {
    for (const active of this.#active.filter(each => each.fault === fault)) {
      active.ended = true
      this.#active.splice(this.#active.indexOf(active), 1)
      this.#sort()
      this.#change(this.#touched(active))
    }
  }

  /** A host that takes nothing: what is sent to it waits. */
  freeze(peer: PeerId): void {
    this.#frozen.add(peer)
    this.#change(new Set([peer]))
  }

  thaw(peer: PeerId): void {
    if (this.#frozen.delete(peer)) this.#change(new Set([peer]))
  }

  isFrozen(peer: PeerId): boolean {
    return this.#frozen.has(peer)
  }

  /** What is sent is lost. */
  isCut(from: PeerId, to: PeerId): boolean {
    if (from === to) return false
    for (const { cut } of this.#cutting) if (cut?.(from, to)) return true
    return false
  }

  /** What is sent waits for better times. */
  isHeld(from: PeerId, to: PeerId): boolean {
    if (this.#frozen.has(to)) return true
    if (from === to) return false
    for (const active of this.#clogging) if (this.#strikes(active, from, to)) return true
    return false
  }

  /** Whether a question would be answered. */
  answers(a: PeerId, b: PeerId): boolean {
    return !this.isCut(a, b) && !this.isCut(b, a) && !this.isHeld(a, b) && !this.isHeld(b, a)
  }

  isDialable(from: PeerId, to: PeerId): boolean {
    return (
      this.answers(from, to) &&
      !this.#active.some(({ fault, struck }) => fault.kind === 'undialable' && isOne(struck, to))
    )
  }

  /** It does not notice that its connections are dead. */
  isHalfOpen(peer: PeerId): boolean {
    return this.#active.some(({ fault, struck }) => fault.kind === 'halfOpen' && isOne(struck, peer))
  }

  /** For whoever asks often: it is the same one always. */
  way(from: PeerId, to: PeerId): Way {
    let ways = this.#ways.get(from)
    if (!ways) this.#ways.set(from, (ways = new Map()))
    let way = ways.get(to)
    if (!way) {
      const { seed } = this.#world
      const ms = baseMs(this.#latency, seed, stateOf(0, from), stateOf(0, to))
      const chances = this.#world.chances(`${from} ${to}`)
      const coins = { chances, coins: new Map(), jitter: undefined }
      way = {
        from,
        to,
        baseMs: ms,
        ...coins,
        freeMs: 0,
        striking: [],
        asOf: -1,
        bursts: new Map(),
        held: [],
        heldBytes: 0,
        isReleasing: false,
      }
      ways.set(to, way)
    }
    return way
  }

  /** ms of one way, once. */
  ms(from: PeerId, to: PeerId): number {
    return this.#ms(this.way(from, to))
  }

  #ms(way: Way): number {
    const { from, to } = way
    way.jitter ??= way.chances('jitter')
    let ms = way.baseMs * (1 + this.#jitter * way.jitter())
    for (const active of this.#slowing)
      if (active.cut?.(from, to)) ms *= between(slowdown, this.#coin(way, active.name)())
    return ms
  }

  /** When gossip arrives: not at all, once, or more often. Whether the link is cut counts at arrival. */
  gossip(way: Way, bytes: number): Arrival[] {
    const { from, to } = way
    let afterMs = this.#ms(way)
    let isCorrupt = false
    let isLost = false
    const striking = this.#striking(way)
    if (striking.length === 0) return [{ afterMs, isCorrupt, isReplay: false }]
    const more: Arrival[] = []
    for (const active of striking) {
      if (!this.#strikes(active, from, to)) continue
      const { fault, name } = active
      const amount = fault.amount ?? 0
      const coin = this.#coin(way, name)
      switch (fault.kind) {
        case 'loss':
          isLost ||= coin() < amount
          break
        case 'burst':
          isLost ||= this.#silentUntil(way, active, coin) > 0
          break
        case 'duplicate':
          if (coin() < amount) more.push({ afterMs: this.#ms(way), isCorrupt, isReplay: false })
          break
        case 'replay':
          if (coin() < amount) more.push({ afterMs: between(replayMs, coin()), isCorrupt, isReplay: true })
          break
        case 'reorder':
          if (coin() < amount) afterMs *= 1 + 9 * coin()
          break
        case 'corrupt':
          isCorrupt ||= coin() < amount
          break
        case 'rate': {
          const waitsMs = Math.max(0, way.freeMs - this.#world.nowMs)
          if ((waitsMs * amount) / 1000 > limits.gossipQueueBytes) isLost = true
          else afterMs += this.#line(way, bytes, amount)
          break
        }
        default:
          if (fault.mode === 'jam') isLost ||= coin() < jamLoss
      }
    }
    return isLost ? [] : [{ afterMs, isCorrupt, isReplay: false }, ...more]
  }

  /** What an ordered reliable stream makes of the same faults: it is late, or the connection breaks. */
  stream(from: PeerId, to: PeerId, bytes: number): { readonly afterMs: number; readonly breaks: boolean } {
    const way = this.way(from, to)
    let afterMs = this.#ms(way)
    let breaks = false
    for (const active of this.#striking(way)) {
      if (!this.#strikes(active, from, to)) continue
      const { fault, streamName } = active
      const amount = fault.amount ?? 0
      const coin = this.#coin(way, streamName)
      const isJam = fault.mode === 'jam'
      if (fault.kind === 'loss' || isJam) {
        const loss = isJam ? jamLoss : amount
        let waitsMs = 0
        for (let ms = retryMs; waitsMs < retryMaxMs && coin() < loss; ms *= 2) waitsMs += ms
        afterMs += waitsMs
      } else if (fault.kind === 'burst') afterMs += this.#silentUntil(way, active, coin)
      else if (fault.kind === 'reorder') afterMs *= coin() < amount ? 2 : 1
      else if (fault.kind === 'rate') afterMs += this.#line(way, bytes, amount)
      else if (fault.kind === 'corrupt' || fault.kind === 'breaks') breaks ||= coin() < amount
    }
    return { afterMs, breaks }
  }

  /** Whether the connection breaks with this message of gossip. */
  breaks(way: Way): boolean {
    const { from, to } = way
    return this.#striking(way).some(
      active =>
        active.fault.kind === 'breaks' &&
        this.#strikes(active, from, to) &&
        this.#coin(way, active.name)() < (active.fault.amount ?? 0),
    )
  }

  /**
   * Runs `go` at once, or when the link carries again, in the order of asking. A stream waits for the end of a
   * partition, too; gossip above `gossipQueueBytes` is dropped.
   */
  pass(from: PeerId, to: PeerId, bytes: number, isGossip: boolean, go: () => void): void {
    const way = this.way(from, to)
    if (isGossip && this.isCut(from, to)) return
    if (way.held.length === 0 && !this.#waits(from, to, isGossip)) go()
    else if (!isGossip || way.heldBytes + bytes <= limits.gossipQueueBytes) {
      way.heldBytes += bytes
      way.held.push({ go, bytes, isGossip })
      this.#holding.add(way)
    }
  }

  /** Whether gossip that arrives now is neither lost nor waits: there are millions of such. */
  isOpen(way: Way): boolean {
    return way.held.length === 0 && !this.isHeld(way.from, way.to) && !this.isCut(way.from, way.to)
  }

  #waits(from: PeerId, to: PeerId, isGossip: boolean): boolean {
    return this.isHeld(from, to) || (!isGossip && this.isCut(from, to))
  }

  #change(peers: ReadonlySet<PeerId> | undefined): void {
    for (const way of this.#holding)
      if (
        !way.isReleasing &&
        (!peers || peers.has(way.from) || peers.has(way.to)) &&
        !this.#waits(way.from, way.to, false)
      )
        this.#release(way)
    this.changed(peers)
  }

  /** As TCP does: soon after, when it tries again. */
  #release(way: Way): void {
    const { from, to } = way
    way.isReleasing = true
    const ms = retryMs * (1 + 4 * this.#coin(way, 'release')())
    this.#world.after(ms, () => {
      way.isReleasing = false
      for (;;) {
        const [first] = way.held
        if (first === undefined) this.#holding.delete(way)
        if (first === undefined || this.#waits(from, to, first.isGossip)) return
        way.held.shift()
        way.heldBytes -= first.bytes
        if (!first.isGossip || !this.isCut(from, to)) first.go()
      }
    })
  }

  #sort(): void {
    this.#cutting = this.#active.filter(({ fault, cut }) => cut && (fault.mode ?? 'drop') === 'drop')
    this.#clogging = this.#active.filter(({ fault }) => fault.kind === 'clog')
    this.#slowing = this.#active.filter(({ fault }) => fault.mode === 'slow')
    this.#changes += 1
  }

  /** Hardly anything strikes most ways; what cuts some of them may do so now and then. */
  #striking(way: Way): readonly Active[] {
    if (way.asOf !== this.#changes) {
      way.asOf = this.#changes
      way.striking = this.#active.filter(active => active.cut || this.#strikes(active, way.from, way.to))
    }
    return way.striking
  }

  /** Hosts at whose links something changes. */
  #touched({ fault, struck }: Active): ReadonlySet<PeerId> | undefined {
    return struck.size === 0 || fault.kind === 'ring' ? undefined : struck
  }

  #strikes({ struck, cut }: Active, from: PeerId, to: PeerId): boolean {
    return cut ? cut(from, to) : isOne(struck, from) || isOne(struck, to)
  }

  /** Off one by one in the first third of its time, and back in another order in the last (FoundationDB). */
  #swizzle(active: Active, peers: readonly PeerId[]): Cut {
    const off = new Set<PeerId>()
    const { atMs, untilMs = atMs } = active.fault
    const stepMs = (untilMs - atMs) / 3 / Math.max(1, peers.length)
    const random = this.#world.chance('swizzle', active.name)
    const back = [...peers]
    for (let at = back.length - 1; at > 0; at--) {
      const other = Math.floor(random() * (at + 1))
      ;[back[at], back[other]] = [back[other]!, back[at]!]
    }
    const set = (peer: PeerId, isOff: boolean) => {
      if (active.ended) return
      if (isOff) off.add(peer)
      else off.delete(peer)
      this.#change(new Set([peer]))
    }
    for (const [at, peer] of peers.entries()) this.#world.after(at * stepMs, () => set(peer, true))
    for (const [at, peer] of back.entries())
      this.#world.after((2 * (untilMs - atMs)) / 3 + at * stepMs, () => set(peer, false))
    return (from, to) => off.has(from) || off.has(to)
  }

  /** ms until a burst of silence is over; 0: there is none. */
  #silentUntil(way: Way, { name, fault }: Active, coin: () => number): number {
    const nowMs = this.#world.nowMs
    const meanMs = fault.amount ?? 0
    let burst = way.bursts.get(name)
    if (!burst) way.bursts.set(name, (burst = { isSilent: true, untilMs: Number.NEGATIVE_INFINITY }))
    // Silence and talk forget how long they have lasted: after a long while any of them may be on.
    if (burst.untilMs < nowMs - 10 * (1 + burstTalk) * (1 + meanMs)) {
      burst.isSilent = coin() < burstTalk / (1 + burstTalk)
      burst.untilMs = nowMs
    }
    while (burst.untilMs <= nowMs) {
      burst.isSilent = !burst.isSilent
      burst.untilMs += 1 - meanMs * (burst.isSilent ? 1 : burstTalk) * Math.log(1 - coin())
    }
    return burst.isSilent ? burst.untilMs - nowMs : 0
  }

  /** ms until a line of so many bytes a second has sent them. */
  #line(way: Way, bytes: number, perSecond: number): number {
    const nowMs = this.#world.nowMs
    way.freeMs = Math.max(nowMs, way.freeMs) + (bytes * 1000) / Math.max(1, perSecond)
    return way.freeMs - nowMs
  }

  #coin(way: Way, purpose: string): () => number {
    let coin = way.coins.get(purpose)
    if (!coin) way.coins.set(purpose, (coin = way.chances(purpose)))
    return coin
  }
}

const isOne = (struck: ReadonlySet<PeerId>, peer: PeerId): boolean => struck.size === 0 || struck.has(peer)

function between([least, most]: readonly [number, number], share: number): number {
  return least + share * (most - least)
}
