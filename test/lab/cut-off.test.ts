// The cut-off guard on real hosts: a release that takes one host off the network. It comes back by itself and says FAILED;
// the same release without that step is confirmed by the others.
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
WHEN fact.hostname=h2
  COPY files/a /etc/app/b
  RUN "ip link set eth0 down" guarded undo="ip link set eth0 up"
END
`

onLab('a release that cuts a host off', () => {
  let fleet: LabFleet

  beforeAll(async () => {
    fleet = await LabFleet.begin('cut-off', 3)
  })
  afterAll(() => fleet?.close())

  test('one that touches the network is confirmed by peers', async () => {
    await fleet.release('good', good, { 'files/a': 'a\n' })
    await fleet.converged()
    for (const host of fleet.hosts)
      expect(await fleet.lines(host, 'still reached after the run')).toHaveLength(1)
  })

  test('the host comes back by itself, as it was, and says FAILED', async () => {
    const host = fleet.host('h2')
    await fleet.release('bad', bad)
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
    await fleet.converged([fleet.host('h1'), fleet.host('h3')])
    // Its peers hear it say so.
    await until('h1 to hear of it', async () =>
      (await fleet.host('h1').sh('fleet peers')).match(/h2.*FAILED/) ? true : undefined,
    )
  }, 400_000)
})
