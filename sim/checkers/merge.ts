// Statuses merge in any order, any number of times, to the same board; and no host's board goes back.

import type { StatusPair } from '../../gossip/message.ts'
import { Board } from '../../node/status.ts'
import { hex } from '../../signing/bytes.ts'
import { isRefusal } from '../../signing/errors.ts'
import type { Checker, Scene } from '../events.ts'

/** Statuses kept for the shuffles at the end; the newest take the place of the oldest. */
const keptMax = 2_000

export function merge(): Checker {
  const said: StatusPair[] = []
  /** Host -> whose row -> its counter. */
  const boards = new Map<string, Map<string, number>>()
  return {
    of: ['started', 'spoke', 'decided'],
    event(event) {
      if (event.kind === 'started') boards.delete(event.host.name)
      if (event.kind === 'spoke' && !event.host.cloned) {
        said.push(event.pair)
        if (said.length > keptMax) said.shift()
      }
      if (event.kind !== 'decided') return undefined
      for (const effect of event.effects) {
        if (effect.kind !== 'board') continue
        const row = event.host.peer?.reporter.board.row(effect.host)
        if (row === undefined) continue
        const rows = boards.get(event.host.name) ?? new Map<string, number>()
        boards.set(event.host.name, rows)
        const before = rows.get(effect.host) ?? 0
        rows.set(effect.host, row.status.n)
        if (row.status.n < before)
          return `its board goes from ${before} back to ${row.status.n} for ${effect.host.slice(0, 8)}`
      }
      return undefined
    },
    end(scene) {
      const roots = [0, 1, 2].map(at => rootOf(said, scene, at))
      return roots.every(each => each === roots[0])
        ? undefined
        : `${said.length} statuses come to different boards in different orders`
    },
  }
}

function rootOf(said: readonly StatusPair[], scene: Scene, shuffle: number): string {
  const board = new Board({
    open: pair => {
      const read = scene.memory.readStatus(pair)
      return isRefusal(read) ? undefined : read
    },
    rostered: () => true,
  })
  const chance = scene.chance(`merge ${shuffle}`)
  const order = said
    .flatMap(pair => (chance() < 0.3 ? [pair, pair] : [pair]))
    .map(pair => ({ pair, at: shuffle === 0 ? 0 : chance() }))
    .sort((a, b) => a.at - b.at)
  for (const { pair } of order) board.take(pair, 0)
  return hex(board.root())
}
