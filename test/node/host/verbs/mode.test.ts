import { expect, test } from 'vitest'
import { specs } from '../../../../node/host/verbs/index.ts'
import { planMode } from '../../../../node/host/verbs/mode.ts'
import { step } from '../ground.ts'
import { look } from './look.ts'

const mode = (options: Record<string, string>) => step('MODE', ['/usr/bin/at'], options)

test('sets what is declared, and nothing else', () => {
  const now = look({ '/usr/bin/at': 'x' }, new Map(), { '/usr/bin/at': 7 })
  const set = (ownership: object) => [{ kind: 'modify', path: '/usr/bin/at', ownership }]
  expect(planMode(mode({ mode: '0750' }), now)).toEqual(set({ mode: 0o750, uid: undefined, gid: undefined }))
  expect(planMode(mode({ owner: '8', mode: 'keep' }), now)).toEqual(
    set({ mode: undefined, uid: 8, gid: undefined }),
  )
  expect(planMode(mode({ mode: '0644', group: '7' }), now)).toEqual([])
})

test('what is not there, or cannot have a mode, is named', () => {
  expect(planMode(mode({ mode: '0750' }), look())).toMatchObject({ code: 'NO_TARGET' })
  expect(planMode(mode({ owner: 'nobody' }), look())).toMatchObject({ code: 'UNKNOWN_OWNER' })
  const linked = look()
  linked.predict({
    kind: 'link',
    path: '/usr/bin/at',
    target: 'x',
    ownership: { mode: undefined, uid: 0, gid: 0 },
  })
  expect(planMode(mode({ mode: '0750' }), linked)).toMatchObject({ code: 'WRONG_TYPE' })
})

test('an opinion is needed', () => {
  const { check } = specs.get('MODE')!
  expect(check!({ args: ['/a'], options: { mode: 'keep' } })).toContain('without an opinion')
  expect(check!({ args: ['/a'], options: { group: 'adm' } })).toBeUndefined()
})
