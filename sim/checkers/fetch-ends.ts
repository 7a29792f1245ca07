// Fetching ends: no host of the healed core goes on for long without a byte while a neighbour says that it holds the pack.
import { limits } from '../../gossip/limits.ts'
import { unhex } from '../../signing/bytes.ts'
import { peerIdOf } from '../../signing/keys.ts'
import type { Checker, Watched } from '../events.ts'

/** ms without progress: every neighbour may stall once, and be asked again. */
const stuckMs = limits.packStallMs * 2 * limits.connectionsMax
/** ms for all of a pack: bytes that come again and again and are never good are no progress. */
const endlessMs = 2 * stuckMs

export function fetchEnds(): Checker {
  const seen = new Map<
    string,
    { readonly bytes: number; readonly sinceMs: number; readonly firstMs: number }
  >()
  /** Neighbours of which an answer can be expected: healed for good, and none that ever lied. */
  const honest = new Set<string>()
  let healed = false
  return {
    of: ['healed', 'decided'],
    event(event, { nowMs, hosts }) {
      if (event.kind === 'healed') healed = true
      if (!healed || event.kind !== 'decided' || event.input.kind !== 'tick' || !event.host.core)
        return undefined
      const { name, peer } = event.host
      if (honest.size === 0) for (const each of hosts) if (each.core && each.honest) honest.add(idOf(each))
      for (const { pack, offset } of peer?.agent.fetching() ?? []) {
        const key = `${name} ${pack}`
        const before = seen.get(key)
        if (before === undefined || before.bytes !== offset)
          seen.set(key, { bytes: offset, sinceMs: nowMs(), firstMs: before?.firstMs ?? nowMs() })
        const { sinceMs, firstMs } = seen.get(key)!
        const wrong =
          nowMs() > sinceMs + stuckMs
            ? `without a byte for ${stuckMs / 1000} s`
            : nowMs() > firstMs + endlessMs
              ? `for ${endlessMs / 1000} s`
              : undefined
        if (wrong === undefined) continue
        const sequence = peer?.entries.release()?.sequence ?? 0
        const holders =
          peer?.agent.neighbours.holders(sequence).pack.filter(each => honest.has(each)).length ?? 0
        if (holders > 0) return `fetches ${pack.slice(0, 8)} ${wrong}; ${holders} honest neighbours hold it`
      }
      return undefined
    },
    pending: ({ hosts }) =>
      hosts
        .filter(each => each.core && (each.peer?.agent.fetching().length ?? 0) > 0)
        .map(each => `${each.name} is still fetching`),
  }
}

const idOf = ({ key }: Watched): string => peerIdOf(unhex(key, 32)!)
