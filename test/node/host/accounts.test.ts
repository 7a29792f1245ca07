import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bringsHome, carriedAlong, freeId, readAccounts } from '../../../node/host/accounts.ts'
import type { ResourceId, Snapshot, State } from '../../../node/host/resource.ts'

const passwd = `root:x:0:0:root:/root:/bin/bash
deploy:x:2001:2001::/home/deploy:
deploy:x:3:3::/second:/bin/sh
old:$1$hash:2002:100::/home/old:/bin/bash
+::::::
torn:x:20
`
const group = 'root:x:0:\nusers:x:100:deploy,old\nadm:x:4:deploy\ndeploy:x:2001:\n'
const shadow = 'root:$6$hash:1:0:99999:7:::\ndeploy:!:1:0:99999:7::2:\n'

test('the files of accounts are read as libc reads them', () => {
  const { users, groups } = readAccounts({ passwd, group, shadow })
  expect([...users]).toEqual([
    ['root', { uid: 0, gid: 0, groups: [], home: '/root', shell: '/bin/bash', locked: false }],
    [
      'deploy',
      {
        uid: 2001,
        gid: 2001,
        groups: ['adm', 'users'],
        home: '/home/deploy',
        shell: '/bin/sh',
        locked: true,
        leaving: true,
      },
    ],
    ['old', { uid: 2002, gid: 100, groups: ['users'], home: '/home/old', shell: '/bin/bash', locked: false }],
  ])
  expect([...groups.keys()]).toEqual(['root', 'users', 'adm', 'deploy'])
  expect(readAccounts({ passwd, group }).users.get('root')).toMatchObject({ locked: true })
})

test('no text makes reading throw', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (passwd, group, shadow) => {
      readAccounts({ passwd, group, shadow })
    }),
  )
})

test('numbers are given out upward, to the system downward', () => {
  expect(freeId(new Set([1000, 1002]), false)).toBe(1001)
  expect(freeId(new Set([999, 997]), true)).toBe(998)
  expect(freeId(new Set(Array.from({ length: 900 }, (_, index) => 100 + index)), true)).toBeUndefined()
})

test.each([
  [1000, '/home/a', true],
  [999, '/home/a', false],
  [1000, '/nonexistent', false],
])('user %i with %s: home made: %s', (uid, home, made) => expect(bringsHome({ uid, home })).toBe(made))

test('a group takes its users along', () => {
  const user = { uid: 1, gid: 50, groups: ['web'], home: '/', shell: '/', locked: true }
  const known: Snapshot = new Map<ResourceId, State | null>([
    ['user:a', user],
    ['user:none', null],
    ['group:web', { gid: 60 }],
  ])
  const change = { id: 'group:own', from: { gid: 50 }, to: { gid: 51 } } as const
  expect(carriedAlong(change, known)).toEqual([['user:a', { ...user, gid: 51 }]])
  expect(carriedAlong({ id: 'group:web', from: { gid: 60 }, to: null }, known)).toEqual([
    ['user:a', { ...user, groups: [] }],
  ])
  expect(carriedAlong({ ...change, from: null }, known)).toEqual([])
  expect(carriedAlong({ id: 'user:a', from: user, to: null }, known)).toEqual([])
})
