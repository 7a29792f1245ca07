import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  budgetLeft,
  fits,
  haltAt,
  largestStep,
  liesAmong,
  type Ratio,
  ucb95,
  ucbAtMost,
  ucbAtMostExactly,
} from '../../node/bound.ts'

/** A share of a million. */
const millionths = (share: number): Ratio => ({ over: BigInt(Math.round(share * 1e6)), under: 1_000_000n })
const counts = fc.tuple(fc.nat(60), fc.nat(300)).map(([failed, more]) => ({ failed, trials: failed + more }))

describe('published values of the Clopper–Pearson bound', () => {
  test.each([
    [1, 0.95],
    [3, 0.632],
    [5, 0.451],
    [10, 0.259],
    [20, 0.139],
    [30, 0.095],
    [59, 0.0495],
    [128, 0.0231],
  ])('no failure among %i: %f', (trials, bound) => expect(ucb95(0, trials)).toBeCloseTo(bound, 3))

  test.each([
    [0.02, [149, 236, 313]],
    [0.05, [59, 93, 124, 153, 181, 208]],
    [0.1, [29, 46, 61, 76, 89, 103]],
    [0.2, [14, 22, 30]],
  ])('trials until the bound is at most %f, by failures', (share, needed) => {
    for (const [failed, trials] of needed.entries()) {
      expect(ucbAtMost(failed, trials, millionths(share))).toBe(true)
      expect(ucbAtMost(failed, trials - 1, millionths(share))).toBe(false)
    }
  })

  test('no failure has a closed form: 1 − 0.05^(1/n)', () => {
    for (const trials of [1, 2, 7, 40, 128, 1000])
      expect(ucb95(0, trials)).toBeCloseTo(1 - 0.05 ** (1 / trials), 11)
  })

  test('no trials, and nothing but failures: 1', () => {
    expect([ucb95(0, 0), ucb95(5, 5)]).toEqual([1, 1])
    expect(ucbAtMost(0, 0, millionths(0.999999))).toBe(false)
    expect(ucbAtMost(5, 5, millionths(1))).toBe(true)
  })
})

test.each([
  [5, 2],
  [10, 3],
  [20, 4],
  [30, 5],
  [64, 7],
  [128, 12],
  [256, 20],
])('of %i hosts, %i failures stop a release', (hosts, k) => expect(haltAt(hosts)).toBe(k))

describe('the decision', () => {
  test('on the edge itself it is yes: 1 of 1 host, 95 %', () => {
    expect(ucbAtMost(0, 1, { over: 19n, under: 20n })).toBe(true)
    expect(ucbAtMost(0, 1, { over: 19n * 10n ** 30n - 1n, under: 20n * 10n ** 30n })).toBe(false)
    // 19 hosts of 95 % each, and a budget of exactly that.
    expect(fits(19, 0, 1, { over: 361n, under: 20n })).toBe(true)
    expect(fits(20, 0, 1, { over: 361n, under: 20n })).toBe(false)
  })

  test('agrees with whole numbers everywhere', () => {
    fc.assert(
      fc.property(counts, fc.integer({ min: -1000, max: 1_001_000 }), ({ failed, trials }, share) => {
        const p = { over: BigInt(share), under: 1_000_000n }
        expect(ucbAtMost(failed, trials, p)).toBe(ucbAtMostExactly(failed, trials, p))
      }),
      { numRuns: 300 },
    )
  })

  test('agrees with the number away from equality', () => {
    fc.assert(
      fc.property(counts, fc.double({ min: 0.001, max: 0.2, noNaN: true }), ({ failed, trials }, off) => {
        const bound = ucb95(failed, trials)
        expect(ucbAtMost(failed, trials, millionths(bound * (1 + off) + 1e-6))).toBe(true)
        if (bound < 1) expect(ucbAtMost(failed, trials, millionths(bound * (1 - off) - 1e-6))).toBe(false)
      }),
    )
  })

  test('a failure more is worse, a success more is better, a host more needs more', () => {
    fc.assert(
      fc.property(counts, fc.integer({ min: 1, max: 500 }), ({ failed, trials }, left) => {
        const budget = { over: BigInt(left), under: 3n }
        const step = largestStep(failed, trials, budget, 2000)
        expect(fits(step, failed, trials, budget)).toBe(true)
        if (step < 2000) expect(fits(step + 1, failed, trials, budget)).toBe(false)
        expect(largestStep(failed, trials + 1, budget, 2000)).toBeGreaterThanOrEqual(step)
        expect(largestStep(failed + 1, trials + 1, budget, 2000)).toBeLessThanOrEqual(step)
        expect(ucb95(failed, trials + 1)).toBeLessThanOrEqual(ucb95(failed, trials))
      }),
    )
  })

  test('is quick where the numbers are large', () => {
    expect(largestStep(90, 8192, { over: 50_000n, under: 1n }, 1_000_000)).toBeGreaterThan(1_000_000 / 5)
  })
})

test('the budget: what may break, less what has', () => {
  const at = { hosts: 100, risk: 500, healthy: 0, failed: 0, open: 0 }
  expect(budgetLeft(at)).toEqual({ over: 50_000n, under: 10_000n })
  // 1 of 10 verdicts is a failure, 20 hosts are open: 2 are thought broken of the 5.
  const { over, under } = budgetLeft({ ...at, healthy: 9, failed: 1, open: 20 })
  expect(over).toBe(3n * under)
  expect(budgetLeft({ ...at, healthy: 1, failed: 1, open: 50 }).over).toBeLessThan(0n)
})

test('lies are rounded up', () => {
  expect([liesAmong(0, 100), liesAmong(1, 100), liesAmong(100, 100), liesAmong(101, 100)]).toEqual([
    0, 1, 1, 2,
  ])
})
