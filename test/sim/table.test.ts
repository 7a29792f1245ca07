// The gate's own figures: what it lets break, and what it lets through.
import { describe, expect, test } from 'vitest'
import { table } from '../../sim/table.ts'

const ps = [0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1]
const risk = 0.05

/** What may break beside the risk: the last step may turn out worse than it was bound to, in one of twenty cases. */
const step = (n: number) => Math.max(2 / n, 0.01)

describe('releases of every quality in fleets of every size', () => {
  const rows = [
    ...table({ ns: [5, 10, 30, 100, 1000], ps, runs: 150, seed: 7 }),
    ...table({ ns: [10_000], ps, runs: 50, seed: 7 }),
  ]

  test.each(rows)('$n hosts, failing with $p: at most the risk and a step break', row => {
    expect(row.damageP95).toBeLessThanOrEqual(risk + step(row.n) + 1e-9)
    expect(row.done + row.halted + row.waiting).toBeCloseTo(1, 9)
  })

  test.each(table({ ns: [100, 1000, 10_000], ps: [0.005], runs: 300, seed: 7 }))(
    '$n hosts: a good release gets through',
    row => expect(row.done).toBeGreaterThanOrEqual(0.97),
  )

  test.each(rows.filter(({ p }) => p === 1))(
    '$n hosts: of a release that always fails one host is hit',
    row => {
      expect(row.done).toBe(0)
      expect(row.damageP95).toBeCloseTo(1 / row.n, 9)
    },
  )
})

test('failures without a word hold as well as others, and never halt', () => {
  for (const row of table({ ns: [10, 100, 1000], ps: [0.1, 1], runs: 50, seed: 7, silent: 1 })) {
    expect(row.halted).toBe(0)
    expect(row.damageP95).toBeLessThanOrEqual(risk + step(row.n) + 1e-9)
  }
})

test('the same seed tells the same', () => {
  const options = { ns: [30, 100], ps: [0.05], runs: 20, seed: 3 }
  expect(table(options)).toEqual(table(options))
  expect(table({ ...options, seed: 4 })).not.toEqual(table(options))
})
