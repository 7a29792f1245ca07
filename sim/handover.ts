// How the statuses of a large fleet reach its observers. Where only some hosts keep boards, nobody between passes statuses on:
// what a host says is handed to every observer that it could talk to, once a second, and again later to those it could not.
import type { PeerId } from '../gossip/carrier.ts'
import { limits } from '../gossip/limits.ts'
import type { Message, StatusPair } from '../gossip/message.ts'
import { isRefusal } from '../signing/errors.ts'
import type { Network } from './carrier.ts'
import type { SimHost } from './host.ts'
import type { Memory } from './memory.ts'
import type { World } from './world.ts'

export class Handover {
  readonly #world: World
  readonly #network: Network
  readonly #memory: Memory
  /** Observer -> what it has not heard yet, the newest of each host. */
  readonly #waiting: ReadonlyMap<SimHost, Map<SimHost, StatusPair>>

  constructor(world: World, network: Network, memory: Memory, observers: readonly SimHost[]) {
    this.#world = world
    this.#network = network
    this.#memory = memory
    this.#waiting = new Map(observers.map(each => [each, new Map()]))
    // Not all in one moment.
    for (const [at, each] of observers.entries())
      world.after((at * limits.statusBatchMs) / observers.length, () => this.#hand(each))
  }

  said(host: SimHost, pair: StatusPair): void {
    let message: Message | undefined = { t: 'statuses', statuses: [pair] }
    for (const filter of host.filters) message = message && filter(message, host)
    const [told] = message?.t === 'statuses' ? message.statuses : []
    if (told === undefined) return
    for (const [observer, waiting] of this.#waiting) if (observer !== host) waiting.set(host, told)
  }

  #hand(observer: SimHost): void {
    this.#world.after(limits.statusBatchMs, () => this.#hand(observer))
    const waiting = this.#waiting.get(observer)
    const { driver } = observer.peer ?? {}
    if (waiting === undefined || waiting.size === 0 || driver === undefined) return
    const { links } = this.#network
    if (links.isFrozen(observer.self)) return
    const statuses: StatusPair[] = []
    for (const [host, pair] of waiting) {
      if (statuses.length === limits.statusesPerMessage) break
      if (!links.answers(host.self, observer.self)) continue
      waiting.delete(host)
      statuses.push(pair)
      this.#remind(host, pair, observer)
    }
    if (statuses.length === 0) return
    const bytes = this.#memory.stand({ t: 'statuses', statuses })
    this.#world.unsettled()
    driver.feed({ kind: 'message', from: handover, bytes, gossip: false })
  }

  /** A host that has lost its counter hears from others what it once said, and speaks above it. */
  #remind(host: SimHost, [, signature]: StatusPair, observer: SimHost): void {
    const last = host.past.at(-1)
    if (last?.[1] !== signature) return
    const row = observer.peer?.reporter.board.row(host.key)
    if (row === undefined || row.pair === last) return
    const said = this.#memory.readStatus(last)
    if (isRefusal(said) || said.status.n > row.status.n) return
    const bytes = this.#memory.stand({ t: 'statuses', statuses: [row.pair] })
    host.peer?.driver.feed({ kind: 'message', from: observer.self, bytes, gossip: false })
  }
}

/** Whom they have them from, by their log. */
const handover = 'handover' as PeerId
