// A machine lives on while it is managed: upgrades, log rotation, editors, reboots. Nothing of it is lost, and nothing is
// fought over.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DriftView } from '../../node/control.ts'
import { until } from './command.ts'
import { addToPool } from './debs.ts'
import { LabFleet } from './fleet.ts'
import type { Host } from './lab.ts'
import { onLab } from './suite.ts'

const conf = '/etc/lab-conf'
const managed = 'managed\n'
const deb = (version: string) => ({
  name: 'lab-conf',
  version,
  files: { [conf]: `of version ${version}\n`, '/usr/share/lab-conf/version': `${version}\n` },
})

const bare = 'PACKAGE lab-conf\n'
const steps = `${bare}
COPY files/conf ${conf}
MKDIR /var/log/app mode=0750
COPY files/rotate /etc/logrotate.d/app
COPY files/edited /etc/edited
`
const files = {
  'files/conf': managed,
  'files/rotate': '/var/log/app/*.log {\n  rotate 3\n  create 0640\n  missingok\n}\n',
  'files/edited': 'one\ntwo\n',
}

/** As people save: what changes /etc/edited, and what the edit leaves in it. */
const editors: readonly (readonly [name: string, script: string, result: string])[] = [
  ['vim', "printf 'a\\nby vim\\n.\\nwq\\n' | vi -e -s /etc/edited", 'one\ntwo\nby vim\n'],
  ['sed -i', "sed -i 's/one/by sed/' /etc/edited", 'by sed\ntwo\n'],
  ['a shell that truncates', 'echo by shell >/etc/edited', 'by shell\n'],
  [
    'an editor that keeps a backup by renaming',
    'mv /etc/edited /etc/edited~; echo by emacs >/etc/edited; rm /etc/edited~',
    'by emacs\n',
  ],
]

onLab('a machine that lives on', () => {
  let fleet: LabFleet
  let host: Host
  const kept = async () => JSON.parse(await host.sh('fleet drift --json')) as readonly DriftView[]
  const warnings = async () =>
    (await fleet.lines(host)).filter(each => each.level === 'error' || each.event === 'contested')

  beforeAll(async () => {
    fleet = await LabFleet.begin('ordinary', 1)
    host = fleet.hosts[0]!
    await addToPool(fleet.lab, [deb('1')])
    await host.sh('apt-get -qq update')
    await fleet.release('the package', bare, files)
    await fleet.converged()
    await fleet.release('and its configuration', steps)
    await fleet.converged()
  })
  afterAll(() => (process.env['FLEET_LAB_KEEP'] ? undefined : fleet?.close()))

  for (const [name, script, result] of editors)
    test(`what ${name} saved is taken back, and kept`, async () => {
      const before = new Set((await kept()).map(each => each.id))
      await host.sh(script)
      await fleet.repaired(host, '/etc/edited', files['files/edited'])
      const found = await until(`the edit by ${name} to be kept`, async () => {
        for (const { id, path, size } of await kept()) {
          if (before.has(id) || path !== '/etc/edited' || size === null) continue
          const text = (await host.exec(['fleet', 'drift', 'show', id, '--whole'], { exits: 'any' })).stdout
          if (text === result) return text
        }
        return undefined
      })
      expect(found).toBe(result)
    })

  test('an upgrade by hand puts the new version in, and the managed configuration stays', async () => {
    await addToPool(fleet.lab, [deb('2')])
    const options = '-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold'
    await host.sh(`apt-get -qq update; apt-get -qq -y ${options} upgrade`)
    expect(await host.sh('cat /usr/share/lab-conf/version')).toBe('2')
    await fleet.repaired(host, conf, managed)
    await until('the new original to be taken over', async () =>
      (await host.sh(`ls ${conf}*`)) === conf ? true : undefined,
    )
  })

  test('so does an unattended upgrade', async () => {
    await addToPool(fleet.lab, [deb('3')])
    await host.write(
      '/etc/apt/apt.conf.d/99lab',
      'Unattended-Upgrade::Origins-Pattern { "origin=fleet-lab"; };\nDpkg::Options { "--force-confdef"; "--force-confold"; };\n',
    )
    await host.sh('apt-get -qq update; unattended-upgrade')
    expect(await host.sh('cat /usr/share/lab-conf/version')).toBe('3')
    await fleet.repaired(host, conf, managed)
  })

  test('logs are rotated under a managed directory', async () => {
    const drift = (await kept()).length
    await host.sh(
      'echo one >/var/log/app/a.log; logrotate -f /etc/logrotate.d/app; echo two >>/var/log/app/a.log',
    )
    expect(await host.sh('cat /var/log/app/a.log /var/log/app/a.log.1; stat -c %a /var/log/app')).toBe(
      'two\none\n750',
    )
    expect((await kept()).length).toBe(drift)
  })

  test('nothing of this was fought over', async () => {
    const status = await fleet.answers(host)
    expect([status.drift.contested, status.notKept]).toEqual([0, []])
    expect(await warnings()).toEqual([])
  })

  test('a reboot in the middle of a run: it is taken back or finished, and then it is finished', async () => {
    await fleet.release('slow', `${steps}RUN "sleep 3" id=slow undo=true\nCOPY files/edited /etc/after\n`)
    await until('the run to wait', async () =>
      (await host.exec(['pgrep', '-x', 'sleep'], { exits: 'any' })).exit === 0 ? true : undefined,
    )
    await host.reboot()
    await fleet.answers(host)
    await fleet.converged()
    expect(await host.sh('cat /etc/after')).toBe('one\ntwo')
  })

  test('the release before comes back, with the newest configuration of the package', async () => {
    await fleet.release('only the package', bare)
    await fleet.converged()
    expect(await host.sh(`cat ${conf}; ls /etc/edited /etc/after 2>&1 || true`)).toMatch(
      /^of version 3\n.*No such file/,
    )
  })
})
