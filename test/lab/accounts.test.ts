// One host and its accounts: users, groups and parameters come, are repaired after every hand edit, and go, even while
// somebody is at work.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from './command.ts'
import { LabFleet } from './fleet.ts'
import type { Host } from './lab.ts'
import { onLab } from './suite.ts'

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ann\n'
const steps = `
GROUP web gid=3000
USER deploy uid=2001 groups=web,adm keys=files/deploy.keys
USER svc system group=web
USER www-data home=keep shell=keep groups=web
MODE /usr/bin/chage mode=0755
SYSCTL net.core.somaxconn 5000
`

onLab('accounts on a host', () => {
  let fleet: LabFleet
  let host: Host
  /** In any order, of lines and of members. */
  const accounts = async () => {
    const text = await host.sh('cat /etc/passwd /etc/group /etc/shadow /etc/gshadow')
    const rows = text
      .split('\n')
      .map(row => row.replace(/[^:]*$/, members => members.split(',').sort().join()))
    return rows.sort().join('\n')
  }
  let before = ''
  let kept = ''

  beforeAll(async () => {
    fleet = await LabFleet.begin('accounts', 1)
    host = fleet.host('h1')
    before = await accounts()
  })
  afterAll(() => fleet?.close())

  test('come as declared', async () => {
    await fleet.release('first', steps, { 'files/deploy.keys': key })
    await fleet.converged()
    expect(await host.sh('id deploy; id svc; id www-data')).toBe(
      [
        'uid=2001(deploy) gid=2001(deploy) groups=2001(deploy),4(adm),3000(web)',
        'uid=999(svc) gid=3000(web) groups=3000(web)',
        'uid=33(www-data) gid=33(www-data) groups=33(www-data),3000(web)',
      ].join('\n'),
    )
    expect(`${await host.sh('cat ~deploy/.ssh/authorized_keys')}\n`).toBe(key)
    expect(await host.sh('stat -c "%a %U" ~deploy/.ssh; cat /proc/sys/net/core/somaxconn')).toBe(
      '700 deploy\n5000',
    )
    kept = await accounts()
  })

  test.each([
    ['a shell', 'usermod -s /bin/sh deploy'],
    ['a group of a user', 'gpasswd -d www-data web'],
    ['the number of a group', 'groupmod -g 3001 web'],
    ['a user', 'userdel deploy'],
    ['a user with all that is in its home', 'userdel -r deploy 2>/dev/null'],
    ['a group', 'gpasswd -d deploy web; gpasswd -d www-data web; userdel svc; groupdel web'],
  ])('%s is repaired', async (_, edit) => {
    // The agent stands still meanwhile: no hand is as quick as this, and ten repairs in a row would count as contested.
    await host.sh(`trap 'systemctl kill -s CONT fleet' EXIT; systemctl kill -s STOP fleet; ${edit}`)
    await until(`${edit} to be repaired`, async () => ((await accounts()) === kept ? true : undefined))
    await until('the keys', async () =>
      `${await host.sh('cat ~deploy/.ssh/authorized_keys 2>&1 || true')}\n` === key ? true : undefined,
    )
  })

  test('go, but for a user at work, which is locked', async () => {
    await host.sh('systemd-run -q --uid=deploy --unit=work sleep infinity')
    await fleet.release('second', '')
    await fleet.converged()
    expect(await host.sh('getent passwd deploy; getent shadow deploy')).toMatch(
      /^deploy:x:2001:2001::\/home\/deploy:\/usr\/sbin\/nologin\ndeploy:!\*:\d+:0:99999:7::2:$/,
    )
    expect(await host.sh('stat -c %a /usr/bin/chage; ls /etc/sysctl.d | grep -c fleet || true')).toBe(
      '2755\n0',
    )
    await host.sh('systemctl stop work; userdel deploy')
    expect(await accounts()).toBe(before)
    expect(await host.sh('stat -c %u /home/deploy')).toBe('2001')
  })
})
