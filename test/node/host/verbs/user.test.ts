import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Act } from '../../../../node/host/act.ts'
import type { Snapshot, State, States } from '../../../../node/host/resource.ts'
import { planGroup } from '../../../../node/host/verbs/group.ts'
import { specs } from '../../../../node/host/verbs/index.ts'
import { planUser } from '../../../../node/host/verbs/user.ts'
import { step } from '../ground.ts'
import { look } from './look.ts'

type Options = Record<string, string>

const there: [string, State | null][] = [
  ['group:adm', { gid: 4 }],
  ['group:users', { gid: 100 }],
  ['group:taken', { gid: 1000 }],
  ['user:taken', user({ uid: 1000, gid: 1000, home: '/home/taken' })],
  ['user:deploy', null],
  ['group:deploy', null],
]
const snapshot = (...more: [string, State | null][]) => new Map([...there, ...more]) as Snapshot

function user(given: Partial<States['user']> = {}): States['user'] {
  const made = { uid: 1001, gid: 1001, groups: [], home: '/home/deploy', shell: '/bin/bash', locked: true }
  return { ...made, ...given }
}

const set = (id: string, from: State | null, to: State | null) => ({ kind: 'set', id, from, to })

test.each<[string, Options, unknown]>([
  ['the lowest free number', {}, set('group:deploy', null, { gid: 1001 })],
  ['the highest of the system', { system: '' }, set('group:deploy', null, { gid: 999 })],
  ['its own number', { gid: '2001' }, set('group:deploy', null, { gid: 2001 })],
])('a new group gets %s', (_, options, act) => {
  expect(planGroup(step('GROUP', ['deploy'], options), look({}, snapshot()))).toEqual([act])
})

test('a group keeps the number that it has, unless another is declared', () => {
  const now = look({}, snapshot(['group:deploy', { gid: 77 }]))
  expect(planGroup(step('GROUP', ['deploy']), now)).toEqual([])
  expect(planGroup(step('GROUP', ['deploy'], { gid: '78' }), now)).toEqual([
    set('group:deploy', { gid: 77 }, { gid: 78 }),
  ])
  expect(planGroup(step('GROUP', ['deploy'], { gid: '4' }), now)).toMatchObject({
    code: 'ID_TAKEN',
    detail: 'found the group adm with gid 4; expected a free gid',
  })
  expect(planGroup(step('GROUP', ['deploy'], { absent: '' }), now)).toEqual([
    set('group:deploy', { gid: 77 }, null),
  ])
  expect(planGroup(step('GROUP', ['deploy'], { absent: '' }), look({}, snapshot()))).toEqual([])
  expect(planGroup(step('GROUP', ['deploy']), look())).toMatchObject({ code: 'TOOL_MISSING' })
})

const own = set('group:deploy', null, { gid: 1001 })
test.each<[string, Options, unknown[]]>([
  ['a group of its name', {}, [own, set('user:deploy', null, user())]],
  [
    'what a service needs',
    { system: '' },
    [
      set('group:deploy', null, { gid: 999 }),
      set('user:deploy', null, user({ uid: 999, gid: 999, shell: '/usr/sbin/nologin' })),
    ],
  ],
  ['the group that is declared', { group: 'users' }, [set('user:deploy', null, user({ gid: 100 }))]],
  ['a group by number', { group: '7' }, [set('user:deploy', null, user({ gid: 7 }))]],
  [
    'all that is declared',
    { uid: '5', group: 'adm', groups: 'users,adm', home: '/srv/x', shell: '/bin/sh' },
    [
      set('user:deploy', null, {
        uid: 5,
        gid: 4,
        groups: ['adm', 'users'],
        home: '/srv/x',
        shell: '/bin/sh',
        locked: true,
      }),
    ],
  ],
])('a new user gets %s', (_, options, acts) => {
  expect(planUser(step('USER', ['deploy'], options), look({}, snapshot()))).toEqual(acts)
})

test('a user that returns finds that its home is its own', () => {
  const home = look({ '/home/deploy': null }, snapshot(), { '/home/deploy': 1234 })
  expect(planUser(step('USER', ['deploy']), home)).toEqual([
    set('group:deploy', null, { gid: 1234 }),
    set('user:deploy', null, user({ uid: 1234, gid: 1234 })),
  ])
  const another = look({ '/home/deploy': null }, snapshot(), { '/home/deploy': 1000 })
  expect(planUser(step('USER', ['deploy']), another)).toEqual([own, set('user:deploy', null, user())])
})

test.each<[string, Options, Partial<States['user']>]>([
  ['nothing', { home: 'keep', shell: 'keep', group: 'keep', groups: 'keep' }, {}],
  ['home and shell by default', {}, { home: '/home/deploy', shell: '/bin/bash' }],
  ['its groups', { home: 'keep', shell: 'keep', groups: 'users' }, { groups: ['users'] }],
  ['its number', { home: 'keep', shell: 'keep', uid: '9' }, { uid: 9 }],
  ['the lock', { home: 'keep', shell: 'keep', locked: '' }, { locked: true }],
])('of a user that is there changes: %s', (_, options, change) => {
  const now = user({ uid: 88, gid: 100, groups: ['adm'], home: '/h', shell: '/bin/zsh', locked: false })
  const acts = Object.keys(change).length > 0 ? [set('user:deploy', now, { ...now, ...change })] : []
  expect(planUser(step('USER', ['deploy'], options), look({}, snapshot(['user:deploy', now])))).toEqual(acts)
})

test.each<[Options, object]>([
  [{ uid: '1000' }, { code: 'ID_TAKEN', path: 'user:deploy' }],
  [{ group: 'none' }, { code: 'UNKNOWN_OWNER', detail: 'found no group none; expected one that exists' }],
  [{ groups: 'adm,none' }, { code: 'UNKNOWN_OWNER' }],
])('%j cannot be kept', (options, reason) => {
  expect(planUser(step('USER', ['deploy'], options), look({}, snapshot()))).toMatchObject(reason)
})

const paths = (acts: unknown) =>
  (acts as Act[]).map(act => ('path' in act ? `${act.kind} ${act.path}` : act.kind))
const keys = ['mkdir /home/deploy/.ssh', 'put /home/deploy/.ssh/authorized_keys']

test('keys come with the account, or with a home of their own', () => {
  const plan = (paths: Record<string, null>, options: Options, ...more: [string, State][]) =>
    planUser(
      step('USER', ['deploy'], { keys: 'k', ...options }, 'ssh-ed25519 …'),
      look(paths, snapshot(...more)),
    )
  const acts = plan({}, {})
  expect(paths(acts)).toEqual(['set', 'set', ...keys])
  expect((acts as Act[]).slice(2)).toMatchObject([
    { ownership: { mode: 0o700, uid: 1001, gid: 1001 } },
    { ownership: { mode: 0o600, uid: 1001, gid: 1001 } },
  ])
  expect(paths(plan({}, { system: '' }))).toEqual(['set', 'set', 'mkdir /home/deploy', ...keys])
  expect(paths(plan({}, {}, ['user:deploy', user()]))).toEqual(['mkdir /home/deploy', ...keys])
  expect(paths(plan({ '/home/deploy': null }, {}, ['user:deploy', user()]))).toEqual(keys)
  const spec = specs.get('USER')!
  expect(spec.paths?.(step('USER', ['deploy'], { keys: 'k', home: '/srv/x' }))).toEqual([
    '/srv/x/.ssh/authorized_keys',
    '/srv/x/.ssh',
  ])
})

test('after the acts of any two steps nothing is left to do', () => {
  const option = (values: string[]) => fc.option(fc.constantFrom(...values), { nil: undefined })
  const options = fc
    .record({
      uid: option(['2001', '2002']),
      group: option(['users', '100', 'keep', 'deploy']),
      groups: option(['adm', 'adm,users', 'keep']),
      home: option(['/srv/x', '/home/y', 'keep']),
      shell: option(['/bin/sh', 'keep']),
      locked: option(['']),
      system: option(['']),
      absent: option(['']),
    })
    .map(
      given =>
        Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Options,
    )
  const gid = option(['3001', '3002'])
  const state = fc.option(fc.constant(user({ uid: 88, gid: 50, groups: ['adm'], locked: false })))
  fc.assert(
    fc.property(options, options, gid, state, (first, second, gid, now) => {
      const view = look({}, snapshot(['user:deploy', now], ['group:deploy', { gid: 50 }]))
      const apply = (acts: unknown) => {
        for (const act of acts as Act[]) view.predict(act)
      }
      apply(planUser(step('USER', ['deploy'], first), view))
      const group = step('GROUP', ['deploy'], gid === undefined ? {} : { gid })
      apply(planGroup(group, view))
      expect(planGroup(group, view)).toEqual([])
      apply(planUser(step('USER', ['deploy'], second), view))
      expect(planUser(step('USER', ['deploy'], second), view)).toEqual([])
    }),
  )
})

test.each<[string, Options, string]>([
  ['www-data', {}, 'without home='],
  ['www-data', { home: 'keep' }, 'without shell='],
  ['root', { absent: '' }, 'absent on root'],
  ['root', { uid: '1', home: 'keep', shell: 'keep' }, 'uid= on root'],
  ['deploy', { absent: '', uid: '1' }, 'uid beside absent'],
  ['deploy', { uid: '65535' }, 'not 65535'],
  ['deploy', { home: 'x' }, 'absolute'],
  ['deploy', { shell: '/a:b' }, 'without :'],
  ['deploy', { home: 'keep', keys: 'k' }, 'home='],
])('USER %s %j is refused', (name, options, expected) => {
  expect(specs.get('USER')!.check!({ args: [name], options })).toContain(expected)
})

test.each([
  ['adm', { absent: '' }, 'absent on adm'],
  ['deploy', { gid: '4294967295' }, 'at most'],
])('GROUP %s %j is refused', (name, options, expected) => {
  expect(specs.get('GROUP')!.check!({ args: [name], options: options as Options })).toContain(expected)
})
