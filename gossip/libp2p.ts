// Carrier on libp2p: TCP, noise, yamux, gossipsub. Opens, guards and closes; whom to dial is decided in peers.ts,
// whom to let in by the handlers, what is too much by limits.ts.

import assert from 'node:assert'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { TopicValidatorResult } from '@libp2p/gossipsub'
import type { Connection, IdentifyResult, PrivateKey, StreamHandler } from '@libp2p/interface'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { concat } from '../signing/bytes.ts'
import { publicKeyOf } from '../signing/crypto.ts'
import { defaultPort, fromMultiaddr, isLoopback, peerIn, toMultiaddr } from './address.ts'
import { Bucket } from './bucket.ts'
import type { Carrier, Contact, Directory, Handlers, PeerId } from './carrier.ts'
import { GossipError } from './errors.ts'
import { isAlive } from './libp2p-alive.ts'
import { answer, greet, helloProtocol } from './libp2p-hello.ts'
import { ask, knockProtocol, reply } from './libp2p-knock.ts'
import type { Segment } from './libp2p-mdns.ts'
import { isGossiping, makeNode, type Node, type TransportFactory } from './libp2p-node.ts'
import { messageProtocol, Outbox, read } from './libp2p-stream.ts'
import { steadyMs } from './libp2p-time.ts'
import { limits } from './limits.ts'
import { Peers, type PeersEffect, type PeersInput } from './peers.ts'
import { Standings } from './standing.ts'

export interface Libp2pOptions {
  /** Fleet id, 64 hex digits. */
  readonly fleet: string
  /** The host's Ed25519 key: its 32-byte seed. */
  readonly key: Uint8Array
  /** Where to listen, ADDR or multiaddr. Default: port 4747 of every IPv4 address. Empty: nowhere. */
  readonly listen?: readonly string[]
  /** Addresses to try first: ADDR, or a multiaddr, which may end in `/p2p/PEER`. */
  readonly seeds?: readonly string[]
  /** What `bookChanged` said last. */
  readonly book?: readonly Contact[]
  /** Find peers of the same segment by multicast. Default false. */
  readonly mdns?: boolean
  /** Find peers by a DHT among the admitted. Default false. */
  readonly dht?: boolean
  /** Default TCP. */
  readonly transport?: TransportFactory
}

/** One connection, from its opening on. */
interface Link {
  readonly connection: Connection
  readonly peer: PeerId
  /** Settles when the hellos are done: whether both sides admitted each other. */
  readonly ready: PromiseWithResolvers<boolean>
  readonly openedMs: number
  /** The peer's hello, once it was good enough. */
  hello?: Uint8Array
  /** The exchange is under way or over: there is one a connection. */
  greeted: boolean
  /** It was asked whether it is alive, and has not answered yet. */
  asked: boolean
  /** It is for a knock and nothing else, or was knocked by: there is one a connection. */
  knock: boolean
}

/** A peer that is up. */
interface Neighbour {
  readonly links: Set<Link>
  readonly outbox: Outbox
  /** When its last message came. */
  heardMs: number
  /** Ends the one inbound message stream that is read. */
  endRead?: () => void
}

/** Two dial each other at one moment, and both knock: four. One more may be dead without anybody knowing yet. */
const linksPerPeer = 5

/** Fails with `ADDRESS_INVALID`. */
export async function libp2pCarrier(options: Libp2pOptions): Promise<Carrier> {
  // Both halves: the platform derives the public one in no time, libp2p in 20 ms.
  return new Libp2pCarrier(options, privateKeyFromRaw(concat(options.key, publicKeyOf(options.key))))
}

class Libp2pCarrier implements Carrier {
  readonly self: PeerId
  readonly #options: Libp2pOptions
  readonly #key: PrivateKey
  readonly #listen: readonly string[]
  readonly #topic: string
  readonly #peers: Peers
  readonly #links = new Map<string, Link>()
  readonly #neighbours = new Map<PeerId, Neighbour>()
  /** Peers that are dialled anew for a knock, and the end of the last one asked for. */
  readonly #knocking = new Map<PeerId, Promise<unknown>>()
  readonly #standings = new Standings()
  readonly #strangers = new Bucket(limits.strangersPerSecond, limits.strangers)
  #handlers: Handlers | undefined
  #node: Node | undefined
  #wake: NodeJS.Timeout | undefined
  #watch: NodeJS.Timeout | undefined
  #segment: Segment | undefined

  constructor(options: Libp2pOptions, key: PrivateKey) {
    this.#options = options
    this.#key = key
    this.self = peerIdFromPrivateKey(key).toString() as PeerId
    this.#topic = `fleet/1/${options.fleet}/log`
    this.#listen = (options.listen ?? [`0.0.0.0:${defaultPort}`]).map(parse)
    const seeds = options.seeds ?? []
    const named = seeds.map(seed => ({ peer: peerIn(seed), address: fromMultiaddr(parse(seed)) }))
    this.#peers = new Peers({
      self: this.self,
      seeds: named.filter(({ peer }) => peer === undefined).map(({ address }) => address),
      book: options.book ?? [],
      searches: options.dht ?? false,
      random: Math.random,
    })
    for (const { peer, address } of named) if (peer) this.learn(peer as PeerId, [address])
  }

  async start(handlers: Handlers): Promise<void> {
    this.#handlers = handlers
    const node = await makeNode({
      key: this.#key,
      listen: this.#listen,
      transport: this.#options.transport,
      fleet: this.#options.fleet,
      topic: this.#topic,
      dht: this.#options.dht ?? false,
      isDenied: peer => this.#isDenied(peer),
      isUnwelcome: peer => this.#isUnwelcome(peer),
      isShutOut: peer => this.#standings.of(peer).isShutOut(steadyMs()),
      guard: (protocol, handler) => this.#guard(protocol, handler),
    })
    try {
      await node.handle(helloProtocol, (stream, connection) => {
        const link = this.#links.get(connection.id)
        if (link && !link.greeted) void this.#settle(link, answer(stream, this.#greeting(link)))
        else stream.abort(new Error('once'))
      })
      await node.handle(messageProtocol, this.#read)
      await node.handle(knockProtocol, this.#knocked)
      node.addEventListener('connection:open', ({ detail }) => this.#opened(detail))
      node.addEventListener('connection:close', ({ detail }) => this.#closed(detail))
      node.addEventListener('peer:identify', ({ detail }) => this.#identified(detail))
      await node.start()
    } catch (cause) {
      await node.stop()
      throw new GossipError('LISTEN_FAILED', { listen: this.#listen.map(fromMultiaddr).join(' ') }, cause)
    }
    this.#node = node
    const { gossip } = node.services
    gossip.topicValidators.set(
      this.#topic,
      (from, { data }) => this.#judge(from.toString() as PeerId, data) as TopicValidatorResult,
    )
    gossip.subscribe(this.#topic)
    this.#feed({ kind: 'wake' })
    this.#watch = setInterval(() => {
      for (const link of this.#links.values()) void this.#ask(link)
    }, limits.askAliveMs).unref()
    if (this.#options.mdns) await this.#discover()
  }

  async stop(): Promise<void> {
    const node = this.#node
    this.#handlers = undefined
    this.#node = undefined
    clearTimeout(this.#wake)
    clearInterval(this.#watch)
    await this.#segment?.stop()
    // gossipsub 17 forgets the timer of its next heartbeat, which would keep a process for three seconds.
    const beat = (node?.services.gossip as { status?: { heartbeatTimeout?: NodeJS.Timeout } } | undefined)
      ?.status
    await node?.stop()
    clearTimeout(beat?.heartbeatTimeout)
    this.#neighbours.clear()
  }

  publish(bytes: Uint8Array): void {
    if (bytes.length > limits.gossipBytes)
      throw new GossipError('MESSAGE_TOO_BIG', { bytes: bytes.length, most: limits.gossipBytes })
    // Best effort: what nobody took is healed by sync.
    this.#node?.services.gossip.publish(this.#topic, bytes).catch(() => {})
  }

  async send(peer: PeerId, bytes: Uint8Array): Promise<boolean> {
    if (bytes.length > limits.messageBytes)
      throw new GossipError('MESSAGE_TOO_BIG', { bytes: bytes.length, most: limits.messageBytes })
    return (await this.#neighbours.get(peer)?.outbox.send(bytes)) ?? false
  }

  /** One at a time: dials to one peer at one moment would be one connection. */
  async knock(peer: PeerId, bytes: Uint8Array): Promise<Uint8Array | undefined> {
    assert(bytes.length <= limits.knockBytes, 'a knock that nobody would read')
    const mine = (this.#knocking.get(peer) ?? Promise.resolve()).then(() => this.#knock(peer, bytes))
    this.#knocking.set(peer, mine)
    const answer = await mine
    if (this.#knocking.get(peer) === mine) this.#knocking.delete(peer)
    return answer
  }

  async #knock(peer: PeerId, bytes: Uint8Array): Promise<Uint8Array | undefined> {
    const found = this.#peers.book(steadyMs()).find(each => each.peer === peer)
    const targets = (found?.addresses ?? []).map(each => multiaddr(`${parse(each)}/p2p/${peer}`))
    if (targets.length === 0) return undefined
    let end = () => {}
    try {
      const signal = AbortSignal.timeout(limits.knockMs)
      const connection = await this.#node?.dial(targets, { signal, force: true })
      if (!connection) return undefined
      // It may be one like any other, which was being dialled already.
      if (this.#links.get(connection.id)?.knock)
        end = () => void connection.close().catch(error => connection.abort(error))
      return await ask(connection, bytes)
    } catch {
      // Nobody there, or nobody who answers.
      return undefined
    } finally {
      end()
    }
  }

  peers(): PeerId[] {
    return [...this.#neighbours.keys()]
  }

  learn(peer: PeerId, addresses: readonly string[]): void {
    const good = addresses.map(toMultiaddr).filter(each => each !== undefined)
    this.#feed({ kind: 'learn', peer, addresses: good.map(fromMultiaddr) })
  }

  enrol({ hosts }: Directory): void {
    const good = hosts.map(({ peer, addresses }) => ({
      peer,
      addresses: addresses
        .map(toMultiaddr)
        .flatMap(each => (each === undefined ? [] : [fromMultiaddr(each)])),
    }))
    this.#feed({
      kind: 'roster',
      roster: { hosts: good, byPeer: new Map(good.map(each => [each.peer, each])) },
    })
  }

  addresses(): string[] {
    const all = this.#node?.getMultiaddrs().map(each => fromMultiaddr(String(each))) ?? []
    const reachable = all.filter(each => !isLoopback(each))
    return reachable.length > 0 ? reachable : all
  }

  book(): readonly Contact[] {
    return this.#peers.book(steadyMs())
  }

  recheck(): void {
    for (const link of this.#links.values())
      if (this.#handlers && !this.#mayStay(link)) link.connection.abort(new Error('no longer admitted'))
    this.#feed({ kind: 'retry' })
  }

  async #discover(): Promise<void> {
    const { Segment } = await import('./libp2p-mdns.ts')
    const parts = this.#node?.services.parts
    if (!parts) return
    this.#segment = new Segment(parts.components, this.#options.fleet, (peer, found) =>
      this.learn(peer, found),
    )
    this.#segment.peers(this.#neighbours.size)
  }

  /** Whatever else libp2p offers is offered to the admitted only. */
  #guard(protocol: string, handler: StreamHandler): StreamHandler {
    if (protocol === helloProtocol || protocol === knockProtocol) return handler
    return async (stream, connection) => {
      const link = this.#links.get(connection.id)
      // A peer whose hello was good may be ahead of its welcome; anybody else has no business here.
      if (link?.hello && (await link.ready.promise)) await handler(stream, connection)
      else stream.abort(new Error('hello first'))
    }
  }

  #isDenied(peer: PeerId): boolean {
    return (this.#handlers?.admit(peer) ?? 'denied') === 'denied'
  }

  #isUnwelcome(peer: PeerId): boolean {
    const links = [...this.#links.values()]
    if (links.filter(link => link.peer === peer).length >= linksPerPeer) return true
    const admission = this.#handlers?.admit(peer) ?? 'denied'
    if (admission !== 'unknown') return admission === 'denied'
    const strangers = links.filter(link => link.hello === undefined && !this.#neighbours.has(link.peer))
    return strangers.length >= limits.strangers || this.#strangers.take(steadyMs()) > 0
  }

  #mayStay({ peer, hello }: Link): boolean {
    const admission = this.#handlers?.admit(peer, hello)
    return hello ? admission === 'member' : admission !== 'denied'
  }

  #greeting(link: Link) {
    return {
      hello: () => {
        const hello = this.#handlers?.hello() ?? new Uint8Array()
        assert(hello.length <= limits.helloBytes, 'a hello that nobody would read')
        return hello
      },
      admit: (hello: Uint8Array) => {
        if (this.#handlers?.admit(link.peer, hello) !== 'member') return false
        link.hello = hello
        return true
      },
    }
  }

  #opened(connection: Connection): void {
    const peer = connection.remotePeer.toString() as PeerId
    const ready = Promise.withResolvers<boolean>()
    const knock = connection.direction === 'outbound' && this.#knocking.has(peer)
    const link: Link = { connection, peer, ready, openedMs: steadyMs(), greeted: knock, asked: false, knock }
    this.#links.set(connection.id, link)
    if (connection.direction === 'inbound') {
      // Strangers do not linger.
      const hurry = () => link.hello ?? connection.abort(new Error('no hello'))
      setTimeout(hurry, limits.helloMs).unref()
    } else if (knock) ready.resolve(this.#neighbours.has(peer))
    else if (this.#neighbours.has(peer)) {
      // A seed under another address, or both dialled: one connection will do, and nobody has used this one yet.
      ready.resolve(true)
      connection.close().catch(error => connection.abort(error))
    } else void this.#settle(link, greet(connection, this.#greeting(link)))
  }

  /** Ends the exchange of hellos. */
  async #settle(link: Link, exchange: Promise<boolean>): Promise<void> {
    const { connection, peer } = link
    link.greeted = true
    const admitted = await exchange.catch(() => false)
    if (!admitted || connection.status !== 'open' || !this.#handlers) {
      connection.abort(new Error('not admitted'))
      link.ready.resolve(false)
      return
    }
    const inbound = connection.direction === 'inbound'
    const neighbour = this.#neighbours.get(peer)
    if (neighbour) neighbour.links.add(link)
    else {
      const links = new Set([link])
      const live = () => [...links].findLast(each => each.connection.status === 'open')?.connection
      this.#neighbours.set(peer, { links, outbox: new Outbox(live), heardMs: steadyMs() })
      this.#segment?.peers(this.#neighbours.size)
      this.#handlers.up(peer, { inbound })
    }
    link.ready.resolve(true)
    this.#feed({ kind: 'up', peer, addresses: inbound ? [] : [fromMultiaddr(String(connection.remoteAddr))] })
    this.#node?.services.identify.identify(connection).catch(error => connection.abort(error))
  }

  async #ask(link: Link): Promise<void> {
    if (link.asked || link.knock) return
    link.asked = true
    if (!this.#isHeard(link) && !(await isAlive(link.connection, limits.aliveMs)))
      link.connection.abort(new Error('no sign of life'))
    else if (this.#isMute(link)) link.connection.abort(new Error('no gossip'))
    link.asked = false
  }

  /** It has spoken since the last question, by this connection: there is no other. */
  #isHeard({ peer }: Link): boolean {
    const neighbour = this.#neighbours.get(peer)
    return neighbour?.links.size === 1 && steadyMs() - neighbour.heardMs < limits.askAliveMs
  }

  /** gossipsub never reopens a stream that broke. */
  #isMute({ peer }: Link): boolean {
    const links = [...(this.#neighbours.get(peer)?.links ?? [])]
    const isNew = ({ connection }: Link) => Date.now() - connection.timeline.open < limits.askAliveMs
    return links.length > 0 && !links.some(each => isNew(each) || isGossiping(each.connection))
  }

  #closed(connection: Connection): void {
    const link = this.#links.get(connection.id)
    if (!link) return
    this.#links.delete(connection.id)
    link.ready.resolve(false)
    const neighbour = this.#neighbours.get(link.peer)
    if (!neighbour?.links.delete(link)) return
    // gossipsub does not move its streams to another connection: all or none.
    for (const other of neighbour.links) other.connection.abort(new Error('one connection was lost'))
    if (neighbour.links.size > 0 || !this.#neighbours.delete(link.peer)) return
    this.#segment?.peers(this.#neighbours.size)
    this.#feed({ kind: 'down', peer: link.peer })
    // Not from within recheck(), which may be what closed it.
    queueMicrotask(() => this.#handlers?.down(link.peer))
  }

  #identified({ peerId, listenAddrs, connection }: IdentifyResult): void {
    const peer = peerId.toString() as PeerId
    if (!this.#neighbours.has(peer)) return
    const reached = fromMultiaddr(String(connection.remoteAddr))
    const claims = listenAddrs.map(each => fromMultiaddr(String(each)))
    const addresses = claims.filter(each => isLoopback(reached) || !isLoopback(each))
    if (connection.direction === 'outbound') addresses.unshift(reached)
    this.#feed({ kind: 'up', peer, addresses: [...new Set(addresses)].slice(0, limits.addressesPerPeer) })
  }

  readonly #read: StreamHandler = async (stream, connection) => {
    const peer = connection.remotePeer.toString() as PeerId
    const neighbour = this.#neighbours.get(peer)
    if (!neighbour) return stream.abort(new Error('not up'))
    neighbour.endRead?.()
    neighbour.endRead = () => stream.abort(new Error('another stream was opened'))
    const standing = this.#standings.of(peer)
    const handle = (bytes: Uint8Array) => {
      neighbour.heardMs = steadyMs()
      return this.#handlers?.message(peer, bytes)
    }
    await read(stream, () => standing.pause(steadyMs()), handle).catch(error => stream.abort(error))
  }

  /** By a connection that the peer opened just now for this; anything else would not show that it can. */
  readonly #knocked: StreamHandler = async (stream, connection) => {
    const link = this.#links.get(connection.id)
    // Since the line was there, before the handshake; by our own clock as well, in case somebody sets the machine's.
    const ageMs = Math.max(Date.now() - connection.timeline.open, steadyMs() - (link?.openedMs ?? 0))
    const isNew = connection.direction === 'inbound' && ageMs <= limits.helloMs
    if (!link || link.knock || link.hello || !isNew || this.#handlers?.admit(link.peer) !== 'member')
      return stream.abort(new Error('no knock'))
    link.knock = link.greeted = true
    await reply(stream, question => this.#handlers?.knock?.(link.peer, question, ageMs)).catch(error =>
      stream.abort(error),
    )
  }

  #judge(from: PeerId, bytes: Uint8Array) {
    const handlers = this.#handlers
    if (!handlers || !this.#neighbours.has(from)) return 'ignore'
    return this.#standings.of(from).judge(bytes, steadyMs(), () => handlers.gossip(from, bytes))
  }

  #feed(input: PeersInput): void {
    for (const effect of this.#peers.handle(input, steadyMs())) if (this.#node) this.#do(effect)
  }

  #do(effect: PeersEffect): void {
    switch (effect.kind) {
      case 'dial':
        void this.#dial(effect.address, effect.peer)
        break
      case 'find':
        void this.#find(effect.peer)
        break
      case 'hangUp':
        for (const { connection } of this.#neighbours.get(effect.peer)?.links ?? [])
          connection.abort(new Error('spare'))
        break
      case 'bookChanged':
        queueMicrotask(() => this.#handlers?.bookChanged(this.book()))
        break
      case 'wake':
        clearTimeout(this.#wake)
        this.#wake = setTimeout(() => this.#feed({ kind: 'wake' }), effect.atMs - steadyMs()).unref()
    }
  }

  async #dial(address: string, wanted: PeerId | undefined): Promise<void> {
    const result: PeersInput = { kind: 'dialled', address, admitted: false }
    try {
      const target = multiaddr(parse(address) + (wanted ? `/p2p/${wanted}` : ''))
      const connection = await this.#node?.dial(target, { signal: AbortSignal.timeout(limits.dialMs) })
      if (connection) {
        result.peer = connection.remotePeer.toString() as PeerId
        const link = this.#links.get(connection.id)
        result.admitted = (await link?.ready.promise) ?? this.#neighbours.has(result.peer)
      }
    } catch {
      // Nobody there, somebody else there, or turned away: the pause grows.
    }
    this.#feed(result)
  }

  async #find(peer: PeerId): Promise<void> {
    try {
      const signal = AbortSignal.timeout(limits.dialMs)
      const found = await this.#node?.peerRouting.findPeer(peerIdFromString(peer), { signal })
      if (found)
        this.learn(
          peer,
          found.multiaddrs.map(each => fromMultiaddr(String(each))),
        )
    } catch {
      // Not found yet.
    }
  }
}

function parse(address: string): string {
  const found = toMultiaddr(address)
  if (found === undefined) throw new GossipError('ADDRESS_INVALID', { address })
  return found
}
