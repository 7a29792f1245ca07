import { expect, test } from 'vitest'
import { renderReport } from '../../sim/render.ts'
import { bytes, figure, span } from '../../sim/words.ts'
import { madeUp } from './reports.ts'

const plain = (text: string) => text.replace(/\u001b\[[0-9;]*m/g, '')
const wishes = {
  well: { hosts: 20 },
  'at once': { hosts: 20, stages: false },
  broken: { hosts: 500, violations: 23, pending: 40 },
  stuck: { hosts: 50, pending: 2 },
}

for (const [name, wish] of Object.entries(wishes))
  test(`a run that went ${name} fits one screen`, () => {
    const report = madeUp(wish)
    for (const colour of [false, true]) {
      const lines = plain(renderReport(report, { columns: 80, colour })).split('\n')
      expect(lines.length).toBeLessThan(24)
      expect(Math.max(...lines.map(line => line.length))).toBeLessThanOrEqual(80)
      expect(lines.at(-1)).toBe(`again     ${report.again}`)
    }
  })

test('stages that nobody waited for are not called never opened', () => {
  const made = madeUp({ hosts: 20 })
  const shut = made.releases.map(each => ({
    ...each,
    stages: each.stages.map(({ openedMs: _, ...stage }) => stage),
  }))
  const shown = (tried: number) =>
    plain(
      renderReport(
        { ...made, releases: shut.map(each => ({ ...each, tried })) },
        { columns: 120, colour: false },
      ),
    )
  expect(shown(20)).not.toMatch(/stages |never opened/)
  expect(shown(0)).toMatch(/never opened|stages .* never/)
  expect(plain(renderReport(made, { columns: 120, colour: false }))).toMatch(/stages |hosts? (at once|after)/)
})

test('violations come before all else, in red, with host, time and what was promised', () => {
  const report = madeUp({ hosts: 20, violations: 2 })
  const lines = renderReport(report, { columns: 120, colour: true }).split('\n')
  expect(plain(lines[0]!)).toBe('SAFETY: a promise was broken')
  expect(lines[2]).toContain('\u001b[31m')
  expect(plain(lines[2]!)).toContain('floor, cache-02, 18 min 29 s: the floor never sinks')
})

test('what a report holds cannot move the cursor, and the command is never cut', () => {
  const again = `fleet sim --seed 1 ${'--swarm network '.repeat(10)}`.trim()
  const report = { ...madeUp({ hosts: 3 }), pending: ['a\u001b[2J\nb'], again }
  const text = renderReport(report, { columns: 80, colour: false })
  expect(text).toContain('pending: a [2J b')
  expect(text.endsWith(again)).toBe(true)
})

test('a run without releases, faults or time has a screen too', () => {
  const report = { ...madeUp({ hosts: 1 }), releases: [], faults: [], simulatedMs: 0 }
  expect(renderReport(report, { columns: 80, colour: false })).toContain('faults    none')
})

test('times, sizes and counts are said as people say them', () => {
  const times = [0, 380, 999, 1500, 41_000, 59_700, 200_000, 3_599_600, 7_440_000, 86_400_000, 277_200_000]
  expect(times.map(span)).toEqual([
    ...['0 s', '380 ms', '1 s', '1.5 s', '41 s', '1 min', '3 min 20 s', '1 h', '2 h 4 min', '1 d', '3 d 5 h'],
  ])
  expect([0, 1023, 1536, 2_411_022, 3 * 1024 ** 3].map(bytes)).toEqual([
    ...['0 B', '1023 B', '1.5 KiB', '2.3 MiB', '3.0 GiB'],
  ])
  expect([0, 0.25, 9, 12.6, 1204.4, 1_365_500].map(figure)).toEqual([
    '0',
    '0.3',
    '9',
    '13',
    '1,204',
    '1,365,500',
  ])
})
