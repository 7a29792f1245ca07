// What every Store must do, run on LevelDB and on the simulator's.
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { NodeError } from '../../node/errors.ts'
import { openLevel } from '../../node/level.ts'
import type { Store, StoreOp } from '../../node/ports.ts'
import { SimDisk } from '../../sim/disk.ts'
import { Life } from '../../sim/life.ts'
import { simStore } from '../../sim/store.ts'

const scratch = mkdtempSync(join(tmpdir(), 'fleet-store-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const clock = { now: () => Date.UTC(2026, 10, 20) }
const bytes = (text: string) => new TextEncoder().encode(text)
const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value)
const put = (key: string, value = key): StoreOp => ({ type: 'put', key, value: bytes(value) })
const del = (key: string): StoreOp => ({ type: 'del', key })

let made = 0
const stores: Record<string, () => Promise<Store>> = {
  'level.ts': async () => (await openLevel(join(scratch, `level${made++}`), clock)).port,
  'sim/store.ts': async () => simStore(new Life(new SimDisk(clock.now))),
}

describe.each(Object.entries(stores))('%s', (_, open) => {
  test('what was put can be read; what was deleted is gone', async () => {
    const store = await open()
    await store.batch([put('a'), put('b'), del('a')], { durable: true })
    expect(await store.get('a')).toBeUndefined()
    expect(text(await store.get('b'))).toBe('b')
    await store.close()
  })

  test('a range is half open, ascending, limited', async () => {
    const store = await open()
    await store.batch(
      ['c', 'a', 'b/2', 'b/1', 'b0'].map(key => put(key)),
      { durable: false },
    )
    const keys = async (from: string, before: string, limit: number) =>
      (await store.range({ from, before, limit })).map(([key]) => key)
    expect(await keys('b/', 'b0', 9)).toEqual(['b/1', 'b/2'])
    expect(await keys('a', 'c', 2)).toEqual(['a', 'b/1'])
    expect(await keys('x', 'a', 9)).toEqual([])
    await store.close()
  })

  test('a value is a copy: later changes of the bytes do not reach it', async () => {
    const store = await open()
    const value = bytes('one')
    await store.batch([{ type: 'put', key: 'k', value }], { durable: true })
    value.set(bytes('two'))
    expect(text(await store.get('k'))).toBe('one')
    await store.close()
  })

  test('a key that is empty, too long or not printable is a bug', async () => {
    const store = await open()
    for (const key of ['', 'k'.repeat(257), 'a\n', 'ä'])
      await expect((async () => store.batch([put(key)], { durable: true }))()).rejects.toThrow()
    await store.close()
  })

  test('any batches leave what a Map would', async () => {
    const store = await open()
    const key = fc.constantFrom('a', 'b', 'c', 'd')
    const op = fc.oneof(
      key.map(del),
      fc.tuple(key, fc.string({ maxLength: 5 })).map(([k, v]) => put(k, v)),
    )
    const batches = fc.array(fc.tuple(fc.array(op, { maxLength: 6 }), fc.boolean()), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(batches, async all => {
        await store.batch(['a', 'b', 'c', 'd'].map(del), { durable: false })
        const model = new Map<string, string>()
        for (const [ops, durable] of all) {
          await store.batch(ops, { durable })
          for (const each of ops)
            if (each.type === 'put') model.set(each.key, text(each.value) ?? '')
            else model.delete(each.key)
        }
        const found = await store.range({ from: ' ', before: '~', limit: 9 })
        expect(found.map(([k, v]) => [k, text(v)])).toEqual([...model].sort())
      }),
      { numRuns: 30 },
    )
    await store.close()
  })
})

describe('level.ts alone', () => {
  test('what was written is there after opening again', async () => {
    const folder = join(scratch, 'again')
    const first = (await openLevel(folder, clock)).port
    await first.batch([put('k')], { durable: true })
    await first.close()
    const { port, note } = await openLevel(folder, clock)
    expect([text(await port.get('k')), note]).toEqual(['k', undefined])
    await port.close()
  })

  test('a store that is open elsewhere is STORE_LOCKED, and named', async () => {
    const folder = join(scratch, 'locked')
    const { port } = await openLevel(folder, clock)
    const second = openLevel(folder, clock)
    await expect(second).rejects.toBeInstanceOf(NodeError)
    await expect(second).rejects.toMatchObject({ code: 'STORE_LOCKED', data: { folder } })
    await port.close()
  })

  test.each(['MANIFEST', 'CURRENT'])(
    'a damaged store (%s cut to nothing) opens again, and says so',
    async name => {
      const folder = join(scratch, `damaged-${name}`)
      const first = (await openLevel(folder, clock)).port
      await first.batch([put('k')], { durable: true })
      await first.close()
      for (const file of readdirSync(folder)) if (file.startsWith(name)) truncateSync(join(folder, file))
      const { port, note } = await openLevel(folder, clock)
      expect(note).toMatch(/damaged/)
      await port.batch([put('new')], { durable: true })
      expect(text(await port.get('new'))).toBe('new')
      await port.close()
    },
  )

  test('a store beyond repair is set aside under the time, and begun anew', async () => {
    const folder = join(scratch, 'hopeless')
    writeFileSync(folder, 'a file where the folder should be')
    const { port, note } = await openLevel(folder, clock)
    expect(note).toContain(`${folder}.damaged-2026-11-20T000000.000Z`)
    expect(await port.get('k')).toBeUndefined()
    await port.close()
  })
})

describe('sim/store.ts alone', () => {
  test('a crash keeps what was durable and a prefix of the rest', async () => {
    const disk = new SimDisk(clock.now)
    const store = simStore(new Life(disk))
    await store.batch([put('safe')], { durable: true })
    for (const key of ['1', '2', '3']) await store.batch([put(key)], { durable: false })
    disk.crash(() => 0.5)
    const left = await store.range({ from: ' ', before: '~', limit: 9 })
    expect(left.map(([key]) => key)).toEqual(['1', '2', 'safe'])
  })

  test('a full disk takes nothing and loses nothing; an agent that is dead gets no answer', async () => {
    const disk = new SimDisk(clock.now)
    const store = simStore(new Life(disk))
    await store.batch([put('safe')], { durable: true })
    disk.faults.full = true
    await expect(store.batch([put('more')], { durable: true })).rejects.toMatchObject({ code: 'ENOSPC' })
    const next = simStore(new Life(disk))
    expect(await next.range({ from: ' ', before: '~', limit: 9 })).toHaveLength(1)
    let answered = false
    const old = new Life(disk)
    old.end()
    void simStore(old)
      .get('safe')
      .then(() => {
        answered = true
      })
    await next.get('safe')
    expect(answered).toBe(false)
  })
})
