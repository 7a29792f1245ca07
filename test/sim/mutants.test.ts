// Each checker must notice the core with its promise broken, within 200 seeds. `npm test` runs the one seed that is known to
// tell; `npm run sim:mutants` (FLEET_MUTANTS=all) looks among all 200, and says which seed stands in mutants.ts no more.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkers } from '../../sim/checkers/index.ts'
import { mutants } from './mutants.ts'
import { bySize, hunt, Runs, Sources } from './mutation.ts'

const isSearch = process.env['FLEET_MUTANTS'] === 'all'
const seedsMax = 200
const timeoutMs = isSearch ? 4 * 3_600_000 : 180_000

let sources: Sources
let untouched: Sources
let sound: Runs

beforeAll(() => {
  sources = new Sources()
  untouched = new Sources()
  sound = new Runs(untouched.worker)
})
afterAll(() => {
  sound.end()
  sources.remove()
  untouched.remove()
})

test('each checker has a mutant, and each mutant a checker', () => {
  const names = [...checkers(new Map()).keys()]
  expect([...new Set(mutants.map(each => each.checker))].sort()).toEqual(names.sort())
  expect(new Set(mutants.map(each => each.name)).size).toBe(mutants.length)
})

describe('is noticed:', () => {
  for (const mutant of mutants) {
    const { name, checker, why, seed } = mutant
    test(`${name} (${checker}: ${why})`, { timeout: timeoutMs }, async () => {
      const caught = isSearch
        ? await hunt({ sources, sound }, mutant, bySize(seedsMax))
        : await hunt({ sources }, mutant, [seed])
      if (isSearch) console.log(`${checker}: ${name}: seed ${caught?.seed ?? 'none'}, known ${seed}`)
      expect(
        caught?.said,
        `seed ${seed} tells it no more: npm run sim:mutants looks for another`,
      ).toBeDefined()
      expect(seed).toBeLessThanOrEqual(seedsMax)
    })
  }
})
