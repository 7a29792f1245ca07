// Statuses: round trip, signatures, bounds, and the root of the board.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { concat, utf8 } from '../../signing/bytes.ts'
import { type CborSource, decode, encode } from '../../signing/cbor.ts'
import { publicKeyOf, sha256, sign } from '../../signing/crypto.ts'
import { boardRoot, readStatus, type Status, signStatus, statusItem } from '../../signing/status.ts'
import { seedOf } from './fleet.ts'

const seed = seedOf(50)
const status: Status = {
  fleet: sha256(utf8('fleet')),
  host: publicKeyOf(seed),
  n: 7,
  boot: new Uint8Array(16).fill(3),
  at: Date.UTC(2026, 10, 20),
  up: 3600,
  head: [42, sha256(utf8('42'))],
  trust: 40,
  entry: [42, sha256(utf8('42'))],
  attempt: 1,
  state: 'FAILED',
  why: 'steps: visudo -cf failed',
  steps: [120, 118, 1, 1],
  drift: [3, 2, 0],
  flags: ['DIRTY', 'FORK'],
  refused: [43, sha256(utf8('43')), 'EXPIRED'],
  agent: '0.1.0',
}
const { entry: _, state: __, attempt: ___, why: ____, ...blank } = status
const read = (item: CborSource) => readStatus(decode(encode(item)))

test('a status comes back, a blank host too', () => {
  for (const each of [status, blank]) {
    const signed = signStatus(each, seed)
    expect(read(statusItem(signed))).toEqual(signed)
  }
})

test('keys of later versions are passed on and covered by the signature', () => {
  const body = encode({ ...blank, v: 1, zone: 'later' })
  const item = [body, sign(seed, concat(utf8('fleet/status/1'), body))]
  expect(read(item)).toMatchObject({ body, status: blank })
})

const resigned = (change: Record<string, CborSource | undefined>) => {
  const { state: ____, ...rest } = status
  const body = encode({ v: 1, ...rest, state: 5, ...change } as unknown as CborSource)
  return read([body, sign(seed, concat(utf8('fleet/status/1'), body))])
}

test.each<[string, Record<string, CborSource | undefined>]>([
  ['another version', { v: 2 }],
  ['a counter of 0', { n: 0 }],
  ['a negative time', { at: -1 }],
  ['a short host key', { host: new Uint8Array(31) }],
  ['no head', { head: undefined }],
  ['a head without an id', { head: [1] }],
  ['a state that does not exist', { state: 7 }],
  ['an entry without state', { state: undefined }],
  ['a state without entry', { entry: undefined }],
  ['a reason that is too long', { why: 'x'.repeat(513) }],
  ['three counts of steps', { steps: [1, 2, 3] }],
  ['flags out of order', { flags: ['FORK', 'DIRTY'] }],
  ['a flag twice', { flags: ['FORK', 'FORK'] }],
  ['a flag that is no word', { flags: ['x y'] }],
  ['a body that is too large', { later: 'x'.repeat(2048) }],
])('REFUSE a status with %s', (_, change) => {
  expect(resigned({})).toMatchObject({ status: { n: 7 } })
  expect(resigned(change)).toMatchObject({ code: 'MALFORMED' })
})

test('REFUSE a status that somebody else signed, or that was changed', () => {
  const { body, signature } = signStatus(status, seed)
  expect(read([body, sign(seedOf(51), concat(utf8('fleet/status/1'), body))])).toMatchObject({
    code: 'SIGNATURE_BAD',
  })
  expect(read([body, sign(seed, body)])).toMatchObject({ code: 'SIGNATURE_BAD' })
  fc.assert(
    fc.property(fc.nat(body.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = body.slice()
      changed[at]! ^= flip
      expect(read([changed, signature])).toMatchObject({ kind: 'refused' })
    }),
  )
  for (const item of [null, [], [body], [body, signature, 1], [body, body], 'x'])
    expect(read(item)).toMatchObject({ code: 'MALFORMED' })
})

test('equal boards have equal roots, in whatever order', () => {
  const a = { host: new Uint8Array(32).fill(1), n: 5 }
  const b = { host: new Uint8Array(32).fill(2), n: 2 ** 40 }
  expect(boardRoot([a, b])).toEqual(boardRoot([b, a]))
  expect(boardRoot([a, b])).not.toEqual(boardRoot([a, { ...b, n: 1 }]))
  expect(boardRoot([])).toEqual(sha256(new Uint8Array()))
})
