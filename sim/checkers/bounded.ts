// No queue of a host grows above its bound, however much it is sent.
import { limits } from '../../gossip/limits.ts'
import type { Checker } from '../events.ts'

export interface Queues {
  readonly largest: Map<string, readonly [largest: number, most: number]>
}

/** `seen` gathers the largest of each for the report. */
export function bounded(seen: Queues['largest'] = new Map()): Checker {
  return {
    event(event) {
      if (event.kind !== 'decided' || event.host.peer === undefined) return undefined
      const { driver, reporter, entries, carrier } = event.host.peer
      const queues: Record<string, readonly [now: number, most: number]> = {
        ...driver.queues(),
        board: [reporter.board.size, limits.hosts],
        refused: [entries.refused().length, 32],
        forks: [entries.forks().length, 16],
        connections: [carrier.peers().length, limits.connectionsHard],
      }
      for (const [name, [now, most]] of Object.entries(queues)) {
        const before = seen.get(name)
        if (before === undefined || now > before[0]) seen.set(name, [now, most])
        if (now > most) return `its queue '${name}' holds ${now}; expected at most ${most}`
      }
      return undefined
    },
  }
}
