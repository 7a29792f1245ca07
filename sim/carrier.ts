// The network of a simulation: who listens where, the routers of all hosts, and what is done to whole hosts. Each
// host's end of it is a Carrier (station.ts); what happens on the way is decided in links.ts.
import type { Carrier, Contact, PeerId, Verdict } from '../gossip/carrier.ts'
import { GossipError } from '../gossip/errors.ts'
import { hex } from '../signing/bytes.ts'
import { sha256 } from '../signing/crypto.ts'
import { fleetRouter, type Kind, type RouterOptions, type RouterPort, Routers } from './gossipsub.ts'
import { type Arrival, Links, type LinksOptions } from './links.ts'
import { Station } from './station.ts'
import { gossiped, noTraffic, sent, type Traffic } from './traffic.ts'
import { stateOf, type World } from './world.ts'

export interface NetworkOptions extends LinksOptions {
  /** Default: fleet's own. */
  readonly router?: RouterOptions
}

export interface SimOptions {
  readonly self: PeerId
  /** Its Ed25519 seed; nothing in memory is encrypted by it. */
  readonly key?: Uint8Array
  /** `host:port`, this host's own. */
  readonly address: string
  readonly seeds?: readonly string[]
  readonly book?: readonly Contact[]
}

/** What the machines of a fleet are connected by. */
export interface Wires {
  carrier(options: SimOptions): Carrier | Promise<Carrier>
  /** All processes of the machine at that address hang, and go on. */
  freeze(address: string): void
  thaw(address: string): void
  /** Power is cut there. */
  cut(address: string): void
}

interface Message {
  readonly bytes: Uint8Array
  readonly digest: string
}

/** Something that one router sends another, on its way. */
interface Copy {
  readonly kind: Kind
  readonly from: number
  readonly to: number
  readonly id: number
  readonly ids: readonly number[]
  /** Undefined: it is none. */
  readonly message: Message | undefined
  readonly bytes: number
  readonly sender: Station
  readonly receiver: Station
  /** The connection by which it was sent. */
  readonly wire: object
}

/** Bytes of what gossipsub says besides messages: an id with its frame, and what carries it. */
const idBytes = 34
const rpcBytes = 16

export class Network implements RouterPort, Wires {
  readonly world: World
  readonly links: Links
  readonly routers: Routers
  /** The most that ever waited for one neighbour, bytes. */
  sendQueueBytes = 0
  readonly #listening = new Map<string, Station>()
  /** Addresses without power. */
  readonly #dark = new Set<string>()
  /** By number of the router: host and address, so that clones are two. */
  readonly #stations: (Station | undefined)[] = []
  readonly #numbers = new Map<string, number>()
  /** Who takes itself for connected to a host. */
  readonly #near = new Map<PeerId, Set<Station>>()
  readonly #traffic = new Map<PeerId, Traffic>()
  /** Gossip by number, and numbers by digest. */
  readonly #messages = new Map<number, Message>()
  readonly #ids = new Map<string, number>()
  /** Most copies of a message are the very same bytes. */
  readonly #idsByObject = new WeakMap<Uint8Array, number>()
  #count = 0

  constructor(world: World, { router = fleetRouter, ...links }: NetworkOptions = {}) {
    this.world = world
    this.links = new Links(world, links)
    this.links.changed = peers => {
      for (const station of peers ? this.#nearTo(peers) : this.#stations) station?.assess()
    }
    this.links.deafened = peers => {
      for (const station of this.#stations)
        if (station && (peers.size === 0 || peers.has(station.self))) station.deafen()
    }
    this.routers = new Routers(router, this)
  }

  get nowMs(): number {
    return this.world.nowMs
  }

  /** A restart is a new carrier at the old address. */
  carrier(options: SimOptions): Carrier {
    this.links.know(options.self)
    return new Station(this, options)
  }

  /** All of a host hangs: it takes nothing until `thaw`, and its peers find that out by its silence. */
  freeze(address: string): void {
    const station = this.#listening.get(address)
    if (station) this.links.freeze(station.self)
  }

  thaw(address: string): void {
    const station = this.#listening.get(address)
    if (station) this.links.thaw(station.self)
  }

  /** Power is cut: no word to anybody. Its peers find that out by its silence, or once it is back. */
  cut(address: string): void {
    const station = this.#listening.get(address)
    if (!station) return
    this.#dark.add(address)
    this.links.thaw(station.self)
    station.die()
  }

  traffic(peer: PeerId): Traffic {
    let traffic = this.#traffic.get(peer)
    if (!traffic) {
      traffic = noTraffic()
      this.#traffic.set(peer, traffic)
    }
    return traffic
  }

  // For stations.

  at(address: string): Station | undefined {
    return this.#listening.get(address)
  }

  isDark(address: string): boolean {
    return this.#dark.has(address)
  }

  /** Answers with the number of its router. */
  listen(address: string, station: Station): number {
    if (this.#listening.has(address)) throw new GossipError('LISTEN_FAILED', { listen: address })
    this.#listening.set(address, station)
    const key = `${station.self} ${address}`
    const number = this.#numbers.get(key) ?? this.#numbers.size
    this.#numbers.set(key, number)
    const before = this.#stations[number]
    this.#stations[number] = station
    this.routers.start(number, stateOf(this.world.seed, `${key}\0gossipsub`))
    this.#dark.delete(address)
    before?.replaced()
    return number
  }

  hush(address: string, number: number): void {
    this.#listening.delete(address)
    this.routers.stop(number)
  }

  linked(station: Station, peer: PeerId): void {
    const near = this.#near.get(peer)
    if (near) near.add(station)
    else this.#near.set(peer, new Set([station]))
  }

  unlinked(station: Station, peer: PeerId): void {
    this.#near.get(peer)?.delete(station)
  }

  /** They, and who is connected to one of them, in the order of their numbers. */
  #nearTo(peers: ReadonlySet<PeerId>): readonly Station[] {
    const found = new Set<Station>()
    for (const peer of peers) for (const station of this.#near.get(peer) ?? []) found.add(station)
    for (const station of this.#stations) if (station && peers.has(station.self)) found.add(station)
    return [...found].sort((a, b) => a.number - b.number)
  }

  publish(number: number, bytes: Uint8Array): void {
    this.routers.publish(number, this.#idOf(bytes))
  }

  // For the routers.

  send(kind: Kind, from: number, to: number, id: number, ids: readonly number[]): void {
    const sender = this.#stations[from]!
    const receiver = this.#stations[to]!
    const half = sender.halfTo(receiver)
    const message = kind === 'message' ? this.#messages.get(id) : undefined
    if (!half || (kind === 'message' && !message)) return
    const bytes = rpcBytes + (message ? message.bytes.length : idBytes * Math.max(1, ids.length))
    sent(sender.traffic, bytes)
    const way = (half.way ??= this.links.way(sender.self, receiver.self))
    const copy: Copy = { kind, from, to, id, ids, message, bytes, wire: half.wire, sender, receiver }
    for (const arrival of this.links.gossip(way, bytes)) {
      if (
        !arrival.isCorrupt &&
        !arrival.isReplay &&
        this.routers.knows(kind, to, id) &&
        this.links.isOpen(way)
      ) {
        // What it knows already it will know then: half of all that is sent.
        this.routers.duplicates += 1
        gossiped(receiver.traffic, bytes)
        continue
      }
      this.world.later(arrival.afterMs, () => {
        if (this.links.isOpen(way)) this.#arrive(copy, arrival)
        else this.links.pass(way.from, way.to, bytes, true, () => this.#arrive(copy, arrival))
      })
    }
    if (this.links.breaks(way)) sender.breakTo(receiver)
  }

  #arrive(copy: Copy, { isCorrupt, isReplay }: Arrival): void {
    const { kind, from, to, id, ids, message, bytes, wire, sender, receiver } = copy
    const isUp = isReplay ? this.#stations[to] === receiver : receiver.wireTo(sender) === wire
    if (!isUp || (isCorrupt && !message)) return
    gossiped(receiver.traffic, bytes)
    this.routers.receive(kind, from, to, message ? this.#arrived(id, message, isCorrupt) : id, ids)
  }

  /** The number of what a message has become; it may have been forgotten on the way. */
  #arrived(id: number, message: Message, isCorrupt: boolean): number {
    if (isCorrupt) return this.#idOf(flipped(message.bytes, id))
    return this.#messages.get(id) === message ? id : this.#idOf(message.bytes)
  }

  beatAt(host: number, atMs: number): void {
    this.world.after(atMs - this.nowMs, () => {
      // One that hangs beats again when it is let go: what it would have done meanwhile is not made up for.
      const station = this.#stations[host]!
      if (this.links.isFrozen(station.self)) this.beatAt(host, this.nowMs + this.routers.options.heartbeatMs)
      else this.routers.heartbeat(host)
    })
  }

  judge(host: number, from: number, id: number): Verdict {
    return this.#stations[host]!.judge(this.#stations[from]!.self, this.#messages.get(id)!.bytes)
  }

  accepts(host: number, from: number): boolean {
    return this.#stations[host]!.accepts(this.#stations[from]!.self)
  }

  bytesOf(id: number): number {
    return this.#messages.get(id)!.bytes.length
  }

  introduce(): void {}

  forget(id: number): void {
    const message = this.#messages.get(id)
    if (!message) return
    this.#messages.delete(id)
    this.#ids.delete(message.digest)
  }

  #idOf(bytes: Uint8Array): number {
    const known = this.#idsByObject.get(bytes)
    if (known !== undefined && this.#messages.has(known)) return known
    const digest = hex(sha256(bytes))
    let id = this.#ids.get(digest)
    if (id === undefined) {
      id = this.#count++
      this.#ids.set(digest, id)
      this.#messages.set(id, { bytes, digest })
    }
    this.#idsByObject.set(bytes, id)
    return id
  }
}

/** The same with one byte changed, the same one each time: what a broken relay makes of a message. */
function flipped(bytes: Uint8Array, lot: number): Uint8Array {
  const copy = bytes.slice()
  if (copy.length > 0) copy[(lot * 7919 + 13) % copy.length]! ^= 1 << (lot & 7)
  return copy
}
