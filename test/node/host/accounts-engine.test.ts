// MODE, SYSCTL, GROUP and USER through the engine, with the real tools in a root directory.
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Engine } from '../../../node/host/main.ts'
import type { Step } from '../../../node/host/steps/step.ts'
import { about, type Ground, ground, payloads, step } from './ground.ts'

const root = process.getuid?.() === 0
const files = {
  '/etc/passwd': 'root:x:0:0:root:/root:/bin/bash\nold:x:1500:100::/home/old:/bin/sh\n',
  '/etc/group': 'root:x:0:\nadm:x:4:old\nusers:x:100:\n',
  '/etc/shadow': 'root:*:1:0:99999:7:::\nold:$6$hash:1:0:99999:7:::\n',
  '/etc/login.defs': 'USERGROUPS_ENAB yes\nUMASK 022\n',
  '/etc/motd': 'hello\n',
  '/etc/sysctl.d/': '',
  '/home/old/work': 'mine',
}

let here: Ground
let engine: Engine
beforeEach(() => {
  here = ground()
  here.fill(files)
  engine = here.open()
})
afterEach(() => engine.close())

const apply = async (id: string, steps: readonly Step[]) => {
  const outcome = await engine.run(steps, about(id), payloads)
  return { ...outcome, notKept: outcome.notKept.map(each => each.reason) }
}
const tool = (name: string, ...args: string[]) =>
  execFileSync(name, ['-R', here.root, ...args], { stdio: 'ignore' })

test('a mode and a parameter are kept, and return', async () => {
  const before = here.walk()
  const steps = [
    step('MODE', ['/etc/motd'], { mode: '0600' }),
    step('SYSCTL', ['net.core.somaxconn', '4096']),
  ]
  expect(await apply('1', steps)).toMatchObject({ kind: 'applied', notKept: [] })
  expect(here.walk()).toMatchObject({
    '/etc/motd': expect.stringMatching(/^600 /),
    '/etc/sysctl.d/60-fleet-net.core.somaxconn.conf': expect.stringContaining('net.core.somaxconn = 4096\n'),
  })
  fs.chmodSync(`${here.root}/etc/motd`, 0o644)
  expect(await apply('1', steps)).toMatchObject({ repaired: [steps[0]] })
  expect(await apply('1', steps)).toMatchObject({ kind: 'unchanged' })
  expect(await apply('2', [])).toMatchObject({ kind: 'applied', leftBehind: [] })
  expect(here.walk()).toEqual(before)
})

const deploy = [
  step('GROUP', ['web'], { gid: '3000' }),
  step('USER', ['deploy'], { groups: 'web,adm', keys: 'k' }, 'ssh-ed25519 AAAA\n'),
  step('USER', ['daemon2'], { system: '', group: 'web' }),
  step('USER', ['old'], { groups: 'web', home: 'keep', shell: '/bin/bash', locked: '' }),
]

test.runIf(root)('users come with groups and keys, are repaired, and go but for their homes', async () => {
  const accounts = () => ['passwd', 'group', 'shadow'].map(name => here.read(`/etc/${name}`))
  const before = accounts()
  expect(await apply('1', deploy)).toMatchObject({ kind: 'applied', notKept: [] })
  const after = accounts()
  expect(after[0]).toContain('deploy:x:1000:1000::/home/deploy:/bin/bash')
  expect(after[0]).toContain('daemon2:x:999:3000::/home/daemon2:/usr/sbin/nologin')
  expect(after[0]).toContain('old:x:1500:100::/home/old:/bin/bash')
  expect(after[1]).toContain('web:x:3000:deploy,old')
  expect(after[2]).toContain('old:!$6$hash:')
  expect(here.walk()).toMatchObject({
    '/home/deploy/.ssh/': '700 1000:1000',
    '/home/deploy/.ssh/authorized_keys': '600 1000:1000 ssh-ed25519 AAAA\n',
  })
  expect(await apply('1', deploy)).toMatchObject({ kind: 'unchanged' })

  tool('usermod', '-s', '/bin/sh', '-G', '', 'old')
  tool('userdel', 'deploy')
  fs.rmSync(`${here.root}/home/deploy/.ssh/authorized_keys`)
  expect(await apply('1', deploy)).toMatchObject({ kind: 'applied', repaired: [deploy[1], deploy[3]] })
  expect(accounts().map(text => text.split('\n').sort())).toEqual(after.map(text => text.split('\n').sort()))
  expect(await apply('1', deploy)).toMatchObject({ kind: 'unchanged' })

  const gone = await apply('2', [])
  expect(gone).toMatchObject({ kind: 'applied', dirty: [], leftBehind: ['/home/deploy'] })
  expect(accounts()).toEqual(before)
  expect(here.walk()).not.toHaveProperty('/home/deploy/.ssh/')
})

test.runIf(root)('a group that changes its number takes users along in one run, and back', async () => {
  const steps = (gid: string, shell: string) => [
    step('GROUP', ['web'], { gid }),
    step('USER', ['deploy'], { group: 'web', shell, uid: '2001' }),
  ]
  await apply('1', steps('3000', '/bin/bash'))
  expect(await apply('2', steps('3001', '/bin/sh'))).toMatchObject({ kind: 'applied', notKept: [] })
  expect(here.read('/etc/passwd')).toContain('deploy:x:2001:3001::/home/deploy:/bin/sh')
  expect(await apply('2', steps('3001', '/bin/sh'))).toMatchObject({ kind: 'unchanged' })
  await apply('1', steps('3000', '/bin/bash'))
  expect(here.read('/etc/passwd')).toContain('deploy:x:2001:3000::/home/deploy:/bin/bash')
})

test.runIf(root)('a run that fails takes its users back', async () => {
  const before = here.read('/etc/passwd')
  const failing = step('RUN', ['false'])
  expect(await apply('1', [...deploy, failing])).toMatchObject({
    kind: 'failed',
    notKept: [{ code: 'COMMAND_FAILED' }],
  })
  expect(here.read('/etc/passwd')).toBe(before)
})

test.runIf(root)('what is declared absent goes, and comes back without its password', async () => {
  const steps = [step('USER', ['old'], { absent: '' })]
  expect(await apply('1', steps)).toMatchObject({ kind: 'applied' })
  expect(here.read('/etc/passwd')).not.toContain('old')
  expect(here.read('/home/old/work')).toBe('mine')
  expect(await apply('2', [])).toMatchObject({ kind: 'applied', dirty: [] })
  expect(here.read('/etc/passwd')).toContain('old:x:1500:100::/home/old:/bin/sh')
  expect(here.read('/etc/group')).toContain('adm:x:4:old')
})

test.runIf(root)(
  'after any two releases the plan is empty, and undone the accounts are as before',
  async () => {
    const option = (...values: string[]) => fc.option(fc.constantFrom(...values), { nil: undefined })
    // Two users that want one number, or one home for their keys, are two opinions on one thing.
    const user = (name: string, own: { uid: string; home: string }) =>
      fc
        .record({
          uid: option(own.uid),
          group: option('users', '4', 'web'),
          groups: option('adm', 'adm,users'),
          home: option(own.home),
          shell: option('/bin/sh', 'keep'),
          keys: option('k'),
          locked: option(''),
          system: option(''),
        })
        .map(given => {
          const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
          return step('USER', [name], options as Record<string, string>, given.keys && 'ssh-ed25519 AAAA\n')
        })
    const releases = fc
      .tuple(
        option('3000', '3001').map(gid => step('GROUP', ['web'], gid === undefined ? {} : { gid })),
        fc
          .shuffledSubarray([
            user('old', { uid: '2001', home: '/srv/old' }),
            user('deploy', { uid: '2002', home: '/srv/deploy' }),
          ])
          .chain(users => fc.tuple(...users)),
      )
      .map(([web, users]) => [web, ...users])
    fs.mkdirSync(`${here.root}/srv`)
    const accounts = () => ['passwd', 'group', 'shadow'].map(name => here.read(`/etc/${name}`))
    const before = accounts()
    await fc.assert(
      fc.asyncProperty(releases, releases, async (first, second) => {
        for (const steps of [first, second]) {
          expect(await apply('1', steps)).toMatchObject({ notKept: [], dirty: [] })
          expect(await apply('1', steps)).toMatchObject({ kind: 'unchanged', kept: steps })
        }
        expect(await apply('2', [])).toMatchObject({ dirty: [] })
        expect(accounts()).toEqual(before)
      }),
      { numRuns: 8 },
    )
  },
)

test.runIf(root)('keys of a new user lie in the .ssh that /etc/skel gave it', async () => {
  here.fill({ '/etc/skel/.ssh/': '' })
  const steps = [step('USER', ['deploy'], { keys: 'k' }, 'ssh-ed25519 AAAA\n')]
  expect(await apply('1', steps)).toMatchObject({ kind: 'applied', notKept: [] })
  expect(here.walk()).toMatchObject({
    '/home/deploy/.ssh/': '700 1000:1000',
    '/home/deploy/.ssh/authorized_keys': '600 1000:1000 ssh-ed25519 AAAA\n',
  })
  expect(await apply('1', steps)).toMatchObject({ kind: 'unchanged' })
  expect(await apply('2', [])).toMatchObject({ kind: 'applied', leftBehind: ['/home/deploy'], dirty: [] })
})

test.runIf(root)(
  'a user that was at work when its step left goes with the next one that leaves',
  async () => {
    const steps = [step('USER', ['deploy'], { uid: '2001', group: 'users' })]
    tool('useradd', '-N', '-M', '-u', '2001', '-g', '100', '-s', '/bin/bash', 'deploy')
    // What the provider does while processes run, which none can in this root.
    tool('usermod', '-L', '-e', '1970-01-03', '-s', '/usr/sbin/nologin', 'deploy')
    expect(await apply('2', steps)).toMatchObject({ kind: 'applied', notKept: [] })
    expect(here.read('/etc/passwd')).toContain('deploy:x:2001:100::/home/deploy:/bin/bash')
    expect(await apply('2', steps)).toMatchObject({ kind: 'unchanged' })
    expect(await apply('3', [])).toMatchObject({ kind: 'applied', dirty: [] })
    expect(here.read('/etc/passwd')).not.toContain('deploy')
    // One that an operator shut out by hand is the operator's.
    tool('usermod', '-L', '-e', '1', 'old')
    const was = here.read('/etc/passwd')
    await apply('4', [step('USER', ['old'], { home: 'keep', shell: '/bin/bash' })])
    await apply('5', [])
    expect(here.read('/etc/passwd')).toBe(was)
  },
)
