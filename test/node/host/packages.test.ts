import { describe, expect, test } from 'vitest'
import { compareVersions } from '../../../node/host/dpkg.ts'
import { marksOf, offences, type PackageState, requestOf, shortfall } from '../../../node/host/packages.ts'
import { type Change, resourceId } from '../../../node/host/resource.ts'

const state = (version: string, held = false, automatic = false): PackageState => ({
  version,
  held,
  automatic,
})
const change = (name: string, to: PackageState | null, more: Partial<Change> = {}): Change => ({
  id: resourceId('package', name),
  from: null,
  to,
  ...more,
})
const now = new Map([
  ['a', state('1.0')],
  ['half', state('1.0 half-configured')],
  ['held', state('1.0', true)],
  ['lib', state('1.0', false, true)],
])

test('a transaction is asked only for what is not so yet', () => {
  const changes = [
    change('a', state('1.0')),
    change('half', state('')),
    change('held', state('2.0')),
    change('new', state('')),
    change('lib', null, { along: true }),
    change('gone', null),
  ]
  expect(requestOf(changes, now)).toEqual({
    install: [
      { name: 'half', version: '' },
      { name: 'held', version: '2.0' },
      { name: 'new', version: '' },
    ],
    remove: [],
    purge: [],
    along: ['lib'],
  })
  expect(requestOf([change('a', null, { purge: true })], now)).toMatchObject({ remove: ['a'], purge: ['a'] })
})

test('marks follow when the packages are there', () => {
  const changes = [
    change('a', state('1.0', true)),
    change('held', state('1.0')),
    change('lib', state('1.0')),
    change('new', state('1', true)),
  ]
  expect(marksOf(changes, now)).toEqual({ hold: ['a'], unhold: ['held'], auto: [], manual: ['lib'] })
})

test('what no step names may come, but not go, sink or leave its hold', () => {
  const movements = [
    { name: 'a', from: '1.0' },
    { name: 'new', to: '1' },
    { name: 'half', from: '1.0', to: '0.9' },
    { name: 'held', from: '1.0', to: '2.0' },
    { name: 'lib', from: '1.0', to: '1.1' },
  ]
  const found = offences([change('new', state(''))], movements, now, compareVersions)
  expect(found).toEqual(['remove a', 'put half back from 1.0 to 0.9', 'change held, which is held'])
  const named = ['a', 'half', 'held'].map(name => change(name, null))
  expect(offences(named, movements, now, compareVersions)).toEqual([])
})

describe('a transaction is believed only by its result', () => {
  test.each([
    ['a', state('1.0'), undefined],
    ['a', state(''), undefined],
    ['gone', null, undefined],
    ['a', null, 'found version 1.0 after the transaction; expected none'],
    ['a', state('2'), 'found version 1.0 after the transaction; expected version 2'],
    ['half', state(''), 'found version 1.0 half-configured after the transaction; expected any version'],
    ['gone', state(''), 'found no package after the transaction; expected any version'],
  ])('%s %j', (name, to, detail) => {
    expect(shortfall([change(name, to)], now)?.detail).toBe(detail)
  })
})
