// A run that is over has not left its host cut off: nobody could mend it from afar. (Where something could not be taken back
// the host says so: DIRTY.)
import type { Checker } from '../events.ts'

export function stillReached(): Checker {
  return {
    of: ['ran'],
    event(event) {
      if (event.kind !== 'ran' || !event.host.honest || !event.host.cutOff) return undefined
      const { kind, dirty } = event.report
      // One that broke off is taken back at the next start or look.
      return kind === 'wait' || dirty
        ? undefined
        : `is cut off by release ${event.entry.sequence}, whose run came to: ${kind}`
    },
  }
}
