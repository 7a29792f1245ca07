// No host starts a release below the newest that it ever accepted, whatever it lost but its disk.
import type { Checker } from '../events.ts'

/** ms after which an entry that was taken is durable on the slowest disk, or the host has ended since it could not be. */
const keptMs = 10_000

export function aboveFloor(): Checker {
  /** By name and disk: the newest release accepted. */
  const floors = new Map<string, number>()
  /** By name: releases accepted in this life, perhaps not durable yet. */
  const fresh = new Map<string, { readonly sequence: number; readonly atMs: number }[]>()
  return {
    of: ['decided', 'run', 'ended'],
    event(event, { ledger, nowMs }) {
      if (!('host' in event)) return undefined
      const { name, disks } = event.host
      const of = `${name} ${disks}`
      const waiting = fresh.get(name)
      while (waiting?.[0] !== undefined && nowMs() > waiting[0].atMs + keptMs)
        floors.set(of, Math.max(floors.get(of) ?? 0, waiting.shift()!.sequence))
      if (event.kind === 'ended') fresh.delete(name)
      if (event.kind === 'decided')
        for (const effect of event.effects) {
          if (effect.kind !== 'keep' || !effect.entry.release) continue
          const { sequence, id } = effect.entry
          // An entry that ends a fork may lead back to a lower place, this once.
          if ((ledger.byId(id)?.subject ?? '').startsWith('end of a fork')) {
            fresh.delete(name)
            floors.set(of, Math.min(floors.get(of) ?? sequence, sequence))
          }
          fresh.set(name, [...(fresh.get(name) ?? []), { sequence, atMs: nowMs() }])
        }
      if (event.kind !== 'run') return undefined
      // A host that has nothing takes the release last seen complete before it waits for its turn with the newest.
      const { agent, entries } = event.host.peer ?? {}
      if (agent?.inForce === undefined && entries?.release()?.release.stable === event.entry.id)
        return undefined
      // Within one life what is not durable yet counts too.
      const floor = Math.max(floors.get(of) ?? 0, ...(fresh.get(name) ?? []).map(each => each.sequence))
      return event.entry.sequence < floor
        ? `runs release ${event.entry.sequence} after it had accepted ${floor}`
        : undefined
    },
  }
}
