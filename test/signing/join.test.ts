// Join strings: round trip, and what a slip of the hand gets.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { base64url, concat } from '../../signing/bytes.ts'
import { encode } from '../../signing/cbor.ts'
import { digest } from '../../signing/crypto.ts'
import type { EntryId, FleetId } from '../../signing/entry.ts'
import { readJoin, writeJoin } from '../../signing/join.ts'
import { content } from './fleet.ts'

const join = {
  fleet: content('fleet') as string as FleetId,
  checkpoint: { sequence: 42, id: content('42') as string as EntryId },
  addresses: ['192.0.2.1', '[2001:db8::7]:5000', 'seed.example.org'],
}
const text = writeJoin(join)

test('a join string comes back, with blanks around it or not', () => {
  expect(readJoin(text)).toEqual(join)
  expect(readJoin(`  ${text}\n`)).toEqual(join)
})

test('REFUSE a join string with any one character changed, cut, or something else', () => {
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.constantFrom('A', 'z', '_', '=', ' '), (at, letter) => {
      fc.pre(text[at] !== letter)
      expect(readJoin(text.slice(0, at) + letter + text.slice(at + 1))).toMatchObject({ code: 'MALFORMED' })
    }),
  )
  for (let size = 0; size < text.length; size += 7)
    expect(readJoin(text.slice(0, size))).toMatchObject({ code: 'MALFORMED' })
})

test.each([
  ['no list', {}],
  ['a short fleet id', [new Uint8Array(31), 1, new Uint8Array(32), []]],
  ['a sequence of 0', [new Uint8Array(32), 0, new Uint8Array(32), []]],
  ['17 addresses', [new Uint8Array(32), 1, new Uint8Array(32), Array(17).fill('a')]],
  ['an address that is none', [new Uint8Array(32), 1, new Uint8Array(32), ['a b']]],
  ['a fifth item', [new Uint8Array(32), 1, new Uint8Array(32), [], 1]],
])('REFUSE a join string with %s', (_, value) => {
  const body = encode(value)
  const check = digest('fleet/join/1', body).subarray(0, 4)
  expect(readJoin(`fleet1.${base64url(concat(body, check))}`)).toMatchObject({ code: 'MALFORMED' })
})
