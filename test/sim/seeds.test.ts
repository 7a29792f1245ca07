// The promises of a simulated fleet: the first seeds of every campaign, and the scenarios, cut down, in which one was broken once.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { drawScenario } from '../../sim/draw.ts'
import { simulate } from '../../sim/main.ts'
import type { Report } from '../../sim/report.ts'
import { readScenario } from '../../sim/scenario.ts'

const folder = new URL('regressions/', import.meta.url)
/** As many as every `npm test` can wait for; `npm run sim:campaign` runs the rest. */
const seeds = Array.from({ length: 20 }, (_, at) => at + 1)

function expectKept({ ending, violations, pending, seed }: Report): void {
  expect({ seed, ending, violations, pending }).toEqual({ seed, ending: 'ok', violations: [], pending: [] })
}

test.each(readdirSync(folder).sort())(
  'the scenario %s breaks no promise any more',
  { timeout: 120_000 },
  async name => {
    const read = readScenario(readFileSync(new URL(name, folder), 'utf8'), name)
    if ('problems' in read) throw new Error(JSON.stringify(read.problems))
    expectKept(await simulate(read.scenario))
  },
)

test.each(seeds)('seed %i breaks no promise', { timeout: 120_000 }, async seed => {
  expectKept(await simulate(drawScenario(seed)))
})

test('the same seed is the same story', async () => {
  const [first, second] = [await simulate(drawScenario(3)), await simulate(drawScenario(3))]
  expect(second.traceHash).toBe(first.traceHash)
})
