// After every start and every run, what is on the machine is exactly what the journal says is in force: the old state or the
// new one, nothing between.
import type { Checker, Watched } from '../events.ts'

export function journalConsistent(): Checker {
  const look = (host: Watched, when: string): string | undefined => {
    const state = host.state()
    if (state?.differs === undefined) return undefined
    return `${when}, ${state.inForce?.slice(0, 8) ?? 'nothing'} is in force by its journal, but ${state.differs}`
  }
  return {
    of: ['started', 'ran'],
    event(event) {
      if (event.kind === 'started') return look(event.host, 'after a start')
      if (event.kind === 'ran') return look(event.host, 'after a run')
      return undefined
    },
  }
}
