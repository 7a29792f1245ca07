// Random histories of one machine: releases of random roles, hand edits, failures of providers and commands, kills. When
// everything has left, all is as it was, but for what was listed as left behind.
import { randomInt } from 'node:crypto'
import * as fs from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { StepError } from '../../../node/host/errors.ts'
import type { Engine } from '../../../node/host/main.ts'
import { targetOf } from '../../../node/host/plan.ts'
import type { ResourceId, State } from '../../../node/host/resource.ts'
import type { Step } from '../../../node/host/steps/step.ts'
import type { System } from '../../../node/host/system.ts'
import { about, absent, copy, type Ground, ground, line, link, mkdir, payloads, run, step } from './ground.ts'
import { type Fake, fakeProviders } from './providers.ts'
import { tar } from './tars.ts'

const seed = Number(process.env['FLEET_SEED'] ?? randomInt(2 ** 31))
const runs = Number(process.env['FLEET_RUNS'] ?? 10)

const tree: Record<string, string> = {
  '/etc/motd': 'old motd\n',
  '/etc/conf': '#Root yes\nother\nRoot maybe\nlast',
  '/etc/alias': '-> motd',
  '/etc/moded': 'x',
  '/etc/excl/one': '1',
  '/etc/excl/sub/two': '2',
  '/etc/gone/a': 'a',
  '/etc/single': 's',
  '/etc/sysctl.d/': '',
  '/opt/': '',
}

const archive = (version: string) =>
  new TextDecoder().decode(tar({ name: 'bin', content: version }, { name: 'dir/more', content: version }))

/** Parts of roles; `v` is 1 or 2. In a role they keep this order. */
const parts: readonly ((v: string) => readonly Step[])[] = [
  v => [
    mkdir('/srv'),
    mkdir('/srv/app', { mode: v === '1' ? '0750' : '0755' }),
    copy('/srv/app/f', `f ${v}`),
    copy(`/srv/app/g${v}`, 'g'),
  ],
  v => [copy('/etc/motd', `motd ${v}\n`, { mode: v === '1' ? '0600' : '0644' })],
  v => [link('/etc/alias', v === '1' ? 'conf' : 'hosts')],
  v => [line('/etc/conf', `Root ${v}`, '^#?Root')],
  () => [line('/etc/conf', 'appended')],
  v => [v === '1' ? absent('/etc/single') : copy('/etc/single', 'mine')],
  () => [absent('/etc/gone')],
  v => [mkdir('/etc/excl', { exclusive: '' }), copy('/etc/excl/three', v)],
  v => [step('MODE', ['/etc/moded'], { mode: v === '1' ? '0600' : '0640' })],
  v => [
    step('GROUP', ['deploy'], { gid: v === '1' ? '2001' : '2002' }),
    step('USER', ['deploy'], { uid: '2001', group: 'deploy', shell: v === '1' ? '/bin/sh' : '/bin/bash' }),
  ],
  v => [step('SYSCTL', ['vm.swappiness', `${v}0`])],
  () => [step('PACKAGE', ['tool'])],
  v => [
    step('PACKAGE', ['daemon']),
    step('SERVICE', ['daemon.service'], v === '1' ? { stopped: '' } : { running: '', enabled: '' }),
    copy('/usr/lib/with-daemon', v),
  ],
  v => [
    step('PACKAGE', ['web']),
    step('SERVICE', ['web.service'], v === '1' ? { disabled: '' } : { running: '' }),
  ],
  v => [step('UNPACK', ['files/app.tar', '/opt'], { version: v }, archive(v))],
  () => [run('touch ran', { undo: 'rm -f ran' })],
  () => [run('touch reloaded', { on: '/etc/motd', undo: 'rm -f reloaded' })],
]

const role = fc.array(fc.constantFrom('', '1', '2'), { minLength: parts.length, maxLength: parts.length })
const stepsOf = (choice: readonly string[]) => choice.flatMap((v, at) => (v === '' ? [] : parts[at]!(v)))

/** What goes wrong while something is done: at the n-th call that changes something, or as a provider or command says. */
const mishap = fc.option(
  fc.oneof(
    fc.record({ kind: fc.constant('kill' as const), at: fc.nat(150) }),
    fc.record({
      kind: fc.constant('fail' as const),
      of: fc.constantFrom('group', 'user', 'package', 'unit', 'sysctl'),
      late: fc.boolean(),
    }),
    fc.constant({ kind: 'command' as const }),
  ),
  { nil: undefined },
)
type Mishap = typeof mishap extends fc.Arbitrary<infer T> ? T : never

const happening = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('release' as const), role: fc.nat(2), mishap }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('drift' as const), of: fc.nat(100), how: fc.nat(4) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('audit' as const), mishap }) },
)

class Killed extends Error {}

const changing: ReadonlySet<string> = new Set([
  ...[
    'create',
    'mkdir',
    'symlink',
    'chmod',
    'chown',
    'rename',
    'link',
    'unlink',
    'rmdir',
    'copy',
    'removeTree',
  ],
  ...['carry', 'flush', 'append', 'replace', 'truncate', 'run', 'unpack'],
])

/** A machine whose process is killed now and then: from then on nothing is done any more until it starts again. */
class World {
  readonly here: Ground = ground()
  readonly fake: Fake = fakeProviders(this.here.dir, this.here.root, () => this.#touch())
  engine!: Engine
  #left = Number.POSITIVE_INFINITY

  constructor() {
    this.here.fill(tree)
    this.fake.set('sysctl:vm.swappiness', { value: '60' })
  }
  #touch() {
    if (this.#left-- <= 0) throw new Killed('killed')
  }
  get dead() {
    return this.#left < 0
  }
  killAt(calls: number) {
    this.#left = calls
  }
  async start() {
    this.#left = Number.POSITIVE_INFINITY
    const wrap = (machine: System) =>
      new Proxy(machine, {
        get: (target, name) => {
          const value = Reflect.get(target, name)
          if (!changing.has(String(name))) return value
          return (...args: unknown[]) => {
            this.#touch()
            return value(...args)
          }
        },
      })
    this.engine = this.here.open({ providers: this.fake.providers, wrap })
    return await this.engine.recover()
  }
  /** Its lock dies with a process. */
  bury() {
    fs.rmSync(`${this.here.state}/lock`)
  }
  seen() {
    return { ...this.here.walk(), ...this.fake.states() }
  }
}

/** What somebody does by hand to a target or resource of a step; answers what stays of it for ever. */
async function edit({ here, fake }: World, of: Step, how: number): Promise<readonly string[]> {
  const target = targetOf(of)
  const set = (id: ResourceId, state: State | null) => fake.set(id, state)
  switch (of.verb) {
    case 'GROUP':
      if (how % 2) set('group:deploy', { gid: 2009 })
      return []
    case 'USER': {
      const now = fake.states()['user:deploy']
      set('user:deploy', how % 2 && now ? ({ ...now, shell: '/bin/csh' } as State) : null)
      return []
    }
    case 'SYSCTL':
      set('sysctl:vm.swappiness', { value: '99' })
      return []
    case 'PACKAGE': {
      const id: ResourceId = `package:${of.args[0]}`
      const from = fake.states()[id]
      if (!from) return []
      return (await fake.providers.get('package')!.change([{ id, from, to: null }])).leftBehind
    }
    case 'SERVICE': {
      const id: ResourceId = `unit:${of.args[0]}`
      const now = fake.states()[id]
      const touched = of.options['stopped'] !== undefined || of.options['running'] !== undefined
      if (now && touched) set(id, { ...now, running: !('running' in now && now.running) } as State)
      return []
    }
  }
  if (target === undefined || of.verb === 'LINE') return []
  const real = here.root + target
  const stat = fs.lstatSync(real, { throwIfNoEntry: false })
  if (of.verb === 'MODE') fs.chmodSync(real, 0o666)
  else if (of.verb === 'UNPACK') {
    const inside = `${here.root}/opt/${of.options['version']}`
    if (!fs.existsSync(`${inside}/bin`)) return []
    if (how % 2) fs.writeFileSync(`${inside}/new`, 'mine')
    else fs.rmSync(`${inside}/bin`)
  } else if (stat?.isDirectory()) {
    // In a directory that is not exclusive somebody's file stays.
    if (how % 2) fs.writeFileSync(`${real}/foreign${how}`, 'mine')
    // A mode that was right before is nobody's original: if it is edited just before the step leaves, the edit stays.
    else if (target.startsWith('/srv')) fs.chmodSync(real, 0o701)
  } else if (how === 0) fs.rmSync(real, { force: true })
  else if (how === 1 && stat?.isFile()) fs.chmodSync(real, 0o611)
  else if (how === 2) {
    fs.rmSync(real, { force: true })
    fs.symlinkSync('/nowhere', real)
  } else if (fs.existsSync(`${real}/..`) || stat?.isFile()) {
    fs.rmSync(real, { force: true })
    fs.writeFileSync(real, 'mine')
  }
  return []
}

test(`whatever happens, nothing stays but what is left behind (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(role, role),
      fc.array(happening, { minLength: 2, maxLength: 10 }),
      async ([a, b], history) => {
        const world = new World()
        const before = world.seen()
        const left = new Set<string>()
        const leave = (paths: readonly string[]) => {
          for (const path of paths) left.add(path)
        }
        const roles = [stepsOf(a), stepsOf(b), []]
        await world.start()
        /** Does it with a mishap, and starts again if that was fatal. */
        const during = async (what: Mishap, action: () => Promise<unknown>) => {
          if (what?.kind === 'kill') world.killAt(what.at)
          if (what?.kind === 'fail') {
            const error = new StepError('IO_FAILED', undefined, 'so it was drawn')
            ;(what.late ? world.fake.late : world.fake.fails).set(
              `${what.of} ${what.late ? 'change' : 'prepare'}`,
              error,
            )
          }
          const broken = await action().then(
            () => undefined,
            error => error,
          )
          world.fake.fails.clear()
          world.fake.late.clear()
          if (world.dead) {
            world.bury()
            const { dirty, leftBehind } = await world.start()
            leave(leftBehind)
            expect(dirty).toEqual([])
          } else if (broken) throw broken
          else world.killAt(Number.POSITIVE_INFINITY)
          expect(world.engine.dirty()).toEqual([])
        }
        const release = async (steps: readonly Step[], id: string) => {
          const outcome = await world.engine.run(steps, about(id), payloads)
          leave(outcome.leftBehind)
          return outcome
        }
        for (const each of history)
          switch (each.kind) {
            case 'release': {
              const { mishap } = each
              const steps = roles[each.role]!
              const all = mishap?.kind === 'command' ? [...steps, run('false')] : steps
              await during(mishap, () => release(all, String(each.role)))
              break
            }
            case 'audit':
              await during(each.mishap, () => world.engine.audit(payloads))
              break
            case 'drift': {
              const steps = world.engine.inForce()?.steps ?? []
              const of = steps[each.of % Math.max(1, steps.length)]
              if (of) leave(await edit(world, of, each.how))
            }
          }
        // Once nothing goes wrong any more, a role comes into force, and stays as it is.
        for (const id of ['0', '1']) {
          expect((await release(roles[Number(id)]!, id)).notKept).toEqual([])
          expect((await release(roles[Number(id)]!, id)).kind).toBe('unchanged')
        }
        expect((await release([], 'none')).notKept).toEqual([])
        const rest = ([path]: [string, unknown]) =>
          ![...left].some(each => path.startsWith(each) || each.startsWith(path.replace(/\/$/, '')))
        const after = world.seen()
        expect(Object.fromEntries(Object.entries(after).filter(rest))).toEqual(
          Object.fromEntries(Object.entries(before).filter(rest)),
        )
        expect(fs.readdirSync(`${world.here.state}/saved`)).toEqual([])
        world.engine.close()
        fs.rmSync(world.here.dir, { recursive: true })
      },
    ),
    { seed, numRuns: runs },
  )
}, 120_000)
