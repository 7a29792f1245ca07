import { describe, expect, test } from 'vitest'
import type { PeerId } from '../../gossip/carrier.ts'
import { limits } from '../../gossip/limits.ts'
import type { Heads, Message, StatusPair } from '../../gossip/message.ts'
import { createSpread, type Holdings, type Send } from '../../gossip/spread.ts'

const [a, b] = ['a', 'b'] as unknown as [PeerId, PeerId]
const id = (n: number) => new Uint8Array(32).fill(n)
const entry = (n: number, size = 10) => new Uint8Array(size).fill(n)
const status = (n: number): StatusPair => [new Uint8Array(100).fill(n), new Uint8Array(64)]

function holdings(over: Partial<Holdings> = {}): Holdings {
  return {
    head: () => [5, id(5)],
    idAt: sequence => (sequence >= 1 && sequence <= 5 ? id(sequence) : undefined),
    trustSequence: () => 1,
    held: () => 5,
    after: sequence => ({
      entries: [1, 2, 3, 4, 5].filter(n => n > sequence).map(n => entry(n)),
      whole: true,
    }),
    ordersRoot: () => id(0),
    orderIds: () => [],
    orders: () => [],
    boardRoot: () => id(7),
    have: () => [[id(1), 1]],
    newer: () => [],
    lacks: () => false,
    status: () => status(1),
    peersToShare: () => [],
    ...over,
  }
}
const heads = (over: Partial<Heads> = {}): Heads => ({
  t: 'heads',
  head: [5, id(5)],
  trust: 1,
  held: 5,
  orders: id(0),
  board: id(7),
  answer: false,
  ...over,
})
const half = () => 0.5
const kinds = (sends: Send[]) => sends.map(each => `${each.to} ${each.message.t}`)

function rig(over: Partial<Holdings> = {}) {
  const spread = createSpread(holdings(over), half, 0)
  spread.handle({ kind: 'up', peer: a }, 0)
  return spread
}
const hear = (spread: ReturnType<typeof rig>, message: Heads) =>
  spread.handle({ kind: 'message', from: a, message }, 1)

describe('spread', () => {
  test('a new neighbour hears the heads and a few peers', () => {
    const spread = createSpread(holdings({ peersToShare: () => [['12D3KooW', ['10.0.0.1:4747']]] }), half, 0)
    expect(kinds(spread.handle({ kind: 'up', peer: a }, 0))).toEqual(['a heads', 'a peers'])
  })

  test('a pack that has come here is told once to every neighbour that lacks it', () => {
    const many = Array.from({ length: limits.headsFanout * 2 }, (_, i) => `n${i}` as unknown as PeerId)
    let held = 5
    const spread = createSpread(holdings({ held: () => held }), half, 0)
    for (const peer of many) {
      spread.handle({ kind: 'up', peer }, 0)
      spread.handle({ kind: 'message', from: peer, message: heads({ answer: true }) }, 0)
    }
    held = 6
    expect(spread.handle({ kind: 'changed' }, 1).map(each => each.to)).toEqual(many)
    expect(spread.handle({ kind: 'changed' }, 2)).toHaveLength(limits.headsFanout)
  })

  const table: [string, Partial<Holdings>, Partial<Heads>, string[]][] = [
    ['equal heads are answered, nothing more', {}, {}, ['a heads']],
    ['an answer is not answered', {}, { answer: true }, []],
    ['behind: asks for what is missing', {}, { head: [9, id(9)], answer: true }, ['a want']],
    ['ahead: answers, the other will ask', {}, { head: [2, id(2)] }, ['a heads']],
    ['fork: asks for the sibling', {}, { head: [5, id(6)], answer: true }, ['a want']],
    ['other orders are asked for', {}, { orders: id(1), answer: true }, ['a want-orders']],
    ['another board opens a digest, on the answer only', {}, { board: id(8), answer: true }, ['a digest']],
    ['another board waits for the answer', {}, { board: id(8) }, ['a heads']],
  ]
  for (const [name, held, theirs, expected] of table)
    test(name, () => expect(kinds(hear(rig(held), heads(theirs)))).toEqual(expected))

  test('a digest is answered with what is newer, and by a digest when something is missing here', () => {
    const spread = rig({ newer: () => [status(1)], lacks: () => true })
    const message = { t: 'digest', have: [], answer: false } as const
    expect(kinds(spread.handle({ kind: 'message', from: a, message }, 0))).toEqual(['a statuses', 'a digest'])
    const answer = { ...message, answer: true }
    expect(kinds(spread.handle({ kind: 'message', from: a, message: answer }, 0))).toEqual(['a statuses'])
  })

  test('entries are cut at the byte bound, never to nothing', () => {
    const big = { after: () => ({ entries: [entry(1, limits.entriesBytes + 1), entry(2)], whole: true }) }
    const [sent] = rig(big).handle({ kind: 'message', from: a, message: { t: 'want', after: 0 } }, 0)
    expect(sent?.message).toMatchObject({
      t: 'entries',
      whole: true,
      entries: [entry(1, limits.entriesBytes + 1)],
    })
  })

  test('orders: those that are not listed are sent, cut at the bounds, never to nothing', () => {
    const all = [entry(1), entry(2, limits.ordersBytes), entry(3)]
    const spread = rig({ orders: have => all.slice(have.length) })
    const ask = (...have: Uint8Array[]) =>
      spread.handle({ kind: 'message', from: a, message: { t: 'want-orders', have } }, 0)
    expect(ask().map(each => each.message)).toEqual([{ t: 'orders', orders: [entry(1)] }])
    expect(ask(id(1)).map(each => each.message)).toEqual([{ t: 'orders', orders: [all[1]] }])
    expect(ask(id(1), id(2), id(3))).toEqual([])
    const many = rig({ orders: () => Array.from({ length: limits.ordersPerMessage + 1 }, () => entry(1)) })
    const [sent] = many.handle({ kind: 'message', from: a, message: { t: 'want-orders' } }, 0)
    expect(sent?.message).toHaveProperty('orders.length', limits.ordersPerMessage)
  })

  test('new orders are told to a few neighbours that hold others; what is asked for lists what is held', () => {
    let root = id(0)
    const spread = createSpread(holdings({ ordersRoot: () => root, orderIds: () => [id(3)] }), half, 0)
    const many = Array.from({ length: limits.headsFanout * 2 }, (_, i) => `n${i}` as unknown as PeerId)
    for (const peer of many) {
      spread.handle({ kind: 'up', peer }, 0)
      spread.handle({ kind: 'message', from: peer, message: heads({ answer: true }) }, 0)
    }
    expect(spread.handle({ kind: 'orders' }, 1)).toEqual([])
    root = id(9)
    expect(spread.handle({ kind: 'orders' }, 1)).toHaveLength(limits.headsFanout)
    const message = heads({ orders: id(8), answer: true })
    expect(spread.handle({ kind: 'message', from: many[0]!, message }, 2)).toMatchObject([
      { message: { t: 'want-orders', have: [id(3)] } },
    ])
  })

  test('statuses go in one batch a second, not back to where they came from', () => {
    const spread = rig()
    spread.handle({ kind: 'up', peer: b }, 0)
    for (const host of ['x', 'y', 'z']) spread.handle({ kind: 'status', host, from: b }, 100)
    expect(spread.wakeMs()).toBe(100 + limits.statusBatchMs)
    expect(spread.handle({ kind: 'tick' }, 100)).toEqual([])
    const sends = spread.handle({ kind: 'tick' }, 100 + limits.statusBatchMs)
    expect(sends).toHaveLength(1)
    expect(sends[0]).toMatchObject({ to: a, message: { statuses: [status(1), status(1), status(1)] } })
  })

  test('syncs with a random peer every 15 to 45 s', () => {
    const spread = rig()
    expect(spread.wakeMs()).toBe(limits.syncMs)
    expect(kinds(spread.handle({ kind: 'tick' }, limits.syncMs))).toEqual(['a heads'])
    expect(spread.wakeMs()).toBe(2 * limits.syncMs)
  })

  test('a new head is told to those behind; who holds a pack is known from heads', () => {
    const spread = rig()
    hear(spread, heads({ head: [3, id(3)], held: 3 }))
    spread.handle({ kind: 'up', peer: b }, 0)
    spread.handle({ kind: 'message', from: b, message: heads({ head: [8, id(8)], held: 8 }) }, 0)
    expect(kinds(spread.handle({ kind: 'changed' }, 2))).toEqual(['a heads'])
    expect(spread.holders(4)).toEqual([b])
    expect(spread.holders(3)).toEqual([a, b])
  })

  test('a pack that was installed is told to those who lack it; they neither answer nor compare boards', () => {
    const spread = rig()
    hear(spread, heads({ held: 3, board: id(8), answer: true }))
    const [told, ...others] = spread.handle({ kind: 'changed' }, 2)
    expect(others).toEqual([])
    expect(told?.message).toMatchObject({ t: 'heads', held: 5 })
    expect(hear(rig({ held: () => 3, boardRoot: () => id(8) }), told?.message as Heads)).toEqual([])
  })

  test('while nothing changes the heads are the very same', () => {
    let held = 5
    const spread = rig({ held: () => held })
    const answered = () => hear(spread, heads())[0]?.message
    const first = answered()
    expect(answered()).toBe(first)
    held = 6
    expect(answered()).toMatchObject({ held: 6 })
  })
})

describe('a neighbour whose board was compared', () => {
  const digest = (answer: boolean): Message => ({ t: 'digest', have: [[id(2), 3]], answer })
  const statuses: Message = { t: 'statuses', statuses: [status(2)] }
  const other = heads({ board: id(8) })
  const none = new Uint8Array(32)
  const rows: [string, Partial<Holdings>, Message[], boolean][] = [
    ['has the same one', {}, [heads()], true],
    ['not while it has another one', {}, [other], false],
    ['has told what it lacks of ours, and we lack nothing', {}, [other, digest(false)], true],
    ['not while we lack some of its', { lacks: () => true }, [other, digest(false)], false],
    ['has brought these', { lacks: () => true }, [other, digest(false), statuses], true],
    ['exchanges none', {}, [heads({ board: none })], true],
    ['not when it only tells that it has a pack', {}, [heads({ board: none, answer: true })], false],
    ['we exchange none', { boardRoot: () => none }, [other], true],
  ]
  test.each(rows)('%s', (_, over, messages, is) => {
    const spread = rig(over)
    expect(spread.compared()).toEqual([])
    for (const message of messages) spread.handle({ kind: 'message', from: a, message }, 1)
    expect(spread.compared()).toEqual(is ? [a] : [])
    spread.handle({ kind: 'down', peer: a }, 2)
    spread.handle({ kind: 'up', peer: a }, 3)
    expect(spread.compared()).toEqual([])
  })
})
