// How far a release has come, as a host sees it that did not ask the gate while it went on.
import { expect, test } from 'vitest'
import { progressOf } from '../../node/progress.ts'
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
