// Texts of bytes: round trips, and that each value has one spelling only.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as bytes from '../../signing/bytes.ts'

test('every spelling of bytes comes back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), value => {
      expect(bytes.unhex(bytes.hex(value))).toEqual(value)
      expect(bytes.unbase64(bytes.base64(value))).toEqual(value)
      expect(bytes.unbase64url(bytes.base64url(value))).toEqual(value)
    }),
  )
})

test('a second spelling of the same bytes is refused', () => {
  for (const text of ['AB', 'a', '0x', 'ab ', 'ab\n']) expect(bytes.unhex(text)).toBeUndefined()
  expect(bytes.unhex('abcd', 1)).toBeUndefined()
  for (const text of ['YQ', 'YR==', 'YQ==\n', ' YQ==', 'Y Q==', 'YQ=', '-_==']) {
    expect(bytes.unbase64(text)).toBeUndefined()
  }
  for (const text of ['YQ==', 'YR', '+/', 'Y\nQ']) expect(bytes.unbase64url(text)).toBeUndefined()
})

test('text is strict UTF-8, byte order mark kept', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), s => bytes.text(bytes.utf8(s)) === s))
  expect(bytes.text(Uint8Array.of(0xc0, 0x80))).toBeUndefined()
  expect(bytes.text(Uint8Array.of(0xed, 0xa0, 0x80))).toBeUndefined()
  expect(bytes.text(Uint8Array.of(0xef, 0xbb, 0xbf))).toBe('\uFEFF')
})

test('order, joining, finding and numbers', () => {
  const of = (...all: number[]) => Uint8Array.from(all)
  expect([of(2), of(1, 2), of(1), of()].sort(bytes.compare)).toEqual([of(), of(1), of(1, 2), of(2)])
  expect(bytes.concat(of(1), of(), of(2, 3))).toEqual(of(1, 2, 3))
  expect(bytes.equal(of(1, 2), of(1, 2))).toBe(true)
  expect(bytes.equal(of(1), of(1, 2))).toBe(false)
  expect(bytes.indexOf(of(9, 1, 2, 1, 2).subarray(1), of(1, 2), 1)).toBe(2)
  expect(bytes.uint32(0x01020304)).toEqual(of(1, 2, 3, 4))
  expect(bytes.uint64(2 ** 53 - 1)).toEqual(of(0, 0x1f, 255, 255, 255, 255, 255, 255))
})
