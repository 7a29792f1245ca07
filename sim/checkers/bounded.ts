// No queue of a host grows above its bound, however much it is sent.
import { limits } from '../../gossip/limits.ts'
import type { Checker } from '../events.ts'

export interface Queues {
  readonly largest: Map<string, readonly [largest: number, most: number]>
}

/** `seen` gathers the largest of each for the report. */
export function bounded(seen: Queues['largest'] = new Map()): Checker {
  return {
    of: ['decided'],
    event(event) {
      if (event.kind !== 'decided' || event.host.peer === undefined) return undefined
      const { driver, reporter, entries, carrier } = event.host.peer
      const look = (name: string, now: number, most: number): string | undefined => {
        const before = seen.get(name)
        if (before === undefined || now > before[0]) seen.set(name, [now, most])
        return now > most ? `its queue '${name}' holds ${now}; expected at most ${most}` : undefined
      }
      let wrong: string | undefined
      for (const [name, [now, most]] of Object.entries(driver.queues())) wrong ??= look(name, now, most)
      wrong ??= look('board', reporter.board.size, limits.hosts)
      wrong ??= look('refused', entries.refused().length, 32)
      wrong ??= look('forks', entries.forks().length, 16)
      if (event.input.kind === 'up')
        wrong ??= look('connections', carrier.peers().length, limits.connectionsHard)
      return wrong
    },
  }
}
