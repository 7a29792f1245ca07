// A release that cuts hosts off: they come back by themselves and say FAILED, on whole machines and on those in brief.
import { expect, test } from 'vitest'
import { drawScenario } from '../../sim/draw.ts'
import { simulate } from '../../sim/main.ts'

const taken = 'a run that cut its host off was taken back'

test.each([
  ['whole machines', 8],
  ['machines in brief, too', 230],
])(
  '%s',
  async (_, hosts) => {
    // Far from the end of the faults, at which everybody is mended: what comes back before has done so by itself.
    const faultsMs = 900_000
    const struck = [hosts - 2, hosts - 1]
    const report = await simulate({
      ...drawScenario(7, { hosts, classes: [] }),
      faultsMs,
      releases: [{ atMs: 20_000, at: 0 }],
      faults: [{ kind: 'cutsOff', atMs: 1_000, untilMs: faultsMs, hosts: struck }],
    })
    expect(report).toMatchObject({ ending: 'ok', violations: [], pending: [] })
    expect(report.releases[0]).toMatchObject({ failed: 2, why: expect.stringContaining('CUT_OFF') })
    expect(report.releases.at(-1)).toMatchObject({ inForce: hosts })
    expect(report.marks[taken]).toBe(2)
    expect(report.marks['peers confirmed a run that touched the network']).toBeGreaterThanOrEqual(6)
  },
  120_000,
)
