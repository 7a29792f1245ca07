// A host's own counter never repeats: not after a crash, not after a restart. (A disk that is older than the last status, and
// a key on two machines, are what the counter cannot know before it hears of it.)
import type { Checker } from '../events.ts'

export function counter(): Checker {
  const last = new Map<string, number>()
  return {
    of: ['spoke'],
    event(event) {
      if (event.kind !== 'spoke' || !event.host.honest || event.host.cloned) return undefined
      const of = `${event.host.name} ${event.host.disks}`
      const before = last.get(of) ?? 0
      last.set(of, event.status.n)
      return event.status.n > before ? undefined : `says ${event.status.n} after ${before}`
    },
  }
}
