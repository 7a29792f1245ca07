// The providers of users and groups with the real tools, in a root directory of their own.
import { execFileSync, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { StepError } from '../../../node/host/errors.ts'
import { openAccounts } from '../../../node/host/linux-accounts.ts'
import { nameOf, type Provider, resourceId, type State, type States } from '../../../node/host/resource.ts'

let root: string
let group: Provider
let user: Provider
const file = (path: string) => fs.readFileSync(join(root, path), 'utf8')

const base = {
  passwd: 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n',
  group: 'root:x:0:\nadm:x:4:\nusers:x:100:\nnogroup:x:65534:\n',
  shadow: 'root:$6$x:20000:0:99999:7:::\nnobody:*:20000:0:99999:7:::\n',
  gshadow: 'root:*::\nadm:*::\nusers:*::\nnogroup:*::\n',
  'login.defs':
    'USERGROUPS_ENAB yes\nUMASK 022\nMAIL_DIR /var/mail\nSUB_UID_COUNT 65536\nSUB_GID_COUNT 65536\n',
  subuid: '',
  subgid: '',
}

beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'fleet-accounts-'))
  for (const each of ['etc/default', 'etc/skel', 'home', 'var/mail'])
    fs.mkdirSync(join(root, each), { recursive: true })
  for (const [name, text] of Object.entries(base)) fs.writeFileSync(join(root, 'etc', name), text)
  fs.writeFileSync(join(root, 'etc/default/useradd'), 'CREATE_MAIL_SPOOL=yes\n')
  fs.writeFileSync(join(root, 'etc/skel/.profile'), 'umask 022\n')
  ;[group, user] = openAccounts(root) as [Provider, Provider]
})
afterEach(() => fs.rmSync(root, { recursive: true }))

const deploy: States['user'] = {
  uid: 2001,
  gid: 100,
  groups: [],
  home: '/home/deploy',
  shell: '/bin/bash',
  locked: true,
}

async function set(provider: Provider, name: string, to: State | null): Promise<readonly string[]> {
  const id = resourceId(provider.kind, name)
  const from = (await provider.observe([name])).get(id)!
  await provider.prepare([{ id, from, to }])
  const { leftBehind } = await provider.change([{ id, from, to }])
  return leftBehind
}

async function get(provider: Provider, name: string): Promise<State | null> {
  return (await provider.observe([name])).get(resourceId(provider.kind, name))!
}

test('observes everything there is, and what there is not', async () => {
  const users = await user.observe(['deploy'])
  expect([...users.keys()].map(nameOf).sort()).toEqual(['deploy', 'nobody', 'root'])
  expect(users.get('user:deploy')).toBeNull()
  expect((await group.observe([])).get('group:adm')).toEqual({ gid: 4 })
})

describe.skipIf(process.getuid?.() !== 0)('as root', () => {
  test('a user comes with a home and goes without a trace in the files', async () => {
    await set(user, 'deploy', { ...deploy, groups: ['adm'] })
    expect(await get(user, 'deploy')).toEqual({ ...deploy, groups: ['adm'] })
    expect(file('home/deploy/.profile')).toBe('umask 022\n')
    expect(fs.statSync(join(root, 'home/deploy')).uid).toBe(2001)
    expect(file('etc/subuid')).toMatch(/^deploy:/)
    expect(fs.readdirSync(join(root, 'var/mail'))).toEqual([])
    fs.writeFileSync(join(root, 'home/deploy/work'), 'mine')
    expect(await set(user, 'deploy', null)).toEqual(['/home/deploy'])
    expect(file('home/deploy/work')).toBe('mine')
    for (const [name, text] of Object.entries(base)) expect(file(`etc/${name}`), name).toBe(text)
  })

  test('a user comes back with the group that userdel took along', async () => {
    await set(group, 'deploy', { gid: 2001 })
    await set(user, 'deploy', { ...deploy, gid: 2001 })
    execFileSync('userdel', ['--prefix', root, 'deploy'])
    expect(file('etc/group')).not.toContain('deploy')
    await set(user, 'deploy', { ...deploy, gid: 2001 })
    expect(file('etc/group')).toContain('deploy:x:2001:')
  })
  test('what killed tools leave is swept up after a crash, and nothing else', async () => {
    for (const name of ['group.397', 'group.lock', 'passwd+', 'passwd-', 'group.conf'])
      fs.writeFileSync(join(root, 'etc', name), '')
    await user.recover(true)
    const left = fs.readdirSync(join(root, 'etc')).filter(name => /^(group|passwd)./.test(name))
    expect(left.sort()).toEqual(['group.conf', 'passwd-'])
  })
  test('a user of a service gets no home and no subordinate ids', async () => {
    await set(user, 'daemon2', { ...deploy, uid: 998, home: '/home/daemon2', shell: '/usr/sbin/nologin' })
    expect(fs.readdirSync(join(root, 'home'))).toEqual([])
    expect(file('etc/subuid')).toBe('')
  })

  test('a home that is there stays as it is', async () => {
    fs.mkdirSync(join(root, 'home/deploy'))
    await set(user, 'deploy', deploy)
    expect(fs.readdirSync(join(root, 'home/deploy'))).toEqual([])
    expect(fs.statSync(join(root, 'home/deploy')).uid).toBe(0)
  })

  test('whatever is asked for is there afterwards, and asking again changes nothing', async () => {
    await set(group, 'deploy', { gid: 2001 })
    const states = fc.record({
      uid: fc.integer({ min: 2000, max: 2002 }),
      gid: fc.constantFrom(100, 2001),
      groups: fc.subarray(['adm', 'deploy', 'users']),
      home: fc.constantFrom('/home/deploy', '/srv/deploy', '/nonexistent'),
      shell: fc.constantFrom('/bin/bash', '/usr/sbin/nologin'),
      locked: fc.constant(true),
    })
    await fc.assert(
      fc.asyncProperty(fc.option(states), async to => {
        await set(user, 'deploy', to)
        expect(await get(user, 'deploy')).toEqual(to)
        const before = [fs.statSync(join(root, 'etc/passwd')).mtimeMs, file('etc/shadow')]
        await set(user, 'deploy', to)
        expect([fs.statSync(join(root, 'etc/passwd')).mtimeMs, file('etc/shadow')]).toEqual(before)
      }),
      { numRuns: 30 },
    )
  })

  test('locking keeps the password, which unlocking brings back', async () => {
    await set(user, 'deploy', deploy)
    fs.writeFileSync(join(root, 'etc/shadow'), file('etc/shadow').replace('deploy:*', 'deploy:$6$hash'))
    expect(await get(user, 'deploy')).toEqual({ ...deploy, locked: false })
    const change = { id: 'user:deploy', from: { ...deploy, locked: false }, to: null } as const
    expect([...(await user.oneWay([change])).keys()]).toEqual(['user:deploy'])
    await set(user, 'deploy', deploy)
    expect(file('etc/shadow')).toContain('deploy:!$6$hash')
    await set(user, 'deploy', { ...deploy, locked: false })
    expect(file('etc/shadow')).toContain('deploy:$6$hash')
  })

  test('a group keeps its users when its number changes, and stays while it is primary', async () => {
    await set(group, 'deploy', { gid: 2001 })
    await set(user, 'deploy', { ...deploy, gid: 2001 })
    await set(group, 'deploy', { gid: 2050 })
    expect(await get(user, 'deploy')).toEqual({ ...deploy, gid: 2050 })
    // The way back of the user comes first, to a number that its group is yet to get.
    await set(user, 'deploy', { ...deploy, gid: 2001 })
    await set(group, 'deploy', { gid: 2001 })
    expect(await get(user, 'deploy')).toEqual({ ...deploy, gid: 2001 })
    expect(await set(group, 'deploy', null)).toEqual(['group deploy: it is the primary group of a user'])
    await set(user, 'deploy', null)
    expect(await get(group, 'deploy')).toEqual({ gid: 2001 })
    expect(await set(group, 'deploy', null)).toEqual([])
  })

  test('what the tools refuse is named, with their words', async () => {
    const error = await set(group, 'other', { gid: 100 }).catch(error => error as StepError)
    expect(error).toMatchObject({ reason: { code: 'COMMAND_FAILED', path: 'group:other' } })
    expect((error as StepError).message).toContain('already exists')
  })

  test('the locks of others are seen, unless their owner is gone', async () => {
    expect(user.busy()).toBe(false)
    fs.writeFileSync(join(root, 'etc/passwd.lock'), String(process.pid))
    await expect(set(user, 'deploy', deploy)).rejects.toMatchObject({ reason: { code: 'ACCOUNTS_LOCKED' } })
    fs.writeFileSync(join(root, 'etc/passwd.lock'), '999999999')
    expect(user.busy()).toBe(false)
    const script = `use Fcntl; open(F, '>', shift) or die; my $l = pack('s s x4 q q i x4', F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $l) or die; $| = 1; print 'held'; <STDIN>`
    const holder = spawn('perl', ['-e', script, join(root, 'etc/.pwd.lock')])
    expect(String(await new Promise(held => holder.stdout.once('close', held).once('data', held)))).toBe(
      'held',
    )
    expect(user.busy()).toBe(true)
    holder.stdin.end()
    await vi.waitFor(() => expect(user.busy()).toBe(false))
  })
})

test('hears of changes in the files, and of no others', async () => {
  const heard: (string | undefined)[] = []
  const stop = user.hear(
    name => heard.push(name),
    why => expect.unreachable(why),
  )
  fs.writeFileSync(join(root, 'etc/hosts'), '')
  fs.writeFileSync(join(root, 'etc/passwd+'), base.passwd)
  fs.renameSync(join(root, 'etc/passwd+'), join(root, 'etc/passwd'))
  await vi.waitFor(() => expect(heard).toEqual([undefined]))
  stop()
})

test('is deaf where there is no /etc', () => {
  const why: string[] = []
  openAccounts(join(root, 'none'))[1]!.hear(
    () => {},
    reason => why.push(reason),
  )
  expect(why).toHaveLength(1)
})
