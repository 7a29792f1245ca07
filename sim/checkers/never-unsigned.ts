// No host keeps or runs an entry that no operator signed, nor other content than was signed.
import type { Checker } from '../events.ts'

export function neverUnsigned(): Checker {
  return {
    of: ['run', 'decided'],
    event(event, { ledger }) {
      if (event.kind === 'run') {
        const { id, release } = event.entry
        const signed = ledger.byId(id)
        if (signed === undefined) return `runs ${id}, which nobody signed`
        if (release?.commit !== signed.commit) return `runs ${id} with the commit ${release?.commit}`
      }
      if (event.kind !== 'decided' || !event.host.honest) return undefined
      for (const effect of event.effects)
        if (
          (effect.kind === 'keep' || effect.kind === 'keep-fork') &&
          ledger.byId(effect.entry.id) === undefined
        )
          return `keeps ${effect.entry.sequence} ${effect.entry.id}, which nobody signed`
      return undefined
    },
  }
}
