// How far a release has come, as a host sees it that did not ask the gate while it went on.
import { describe, expect, test } from 'vitest'
import { openedByDeeds, progressOf } from '../../node/progress.ts'
import { absentMs, fleet, inputOf, minute } from './gate-rig.ts'

/** At which minute each host of the order was heard of first, and with what it ended; undefined: it is silent. */
const heard = [[1, 12], undefined, [30, 41], [42, 53], [43, 54], [55, 66]] as const

function look(nowMs: number) {
  const turns = fleet(6)
  const said = heard.map(each => (each !== undefined && nowMs >= each[1] * minute ? 'h' : '.')).join('')
  const input = inputOf(turns, { said, open: [] })
  const heardOf = (host: string) => {
    const [first = 0, verdict = 0] = heard[turns.placeOf(host)!] ?? []
    return { firstMs: first * minute, verdictMs: verdict * minute }
  }
  return progressOf(
    { ...input, terms: { ...input.terms, stages: [1, 3, 6] }, heardOf },
    [],
    () => undefined,
    nowMs,
  )
}

test('stages that nobody noted have been open since what they rest on was heard', () => {
  const { stages, decision } = look(70 * minute)
  expect(decision).toEqual({ kind: 'go', reason: 'all 6 hosts may start' })
  // The second of the second stage was missed after 13 minutes; the next in order stood in for it.
  expect(stages.map(each => each.openedMs)).toEqual([minute, 12 * minute, 53 * minute])
  expect(stages[1]).toMatchObject({ healthy: 1, absent: 1, waiting: 0 })
})

test('whoever is silent is waited for until a time that does not move with the one who looks', () => {
  for (const nowMs of [13 * minute, 20 * minute])
    expect(look(nowMs).decision).toMatchObject({ kind: 'hold', untilMs: 12 * minute + absentMs })
})

describe('one who has heard everything just now', () => {
  const nowMs = 70 * minute
  const seen = (said: string) => {
    const known = inputOf(fleet(6), { said, open: [] })
    const terms = { ...known.terms, stages: [1, 3, 6] }
    const input = { ...known, terms, heardOf: () => ({ firstMs: nowMs, verdictMs: nowMs }) }
    const opened = openedByDeeds(input, nowMs)
    const { decision } = progressOf({ ...input, opened }, [], () => undefined, nowMs)
    return [opened.map(each => [each.stage, each.granted, each.upTo]), decision.kind] as const
  }
  test.each([
    ['......', [], 'hold'],
    ['d.....', [[1, 1, 1]], 'hold'],
    // The fourth stands in for the third, or is of the last stage already: that does not follow.
    [
      'hh.d..',
      [
        [1, 1, 4],
        [2, 2, 4],
      ],
      'hold',
    ],
    [
      'hh.hhh',
      [
        [1, 1, 6],
        [2, 2, 6],
        [3, 3, 6],
      ],
      'go',
    ],
    [
      'hhhd..',
      [
        [1, 1, 4],
        [2, 2, 4],
        [3, 3, 6],
      ],
      'go',
    ],
  ])('%s: open is what hosts have begun with', (said, opened, kind) => {
    expect(seen(said)).toEqual([opened, kind])
  })
})
