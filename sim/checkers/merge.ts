// Statuses merge in any order, any number of times, to the same board; and no host's board goes back.

import type { StatusPair } from '../../gossip/message.ts'
import { Board } from '../../node/status.ts'
import { hex } from '../../signing/bytes.ts'
import { isRefusal } from '../../signing/errors.ts'
import { readStatus } from '../../signing/status.ts'
import type { Checker, Scene } from '../events.ts'

/** Statuses kept for the shuffles at the end; the newest take the place of the oldest. */
const keptMax = 2_000

export function merge(): Checker {
  const said: StatusPair[] = []
  const rows = new Map<string, number>()
  return {
    event(event) {
      if (event.kind === 'started')
        for (const key of rows.keys()) if (key.startsWith(`${event.host.name} `)) rows.delete(key)
      if (event.kind === 'spoke' && !event.host.cloned) {
        said.push(event.pair)
        if (said.length > keptMax) said.shift()
      }
      if (event.kind !== 'decided') return undefined
      for (const effect of event.effects) {
        if (effect.kind !== 'board') continue
        const row = event.host.peer?.reporter.board.row(effect.host)
        if (row === undefined) continue
        const of = `${event.host.name} ${effect.host}`
        const before = rows.get(of) ?? 0
        rows.set(of, row.status.n)
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
      const read = readStatus(pair)
      return isRefusal(read) ? undefined : read.status
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
