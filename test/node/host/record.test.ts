// What is written down when there is little or nothing new to say.
import * as fs from 'node:fs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { openMachine } from '../../../node/host/linux.ts'
import type { Engine } from '../../../node/host/main.ts'
import { openRecord } from '../../../node/host/record.ts'
import { about, copy, ground, mkdir, payloads } from './ground.ts'

test('a journal that only notes looks stays small, and says the same', () => {
  const here = ground()
  fs.mkdirSync(here.state)
  const machine = openMachine(here.root, here.state)
  const record = openRecord(machine)
  const step = copy('/x', 'x')
  const since = { ...about('1'), atMs: 0 }
  record.note({ kind: 'done', about: about('1'), held: [{ step, originals: [], since }], dirty: [] })
  const seen = Array.from({ length: 3000 }, () => [step.id, null] as const)
  for (let atMs = 1; atMs <= 60; atMs++) {
    record.note({ kind: 'seen', atMs, seen }, false)
    // While a run is open its journal only grows.
    if (atMs === 30) record.note({ kind: 'begin', run: 1, intents: [] })
    if (atMs === 31) record.note({ kind: 'undone', dirty: [] })
    expect(fs.statSync(`${here.state}/journal`).size).toBeLessThan(1.2 * 1024 ** 2)
  }
  machine.close()
  const again = openMachine(here.root, here.state)
  expect(openRecord(again).state()).toEqual(record.state())
  expect(record.state().held[0]).toMatchObject({ seen: null, seenAtMs: 60 })
  again.close()
})

describe('of a run', () => {
  const here = ground()
  let engine: Engine
  afterEach(() => engine.close())

  test('that finds all as it was noted leaves the journal alone', async () => {
    const steps = [mkdir('/d'), copy('/d/a', 'a')]
    const journal = () => fs.readFileSync(`${here.state}/journal`, 'utf8')
    engine = here.open()
    await engine.run(steps, about('1'), payloads)
    // A target that changed a moment before it was looked at is looked at, and noted, once more.
    await vi.waitFor(async () => {
      await engine.run(steps, about('1'), payloads)
      const before = journal()
      await engine.run(steps, about('1'), payloads)
      expect(journal()).toBe(before)
    })
    const settled = journal()
    await engine.run(steps, about('2'), payloads)
    expect(journal()).not.toBe(settled)
    const [first] = steps
    const moved = [{ ...first!, origin: { file: 'other.steps', line: 7, column: 1 } }, steps[1]!]
    const noted = journal()
    await engine.run(moved, about('2'), payloads)
    expect(journal().slice(noted.length)).toContain('other.steps')
    expect(engine.inForce()?.steps[0]?.origin.file).toBe('other.steps')
  })

  test('that only looks again notes how that looked, and nothing else', async () => {
    const steps = [mkdir('/d'), copy('/d/a', 'a'), copy('/d/b', 'b')]
    const journal = () => fs.readFileSync(`${here.state}/journal`, 'utf8')
    engine = here.open()
    await engine.run(steps, about('1'), payloads)
    fs.utimesSync(`${here.root}/d/a`, 1, 1)
    const noted = journal()
    expect((await engine.run(steps, about('1'), payloads)).kind).toBe('unchanged')
    const frames = journal()
      .slice(noted.length)
      .split('\n')
      .filter(line => line.startsWith('{'))
    expect(frames.map(line => JSON.parse(line).kind)).toEqual(['seen'])
    expect(frames[0]).toContain('"COPY /d/a",{"kind":"file"')
    engine.close()
    engine = here.open()
    expect(engine.inForce()?.steps.map(step => step.id)).toEqual(steps.map(step => step.id))
  })
})

describe('what somebody edits while it is looked at is not noted as right', () => {
  /** The first call of `name` for /x is followed by an edit; whatever comes then comes much later. */
  const edited = (here: ReturnType<typeof ground>, name: 'digest' | 'rename') => {
    let [done, late] = [false, 0]
    const edit = () => {
      if (done) return
      done = true
      late = 1000
      fs.writeFileSync(`${here.root}/x`, 'y')
    }
    return here.open({
      now: () => Date.now() + late,
      wrap: machine => ({
        ...machine,
        digest: path => {
          const found = machine.digest(path)
          if (name === 'digest' && path === '/x') edit()
          return found
        },
        rename: (from, to) => {
          machine.rename(from, to)
          if (name === 'rename' && to === '/x') edit()
        },
      }),
    })
  }
  const audited = async (engine: Engine, here: ReturnType<typeof ground>) => {
    await engine.audit(payloads)
    expect(here.read('/x')).toBe('x')
    engine.close()
  }

  test('by a run that finds it right', async () => {
    const here = ground()
    here.fill({ '/x': 'x' })
    const engine = edited(here, 'digest')
    await engine.run([copy('/x', 'x')], about('1'), payloads)
    expect(here.read('/x')).toBe('y')
    await audited(engine, here)
  })

  test('by a run that has just written it', async () => {
    const here = ground()
    const engine = edited(here, 'rename')
    await engine.run([copy('/x', 'x')], about('1'), payloads)
    expect(here.read('/x')).toBe('y')
    await audited(engine, here)
  })

  test('by an audit', async () => {
    const here = ground()
    const first = here.open()
    await first.run([copy('/x', 'x')], about('1'), payloads)
    first.close()
    fs.chmodSync(`${here.root}/x`, 0o600)
    fs.chmodSync(`${here.root}/x`, 0o644)
    const engine = edited(here, 'digest')
    await engine.audit(payloads)
    expect(here.read('/x')).toBe('y')
    await audited(engine, here)
  })
})
