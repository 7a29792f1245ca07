// One host's end of the simulated network: a Carrier with the real peer manager and the real standings. Direct messages
// come in order until the connection breaks; that a neighbour is dead is found out as on a real line, late.

import type { Carrier, Contact, Directory, Handlers, PeerId, Verdict } from '../gossip/carrier.ts'
import { GossipError } from '../gossip/errors.ts'
import { limits } from '../gossip/limits.ts'
import { Peers, type PeersEffect, type PeersInput } from '../gossip/peers.ts'
import { Standings } from '../gossip/standing.ts'
import type { Network, SimOptions } from './carrier.ts'
import type { Way } from './links.ts'
import { sent, type Traffic, taken } from './traffic.ts'
import type { World } from './world.ts'

/** ms until a silent neighbour is taken for dead, least and most: when it is asked, and how long an answer may take. */
const silenceMs = [75_000, limits.askAliveMs + limits.aliveMs] as const

/** ms until a machine where nobody listens has said so. */
const refusedMs = 20

/** A direct message on its way. */
interface Letter {
  readonly bytes: Uint8Array
  /** The sender is told: whether it was taken. */
  readonly settle: (taken: boolean) => void
}

/** One half of a connection: what one end knows and sends. */
export interface Half {
  readonly far: Station
  readonly inbound: boolean
  /** The far end's hello. */
  readonly hello: Uint8Array
  /** Identity of the connection: late events of an old one are dropped. */
  readonly wire: object
  /** Sent and not yet taken by the far end's handler. */
  queuedBytes: number
  /** When the last of them arrives. */
  arrivesMs: number
  /** At the far end, and not yet taken. */
  readonly inbox: Letter[]
  isTaking: boolean
  /** In [0, 1): how late this end finds out that the other is gone. */
  readonly patience: number
  /** Of gossip to the far end; absent until there was some. */
  way?: Way
  /** When it is given up, and how to keep it; absent while it is alive. */
  end?: { readonly atMs: number; readonly cancel: () => void }
}

export class Station implements Carrier {
  readonly self: PeerId
  readonly #network: Network
  readonly #world: World
  readonly #address: string
  readonly #peers: Peers
  readonly #standings = new Standings()
  /** Of its host, in all its lives. */
  readonly traffic: Traffic
  readonly #halves = new Map<PeerId, Half>()
  /** The same by number of the far end's router, for gossip. */
  readonly #byNumber = new Map<number, Half>()
  #number = -1
  /** Who was connected when power was cut. */
  #believers: Station[] = []
  #handlers: Handlers | undefined
  #cancelWake: () => void = () => {}

  constructor(network: Network, { self, address, seeds = [], book = [] }: SimOptions) {
    this.self = self
    this.#network = network
    this.#world = network.world
    this.#address = address
    this.traffic = network.traffic(self)
    const random = this.#world.chance(self, 'peers')
    this.#peers = new Peers({ self, seeds, book, searches: false, random })
  }

  async start(handlers: Handlers): Promise<void> {
    this.#number = this.#network.listen(this.#address, this)
    this.#handlers = handlers
    this.#feed({ kind: 'wake' })
  }

  async stop(): Promise<void> {
    for (const half of this.#silence()) this.#say(half)
  }

  publish(bytes: Uint8Array): void {
    if (bytes.length > limits.gossipBytes)
      throw new GossipError('MESSAGE_TOO_BIG', { bytes: bytes.length, most: limits.gossipBytes })
    if (this.#handlers) this.#network.publish(this.#number, bytes)
  }

  async send(peer: PeerId, bytes: Uint8Array): Promise<boolean> {
    if (bytes.length > limits.messageBytes)
      throw new GossipError('MESSAGE_TOO_BIG', { bytes: bytes.length, most: limits.messageBytes })
    const half = this.#halves.get(peer)
    if (!half || half.queuedBytes + bytes.length > limits.sendQueueBytes) return false
    half.queuedBytes += bytes.length
    this.#network.sendQueueBytes = Math.max(this.#network.sendQueueBytes, half.queuedBytes)
    const { afterMs, breaks } = this.#network.links.stream(this.self, peer, bytes.length)
    half.arrivesMs = Math.max(half.arrivesMs, this.#world.nowMs + afterMs)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const settle = (taken: boolean) => {
      half.queuedBytes -= bytes.length
      this.#world.unsettled()
      resolve(taken)
    }
    const letter = { bytes, settle }
    sent(this.traffic, bytes.length)
    this.#world.after(half.arrivesMs - this.#world.nowMs, () => {
      if (!this.#isUp(half)) return settle(false)
      half.inbox.push(letter)
      this.#hand(half)
    })
    if (breaks) this.breakTo(half.far)
    return half.queuedBytes <= limits.windowBytes || promise
  }

  /** As a dial: two ways for the handshake, then there and back. */
  async knock(peer: PeerId, bytes: Uint8Array): Promise<Uint8Array | undefined> {
    const network = this.#network
    const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>()
    const end = (answer?: Uint8Array) => {
      cancel()
      this.#world.unsettled()
      resolve(answer)
    }
    const cancel = this.#world.after(limits.knockMs, () => end())
    const addresses = this.book().find(each => each.peer === peer)?.addresses ?? []
    const address = addresses.find(each => network.at(each)?.self === peer)
    const target = address === undefined ? undefined : network.at(address)
    if (!target) {
      this.#world.after(refusedMs, () => end())
      return promise
    }
    const way = () => network.links.stream(this.self, peer, bytes.length).afterMs
    this.#after(way(), () => {
      if (!network.links.isDialable(this.self, peer)) return
      const openedMs = this.#world.nowMs
      this.#after(way() + way(), () => {
        if (network.at(target.#address) !== target || !network.links.answers(this.self, peer)) return
        const answer = target.knocked(this, bytes, this.#world.nowMs - openedMs)
        network.links.pass(peer, this.self, answer?.length ?? 0, false, () =>
          this.#world.after(way(), () => end(answer)),
        )
      })
    })
    return promise
  }

  peers(): PeerId[] {
    return [...this.#halves.keys()]
  }

  learn(peer: PeerId, addresses: readonly string[]): void {
    this.#feed({ kind: 'learn', peer, addresses })
  }

  enrol(roster: Directory): void {
    this.#feed({ kind: 'roster', roster })
  }

  addresses(): string[] {
    return this.#handlers ? [this.#address] : []
  }

  book(): readonly Contact[] {
    return this.#peers.book(this.#world.nowMs)
  }

  recheck(): void {
    for (const [peer, half] of this.#halves)
      if (this.#handlers?.admit(peer, half.hello) !== 'member') this.#hangUp(half)
    this.#feed({ kind: 'retry' })
  }

  // For the network and the far ends.

  /** Number of its router. */
  get number(): number {
    return this.#number
  }

  /** Power is cut. */
  die(): void {
    this.#believers = this.#silence().map(({ far }) => far)
    for (const far of this.#believers) far.assess()
  }

  /** Somebody is at its address again: who still believes in it is told otherwise when it asks. */
  replaced(): void {
    for (const far of this.#believers.splice(0)) far.assess()
  }

  /** Which connections are alive may have changed. */
  assess(): void {
    for (const half of this.#halves.values()) this.#assess(half)
  }

  /** Its connections are dead, and only the far ends notice. */
  deafen(): void {
    for (const half of this.#halves.values())
      this.#world.after(this.#ms(half), () => half.far.dropped(this.self, half.wire))
  }

  wireTo(far: Station): object | undefined {
    return this.halfTo(far)?.wire
  }

  halfTo(far: Station): Half | undefined {
    const half = this.#byNumber.get(far.#number)
    return half?.far === far ? half : undefined
  }

  /** The connection breaks, a moment later. */
  breakTo(far: Station): void {
    const half = this.#halves.get(far.self)
    if (half)
      this.#world.after(this.#ms(half), () => {
        if (this.#isUp(half)) this.#hangUp(half)
      })
  }

  judge(from: PeerId, bytes: Uint8Array): Verdict {
    this.#world.unsettled()
    const ask = () => this.#handlers?.gossip(from, bytes) ?? 'ignore'
    return this.#standings.of(from).judge(bytes, this.#world.nowMs, ask)
  }

  accepts(from: PeerId): boolean {
    return !this.#standings.of(from).isShutOut(this.#world.nowMs)
  }

  /** The far end's dial, with its hello. Undefined: turned away. */
  answer(from: Station, hello: Uint8Array): Uint8Array | undefined {
    if (this.#halves.size >= limits.connectionsHard) return undefined
    const admitted =
      this.#handlers?.admit(from.self) !== 'denied' && this.#handlers?.admit(from.self, hello) === 'member'
    return admitted ? this.#handlers?.hello() : undefined
  }

  /** The far end's knock. */
  knocked(from: Station, bytes: Uint8Array, ageMs: number): Uint8Array | undefined {
    this.#world.unsettled()
    if (this.#handlers?.admit(from.self) !== 'member') return undefined
    taken(this.traffic, bytes.length)
    return this.#handlers.knock?.(from.self, bytes, ageMs)
  }

  joined(far: Station, hello: Uint8Array, wire: object, inbound: boolean): void {
    // What is left of an older connection is dead: the far end does not know it any more.
    const old = this.#halves.get(far.self)
    if (old) this.dropped(far.self, old.wire)
    const patience = this.#world.chance(`${this.self} ${far.self}`, 'patience')()
    const idle = { queuedBytes: 0, arrivesMs: 0, inbox: [], isTaking: false }
    const half = { far, inbound, hello, wire, patience, ...idle }
    this.#halves.set(far.self, half)
    this.#byNumber.set(far.#number, half)
    this.#network.linked(this, far.self)
    this.#network.routers.connected(this.#number, far.#number, !inbound)
    this.#world.unsettled()
    this.#handlers?.up(far.self, { inbound })
    this.#feed({ kind: 'up', peer: far.self, addresses: [far.#address] })
  }

  dropped(peer: PeerId, wire: object): void {
    const half = this.#halves.get(peer)
    if (half?.wire !== wire) return
    this.#halves.delete(peer)
    this.#byNumber.delete(half.far.#number)
    this.#network.unlinked(this, peer)
    this.#discard(half)
    this.#network.routers.disconnected(this.#number, half.far.#number)
    this.#world.unsettled()
    this.#handlers?.down(peer)
    this.#feed({ kind: 'down', peer })
    half.far.assess()
  }

  /** A direct message arrives; `done` when the handler has taken it, never when the connection is another one. */
  take(from: Station, wire: object, bytes: Uint8Array, done: () => void): void {
    if (this.wireTo(from) !== wire || !this.#handlers) return
    const ms = this.#standings.of(from.self).pause(this.#world.nowMs)
    if (ms > 0) {
      this.#world.after(ms, () => this.take(from, wire, bytes, done))
      return
    }
    taken(this.traffic, bytes.length)
    this.#world.unsettled()
    const handled = this.#handlers.message(from.self, bytes)
    if (handled) void handled.then(done)
    else done()
  }

  /** Hands over what has arrived, one after the other. */
  #hand(half: Half): void {
    const [letter] = half.inbox
    if (letter === undefined || half.isTaking) return
    half.isTaking = true
    this.#network.links.pass(this.self, half.far.self, letter.bytes.length, false, () => {
      if (!this.#isUp(half)) return
      half.far.take(this, half.wire, letter.bytes, () => {
        // Given up meanwhile: its sender was told so.
        if (half.inbox[0] !== letter) return
        half.inbox.shift()
        half.isTaking = false
        letter.settle(true)
        this.#hand(half)
      })
    })
  }

  /** Ends it at once here, and there when word arrives. */
  #hangUp(half: Half): void {
    this.#world.after(0, () => {
      if (!this.#isUp(half)) return
      this.dropped(half.far.self, half.wire)
      this.#say(half)
    })
  }

  /** Tells the far end that the connection is over. */
  #say({ far, wire }: Half): void {
    const { links } = this.#network
    if (links.isHalfOpen(far.self)) return
    this.#world.after(links.ms(this.self, far.self), () =>
      links.pass(this.self, far.self, 0, false, () => far.dropped(this.self, wire)),
    )
  }

  /** Nothing is told any more; answers with the connections there were. */
  #silence(): Half[] {
    if (!this.#handlers) return []
    this.#handlers = undefined
    this.#cancelWake()
    this.#network.hush(this.#address, this.#number)
    const halves = [...this.#halves.values()]
    for (const { far } of halves) this.#network.unlinked(this, far.self)
    this.#halves.clear()
    this.#byNumber.clear()
    for (const half of halves) this.#discard(half)
    return halves
  }

  #discard(half: Half): void {
    half.end?.cancel()
    for (const { settle } of half.inbox.splice(0)) settle(false)
  }

  #assess(half: Half): void {
    const { links } = this.#network
    const { far, wire } = half
    const answers = links.answers(this.self, far.self)
    const isMutual = far.wireTo(this) === wire
    // One that hangs asks nobody.
    if (links.isFrozen(this.self) || (answers && isMutual)) {
      half.end?.cancel()
      delete half.end
      return
    }
    // A machine that knows nothing of the connection says so when it is asked.
    const isRefused = answers && !links.isHalfOpen(this.self) && this.#network.at(far.#address) !== undefined
    const [least, most] = isRefused ? ([0, limits.askAliveMs] as const) : silenceMs
    const ms = least + half.patience * (most - least)
    const atMs = this.#world.nowMs + ms
    if (half.end && half.end.atMs <= atMs) return
    half.end?.cancel()
    half.end = { atMs, cancel: this.#world.after(ms, () => this.dropped(far.self, wire)) }
  }

  #isUp(half: Half): boolean {
    return this.#halves.get(half.far.self) === half
  }

  #ms({ far }: Half): number {
    return this.#network.links.ms(this.self, far.self)
  }

  /** Of this host's own doing: not while it hangs. */
  #after(ms: number, action: () => void): () => void {
    return this.#world.after(ms, () => {
      this.#world.unsettled()
      this.#network.links.pass(this.self, this.self, 0, false, action)
    })
  }

  #feed(input: PeersInput): void {
    for (const effect of this.#peers.handle(input, this.#world.nowMs)) if (this.#handlers) this.#do(effect)
  }

  #do(effect: PeersEffect): void {
    switch (effect.kind) {
      case 'dial':
        this.#dial(effect.address, effect.peer)
        break
      case 'hangUp': {
        const half = this.#halves.get(effect.peer)
        if (half) this.#hangUp(half)
        break
      }
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
    const network = this.#network
    const done = (ms: number, peer?: PeerId, admitted = false) => {
      const result: PeersInput = { kind: 'dialled', address, admitted, ...(peer ? { peer } : {}) }
      this.#after(ms, () => this.#feed(result))
    }
    const target = network.at(address)
    if (!target) {
      done(network.isDark(address) ? limits.dialMs : refusedMs)
      return
    }
    const way = () => network.links.stream(this.self, target.self, 0).afterMs
    this.#after(way(), () => {
      const far = network.at(address)
      if (!far || !network.links.isDialable(this.self, far.self)) return done(limits.dialMs)
      if ((wanted && far.self !== wanted) || far.self === this.self) return done(way(), far.self)
      if (this.#halves.has(far.self)) return done(way(), far.self, true)
      const hello = this.#handlers?.hello()
      if (!hello || this.#handlers?.admit(far.self) === 'denied') return done(0, far.self)
      this.#after(way() + way() + way(), () => {
        if (this.#halves.has(far.self)) return done(0, far.self, true)
        const isThere = network.at(address) === far && network.links.answers(this.self, far.self)
        const theirs = isThere ? far.answer(this, hello) : undefined
        if (!theirs || this.#handlers?.admit(far.self, theirs) !== 'member') return done(0, far.self)
        const wire = {}
        far.joined(this, hello, wire, true)
        this.joined(far, theirs, wire, false)
        done(0, far.self, true)
      })
    })
  }
}
