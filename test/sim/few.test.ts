// A release that touches few hosts of many: when it is bad, it is stopped at its first host, and the others never see it.
import { expect, test } from 'vitest'
import type { SourceFile } from '../../node/publish.ts'
import { utf8 } from '../../signing/bytes.ts'
import { simulate } from '../../sim/main.ts'
import { drawRehearsal, type Plan } from '../../sim/plan.ts'

const hosts = Number(process.env['FLEET_HOSTS'] ?? 60)
const touched = 5

const filesOf = (withFew: boolean): ReadonlyMap<string, SourceFile> => {
  const file = (text: string): SourceFile => ({ mode: '100644', bytes: utf8(text) })
  const few = ['WHEN label.role=few', '  COPY files/few /etc/few', 'END']
  const steps = ['COPY files/all /etc/all', ...(withFew ? few : []), '']
  return new Map([
    ['fleet.toml', file('name = "few"\n')],
    ['site.steps', file(steps.join('\n'))],
    ['files/all', file('all\n')],
    ...(withFew ? [['files/few', file('few\n')] as const] : []),
  ])
}

test(`${touched} of ${hosts} hosts: stopped at the first`, {
  timeout: Math.max(300_000, 1_500 * hosts),
}, async () => {
  const plan: Plan = {
    title: 'few',
    hosts: Array.from({ length: hosts }, (_, at) => ({
      name: `h${at + 1}`,
      labels: { role: at % (hosts / touched) === 0 ? 'few' : 'many' },
      checks: false,
      given: [],
    })),
    terms: {
      ...{ soakSeconds: 20, windowSeconds: 0, deadlineSeconds: 300, expiresSeconds: 86_400 },
      ...{ riskBasisPoints: 500, liarsBasisPoints: 0, stages: 'auto' },
    },
    releases: [
      { subject: 'good', files: filesOf(false) },
      { subject: 'bad', files: filesOf(true), breaks: hosts },
      { subject: 'taken back', files: filesOf(false), takesBack: true },
    ],
  }
  // Nobody is off: a host that is counts as absent ten minutes later only, and till then nothing was seen complete.
  const scenario = { ...drawRehearsal(7, { hosts, releases: 2, classes: [] }), faults: [] }
  const report = await simulate(scenario, { plan })
  expect([report.ending, report.violations, report.pending]).toEqual(['ok', [], []])
  const [, bad] = report.releases
  expect(bad).toMatchObject({ subject: 'bad', failed: 1 })
  expect(bad!.stages.map(each => each.hosts).slice(0, -1)).toEqual([1, 2, 4])
  expect(bad!.stages[0]).toMatchObject({ failed: 1 })
  expect(bad!.stages[1]!.openedMs).toBeUndefined()
})
