// A host that first starts when all is over gets trust, the head and its release, and needs no more than the bounds of
// DESIGN section 6 for it: its log is whole within a few syncs.

import { limits } from '../../gossip/limits.ts'
import type { Checker } from '../events.ts'

/** ms from its first start: dialled with back-off, then a sync with each of its first neighbours. */
const withinMs = 6 * limits.syncMs

export function lateJoiner(): Checker {
  const joined = new Map<string, number>()
  let healed = false
  return {
    event(event, scene) {
      if (event.kind === 'healed') healed = true
      if (event.kind === 'started' && healed && event.host.core && !joined.has(event.host.name))
        if (event.host.peer?.entries.release() === undefined) joined.set(event.host.name, scene.nowMs())
      for (const [name, sinceMs] of joined) {
        const host = scene.hosts.find(each => each.name === name)
        if (host?.peer?.entries.release() !== undefined) joined.delete(name)
        else if (scene.nowMs() > sinceMs + withinMs)
          return `${name} started ${withinMs / 1000} s ago and knows no release, though the core is healed`
      }
      return undefined
    },
  }
}
