// Everything that may go wrong on a machine has a name and an outcome, and the old state stands. File systems that are
// full, read-only or mounted are in linux.test.ts, crashes in crash.test.ts.
import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { expect, test } from 'vitest'
import { StepError } from '../../../node/host/errors.ts'
import type { Step } from '../../../node/host/steps/step.ts'
import type { System } from '../../../node/host/system.ts'
import { about, copy, type Ground, ground, mkdir, payloads, run, step } from './ground.ts'
import { type Fake, fakeProviders } from './providers.ts'

const pack = (name: string) => step('PACKAGE', [name])
const service = (...words: string[]) =>
  step('SERVICE', ['daemon.service'], Object.fromEntries(words.map(each => [each, ''])))
const check = (command: string) => step('CHECK', ['command', command], { within: '1s' })

interface World {
  readonly here: Ground
  readonly fake: Fake
}

interface Case {
  readonly code: string
  /** `wait`: nothing was touched; `failed`: taken back. */
  readonly kind: 'wait' | 'failed'
  readonly steps: readonly Step[]
  readonly before?: (world: World) => void
  /** Once everything is staged, just before the first act. */
  readonly meanwhile?: (world: World) => void
  readonly dirty?: readonly string[]
  /** What cannot be as it was. */
  readonly but?: RegExp
  readonly after?: (world: World) => void
}

const held = [mkdir('/etc/m'), mkdir('/etc/m/d'), copy('/etc/m/d/held', 'held')]
const first = copy('/etc/first', 'first')

const cases: Record<string, Case> = {
  'a directory where a file should be': { code: 'WRONG_TYPE', kind: 'wait', steps: [copy('/etc/dir', 'x')] },
  'a package lock that another holds': {
    code: 'PACKAGE_LOCKED',
    kind: 'wait',
    steps: [first, pack('daemon')],
    before: ({ fake }) =>
      fake.fails.set('package prepare', new StepError('PACKAGE_LOCKED', undefined, 'apt')),
  },
  'a transaction that breaks off': {
    code: 'IO_FAILED',
    kind: 'failed',
    steps: [first, pack('daemon'), copy('/etc/second', 'x')],
    before: ({ fake }) => fake.late.set('package change', new StepError('IO_FAILED', undefined, 'dpkg')),
  },
  'a unit that fails to start': {
    code: 'UNIT_FAILED',
    kind: 'failed',
    steps: [first, pack('daemon'), service('stopped'), copy('/etc/second', 'x')],
    before: ({ fake }) =>
      fake.fails.set('unit change', new StepError('UNIT_FAILED', 'unit:daemon.service', 'exit 1')),
  },
  'a check that does not come true': { code: 'CHECK_FAILED', kind: 'failed', steps: [first, check('false')] },
  'a hung command': {
    code: 'COMMAND_TIMEOUT',
    kind: 'failed',
    steps: [first, run('sleep 100 & sleep 100', { shell: '', timeout: '200ms' })],
  },
  'a hung command in a later leg': {
    code: 'COMMAND_TIMEOUT',
    kind: 'failed',
    steps: [
      first,
      run('touch ran', { undo: 'rm ran' }),
      copy('/etc/x', 'x'),
      run('sleep 100', { timeout: '200ms' }),
    ],
  },
  'an undo that fails': {
    code: 'COMMAND_FAILED',
    kind: 'failed',
    steps: [first, run('touch stays', { undo: 'false' }), run('false')],
    dirty: ['COMMAND_FAILED'],
    but: /^\/stays$/,
  },
  'an undo of a resource that fails': {
    code: 'COMMAND_FAILED',
    kind: 'failed',
    steps: [first, step('GROUP', ['deploy'], { gid: '7' }), run('false')],
    meanwhile: ({ fake }) => {
      const observe = fake.providers.get('group')!
      let calls = 0
      observe.change = (
        change =>
        async (...args: Parameters<typeof change>) => {
          if (calls++ > 0) throw new StepError('IO_FAILED', 'group:deploy', 'groupdel')
          return change(...args)
        }
      )(observe.change)
    },
    dirty: ['IO_FAILED'],
    but: /deploy/,
  },
  'a file that changed between plan and act': {
    code: 'CHANGED_MEANWHILE',
    kind: 'failed',
    steps: [first, copy('/etc/motd', 'new')],
    meanwhile: ({ here }) => fs.writeFileSync(`${here.root}/etc/motd`, 'edited'),
    but: /motd/,
    after: ({ here }) => expect(here.read('/etc/motd')).toBe('edited'),
  },
  'a resource that changed between plan and act': {
    code: 'CHANGED_MEANWHILE',
    kind: 'failed',
    steps: [first, step('GROUP', ['deploy'], { gid: '7' })],
    meanwhile: ({ fake }) => fake.set('group:deploy', { gid: 9 }),
    but: /deploy/,
    after: ({ fake }) => expect(fake.states()['group:deploy']).toEqual({ gid: 9 }),
  },
  'a link swapped in for a managed directory': {
    code: 'SYMLINK_IN_PATH',
    kind: 'failed',
    steps: [first, copy('/etc/m/d/new', 'x')],
    meanwhile: ({ here }) => {
      fs.renameSync(`${here.root}/etc/m/d`, `${here.root}/etc/m/aside`)
      fs.symlinkSync('/victim', `${here.root}/etc/m/d`)
    },
    // Nobody can say what lies behind it now.
    dirty: ['SYMLINK_IN_PATH'],
    but: /^\/etc\/m\//,
    after: ({ here }) => expect(fs.readdirSync(`${here.root}/victim`)).toEqual([]),
  },
}

test('a provider whose tools say what nobody knows breaks its own steps, and nothing else', async () => {
  const here = ground()
  here.fill({ '/etc/': '' })
  const fake = fakeProviders(here.dir, here.root)
  const steps = [first, step('GROUP', ['deploy'], { gid: '7' }), pack('tool')]
  const logs: string[] = []
  const open = () => here.open({ providers: fake.providers, log: line => logs.push(line) })
  let engine = open()
  expect((await engine.run(steps, about('1'), payloads)).notKept).toEqual([])
  const strange = fake.providers.get('package')!
  for (const name of ['observe', 'oneWay', 'recover'] as const)
    strange[name] = async () => {
      throw new TypeError('undefined is not iterable')
    }
  strange.busy = strange.hear = () => {
    throw new TypeError('no')
  }
  fake.set('group:deploy', null)
  const { repaired, notKept } = await engine.audit(payloads)
  expect(repaired.map(({ verb }) => verb)).toEqual(['GROUP'])
  expect(notKept.map(({ reason }) => reason.code)).toEqual(['TOOL_UNEXPECTED'])
  const codes = async () =>
    (await engine.run(steps, about('2'), payloads)).notKept.map(({ reason }) => reason.code)
  expect(await codes()).toEqual(['TOOL_UNEXPECTED'])
  const watch = engine.watch(payloads, () => {})
  expect(watch.deaf().map(({ source }) => source)).toEqual(['package'])
  watch.close()
  // Nor does it keep the agent from starting after a crash.
  engine.close()
  fs.rmSync(`${here.state}/clean`)
  engine = open()
  await engine.recover()
  expect(logs.at(-1)).toContain('could not recover package')
  expect((await engine.plan(steps)).flatMap(({ reason }) => reason?.code ?? [])).toEqual(['TOOL_UNEXPECTED'])
  engine.close()
})

const chattr = process.getuid!() === 0 && spawnSync('chattr', ['-V']).error === undefined
if (chattr)
  cases['an immutable file in a later leg'] = {
    code: 'IMMUTABLE',
    kind: 'failed',
    steps: [first, run('true'), copy('/etc/motd', 'new')],
    before: ({ here }) => execFileSync('chattr', ['+i', `${here.root}/etc/motd`]),
    after: ({ here }) => execFileSync('chattr', ['-i', `${here.root}/etc/motd`]),
  }

for (const [title, each] of Object.entries(cases))
  test(`${title}: ${each.kind}, ${each.code}`, async () => {
    const here = ground()
    here.fill({ '/etc/motd': 'old', '/etc/dir/x': 'x', '/victim/': '' })
    const fake = fakeProviders(here.dir, here.root)
    const world = { here, fake }
    let clock = 0
    let swap: (() => void) | undefined
    const wrap = (machine: System): System => ({
      ...machine,
      append: (path, bytes, durable) => {
        machine.append(path, bytes, durable)
        if (!swap || !Buffer.from(bytes).includes('"kind":"staged"')) return
        swap()
        swap = undefined
      },
    })
    const engine = here.open({
      providers: fake.providers,
      wrap,
      timing: { now: () => clock, wait: async ms => void (clock += ms) },
    })
    expect((await engine.run(held, about('1'), payloads)).kind).toBe('applied')
    each.before?.(world)
    swap = each.meanwhile && (() => each.meanwhile?.(world))
    const seen = () => {
      const rest = { ...here.walk(), ...fake.states() }
      return Object.fromEntries(Object.entries(rest).filter(([key]) => !each.but?.test(key)))
    }
    const before = seen()
    const outcome = await engine.run([...held, ...each.steps], about('2'), payloads)
    const codes = outcome.notKept.map(({ reason }) => reason.code)
    expect([outcome.kind, codes]).toEqual([each.kind, expect.arrayContaining([each.code])])
    fake.fails.clear()
    each.after?.(world)
    expect(seen()).toEqual(before)
    expect(engine.inForce()?.about.id).toBe('1')
    expect(engine.dirty().map(({ code }) => code)).toEqual(each.dirty ?? [])
    expect(fs.readdirSync(`${here.root}/etc`).filter(name => name.startsWith('.fleet'))).toEqual([])
    engine.close()
  })
