// The suites that need a real systemd as process 1, run inside a host: the provider of units and what TIMER writes.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Host, Lab } from './lab.ts'
import { onLab } from './suite.ts'

const suites = ['test/node/host/linux-units.test.ts', 'test/node/host/verbs/timer.test.ts']

onLab('suites that need systemd', () => {
  let lab: Lab
  let host: Host

  beforeAll(async () => {
    lab = await Lab.open('providers', { fresh: true })
    host = (await lab.up(1))[0]!
  })
  afterAll(() => lab?.down())

  test.each(suites)('%s', async suite => {
    const vitest =
      'cd /opt/fleet && node_modules/.bin/node node_modules/vitest/vitest.mjs run --configLoader runner --project unit --reporter=json --outputFile=/tmp/report.json'
    const report = JSON.parse(await host.sh(`${vitest} ${suite} >&2; cat /tmp/report.json`)) as {
      numPassedTests: number
      testResults: { assertionResults: { title: string; status: string; failureMessages?: string[] }[] }[]
    }
    const all = report.testResults.flatMap(each => each.assertionResults)
    expect(all.filter(each => each.status !== 'passed' && each.status !== 'pending')).toEqual([])
    // Nothing of them may be skipped here: this is where they can run.
    expect(all.filter(each => each.status === 'pending').map(each => each.title)).toEqual([])
    expect(report.numPassedTests).toBeGreaterThan(10)
  })
})
