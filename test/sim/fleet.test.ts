// Whole fleets of real agents: one seed is one story, however often and wherever it is told; and what large ones leave out.
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { drawScenario } from '../../sim/draw.ts'
import { type Fault, faultClasses, faultKinds } from '../../sim/faults.ts'
import { simulate } from '../../sim/main.ts'

const story = async (seed: number, hosts: number) => {
  const scenario = drawScenario(seed, { hosts })
  const { traceHash, events, ending } = await simulate(scenario)
  return { traceHash, events, ending }
}

test.each([1, 2, 3])(
  'seed %i tells the same story twice in one process',
  { timeout: 120_000 },
  async seed => {
    expect(await story(seed, 7)).toEqual(await story(seed, 7))
  },
)

test('and in another process', async () => {
  const base = new URL('../../sim/', import.meta.url)
  const script = `
    const base = '${base}'
    const [{ drawScenario }, { simulate }] = await Promise.all(['draw', 'main'].map(each => import(base + each + '.ts')))
    const { traceHash } = await simulate(drawScenario(4, { hosts: 6 }))
    console.log(traceHash)`
  const other = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  expect(other.trim()).toBe((await story(4, 6)).traceHash)
})

test('one host in twenty is hostile at most, or one', () => {
  for (let seed = 1; seed <= 500; seed++) {
    const { hosts, faults } = drawScenario(seed, { everything: true })
    const hostile = faults.filter(each => faultKinds[each.kind].class === 'hostile')
    const liars = new Set(hostile.flatMap(each => each.hosts))
    expect([seed, liars.size <= Math.max(1, hosts / 20), liars.size > 0]).toEqual([seed, true, true])
  }
})

test('releases are as many as asked for; no fault strikes hundreds of hosts one by one', () => {
  const drawn = drawScenario(7, { hosts: 1_000, everything: true })
  const { releases, faults } = drawScenario(7, { hosts: 1_000, everything: true, releases: 1 })
  expect(releases).toHaveLength(1)
  expect(drawn.releases.length).toBeGreaterThan(1)
  const classes = new Set(faults.map(each => faultKinds[each.kind].class))
  expect([...classes].sort()).toEqual([...faultClasses].sort())
  const oneByOne = faults.filter(each => ['host', 'disk', 'clock'].includes(faultKinds[each.kind].class))
  for (const { kind, hosts } of oneByOne) if (kind !== 'storm') expect(hosts.length).toBeLessThanOrEqual(30)
})

test('above a size only some hosts keep boards and run whole engines, and the fleet converges', async () => {
  const { core, ...scenario } = drawScenario(5, { hosts: 230, classes: [] })
  // It asks its neighbours for their boards: what they say so was perhaps said before.
  const flood: Fault = { kind: 'flood', atMs: 10_000, untilMs: 40_000, hosts: [core.at(-1)!], amount: 20 }
  const report = await simulate({
    ...{ ...scenario, core, faultsMs: 120_000, faults: [flood] },
    releases: [{ atMs: 20_000, at: 0 }],
  })
  expect(report).toMatchObject({ ending: 'ok', violations: [], pending: [], observers: 50, engines: 50 })
  expect(report.releases.at(-1)).toMatchObject({ inForce: 230 })
}, 60_000)

test('releases go through real stages, and the fleet converges', async () => {
  const scenario = drawScenario(6, { hosts: 12, classes: ['network'] })
  const stages = { stages: '1,4,100%', soakSeconds: 15 }
  const report = await simulate({
    ...{ ...scenario, ...stages, faultsMs: 240_000, releases: [{ atMs: 20_000, at: 0 }] },
  })
  expect(report).toMatchObject({ ending: 'ok', violations: [], pending: [] })
  expect(report.releases.at(-1)).toMatchObject({ inForce: 12 })
}, 60_000)
