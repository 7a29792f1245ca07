import { encode } from 'cborg'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limits } from '../../gossip/limits.ts'
import { decodeMessage, encodeMessage, type Message } from '../../gossip/message.ts'
import { golden } from '../golden-bytes.ts'

const filled = (length: number, value: number) => new Uint8Array(length).fill(value)
const envelope = filled(40, 0xa5)

const samples: Record<string, Message> = {
  hello: {
    t: 'hello',
    v: 1,
    fleet: filled(32, 1),
    agent: '0.1.0',
    delegation: filled(4, 7),
    addrs: ['10.0.0.1:4747'],
  },
  entry: { t: 'entry', entry: envelope },
  order: { t: 'order', order: filled(9, 4) },
  heads: {
    t: 'heads',
    head: [42, filled(32, 2)],
    trust: 40,
    held: 42,
    orders: filled(32, 3),
    board: filled(32, 4),
    answer: true,
  },
  want: { t: 'want', after: 41 },
  entries: { t: 'entries', entries: [envelope, filled(1, 1)], whole: false },
  'want-orders': { t: 'want-orders' },
  'want-orders-have': { t: 'want-orders', have: [filled(32, 9)] },
  orders: { t: 'orders', orders: [filled(2, 2)] },
  digest: { t: 'digest', have: [[filled(32, 8), 7]], answer: false },
  statuses: { t: 'statuses', statuses: [[filled(10, 1), filled(64, 2)]] },
  peers: { t: 'peers', peers: [['12D3KooWexample', ['10.0.0.1:4747', '[::1]:1']]] },
  'want-pack': { t: 'want-pack', pack: filled(32, 5), offset: 65536, length: 65536 },
  part: { t: 'part', pack: filled(32, 5), offset: 65536, size: 70000, bytes: filled(16, 6) },
  'no-pack': { t: 'no-pack', pack: filled(32, 5) },
  'want-plan': { t: 'want-plan', order: filled(9, 4) },
  plan: {
    t: 'plan',
    order: filled(32, 6),
    kept: 3,
    changes: [['COPY /etc/x', 'changed', 'exact', 'site.steps', '2', '']],
    acts: [['exact', 'write /etc/x']],
    impossible: [['RUN a', 'new', 'one-way', 'site.steps', '3', '', 'TOOL_ABSENT', 'found no a']],
    left: 0,
  },
  'plan-refused': {
    ...{ t: 'plan', order: filled(32, 6), kept: 0, changes: [], acts: [], impossible: [], left: 0 },
    why: 'its pack did not arrive in time',
  },
  'want-knock': { t: 'want-knock', nonce: filled(16, 9), ms: 120_000 },
  knock: { t: 'knock', nonce: filled(16, 9) },
}

describe('wire messages', () => {
  for (const [name, message] of Object.entries(samples)) {
    test(`${name}: golden bytes decode for ever, and are what is sent`, () => {
      const bytes = golden(`wire/${name}.cbor`, () => encodeMessage(message))
      expect(decodeMessage(bytes)).toEqual(message)
      expect(encodeMessage(message)).toEqual(bytes)
    })
  }

  const hostile: [string, unknown, string][] = [
    ['not a map', [1, 2], 'map'],
    ['an unknown kind', { t: 'nonsense' }, 't'],
    ['a digest of 31 bytes', { t: 'no-pack', pack: filled(31, 0) }, 'pack'],
    ['a long nonce', { t: 'knock', nonce: filled(17, 0) }, 'nonce'],
    ['a knock for ever', { t: 'want-knock', nonce: filled(16, 0), ms: limits.knockForMs + 1 }, 'ms'],
    ['a negative offset', { t: 'want-pack', pack: filled(32, 0), offset: -1, length: 1 }, 'offset'],
    [
      'a part beyond its bound',
      { t: 'want-pack', pack: filled(32, 0), offset: 0, length: limits.packPartBytes + 1 },
      'length',
    ],
    ['an envelope beyond its bound', { t: 'entry', entry: filled(limits.envelopeBytes + 1, 0) }, 'entry'],
    [
      'too many peers',
      { t: 'peers', peers: Array.from({ length: limits.peersPerMessage + 1 }, () => ['a', []]) },
      'peers',
    ],
    ['an id of an order of 31 bytes', { t: 'want-orders', have: [filled(31, 0)] }, 'have[0]'],
    [
      'more orders than there can be',
      { t: 'want-orders', have: Array.from({ length: limits.orders + 1 }, () => filled(32, 0)) },
      'have',
    ],
    ['a fraction', { t: 'want', after: 1.5 }, 'CBOR'],
    ['heads without an id', { t: 'heads', head: [1], trust: 0, held: 0 }, 'head'],
  ]
  for (const [name, value, field] of hostile) {
    test(`${name} is malformed, and the reason names the field`, () => {
      const answer = decodeMessage(encode(value))
      expect(answer).toMatchObject({ t: 'malformed', reason: expect.stringContaining(field) })
    })
  }

  test('no bytes make a decoder throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        expect(decodeMessage(bytes)).toHaveProperty('t')
      }),
      { numRuns: 500 },
    )
    const bytes = Object.values(samples).map(encodeMessage)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(), fc.nat(255), (which, at, value) => {
        const copy = Uint8Array.from(bytes[which]!)
        copy[at % copy.length] = value
        expect(decodeMessage(copy)).toHaveProperty('t')
      }),
      { numRuns: 500 },
    )
  })

  test('a deep nest is malformed, not a crash', () => {
    expect(decodeMessage(filled(100_000, 0x81))).toMatchObject({ t: 'malformed' })
  })
})
