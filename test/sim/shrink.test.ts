import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ddmin } from '../../sim/ddmin.ts'
import type { Scenario } from '../../sim/faults.ts'
import { scenarioProblems } from '../../sim/scenario.ts'
import { shrink } from '../../sim/shrink.ts'
import { scenarios } from './scenarios.ts'

test('ddmin finds exactly what is needed, in its order', async () => {
  const needs = fc
    .integer({ min: 0, max: 40 })
    .chain(length =>
      fc.record({ length: fc.constant(length), needed: fc.subarray(Array.from({ length }, (_, i) => i)) }),
    )
  await fc.assert(
    fc.asyncProperty(needs, async ({ length, needed }) => {
      const all = Array.from({ length }, (_, i) => i)
      expect(await ddmin(all, async some => needed.every(each => some.includes(each)))).toEqual(needed)
    }),
  )
})

test('the answer fails, is valid, no larger, and came within the runs allowed', async () => {
  await fc.assert(
    fc.asyncProperty(
      scenarios(),
      fc.integer({ min: 0, max: 120 }),
      fc.func(fc.boolean()),
      async (start, runsMax, dice) => {
        let runs = 0
        const failed = new Set([JSON.stringify(start)])
        const shrunk = await shrink(
          start,
          async candidate => {
            runs++
            expect(scenarioProblems(candidate)).toEqual([])
            const fails = dice(JSON.stringify(candidate))
            if (fails) failed.add(JSON.stringify(candidate))
            return fails
          },
          { runsMax },
        )
        expect(shrunk.runs).toBe(runs)
        expect(runs).toBeLessThanOrEqual(runsMax)
        expect(failed).toContain(JSON.stringify(shrunk.scenario))
        expect(shrunk.scenario.hosts).toBeLessThanOrEqual(start.hosts)
        expect(shrunk.scenario.faults.length).toBeLessThanOrEqual(start.faults.length)
        expect(shrunk.scenario.faultsMs).toBeLessThanOrEqual(start.faultsMs)
      },
    ),
    { numRuns: 300 },
  )
})

test('finds the smallest set of kinds that is needed, with one host each', async () => {
  const kindsOf = (scenario: Scenario) => [...new Set(scenario.faults.map(each => each.kind))].sort()
  const picked = scenarios().chain(start =>
    fc.record({ start: fc.constant(start), needed: fc.subarray(kindsOf(start)) }),
  )
  await fc.assert(
    fc.asyncProperty(picked, async ({ start, needed }) => {
      const { scenario, runs } = await shrink(
        start,
        async candidate => needed.every(kind => kindsOf(candidate).includes(kind)),
        { runsMax: 5_000 },
      )
      expect(runs).toBeLessThan(5_000)
      expect(scenario.faults.map(each => each.kind).sort()).toEqual(needed)
      for (const each of scenario.faults) expect(each.hosts.length).toBeLessThanOrEqual(1)
      expect(scenario.releases).toEqual([])
      // Each of them may strike a host of its own, and somebody of the core must be left.
      expect(scenario.hosts).toBeLessThanOrEqual(needed.length + 1)
    }),
  )
})

test('keeps what is needed together: two hosts, a release between two faults', async () => {
  const start: Scenario = {
    format: 1,
    seed: 7,
    hosts: 40,
    faultsMs: 7_213_456,
    healMs: 600_000,
    releases: [
      { atMs: 1_234, at: 3 },
      { atMs: 3_601_234, at: 30 },
      { atMs: 7_000_000, at: 3 },
    ],
    core: Array.from({ length: 30 }, (_, i) => i + 5),
    faults: [
      { kind: 'kill', atMs: 1_801_234, untilMs: 5_000_000, hosts: [2, 9, 17] },
      { kind: 'loss', atMs: 100_000, untilMs: 6_000_000, hosts: [], amount: 0.37 },
      { kind: 'halves', atMs: 200_000, untilMs: 6_900_000, hosts: [1, 2, 3, 4], mode: 'jam' },
      { kind: 'step', atMs: 4_000_321, hosts: [9, 22], amount: -123_456 },
    ],
  }
  const { scenario } = await shrink(
    start,
    async ({ faults, releases }) => {
      const kill = faults.find(each => each.kind === 'kill')
      const step = faults.find(each => each.kind === 'step' && each.atMs > (kill?.atMs ?? Infinity))
      return releases.some(each => step && kill && each.atMs > kill.atMs && each.atMs < step.atMs)
    },
    { runsMax: 500 },
  )
  expect(scenario.hosts).toBe(1)
  expect(scenario.faults.map(each => each.kind)).toEqual(['kill', 'step'])
  expect(scenario.releases.length).toBe(1)
  expect(scenario.faults[1]!.amount).toBe(-100_000)
})
