import { describe, expect, test } from 'vitest'
import { burstMax, createWatch, earnMs, type Heard, type Heed, truceMs } from '../../../node/host/watch.ts'

const watched = [
  { id: 'f', path: '/etc/f', exclusive: false },
  { id: 'd', path: '/etc/d', exclusive: true },
  { id: 'x', path: '/etc/d/x', exclusive: false },
]
const event = (directory: string, name?: string): Heard => ({ kind: 'event', directory, name })

describe('an event and what is looked at', () => {
  const cases: [string, Heard, Heed[]][] = [
    ['a target', event('/etc', 'f'), [{ kind: 'look', ids: ['f'] }]],
    ['a stranger', event('/etc', 'other'), []],
    ['a stranger in an exclusive directory', event('/etc/d', 'other'), [{ kind: 'look', ids: ['d'] }]],
    ['a target in an exclusive directory', event('/etc/d', 'x'), [{ kind: 'look', ids: ['x', 'd'] }]],
    [
      'a directory that is listened to: made again, with what is in it',
      event('/etc', 'd'),
      [
        { kind: 'rewatch', directory: '/etc/d' },
        { kind: 'look', ids: ['d', 'x'] },
      ],
    ],
  ]
  for (const [name, heard, heeds] of cases)
    test(name, () => expect(createWatch(watched, 100).handle(heard, 0)).toEqual(heeds))
})

test('half of what the kernel queues in one burst counts as lost events', () => {
  const watch = createWatch(watched, 100)
  const heeds = Array.from({ length: 200 }, () => watch.handle(event('/etc', 'f'), 0)).flat()
  expect(heeds.filter(each => each.kind === 'audit')).toHaveLength(1)
  expect(heeds.filter(each => each.kind === 'look')).toHaveLength(49)
  watch.handle({ kind: 'quiet' }, 0)
  expect(watch.handle(event('/etc', 'f'), 0)).toEqual([{ kind: 'look', ids: ['f'] }])
})

test('a target repaired too often is contested, left alone, and looked at again after the truce', () => {
  const watch = createWatch(watched, 100)
  const repair = (nowMs: number) => watch.handle({ kind: 'repaired', path: '/etc/f' }, nowMs)
  for (let count = 0; count < burstMax; count++) expect(repair(0)).toEqual([])
  expect(repair(0)[0]).toEqual({ kind: 'contested', path: '/etc/f', untilMs: truceMs })
  expect(watch.handle(event('/etc', 'f'), truceMs - 1)).toEqual([])
  expect(watch.contested(truceMs - 1)).toEqual(['/etc/f'])
  expect(watch.handle({ kind: 'tick' }, truceMs)).toEqual([{ kind: 'look', ids: ['f'] }])
  expect(watch.handle(event('/etc', 'f'), truceMs)).toEqual([{ kind: 'look', ids: ['f'] }])
})

test('repairs far enough apart are never contested', () => {
  const watch = createWatch(watched, 100)
  for (let count = 0; count < 100; count++)
    expect(watch.handle({ kind: 'repaired', path: '/etc/f' }, count * earnMs)).toEqual([])
})
