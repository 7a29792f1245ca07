// The soak as a table: rounds of CHECKs at their times, one answer a round, and what becomes of it.
import { expect, test } from 'vitest'
import { type FailingCheck, Soak } from '../../node/soak.ts'

const soakMs = 60_000
const fails = (id: string, withinMs: number): FailingCheck => ({ id, withinMs, why: `${id} fails` })
const a = fails('a', 5_000)
const b = fails('b', 1_000)

/** What each answer brought, and when the soak was over, in ms; undefined: not before `untilMs`. */
function story(answer: (atMs: number) => readonly FailingCheck[], untilMs = 300_000) {
  const soak = new Soak({ checks: true, soakMs: () => soakMs })
  soak.begin('entry', true, 0)
  const asked: number[] = []
  const told: [string, number][] = []
  for (let nowMs = 0; nowMs <= untilMs; nowMs += 500) {
    if (soak.asks(nowMs)) {
      asked.push(nowMs)
      const { news, lost } = soak.checked('entry', answer(nowMs), nowMs)
      if (news !== undefined) told.push([news.id, nowMs])
      if (lost !== undefined) return { asked, told, failed: lost.id, atMs: nowMs }
    }
    if (soak.isOver(nowMs)) return { asked, told, overMs: nowMs }
  }
  return { asked, told }
}

test('is asked every ten seconds, and once more at its end', () => {
  expect(story(() => [])).toEqual({
    told: [],
    asked: [0, 10, 20, 30, 40, 50, 60].map(s => s * 1000),
    overMs: 60_000,
  })
})

test.each([
  ['one round', 20_000, 20_000, 20_000 + soakMs],
  ['less than its patience', 20_000, 23_500, 23_000 + soakMs],
  ['the very first round', 0, 0, soakMs],
  ['the very last round', 60_000, 60_000, 60_000 + soakMs],
])(
  'a CHECK that fails in %s begins it anew, counted from the last that failed',
  (_, fromMs, toMs, overMs) => {
    expect(story(at => (at >= fromMs && at <= toMs ? [a] : [])).overMs).toBe(overMs)
  },
)

test('a CHECK that fails for as long as its step gives has failed, and was asked every second meanwhile', () => {
  const { asked, told, failed, atMs } = story(at => (at >= 20_000 ? [a] : []))
  expect({ told, failed, atMs }).toEqual({ told: [['a', 20_000]], failed: 'a', atMs: 25_000 })
  expect(asked.slice(2)).toEqual([20, 21, 22, 23, 24, 25].map(s => s * 1000))
})

test('each CHECK has its own time', () => {
  const answer = (at: number) => (at < 10_000 ? [] : at < 13_000 ? [a] : [b])
  expect(story(answer)).toMatchObject({
    told: [
      ['a', 10_000],
      ['b', 13_000],
    ],
    failed: 'b',
    atMs: 14_000,
  })
})

test('one that fails every now and then never lets it end, and never fails', () => {
  const { told, overMs, failed } = story(at => (at % 60_000 < 2_000 ? [a] : []))
  expect({ times: told.length, overMs, failed }).toEqual({ times: 5, overMs: undefined, failed: undefined })
})

test('answers about another release say nothing of this one', () => {
  const soak = new Soak({ checks: true, soakMs: () => soakMs })
  soak.begin('entry', true, 0)
  expect(soak.asks(0)).toBe(true)
  soak.begin('another', true, 5)
  expect(soak.checked('entry', [fails('a', 0)], 10)).toEqual({})
  expect(soak.asks(10)).toBe(true)
  expect(soak.sinceMs).toBe(5)
})

test.each([
  ['with CHECKs', true],
  ['without', false],
])('of a release that is not known yet nothing is over, %s', (_, checks) => {
  let known = false
  const soak = new Soak({ checks, soakMs: () => (known ? soakMs : undefined) })
  soak.begin('entry', true, 0)
  expect([soak.asks(soakMs), soak.isOver(soakMs), soak.wakeMs()]).toEqual([false, false, undefined])
  known = true
  expect(soak.asks(soakMs)).toBe(checks)
  soak.checked('entry', [], soakMs)
  expect(soak.isOver(soakMs)).toBe(true)
})
