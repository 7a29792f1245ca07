// No host starts a release below the newest that it ever accepted, whatever it lost but its disk.
import type { Checker } from '../events.ts'

/** ms after which what was accepted is on the disk, be it slow; one that hangs or fails ends before. */
const durableMs = 10_000

export function aboveFloor(): Checker {
  /** By name and disk: the newest release accepted. */
  const floors = new Map<string, number>()
  /** By name: what to go back to, should the host end before its floor is on the disk. */
  const young = new Map<string, { readonly of: string; readonly before: number; readonly untilMs: number }>()
  return {
    event(event, { ledger, nowMs }) {
      if (event.kind === 'ended') {
        const last = young.get(event.host.name)
        if (last !== undefined && nowMs() < last.untilMs) floors.set(last.of, last.before)
        young.delete(event.host.name)
      }
      if (event.kind === 'decided') {
        for (const effect of event.effects) {
          if (effect.kind !== 'keep' || !effect.entry.release) continue
          // An entry that ends a fork may lead back to a lower place, this once.
          const of = `${event.host.name} ${event.host.disks}`
          const drops = (ledger.byId(effect.entry.id)?.subject ?? '').startsWith('end of a fork')
          const { sequence } = effect.entry
          const last = young.get(event.host.name)
          const before = last !== undefined && nowMs() < last.untilMs ? last.before : (floors.get(of) ?? 0)
          young.set(event.host.name, { of, before, untilMs: nowMs() + durableMs })
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
