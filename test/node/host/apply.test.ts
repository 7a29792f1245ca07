// Runs that do not go well: nothing changed when it is found in time, all taken back when it is not.
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { Engine } from '../../../node/host/main.ts'
import { openEngine } from '../../../node/host/main.ts'
import type { Step } from '../../../node/host/steps/step.ts'
import { about, absent, copy, type Ground, ground, line, link, mkdir, payloads, run } from './ground.ts'

let here: Ground
let engine: Engine | undefined
const begin = (files: Record<string, string> = {}, options = {}): Engine => {
  here = ground()
  here.fill(files)
  engine = here.open(options)
  return engine
}
afterEach(() => engine?.close())

describe('a run that cannot be kept changes nothing', () => {
  const cases: [string, string, Step[], string][] = [
    ['a directory where a file should be', 'WRONG_TYPE', [copy('/d', 'x')], '/d'],
    ['a file where a directory should be', 'WRONG_TYPE', [mkdir('/f')], '/f'],
    ['a directory where a link should be', 'WRONG_TYPE', [link('/d', 'x')], '/d'],
    ['LINE without a file', 'WRONG_TYPE', [line('/none', 'x')], '/none'],
    ['no directory to hold the file', 'NO_PARENT', [copy('/no/f', 'x')], '/no/f'],
    ['an owner that nobody is', 'UNKNOWN_OWNER', [mkdir('/x', { owner: 'nosuchuser' })], '/x'],
    ['a validator that refuses', 'INVALID', [copy('/x', 'x', { validate: 'grep -q y %s' })], '/x'],
    ['a validator that is not there', 'TOOL_MISSING', [copy('/x', 'x', { validate: '/no/tool %s' })], '/x'],
  ]
  for (const [name, code, steps, path] of cases)
    test(`${name}: ${code}`, async () => {
      const host = begin({ '/d/x': '1', '/f': 'f' })
      const was = here.walk()
      const outcome = await host.run([copy('/before', 'b'), ...steps], about('1'), payloads)
      expect(outcome.kind).toBe('wait')
      expect(outcome.notKept.map(each => [each.step.id, each.reason.code])).toEqual([[steps[0]!.id, code]])
      if (code !== 'TOOL_MISSING') expect(outcome.notKept[0]!.reason.path).toBe(path)
      expect(here.walk()).toEqual(was)
    })

  test('a payload that is missing, and one that is damaged', async () => {
    const host = begin()
    const steps = [copy('/x', 'content')]
    const missing = { read: () => Promise.reject(new Error('not here yet')) }
    expect((await host.run(steps, about('1'), missing)).notKept[0]!.reason.code).toBe('PAYLOAD_MISSING')
    const damaged = { read: async () => new Uint8Array(7) }
    expect((await host.run(steps, about('1'), damaged)).notKept[0]!.reason.code).toBe('PAYLOAD_DAMAGED')
    expect(here.walk()).toEqual({})
    expect(host.inForce()).toBe(undefined)
  })

  test('a link in the path that an ordinary user made', async () => {
    const host = begin({ '/real/': '', '/l': '-> real' })
    fs.lchownSync(`${here.root}/l`, 1000, 1000)
    const outcome = await host.run([copy('/l/x', 'x')], about('1'), payloads)
    expect(outcome.notKept[0]!.reason.code).toBe('SYMLINK_IN_PATH')
    expect(fs.readdirSync(`${here.root}/real`)).toEqual([])
  })

  test('an absolute link in the path is followed inside the root', async () => {
    const host = begin({ '/real/': '', '/l': '-> /real' })
    expect((await host.run([copy('/l/x', 'x')], about('1'), payloads)).kind).toBe('applied')
    expect(here.read('/real/x')).toBe('x')
  })
})

test('a repair whose validator refuses leaves the target as it is', async () => {
  const host = begin({ '/ok': '' })
  const valid = `test -e ${here.root}/ok`
  await host.run([copy('/x', 'declared', { validate: `${valid} -o %s = x` })], about('1'), payloads)
  fs.rmSync(`${here.root}/ok`)
  fs.writeFileSync(`${here.root}/x`, 'edited')
  const was = here.walk()
  const { repaired, notKept, failed } = await host.audit(payloads)
  expect([repaired, notKept.map(each => each.reason.code)]).toEqual([[], ['INVALID']])
  expect([failed, here.walk(), host.drift.list()]).toEqual([['COPY /x'], was, []])
  fs.writeFileSync(`${here.root}/ok`, '')
  expect((await host.audit(payloads)).repaired).toHaveLength(1)
  expect(here.read('/x')).toBe('declared')
})

describe('a run that fails half way', () => {
  const steps = [mkdir('/n'), copy('/n/f', 'f'), copy('/motd', 'new'), run('false'), copy('/z', 'z')]

  test('is taken back, in reverse order', async () => {
    const host = begin({ '/motd': 'old' })
    const was = here.walk()
    const outcome = await host.run(steps, about('1'), payloads)
    expect(outcome.kind).toBe('failed')
    expect(outcome.notKept.map(each => each.reason.code)).toEqual(['COMMAND_FAILED'])
    expect(outcome.undone.map(each => each.verb)).toEqual(['MKDIR', 'COPY', 'COPY', 'RUN'])
    expect(here.walk()).toEqual(was)
    expect(host.dirty()).toEqual([])
  })

  test('with keepFailed keeps the rest', async () => {
    const host = begin({ '/motd': 'old' })
    const outcome = await host.run(steps, about('1'), payloads, { keepFailed: true })
    expect(outcome.kind).toBe('applied')
    expect(outcome.notKept.map(each => each.step.verb)).toEqual(['RUN'])
    expect(here.read('/z')).toBe('z')
    expect(host.inForce()!.steps.map(each => each.verb)).toEqual(['MKDIR', 'COPY', 'COPY', 'COPY'])
  })

  test('a command that hangs is killed with its children', async () => {
    const host = begin()
    const outcome = await host.run(
      [run('sleep 60 & sleep 60', { shell: '', timeout: '100ms' })],
      about('1'),
      payloads,
    )
    expect(outcome.notKept[0]!.reason.code).toBe('COMMAND_TIMEOUT')
  })

  test('an undo that fails makes the host dirty until a retry', async () => {
    const host = begin()
    const outcome = await host.run([run('true', { undo: 'false' }), run('false')], about('1'), payloads)
    expect(outcome.dirty.map(each => each.code)).toEqual(['COMMAND_FAILED'])
    expect((await host.run([copy('/x', 'x')], about('2'), payloads)).kind).toBe('wait')
    host.retry()
    expect((await host.run([copy('/x', 'x')], about('2'), payloads)).kind).toBe('applied')
  })

  test('an immutable file is named', async ({ skip }) => {
    const host = begin({ '/motd': 'old' })
    try {
      execFileSync('chattr', ['+i', `${here.root}/motd`], { stdio: 'ignore' })
    } catch {
      return skip('chattr +i does not work here')
    }
    try {
      const outcome = await host.run([copy('/a', 'a'), copy('/motd', 'new')], about('1'), payloads)
      expect(outcome.notKept.map(each => each.reason.code)).toEqual(['IMMUTABLE'])
      expect(here.walk()).toEqual({ '/motd': expect.stringContaining('old') })
    } finally {
      execFileSync('chattr', ['-i', `${here.root}/motd`])
    }
  })
})

describe('undo', () => {
  test('keeps what was edited since, and lists what it leaves', async () => {
    const host = begin({ '/motd': 'old' })
    await host.run([copy('/motd', 'new'), mkdir('/d'), copy('/d/f', 'f')], about('1'), payloads)
    fs.writeFileSync(`${here.root}/motd`, 'edited')
    fs.writeFileSync(`${here.root}/d/mine`, 'mine')
    const outcome = await host.run([], about('0'), payloads)
    expect(outcome.leftBehind).toEqual(['/d'])
    expect(here.read('/motd')).toBe('old')
    expect(here.read('/d/mine')).toBe('mine')
    expect(host.drift.list().map(each => new TextDecoder().decode(host.drift.read(each.id)))).toEqual([
      'edited',
    ])
  })

  test('of LINE leaves the other lines as somebody edited them', async () => {
    const host = begin({ '/c': 'a\n#x\nb\n' })
    await host.run([line('/c', 'x on', '^#?x')], about('1'), payloads)
    fs.writeFileSync(`${here.root}/c`, 'first\na\nx on\nB\n')
    await host.run([], about('0'), payloads)
    expect(here.read('/c')).toBe('first\na\n#x\nB\n')
  })

  test('runs what watches a path that came back', async () => {
    const host = begin({ '/motd': 'old' })
    const steps = [copy('/motd', 'new'), run('cp motd seen', { on: '/motd' })]
    await host.run(steps, about('1'), payloads)
    expect(here.read('/seen')).toBe('new')
    await host.run([], about('0'), payloads)
    expect(here.read('/seen')).toBe('old')
  })

  test('a file that changes its verb is never missing, and its original survives', async () => {
    const host = begin({ '/motd': 'old' })
    await host.run([copy('/motd', 'one')], about('1'), payloads)
    await host.run([link('/motd', 'x')], about('2'), payloads)
    await host.run([absent('/motd')], about('3'), payloads)
    await host.run([copy('/motd', 'two')], about('4'), payloads)
    await host.run([], about('0'), payloads)
    expect(here.read('/motd')).toBe('old')
  })
})

describe('an original that is damaged is not put back, and the host is dirty', () => {
  const before = { '/motd': 'old', '/alias': '-> motd', '/tree/a': 'a', '/tree/sub/b': 'b', '/other': 'old' }
  const cases: [string, Step, (saved: string) => void][] = [
    ['a file of other bytes', copy('/motd', 'new'), saved => fs.writeFileSync(saved, 'odd')],
    ['a file that is gone', copy('/motd', 'new'), saved => fs.rmSync(saved)],
    ['a file that was cut', absent('/motd'), saved => fs.truncateSync(saved, 1)],
    [
      'a link to elsewhere',
      copy('/alias', 'new'),
      saved => {
        fs.rmSync(saved)
        fs.symlinkSync('other', saved)
      },
    ],
    ['a tree with another file', absent('/tree'), saved => fs.writeFileSync(`${saved}/sub/c`, 'c')],
    ['a tree with other bytes', absent('/tree'), saved => fs.writeFileSync(`${saved}/sub/b`, 'c')],
    ['a tree with another mode', absent('/tree'), saved => fs.chmodSync(`${saved}/a`, 0o600)],
    ['what LINE left to COPY', copy('/other', 'new'), saved => fs.writeFileSync(saved, 'odd')],
  ]
  for (const [name, damaged, damage] of cases)
    test(name, async () => {
      const host = begin(before)
      if (name.includes('LINE')) await host.run([line('/other', 'more')], about('0'), payloads)
      await host.run([damaged, mkdir('/d')], about('1'), payloads)
      const [saved, ...rest] = fs.readdirSync(`${here.state}/saved`)
      expect(rest).toEqual([])
      const path = damaged.args.at(-1)!
      const present = here.walk()[path]
      damage(`${here.state}/saved/${saved}`)
      const found = fs.readdirSync(`${here.state}/saved`)
      const outcome = await host.run([copy('/x', 'x')], about('2'), payloads)
      expect(outcome).toMatchObject({
        kind: 'applied',
        notKept: [],
        dirty: [{ code: 'ORIGINAL_DAMAGED', path }],
      })
      expect(here.walk()[path]).toBe(present)
      expect(Object.keys(here.walk())).not.toContain('/d/')
      host.close()
      engine = here.open()
      await engine.recover()
      expect(engine.dirty()).toEqual(outcome.dirty)
      expect(fs.readdirSync(`${here.state}/saved`)).toEqual(found)
      expect((await engine.run([], about('3'), payloads)).kind).toBe('wait')
      engine.retry()
      expect(await engine.run([], about('3'), payloads)).toMatchObject({ kind: 'applied', dirty: [] })
      await engine.recover()
      expect(fs.readdirSync(`${here.state}/saved`)).toEqual([])
    })

  test('while a failed run is taken back', async () => {
    const host = begin(before)
    const odd = run(`printf odd > ${here.state}/saved/1-0; exit 1`, { shell: '' })
    const outcome = await host.run([copy('/motd', 'new'), copy('/other', 'new'), odd], about('1'), payloads)
    expect(outcome).toMatchObject({ kind: 'failed', dirty: [{ code: 'ORIGINAL_DAMAGED', path: '/motd' }] })
    expect([here.read('/motd'), here.read('/other')]).toEqual(['new', 'old'])
  })
})

test('one process at a time holds a state directory, and says who', () => {
  begin()
  expect(() => here.open()).toThrow(`process ${process.pid} holds`)
})

test('the state survives a restart, and the journal is written anew when it grows', async () => {
  const host = begin({ '/motd': 'old' })
  for (let at = 0; at < 5; at++) await host.run([copy('/motd', `new ${at}`)], about(`${at}`), payloads)
  host.close()
  engine = here.open()
  expect(engine.inForce()!.about.id).toBe('4')
  expect(engine.why('/motd')!.since.label).toBe('release 4')
  expect((await engine.run([], about('0'), payloads)).kind).toBe('applied')
  expect(here.read('/motd')).toBe('old')
})

test('another user keeps no owners but those declared, and says what it may not', async ({ skip }) => {
  if (process.getuid!() !== 0) return skip('only root can become somebody else')
  here = ground()
  for (const path of [here.dir, here.root]) fs.chownSync(path, 65534, 65534)
  process.setegid!(65534)
  process.seteuid!(65534)
  try {
    const { root, state } = here
    const host = openEngine({ root, state, now: Date.now, random: Math.random })
    const plain = await host.run([mkdir('/d'), copy('/d/f', 'f')], about('1'), payloads)
    expect(plain.kind).toBe('applied')
    const owned = await host.run([copy('/g', 'g', { owner: 'root' })], about('2'), payloads)
    expect(owned.kind).toBe('wait')
    expect(owned.notKept[0]!.reason.code).toBe('NO_PERMISSION')
    host.close()
  } finally {
    process.seteuid!(0)
    process.setegid!(0)
  }
  engine = undefined
})

test('A, then B, then A, then nothing: every tree comes back byte for byte', async () => {
  const names = ['/a', '/b', '/d', '/d/x', '/d/y', '/e', '/e/z']
  const parents = ['/d', '/e']
  const entry = fc.record({
    path: fc.constantFrom(...names),
    verb: fc.constantFrom('COPY', 'LINK', 'ABSENT', 'MKDIR', 'LINE'),
    text: fc.constantFrom('one', 'two', 'three\n'),
    mode: fc.constantFrom('0644', '0600'),
    exclusive: fc.boolean(),
  })
  const withParents = <T extends { path: string }>(entries: T[]): T[] => {
    const missing = parents.filter(
      parent =>
        entries.some(each => each.path.startsWith(`${parent}/`)) &&
        !entries.some(each => each.path === parent),
    )
    return [...entries, ...missing.map(path => ({ ...entries[0]!, path }))]
  }
  const list = fc.uniqueArray(entry, { selector: each => each.path, maxLength: 7 }).map(entries =>
    // A list that passes the static checks declares the directories of its targets.
    withParents(entries)
      .toSorted((a, b) => (a.path < b.path ? -1 : 1))
      .map(({ path, verb, text, mode, exclusive }) => {
        if (parents.includes(path) || verb === 'MKDIR')
          return mkdir(path, exclusive ? { exclusive: '', mode: '0750' } : {})
        if (verb === 'LINK') return link(path, text.trim())
        if (verb === 'ABSENT') return absent(path)
        if (verb === 'LINE') return line(path, text.trim(), exclusive ? '^[ot]' : undefined)
        return copy(path, text, { mode })
      }),
  )
  const before = fc.dictionary(
    fc.constantFrom('/a', '/b', '/d/', '/d/x', '/d/y', '/e/old', '/e/sub/deep', '/l'),
    fc.constantFrom('one', 'zero\nother\ntwo', '-> a', ''),
  )
  await fc.assert(
    fc.asyncProperty(before, list, list, async (files, first, second) => {
      const tree = ground()
      tree.fill(files)
      const was = tree.walk()
      const host = tree.open()
      try {
        const states: object[] = []
        for (const steps of [first, second, first, []]) {
          const outcome = await host.run(steps, about('x'), payloads, { keepFailed: false })
          // What cannot be kept (a directory where a file should be) must change nothing.
          if (outcome.kind === 'wait' || outcome.kind === 'failed')
            expect(tree.walk()).toEqual(states.at(-1) ?? was)
          else expect((await host.plan(steps)).flatMap(each => each.acts)).toEqual([])
          expect(outcome.dirty).toEqual([])
          states.push(tree.walk())
        }
        expect(tree.walk()).toEqual(was)
        expect(fs.readdirSync(`${tree.state}/saved`)).toEqual([])
      } finally {
        host.close()
        fs.rmSync(tree.dir, { recursive: true, force: true })
      }
    }),
    {
      numRuns: Number(process.env['FLEET_RUNS'] ?? 40),
      ...(process.env['FLEET_SEED'] ? { seed: Number(process.env['FLEET_SEED']) } : {}),
    },
  )
})
