// The cut-off guard on real hosts: a release that takes its canary off the network. It comes back by itself and says FAILED, and
// no other host begins; the same release without that step is confirmed by the others.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from './command.ts'
import { LabFleet } from './fleet.ts'
import { onLab } from './suite.ts'

const good = `
MKDIR /etc/app
COPY files/a /etc/app/a
SYSCTL net.core.somaxconn 5000
`
const bad = `${good}
COPY files/a /etc/app/b
RUN "ip link set eth0 down" guarded undo="ip link set eth0 up"
`

onLab('a release that cuts a host off', () => {
  let fleet: LabFleet

  beforeAll(async () => {
    fleet = await LabFleet.begin('cut-off', 6, { h2: ['rollout=canary'] })
    fleet.write('fleet.toml', 'name = "lab"\n[rollout]\nstages = [1, 3, 6]\nsoak = "2s"\n')
  })
  afterAll(() => fleet?.close())

  test('one that touches the network is confirmed by peers', async () => {
    await fleet.release('good', good, { 'files/a': 'a\n' })
    await fleet.healthy()
    for (const host of fleet.hosts)
      expect(await fleet.lines(host, 'still reached after the run')).toHaveLength(1)
  })

  test('the host comes back by itself, as it was, and says FAILED', async () => {
    const host = fleet.host('h2')
    const { sequence, stages } = await fleet.staged('bad', bad)
    expect(stages.map(each => each.hosts)).toEqual([1, 3, 6])
    const status = await until(
      'h2 to be FAILED',
      async () => {
        const now = await fleet.status(host)
        return now?.state === 'FAILED' ? now : undefined
      },
      300_000,
    )
    expect(status.why).toMatch(/RUN .*ip link set eth0 down.*CUT_OFF/)
    expect(await host.sh('ip -br link show eth0; ls /etc/app; sysctl -n net.core.somaxconn')).toMatch(
      /eth0\S* +UP[^\n]*\na\n5000/,
    )
    expect(await fleet.lines(host, 'reached again since the run was taken back')).toHaveLength(1)
    // Its peers hear it say so, and none of them begins.
    const others = fleet.hosts.filter(each => each !== host)
    for (const other of others) {
      await until(
        `${other.name} to hold`,
        async () =>
          /stage 2 stays shut: .*1 failed/.test((await fleet.status(other))?.held?.reason ?? '') || undefined,
      )
      expect(await other.sh('cat /etc/app/a; ls /etc/app')).toBe('a\na')
      const begun = await fleet.lines(other, 'run started')
      expect(begun.filter(each => each['sequence'] === sequence)).toEqual([])
    }
    expect(await others[0]!.sh('fleet peers')).toMatch(/h2 +\d+ +FAILED/)
  }, 400_000)
})
