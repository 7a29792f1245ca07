import { expect, test } from 'vitest'
import { describe } from '../../../node/host/describe.ts'
import type { ResourceId, State } from '../../../node/host/resource.ts'

const user = { uid: 1, gid: 2, groups: ['a'], home: '/h', shell: '/s', locked: true }

test.each<[ResourceId, State | null, State | null, string]>([
  ['group:web', null, { gid: 3 }, 'create group web gid=3'],
  ['group:web', { gid: 3 }, { gid: 4 }, 'change group web gid=4 (files keep gid 3)'],
  ['group:web', { gid: 3 }, null, 'remove group web'],
  ['user:ann', null, user, 'create user ann uid=1'],
  ['user:ann', user, { ...user, uid: 5 }, 'change user ann uid=5 (files outside its home keep uid 1)'],
  [
    'user:ann',
    user,
    { ...user, groups: ['a', 'b'], locked: false },
    'change user ann groups=a,b locked=false',
  ],
  ['sysctl:kernel.x', { value: '1' }, { value: '2' }, 'set sysctl kernel.x 2'],
])('%s from %j to %j', (id, from, to, words) => {
  expect(describe({ kind: 'set', id, from, to })).toBe(words)
})
