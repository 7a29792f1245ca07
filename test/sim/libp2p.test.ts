// The promises of the simulator's checkers, kept on the real libp2p over memory, in real time. Statistical: not to be replayed.
import { memory } from '@libp2p/memory'
import { expect, test } from 'vitest'
import { simulateLive } from '../../sim/libp2p.ts'

const seed = Number(process.env['FLEET_SEED'] ?? Date.now() % 1e6)

test(`six hosts converge on real libp2p, seed ${seed}`, { timeout: 180_000 }, async () => {
  const options = { hosts: 6, seed, withinMs: 50_000 }
  const result = await simulateLive({ ...options, transport: () => memory() })
  expect([result.violations, result.pending]).toEqual([[], []])
  expect(result.arrivedMs.every(each => each < options.withinMs)).toBe(true)
  expect([result.restarts, result.failed]).toEqual([1, 0])
})
