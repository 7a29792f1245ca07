// Resources are looked at again when their provider hints, repaired, and left to a package manager that is at work.
import * as fs from 'node:fs'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { WatchEvent, Watcher } from '../../../node/host/driver.ts'
import { StepError } from '../../../node/host/errors.ts'
import { patience, patienceMs } from '../../../node/host/look.ts'
import type { Engine } from '../../../node/host/main.ts'
import {
  type Change,
  type Kind,
  nameOf,
  type Provider,
  type Providers,
  type ResourceId,
  resourceId,
  type State,
} from '../../../node/host/resource.ts'
import { about, copy, type Ground, ground, mkdir, payloads, run, step } from './ground.ts'

/** A kind of resource in memory. What changes it from outside says so, unless it is silent. */
class Fake implements Provider {
  readonly kind: Kind
  readonly spreads = false
  readonly whole = true
  readonly states = new Map<string, State>()
  readonly changes: Change[] = []
  readonly owned = new Set<string>()
  atWork = false
  /** What a change answers with instead of being made. */
  failing: StepError | undefined
  /** What somebody makes of it right after each change. */
  meddle: (() => void) | undefined
  hints = new Set<(name: string | undefined) => void>()
  deafs = new Set<(why: string) => void>()

  constructor(kind: Kind) {
    this.kind = kind
  }
  set(name: string, state: State | null) {
    if (state === null) this.states.delete(name)
    else this.states.set(name, state)
    for (const hint of this.hints) hint(name)
  }
  async observe(names: readonly string[]) {
    const all = new Set([...names, ...this.states.keys()])
    return new Map<ResourceId, State | null>(
      [...all].map(name => [resourceId(this.kind, name), this.states.get(name) ?? null]),
    )
  }
  async prepare() {}
  async change(changes: readonly Change[]) {
    if (this.failing) throw this.failing
    for (const change of changes) {
      this.changes.push(change)
      this.set(nameOf(change.id), change.to)
    }
    this.meddle?.()
    return { leftBehind: [] }
  }
  async oneWay() {
    return new Map()
  }
  async recover() {}
  hear(hint: (name: string | undefined) => void, deaf: (why: string) => void) {
    this.hints.add(hint)
    this.deafs.add(deaf)
    return () => {
      this.hints.delete(hint)
      this.deafs.delete(deaf)
    }
  }
  busy() {
    return this.atWork
  }
  owns(paths: readonly string[]) {
    return new Set(paths.filter(path => this.owned.has(path)))
  }
  close() {}
}

let here: Ground
let engine: Engine
let watch: Watcher
let events: WatchEvent[]
let units: Fake
let packages: Fake

const up = { running: true, enabled: 'enabled' }
const down = { running: false, enabled: 'enabled' }
const installed = { version: '1', held: false, automatic: false }
const service = (options = {}) => step('SERVICE', ['web'], { running: '', ...options })

const begin = async (...steps: Parameters<Engine['run']>[0][number][]) => {
  const outcome = await engine.run([mkdir('/etc'), ...steps], about('1'), payloads)
  expect(outcome.notKept).toEqual([])
  watch = engine.watch(payloads, event => events.push(event))
  await engine.audit(payloads)
  events.length = 0
}
const running = () => (units.states.get('web.service') as { running: boolean }).running
const codes = async () => (await engine.audit(payloads)).notKept.map(({ reason }) => reason.code)

beforeEach(() => {
  here = ground()
  units = new Fake('unit')
  packages = new Fake('package')
  units.states.set('web.service', up)
  packages.states.set('web', installed)
  const providers: Providers = new Map<Kind, Provider>([
    ['unit', units],
    ['package', packages],
  ])
  engine = here.open({ providers })
  events = []
})
afterEach(() => {
  watch.close()
  engine.close()
})

test('a unit that is stopped is started again at its provider’s hint, and how it was is kept', async () => {
  await begin(service())
  units.set('web.service', down)
  await vi.waitFor(() => expect(running()).toBe(true))
  await vi.waitFor(() => expect(events.map(each => each.kind)).toEqual(['looked']))
  const [entry] = engine.drift.list()
  expect(entry).toMatchObject({ path: 'unit:web.service', what: 'state' })
  expect(JSON.parse(new TextDecoder().decode(engine.drift.read(entry!.id)))).toEqual(down)
})

test('what nobody hears an audit finds', async () => {
  await begin(service())
  units.states.set('web.service', down)
  expect((await engine.audit(payloads)).repaired.map(each => each.id)).toEqual(['SERVICE web.service'])
  expect(running()).toBe(true)
})

test('an observed unit is reported and left as it is', async () => {
  await begin(service({ observe: '' }))
  units.set('web.service', down)
  await vi.waitFor(() =>
    expect(JSON.stringify(events)).toContain('found running=false; expected running=true'),
  )
  expect(await codes()).toEqual(['OBSERVED'])
  expect(units.changes).toEqual([])
})

test('a hint while all is well changes nothing', async () => {
  await begin(service())
  units.set('other.service', down)
  for (const hint of units.hints) hint(undefined)
  await engine.audit(payloads)
  expect([units.changes, events]).toEqual([[], []])
})

test('a repair that fails says why, and is tried again', async () => {
  await begin(service())
  units.failing = new StepError('UNIT_FAILED', 'unit:web.service', 'exit 1')
  units.set('web.service', down)
  await vi.waitFor(() => expect(JSON.stringify(events)).toContain('UNIT_FAILED'))
  units.failing = undefined
  await vi.waitFor(() => expect(running()).toBe(true), { timeout: 5000 })
})

test('a repair that does not last is not kept', async () => {
  await begin(service())
  units.meddle = () => void units.states.set('web.service', down)
  units.set('web.service', down)
  await vi.waitFor(() => expect(JSON.stringify(events)).toContain('CHANGED_BACK'))
  expect(await codes()).toEqual(['CHANGED_BACK'])
})

test('somebody who stops it again and again: contested, and left alone', async () => {
  await begin(service())
  for (let round = 0; round < 11; round++) {
    units.set('web.service', down)
    await vi.waitFor(() => expect(running()).toBe(true))
    await engine.audit(payloads)
  }
  expect(events).toContainEqual(expect.objectContaining({ kind: 'contested', subject: 'unit:web.service' }))
  units.set('web.service', down)
  expect(await codes()).toEqual(['CONTESTED'])
  expect(running()).toBe(false)
})

test('a repair of a file pays what is owed for it', async () => {
  const mark = `${here.dir}/mark`
  await begin(copy('/etc/conf', 'declared\n'), run(`touch ${mark}`, { on: '/etc/conf' }))
  fs.rmSync(mark, { force: true })
  fs.writeFileSync(`${here.root}/etc/conf`, 'mine')
  await vi.waitFor(() => expect(fs.existsSync(mark)).toBe(true))
})

test('what is owed for a repair and fails is owed still', async () => {
  const [mark, ok] = [`${here.dir}/mark`, `${here.dir}/ok`]
  fs.writeFileSync(ok, '')
  await begin(
    copy('/etc/conf', 'declared\n'),
    run(`test -e ${ok} && touch ${mark}`, { on: '/etc/conf', shell: '' }),
  )
  for (const path of [ok, mark]) fs.rmSync(path)
  watch.close()
  fs.writeFileSync(`${here.root}/etc/conf`, 'mine')
  expect(await codes()).toEqual(['COMMAND_FAILED'])
  expect(await codes()).toEqual(['COMMAND_FAILED'])
  fs.writeFileSync(ok, '')
  expect([await codes(), fs.existsSync(mark)]).toEqual([[], true])
  fs.rmSync(mark)
  expect([await codes(), fs.existsSync(mark)]).toEqual([[], false])
})

test('a provider that goes deaf is named until it hears again', async () => {
  await begin(service())
  for (const deaf of units.deafs) deaf('the bus is gone')
  expect(watch.deaf()).toEqual([{ source: 'unit', why: 'the bus is gone', remote: false }])
  units.set('web.service', up)
  expect(watch.deaf()).toEqual([])
  expect(events.map(each => each.kind)).toEqual(['deaf', 'hears'])
})

test('a watch that is closed no longer listens', async () => {
  await begin(service())
  watch.close()
  expect([units.hints.size, units.deafs.size]).toEqual([0, 0])
})

test('a check that fails is reported by audits, and nothing else comes of it', async () => {
  await engine.run([mkdir('/etc'), step('CHECK', ['command', 'true'])], about('1'), payloads)
  engine.close()
  engine = here.open({
    providers: new Map(),
    probe: async () => 'found exit 1; expected 0',
  })
  watch = engine.watch(payloads, event => events.push(event))
  const { kept, notKept } = await engine.audit(payloads)
  expect([kept, notKept.map(each => each.reason)]).toEqual([
    1,
    [{ code: 'CHECK_FAILED', detail: 'found exit 1; expected 0' }],
  ])
})

describe('while a package manager is at work', () => {
  beforeEach(async () => {
    await begin(
      service(),
      step('PACKAGE', ['web']),
      mkdir('/etc/own', { exclusive: '' }),
      copy('/etc/conf', 'declared\n'),
      copy('/etc/theirs', 'declared\n'),
    )
    packages.owned.add('/etc/theirs')
    packages.atWork = true
    units.set('web.service', down)
    packages.set('web', null)
    for (const name of ['theirs', 'conf', 'own/web.dpkg-new'])
      fs.writeFileSync(`${here.root}/etc/${name}`, 'x')
  })

  test('packages, units and their files wait, others do not; then all is put right', async () => {
    await vi.waitFor(() => expect(here.read('/etc/conf')).toBe('declared\n'))
    const { waiting } = await engine.audit(payloads)
    expect(waiting).toEqual(['SERVICE web.service', 'PACKAGE web', 'MKDIR /etc/own', 'COPY /etc/theirs'])
    expect([running(), packages.states.size, here.read('/etc/theirs')]).toEqual([false, 0, 'x'])
    packages.atWork = false
    await vi.waitFor(
      () => {
        expect([running(), packages.states.size, here.read('/etc/theirs')]).toEqual([true, 1, 'declared\n'])
        expect(fs.readdirSync(`${here.root}/etc/own`)).toEqual([])
      },
      { timeout: 5000 },
    )
  })
})

test('patience with a package manager ends after half an hour, and begins anew with the next', () => {
  watch = { close: () => {} } as Watcher
  let now = 0
  const waits = patience(new Map([['package', packages]]), () => now)
  const at = (nowMs: number, atWork: boolean) => {
    now = nowMs
    packages.atWork = atWork
    return waits()
  }
  expect([at(0, false), at(5, true), at(4 + patienceMs, true), at(5 + patienceMs, true)]).toEqual([
    false,
    true,
    true,
    false,
  ])
  expect([at(patienceMs + 6, false), at(patienceMs + 7, true)]).toEqual([false, true])
})
