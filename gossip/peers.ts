// Whom to be connected to: libp2p keeps nobody connected and forgets addresses. Holds the address book and every
// candidate, decides when to dial, search and hang up. Does not know whether a peer is admitted: failures say so.

import { neighbourhood } from './address.ts'
import type { Contact, Directory, PeerId } from './carrier.ts'
import { limits } from './limits.ts'

export type PeersInput =
  /** A hint from roster, exchange, mDNS, DHT or the stored book. No addresses: the peer exists; search for it. */
  | { kind: 'learn'; peer: PeerId; addresses: readonly string[] }
  /** The same of all hosts of the roster, in place of the roster before. */
  | { kind: 'roster'; roster: Directory }
  /** `addresses`: where it was reached and what it says of itself, best first. */
  | { kind: 'up'; peer: PeerId; addresses: readonly string[] }
  | { kind: 'down'; peer: PeerId }
  /** A dial ended. `peer` is who answered, admitted or not; absent when nobody did. */
  | { kind: 'dialled'; address: string; peer?: PeerId; admitted: boolean }
  /** Forget the pauses: admission or the network may have changed. */
  | { kind: 'retry' }
  /** The first one starts it all; before, hints are only kept. */
  | { kind: 'wake' }

export type PeersEffect =
  /** Without `peer`: a seed, whoever answers there. To be answered by `dialled`. */
  | { kind: 'dial'; address: string; peer?: PeerId }
  /** Ask the DHT, if there is one; what it finds comes back as `learn`. */
  | { kind: 'find'; peer: PeerId }
  | { kind: 'hangUp'; peer: PeerId }
  | { kind: 'bookChanged' }
  /** Replaces the one before. */
  | { kind: 'wake'; atMs: number }

export interface PeersOptions {
  readonly self: PeerId
  /** Addresses to try first, whoever answers. */
  readonly seeds: readonly string[]
  readonly book: readonly Contact[]
  /** Whether anybody answers `find`. */
  readonly searches: boolean
  /** In [0, 1). */
  readonly random: () => number
}

/** Something that may be tried, and when it may be tried next. */
interface Place {
  readonly address: string
  readonly part: string
  failures: number
  notBeforeMs: number
}

interface Known {
  readonly peer: PeerId
  places: Place[]
  /** 0: never up. */
  seenMs: number
  /** Absent: down. */
  upSinceMs?: number
  search: { failures: number; notBeforeMs: number }
}

/** A seed is somebody once it has answered. */
interface Seed {
  readonly place: Place
  peer?: PeerId
}

/** What one call gathers: effects, and when to look again. */
interface Turn {
  readonly nowMs: number
  readonly effects: PeersEffect[]
  readonly later: number[]
}

/** How long a connection must have lasted not to count as a failure, ms. */
const steadyMs = 10_000
/** Least ms between two `bookChanged`. */
const bookMs = 5_000
/** Hosts of the roster that are considered at a time, by lot, of those that nothing was heard of yet. */
const lots = 48
/** Failures of every address after which a peer is searched for as if it had none. */
const hopeless = 3

function placeAt(address: string): Place {
  return { address, part: neighbourhood(address), failures: 0, notBeforeMs: 0 }
}

export class Peers {
  readonly #self: PeerId
  readonly #searches: boolean
  readonly #random: () => number
  /** Who was up, dialled or told of. Of the rest of the roster nothing is kept: a large fleet is mostly that. */
  readonly #known = new Map<PeerId, Known>()
  #roster: Directory = { hosts: [], byPeer: new Map() }
  readonly #up = new Set<Known>()
  readonly #seeds: Seed[]
  /** Addresses being dialled, with the peer meant. */
  readonly #dialling = new Map<string, PeerId | undefined>()
  #started = false
  #wanderAtMs = 0
  #searchAtMs = 0
  #bookAtMs = 0
  #bookDirty = false
  #wakeAtMs = Number.POSITIVE_INFINITY

  constructor({ self, seeds, book, searches, random }: PeersOptions) {
    this.#self = self
    this.#searches = searches
    this.#random = random
    this.#seeds = seeds.map(address => ({ place: placeAt(address) }))
    for (const contact of book.slice(0, limits.peersKnown)) {
      const known = this.#learn(contact.peer, contact.addresses)
      if (known) known.seenMs = contact.seenMs
    }
  }

  handle(input: PeersInput, nowMs: number): PeersEffect[] {
    switch (input.kind) {
      case 'learn':
        // Most of what peers tell of each other is known: then there is nothing new to decide.
        if (!this.#hear(input.peer, input.addresses)) return []
        break
      case 'roster':
        this.#roster = input.roster
        break
      case 'up':
        this.#rise(input.peer, input.addresses, nowMs)
        break
      case 'down':
        this.#fall(input.peer, nowMs)
        break
      case 'dialled':
        this.#dialled(input, nowMs)
        break
      case 'retry':
        for (const { places, search } of this.#known.values())
          for (const each of [...places, search]) each.notBeforeMs = 0
        for (const { place } of this.#seeds) place.notBeforeMs = 0
        break
      case 'wake':
        this.#started = true
        this.#wakeAtMs = Number.POSITIVE_INFINITY
    }
    return this.#started ? this.#settle(nowMs) : []
  }

  /** Peers that were up, newest first, and where. */
  book(nowMs: number): Contact[] {
    return [...this.#known.values()]
      .filter(each => each.places.length > 0)
      .filter(each => each.seenMs > 0 && nowMs - this.#seen(each, nowMs) < limits.contactAgeMs)
      .map(each => ({
        peer: each.peer,
        addresses: each.places.map(place => place.address),
        seenMs: this.#seen(each, nowMs),
      }))
      .sort((a, b) => b.seenMs - a.seenMs)
  }

  #seen(known: Known, nowMs: number): number {
    return known.upSinceMs === undefined ? known.seenMs : nowMs
  }

  /** Whether that is new. Hearsay says nothing new of a host that the roster knows so, too. */
  #hear(peer: PeerId, addresses: readonly string[]): boolean {
    const known = this.#known.get(peer)
    if (known !== undefined && addresses.every(each => known.places.some(({ address }) => address === each)))
      return false
    const rostered = known === undefined ? this.#roster.byPeer.get(peer)?.addresses : undefined
    if (rostered !== undefined && addresses.every(each => rostered.includes(each))) return false
    return this.#learn(peer, addresses) !== undefined
  }

  #learn(peer: PeerId, addresses: readonly string[]): Known | undefined {
    if (peer === this.#self) return undefined
    const known = this.#known.get(peer) ?? this.#enter(peer)
    if (known) this.#note(known, addresses)
    return known
  }

  #note(known: Known, addresses: readonly string[]): void {
    for (const address of addresses) {
      if (address.length > limits.addressChars) continue
      if (known.places.some(place => place.address === address)) continue
      if (known.places.length >= limits.addressesPerPeer) {
        const worst = known.places.reduce((a, b) => (b.failures >= a.failures ? b : a))
        if (worst.failures === 0) continue
        known.places.splice(known.places.indexOf(worst), 1)
      }
      known.places.push(placeAt(address))
    }
  }

  /** Room for a newcomer is made by forgetting one that was never up; those that were are worth more. */
  #enter(peer: PeerId): Known | undefined {
    if (this.#known.size >= limits.peersKnown) {
      const hearsay = this.#hearsay()
      if (!hearsay) return undefined
      this.#known.delete(hearsay.peer)
    }
    const known: Known = { peer, places: [], seenMs: 0, search: { failures: 0, notBeforeMs: 0 } }
    this.#known.set(peer, known)
    this.#note(known, this.#roster.byPeer.get(peer)?.addresses ?? [])
    return known
  }

  #rise(peer: PeerId, addresses: readonly string[], nowMs: number): void {
    if (!this.#known.has(peer) && this.#known.size >= limits.peersKnown) this.#forgetOldest()
    const known = this.#learn(peer, addresses)
    if (!known) return
    known.upSinceMs ??= nowMs
    this.#up.add(known)
    known.seenMs = nowMs
    known.search = { failures: 0, notBeforeMs: 0 }
    const rank = (place: Place) => addresses.indexOf(place.address) + 1 || addresses.length + 1
    known.places.sort((a, b) => rank(a) - rank(b))
    for (const seed of this.#seeds) if (addresses.includes(seed.place.address)) seed.peer = peer
    this.#bookDirty = true
  }

  #hearsay(): Known | undefined {
    for (const known of this.#known.values()) if (known.seenMs === 0) return known
    return undefined
  }

  #forgetOldest(): void {
    const down = [...this.#known.values()].filter(each => each.upSinceMs === undefined)
    if (down.length > 0) this.#known.delete(down.reduce((a, b) => (b.seenMs < a.seenMs ? b : a)).peer)
  }

  #fall(peer: PeerId, nowMs: number): void {
    const known = this.#known.get(peer)
    if (known?.upSinceMs === undefined) return
    const steady = nowMs - known.upSinceMs >= steadyMs
    delete known.upSinceMs
    this.#up.delete(known)
    known.seenMs = nowMs
    const theirs = this.#seeds.filter(seed => seed.peer === peer).map(seed => seed.place)
    for (const place of [...known.places, ...theirs]) {
      place.failures = steady ? 0 : place.failures + 1
      place.notBeforeMs = Math.max(place.notBeforeMs, nowMs + this.#pause(place.failures))
    }
  }

  #dialled(input: { address: string; peer?: PeerId; admitted: boolean }, nowMs: number): void {
    const meant = this.#dialling.get(input.address)
    this.#dialling.delete(input.address)
    const seed = this.#seeds.find(each => each.place.address === input.address)
    if (seed && input.peer !== undefined) seed.peer = input.peer
    const place = meant === undefined ? seed?.place : this.#place(meant, input.address)
    if (!place) return
    if (input.admitted) {
      place.failures = 0
      return
    }
    place.failures += 1
    place.notBeforeMs = nowMs + this.#pause(place.failures)
  }

  #place(peer: PeerId, address: string): Place | undefined {
    return this.#known.get(peer)?.places.find(place => place.address === address)
  }

  /** 50 to 100 % of a pause that doubles, so that a fleet that lost one host does not come back at one moment. */
  #pause(failures: number): number {
    const full = Math.min(limits.backoffMaxMs, limits.backoffMs * 2 ** Math.max(0, failures - 1))
    return Math.round(full * (0.5 + this.#random() / 2))
  }

  #isUp(peer: PeerId | undefined): boolean {
    return peer === this.#self || (peer !== undefined && this.#known.get(peer)?.upSinceMs !== undefined)
  }

  #settle(nowMs: number): PeersEffect[] {
    const turn: Turn = { nowMs, effects: [], later: [] }
    this.#trim(turn)
    this.#reach(turn)
    this.#remember(turn)
    const atMs = turn.later.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
    if (atMs !== this.#wakeAtMs && atMs < Number.POSITIVE_INFINITY) {
      this.#wakeAtMs = atMs
      turn.effects.push({ kind: 'wake', atMs })
    }
    return turn.effects
  }

  /** One at a time, by lot, of those that have had time to exchange peers. */
  #trim({ nowMs, effects, later }: Turn): void {
    if (this.#up.size <= limits.connectionsMax) return
    const up = [...this.#up]
    const spare = up.filter(each => nowMs - each.upSinceMs! >= limits.spareAfterMs)
    const victim = spare[Math.floor(this.#random() * spare.length)]
    if (victim) {
      for (const place of victim.places) place.notBeforeMs = nowMs + limits.backoffMaxMs
      effects.push({ kind: 'hangUp', peer: victim.peer })
      later.push(nowMs + limits.backoffMs)
    } else later.push(Math.min(...up.map(each => each.upSinceMs!)) + limits.spareAfterMs)
  }

  #reach(turn: Turn): void {
    const { nowMs, effects, later } = turn
    const want = this.#isTimeToWander(turn)
      ? 1
      : limits.connectionsWanted - this.#up.size - this.#dialling.size
    // With all dials under way there is nothing to choose: the end of the first asks again.
    const may = Math.min(want, limits.dials - this.#dialling.size)
    for (const choice of may > 0 ? this.#choices(turn).slice(0, may) : []) {
      if (choice.kind === 'dial') {
        // Two peers may claim one address.
        if (this.#dialling.has(choice.address)) continue
        if (choice.peer !== undefined) this.#learn(choice.peer, [choice.address])
        this.#dialling.set(choice.address, choice.peer)
      } else {
        if (nowMs < this.#searchAtMs) {
          later.push(this.#searchAtMs)
          continue
        }
        this.#searchAtMs = nowMs + limits.searchMs
        const { search } = this.#learn(choice.peer, [])!
        search.failures += 1
        search.notBeforeMs = nowMs + this.#pause(search.failures + 3)
        later.push(search.notBeforeMs)
      }
      effects.push(choice)
    }
  }

  /** Halves of a fleet that are each content would never meet again otherwise. */
  #isTimeToWander({ nowMs, later }: Turn): boolean {
    if (this.#up.size < limits.connectionsWanted || this.#up.size >= limits.connectionsMax) return false
    const isTime = this.#wanderAtMs > 0 && nowMs >= this.#wanderAtMs
    if (nowMs >= this.#wanderAtMs)
      this.#wanderAtMs = nowMs + Math.round(limits.wanderMs * (0.5 + this.#random()))
    later.push(this.#wanderAtMs)
    return isTime
  }

  #remember({ nowMs, effects, later }: Turn): void {
    if (!this.#bookDirty) return
    if (nowMs < this.#bookAtMs) {
      later.push(this.#bookAtMs)
      return
    }
    this.#bookDirty = false
    this.#bookAtMs = nowMs + bookMs
    effects.push({ kind: 'bookChanged' })
  }

  /** What may be tried now, best first: seldom failed, in a part of the network not reached yet, else by lot. */
  #choices({ nowMs, later }: Turn) {
    type Choice = Extract<PeersEffect, { kind: 'dial' | 'find' }>
    const isAlone = this.#up.size === 0
    const reached = new Set<string>()
    for (const each of this.#up) reached.add(each.places[0]?.part ?? '')
    const meant = new Set(this.#dialling.values())
    const found: { choice: Choice; cost: number }[] = []
    const offer = (choice: Choice, failures: number, bonus: number) =>
      found.push({ choice, cost: failures * 2 + this.#random() * 2 - bonus })

    for (const { place, peer } of this.#seeds) {
      if (this.#isUp(peer) || this.#dialling.has(place.address)) continue
      if (place.notBeforeMs > nowMs) later.push(place.notBeforeMs)
      else offer({ kind: 'dial', address: place.address }, place.failures, isAlone ? 1 : 0)
    }
    for (const { peer, places, search, upSinceMs } of this.#known.values()) {
      if (upSinceMs !== undefined || meant.has(peer)) continue
      if (this.#searches && !isAlone && places.every(place => place.failures >= hopeless)) {
        if (search.notBeforeMs > nowMs) later.push(search.notBeforeMs)
        else offer({ kind: 'find', peer }, search.failures, 0)
      }
      let place: Place | undefined
      for (const each of places)
        if (each.notBeforeMs <= nowMs && !this.#dialling.has(each.address))
          if (!place || each.failures < place.failures) place = each
      if (place)
        offer({ kind: 'dial', address: place.address, peer }, place.failures, reached.has(place.part) ? 0 : 1)
      else for (const { notBeforeMs } of places) if (notBeforeMs > nowMs) later.push(notBeforeMs)
    }
    for (const { peer, addresses } of this.#untried()) {
      const address = addresses.find(each => each.length <= limits.addressChars && !this.#dialling.has(each))
      if (address !== undefined) {
        const bonus = reached.has(neighbourhood(address)) ? 0 : 1
        offer({ kind: 'dial', address, peer }, 0, bonus)
      } else if (this.#searches && !isAlone && addresses.length === 0) offer({ kind: 'find', peer }, 0, 0)
    }
    return found.sort((a, b) => a.cost - b.cost).map(each => each.choice)
  }

  /** Some hosts of the roster that nothing is known of; all of them where they are few. */
  *#untried(): Iterable<{ readonly peer: PeerId; readonly addresses: readonly string[] }> {
    const { hosts } = this.#roster
    const few = hosts.length <= lots
    for (let at = 0; at < Math.min(hosts.length, lots); at++) {
      const host = hosts[few ? at : Math.floor(this.#random() * hosts.length)]!
      const peer = host.peer as PeerId
      if (peer !== this.#self && !this.#known.has(peer)) yield { peer, addresses: host.addresses }
    }
  }
}
