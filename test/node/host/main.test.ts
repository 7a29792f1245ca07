import * as fs from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import type { Engine } from '../../../node/host/main.ts'
import type { Step } from '../../../node/host/steps/step.ts'
import { about, absent, copy, type Ground, ground, line, link, mkdir, payloads, run } from './ground.ts'

let here: Ground
let engine: Engine
const begin = (files: Record<string, string> = {}, options = {}) => {
  here = ground()
  here.fill(files)
  engine = here.open(options)
}
afterEach(() => engine.close())
const apply = (id: string, steps: readonly Step[], options = {}) =>
  engine.run(steps, about(id), payloads, options)

describe('each verb: applied, then an empty plan, then undone without a trace', () => {
  const before = {
    '/etc/motd': 'old\n',
    '/etc/conf': '#Root yes\nother\nRoot maybe\nlast',
    '/etc/plain': 'a\nb\n',
    '/etc/dir/': '',
    '/etc/full/x': 'x',
    '/etc/full/sub/y': 'y',
    '/etc/alias': '-> motd',
  }
  const cases: [string, Step[], Record<string, string | undefined>][] = [
    ['MKDIR', [mkdir('/etc/new')], { '/etc/new/': '755 0:0' }],
    ['MKDIR on a directory', [mkdir('/etc/dir', { mode: '0700' })], { '/etc/dir/': '700 0:0' }],
    [
      'MKDIR exclusive',
      [mkdir('/etc/full', { exclusive: '', ignore: '*.keep' }), copy('/etc/full/z', 'z')],
      { '/etc/full/x': undefined, '/etc/full/sub/': undefined, '/etc/full/z': '644 0:0 z' },
    ],
    ['COPY', [mkdir('/etc/new'), copy('/etc/new/f', 'new')], { '/etc/new/f': '644 0:0 new' }],
    ['COPY over a file', [copy('/etc/motd', 'new', { mode: '0600' })], { '/etc/motd': '600 0:0 new' }],
    [
      'COPY of the same bytes',
      [copy('/etc/motd', 'old\n', { mode: '0640' })],
      { '/etc/motd': '640 0:0 old\n' },
    ],
    ['COPY over a link', [copy('/etc/alias', 'new')], { '/etc/alias': '644 0:0 new' }],
    ['LINK', [link('/etc/l', '/nowhere')], { '/etc/l': '0:0 -> /nowhere' }],
    ['LINK over a file', [link('/etc/motd', 'plain')], { '/etc/motd': '0:0 -> plain' }],
    ['LINE', [line('/etc/conf', 'Root no', '^#?Root')], { '/etc/conf': '644 0:0 Root no\nother\nlast' }],
    [
      'LINE at the end',
      [line('/etc/conf', 'new')],
      { '/etc/conf': '644 0:0 #Root yes\nother\nRoot maybe\nlast\nnew\n' },
    ],
    [
      'two LINEs',
      [line('/etc/plain', 'c'), line('/etc/plain', 'B', '^[bB]$')],
      { '/etc/plain': '644 0:0 a\nB\nc\n' },
    ],
    ['ABSENT', [absent('/etc/motd')], { '/etc/motd': undefined }],
    ['ABSENT of a tree', [absent('/etc/full')], { '/etc/full/': undefined, '/etc/full/x': undefined }],
    ['RUN', [run('touch made', { undo: 'rm made' })], { '/made': '644 0:0 ' }],
    ['RUN with a guard', [run('touch made', { unless: 'true' })], { '/made': undefined }],
  ]
  for (const [name, steps, after] of cases)
    test(name, async () => {
      begin(before)
      const was = here.walk()
      expect((await engine.plan(steps)).some(each => each.acts.length > 0)).toBe(true)
      expect(here.walk()).toEqual(was)
      const outcome = await apply('1', steps)
      expect(outcome.notKept).toEqual([])
      expect(outcome.kind).toBe('applied')
      const now = here.walk()
      for (const [path, value] of Object.entries(after)) expect([path, now[path]]).toEqual([path, value])
      expect((await engine.plan(steps)).flatMap(each => each.acts)).toEqual([])
      expect((await apply('2', steps)).kind).toBe('unchanged')
      expect(await engine.audit(payloads)).toMatchObject({ repaired: [], notKept: [] })
      const back = await apply('3', [])
      expect(back).toMatchObject({ notKept: [], dirty: [], leftBehind: [] })
      expect(here.walk()).toEqual(was)
      expect(fs.readdirSync(`${here.state}/saved`)).toEqual([])
    })
})
