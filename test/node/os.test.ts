// Durable files: whole, old or new, and damage that is never taken for absence.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { durableSizeMax, openDurable, systemClock, systemRandom } from '../../node/os.ts'
import { utf8 } from '../../signing/bytes.ts'

const scratch = mkdtempSync(join(tmpdir(), 'fleet-os-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

test('what was written is read; absent is absent', async () => {
  const durable = openDurable(join(scratch, 'a'))
  expect(await durable.read('log/floor')).toEqual({ kind: 'absent' })
  await durable.write('log/floor', utf8('one'))
  await durable.write('log/floor', utf8('two'))
  expect(await openDurable(join(scratch, 'a')).read('log/floor')).toEqual({
    kind: 'present',
    bytes: utf8('two'),
  })
  await durable.write('empty', new Uint8Array())
  expect(await durable.read('empty')).toEqual({ kind: 'present', bytes: new Uint8Array() })
  expect(readdirSync(join(scratch, 'a/log'))).toEqual(['floor'])
  expect([
    statSync(join(scratch, 'a')).mode & 0o777,
    statSync(join(scratch, 'a/log/floor')).mode & 0o777,
  ]).toEqual([0o700, 0o600])
})

test('the frame is that of docs/formats.md', async () => {
  const durable = openDurable(join(scratch, 'b'))
  await durable.write('f', utf8('x\n'))
  const digest = '73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac'
  expect(readFileSync(join(scratch, 'b/f'), 'utf8')).toBe(`fleet/file/1 ${digest}\nx\n`)
})

test('every cut and every flipped byte is damage', async () => {
  const durable = openDurable(join(scratch, 'c'))
  await durable.write('f', utf8('content'))
  const path = join(scratch, 'c/f')
  const good = readFileSync(path)
  for (let at = 0; at < good.length; at++) {
    writeFileSync(path, good.subarray(0, at))
    expect((await durable.read('f')).kind, `cut at ${at}`).toBe('damaged')
    writeFileSync(
      path,
      good.map((byte, index) => (index === at ? byte ^ 1 : byte)),
    )
    expect((await durable.read('f')).kind, `flipped at ${at}`).toBe('damaged')
  }
})

test('a file above the limit is refused, and the old one stands', async () => {
  const durable = openDurable(join(scratch, 'd'))
  await durable.write('f', utf8('old'))
  const large = durable.write('f', new Uint8Array(durableSizeMax + 1))
  await expect(large).rejects.toMatchObject({ code: 'FILE_TOO_LARGE' })
  expect(await durable.read('f')).toEqual({ kind: 'present', bytes: utf8('old') })
})

test('clock and chance are those of the machine', () => {
  expect(systemClock.now()).toBeGreaterThan(Date.UTC(2025, 0))
  expect(systemRandom.bytes(16).length).toBe(16)
  expect(systemRandom.number()).toBeLessThan(1)
})
