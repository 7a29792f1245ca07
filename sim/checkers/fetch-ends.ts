// Fetching ends: no host of the healed core goes on for long without a byte while a neighbour says that it holds the pack.
import { limits } from '../../gossip/limits.ts'
import type { Checker } from '../events.ts'

/** ms without progress: every neighbour may stall once, and be asked again. */
const stuckMs = limits.packStallMs * 2 * limits.connectionsMax

export function fetchEnds(): Checker {
  const seen = new Map<string, { readonly bytes: number; readonly sinceMs: number }>()
  let healed = false
  return {
    of: ['healed', 'decided'],
    event(event, { nowMs }) {
      if (event.kind === 'healed') healed = true
      if (!healed || event.kind !== 'decided' || event.input.kind !== 'tick' || !event.host.core)
        return undefined
      const { name, peer } = event.host
      for (const { pack, offset } of peer?.agent.fetching() ?? []) {
        const key = `${name} ${pack}`
        const before = seen.get(key)
        if (before === undefined || before.bytes !== offset)
          seen.set(key, { bytes: offset, sinceMs: nowMs() })
        else if (nowMs() > before.sinceMs + stuckMs) {
          const sequence = peer?.entries.release()?.sequence ?? 0
          const holders = peer?.agent.holders(sequence).pack.length ?? 0
          if (holders > 0)
            return `fetches ${pack.slice(0, 8)} without a byte for ${stuckMs / 1000} s; ${holders} neighbours hold it`
        }
      }
      return undefined
    },
    pending: ({ hosts }) =>
      hosts
        .filter(each => each.core && (each.peer?.agent.fetching().length ?? 0) > 0)
        .map(each => `${each.name} is still fetching`),
  }
}
