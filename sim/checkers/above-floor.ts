// No host starts a release below the newest that it ever accepted, whatever it lost but its disk.
import type { Checker } from '../events.ts'

export function aboveFloor(): Checker {
  /** By name and disk: the newest release accepted and durable. */
  const floors = new Map<string, number>()
  return {
    of: ['decided', 'run'],
    event(event, { ledger }) {
      if (event.kind === 'decided') {
        for (const effect of event.effects) {
          if (effect.kind !== 'keep' || !effect.entry.release) continue
          // An entry that ends a fork may lead back to a lower place, this once.
          const of = `${event.host.name} ${event.host.disks}`
          const drops = (ledger.byId(effect.entry.id)?.subject ?? '').startsWith('end of a fork')
          const { sequence } = effect.entry
          floors.set(of, drops ? sequence : Math.max(floors.get(of) ?? 0, sequence))
        }
      }
      if (event.kind !== 'run') return undefined
      const floor = floors.get(`${event.host.name} ${event.host.disks}`) ?? 0
      return event.entry.sequence < floor
        ? `runs release ${event.entry.sequence} after it had accepted ${floor}`
        : undefined
    },
  }
}
