import { describe, expect, test } from 'vitest'
import { parseSettings, settingsDefault } from '../../cli/settings.ts'
import { formatProblem } from '../../node/host/steps/problem.ts'

const problems = (toml: string) => parseSettings(toml).problems.map(formatProblem)

test('a full file', () => {
  const { settings, problems } = parseSettings(
    `name = "web"
[rollout]
soak = "90s"
window = "5m"
deadline = "1h"
expires = "14d"
risk = "2.5%"
liars = "1%"
stages = [1, "10%", "100%"]
serial = "rack"
[network]
seeds = ["192.0.2.1:4747", "[2001:db8::1]:4747", "a.example.org"]
[keys]
operator = "~/.ssh/web"
`,
  )
  expect(problems).toEqual([])
  expect(settings).toEqual({
    name: 'web',
    rollout: {
      soakSeconds: 90,
      windowSeconds: 300,
      deadlineSeconds: 3600,
      expiresSeconds: 14 * 86_400,
      riskBasisPoints: 250,
      liarsBasisPoints: 100,
      stages: '1,10%,100%',
      serial: 'rack',
    },
    seeds: ['192.0.2.1:4747', '[2001:db8::1]:4747', 'a.example.org'],
    operatorKey: '~/.ssh/web',
  })
})

test('a name alone means the defaults', () => {
  expect(parseSettings('name = "web"')).toEqual({
    settings: { ...settingsDefault, name: 'web' },
    problems: [],
  })
})

describe('problems', () => {
  test('all at once, each at its place', () => {
    const toml = `nmae = "x"

[rollout]
  soak = 60
expires = "30s"
risk = "101%"
[netwrok]
x = 1
[keys]
operator = ["a"]
`
    expect(problems(toml)).toEqual([
      'fleet.toml:1:1: found nmae, which means nothing; expected name',
      'fleet.toml:4:3: found rollout.soak = 60; expected a time such as "90s", "30m", "12h" or "30d", at most 30 days',
      'fleet.toml:5:1: found rollout.expires = "30s"; expected a time such as "90s", "30m", "12h" or "30d", at most 365 days',
      'fleet.toml:6:1: found rollout.risk = "101%"; expected a percentage such as "5%" or "0.25%"',
      'fleet.toml:7:1: found netwrok, which means nothing; expected network',
      'fleet.toml:10:1: found keys.operator = ["a"]; expected a text',
    ])
  })
  test.each([
    ['"auto"', 'auto'],
    ['["1%", "2.5%", "100%"]', '1%,2.5%,100%'],
    ['[1, 6, 18]', '1,6,18'],
    ['[1, "0.5%", 50, "100%"]', '1,0.5%,50,100%'],
  ])('stages = %s', (toml, stages) => {
    const read = parseSettings(`name = "a"\n[rollout]\nstages = ${toml}`)
    expect(read.problems).toEqual([])
    expect(read.settings.rollout.stages).toBe(stages)
  })
  test.each([
    '"1%,100%"',
    '[]',
    '[0, 5]',
    '[1.5]',
    '["5"]',
    '["101%"]',
    '["0%"]',
    '[6, 1]',
    '["10%", "1%"]',
    '[[1]]',
    '3',
  ])('no stages: %s', toml =>
    expect(problems(`name = "a"\n[rollout]\n stages = ${toml}`)).toEqual([
      expect.stringMatching(
        /^fleet\.toml:3:2: found rollout\.stages = .*; expected "auto", or up to 64 host counts and percentages that rise, such as \[1, "10%", "100%"\]$/,
      ),
    ]),
  )
  test('a serial that is no label', () =>
    expect(problems('name = "a"\n[rollout]\nserial = "Rack 1"')).toEqual([
      'fleet.toml:3:1: found rollout.serial = "Rack 1"; expected a label\'s name, such as "rack"',
    ]))
  test('no TOML', () =>
    expect(problems('name = "a"\nseeds = [\n')[0]).toMatch(/^fleet\.toml:[23]:\d+: found text/))
  test('no name', () =>
    expect(problems('[network]')).toEqual([
      'fleet.toml:1:1: found no name; expected name = "…" before the first table',
    ]))
  test('a table as a value', () =>
    expect(problems('name = "a"\nkeys = 3')).toEqual([
      'fleet.toml:2:1: found keys as a value; expected the table [keys]',
    ]))
})
