// What operators of a simulated fleet order of the newest release: what to halt, to clear, to open, who may try again. As the
// commands of the same names do, by what the laptop has heard; signing and handing over is operators.ts's.
import type { Peer } from '../node/peer.ts'
import { hex } from '../signing/bytes.ts'
import type { Order, OrderKind } from '../signing/order.ts'

type Wish = {
  readonly [K in OrderKind]: Omit<Extract<Order, { order: K }>, 'fleet' | 'entry' | 'issued'>
}[OrderKind]

interface Release {
  readonly id: string
  /** Host counts of its stages. */
  readonly stages: readonly number[]
}

/** Makes the orders about a release, by what a laptop knows. */
export type Wishes = (known: Pick<Peer, 'orders' | 'reporter'>, release: Release) => readonly Wish[]

/** Hosts that one order, or those given together, name. */
const namedMax = 8

export const halt: Wishes = () => [{ order: 'halt', reason: 'an operator has seen enough' }]

export const resume: Wishes = ({ orders }, { id }) => {
  const halts = orders.of(id).halts.map(each => each.id)
  return halts.length === 0 ? [] : [{ order: 'resume', halts: halts.sort() }]
}

/** Up to a stage that is drawn; what hosts that failed say may count no more. */
export function promote(chance: () => number): Wishes {
  return (known, { id, stages }) => {
    const without = chance() < 0.5 ? failedOn(known, id) : []
    return [promoting(1 + Math.floor(chance() * stages.length), without)]
  }
}

/** All stages, whatever these hosts (keys in hex) say. */
export function openAll(without: readonly string[]): Wishes {
  return (_, { stages }) => [promoting(stages.length, without)]
}

function promoting(stage: number, without: readonly string[]): Wish {
  return { order: 'promote', stage, ...(without.length > 0 && { without: [...without].sort() }) }
}

export const retry: Wishes = (known, { id }) =>
  failedOn(known, id).map(host => {
    const spoken = known.reporter.board.row(host)?.status.attempt ?? 1
    return { order: 'retry', host, attempt: Math.max(known.orders.of(id).attemptOf(host), spoken) + 1 }
  })

/** Keys in hex. */
function failedOn({ reporter }: Pick<Peer, 'reporter'>, id: string): readonly string[] {
  return reporter.board
    .rows()
    .filter(({ status }) => status.state === 'FAILED' && status.entry && hex(status.entry[1]) === id)
    .map(({ status }) => hex(status.host))
    .slice(0, namedMax)
}
