import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Scenario } from '../../sim/faults.ts'
import { readScenario, writeScenario } from '../../sim/scenario.ts'
import { scenarios } from './scenarios.ts'

const small: Scenario = {
  format: 1,
  seed: 17,
  hosts: 3,
  faultsMs: 60_000,
  healMs: 30_000,
  releases: [{ atMs: 1_000, at: 2 }],
  core: [0, 1],
  faults: [
    { kind: 'halves', atMs: 5_000, untilMs: 50_000, hosts: [2], mode: 'drop' },
    { kind: 'step', atMs: 7_000, hosts: [], amount: -5_000 },
  ],
}

test('what is written is read again, and written again the same', () => {
  fc.assert(
    fc.property(scenarios(), scenario => {
      const text = writeScenario(scenario)
      const { scenario: again, problems } = readScenario(text, 'x.json')
      expect(problems).toBeUndefined()
      expect(again).toEqual(scenario)
      expect(writeScenario(again!)).toBe(text)
    }),
  )
})

test('the form of a file: one order of fields, one fault a line', () => {
  expect(writeScenario(small)).toBe(`{
  "format": 1,
  "seed": 17,
  "hosts": 3,
  "faultsMs": 60000,
  "healMs": 30000,
  "releases": [
    { "atMs": 1000, "at": 2 }
  ],
  "core": [0, 1],
  "faults": [
    { "kind": "halves", "atMs": 5000, "untilMs": 50000, "hosts": [2], "mode": "drop" },
    { "kind": "step", "atMs": 7000, "hosts": [], "amount": -5000 }
  ]
}
`)
})

const problemsOf = (value: unknown) => readScenario(JSON.stringify(value), 'x.json').problems ?? []

test('stages stand before the faults, where there are any', () => {
  expect(writeScenario({ ...small, stages: 'auto', soakSeconds: 20 })).toContain(
    '  "core": [0, 1],\n  "stages": "auto",\n  "soakSeconds": 20,\n  "faults": [\n',
  )
})

test('all problems at once, each with file and field', () => {
  const wrong = {
    ...small,
    format: 2,
    seed: -1,
    hosts: '3',
    extra: true,
    releases: [{ atMs: 90_001, at: 0, via: 1 }],
    core: [],
    stages: '10%',
    soakSeconds: 0,
    faults: [
      { kind: 'los', atMs: 0, hosts: [] },
      { kind: 'loss', atMs: 5, untilMs: 4, hosts: [1, 1], amount: 1.5 },
      { kind: 'restart', atMs: 60_001, untilMs: 5, hosts: [-1], amount: 3, mode: 'drop' },
      { kind: 'ring', atMs: 0, untilMs: 9, hosts: 'all', mode: 'melt' },
      7,
    ],
  }
  expect(problemsOf(wrong)).toEqual([
    'x.json: extra: found an unknown field; expected one of format, seed, hosts, faultsMs, healMs, releases, core, stages, soakSeconds, faults',
    'x.json: format: found 2; expected 1, the only format there is',
    'x.json: seed: found -1; expected a whole number from 0 to 4294967295',
    'x.json: hosts: found "3"; expected a whole number from 1 to 100000',
    'x.json: releases[0].via: found an unknown field; expected one of atMs, at',
    'x.json: releases[0].atMs: found 90001; expected a whole number from 0 to 90000',
    'x.json: core: found an empty list; expected at least one host: nobody would be left to converge',
    'x.json: stages: found "10%"; expected auto, or stages such as 1%,10%,100% that do not stand still',
    'x.json: soakSeconds: found 0; expected a whole number from 1 to 2592000',
    'x.json: faults[0].kind: found "los"; expected a kind of fault: loss?',
    'x.json: faults[1].hosts[1]: found 1; expected each host once',
    'x.json: faults[1].untilMs: found 4; expected a whole number from 5 to 60000',
    'x.json: faults[1].amount: found 1.5; expected share of gossip lost, from 0 to 1',
    'x.json: faults[2].atMs: found 60001; expected a whole number from 0 to 60000',
    'x.json: faults[2].hosts[0]: found -1; expected a whole number from 0 to 99999',
    'x.json: faults[2].untilMs: found 5; expected none: restart is a moment',
    'x.json: faults[2].amount: found 3; expected none: restart has no amount',
    'x.json: faults[2].mode: found "drop"; expected none: restart has no mode',
    'x.json: faults[3].hosts: found "all"; expected a list of host indexes',
    'x.json: faults[3].mode: found "melt"; expected drop, slow, jam',
    'x.json: faults[4]: found 7; expected an object with kind, atMs, untilMs, hosts, amount, mode',
  ])
})

test('missing fields, and what is no scenario at all', () => {
  const { seed: _, ...rest } = small
  expect(problemsOf(rest)).toEqual([
    'x.json: seed: found nothing; expected a whole number from 0 to 4294967295',
  ])
  expect(problemsOf({ ...small, faults: [{ kind: 'loss', atMs: 0, hosts: [3] }] })).toEqual([
    'x.json: faults[0].hosts[0]: found 3; expected a whole number from 0 to 2',
    'x.json: faults[0].untilMs: found nothing; expected a whole number from 0 to 60000',
    'x.json: faults[0].amount: found nothing; expected share of gossip lost, from 0 to 1',
  ])
  expect(problemsOf([])[0]).toMatch(/^x\.json: found an empty list; expected an object with format/)
  expect(readScenario('{', 'x.json').problems?.[0]).toMatch(
    /^x\.json: found no JSON \(.+\); expected a scenario$/,
  )
})

test('whatever the file holds is answered, never thrown', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(small)), (value, name) => {
      readScenario(JSON.stringify({ ...small, [name]: value }), 'x.json')
      readScenario(JSON.stringify({ ...small, faults: [value] }), 'x.json')
    }),
  )
})
