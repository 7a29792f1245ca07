// What a run writes down when there is nothing new to say.
import * as fs from 'node:fs'
import { afterEach, expect, test, vi } from 'vitest'
import type { Engine } from '../../../node/host/main.ts'
import { about, copy, ground, mkdir, payloads } from './ground.ts'

const here = ground()
let engine: Engine
afterEach(() => engine.close())

test('a run that finds all as it was noted leaves the journal alone', async () => {
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
