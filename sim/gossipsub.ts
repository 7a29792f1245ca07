// gossipsub for a whole fleet: a router for each host, by numbers. Decides who is in whose mesh and which messages,
// announcements and questions are sent; what a way takes and what a message is, the port knows.

import type { Verdict } from '../gossip/carrier.ts'
import { mix } from './world.ts'

export interface RouterOptions {
  /** Degree of the mesh (D), and the bounds below and above which a heartbeat brings it back (D_lo, D_hi). */
  readonly degree: number
  readonly degreeLow: number
  readonly degreeHigh: number
  /** Of the mesh, at least so many that this host dialled (D_out). */
  readonly degreeOut: number
  /** Neighbours outside the mesh that hear of messages: at least so many (D_lazy), and this share of them. */
  readonly lazy: number
  readonly lazyShare: number
  /** The share is thrown for, neighbour by neighbour; else it is counted off. */
  readonly lazyByLot: boolean
  readonly heartbeatMs: number
  /** ms from the start to the first heartbeat, least and most. */
  readonly firstHeartbeatMs: readonly [number, number]
  /** Heartbeats for which a message is given to who asks, and for which it is announced. */
  readonly historyBeats: number
  readonly gossipBeats: number
  /** ms for which a message is known again. */
  readonly seenMs: number
  /** Own messages go to all neighbours. */
  readonly floodPublish: boolean
  /** Own messages go to `degree` neighbours although the mesh is smaller. */
  readonly fillsUp: boolean
  /** ms for which a neighbour that was pruned is left alone; 0: nobody is, and every GRAFT is taken. */
  readonly backoffMs: number
  /** Neighbours that a pruned one is told of, to connect to them (PX). */
  readonly exchanged: number
  /** Bytes from which on the mesh is told at once that a message has come (IDONTWANT of v1.2). */
  readonly idontwantBytes: number
}

/** vyzo/gerbil-simsub's router of gossipsub v1.0, whose published figures test/sim/gossipsub.test.ts holds us to. */
export const simsubV10: RouterOptions = {
  degree: 6,
  degreeLow: 4,
  degreeHigh: 12,
  degreeOut: 0,
  lazy: 6,
  lazyShare: 0,
  lazyByLot: false,
  heartbeatMs: 1_000,
  firstHeartbeatMs: [1_000, 2_000],
  historyBeats: 120,
  gossipBeats: 3,
  seenMs: 120_000,
  floodPublish: false,
  fillsUp: false,
  backoffMs: 0,
  exchanged: 0,
  idontwantBytes: Number.POSITIVE_INFINITY,
}

/** The same of v1.1; it has no scores. */
export const simsubV11: RouterOptions = {
  ...simsubV10,
  lazyShare: 0.25,
  lazyByLot: true,
  floodPublish: true,
  exchanged: 16,
}

/** What fleet runs: @libp2p/gossipsub 17 by default, and what gossip/libp2p-node.ts sets. */
export const fleetRouter: RouterOptions = {
  ...simsubV10,
  degreeOut: 2,
  lazyShare: 0.25,
  heartbeatMs: 3_000,
  firstHeartbeatMs: [100, 100],
  historyBeats: 5,
  fillsUp: true,
  backoffMs: 60_000,
  idontwantBytes: 512,
}

export const kinds = ['message', 'ihave', 'iwant', 'graft', 'prune', 'idontwant'] as const
export type Kind = (typeof kinds)[number]

/** What the routers ask of their world. Hosts and messages are small numbers from 0. */
export interface RouterPort {
  readonly nowMs: number
  /**
   * `id`: the message, or what `idontwant` names. `ids`: messages of `ihave` and `iwant`, hosts of `prune`; shared, so
   * not to be changed.
   */
  send(kind: Kind, from: number, to: number, id: number, ids: readonly number[]): void
  /** Calls `heartbeat(host)` at that moment. */
  beatAt(host: number, atMs: number): void
  /** The host's verdict on what it hears for the first time. */
  judge(host: number, from: number, id: number): Verdict
  /** Whether a host still listens to that neighbour. */
  accepts(host: number, from: number): boolean
  bytesOf(id: number): number
  /** A host was told of another, to connect to it. */
  introduce(host: number, peer: number): void
  /** No host knows it any more. */
  forget(id: number): void
}

interface Router {
  /** When the first heartbeat is; below 0: the host is down. */
  firstBeatMs: number
  /** Heartbeats that are over, and the one that is waited for; 0: none. */
  beats: number
  awaited: number
  /** State of the stream of chance. */
  chance: number
  readonly peers: number[]
  readonly mesh: number[]
  /** Peers that this host dialled. */
  readonly dialled: number[]
  /** Messages that may be asked for, and the number of heartbeats before each came; oldest first. */
  history: number[]
  since: number[]
  /** Until when a neighbour is left alone. */
  backoff: Map<number, number> | undefined
  /** Who does not want which message. */
  spared: Map<number, number[]> | undefined
}

const nothing: readonly number[] = []

export class Routers {
  readonly options: RouterOptions
  /** How often each kind was sent. */
  readonly sent: Record<Kind, number> = { message: 0, ihave: 0, iwant: 0, graft: 0, prune: 0, idontwant: 0 }
  /** Messages that came to a host that knew them. */
  duplicates = 0
  readonly #port: RouterPort
  readonly #routers: Router[] = []
  /** By message: for each host the ms at which it is forgotten; 0: never seen. */
  readonly #seen: (Int32Array | undefined)[] = []
  /** By message: the last of these. */
  readonly #seenUntil: number[] = []
  /** Messages in `#seen`, oldest first. */
  readonly #known: number[] = []
  readonly #lot: number[] = []

  constructor(options: RouterOptions, port: RouterPort) {
    this.options = options
    this.#port = port
  }

  /** A host begins with nothing; `chance` is where its dice begin. */
  start(host: number, chance: number): void {
    const { firstHeartbeatMs } = this.options
    const router = (this.#routers[host] = empty())
    for (const seen of this.#seen) if (seen !== undefined && host < seen.length) seen[host] = 0
    router.chance = chance
    const [least, most] = firstHeartbeatMs
    router.firstBeatMs = Math.round(this.#port.nowMs + least + this.#random(router) * (most - least))
  }

  /** A host is gone, without a word to its neighbours: their `disconnected` follows. */
  stop(host: number): void {
    this.#routers[host] = empty()
  }

  /** At one end of a connection, which is up. */
  connected(host: number, peer: number, isDialler: boolean): void {
    const router = this.#routers[host]!
    router.peers.push(peer)
    if (isDialler) router.dialled.push(peer)
    this.#wake(host, router)
  }

  /** Both ends at once, unless they are connected already. */
  meet(dialler: number, other: number): void {
    if (this.#routers[dialler]!.peers.includes(other)) return
    this.connected(dialler, other, true)
    this.connected(other, dialler, false)
  }

  disconnected(host: number, peer: number): void {
    const router = this.#routers[host]!
    remove(router.peers, peer)
    remove(router.dialled, peer)
    remove(router.mesh, peer)
    this.#wake(host, router)
  }

  mesh(host: number): readonly number[] {
    return this.#routers[host]?.mesh ?? nothing
  }

  /** A message of this host's own; false if it knows it already. */
  publish(host: number, id: number): boolean {
    const router = this.#routers[host]!
    this.#sweep()
    if (!this.#see(host, id)) return false
    const { floodPublish, fillsUp, degree } = this.options
    const targets = floodPublish ? router.peers : router.mesh
    for (const to of targets) this.#send('message', host, to, id, nothing)
    const short = fillsUp ? degree - targets.length : 0
    if (short > 0)
      for (const to of this.#draw(router, short, peer => !targets.includes(peer)))
        this.#send('message', host, to, id, nothing)
    this.#keep(host, router, id)
    return true
  }

  /** Whether it is a message, and that host has it already. */
  knows(kind: Kind, host: number, id: number): boolean {
    return kind === 'message' && this.#knows(host, id)
  }

  /** What `send` sent arrives. */
  receive(kind: Kind, from: number, host: number, id: number, ids: readonly number[]): void {
    const router = this.#routers[host]!
    if (router.firstBeatMs < 0) return
    // Most messages are copies.
    if (this.knows(kind, host, id)) {
      this.duplicates += 1
      return
    }
    if (!this.#port.accepts(host, from)) return
    switch (kind) {
      case 'message':
        this.#hear(host, router, from, id)
        break
      case 'ihave': {
        const wanted = ids.filter(each => !this.#knows(host, each))
        if (wanted.length > 0) this.#send('iwant', host, from, -1, wanted)
        break
      }
      case 'iwant':
        for (const each of ids)
          if (this.#has(router, each) && !router.spared?.get(each)?.includes(from))
            this.#send('message', host, from, each, nothing)
        break
      case 'graft':
        this.#grafted(host, router, from)
        break
      case 'prune':
        remove(router.mesh, from)
        this.#backOff(router, from)
        for (const each of ids) if (!router.peers.includes(each)) this.#port.introduce(host, each)
        this.#wake(host, router)
        break
      case 'idontwant': {
        router.spared ??= new Map()
        const sparing = router.spared.get(id)
        if (sparing) sparing.push(from)
        else router.spared.set(id, [from])
        this.#wake(host, router)
      }
    }
  }

  /** As `beatAt` asked. Hosts with nothing to do have none: it would change nothing. */
  heartbeat(host: number): void {
    const router = this.#routers[host]!
    const beats = this.#beatsBy(router, this.#port.nowMs)
    if (router.awaited === 0 || beats < router.awaited) return
    router.beats = beats
    router.awaited = 0
    this.#mend(host, router)
    this.#announce(host, router)
    this.#shift(router)
    if (this.#isBusy(router)) this.#wake(host, router)
  }

  #hear(host: number, router: Router, from: number, id: number): void {
    this.#see(host, id)
    const { idontwantBytes } = this.options
    if (idontwantBytes < Number.POSITIVE_INFINITY && this.#port.bytesOf(id) >= idontwantBytes)
      for (const to of router.mesh) if (to !== from) this.#send('idontwant', host, to, id, nothing)
    const verdict = this.#port.judge(host, from, id)
    if (verdict === 'reject') this.#wake(host, router)
    if (verdict !== 'accept') return
    const sparing = router.spared?.get(id)
    for (const to of router.mesh)
      if (to !== from && !sparing?.includes(to)) this.#send('message', host, to, id, nothing)
    this.#keep(host, router, id)
  }

  #grafted(host: number, router: Router, from: number): void {
    if (router.mesh.includes(from) || !router.peers.includes(from)) return
    const { backoffMs, degreeHigh } = this.options
    const isFull = router.mesh.length >= degreeHigh && !router.dialled.includes(from)
    if (backoffMs > 0 && (isFull || this.#isBackedOff(router, from))) {
      this.#backOff(router, from)
      this.#send('prune', host, from, -1, nothing)
    } else router.mesh.push(from)
    this.#wake(host, router)
  }

  /** Grafts and prunes. */
  #mend(host: number, router: Router): void {
    const { degree, degreeLow, degreeHigh, degreeOut } = this.options
    const { mesh, dialled } = router
    for (const peer of mesh.filter(peer => !this.#port.accepts(host, peer))) this.#prune(host, router, peer)
    const graft = (count: number, among: (peer: number) => boolean) => {
      for (const peer of this.#draw(
        router,
        count,
        peer => among(peer) && this.#isCandidate(host, router, peer),
      )) {
        mesh.push(peer)
        this.#send('graft', host, peer, -1, nothing)
      }
    }
    if (mesh.length < degreeLow) graft(degree - mesh.length, () => true)
    if (mesh.length > degreeHigh) {
      // All scores are alike here: those that were dialled come first, as many as must stay; the rest by lot.
      this.#shuffle(router, mesh, mesh.length)
      const kept = mesh.filter(peer => dialled.includes(peer)).slice(0, degreeOut)
      const rest = mesh.filter(peer => !kept.includes(peer))
      for (const peer of rest.slice(degree - kept.length)) this.#prune(host, router, peer)
    }
    if (degreeOut > 0 && mesh.length >= degreeLow) {
      const short = degreeOut - mesh.filter(peer => dialled.includes(peer)).length
      if (short > 0) graft(short, peer => dialled.includes(peer))
    }
  }

  #announce(host: number, router: Router): void {
    const { gossipBeats, lazy, lazyShare, lazyByLot } = this.options
    const ids = router.history.filter((_, at) => router.beats - router.since[at]! <= gossipBeats)
    if (ids.length === 0) return
    const others = router.peers.length - router.mesh.length
    let share = lazyByLot ? 0 : Math.floor(lazyShare * others)
    if (lazyByLot) for (let at = 0; at < others; at++) if (this.#random(router) < lazyShare) share += 1
    for (const peer of this.#draw(router, Math.max(lazy, share), peer => !router.mesh.includes(peer)))
      this.#send('ihave', host, peer, -1, ids)
  }

  /** Forgets what is too old to be asked for. */
  #shift(router: Router): void {
    const { historyBeats } = this.options
    let old = 0
    while (old < router.history.length && router.beats - router.since[old]! >= historyBeats) old += 1
    if (old > 0) {
      for (let at = 0; at < old; at++) router.spared?.delete(router.history[at]!)
      router.history = router.history.slice(old)
      router.since = router.since.slice(old)
    }
    if (router.history.length === 0) router.spared = undefined
    const { nowMs } = this.#port
    if (router.backoff)
      for (const [peer, untilMs] of router.backoff) if (untilMs <= nowMs) router.backoff.delete(peer)
  }

  /** Whether the next heartbeat has something to do. */
  #isBusy(router: Router): boolean {
    const { degreeLow, degreeOut, gossipBeats } = this.options
    const { mesh, peers, dialled, since } = router
    const newest = since.at(-1)
    if (newest !== undefined && router.beats - newest < gossipBeats) return true
    if (router.spared !== undefined) return true
    if (mesh.length < degreeLow && peers.length > mesh.length) return true
    if (degreeOut === 0) return false
    const out = mesh.filter(peer => dialled.includes(peer)).length
    return out < degreeOut && dialled.length > out
  }

  #prune(host: number, router: Router, peer: number): void {
    remove(router.mesh, peer)
    this.#backOff(router, peer)
    const { exchanged } = this.options
    const others = exchanged > 0 ? this.#draw(router, exchanged, each => each !== peer) : nothing
    this.#send('prune', host, peer, -1, others)
  }

  #isCandidate(host: number, router: Router, peer: number): boolean {
    return !router.mesh.includes(peer) && !this.#isBackedOff(router, peer) && this.#port.accepts(host, peer)
  }

  #isBackedOff(router: Router, peer: number): boolean {
    return (router.backoff?.get(peer) ?? 0) > this.#port.nowMs
  }

  #backOff(router: Router, peer: number): void {
    const { backoffMs } = this.options
    if (backoffMs > 0) (router.backoff ??= new Map()).set(peer, this.#port.nowMs + backoffMs)
  }

  #keep(host: number, router: Router, id: number): void {
    router.history.push(id)
    // A heartbeat of this very moment that is yet to come does not count as over.
    router.since.push(Math.max(router.beats, this.#beatsBy(router, this.#port.nowMs - 1)))
    this.#wake(host, router)
  }

  #has(router: Router, id: number): boolean {
    const at = router.history.lastIndexOf(id)
    const beats = this.#beatsBy(router, this.#port.nowMs)
    return at >= 0 && beats - router.since[at]! < this.options.historyBeats
  }

  #beatsBy(router: Router, ms: number): number {
    return ms < router.firstBeatMs ? 0 : Math.floor((ms - router.firstBeatMs) / this.options.heartbeatMs) + 1
  }

  #wake(host: number, router: Router): void {
    if (router.awaited > 0 || router.firstBeatMs < 0) return
    router.awaited = Math.max(router.beats, this.#beatsBy(router, this.#port.nowMs - 1)) + 1
    this.#port.beatAt(host, router.firstBeatMs + (router.awaited - 1) * this.options.heartbeatMs)
  }

  #send(kind: Kind, from: number, to: number, id: number, ids: readonly number[]): void {
    this.sent[kind] += 1
    this.#port.send(kind, from, to, id, ids)
  }

  #knows(host: number, id: number): boolean {
    return (this.#seen[id]?.[host] ?? 0) > this.#port.nowMs
  }

  /** Marks it as seen; false: it was already. */
  #see(host: number, id: number): boolean {
    let seen = this.#seen[id]
    if (seen === undefined || host >= seen.length) {
      if (seen === undefined) this.#known.push(id)
      const larger = new Int32Array(Math.max(host + 1, this.#routers.length))
      if (seen) larger.set(seen)
      seen = this.#seen[id] = larger
    }
    const nowMs = this.#port.nowMs
    if (seen[host]! > nowMs) return false
    seen[host] = this.#seenUntil[id] = nowMs + this.options.seenMs
    return true
  }

  /** Forgets messages that nobody knows any more. */
  #sweep(): void {
    while (this.#known.length > 0 && this.#seenUntil[this.#known[0]!]! <= this.#port.nowMs) {
      const id = this.#known.shift()!
      this.#seen[id] = undefined
      this.#port.forget(id)
    }
  }

  /** Up to `count` peers by lot. */
  #draw(router: Router, count: number, isEligible: (peer: number) => boolean): number[] {
    const lot = this.#lot
    lot.length = 0
    for (const peer of router.peers) if (isEligible(peer)) lot.push(peer)
    this.#shuffle(router, lot, Math.min(count, lot.length))
    return lot.slice(0, count)
  }

  /** Puts `count` of them, by lot, at the front. */
  #shuffle(router: Router, list: number[], count: number): void {
    for (let at = 0; at < count; at++) {
      const other = at + Math.floor(this.#random(router) * (list.length - at))
      const peer = list[at]!
      list[at] = list[other]!
      list[other] = peer
    }
  }

  #random(router: Router): number {
    router.chance = (router.chance + 0x9e3779b9) | 0
    return mix(router.chance) / 2 ** 32
  }
}

function empty(): Router {
  return {
    firstBeatMs: -1,
    beats: 0,
    awaited: 0,
    chance: 0,
    peers: [],
    mesh: [],
    dialled: [],
    history: [],
    since: [],
    backoff: undefined,
    spared: undefined,
  }
}

function remove(list: number[], value: number): void {
  const at = list.indexOf(value)
  if (at >= 0) list.splice(at, 1)
}
