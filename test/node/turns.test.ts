import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { panelMax } from '../../node/ladder.ts'
import { type Candidate, isInReach, panelOf, reachMax, stageOf, turnsOf } from '../../node/turns.ts'
import { hex, utf8 } from '../../signing/bytes.ts'
import { sha256 } from '../../signing/crypto.ts'

const seed = '5e'.repeat(32)
const keyOf = (n: number) => hex(sha256(utf8(`host ${n}`)))
const host = (n: number, more: Partial<Candidate> = {}): Candidate => ({
  key: keyOf(n),
  labels: {},
  changes: 'all',
  origin: true,
  guest: false,
  ...more,
})
const numbers = (order: readonly string[], count: number) =>
  order.map(key => [...Array(count).keys()].find(n => keyOf(n) === key))

describe('the order of hosts', () => {
  test('by rank, and another one for another seed', () => {
    const hosts = [...Array(8).keys()].map(n => host(n))
    const [one, two] = [turnsOf(hosts, seed), turnsOf(hosts, '5f'.repeat(32))]
    // For ever: hosts of different versions must agree.
    expect(numbers(one.hosts, 8)).toEqual([1, 0, 2, 4, 5, 6, 7, 3])
    expect(two.hosts).not.toEqual(one.hosts)
    expect(two.hosts.toSorted()).toEqual(one.hosts.toSorted())
    expect(one.counted).toBe(8)
  })

  test('canaries first, last ones last, then who does not count', () => {
    const hosts = [
      host(0, { labels: { rollout: 'last' } }),
      host(1, { labels: { rollout: 'canary' } }),
      host(2),
      host(3, { changes: undefined, labels: { rollout: 'canary' } }),
      host(4, { origin: false, labels: { rollout: 'canary' } }),
      host(5, { guest: true }),
    ]
    const turns = turnsOf(hosts, seed)
    expect(numbers(turns.hosts, 6).slice(0, 3)).toEqual([1, 2, 0])
    expect(turns.counted).toBe(3)
    expect(turns.placeOf(keyOf(0))).toBe(2)
    expect(turns.placeOf(keyOf(7))).toBeUndefined()
  })

  test('newcomers count where nobody else is concerned; guests never do', () => {
    const hosts = [
      host(0, { origin: false }),
      host(1, { origin: false }),
      host(2, { guest: true }),
      host(3, { changes: undefined }),
    ]
    expect(turnsOf(hosts, seed).counted).toBe(2)
  })

  test('strata are change lists, groups are values of the serial label', () => {
    const hosts = [...Array(6).keys()].map(n =>
      host(n, { changes: n < 4 ? 'web' : 'db', labels: n % 2 ? { rack: 'a' } : {} }),
    )
    const turns = turnsOf(hosts, seed, 'rack')
    const of = (n: number) => turns.placeOf(keyOf(n))!
    expect(turns.stratumOf(of(0))).toEqual([0, 1, 2, 3].map(of).sort())
    expect(turns.groupOf(of(1))).toEqual([1, 3, 5].map(of).sort())
    expect(turns.groupOf(of(2))).toEqual([of(2)])
    expect(turnsOf(hosts, seed).groupOf(1)).toEqual([1])
  })

  test('does not depend on how the roster is sorted; offsets lie within the window', () => {
    const hosts = [...Array(20).keys()].map(n =>
      host(n, { origin: n % 3 > 0, labels: n % 5 ? {} : { rollout: 'last' } }),
    )
    fc.assert(
      fc.property(fc.shuffledSubarray(hosts, { minLength: hosts.length }), shuffled => {
        const turns = turnsOf(shuffled, seed)
        expect(turns.hosts).toEqual(turnsOf(hosts, seed).hosts)
        for (const place of turns.hosts.keys()) {
          expect(turns.offsetOf(place)).toBeGreaterThanOrEqual(0)
          expect(turns.offsetOf(place)).toBeLessThan(1)
        }
      }),
      { numRuns: 20 },
    )
  })
})

test.each([
  [0, 1],
  [1, 2],
  [5, 2],
  [6, 3],
  [17, 3],
  [99, 3],
])('of stages 1 6 18, place %i is in stage %i', (place, stage) =>
  expect(stageOf(place, [1, 6, 18])).toBe(stage),
)

describe('the panel of a stage', () => {
  const nobody = () => false

  test('is all of a small stage and 128 of a large one', () => {
    expect(panelOf({ from: 6, size: 3, until: 9 }, nobody)).toEqual({
      members: [6, 7, 8],
      absent: [],
      end: 9,
    })
    const large = panelOf({ from: 6, size: 500, until: 506 }, nobody)
    expect([large.members.length, large.end]).toEqual([panelMax, 6 + panelMax])
  })

  test('the next in order stands in for an absent member, also beyond the stage, once it is open', () => {
    const absent = (place: number) => place === 7 || place === 9
    expect(panelOf({ from: 6, size: 3, until: 9 }, absent)).toEqual({ members: [6, 8], absent: [7], end: 9 })
    expect(panelOf({ from: 6, size: 3, until: 20 }, absent)).toEqual({
      members: [6, 8, 10],
      absent: [7, 9],
      end: 11,
    })
  })

  test('evidence is asked of a bounded number of hosts', () => {
    const stages = [1, 6, 4000, 10_000]
    const asked = [...Array(10_000).keys()].filter(place => isInReach(place, stages, 9_999))
    expect(asked.length).toBe(6 + 2 * reachMax)
    expect(asked.at(-1)).toBe(4000 + reachMax - 1)
    expect(isInReach(5, [6], 5)).toBe(false)
  })
})
