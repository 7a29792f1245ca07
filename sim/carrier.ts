// The carrier of the simulator: the real peer manager and the real standings on a network made of events, with
// faults. Gossip is flooded to every neighbour and may be lost; direct messages come in order until the connection
// breaks. A restart is a new carrier at the old address.

import type { Carrier, Contact, Handlers, PeerId } from '../gossip/carrier.ts'
import { GossipError } from '../gossip/errors.ts'
import { limits } from '../gossip/limits.ts'
import { Peers, type PeersEffect, type PeersInput } from '../gossip/peers.ts'
import { Standings } from '../gossip/standing.ts'
import { hex } from '../signing/bytes.ts'
import { sha256 } from '../signing/crypto.ts'
import type { World } from './world.ts'

/** Shares are of messages, in [0, 1]. */
export interface NetworkFaults {
  /** Least and most ms of one way. */
  readonly latencyMs: readonly [number, number]
  /** Gossip that is lost between two neighbours. */
  readonly loss: number
  /** Gossip that is handed to a host once more, after up to `seenMs`. */
  readonly repeat: number
  /** Gossip that takes up to ten times as long, and so overtakes and is overtaken. */
  readonly reorder: number
  /** Messages of any kind after which the connection breaks. */
  readonly breaks: number
}

export const noFaults: NetworkFaults = { latencyMs: [1, 5], loss: 0, repeat: 0, reorder: 0, breaks: 0 }

export interface SimOptions {
  readonly self: PeerId
  /** `host:port`, this host's own. */
  readonly address: string
  readonly seeds?: readonly string[]
  readonly book?: readonly Contact[]
}

/** As long as gossipsub remembers a message, ms. */
const seenMs = 120_000
/** ms until a connection across a partition is known to be dead. */
const silenceMs = 75_000
/** ms between two attempts to get a direct message across a partition. */
const againMs = 1_000

export class Network {
  readonly world: World
  faults: NetworkFaults
  readonly #listening = new Map<string, SimCarrier>()
  #sideOf: (peer: PeerId) => number = () => 0

  constructor(world: World, faults: NetworkFaults = noFaults) {
    this.world = world
    this.faults = faults
  }

  carrier(options: SimOptions): Carrier {
    return new SimCarrier(this, options)
  }

  /** Peers reach only those of the same side. Connections across fall silent, and break later. */
  partition(sideOf: (peer: PeerId) => number): void {
    this.#sideOf = sideOf
    for (const carrier of this.#listening.values()) carrier.partitioned()
  }

  heal(): void {
    this.#sideOf = () => 0
  }

  isCut(a: PeerId, b: PeerId): boolean {
    return this.#sideOf(a) !== this.#sideOf(b)
  }

  at(address: string): SimCarrier | undefined {
    return this.#listening.get(address)
  }

  listen(address: string, carrier: SimCarrier): void {
    if (this.#listening.has(address)) throw new GossipError('LISTEN_FAILED', { listen: address })
    this.#listening.set(address, carrier)
  }

  hush(address: string): void {
    this.#listening.delete(address)
  }
}

/** One half of a connection: what one end knows and sends. */
interface Half {
  readonly far: SimCarrier
  readonly inbound: boolean
  /** The far end's hello. */
  readonly hello: Uint8Array
  /** Sent and not yet taken by the far end's handler. */
  queuedBytes: number
  /** When the last of them arrives. */
  arrivesMs: number
  /** Ends when the far end's handler has taken all so far. */
  taken: Promise<unknown>
  /** Identity of the connection: late events of an old one are dropped. */
  readonly wire: object
}

class SimCarrier implements Carrier {
  readonly self: PeerId
  readonly #network: Network
  readonly #world: World
  readonly #address: string
  readonly #peers: Peers
  readonly #standings = new Standings()
  readonly #halves = new Map<PeerId, Half>()
  /** Gossip by digest, and when it may be forgotten; oldest first. */
  readonly #seen = new Map<string, number>()
  readonly #chance: () => number
  #handlers: Handlers | undefined
  #cancelWake: () => void = () => {}

  constructor(network: Network, { self, address, seeds = [], book = [] }: SimOptions) {
    this.self = self
    this.#network = network
    this.#world = network.world
    this.#address = address
    this.#chance = this.#world.chance(self, 'network')
    const random = this.#world.chance(self, 'peers')
    this.#peers = new Peers({ self, seeds, book, searches: false, random })
  }

  async start(handlers: Handlers): Promise<void> {
    this.#network.listen(this.#address, this)
    this.#handlers = handlers
    this.#feed({ kind: 'wake' })
  }

  async stop(): Promise<void> {
    this.#handlers = undefined
    this.#cancelWake()
    this.#network.hush(this.#address)
    for (const peer of this.peers()) this.#hangUp(peer)
    this.#halves.clear()
  }

  publish(bytes: Uint8Array): void {
    if (bytes.length > limits.gossipBytes)
      throw new GossipError('MESSAGE_TOO_BIG', { bytes: bytes.length, most: limits.gossipBytes })
    if (this.#isNew(bytes)) this.#spread(bytes)
  }

  async send(peer: PeerId, bytes: Uint8Array): Promise<boolean> {
    if (bytes.length > limits.messageBytes)
      throw new GossipError('MESSAGE_TOO_BIG', { bytes: bytes.length, most: limits.messageBytes })
    const half = this.#halves.get(peer)
    if (!half || half.queuedBytes + bytes.length > limits.sendQueueBytes) return false
    half.queuedBytes += bytes.length
    half.arrivesMs = Math.max(half.arrivesMs, this.#world.nowMs + this.#latency())
    const before = half.taken
    const { promise, resolve } = Promise.withResolvers<boolean>()
    half.taken = promise
    const copy = bytes.slice()
    this.#after(half.arrivesMs - this.#world.nowMs, async () => {
      await before
      // As TCP does: once more until it arrives or the connection is given up.
      while (this.#halves.get(peer) === half && !this.#reaches(half)) await this.#sleep(againMs)
      const taken = this.#reaches(half) && (await half.far.take(this.self, half.wire, copy))
      half.queuedBytes -= copy.length
      resolve(taken)
    })
    if (this.#happens(this.#network.faults.breaks)) this.#break(half)
    return half.queuedBytes <= limits.windowBytes || promise
  }

  peers(): PeerId[] {
    return [...this.#halves.keys()]
  }

  learn(peer: PeerId, addresses: readonly string[]): void {
    this.#feed({ kind: 'learn', peer, addresses })
  }

  addresses(): string[] {
    return this.#handlers ? [this.#address] : []
  }

  book(): readonly Contact[] {
    return this.#peers.book(this.#world.nowMs)
  }

  recheck(): void {
    for (const [peer, { hello }] of this.#halves)
      if (this.#handlers?.admit(peer, hello) !== 'member') this.#hangUp(peer)
    this.#feed({ kind: 'retry' })
  }

  /** Another side appeared. */
  partitioned(): void {
    for (const half of this.#halves.values())
      if (this.#network.isCut(this.self, half.far.self))
        this.#after(silenceMs, () => {
          if (this.#network.isCut(this.self, half.far.self)) this.dropped(half.far.self, half.wire)
        })
  }

  /** The far end's dial, with its hello. Undefined: turned away. */
  answer(from: SimCarrier, hello: Uint8Array): Uint8Array | undefined {
    const admitted =
      this.#handlers?.admit(from.self) !== 'denied' && this.#handlers?.admit(from.self, hello) === 'member'
    return admitted ? this.#handlers?.hello() : undefined
  }

  joined(far: SimCarrier, hello: Uint8Array, wire: object, inbound: boolean): void {
    const idle = { queuedBytes: 0, arrivesMs: 0, taken: Promise.resolve() }
    this.#halves.set(far.self, { far, inbound, hello, wire, ...idle })
    this.#handlers?.up(far.self, { inbound })
    this.#feed({ kind: 'up', peer: far.self, addresses: [far.#address] })
  }

  dropped(peer: PeerId, wire: object): void {
    if (this.#halves.get(peer)?.wire !== wire) return
    this.#halves.delete(peer)
    this.#handlers?.down(peer)
    this.#feed({ kind: 'down', peer })
  }

  /** A direct message arrives; ends when the handler has taken it. */
  async take(from: PeerId, wire: object, bytes: Uint8Array): Promise<boolean> {
    const standing = this.#standings.of(from)
    for (let ms = standing.pause(this.#world.nowMs); ms > 0; ms = standing.pause(this.#world.nowMs))
      await this.#sleep(ms)
    if (this.#halves.get(from)?.wire !== wire) return false
    await this.#handlers?.message(from, bytes)
    return true
  }

  /** Gossip arrives. */
  hear(from: PeerId, wire: object, bytes: Uint8Array): void {
    const handlers = this.#handlers
    if (!handlers || this.#halves.get(from)?.wire !== wire) return
    if (!this.#isNew(bytes)) return
    const ask = () => handlers.gossip(from, bytes)
    if (this.#standings.of(from).judge(bytes, this.#world.nowMs, ask) !== 'accept') return
    if (this.#happens(this.#network.faults.repeat))
      this.#after(this.#chance() * seenMs, () => this.#handlers?.gossip(from, bytes))
    this.#spread(bytes, from)
  }

  #spread(bytes: Uint8Array, except?: PeerId): void {
    const { loss, reorder } = this.#network.faults
    const copy = bytes.slice()
    for (const half of this.#halves.values()) {
      if (half.far.self === except || this.#happens(loss)) continue
      const ms = this.#latency() * (this.#happens(reorder) ? 1 + 9 * this.#chance() : 1)
      this.#after(ms, () => {
        if (this.#reaches(half)) half.far.hear(this.self, half.wire, copy)
      })
      if (this.#happens(this.#network.faults.breaks)) this.#break(half)
    }
  }

  #isNew(bytes: Uint8Array): boolean {
    const id = hex(sha256(bytes))
    const nowMs = this.#world.nowMs
    for (const [old, untilMs] of this.#seen) {
      if (untilMs > nowMs) break
      this.#seen.delete(old)
    }
    if (this.#seen.has(id)) return false
    this.#seen.set(id, nowMs + seenMs)
    return true
  }

  /** All that happens here ends in a handler, or settles a promise. */
  #after(ms: number, action: () => void): () => void {
    return this.#world.after(ms, () => {
      this.#world.unsettled()
      action()
    })
  }

  #sleep(ms: number): Promise<void> {
    return new Promise(resolve => this.#after(ms, resolve))
  }

  #reaches({ far }: Half): boolean {
    return !this.#network.isCut(this.self, far.self)
  }

  #happens(share: number): boolean {
    return share > 0 && this.#chance() < share
  }

  #latency(): number {
    const [least, most] = this.#network.faults.latencyMs
    return least + this.#chance() * (most - least)
  }

  /** At once here, a moment later there. */
  #hangUp(peer: PeerId): void {
    const half = this.#halves.get(peer)
    if (!half) return
    this.#after(0, () => this.dropped(peer, half.wire))
    this.#after(this.#latency(), () => half.far.dropped(this.self, half.wire))
  }

  #break(half: Half): void {
    this.#after(this.#latency(), () => this.#hangUp(half.far.self))
  }

  #feed(input: PeersInput): void {
    for (const effect of this.#peers.handle(input, this.#world.nowMs)) if (this.#handlers) this.#do(effect)
  }

  #do(effect: PeersEffect): void {
    switch (effect.kind) {
      case 'dial':
        this.#dial(effect.address, effect.peer)
        break
      case 'hangUp':
        this.#hangUp(effect.peer)
        break
      case 'bookChanged':
        this.#after(0, () => this.#handlers?.bookChanged(this.book()))
        break
      case 'wake':
        this.#cancelWake()
        this.#cancelWake = this.#after(effect.atMs - this.#world.nowMs, () => this.#feed({ kind: 'wake' }))
        break
      case 'find':
        break
    }
  }

  /** Four ways of the wire: there and back for the handshake, then for the hellos. */
  #dial(address: string, wanted: PeerId | undefined): void {
    const done = (ms: number, peer?: PeerId, admitted = false) => {
      const result: PeersInput = { kind: 'dialled', address, admitted, ...(peer ? { peer } : {}) }
      this.#after(ms, () => this.#feed(result))
    }
    this.#after(this.#latency(), () => {
      const far = this.#network.at(address)
      if (far && this.#network.isCut(this.self, far.self)) return done(limits.dialMs)
      if (!far || (wanted && far.self !== wanted) || far === this) return done(this.#latency(), far?.self)
      if (this.#halves.has(far.self)) return done(this.#latency(), far.self, true)
      const hello = this.#handlers?.hello()
      if (!hello || this.#handlers?.admit(far.self) === 'denied') return done(0, far.self)
      this.#after(3 * this.#latency(), () => {
        if (this.#halves.has(far.self)) return done(0, far.self, true)
        const theirs = this.#network.at(address) === far ? far.answer(this, hello) : undefined
        if (!theirs || this.#handlers?.admit(far.self, theirs) !== 'member') return done(0, far.self)
        const wire = {}
        far.joined(this, hello, wire, true)
        this.joined(far, theirs, wire, false)
        done(0, far.self, true)
      })
    })
  }
}
