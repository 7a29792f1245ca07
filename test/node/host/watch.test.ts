import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  auditInMs,
  backoffMaxMs,
  backoffMinMs,
  burstMax,
  busyMs,
  createWatch,
  deafAuditMs,
  earnMs,
  type Heard,
  type Heed,
  type Looked,
  truceMs,
  type Watched,
} from '../../../node/host/watch.ts'

const on = (id: string, paths: string[], more: Partial<Watched> = {}): Watched => ({
  id,
  paths,
  inside: [],
  resources: [],
  ...more,
})
const watched = [
  on('f', ['/etc/f']),
  on('line', ['/etc/f']),
  on('d', ['/etc/d'], { inside: ['/etc/d'] }),
  on('x', ['/etc/d/x']),
  on('two', ['/opt/a', '/srv/b']),
  on('web', [], { resources: ['unit:web.service'] }),
  on('db', [], { resources: ['unit:db.service', 'user:db'] }),
]
const event = (directory: string, name?: string): Heard => ({ kind: 'event', directory, name })
const look = (...ids: string[]): Heed => ({ kind: 'look', ids })
const looked = (what: Partial<Looked>): Heard => {
  const { repaired = [], failed = [], waiting = [] } = what
  const ids = what.ids ?? [...repaired, ...failed, ...waiting]
  return { kind: 'looked', looked: { ids, repaired, failed, waiting } }
}
const tick: Heard = { kind: 'tick', busy: false }

test('what failed is tried at once when what it needs is repaired', () => {
  const watch = createWatch(
    [
      on('user', [], { resources: ['user:a', 'group:a'] }),
      on('group', [], { resources: ['group:a'] }),
      on('dir', ['/srv/d']),
      on('file', ['/srv/d/f']),
    ],
    100,
  )
  const until = (heeds: readonly Heed[]) => heeds.flatMap(each => (each.kind === 'wake' ? [each.atMs] : []))
  expect(until(watch.handle(looked({ failed: ['user', 'file'] }), 0))).toEqual([backoffMinMs, backoffMinMs])
  expect(watch.handle(looked({ repaired: ['group'] }), 1)).toEqual([look('user')])
  expect(watch.handle(looked({ repaired: ['dir'] }), 1)).toContainEqual(look('file'))
  // In vain: no faster than before.
  expect(until(watch.handle(looked({ failed: ['user'] }), 2))).toEqual([2 + 2 * backoffMinMs])
  expect(watch.handle({ kind: 'resource', of: 'user', name: 'a' }, 3)).toEqual([])
})

describe('what is heard and what is looked at', () => {
  const cases: [string, Heard, Heed[]][] = [
    ['a target of two steps', event('/etc', 'f'), [look('f', 'line')]],
    ['a stranger', event('/etc', 'other'), []],
    ['a stranger in an exclusive directory', event('/etc/d', 'other'), [look('d')]],
    ['a target in an exclusive directory', event('/etc/d', 'x'), [look('x', 'd')]],
    ['the second path of a step', event('/srv', 'b'), [look('two')]],
    [
      'a directory that is listened to: made again, with what is in it',
      event('/etc', 'd'),
      [{ kind: 'rewatch', directory: '/etc/d' }, look('d', 'x')],
    ],
    [
      'a directory that nobody declared, itself',
      event('/srv', 'srv'),
      [{ kind: 'rewatch', directory: '/srv' }, look('two')],
    ],
    ['a resource', { kind: 'resource', of: 'unit', name: 'web.service' }, [look('web')]],
    ['a kind', { kind: 'resource', of: 'unit', name: undefined }, [look('web', 'db')]],
    ['a resource of nobody', { kind: 'resource', of: 'unit', name: 'other.service' }, []],
    ['a kind of nobody', { kind: 'resource', of: 'package', name: undefined }, []],
  ]
  for (const [name, heard, heeds] of cases)
    test(name, () => expect(createWatch(watched, 100).handle(heard, 0)).toEqual(heeds))

  test('directories and kinds to listen to', () => {
    const { directories, kinds } = createWatch(watched, 100)
    expect([...directories].sort()).toEqual(['/etc', '/etc/d', '/opt', '/srv'])
    expect([...kinds].sort()).toEqual(['unit', 'user'])
  })
})

describe('half of what the kernel queues counts as lost events', () => {
  test('in one burst: one audit, and no looks until it is done', () => {
    const watch = createWatch(watched, 100)
    const heeds = Array.from({ length: 200 }, () => watch.handle(event('/etc', 'f'), 0)).flat()
    expect(heeds.filter(each => each.kind === 'audit')).toHaveLength(1)
    expect(heeds.filter(each => each.kind === 'look')).toHaveLength(49)
    watch.handle({ kind: 'quiet' }, 0)
    expect(watch.handle(event('/etc', 'f'), 0)).toEqual([look('f', 'line')])
  })

  test('a trickle of events about strangers is no burst', () => {
    const watch = createWatch(watched, 100)
    for (let at = 0; at < 500; at++) expect(watch.handle(event('/etc', 'log'), at * 100)).toEqual([])
  })
})

describe('a subject repaired too often', () => {
  for (const [ids, subject] of [
    [['f'], '/etc/f'],
    [['line', 'f'], '/etc/f'],
    [['web'], 'unit:web.service'],
  ] as const)
    test(`is contested, left alone, and looked at after the truce: ${ids}`, () => {
      const watch = createWatch(watched, 100)
      const repair = (nowMs: number) => watch.handle(looked({ repaired: ids }), nowMs)
      for (let count = 0; count < burstMax; count++) expect(repair(0)).toEqual([])
      expect(repair(0)[0]).toEqual({ kind: 'contested', subject, untilMs: truceMs })
      expect(watch.handle(event('/etc', 'f'), truceMs - 1).length).toBe(ids[0] === 'web' ? 1 : 0)
      expect(watch.contested(truceMs - 1)).toEqual([subject])
      const all = ids[0] === 'web' ? ['web'] : ['f', 'line']
      expect(watch.handle(tick, truceMs)).toEqual([look(...all)])
    })

  test('far enough apart is never contested', () => {
    const watch = createWatch(watched, 100)
    for (let count = 0; count < 100; count++)
      expect(watch.handle(looked({ repaired: ['f'] }), count * earnMs)).toEqual([])
  })
})

describe('a repair that fails', () => {
  const fails = (watch: ReturnType<typeof createWatch>, nowMs: number) =>
    watch.handle(looked({ failed: ['x'] }), nowMs)

  test('is tried again after a second, then ever more seldom, and no event hurries it', () => {
    const watch = createWatch(watched, 100)
    let nowMs = 0
    for (const waitMs of [
      1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000,
    ]) {
      expect(fails(watch, nowMs)).toEqual([{ kind: 'wake', atMs: nowMs + waitMs }])
      expect(watch.handle(event('/etc/d', 'x'), nowMs + waitMs - 1)).toEqual([look('d')])
      nowMs += waitMs
      expect(watch.handle(tick, nowMs)).toEqual([look('x')])
    }
    expect(nowMs).toBeGreaterThan(backoffMaxMs)
  })

  test('is forgotten once it is as declared', () => {
    const watch = createWatch(watched, 100)
    fails(watch, 0)
    fails(watch, 1000)
    watch.handle(looked({ ids: ['x'] }), 3000)
    expect(watch.handle(tick, 3000)).toEqual([])
    expect(fails(watch, 3000)).toEqual([{ kind: 'wake', atMs: 3000 + backoffMinMs }])
  })
})

describe('while a package manager is at work', () => {
  test('what waits is asked about every second and looked at when it is over', () => {
    const watch = createWatch(watched, 100)
    expect(watch.handle(looked({ waiting: ['web', 'f'] }), 0)).toEqual([{ kind: 'wake', atMs: busyMs }])
    expect(watch.handle(looked({ waiting: ['x'] }), 10)).toEqual([])
    expect(watch.handle({ kind: 'tick', busy: true }, busyMs)).toEqual([{ kind: 'wake', atMs: 2 * busyMs }])
    expect(watch.handle({ kind: 'tick', busy: false }, 2 * busyMs)).toEqual([look('web', 'f', 'x')])
    expect(watch.handle({ kind: 'tick', busy: false }, 3 * busyMs)).toEqual([])
  })

  test('a new version beside a target is adopted when it is over, before anything is looked at', () => {
    const watch = createWatch(watched, 100)
    expect(watch.handle(event('/etc/d', 'x.dpkg-dist'), 0)).toEqual([
      { kind: 'wake', atMs: busyMs },
      look('d'),
    ])
    expect(watch.handle(event('/etc', 'stranger.dpkg-dist'), 0)).toEqual([])
    watch.handle(looked({ waiting: ['d'] }), 0)
    expect(watch.handle({ kind: 'tick', busy: true }, busyMs)).toEqual([{ kind: 'wake', atMs: 2 * busyMs }])
    expect(watch.handle({ kind: 'tick', busy: false }, 2 * busyMs)).toEqual([
      { kind: 'adopt', paths: ['/etc/d/x'] },
      look('d'),
    ])
  })
})

describe('the next audit', () => {
  const hour = 3_600_000
  test.each([
    ['hourly', hour, false, [], 0.5, hour],
    ['jittered', hour, false, [], 0, 0.8 * hour],
    ['sooner while something cannot be listened to', hour, true, [], 0.5, deafAuditMs],
    ['which never makes it seldomer', 60_000, true, [], 0.5, 60_000],
    ['when a pause ends', hour, false, [5000, 9000], 0.5, 4001],
    ['at once when it has ended', hour, false, [10], 0.5, 1],
  ])('%s', (_, auditMs, deaf, pausesMs, random, inMs) =>
    expect(auditInMs(auditMs, deaf, pausesMs, 1000, random)).toBe(inMs),
  )
})

const seed = Number(process.env['FLEET_SEED'] ?? Date.now() % 2 ** 31)

test(`whatever happens, what drifted is looked at until it is right, or contested (FLEET_SEED=${seed})`, () => {
  const heard: Heard[] = [
    event('/etc', 'f'),
    event('/etc/d', 'x'),
    event('/etc/d', 'stranger'),
    event('/srv', 'b'),
    { kind: 'resource', of: 'unit', name: 'web.service' },
    { kind: 'resource', of: 'user', name: undefined },
  ]
  /** What drifts with each of them. */
  const drifting = [['f', 'line'], ['x'], ['d'], ['two'], ['web'], ['db']]
  const happens = fc.record({
    what: fc.nat(heard.length - 1),
    afterMs: fc.integer({ min: 0, max: 5000 }),
    // What comes of the looks that follow: fine, repaired, failed, waiting.
    looks: fc.array(fc.nat(3), { maxLength: 4 }),
    busy: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(happens, { maxLength: 60 }), story => {
      const watch = createWatch(watched, 40)
      const drifted = new Set<string>()
      const wakes: number[] = []
      let fates: number[] = []
      let nowMs = 0
      const hear = (what: Heard): void => {
        for (const heed of watch.handle(what, nowMs)) {
          if (heed.kind === 'wake') wakes.push(heed.atMs)
          if (heed.kind === 'look') lookAt(heed.ids)
          if (heed.kind === 'audit') {
            lookAt(watched.map(each => each.id))
            hear({ kind: 'quiet' })
          }
        }
      }
      const lookAt = (ids: readonly string[]) => {
        const outcome = { repaired: [] as string[], failed: [] as string[], waiting: [] as string[] }
        const contested = watch.contested(nowMs)
        for (const id of ids) {
          const each = watched.find(one => one.id === id)!
          if (!drifted.has(id) || contested.includes(each.paths[0] ?? each.resources[0]!)) continue
          const fate = (['right', 'repaired', 'failed', 'waiting'] as const)[fates.shift() ?? 1]!
          if (fate !== 'right') outcome[fate].push(id)
          if (fate === 'right' || fate === 'repaired') drifted.delete(id)
        }
        hear(looked({ ids, ...outcome }))
      }
      const sleep = (untilMs: number, busy: boolean) => {
        for (;;) {
          wakes.sort((a, b) => a - b)
          if (wakes[0] === undefined || wakes[0] > untilMs) break
          nowMs = Math.max(nowMs, wakes.shift()!)
          hear({ kind: 'tick', busy })
        }
        nowMs = Math.max(nowMs, untilMs)
      }
      for (const { what, afterMs, looks, busy } of story) {
        sleep(nowMs + afterMs, busy)
        fates = looks
        for (const id of drifting[what]!) drifted.add(id)
        hear(heard[what]!)
      }
      fates = []
      sleep(nowMs + truceMs + backoffMaxMs + 2 * busyMs, false)
      expect([...drifted]).toEqual([])
    }),
    { seed, numRuns: 300 },
  )
})
