// Announcements in a fleet of routers and nothing else: no agents, no signatures, messages are numbers. For thousands of
// hosts, and to compare the routers with published figures. Everybody is up, nothing fails but by `loss`.
import { limits } from '../gossip/limits.ts'
import { Calendar } from './calendar.ts'
import { fleetRouter, type Kind, kinds, type RouterOptions, type RouterPort, Routers } from './gossipsub.ts'
import { baseMs, type Latency } from './latency.ts'
import { mix, World } from './world.ts'

export interface AnnounceOptions {
  readonly hosts: number
  readonly seed: number
  readonly router?: RouterOptions
  /** Random others that each host dials; connections go both ways. */
  readonly dials?: number
  readonly latency?: Latency
  /** A send takes up to this share longer than the way does. */
  readonly jitter?: number
  /** Share of everything sent that never arrives. */
  readonly loss?: number
  /** How many are announced, ms between two, when the first, and how many hosts announce. */
  readonly announcements?: number
  readonly everyMs?: number
  readonly firstMs?: number
  readonly sources?: number
  /** Bytes of one announcement. */
  readonly messageBytes?: number
  /** A stopwatch for `wallMs`; the simulation itself does not look at it. */
  readonly stopwatch?: () => number
}

export interface Announced {
  readonly events: number
  readonly wallMs: number
  readonly eventsPerSecond: number
  /** ms from the announcement until a host had it, over all hosts but the source, and all announcements. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Share of these hosts that had it in the end. */
  readonly reached: number
  /** Sent in all: announcements, and bytes with all that gossipsub says besides. */
  readonly messages: number
  readonly bytes: number
  readonly sent: Readonly<Record<Kind, number>>
  /** Share of deliveries by steps of 100 ms: the first is those below 100. */
  readonly shares: readonly number[]
}

/** Bytes of a message's id with its frame, and of what carries it. */
const idBytes = 34
const rpcBytes = 16
/** Kinds of events besides those of `kinds`: a heartbeat, an announcement, and a connection that is up. */
const beat = kinds.length
const published = beat + 1
const dialled = beat + 2

export function announce(options: AnnounceOptions): Announced {
  const { stopwatch = () => performance.now() } = options
  const beganMs = stopwatch()
  const fleet = new Fleet(options)
  fleet.run()
  const wallMs = stopwatch() - beganMs
  return fleet.told(wallMs)
}

class Fleet implements RouterPort {
  readonly #options: Required<Omit<AnnounceOptions, 'stopwatch'>>
  readonly #calendar = new Calendar()
  // Of each slot of the calendar.
  #kind = new Uint8Array(1024)
  #from = new Int32Array(1024)
  #to = new Int32Array(1024)
  #id = new Int32Array(1024)
  readonly #ids: (readonly number[])[] = []
  readonly #routers: Routers
  readonly #jitter: () => number
  readonly #loss: () => number
  readonly #publishedMs: number[] = []
  /** Deliveries by their ms. */
  readonly #counts: number[] = []
  #events = 0
  #bytes = 0

  constructor(options: AnnounceOptions) {
    const all = {
      router: fleetRouter,
      dials: limits.connectionsWanted,
      latency: { kind: 'uniform', leastMs: 10, mostMs: 150 } as const,
      jitter: 0.1,
      loss: 0,
      announcements: 1,
      everyMs: 1_000,
      firstMs: 10_000,
      sources: 5,
      messageBytes: 2_048,
      ...options,
    }
    this.#options = all
    const world = new World(all.seed)
    this.#jitter = world.chance('fleet', 'jitter')
    this.#loss = world.chance('fleet', 'loss')
    this.#routers = new Routers(all.router, this)
    for (let host = 0; host < all.hosts; host++) this.#routers.start(host, mix(mix(all.seed) ^ host))
    this.#connect(world.chance('fleet', 'dials'))
    this.#plan(world.chance('fleet', 'sources'))
  }

  get nowMs(): number {
    return this.#calendar.nowMs
  }

  send(kind: Kind, from: number, to: number, id: number, ids: readonly number[]): void {
    const { latency, seed, jitter, loss, messageBytes } = this.#options
    this.#bytes += rpcBytes + (kind === 'message' ? messageBytes : idBytes * Math.max(1, ids.length))
    if (loss > 0 && this.#loss() < loss) return
    const ms = baseMs(latency, seed, from, to) * (1 + jitter * this.#jitter())
    this.#push(this.nowMs + Math.round(ms), numberOf[kind], from, to, id, ids)
  }

  beatAt(host: number, atMs: number): void {
    this.#push(atMs, beat, host, host, -1, nothing)
  }

  judge(_host: number, _from: number, id: number): 'accept' {
    const ms = this.nowMs - this.#publishedMs[id]!
    this.#counts[ms] = (this.#counts[ms] ?? 0) + 1
    return 'accept'
  }

  accepts(): boolean {
    return true
  }

  bytesOf(): number {
    return this.#options.messageBytes
  }

  forget(): void {}

  introduce(host: number, peer: number): void {
    if (host === peer) return
    // There and back.
    const { latency, seed } = this.#options
    this.#push(
      this.nowMs + Math.round(2 * baseMs(latency, seed, host, peer)),
      dialled,
      host,
      peer,
      -1,
      nothing,
    )
  }

  run(): void {
    const calendar = this.#calendar
    const routers = this.#routers
    for (let slot = calendar.pop(); slot >= 0; slot = calendar.pop()) {
      const kind = this.#kind[slot]!
      const to = this.#to[slot]!
      this.#events += 1
      if (kind === beat) routers.heartbeat(to)
      else if (kind === published) this.#publish(to)
      else if (kind === dialled) this.#routers.meet(this.#from[slot]!, to)
      else {
        const ids = this.#ids[slot]!
        this.#ids[slot] = nothing
        routers.receive(kinds[kind]!, this.#from[slot]!, to, this.#id[slot]!, ids)
      }
    }
  }

  told(wallMs: number): Announced {
    const { hosts, announcements } = this.#options
    const shares: number[] = []
    let delivered = 0
    for (const [ms, count = 0] of this.#counts.entries()) {
      delivered += count
      const bucket = Math.floor(ms / 100)
      while (shares.length <= bucket) shares.push(0)
      shares[bucket]! += count
    }
    const below = (share: number) => {
      let left = Math.max(1, Math.ceil(share * delivered))
      return this.#counts.findIndex((count = 0) => (left -= count) <= 0)
    }
    return {
      events: this.#events,
      wallMs,
      eventsPerSecond: (this.#events / wallMs) * 1000,
      p50Ms: below(0.5),
      p99Ms: below(0.99),
      maxMs: this.#counts.length - 1,
      reached: delivered / ((hosts - 1) * announcements),
      messages: this.#routers.sent.message,
      bytes: this.#bytes,
      sent: this.#routers.sent,
      shares: shares.map(count => count / delivered),
    }
  }

  #publish(host: number): void {
    const id = this.#publishedMs.push(this.nowMs) - 1
    this.#routers.publish(host, id)
  }

  #connect(random: () => number): void {
    const { hosts, dials } = this.#options
    const neighbours = Array.from({ length: hosts }, (): number[] => [])
    for (let host = 0; host < hosts; host++)
      for (const chosen: number[] = []; chosen.length < Math.min(dials, hosts - 1); ) {
        const peer = Math.floor(random() * hosts)
        if (peer === host || chosen.includes(peer)) continue
        chosen.push(peer)
        // Who was dialled by that one has a connection already.
        if (neighbours[host]!.includes(peer)) continue
        neighbours[host]!.push(peer)
        neighbours[peer]!.push(host)
        this.#routers.meet(host, peer)
      }
  }

  #plan(random: () => number): void {
    const { hosts, announcements, everyMs, firstMs, sources } = this.#options
    const from = Array.from({ length: sources }, () => Math.floor(random() * hosts))
    for (let at = 0; at < announcements; at++) {
      const host = from[Math.floor(random() * sources)]!
      this.#push(firstMs + at * everyMs, published, host, host, -1, nothing)
    }
  }

  #push(atMs: number, kind: number, from: number, to: number, id: number, ids: readonly number[]): void {
    const slot = this.#calendar.push(atMs)
    if (slot >= this.#from.length) this.#grow()
    this.#kind[slot] = kind
    this.#from[slot] = from
    this.#to[slot] = to
    this.#id[slot] = id
    this.#ids[slot] = ids
  }

  #grow(): void {
    const { capacity } = this.#calendar
    const grown = (old: Int32Array) => {
      const larger = new Int32Array(capacity)
      larger.set(old)
      return larger
    }
    const kind = new Uint8Array(capacity)
    kind.set(this.#kind)
    this.#kind = kind
    this.#from = grown(this.#from)
    this.#to = grown(this.#to)
    this.#id = grown(this.#id)
  }
}

const numberOf = Object.fromEntries(kinds.map((kind, at) => [kind, at])) as Record<Kind, number>
const nothing: readonly number[] = []
