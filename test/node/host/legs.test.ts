// Resources beside files, and runs of several legs: planned again where nobody could see through, in force or taken back
// as a whole.
import { describe, expect, test } from 'vitest'
import { StepError } from '../../../node/host/errors.ts'
import type { EngineOptions } from '../../../node/host/main.ts'
import type { ResourceId } from '../../../node/host/resource.ts'
import { about, copy, type Ground, ground, line, link, mkdir, payloads, run, step } from './ground.ts'
import { type Fake, fakeProviders, providerSuite } from './providers.ts'

const group = (name: string, gid: number) => step('GROUP', [name], { gid: String(gid) })
const user = (name: string, options = {}) =>
  step('USER', [name], { uid: '2001', group: 'deploy', ...options })
const service = (unit: string, ...options: string[]) =>
  step('SERVICE', [unit], Object.fromEntries(options.map(each => [each, ''])))
const sysctl = (name: string, value: string) => step('SYSCTL', [name, value])
const pack = (name: string, options = {}) => step('PACKAGE', [name], options)
const check = (...command: string[]) => step('CHECK', ['command', ...command], { within: '10s' })

interface Bed {
  readonly here: Ground
  readonly fake: Fake
  open(options?: Partial<EngineOptions>): ReturnType<Ground['open']>
}

function bed(): Bed {
  const here = ground()
  here.fill({ '/etc/': '', '/etc/sysctl.d/': '' })
  const fake = fakeProviders(here.dir, here.root)
  fake.set('sysctl:net.core.somaxconn', { value: '128' })
  return { here, fake, open: options => here.open({ providers: fake.providers, ...options }) }
}

/** All that can be seen of the machine. */
const all = ({ here, fake }: Bed) => ({ files: here.walk(), states: fake.states() })

describe('the providers of the tests', () => {
  const fake = () => {
    const here = ground()
    return fakeProviders(here.dir, here.root).providers
  }
  const gone = { version: '1', held: false, automatic: false }
  providerSuite('group', () => fake().get('group')!, 'deploy', { gid: 7 }, { gid: 8 })
  providerSuite('package', () => fake().get('package')!, 'tool', gone, { ...gone, held: true })
})

test('a role in several legs comes into force, is kept, and goes without a trace', async () => {
  const at = bed()
  const before = all(at)
  const engine = at.open()
  const steps = [
    group('deploy', 2001),
    user('deploy'),
    sysctl('net.core.somaxconn', '4096'),
    pack('web'),
    pack('tool'),
    copy('/etc/web/site', 'ours'),
    service('web.service', 'running', 'enabled'),
    run('touch ran', { undo: 'rm -f ran' }),
    check('true'),
  ]
  const planned = await engine.plan(steps)
  expect(planned.filter(each => each.tentative).length).toBeGreaterThan(2)
  expect(planned.filter(each => each.reason && !each.tentative)).toEqual([])
  const outcome = await engine.run(steps, about('1'), payloads)
  expect(outcome.notKept).toEqual([])
  expect(outcome.kind).toBe('applied')
  expect(at.fake.calls.filter(each => each.startsWith('package change'))).toEqual(['package change web tool'])
  expect(at.fake.states()).toMatchObject({
    'group:deploy': { gid: 2001 },
    'user:deploy': { uid: 2001 },
    'package:libtls': { automatic: true },
    'sysctl:net.core.somaxconn': { value: '4096' },
  })
  expect((await engine.run(steps, about('1'), payloads)).kind).toBe('unchanged')

  const undone = await engine.run([], about('0'), payloads)
  expect(undone.notKept).toEqual([])
  expect(undone.leftBehind).toEqual(['/etc/web/web.conf'])
  const { '/etc/web/': _, '/etc/web/web.conf': __, ...files } = at.here.walk()
  expect({ files, states: at.fake.states() }).toEqual(before)
  expect(engine.drift.list()).toEqual([])
  engine.close()
})

test('what came along goes when nothing needs it any more', async () => {
  const at = bed()
  const engine = at.open()
  await engine.run([pack('web'), pack('tool')], about('1'), payloads)
  await engine.run([pack('tool')], about('2'), payloads)
  expect(Object.keys(at.fake.states())).toEqual(expect.arrayContaining(['package:tool', 'package:libtls']))
  expect(at.fake.states()).not.toHaveProperty('package:web-common')
  await engine.run([], about('3'), payloads)
  expect(Object.keys(at.fake.states()).filter(id => id.startsWith('package:'))).toEqual([])
  engine.close()
})

describe('a run that fails in a later leg is taken back, all of it', () => {
  const steps = [
    group('deploy', 2001),
    pack('web'),
    copy('/etc/web/site', 'ours'),
    service('web.service', 'stopped'),
    copy('/etc/last', 'last'),
  ]
  const ways: [string, string, (at: Bed) => readonly (typeof steps)[number][]][] = [
    [
      'a unit that does not start',
      'UNIT_FAILED',
      at => {
        at.fake.fails.set('unit change', new StepError('UNIT_FAILED', 'unit:web.service', 'exit 1'))
        return steps
      },
    ],
    ['a validator', 'INVALID', () => [...steps, copy('/etc/bad', 'bad', { validate: 'false %s' })]],
    ['a directory that is missing', 'NO_PARENT', () => [...steps, copy('/no/such', 'x')]],
    ['a command', 'COMMAND_FAILED', () => [...steps, run('false')]],
    ['a check', 'CHECK_FAILED', () => [...steps, check('false')]],
    [
      'a package half way',
      'IO_FAILED',
      at => {
        at.fake.late.set('package change', new StepError('IO_FAILED', undefined, 'dpkg'))
        return [...steps, pack('tool')]
      },
    ],
  ]
  for (const [title, code, prepare] of ways)
    test(title, async () => {
      const at = bed()
      const before = all(at)
      const waits: number[] = []
      let clock = 0
      const timing = {
        now: () => clock,
        wait: async (ms: number) => {
          waits.push(ms)
          clock += ms
        },
      }
      const engine = at.open({ timing })
      const outcome = await engine.run(prepare(at), about('1'), payloads)
      at.fake.fails.clear()
      at.fake.late.clear()
      expect(outcome.kind).toBe('failed')
      expect(outcome.notKept.map(each => each.reason.code)).toContain(code)
      const { '/etc/web/': _, '/etc/web/web.conf': __, ...files } = at.here.walk()
      expect({ files, states: at.fake.states() }).toEqual(before)
      expect(outcome.dirty).toEqual([])
      expect(engine.inForce()).toBe(undefined)
      if (code === 'CHECK_FAILED') expect(waits).toEqual([100, 200, 400, 800, 1600, 2000, 2000, 2000, 900])
      engine.close()
    })
})

test('what a provider cannot prepare makes the run wait, and nothing is touched', async () => {
  const at = bed()
  const before = all(at)
  at.fake.fails.set('package prepare', new StepError('PACKAGE_LOCKED', 'package:web', 'held by apt'))
  const engine = at.open()
  const outcome = await engine.run([copy('/etc/x', 'x'), pack('web')], about('1'), payloads)
  expect(outcome.kind).toBe('wait')
  expect(outcome.notKept.map(each => [each.step.id, each.reason.code])).toEqual([
    ['PACKAGE web', 'PACKAGE_LOCKED'],
  ])
  expect(all(at)).toEqual(before)
  engine.close()
})

test('a run that may not act any more once all is prepared waits, and nothing is touched', async () => {
  const at = bed()
  const before = all(at)
  const engine = at.open()
  const told: string[] = []
  const acting = () => told.push('acting')
  const steps = [copy('/etc/x', 'x'), pack('web'), copy('/etc/web/site', 'ours')]
  const shut = () => {
    told.push('asked')
    return 'halted by anna'
  }
  const outcome = await engine.run(steps, about('1'), payloads, { shut, acting })
  expect([outcome.kind, outcome.notKept.map(each => each.reason)]).toEqual([
    'wait',
    [{ code: 'CALLED_OFF', detail: 'halted by anna' }],
  ])
  expect(told).toEqual(['asked'])
  expect(all(at)).toEqual(before)
  expect(engine.inForce()).toBe(undefined)
  // Asked once, before the first leg: what has begun goes on to its end.
  const open = (): undefined => {
    told.push('asked')
  }
  expect((await engine.run(steps, about('1'), payloads, { shut: open, acting })).kind).toBe('applied')
  expect(told).toEqual(['asked', 'asked', 'acting'])
  engine.close()
})

test('content of a later leg that is not here makes the run wait', async () => {
  const at = bed()
  const before = all(at)
  const engine = at.open()
  const missing = {
    ...copy('/etc/web/x', 'x'),
    payload: { path: 'x', sha256: '0'.repeat(64), size: 1, executable: false },
  }
  const outcome = await engine.run([pack('web'), missing], about('1'), payloads)
  expect([outcome.kind, outcome.notKept[0]?.reason.code]).toEqual(['wait', 'PAYLOAD_MISSING'])
  expect(all(at)).toEqual(before)
  engine.close()
})

test('a resource that was edited since is kept in the drift store when its step leaves', async () => {
  const at = bed()
  const engine = at.open()
  await engine.run([group('deploy', 2001), user('deploy')], about('1'), payloads)
  const mine = { ...(at.fake.states()['user:deploy' as ResourceId] as object), shell: '/bin/sh' }
  at.fake.set('user:deploy', mine as never)
  await engine.run([], about('0'), payloads)
  expect(at.fake.states()).not.toHaveProperty('user:deploy')
  expect(engine.drift.list().map(each => each.what)).toEqual(['state'])
  engine.close()
})

test('legs are only as many as needed', async () => {
  const at = bed()
  const legs: number[] = []
  const engine = at.open()
  const plan = async (...steps: Parameters<typeof engine.plan>[0]) => {
    const plans = await engine.plan(steps)
    legs.push(plans.filter(each => each.tentative).length)
  }
  await plan(mkdir('/etc/a'), copy('/etc/a/x', 'x'), line('/etc/y', 'y'), link('/etc/z', 'a'))
  await plan(group('deploy', 2001), sysctl('net.core.somaxconn', '1'), copy('/etc/x', 'x'))
  await plan(copy('/etc/x', 'x'), pack('web'), pack('tool'))
  await plan(run('true'), run('true', { id: 'other' }), check('true'))
  expect(legs).toEqual([0, 0, 0, 0])
  engine.close()
})

test('a check that passes is kept, and one that leaves is not', async () => {
  const engine = bed().open()
  const counts = []
  for (const steps of [[copy('/etc/x', 'x'), check('true')], [copy('/etc/x', 'x')]]) {
    const { kept, repaired } = await engine.run(steps, about('1'), payloads)
    counts.push([kept, repaired].map(each => each.map(({ verb }) => verb)))
  }
  expect(counts).toEqual([
    [['CHECK'], ['COPY']],
    [['COPY'], []],
  ])
  engine.close()
})

test('what came along with a package goes with the last that needs it', async () => {
  const at = bed()
  const before = all(at)
  const engine = at.open()
  const both = [pack('daemon'), pack('tool')]
  for (const [id, steps, left] of [
    ['1', both, []],
    ['2', [pack('tool')], []],
    ['3', [pack('daemon')], []],
    // In one run, but in different legs.
    ['4', [pack('daemon'), copy('/etc/x', 'x'), pack('tool')], []],
    ['5', [], []],
  ] as const) {
    const outcome = await engine.run(steps, about(id), payloads)
    expect([id, outcome.notKept, outcome.leftBehind]).toEqual([id, [], left])
    expect('package:libtls' in at.fake.states()).toBe(steps.length > 0)
  }
  expect(all(at)).toEqual(before)
  engine.close()
})

test('a paused resource is left alone by runs too', async () => {
  const engine = bed().open()
  engine.pause('group:deploy', Date.now() + 60_000, 'hands off')
  const outcome = await engine.run([group('deploy', 7)], about('1'), payloads)
  expect(outcome.notKept.map(({ reason }) => [reason.code, reason.path])).toEqual([
    ['PAUSED', 'group:deploy'],
  ])
  engine.close()
})

test('a start on a full disk takes a run back, and notes that later', async () => {
  const at = bed()
  const before = all(at)
  let full = false
  const wrap: EngineOptions['wrap'] = machine => ({
    ...machine,
    append: (...args) => {
      if (full) throw new StepError('DISK_FULL', 'journal', 'ENOSPC')
      machine.append(...args)
    },
  })
  const engine = at.open()
  let reached = () => {}
  const confirming = new Promise<void>(done => (reached = done))
  const witness = {
    before: async () => ({ token: 1 }),
    confirm: () => {
      reached()
      return new Promise<never>(() => {})
    },
    heard: async () => true,
  }
  const steps = [copy('/etc/x', 'x', { guarded: '' })]
  void engine.run(steps, about('1'), payloads, { witness })
  await confirming
  engine.close()
  const again = at.open({ wrap })
  full = true
  expect(await again.recover()).toMatchObject({ undone: true, dirty: [] })
  expect(all(at)).toEqual(before)
  full = false
  expect((await again.run([], about('0'), payloads)).notKept).toEqual([])
  expect(all(at)).toEqual(before)
  again.close()
})
