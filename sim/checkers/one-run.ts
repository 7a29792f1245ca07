// A host does one run at a time, and answers each.
import type { Checker } from '../events.ts'

export function oneRun(): Checker {
  const running = new Map<string, number>()
  return {
    of: ['ended', 'ran', 'run'],
    event(event) {
      if (event.kind === 'ended') running.delete(event.host.name)
      if (event.kind === 'ran') running.delete(event.host.name)
      if (event.kind !== 'run') return undefined
      const other = running.get(event.host.name)
      running.set(event.host.name, event.entry.sequence)
      return other === undefined ? undefined : `runs release ${event.entry.sequence} while it runs ${other}`
    },
  }
}
