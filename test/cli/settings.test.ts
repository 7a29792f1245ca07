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
