import { expect, test } from 'vitest'
import { check } from '../../../../node/host/steps/check.ts'
import { declare } from '../../../../node/host/steps/declare.ts'
import { formatProblem } from '../../../../node/host/steps/problem.ts'
import { repository, roster, web1 } from './repository.ts'

const problems = (text: string) =>
  declare({
    ...repository({ 'site.steps': text, f: '', 'f.tar': '', k: '' }),
    host: web1,
    roster,
  }).problems.map(formatProblem)

test.each([
  'COPY f /etc/a\nCOPY f /etc/b',
  'MKDIR /srv/a\nMKDIR /srv/a/b\nCOPY f /srv/a/b/c',
  'LINE /etc/hosts a\nLINE /etc/hosts b',
  'LINE /srv/nobody/made/this a',
  'ABSENT /srv/nobody/made/this',
  'COPY f /etc/a owner=www-data group=adm\nCOPY f /etc/b owner=2001 group=keep',
  'RUN a\nRUN b\nRUN a id=again',
  'MKDIR /etc/sudoers.d mode=0750 exclusive ignore=*.dpkg-*',
  'MKDIR /etc mode=keep',
  'GROUP web\nUSER deploy groups=web,adm\nCOPY f /etc/a owner=deploy group=deploy',
  'MODE /usr/bin/at mode=0750 group=adm\nMODE /srv mode=0750\nCOPY f /srv/a',
  'PACKAGE nginx\nCOPY f /etc/a owner=nginx',
  'LINE /etc/hosts a\nMODE /etc/hosts mode=0600',
  'SYSCTL net.ipv4.conf.eth0/1.forwarding 1\nSYSCTL net.ipv4.conf.eth0_1.forwarding 1',
  'USER deploy\nCOPY f /home/deploy/.profile owner=deploy',
  'UNPACK f.tar /srv/app version=1\nMKDIR /srv/app/shared\nRUN a on=/srv/app/current',
  'USER deploy home=/srv/d keys=k\nCOPY f /srv/d/.ssh/config',
  'SYSCTL net.core.somaxconn 1\nRUN a on=/etc/sysctl.d',
  'COPY f /etc/default/x\nCOPY f /etc/systemd/system/x.service\nCOPY f /usr/local/bin/x\nCOPY f /opt/x',
])('%j is right', text => {
  expect(problems(text)).toEqual([])
})

test.each([
  ['COPY f /etc/a\nTEMPLATE f /etc/a', '2:1: found /etc/a declared again, first at site.steps:1:1'],
  ['COPY f /etc/a\nABSENT /etc/a', '2:1: found /etc/a declared again'],
  ['MKDIR /srv/a\nMKDIR /srv/a', '2:1: found /srv/a declared again'],
  ['LINE /etc/a x\nLINE /etc/a x', '2:1: found /etc/a declared again'],
  ['LINE /etc/a x\nCOPY f /etc/a', '2:1: found COPY on /etc/a beside LINE at site.steps:1:1'],
  ['TEMPLATE f /etc/a\nLINE /etc/a x', '2:1: found LINE on /etc/a beside TEMPLATE'],
  ['RUN a b\nRUN a  b', '2:1: found "RUN a b" again'],
  ['COPY f /srv/a/b', '1:1: found /srv/a/b, but nothing makes /srv/a; expected MKDIR /srv/a before it'],
  ['MKDIR /srv/a/b', '1:1: found /srv/a/b, but nothing makes /srv/a'],
  [
    'COPY f /srv/a/b\nMKDIR /srv/a',
    '1:1: found /srv/a/b before its directory, which comes at site.steps:2:1',
  ],
  ['COPY f /etc/a\nCOPY f /etc/a/b', '2:1: found /etc/a/b below /etc/a, which is a file by COPY'],
  ['LINK /srv/a -> b\nCOPY f /srv/a/b', '2:1: found /srv/a/b below /srv/a, which is a link by LINK'],
  ['LINE /etc/a x\nMKDIR /etc/a/b', '2:1: found /etc/a/b below /etc/a, which is a file by LINE'],
  ['LINE /srv/a/b x\nABSENT /srv/a', '1:1: found /srv/a/b below /srv/a, which is to be absent'],
  ['ABSENT /etc', '1:1: found ABSENT /etc, a directory of the base system'],
  ['COPY f /etc/cron.d', '1:1: found COPY /etc/cron.d, a directory of the base system'],
  ['MKDIR /etc exclusive', '1:1: found exclusive on /etc, which the base system fills'],
  ['UNPACK f.tar /a version=1\nCOPY f /a/1/x', '2:1: found /a/1/x below /a/1, which belongs to UNPACK'],
  [
    'UNPACK f.tar /a version=1\nCOPY f /a/current/x',
    '2:1: found /a/current/x below /a/current, which belongs',
  ],
  ['UNPACK f.tar /a\nLINK /a/current -> x', '2:1: found /a/current declared again'],
  ['USER u keys=k\nCOPY f /home/u/.ssh/authorized_keys', '2:1: found /home/u/.ssh/authorized_keys declared'],
  ['COPY f /home/u/.profile\nUSER u', '1:1: found /home/u/.profile, but nothing makes /home/u'],
  ['USER u system\nCOPY f /home/u/.profile', '2:1: found /home/u/.profile, but nothing makes /home/u'],
  ['CHECK icmp x', '1:7: found "icmp"; expected one of http tcp command unit'],
  ['COPY f /etc/a owner=deploy', '1:1: found owner=deploy, a user that nobody declares'],
  ['MKDIR /srv/a group=deploy', '1:1: found group=deploy, a group that nobody declares'],
  ['COPY f /etc/a owner=deploy\nUSER deploy', '1:1: found owner=deploy, a user that nobody declares'],
  ['GROUP deploy\nCOPY f /etc/a owner=deploy', '2:1: found owner=deploy, a user'],
  ['USER deploy absent\nCOPY f /etc/a owner=deploy', '2:1: found owner=deploy, a user'],
  ['USER deploy group=web', '1:1: found group=web, a group that nobody declares'],
  ['USER deploy groups=adm,web', '1:1: found groups=web, a group that nobody declares'],
  [
    'USER deploy keys=f\nMKDIR /home/deploy/.ssh',
    '2:1: found /home/deploy/.ssh declared again, first at site.steps:1:1',
  ],
  ['USER deploy\nUSER deploy uid=3', '2:1: found "USER deploy" again'],
  ['COPY f /etc/a\nMODE /etc/a mode=0600', '2:1: found MODE on /etc/a beside COPY at site.steps:1:1'],
  ['MODE /srv mode=0750\nMKDIR /srv', '2:1: found MKDIR on /srv beside MODE'],
  ['MODE /etc/a mode=0600\nMODE /etc/a group=adm', '2:1: found /etc/a declared again'],
  ['ABSENT /srv/a\nMODE /srv/a/b mode=0600', '2:1: found /srv/a/b below /srv/a, which is to be absent'],
  ['SYSCTL net.core.somaxconn 1\nSYSCTL net/core/somaxconn 2', '2:1: found /etc/sysctl.d/60-fleet-'],
])('%j is refused', (text, expected) => {
  expect(problems(text)).toHaveLength(1)
  expect(problems(text)[0]).toContain(`site.steps:${expected}`)
})

test('a list is looked at as it stands', () => {
  const content = { 'site.steps': 'ABSENT /etc/a\nABSENT /etc/b' }
  const { steps } = declare({ ...repository(content), host: web1, roster })
  expect(check(steps)).toEqual([])
  expect(check([...steps, ...steps]).map(formatProblem)).toHaveLength(2)
})
