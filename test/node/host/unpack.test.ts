// Archives through the whole engine: versions, going back, drift inside, and leaving without a trace.
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { gzipSync } from 'node:zlib'
import { expect, test, vi } from 'vitest'
import type { Payload, Step } from '../../../node/host/steps/step.ts'
import { about, copy, type Ground, ground, payloads as plain, run, step } from './ground.ts'
import { tar } from './tars.ts'

const archives = new Map<string, Uint8Array>()
const payloads = {
  read: async ({ sha256 }: { sha256: string }) => archives.get(sha256) ?? new Uint8Array(),
}

function shop(
  version: string,
  bytes = tar({ name: 'shop/run', mode: 0o755, content: `#!/bin/sh\necho ${version}\n` }),
): Step {
  const packed = gzipSync(bytes)
  const sha256 = createHash('sha256').update(packed).digest('hex')
  archives.set(sha256, packed)
  const made = step('UNPACK', ['files/shop.tar.gz', '/srv/shop'], { version, strip: '1', keep: '1' })
  return { ...made, payload: { path: 'files/shop.tar.gz', sha256, size: packed.length, executable: false } }
}

const current = ({ root }: Ground) => fs.readFileSync(`${root}/srv/shop/current/run`, 'utf8')

test('versions come, go back by a link, and leave nothing', async () => {
  const at = ground()
  at.fill({ '/srv/other': 'x' })
  const before = at.walk()
  const engine = at.open()
  for (const version of ['1', '2', '3']) {
    const outcome = await engine.run([shop(version)], about(version), payloads)
    expect(outcome).toMatchObject({ kind: 'applied', notKept: [], leftBehind: [] })
    expect(current(at)).toContain(`echo ${version}\n`)
    // Which came first is told by the clock of the file system.
    fs.utimesSync(`${at.root}/srv/shop/${version}/.fleet-unpacked`, Number(version), Number(version))
  }
  expect(fs.readdirSync(`${at.root}/srv/shop`)).toEqual(['2', '3', 'current'])
  expect(await engine.run([shop('3')], about('4'), payloads)).toMatchObject({ kind: 'unchanged' })
  await engine.run([shop('2')], about('5'), payloads)
  expect(current(at)).toContain('echo 2\n')
  expect(await engine.run([], about('6'), payloads)).toMatchObject({ leftBehind: [], dirty: [] })
  expect(at.walk()).toEqual(before)
  engine.close()
})

test('an edit inside is found by an audit, kept, and undone', async () => {
  const at = ground()
  fs.mkdirSync(`${at.root}/srv`)
  const engine = at.open()
  await engine.run([shop('1')], about('1'), payloads)
  expect(await engine.audit(payloads)).toMatchObject({ kept: 1, repaired: [], notKept: [] })
  fs.writeFileSync(`${at.root}/srv/shop/1/run`, 'echo mine\n')
  fs.mkdirSync(`${at.root}/srv/shop/1/new/deep`, { recursive: true })
  expect(await engine.audit(payloads)).toMatchObject({ repaired: [{ verb: 'UNPACK' }], notKept: [] })
  expect(current(at)).toContain('echo 1\n')
  const kept = engine.drift.list()
  expect(kept.map(each => each.path)).toEqual(['/srv/shop/1/new', '/srv/shop/1/run'])
  expect(new TextDecoder().decode(engine.drift.read(kept[1]!.id))).toBe('echo mine\n')
  expect(await engine.audit(payloads)).toMatchObject({ kept: 1, repaired: [] })
  engine.close()
})

test('what happens at the top of a version is heard', async () => {
  const at = ground()
  fs.mkdirSync(`${at.root}/srv`)
  const engine = at.open()
  await engine.run([shop('1')], about('1'), payloads)
  const watch = engine.watch(payloads, () => {})
  await engine.audit(payloads)
  for (const edit of [
    () => fs.writeFileSync(`${at.root}/srv/shop/1/run`, 'echo mine\n'),
    () => fs.rmSync(`${at.root}/srv/shop/1`, { recursive: true }),
    () => fs.symlinkSync('elsewhere', `${at.root}/srv/shop/1/new`),
    () => fs.rmSync(`${at.root}/srv/shop/current`),
  ]) {
    edit()
    await vi.waitFor(() => {
      expect(current(at)).toContain('echo 1\n')
      expect(fs.readdirSync(`${at.root}/srv/shop/1`)).toEqual(['.fleet-unpacked', 'run'])
    })
  }
  watch.close()
  engine.close()
})

test('a repair whose archive is gone leaves what is there', async () => {
  const at = ground()
  fs.mkdirSync(`${at.root}/srv`)
  const engine = at.open()
  const declared = shop('1')
  await engine.run([declared], about('1'), payloads)
  fs.writeFileSync(`${at.root}/srv/shop/1/run`, 'echo mine\n')
  const before = at.walk()
  const gone = { read: () => Promise.reject(new Error('not here')) }
  const outcome = await engine.audit(gone)
  expect(outcome.notKept[0]?.reason.code).toBe('PAYLOAD_MISSING')
  expect(at.walk()).toEqual(before)
  engine.close()
})

test('an unsafe archive, and a step that fails after it, leave the old version', async () => {
  const at = ground()
  fs.mkdirSync(`${at.root}/srv`)
  const engine = at.open()
  await engine.run([shop('1')], about('1'), payloads)
  const before = at.walk()
  const unsafe = shop('2', tar({ name: 'shop/../../../etc/passwd', content: 'x' }))
  const refused = await engine.run([unsafe], about('2'), payloads)
  expect(refused.notKept[0]?.reason.code).toBe('ARCHIVE_UNSAFE')
  expect(at.walk()).toEqual(before)
  expect(await engine.run([shop('3'), run('false')], about('3'), payloads)).toMatchObject({ kind: 'failed' })
  expect(at.walk()).toEqual(before)
  engine.close()
})

test('a command that is owed leaves with the program that it runs', async () => {
  const at = ground()
  fs.mkdirSync(`${at.root}/srv`)
  const engine = at.open()
  const restart = run('srv/shop/current/run', { on: '/srv/shop/current' })
  expect(await engine.run([shop('1'), restart], about('1'), payloads)).toMatchObject({ notKept: [] })
  expect(await engine.run([], about('2'), payloads)).toMatchObject({
    kind: 'applied',
    notKept: [],
    dirty: [],
  })
  expect(at.walk()).toEqual({ '/srv/': expect.any(String) })
  engine.close()
})

test('a version that left comes back when its run fails, at the latest by a command that is owed', async () => {
  const at = ground()
  fs.mkdirSync(`${at.root}/srv`)
  const engine = at.open()
  const both = { read: (payload: Payload) => plain.read(payload) }
  const restart = run('test -e srv/shop/current/run', { on: '/srv/shop/current' })
  await engine.run([shop('1'), restart], about('1'), payloads)
  const before = at.walk()
  // Two legs: what left in the first must still be there when the second fails.
  const legs = [run('true'), copy('/srv/x', 'y'), run('false')]
  for (const steps of [[run('false')], [], legs]) {
    const outcome = await engine.run(steps, about('2'), both)
    expect(outcome).toMatchObject({ kind: 'failed', dirty: [] })
    expect(at.walk()).toEqual(before)
  }
  engine.close()
})

test('a release that meets an edit inside keeps the edit, not the tree', async () => {
  const at = ground()
  fs.mkdirSync(`${at.root}/srv`)
  const engine = at.open()
  await engine.run([shop('1')], about('1'), payloads)
  fs.writeFileSync(`${at.root}/srv/shop/1/new`, 'mine')
  expect(await engine.run([shop('1')], about('2'), payloads)).toMatchObject({ notKept: [] })
  expect(engine.drift.list().map(({ path, type }) => [path, type])).toEqual([['/srv/shop/1/new', 'file']])
  expect(fs.readdirSync(`${at.root}/srv/shop/1`)).toEqual(['.fleet-unpacked', 'run'])
  expect(fs.readdirSync(`${at.state}/saved`)).toEqual([])
  engine.close()
})

test.each([
  ['edited', (inside: string) => fs.writeFileSync(`${inside}/run`, 'mine')],
  ['incomplete', (inside: string) => fs.rmSync(`${inside}/run`)],
])('a run that fails once it has unpacked what was %s anew takes that back too', async (_, edit) => {
  const at = ground()
  fs.mkdirSync(`${at.root}/srv`)
  const engine = at.open()
  await engine.run([shop('1')], about('1'), payloads)
  edit(`${at.root}/srv/shop/1`)
  const before = at.walk()
  const outcome = await engine.run([shop('1'), run('false')], about('2'), payloads)
  expect(outcome).toMatchObject({ kind: 'failed', dirty: [] })
  expect(at.walk()).toEqual(before)
  expect(await engine.run([shop('1')], about('1'), payloads)).toMatchObject({ kind: 'applied', notKept: [] })
  expect(current(at)).toContain('echo 1\n')
  engine.close()
})
