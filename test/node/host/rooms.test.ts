// New directories come with what is in them, by one rename; what that must not change is shown here, and by the
// crash test at every call.
import * as fs from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Engine } from '../../../node/host/main.ts'
import type { Step } from '../../../node/host/steps/step.ts'
import type { System } from '../../../node/host/system.ts'
import { about, copy, type Ground, ground, link, mkdir, payloads } from './ground.ts'

let here: Ground
let engine: Engine
let renames: string[]
beforeEach(() => {
  here = ground()
  renames = []
  const wrap = (machine: System): System => ({
    ...machine,
    rename: (from, to) => {
      renames.push(to)
      machine.rename(from, to)
    },
  })
  engine = here.open({ wrap })
})
afterEach(() => engine.close())

const apply = (steps: readonly Step[], keepFailed = false) =>
  engine.run(steps, about('1'), payloads, { keepFailed })

describe('what is new in a new directory', () => {
  const cases: [string, Step[], string[]][] = [
    ['comes with it', [mkdir('/d'), copy('/d/a', 'a'), link('/d/l', 'a')], ['/d']],
    [
      'comes with its own, level by level',
      [mkdir('/d'), copy('/d/a', 'a'), mkdir('/d/e'), copy('/d/e/b', 'b')],
      ['/d', '/d/e'],
    ],
    ['comes by itself where others may write', [mkdir('/d', { mode: '1777' }), copy('/d/a', 'a')], ['/d/a']],
    ['comes by itself where the directory stands', [copy('/there/a', 'a')], ['/there/a']],
  ]
  for (const [name, steps, expected] of cases)
    test(name, async () => {
      here.fill({ '/there/': '' })
      const before = here.walk()
      expect((await apply(steps)).kind).toBe('applied')
      expect(renames).toEqual(expected)
      for (const step of steps) {
        const stat = fs.lstatSync(`${here.root}${step.args.at(step.verb === 'LINK' ? 0 : -1)}`)
        if (!stat.isSymbolicLink())
          expect(stat.mode & 0o7777).toBe(
            Number.parseInt(step.options['mode'] ?? (stat.isDirectory() ? '755' : '644'), 8),
          )
      }
      expect((await apply(steps)).kind).toBe('unchanged')
      await apply([])
      expect(here.walk()).toEqual(before)
    })
})

test('what a validator refuses does not come along', async () => {
  const steps = [
    mkdir('/d'),
    copy('/d/a', 'a'),
    copy('/d/b', 'b', { validate: 'grep -q never %s' }),
    link('/d/l', 'a'),
  ]
  const outcome = await apply(steps, true)
  expect(outcome.notKept.map(({ step, reason }) => [step.id, reason.code, reason.path])).toEqual([
    ['COPY /d/b', 'INVALID', '/d/b'],
  ])
  expect(fs.readdirSync(`${here.root}/d`).sort()).toEqual(['a', 'l'])
  expect(fs.readdirSync(here.root)).toEqual(['d'])
})

test('without its directory nothing comes', async () => {
  const steps = [mkdir('/d'), copy('/d/a', 'a')]
  // Somebody makes it between the look and the act.
  const slow = {
    read: async (payload: Parameters<typeof payloads.read>[0]) => {
      here.fill({ '/d/theirs': 'x' })
      return payloads.read(payload)
    },
  }
  const outcome = await engine.run(steps, about('1'), slow)
  expect(outcome.kind).toBe('failed')
  expect(outcome.notKept[0]!.reason.code).toBe('CHANGED_MEANWHILE')
  expect(here.read('/d/theirs')).toBe('x')
  expect(fs.readdirSync(here.root)).toEqual(['d'])
  expect(fs.readdirSync(`${here.root}/d`)).toEqual(['theirs'])
})

test('what somebody does to it as soon as it is there does not pass for ours', async () => {
  engine.close()
  engine = here.open({
    wrap: machine => ({
      ...machine,
      rename: (from, to) => {
        machine.rename(from, to)
        if (to === '/d') fs.writeFileSync(`${here.root}/d/a`, 'theirs')
      },
    }),
  })
  const steps = [mkdir('/d'), copy('/d/a', 'a'), copy('/d/b', 'b')]
  expect((await apply(steps)).kind).toBe('applied')
  expect((await apply(steps)).repaired.map(step => step.id)).toEqual(['COPY /d/a'])
  expect(here.read('/d/a')).toBe('a')
})
