import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openKeep } from '../../../node/host/linux-keep.ts'

test('keeps the newest versions of each, by names that cannot be mistaken', () => {
  const folder = fs.mkdtempSync(join(tmpdir(), 'fleet-keep-'))
  const file = join(folder, 'file')
  fs.writeFileSync(file, 'x')
  const keep = openKeep(join(folder, 'kept'), 'deb')
  expect(keep.find('a', '1')).toBeUndefined()
  for (const version of ['1', '2', '1:3~x', '../4']) {
    keep.put('a_b', version, file)
    const path = keep.find('a_b', version)!
    expect(fs.readFileSync(path, 'utf8')).toBe('x')
    // What is kept later is newer, however coarse the clock.
    const past = new Date(Date.now() - 100_000 + 1000 * fs.readdirSync(join(folder, 'kept')).length)
    fs.utimesSync(path, past, past)
  }
  keep.put('a', 'b_1', file)
  expect(fs.readdirSync(join(folder, 'kept')).sort()).toEqual([
    'a%5Fb_..%2F4.deb',
    'a%5Fb_1%3A3~x.deb',
    'a%5Fb_2.deb',
    'a_b%5F1.deb',
  ])
  fs.rmSync(folder, { recursive: true })
})
