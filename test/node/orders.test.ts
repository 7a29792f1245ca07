// The set of orders: what is taken, by whom it may be given, what it says together; and that it does not matter in which
// order, how often, or through whom orders are heard.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limits } from '../../gossip/limits.ts'
import { EntryLog } from '../../node/log.ts'
import { Orders } from '../../node/orders.ts'
import { concat, hex, unhex } from '../../signing/bytes.ts'
import { encode } from '../../signing/cbor.ts'
import { sha256 } from '../../signing/crypto.ts'
import { type EntryId, encodeEnvelope, type FleetId } from '../../signing/entry.ts'
import type { Time } from '../../signing/fields.ts'
import { type Order, orderIdOf, writeOrder } from '../../signing/order.ts'
import { signSshsig } from '../../signing/sshsig.ts'
import {
  anna,
  bert,
  cleo,
  content,
  eve,
  files,
  genesis,
  hosts,
  type Made,
  operator,
  release,
  trustChange,
} from '../signing/fleet.ts'
import { envelopeOf } from './order-maker.ts'

const people = [operator('anna', anna), operator('bert', bert), operator('clock', cleo, ['fleet-fresh'])]
const roster = hosts(4)
const first = genesis(files(people, roster))
const fleet = first.id as string as FleetId
const one = release({ fleet: first, previous: first })
const two = release({ fleet: first, previous: one }, { content: content('second') })
const keys = roster.map(each => hex(each.key)).sort()

function logOf(...made: Made[]): EntryLog {
  const log = new EntryLog({ fleet, language: 1 })
  for (const each of made) log.take(encodeEnvelope(each.envelope), { gap: false })
  return log
}
const held = (...made: Made[]) => new Orders({ log: logOf(...(made.length > 0 ? made : [first, one, two])) })
const about = (entry: Made, at = 0) => ({
  fleet,
  entry: entry.id as EntryId,
  issued: `2026-11-20T21:36:${String(at).padStart(2, '0')}Z` as Time,
})
const idOf = (order: Order) => orderIdOf(writeOrder(order))
const halt = (entry = two, at = 0, reason = 'too warm'): Order => ({
  ...about(entry, at),
  order: 'halt',
  reason,
})
const resume = (...halts: Order[]): Order => ({
  ...about(two),
  order: 'resume',
  halts: halts.map(idOf).sort(),
})
const promote = (stage: number, without?: string[]): Order => ({
  ...about(two),
  order: 'promote',
  stage,
  ...(without && { without }),
})
const retry = (host: string, attempt: number): Order => ({ ...about(two), order: 'retry', host, attempt })
const fresh = (until: string): Order => ({ ...about(two), order: 'fresh', until: until as Time })
const trial = (at: number, until: string, ...on: string[]): Order => ({
  ...about(two, at),
  order: 'trial',
  commit: 'c'.repeat(40),
  pack: { digest: content('pack'), size: 7 },
  hosts: on,
  until: until as Time,
  mode: 'run',
})

describe('what an order is answered', () => {
  const good = envelopeOf(halt())
  test('new, then known; its id makes the root', () => {
    const orders = held()
    expect(hex(orders.root())).toBe(hex(sha256(new Uint8Array())))
    expect(orders.take(good)).toMatchObject({ kind: 'new', signer: 'anna', held: { id: idOf(halt()) } })
    expect(orders.take(good)).toEqual({ kind: 'known' })
    orders.take(envelopeOf(promote(2)))
    const ids = [halt(), promote(2)].map(idOf).sort()
    expect(hex(orders.root())).toBe(hex(sha256(concat(...ids.map(id => unhex(id)!)))))
    expect(orders.missingIn([unhex(ids[0]!)!])).toEqual([orders.all()[1]!.envelope])
  })

  test('one whose entry, or all trust, is not here yet waits, and is not kept', () => {
    for (const orders of [held(first, one), new Orders({ log: new EntryLog({ fleet, language: 1 }) })]) {
      expect(orders.take(good)).toEqual({ kind: 'waits', entry: two.id })
      expect(orders.size).toBe(0)
    }
  })

  const twoSign = files(people, roster, 2)
  const strict = genesis(twoSign, [anna, bert])
  const strictRelease = release({ fleet: strict, previous: strict })
  const at = {
    fleet: strict.id as string as FleetId,
    entry: strictRelease.id,
    issued: '2026-11-20T21:36:00Z' as Time,
  }
  const kinds: [Order, boolean][] = [
    [{ ...at, order: 'halt' }, false],
    [{ ...at, order: 'resume', halts: [idOf(halt())] }, true],
    [{ ...at, order: 'promote', stage: 2 }, true],
    [{ ...at, order: 'fresh', until: '2026-11-21T00:00:00Z' as Time }, false],
    [{ ...at, order: 'retry', host: keys[0]!, attempt: 2 }, false],
    [{ ...(trial(0, '2026-11-21T00:00:00Z', keys[0]!) as Order), ...at } as Order, false],
  ]
  test.each(kinds)('authority: %o', (order, isGrave) => {
    const ask = (...signers: (typeof anna)[]) => {
      const log = new EntryLog({ fleet: strict.id as string as FleetId, language: 1 })
      for (const each of [strict, strictRelease]) log.take(encodeEnvelope(each.envelope), { gap: false })
      const taken = new Orders({ log }).take(envelopeOf(order, signers))
      return taken.kind === 'refused' ? taken.code : taken.kind
    }
    expect(ask(anna)).toBe(isGrave ? 'THRESHOLD_NOT_MET' : 'new')
    expect(ask(anna, bert)).toBe('new')
    expect(ask(anna, anna)).toBe(isGrave ? 'THRESHOLD_NOT_MET' : 'new')
    expect(ask(eve)).toBe('SIGNER_UNKNOWN')
    const byRole = new Orders({ log: logOf(first, one, two) })
    expect(byRole.take(envelopeOf({ ...order, ...about(two) }, [cleo], 'fleet-fresh')).kind).toBe(
      order.order === 'fresh' ? 'new' : 'refused',
    )
  })

  const other = genesis(files(people, hosts(5)))
  const refusals: [string, Uint8Array, string, boolean][] = [
    ['bytes that are none', new Uint8Array([1, 2, 3]), 'MALFORMED', true],
    ['an envelope without an order', encode({ cosigs: [] }), 'MALFORMED', true],
    [
      'a signature over other words',
      swapped(halt(two, 0, 'one'), halt(two, 0, 'two')),
      'SIGNATURE_BAD',
      true,
    ],
    ['an unknown key', envelopeOf(halt(), [eve]), 'SIGNER_UNKNOWN', false],
    ['another fleet', envelopeOf({ ...halt(), fleet: other.id as string as FleetId }), 'WRONG_FLEET', false],
    ['a halt of trust', envelopeOf({ ...halt(), entry: first.id }), 'NOT_ALLOWED', false],
  ]
  test.each(refusals)('REFUSE %s', (_, bytes, code, hostile) => {
    const orders = held()
    expect(orders.take(bytes)).toMatchObject({ kind: 'refused', code, hostile })
    expect(orders.size).toBe(0)
  })

  test('what anybody put beside an order that one signer gives is not kept', () => {
    const orders = held()
    orders.take(envelopeOf(halt(), [anna, bert]))
    expect(orders.all()[0]!.envelope).toEqual(good)
  })
})

function swapped(signed: Order, said: Order): Uint8Array {
  const blob = signSshsig(anna, 'fleet', writeOrder(signed))
  return envelopeOf(said, [anna], 'fleet', blob)
}

describe('what orders say together', () => {
  const say = (...all: Order[]) => {
    const orders = held()
    for (const each of all) expect(orders.take(envelopeOf(each))).toMatchObject({ kind: 'new' })
    return orders
  }

  test('a halt lives until a resume names it', () => {
    expect(say(halt()).of(two.id).halts).toMatchObject([{ signer: 'anna', reason: 'too warm' }])
    expect(say(halt()).of(one.id).halts).toEqual([])
    expect(say(halt(), resume(halt())).of(two.id).halts).toEqual([])
    expect(say(resume(halt()), halt()).of(two.id).halts).toEqual([])
    const left = say(halt(two, 2), halt(two, 1), halt(two, 3), resume(halt(two, 2))).of(two.id).halts
    expect(left.map(each => each.id)).toEqual([halt(two, 1), halt(two, 3)].map(idOf))
  })

  test('the highest stage promoted, everybody left out, the latest time, the highest attempt', () => {
    const answer = say(
      promote(3, [keys[0]!]),
      promote(2, [keys[1]!]),
      fresh('2026-11-22T00:00:00Z'),
      fresh('2026-11-21T00:00:00Z'),
      retry(keys[2]!, 3),
      retry(keys[2]!, 2),
    ).of(two.id)
    expect(answer.promoted).toBe(3)
    expect([...answer.without].sort()).toEqual([keys[0], keys[1]])
    expect(answer.freshUntilMs).toBe(Date.parse('2026-11-22T00:00:00Z'))
    expect(keys.map(each => answer.attemptOf(each))).toEqual([1, 1, 3, 1])
    expect(held().of(two.id)).toMatchObject({ halts: [], promoted: 0, freshUntilMs: undefined })
    expect(held().of(two.id).attemptOf(keys[0]!)).toBe(1)
  })

  test('for a host the trial counts that was issued last, until its time', () => {
    const [a, b] = keys as [string, string]
    const now = Date.parse('2026-11-20T22:00:00Z')
    const [late, over] = ['2026-11-21T00:00:00Z', '2026-11-20T21:40:00Z']
    const on = (...all: Order[]) =>
      say(...all)
        .trials(now)
        .map(each => [each.id, each.hosts])
    expect(on(trial(1, late, a, b))).toEqual([[idOf(trial(1, late, a, b)), [a, b]]])
    expect(on(trial(1, over, a, b))).toEqual([])
    expect(on(trial(1, late, a, b), trial(2, over, a))).toEqual([[idOf(trial(1, late, a, b)), [b]]])
    expect(on(trial(1, late, a, b), trial(2, over, a, b))).toEqual([])
  })
})

describe('the log changes', () => {
  test('an order leaves with its entry', () => {
    const log = logOf(first, one, two)
    const orders = new Orders({ log })
    orders.take(envelopeOf(halt()))
    orders.take(envelopeOf(halt(one)))
    const third = release({ fleet: first, previous: one }, { content: content('third') })
    const drops = release({ fleet: first, previous: third }, { content: content('third b'), drops: two.id })
    expect(orders.settle()).toEqual([])
    for (const each of [third, drops]) log.take(encodeEnvelope(each.envelope), { gap: false })
    expect(log.byId(two.id)).toBeUndefined()
    expect(orders.settle()).toEqual([idOf(halt())])
    expect(orders.of(two.id).halts).toEqual([])
    expect(orders.all().map(each => each.id)).toEqual([idOf(halt(one))])
  })

  test('those of an operator who was withdrawn go; a change of hosts changes nothing', () => {
    const log = logOf(first, one, two)
    const orders = new Orders({ log })
    orders.take(envelopeOf(halt(two, 1), [anna]))
    orders.take(envelopeOf(halt(two, 2), [bert]))
    const grown = trustChange({ fleet: first, previous: two }, files(people, hosts(5)))
    const without = trustChange(
      { fleet: first, previous: grown, trust: grown },
      files([people[0]!, people[2]!], hosts(5)),
    )
    log.take(encodeEnvelope(grown.envelope), { gap: false })
    expect(orders.settle()).toEqual([])
    log.take(encodeEnvelope(without.envelope), { gap: false })
    expect(orders.settle()).toEqual([idOf(halt(two, 2))])
    expect(orders.take(envelopeOf(halt(two, 2), [bert]))).toMatchObject({ code: 'SIGNER_UNKNOWN' })
  })
})

describe('however orders are heard', () => {
  const pool: Order[] = [
    ...[0, 1, 2, 3].map(at => halt(two, at)),
    halt(one, 9),
    resume(halt(two, 1), halt(two, 2)),
    resume(halt(two, 0)),
    promote(1),
    promote(4, [keys[0]!]),
    fresh('2026-11-22T00:00:00Z'),
    fresh('2026-11-25T00:00:00Z'),
    ...[2, 3, 4].map(attempt => retry(keys[1]!, attempt)),
    trial(1, '2026-11-21T00:00:00Z', keys[0]!, keys[1]!),
    trial(2, '2026-11-21T00:00:00Z', keys[1]!),
  ]
  // One log for all, and signatures that are known to be good: what is asked here is another thing.
  const log = logOf(first, one, two)
  const same = () => new Orders({ log })
  const bytes = pool.map(each => envelopeOf(each))
  const now = Date.parse('2026-11-20T22:00:00Z')
  const pictureOf = (orders: Orders) => {
    const of = (entry: Made) => {
      const { attemptOf, without, ...rest } = orders.of(entry.id)
      return { ...rest, without: [...without].sort(), attempts: keys.map(each => attemptOf(each)) }
    }
    return { root: hex(orders.root()), one: of(one), two: of(two), trials: orders.trials(now) }
  }

  test('any order, with repetitions, in parts that merge: one set, one answer', () => {
    const plain = same()
    for (const each of bytes) plain.take(each, true)
    const wanted = pictureOf(plain)
    const any = fc.array(fc.nat(pool.length - 1), { maxLength: 40 })
    fc.assert(
      fc.property(fc.tuple(any, any, any), fc.boolean(), (parts, reversed) => {
        const [a, b, c] = parts.map(part => {
          const orders = same()
          for (const at of part) orders.take(bytes[at]!, true)
          return orders
        }) as [Orders, Orders, Orders]
        for (const each of bytes) c.take(each, true)
        const pairs: [Orders, Orders][] = [
          [a, b],
          [b, c],
          [c, a],
          [a, b],
          [b, a],
          [c, b],
        ]
        for (const [to, from] of reversed ? pairs.reverse() : pairs)
          for (const each of from.missingIn(to.ids())) to.take(each, true)
        for (const each of [a, b]) for (const order of c.missingIn(each.ids())) each.take(order, true)
        for (const each of [a, b, c]) expect(pictureOf(each)).toEqual(wanted)
      }),
      { numRuns: 30 },
    )
  })

  test('more than are kept: which go does not depend on the way either', () => {
    const many = Array.from({ length: limits.ordersPerKind.fresh + 4 }, (_, day) =>
      envelopeOf(fresh(`2026-12-${String(day + 1).padStart(2, '0')}T00:00:00Z`)),
    )
    const pictures = [many, many.toReversed(), [...many.slice(7), ...many.slice(0, 9)]].map(list => {
      const orders = same()
      for (const each of list) orders.take(each, true)
      expect(orders.size).toBe(limits.ordersPerKind.fresh)
      return pictureOf(orders)
    })
    expect(pictures[1]).toEqual(pictures[0])
    expect(pictures[2]).toEqual(pictures[0])
    expect(pictures[0]!.two.freshUntilMs).toBe(Date.parse('2026-12-20T00:00:00Z'))
    const full = same()
    for (const each of many.toReversed()) full.take(each, true)
    expect(full.take(many[0]!, true)).toMatchObject({ kind: 'refused', code: 'ORDERS_FULL', hostile: false })
    const grown = same()
    for (const each of many) grown.take(each, true)
    expect(grown.size).toBe(limits.ordersPerKind.fresh)
    // One kind that is full takes no place from another.
    expect(grown.take(envelopeOf(halt()))).toMatchObject({ kind: 'new', dropped: [] })
  })
})
