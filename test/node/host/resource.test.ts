import { expect, test } from 'vitest'
import { type State, withdrawn } from '../../../node/host/resource.ts'

const before: State = { uid: 1, gid: 1, groups: [], home: '/h', shell: '/bin/sh', locked: false }

test.each<[string, State | null, State | null, State | null, State | null | undefined]>([
  ['what was made goes', null, before, before, null],
  ['what was made and is gone: nothing', null, before, null, undefined],
  ['what was removed returns', before, null, null, before],
  [
    'changed fields return, others stay',
    before,
    { ...before, shell: 'b' },
    { ...before, uid: 2, shell: 'c' },
    { ...before, uid: 2 },
  ],
  [
    'a field that came along goes',
    before,
    { ...before, locked: true, leaving: true },
    { ...before, locked: true, leaving: true },
    before,
  ],
  ['nothing changed: nothing', before, before, { ...before, uid: 2 }, undefined],
])('a step leaves: %s', (_, was, after, now, to) =>
  expect(withdrawn(was, after, now)).toEqual(to === undefined ? undefined : { to }),
)
