// Orders: each kind comes back, who may give it, and what is refused.
import { describe, expect, test } from 'vitest'
import { text, utf8 } from '../../signing/bytes.ts'
import { decodeMap, encode } from '../../signing/cbor.ts'
import type { EntryId, FleetId } from '../../signing/entry.ts'
import { isRefusal } from '../../signing/errors.ts'
import type { Time } from '../../signing/fields.ts'
import {
  checkOrder,
  type OpenedOrder,
  type Order,
  type OrderId,
  openOrder,
  orderEnvelopeOf,
  orderIdOf,
  orderMap,
  orderNamespace,
  sealOrder,
  writeOrder,
} from '../../signing/order.ts'
import { armour, type Namespace, type Signer, signSshsig } from '../../signing/sshsig.ts'
import { readTrust } from '../../signing/trust.ts'
import { anna, bert, cleo, content, eve, files, hosts, operator } from './fleet.ts'

const read = readTrust(
  files(
    [operator('anna', anna), operator('bert', bert), operator('clock', cleo, ['fleet-fresh'])],
    hosts(3),
    2,
  ),
)
const trust = read.kind === 'ok' ? read.value : undefined!
const fleet = content('fleet') as string as FleetId
const common = { fleet, entry: content('entry') as string as EntryId, issued: '2026-11-20T21:36:00Z' as Time }
const ids = ['a', 'b'].map(each => each.repeat(64))
const until = '2026-11-21T00:00:00Z' as Time

const orders: readonly Order[] = [
  { ...common, order: 'halt', reason: 'too warm' },
  { ...common, order: 'halt' },
  { ...common, order: 'resume', halts: ids as OrderId[] },
  { ...common, order: 'promote', stage: 2, without: ids },
  { ...common, order: 'fresh', until },
  { ...common, order: 'retry', host: ids[0]!, attempt: 2 },
  {
    ...common,
    order: 'trial',
    commit: 'c'.repeat(40),
    pack: { digest: ids[0]!, size: 7 },
    hosts: ids,
    until,
    mode: 'plan',
  },
]

function give(order: Order, signer: Signer, namespace: Namespace = 'fleet') {
  const payload = writeOrder(order)
  return openOrder(sealOrder(payload, signSshsig(signer, namespace, payload))) as OpenedOrder
}
const check = (opened: OpenedOrder, cosigs: Uint8Array[] = [], of = fleet) =>
  checkOrder(opened, cosigs, trust, of)?.code

test.each(orders.map(order => [order.order, order] as const))('%s comes back', (_, order) => {
  const opened = give(order, anna)
  expect(opened).toMatchObject({ kind: 'order', order, id: orderIdOf(writeOrder(order)) })
})

test.each(orders.map(order => [order.order, order] as const))('who may give %s', (kind, order) => {
  const grave = kind === 'resume' || kind === 'promote'
  const opened = give(order, anna)
  expect(check(opened)).toBe(grave ? 'THRESHOLD_NOT_MET' : undefined)
  const cosigs = [anna, eve, bert].map(each => signSshsig(each, 'fleet', opened.payload))
  expect(check(opened, cosigs)).toBeUndefined()
  expect(check(opened, cosigs.slice(0, 2))).toBe(grave ? 'THRESHOLD_NOT_MET' : undefined)
  expect(check(give(order, eve))).toBe('SIGNER_UNKNOWN')
  expect(check(give(order, anna, 'git'))).toBe('NOT_ALLOWED')
  expect(check(give(order, cleo))).toBe('SIGNER_UNKNOWN')
  expect(check(give(order, cleo, 'fleet-fresh'))).toBe(kind === 'fresh' ? undefined : 'NOT_ALLOWED')
  expect(orderNamespace(order, cleo.key, trust)).toBe(kind === 'fresh' ? 'fleet-fresh' : 'fleet')
  expect(check(opened, [], ids[0] as FleetId)).toBe('WRONG_FLEET')
})

describe('REFUSE an order', () => {
  const payload = text(writeOrder(orders[3]!))!
  const bad: [string, string][] = [
    ['with an unknown kind', payload.replace('promote', 'demote')],
    ['with a name of Object', payload.replace('promote', 'constructor')],
    ['with a line too many', `${payload}Note: hello\n`],
    ['with a line twice', payload.replace('Stage: 2\n', 'Stage: 2\nStage: 2\n')],
    ['with lines in another order', payload.replace(/(Stage.*\n)(Without.*\n)/, '$2$1')],
    ['without a line', payload.replace(/Stage.*\n/, '')],
    ['with an unsorted list', payload.replace(ids.join(' '), ids.toReversed().join(' '))],
    ['with a number that has leading zeros', payload.replace('Stage: 2', 'Stage: 02')],
    ['with a day that does not exist', payload.replace('11-20', '11-31')],
    ['of a later format', payload.replace('order 1', 'order 2')],
  ]
  test.each(bad)('%s', (_, changed) => {
    const signed = sealOrder(utf8(changed), signSshsig(anna, 'fleet', utf8(changed)))
    expect(openOrder(signed)).toMatchObject({ code: 'MALFORMED' })
  })
  test('whose bytes were changed', () => {
    const blob = signSshsig(anna, 'fleet', utf8(payload))
    const changed = sealOrder(utf8(payload.replace('Stage: 2', 'Stage: 3')), blob)
    expect(check(openOrder(changed) as OpenedOrder)).toBe('SIGNATURE_BAD')
    expect(isRefusal(openOrder(armour(blob)))).toBe(true)
    expect(isRefusal(openOrder(new Uint8Array(70_000)))).toBe(true)
  })
})

test('envelopes come back, and bad ones are refused', () => {
  const payload = writeOrder(orders[0]!)
  const order = sealOrder(payload, signSshsig(anna, 'fleet', payload))
  for (const cosigs of [[], [signSshsig(bert, 'fleet', payload)]])
    expect(orderEnvelopeOf(decodeMap(encode(orderMap({ order, cosigs }))))).toEqual({ order, cosigs })
  for (const value of [
    undefined,
    null,
    [],
    {},
    { order: 1 },
    { order, cosigs: [1] },
    { order, cosigs: order },
  ])
    expect(orderEnvelopeOf(value as never)).toMatchObject({ code: 'MALFORMED' })
})
