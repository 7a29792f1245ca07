// CBOR: what is written comes back, and only the deterministic encoding is read.
import { rfc8949EncodeOptions, encode as write } from 'cborg'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { unhex, utf8 } from '../../signing/bytes.ts'
import { decode, decodeMap, encode } from '../../signing/cbor.ts'

test('every value comes back', () => {
  const { value } = fc.letrec(tie => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, true, false),
      fc.maxSafeInteger(),
      fc.string({ unit: 'grapheme' }),
      fc.uint8Array({ maxLength: 40 }),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.string(), tie('value'), { maxKeys: 4, noNullPrototype: true }),
    ),
  }))
  fc.assert(
    fc.property(value, each => {
      const bytes = encode(each as never)
      expect(bytes).toEqual(new Uint8Array(write(each, rfc8949EncodeOptions)))
      const back = decode(bytes)
      expect(back).not.toBeUndefined()
      expect(encode(back!)).toEqual(bytes)
    }),
  )
})

test('random bytes never throw, and what decodes encodes to the same bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
      const value = decode(bytes)
      if (value !== undefined) expect(encode(value)).toEqual(bytes)
    }),
    { numRuns: 2000 },
  )
})

test.each([
  ['nothing', ''],
  ['bytes after the item', '0000'],
  ['a number in a longer form', '1800'],
  ['a length in a longer form', '580161'],
  ['an indefinite list', '9f00ff'],
  ['an indefinite byte string', '5f4100ff'],
  ['a key twice', 'a2616100616101'],
  ['keys out of order', 'a2616200616100'],
  ['a key that is not text', 'a10000'],
  ['a tag', 'c000'],
  ['a float', 'f93e00'],
  ['a float with an integer value', 'f93c00'],
  ['minus zero', 'f98000'],
  ['not a number', 'f97e00'],
  ['undefined', 'f7'],
  ['2^53', '1b0020000000000000'],
  ['text that is not UTF-8', '61ff'],
  ['a list that ends early', '8200'],
  ['nesting beyond all reason', '81'.repeat(500_000)],
])('refused: %s', (_, bytes) => expect(decode(unhex(bytes)!)).toBeUndefined())

test('keys are sorted bytewise, absent ones left out, and inherited ones are absent', () => {
  expect(encode({ bb: 1, c: undefined, a: 2 })).toEqual(unhex('a261610262626201'))
  const map = decodeMap(encode({ a: 1 }))!
  expect(map['constructor']).toBeUndefined()
  expect(decodeMap(encode([1]))).toBeUndefined()
  expect(decodeMap(encode(utf8('a')))).toBeUndefined()
})
