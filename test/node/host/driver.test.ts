// The 2 a.m. fix: every way of saving is repaired, and what was saved is kept.
import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { WatchEvent } from '../../../node/host/driver.ts'
import type { Engine } from '../../../node/host/main.ts'
import { truceMs } from '../../../node/host/watch.ts'
import { about, copy, type Ground, ground, link, mkdir, payloads } from './ground.ts'

let here: Ground
let engine: Engine
let watch: { close(): void }
let events: WatchEvent[]
let file: string
let clock: number

beforeEach(async () => {
  here = ground()
  clock = 0
  engine = here.open({ now: () => Date.now() + clock })
  events = []
  await engine.run(
    [
      mkdir('/etc'),
      mkdir('/etc/own', { exclusive: '', ignore: '*.tmp' }),
      copy('/etc/own/conf', 'declared\n'),
      link('/etc/l', 'own'),
    ],
    about('1'),
    payloads,
  )
  file = `${here.root}/etc/own/conf`
  watch = engine.watch(payloads, event => events.push(event))
  await engine.audit(payloads)
})
afterEach(() => {
  watch.close()
  engine.close()
})

const restored = () =>
  vi.waitFor(() => {
    expect(fs.readFileSync(file, 'utf8')).toBe('declared\n')
    expect(fs.statSync(file).mode & 0o777).toBe(0o644)
    expect(fs.readdirSync(`${here.root}/etc/own`)).toEqual(['conf'])
  })
const kept = () => {
  clock += 10_000
  engine.drift.settle()
  return engine.drift.list().map(({ id, path, what }) => {
    const bytes = engine.drift.read(id)
    return [path, what, bytes === undefined ? undefined : new TextDecoder().decode(bytes)]
  })
}

describe('a managed file', () => {
  const vim = spawnSync('vim', ['--version']).status === 0
  const ways: [string, () => void][] = [
    ['truncated and written', () => fs.writeFileSync(file, 'mine\n')],
    [
      'saved by rename',
      () => {
        fs.writeFileSync(`${here.dir}/new`, 'mine\n')
        fs.renameSync(`${here.dir}/new`, file)
      },
    ],
    ['changed by sed -i', () => execFileSync('sed', ['-i', 's/declared/mine/', file])],
    [
      'copied over',
      () => {
        fs.writeFileSync(`${here.dir}/new`, 'mine\n')
        execFileSync('cp', [`${here.dir}/new`, file])
      },
    ],
  ]
  for (const [name, edit] of ways)
    test(`${name}: restored and kept`, async () => {
      edit()
      await restored()
      await vi.waitFor(() => expect(kept()).toContainEqual(['/etc/own/conf', 'content', 'mine\n']))
    })

  test.skipIf(!vim)('saved by vim: restored and kept', async () => {
    spawnSync('vim', ['-u', 'NONE', '-es', '-c', '%s/declared/mine/', '-c', 'wq!', file], { timeout: 5000 })
    await restored()
    await vi.waitFor(() => expect(kept().some(each => each[2] === 'mine\n')).toBe(true))
  })

  test('an editor that truncates first and writes later leaves no empty copy', async () => {
    const fd = fs.openSync(file, 'w')
    await restored()
    fs.writeSync(fd, 'written late\n')
    fs.closeSync(fd)
    expect(kept()).toEqual([['/etc/own/conf', 'content', 'written late\n']])
    expect(fs.readFileSync(file, 'utf8')).toBe('declared\n')
  })

  test('deleted, or with another mode: restored and noted', async () => {
    fs.unlinkSync(file)
    await restored()
    fs.chmodSync(file, 0o600)
    await restored()
    await vi.waitFor(() =>
      expect(kept().map(each => each[1])).toEqual(expect.arrayContaining(['missing', 'attributes'])),
    )
  })
})

test('foreign things in an exclusive directory are kept and removed; ignored ones stay', async () => {
  fs.writeFileSync(`${here.root}/etc/own/x.tmp`, '')
  fs.mkdirSync(`${here.root}/etc/own/sub`)
  fs.writeFileSync(`${here.root}/etc/own/foreign`, 'foreign')
  await vi.waitFor(() => expect(fs.readdirSync(`${here.root}/etc/own`).sort()).toEqual(['conf', 'x.tmp']))
  await vi.waitFor(() => expect(kept()).toContainEqual(['/etc/own/foreign', 'foreign', 'foreign']))
})

test('a directory removed with all in it comes back, and is listened to again', async () => {
  fs.rmSync(`${here.root}/etc/own`, { recursive: true })
  await restored()
  await vi.waitFor(() => expect(events.some(each => each.kind === 'looked')).toBe(true))
  await engine.audit(payloads)
  fs.writeFileSync(file, 'again')
  await restored()
})

test('a paused file is left alone until the pause ends', async () => {
  engine.pause('/etc/own', Date.now() + 60_000, 'looking')
  fs.writeFileSync(file, 'mine')
  await engine.audit(payloads)
  expect(fs.readFileSync(file, 'utf8')).toBe('mine')
  engine.unpause('/etc/own')
  await engine.audit(payloads)
  await restored()
})

describe('a kept edit after a crash', () => {
  const reopened = () => {
    engine.close()
    engine = here.open({ now: () => Date.now() + clock })
  }
  beforeEach(async () => {
    watch.close()
    fs.writeFileSync(file, 'mine\n')
    await engine.audit(payloads)
  })

  test('that came before it was quiet: its entry was there at once', async () => {
    const [entry] = engine.drift.list()
    reopened()
    expect(engine.drift.list()).toEqual([entry])
    expect(kept()).toEqual([['/etc/own/conf', 'content', 'mine\n']])
  })

  for (const [name, harm] of [
    ['lost', (index: string) => fs.rmSync(index)],
    ['torn', (index: string) => fs.truncateSync(index, 90)],
  ] as const)
    test(`whose entry is ${name}: its bytes are listed still`, () => {
      harm(`${here.state}/drift/${engine.drift.list()[0]!.id}.json`)
      reopened()
      expect(kept()).toEqual([['unknown', 'content', 'mine\n']])
      reopened()
      expect(kept()).toEqual([['unknown', 'content', 'mine\n']])
    })

  test('that came before its bytes had their name: nothing is listed', () => {
    fs.rmSync(`${here.state}/drift/${engine.drift.list()[0]!.id}`)
    reopened()
    expect(engine.drift.list()).toEqual([])
    expect(fs.readdirSync(`${here.state}/drift`)).toEqual([])
  })
})

test('two managers: after ten repairs in a row the target is contested, and no audit fights on', async () => {
  for (let round = 0; round < 11; round++) {
    fs.writeFileSync(file, `round ${round}`)
    await restored()
    await engine.audit(payloads)
  }
  await vi.waitFor(() => expect(events.map(each => each.kind)).toContain('contested'))
  fs.writeFileSync(file, 'theirs')
  const { repaired, notKept } = await engine.audit(payloads)
  expect([repaired, notKept.map(each => each.reason.code)]).toEqual([[], ['CONTESTED']])
  expect(fs.readFileSync(file, 'utf8')).toBe('theirs')
  clock += truceMs
  expect((await engine.audit(payloads)).repaired).toHaveLength(1)
})
