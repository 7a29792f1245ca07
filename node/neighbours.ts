// Core: the connected peers that have said what they hold, and what follows from that: who can give something, who agrees,
// and whether enough of them were heard. Taking their messages is left to agent.ts.
import type { PeerId } from '../gossip/carrier.ts'
import type { Heads } from '../gossip/message.ts'
import { equal, hex } from '../signing/bytes.ts'
import type { EntryLog } from './log.ts'
import type { Orders } from './orders.ts'

const noId = new Uint8Array(32)

export interface NeighboursPorts {
  readonly log: EntryLog
  readonly orders: Orders
  readonly headsOf: (peer: PeerId) => Heads | undefined
  /** Peers that hold the pack of an entry. */
  readonly packHolders: (sequence: number) => readonly PeerId[]
}

export class Neighbours {
  readonly #ports: NeighboursPorts
  readonly #heard = new Set<PeerId>()

  constructor(ports: NeighboursPorts) {
    this.#ports = ports
  }

  add(peer: PeerId): void {
    this.#heard.add(peer)
  }

  left(peer: PeerId): void {
    this.#heard.delete(peer)
  }

  heard(): readonly PeerId[] {
    return [...this.#heard]
  }

  /** Those that hold the entry, and those that hold its pack too. */
  holders(sequence: number): { readonly entry: readonly PeerId[]; readonly pack: readonly PeerId[] } {
    // One whose head we do not know may be on another branch of a fork, which is higher.
    const agrees = (peer: PeerId) => {
      const [theirs, id] = this.#ports.headsOf(peer)?.head ?? [0, noId]
      return theirs >= sequence && this.#ports.log.idAt(theirs) === hex(id)
    }
    return {
      entry: [...this.#heard].filter(agrees),
      pack: this.#ports.packHolders(sequence).filter(agrees),
    }
  }

  /** Those that hold the very orders that are held here. */
  orderHolders(): readonly PeerId[] {
    const root = this.#ports.orders.root()
    return [...this.#heard].filter(peer => equal(this.#ports.headsOf(peer)?.orders ?? noId, root))
  }

  headOf(peer: PeerId): number | undefined {
    return this.#ports.headsOf(peer)?.head[0]
  }

  /** The root of its board, as a peer last said. */
  boardOf(peer: PeerId): Uint8Array | undefined {
    return this.#ports.headsOf(peer)?.board
  }

  /** Of `wanted` those to hear still, all of them where the fleet has fewer. One is heard when all that it holds is here too. */
  toHear(wanted: number): number {
    if (wanted === 0) return 0
    const { log } = this.#ports
    const head = log.head()?.sequence ?? 0
    const heard = [...this.#heard].filter(peer => (this.headOf(peer) ?? 0) <= head)
    return Math.max(0, Math.min(wanted, log.roster().length - 1) - heard.length)
  }
}
