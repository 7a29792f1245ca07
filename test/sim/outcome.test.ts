import { expect, test } from 'vitest'
import type { Scenario } from '../../sim/faults.ts'
import { runSeed, signature, twice } from '../../sim/outcome.ts'
import type { Ending, Violation } from '../../sim/report.ts'
import { readResults, resultLine } from '../../sim/results.ts'
import { exitOf, Tally } from '../../sim/summary.ts'
import { outcome, report } from './outcomes.ts'

const violation = (checker: string, text: string): Violation => ({ checker, text, atMs: 5 })

test('twice: one trace is the first report, two are nondeterminism before all else', async () => {
  let run = 0
  const safe = report({ ending: 'safety', violations: [violation('floor', 'sank')] })
  expect(await twice(async () => safe)).toBe(safe)
  const differs = await twice(async () => ({ ...safe, traceHash: String(run++) }))
  expect(differs.ending).toBe('nondeterminism')
  expect(differs.violations.map(each => each.checker)).toEqual(['nondeterminism', 'floor'])
})

test('a seed is drawn by its terms; what it throws is a crash with that seed', async () => {
  const asked: unknown[] = []
  const simulator = {
    drawScenario: (seed: number, options: object = {}) => {
      asked.push(seed, options)
      return { seed } as Scenario
    },
    simulate: async ({ seed }: Scenario) => {
      if (seed === 2) throw new Error('broke')
      return report({ seed })
    },
  }
  expect((await runSeed(simulator, 1, { hosts: 5, classes: [] }, () => 0)).ending).toBe('ok')
  expect(asked).toEqual([1, { hosts: 5, classes: [], everything: true }])
  const broke = await runSeed(simulator, 2, {}, () => 0)
  expect([broke.seed, broke.ending]).toEqual([2, 'crash'])
  expect(broke.violations[0]!.text).toMatch(/^Error: broke\n/)
})

test('what is the same failure: the checker, and of crashes the message without its numbers', () => {
  const of = (ending: Ending, ...violations: Violation[]) => signature({ ending, violations })
  expect(of('safety', violation('floor', 'a'))).toBe(of('safety', violation('floor', 'b')))
  expect(of('safety', violation('floor', 'a'))).not.toBe(of('safety', violation('soak', 'a')))
  expect(of('crash', violation('crash', 'h3: no 00ff00ff in 7\n at x:1'))).toBe(
    of('crash', violation('crash', 'h12: no aabbccdd in 9\n at y:2')),
  )
  expect(of('crash', violation('crash', 'a'))).not.toBe(of('crash', violation('crash', 'b')))
  expect(of('liveness')).not.toBe(of('ok'))
})

test('results: what was done by the same code under the same terms, torn lines left out', () => {
  const key = { code: 'abc', terms: { hosts: 5, classes: ['host', 'disk'] } } as const
  const [one, two] = [outcome({ seed: 1 }), outcome({ seed: 2, ending: 'liveness', pending: ['h1'] })]
  const text = [
    resultLine(one, key),
    resultLine(two, key),
    resultLine(outcome({ seed: 3 }), { ...key, code: 'other' }),
    resultLine(outcome({ seed: 4 }), { ...key, terms: {} }),
    resultLine(outcome({ seed: 5 }), { ...key, terms: { ...key.terms, twice: true } }),
    'nonsense\n{}\nnull\n7\n',
    resultLine(outcome({ seed: 6 }), key).slice(0, 60),
  ].join('')
  const sameTerms = { code: 'abc', terms: { classes: ['disk', 'host'], hosts: 5 } } as const
  expect([...readResults(text, sameTerms).values()]).toEqual([one, two])
})

test('the summary: by checker, the first seeds in order of seed, marks lit and dark, the slowest', () => {
  const tally = new Tally()
  const floor = [violation('floor', 'sank\nmore')]
  for (const seed of [9, 8, 7, 6, 5, 4])
    tally.add(outcome({ seed, wallMs: seed, ending: 'safety', violations: floor, marks: { halted: 2 } }))
  tally.add(
    outcome({ seed: 3, ending: 'liveness', pending: ['h1 waits', 'h2 too'], queues: { out: [7, 10] } }),
  )
  tally.add(outcome({ seed: 1, marks: { halted: 1, late: 0 }, queues: { out: [4, 10], in: [1, 2] } }))
  const summary = tally.summary(['halted', 'late'], seed => `run ${seed}`)
  expect(summary).toEqual({
    seeds: 8,
    ending: 'safety',
    endings: { ok: 1, crash: 0, liveness: 1, safety: 6, nondeterminism: 0 },
    failures: [
      { checker: 'floor', ending: 'safety', count: 6, seeds: [4, 5, 6, 7, 8], text: 'sank', again: 'run 4' },
      {
        checker: 'liveness',
        ending: 'liveness',
        count: 1,
        seeds: [3],
        text: 'still pending: h1 waits; h2 too',
        again: 'run 3',
      },
    ],
    marks: [['halted', 7]],
    dark: ['late'],
    slowest: [
      { seed: 1, wallMs: 10 },
      { seed: 3, wallMs: 10 },
      { seed: 9, wallMs: 9 },
      { seed: 8, wallMs: 8 },
      { seed: 7, wallMs: 7 },
    ],
    queues: { in: [1, 2], out: [7, 10] },
    wallMs: 59,
  })
  expect(tally.failed).toBe(7)
})

test('exit codes: the worst ending, dark marks only when nothing else is wrong', () => {
  const exit = (marks: readonly string[] | undefined, ...endings: Ending[]) => {
    const tally = new Tally()
    for (const [seed, ending] of endings.entries()) tally.add(outcome({ seed, ending }))
    return exitOf(tally.summary(marks, String))
  }
  expect(exit([], 'ok')).toBe(0)
  expect(exit(['late'], 'ok')).toBe(1)
  expect(exit(undefined, 'ok')).toBe(0)
  expect(exit(['late'], 'ok', 'safety', 'crash')).toBe(129)
  expect(exit([], 'crash', 'liveness')).toBe(128)
  expect(exit([], 'crash')).toBe(127)
  expect(exit([], 'nondeterminism', 'safety')).toBe(130)
})
