// Core: what this host holds, as the spread core asks for it: log, orders, packs and board in one view. Decides nothing.
import { type Holdings, noBoard } from '../gossip/spread.ts'
import { unhex } from '../signing/bytes.ts'
import type { EntryLog } from './log.ts'
import type { Orders } from './orders.ts'
import type { Board } from './status.ts'
import type { Supply } from './supply.ts'

const noId = new Uint8Array(32)

export function holdingsOf(ports: {
  readonly log: EntryLog
  readonly orders: Orders
  readonly board: Board
  /** Asked only later: it is made after the spread core. */
  readonly supply: () => Supply
  /** Statuses are passed on. */
  readonly spreads: boolean
  readonly peersToShare: Holdings['peersToShare']
}): Holdings {
  const { log, orders, board, supply, spreads, peersToShare } = ports
  return {
    head: () => {
      const head = log.head()
      return head === undefined ? [0, noId] : [head.sequence, unhex(head.id, 32) ?? noId]
    },
    idAt: sequence => {
      const id = log.idAt(sequence)
      return id === undefined ? undefined : unhex(id, 32)
    },
    trustSequence: () => log.trustSequence(),
    held: () => supply().newestHeld(),
    after: sequence => log.after(sequence),
    ordersRoot: () => orders.root(),
    orderIds: () => orders.ids(),
    orders: have => orders.missingIn(have),
    boardRoot: () => (spreads ? board.root() : noBoard),
    have: () => board.have(),
    newer: than => board.newer(than),
    lacks: list => board.lacks(list),
    status: host => board.row(host)?.pair,
    peersToShare,
  }
}
