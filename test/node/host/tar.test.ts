import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTarReader } from '../../../node/host/tar.ts'
import { pax, type TarEntry, tar } from './tars.ts'

/** `type name` or `name=content`, whatever the sizes of the chunks. */
function read(bytes: Uint8Array, strip = 0, chunk = 1 << 16): string[] {
  const reader = createTarReader(strip)
  const seen: string[] = []
  for (let at = 0; at < bytes.length; at += chunk)
    for (const event of reader.push(bytes.subarray(at, at + chunk)))
      if (event.kind === 'bytes') seen[seen.length - 1] += new TextDecoder().decode(event.bytes)
      else {
        const { type, name, mode, link } = event.member
        seen.push(`${type} ${mode.toString(8)} ${name}${link && ` -> ${link}`}${type === 'file' ? '=' : ''}`)
      }
  reader.end()
  return seen
}

const shop: TarEntry[] = [
  { name: './', type: '5', mode: 0o755 },
  { name: 'shop/', type: '5', mode: 0o775 },
  { name: 'shop/run', mode: 0o777, content: '#!/bin/sh\n' },
  pax({ path: `shop/${'ä'.repeat(90)}/x`, mtime: '1.5' }),
  { name: 'short', content: 'y'.repeat(1000) },
  { name: 'x', prefix: 'shop/deep' },
  { name: 'shop/lib', type: '2', link: 'deep/x' },
  { name: 'shop/deep/up', type: '2', link: '../run' },
  { name: 'shop/same', type: '1', link: 'shop/run' },
]

test('members, long names, prefixes and links come out as they went in', () => {
  expect(read(tar(...shop))).toEqual([
    'directory 755 shop',
    'file 755 shop/run=#!/bin/sh\n',
    `file 644 shop/${'ä'.repeat(90)}/x=${'y'.repeat(1000)}`,
    'file 644 shop/deep/x=',
    'link 644 shop/lib -> deep/x',
    'link 644 shop/deep/up -> ../run',
    'hardlink 644 shop/same -> shop/run',
  ])
  expect(read(tar(...shop), 1).map(each => each.split(' ')[2])).toContain('run=#!/bin/sh\n')
  const long = tar({ name: '././@LongLink', type: 'L', content: `${'n'.repeat(300)}\0` }, { name: 'cut' })
  expect(read(long)).toEqual([`file 644 ${'n'.repeat(300)}=`])
})

test('the sizes of the pieces do not matter', () => {
  const bytes = tar(...shop)
  const whole = read(bytes)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), chunk => {
      expect(read(bytes, 0, chunk)).toEqual(whole)
    }),
  )
})

describe('refused by name', () => {
  test.each<[string, TarEntry[], string]>([
    ['an absolute name', [{ name: '/etc/passwd' }], 'ARCHIVE_UNSAFE'],
    ['.. in a name', [{ name: 'a/../../b' }], 'ARCHIVE_UNSAFE'],
    ['.. in a long name', [pax({ path: '../b' }), { name: 'b' }], 'ARCHIVE_UNSAFE'],
    ['a link to elsewhere', [{ name: 'a', type: '2', link: '/etc' }], 'ARCHIVE_UNSAFE'],
    ['a link upwards', [{ name: 'a/b', type: '2', link: '../../c' }], 'ARCHIVE_UNSAFE'],
    ['a link that climbs late', [{ name: 'a/b', type: '2', link: 'c/../..' }], 'ARCHIVE_UNSAFE'],
    ['a hard link upwards', [{ name: 'a', type: '1', link: '../b' }], 'ARCHIVE_UNSAFE'],
    ['a device', [{ name: 'a', type: '4' }], 'ARCHIVE_UNSAFE'],
    ['a pipe', [{ name: 'a', type: '6' }], 'ARCHIVE_UNSAFE'],
    ['setuid', [{ name: 'a', mode: 0o4755 }], 'ARCHIVE_UNSAFE'],
    ['a sparse file', [pax({ 'GNU.sparse.major': '1' }), { name: 'a' }], 'ARCHIVE_UNSAFE'],
    ['our own record', [{ name: '.fleet-unpacked' }], 'ARCHIVE_UNSAFE'],
    ['a bomb', [pax({ size: '99999999999' }), { name: 'a' }], 'TOO_LARGE'],
    ['a huge name', [{ name: 'a', type: 'L', content: 'x'.repeat(70_000) }], 'TOO_LARGE'],
  ])('%s', (_, entries, code) => {
    expect(() => read(tar(...entries))).toThrow(code)
  })

  test('what is no archive, or only a part of one', () => {
    const bytes = tar({ name: 'a', content: 'x'.repeat(2000) })
    expect(() => read(bytes.subarray(0, 1500))).toThrow('ARCHIVE_DAMAGED')
    expect(() => read(new Uint8Array())).toThrow('ARCHIVE_DAMAGED')
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 512, maxLength: 2048 }), noise => {
        try {
          read(noise)
        } catch (error) {
          expect((error as Error).message).toMatch(/^(ARCHIVE_|TOO_LARGE)/)
        }
      }),
    )
  })
})
