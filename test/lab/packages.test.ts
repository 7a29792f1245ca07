// Packages on a host with systemd: services start configured, versions come and go, transactions outlive the agent.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildDeb, debName, type Offer } from '../debs.ts'
import { until } from './command.ts'
import { LabFleet } from './fleet.ts'
import type { Host } from './lab.ts'
import { onLab } from './suite.ts'

/** Starts at once when it is installed, and writes down with which configuration. */
const web: Offer = {
  depends: 'weblib',
  conffiles: ['/etc/web.conf'],
  files: {
    '/etc/web.conf': 'default\n',
    '/usr/lib/systemd/system/web.service': [
      '[Service]',
      'ExecStartPre=/bin/sh -c "cat /etc/web.conf >>/var/log/web.starts"',
      'ExecStart=/bin/sleep infinity',
      '[Install]',
      'WantedBy=multi-user.target\n',
    ].join('\n'),
  },
  scripts: {
    postinst:
      'systemctl daemon-reload; deb-systemd-helper enable web.service; deb-systemd-invoke restart web.service',
    prerm: 'deb-systemd-invoke stop web.service',
    postrm: 'systemctl daemon-reload; if [ "$1" = purge ]; then deb-systemd-helper purge web.service; fi',
  },
}
const configured = `
COPY files/web.conf /etc/web.conf
SERVICE web.service running enabled
`

onLab('packages on a host', () => {
  let fleet: LabFleet
  let host: Host
  const offer = async (name: string, version: string, more?: Offer) => {
    buildDeb(fleet.lab.pool, name, version, more)
    await fleet.lab.index()
  }
  const version = () => host.sh("dpkg -l web | awk '/web/ { print $1, $3 }'")
  const starts = () => host.sh('cat /var/log/web.starts 2>/dev/null || true')

  beforeAll(async () => {
    fleet = await LabFleet.begin('packages', 1)
    host = fleet.host('h1')
    await offer('weblib', '1.0')
    await offer('web', '1.0', web)
  })
  afterAll(() => fleet?.close())

  test('a service starts only once it is configured', async () => {
    await fleet.release('install', `PACKAGE web version=1.0${configured}`, { 'files/web.conf': 'ours\n' })
    await fleet.converged()
    expect(await version()).toBe('ii 1.0')
    expect(await starts()).toBe('ours')
    expect(await host.sh('systemctl is-active web; systemctl is-enabled web')).toBe('active\nenabled')
  })

  test('one that runs is started again by its upgrade, with our configuration', async () => {
    await offer('web', '2.0', { ...web, files: { ...web.files, '/etc/web.conf': 'default of 2\n' } })
    await fleet.release('upgrade', `PACKAGE web version=2.0${configured}`)
    await fleet.converged()
    expect(await version()).toBe('ii 2.0')
    expect(await starts()).toBe('ours\nours')
    expect(await host.sh('cat /etc/web.conf')).toBe('ours')
  })

  test('a package that is removed by hand comes back, and its service', async () => {
    await host.sh('apt-get -qq -y remove web >/dev/null 2>&1')
    await until('web to run again', async () =>
      (await host.sh('systemctl is-active web || true')) === 'active' ? true : undefined,
    )
    expect(await version()).toBe('ii 2.0')
    expect(await host.sh('cat /etc/web.conf')).toBe('ours')
  })

  test('the version before comes back although nobody offers it any more', async () => {
    rmSync(join(fleet.lab.pool, debName('web', '1.0')))
    await fleet.lab.index()
    await host.sh('apt-get -qq update; apt-get clean')
    await fleet.release('back', `PACKAGE web version=1.0${configured}`)
    await fleet.converged()
    expect(await version()).toBe('ii 1.0')
  })

  test('a transaction outlives an agent that is killed, and the run is settled', async () => {
    const wait = 'touch /root/at-it; while [ ! -e /root/go-on ]; do sleep 0.1; done'
    await offer('slow', '1.0', { scripts: { postinst: wait } })
    await fleet.release('slow', `PACKAGE web version=1.0${configured}PACKAGE slow\n`)
    await until('the transaction to begin', async () =>
      (await host.sh('test -e /root/at-it && echo yes || true')) === 'yes' ? true : undefined,
    )
    await host.sh('systemctl kill -s KILL fleet; sleep 0.2; pgrep -x dpkg >/dev/null')
    await host.sh('touch /root/go-on')
    await fleet.converged()
    expect(await host.sh('dpkg --audit; dpkg-query -W slow; systemctl is-active web')).toBe(
      'slow\t1.0\nactive',
    )
  })

  test('an empty declaration leaves nothing but what it says', async () => {
    await fleet.release('nothing', '')
    await fleet.converged()
    expect(await host.sh('dpkg -l web weblib slow 2>/dev/null | grep ^i || true')).toBe('')
    expect(await host.sh('systemctl is-active web || true')).toBe('inactive')
    const left = (await fleet.lines(host, 'left behind')).map(each => each['path'])
    expect(left).toContain('/etc/web.conf')
  })
})
