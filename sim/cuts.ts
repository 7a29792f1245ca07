// Partitions: who does not hear whom. Decides the shape only; what is done to the messages across is in links.ts.
import type { PeerId } from '../gossip/carrier.ts'
import type { FaultKind } from './faults.ts'

/** Whether it strikes what `from` sends to `to`. */
export type Cut = (from: PeerId, to: PeerId) => boolean

/** `struck` as the fault names them; `everyone`: all hosts, in an order that stays. Undefined: that fault is none. */
export function cutOf(
  kind: FaultKind,
  struck: readonly PeerId[],
  everyone: readonly PeerId[],
): Cut | undefined {
  const side = new Set(struck)
  switch (kind) {
    case 'isolate':
      return (from, to) => side.has(from) || side.has(to)
    case 'halves':
    case 'minority':
      return (from, to) => side.has(from) !== side.has(to)
    case 'bridge': {
      const [bridge] = struck
      return (from, to) => from !== bridge && to !== bridge && side.has(from) !== side.has(to)
    }
    case 'asymmetric':
      return (from, to) => side.has(to) && !side.has(from)
    case 'ring':
      return ring(struck.length > 0 ? struck : everyone)
    default:
      return undefined
  }
}

/** Each hears the nearest on both sides, itself and they being a majority (jepsen's majorities-ring). */
function ring(hosts: readonly PeerId[]): Cut {
  const placeOf = new Map(hosts.map((peer, at) => [peer, at]))
  const reach = Math.ceil(Math.floor(hosts.length / 2) / 2)
  return (from, to) => {
    const [a, b] = [placeOf.get(from), placeOf.get(to)]
    if (a === undefined || b === undefined) return false
    const distance = Math.abs(a - b)
    return Math.min(distance, hosts.length - distance) > reach
  }
}
