// Orders from agent to agent: what they hold, let go and allow; by gossip, by sync, across restarts.
import { describe, expect, test } from 'vitest'
import { encodeMessage } from '../../gossip/message.ts'
import { hex } from '../../signing/bytes.ts'
import type { EntryId, FleetId } from '../../signing/entry.ts'
import type { Time } from '../../signing/fields.ts'
import { type Order, orderIdOf, writeOrder } from '../../signing/order.ts'
import { anna, bert, eve, files, hosts, type Made, trustChange } from '../signing/fleet.ts'
import { fleet, later, operators } from './fleet.ts'
import { envelopeOf } from './order-maker.ts'
import { failedRun, type SimHost } from './rig.ts'

const issued = '2026-11-20T21:36:00Z' as Time
const by = (first: Made) => first.id as string as FleetId
const haltOf = (first: Made, made: Made, reason = 'too warm'): Order => ({
  ...{ fleet: by(first), entry: made.id as EntryId, issued },
  order: 'halt',
  reason,
})
const give = (order: Order) => ({ kind: 'order', envelope: envelopeOf(order) }) as const
const roots = (all: readonly SimHost[]) => new Set(all.map(host => hex(host.orders.root()))).size
const accepted = (host: SimHost) => host.logged.filter(each => each.event === 'order accepted').length

describe('an order', () => {
  test('given at one host reaches all, holds the release wherever it has not begun, and resume lets it go', () => {
    const { rig, all, first, next, publish, start } = fleet(5)
    start()
    const [a, ...others] = all as [SimHost, ...SimHost[]]
    rig.run(2_000)
    for (const host of others) rig.feed(host, { kind: 'pause', untilMs: rig.nowMs + 10_000, reason: 'test' })
    const made = publish(a, next('a'))
    rig.run(5_000)
    const halt = haltOf(first, made)
    rig.feed(a, give(halt))
    rig.run(5_000)
    for (const host of others) rig.feed(host, { kind: 'unpause' })
    rig.run(60_000)
    expect(roots(all)).toBe(1)
    expect(all.map(accepted)).toEqual([1, 1, 1, 1, 1])
    // It was there before the halt, and a halt takes nothing back.
    expect(a.applied).toEqual([made.sequence])
    for (const host of others) {
      expect(host.applied).toEqual([])
      expect(host.agent.decision).toMatchObject({
        gate: 'halted',
        reason: `halted by anna at ${issued}: too warm; fleet resume lets it go on`,
      })
    }
    const halts = [orderIdOf(writeOrder(halt))]
    rig.feed(others[2]!, give({ ...haltOf(first, made), order: 'resume', halts } as Order))
    rig.run(10_000)
    for (const host of all) expect(host.applied).toEqual([made.sequence])
  })

  test('missed by who was away comes by sync, and its halt holds before the pack is here', () => {
    const { rig, all, first, next, publish, start } = fleet(4)
    start()
    const [a, b, c, away] = all as [SimHost, SimHost, SimHost, SimHost]
    rig.run(2_000)
    rig.cut(away)
    const made = publish(a, next('a', {}, [anna], 200_000))
    rig.run(10_000)
    rig.feed(b, give(haltOf(first, made)))
    rig.run(5_000)
    rig.connect(a, b, c, away)
    rig.run(60_000)
    expect(roots(all)).toBe(1)
    expect(away.applied).toEqual([])
    expect(away.agent.decision).toMatchObject({ gate: 'halted' })
  })

  test('survives a restart, on whoever holds it', () => {
    const { rig, all, first, next, publish, start } = fleet(3)
    start()
    const [a, b] = all as [SimHost, SimHost, SimHost]
    rig.run(2_000)
    rig.cut(b)
    const made = publish(a, next('a'))
    rig.feed(a, give(haltOf(first, made)))
    rig.run(5_000)
    const root = hex(a.orders.root())
    rig.restart(a)
    expect(a.orders.size).toBe(1)
    expect(hex(a.orders.root())).toBe(root)
    rig.connect(...all)
    rig.run(40_000)
    expect(b.orders.size).toBe(1)
  })

  test('in a fleet that is cut in two merges when it is whole again, whatever each part has heard', () => {
    const { rig, all, first, next, publish, start } = fleet(6)
    start()
    rig.run(2_000)
    const made = publish(all[0]!, next('a'))
    rig.run(10_000)
    const [left, right] = [all.slice(0, 3), all.slice(3)]
    for (const host of right) rig.cut(host)
    rig.connect(...right)
    for (const [at, part] of [left, right].entries())
      for (let i = 0; i < 3; i++) rig.feed(part[i]!, give(haltOf(first, made, `reason ${at} ${i}`)))
    rig.run(10_000)
    expect(roots(left)).toBe(1)
    expect(roots(right)).toBe(1)
    expect(roots(all)).toBe(2)
    rig.connect(...all)
    rig.run(60_000)
    expect(roots(all)).toBe(1)
    expect(all[0]!.orders.of(made.id).halts.length).toBe(6)
  })

  test('comes before its entry: it waits, and is asked for again when the entry is here', () => {
    const { rig, all, first, next, publish, start } = fleet(3)
    start()
    const [a, , c] = all as [SimHost, SimHost, SimHost]
    rig.run(2_000)
    rig.cut(c)
    const made = publish(a, next('a'))
    rig.feed(a, give(haltOf(first, made)))
    rig.run(1_000)
    rig.connect(a, c)
    const [order] = a.orders.all()
    const message = encodeMessage({ t: 'order', order: order!.envelope })
    const effects = rig.feed(c, { kind: 'message', from: a.peer, bytes: message, gossip: true })
    expect(effects.find(each => each.kind === 'verdict')).toEqual({ kind: 'verdict', verdict: 'ignore' })
    expect(c.orders.size).toBe(0)
    rig.run(5_000)
    expect(c.orders.size).toBe(1)
    expect(c.applied).toEqual([])
  })

  test('gossiped: who passed it on is to blame only for what the bytes alone show', () => {
    const { rig, all, first, next, publish, start } = fleet(2)
    start()
    const [a, b] = all as [SimHost, SimHost]
    rig.run(2_000)
    const made = publish(a, next('a'))
    rig.run(5_000)
    const verdictOf = (order: Uint8Array) => {
      const bytes = encodeMessage({ t: 'order', order })
      const effects = rig.feed(b, { kind: 'message', from: a.peer, bytes, gossip: true })
      return effects.flatMap(each => (each.kind === 'verdict' ? [each.verdict] : []))
    }
    const good = envelopeOf(haltOf(first, made))
    expect(verdictOf(good)).toEqual(['accept'])
    expect(verdictOf(good)).toEqual(['ignore'])
    expect(verdictOf(envelopeOf(haltOf(first, made, 'another'), [eve]))).toEqual(['ignore'])
    expect(verdictOf(new Uint8Array([1]))).toEqual(['reject'])
    expect(b.orders.size).toBe(1)
  })

  test('of an operator who is withdrawn holds no longer', () => {
    const { rig, all, first, next, publish, start, trust } = fleet(3)
    start()
    const [a, b] = all as [SimHost, SimHost, SimHost]
    rig.run(2_000)
    for (const host of all) rig.feed(host, { kind: 'pause', untilMs: rig.nowMs + 3_000, reason: 'test' })
    const made = publish(a, next('a'))
    rig.run(1_000)
    rig.feed(b, { kind: 'order', envelope: envelopeOf(haltOf(first, made), [bert]) })
    rig.run(20_000)
    expect(all.map(each => each.applied)).toEqual([[], [], []])
    const change = trustChange({ fleet: first, previous: made }, files([operators[0]!], hosts(3)))
    rig.submit(a, change)
    trust(change)
    rig.run(20_000)
    expect(all.map(each => each.applied)).toEqual([[2], [2], [2]])
    expect(all.map(each => each.disk.orders.size)).toEqual([0, 0, 0])
  })
})

describe('retry', () => {
  test('makes the host that failed try once more, as the attempt that it names, and no other', () => {
    const { rig, all, first, next, publish, start } = fleet(3)
    start()
    const [a, b, c] = all as [SimHost, SimHost, SimHost]
    b.outcomes.push(failedRun)
    c.outcomes.push(failedRun)
    const made = publish(a, next('a'))
    rig.run(10_000)
    expect(b.agent.decision).toMatchObject({ gate: 'failed' })
    const attemptOf = (host: SimHost) => host.reporter.board.row(host.key)?.status.attempt
    expect(attemptOf(b)).toBe(1)
    const retry = (attempt: number): Order => ({
      ...{ fleet: by(first), entry: made.id as EntryId, issued },
      order: 'retry',
      host: b.key,
      attempt,
    })
    b.outcomes.push(failedRun)
    rig.feed(a, give(retry(2)))
    rig.run(10_000)
    expect(b.applied).toEqual([])
    expect(attemptOf(b)).toBe(2)
    expect(b.agent.decision).toMatchObject({ gate: 'failed' })
    expect(c.agent.decision).toMatchObject({ gate: 'failed' })
    // What it has tried it knows after a restart, too.
    rig.restart(b)
    rig.connect(...all)
    rig.run(60_000)
    expect(b.agent.decision).toMatchObject({ gate: 'failed' })
    rig.feed(c, give(retry(3)))
    rig.run(10_000)
    expect(b.applied).toEqual([made.sequence])
    expect(attemptOf(b)).toBe(3)
    expect(c.applied).toEqual([])
  })

  test('a host that is asked again on the spot is still at its first attempt', () => {
    const { rig, all, next, publish, start } = fleet(2)
    start()
    const [a, b] = all as [SimHost, SimHost]
    b.outcomes.push(failedRun)
    publish(a, next('a'))
    rig.run(10_000)
    rig.feed(b, { kind: 'retry' })
    rig.run(10_000)
    expect(b.applied).toEqual([2])
    // Who comes late hears its last word only: that must not hide what the others know.
    expect(b.reporter.board.row(b.key)?.status).toMatchObject({
      ...{ attempt: 1, state: 'FAILED' },
      why: `${failedRun.why}; applied by hand since, and healthy`,
    })
    rig.restart(b)
    rig.connect(a, b)
    rig.run(60_000)
    expect([b.reporter.state, b.agent.decision?.kind]).toEqual(['FAILED', 'done'])
    expect(b.applied).toEqual([2])
  })
})

test('fresh lets a release start that has expired, and STALE goes', () => {
  const { rig, all, first, next, publish, start } = fleet(3)
  start()
  const [a, b, c] = all as [SimHost, SimHost, SimHost]
  // None is blank, since a blank host takes also what has expired.
  publish(a, next('a'))
  rig.run(20_000)
  rig.cut(c)
  const at = (ms: number) => new Date(rig.nowMs + ms).toISOString().replace(/\.[0-9]+Z$/, 'Z') as Time
  const made = publish(a, next('b', { expires: at(30_000) }))
  rig.run(60_000)
  rig.connect(a, b, c)
  rig.run(60_000)
  expect(c.applied).toEqual([2])
  expect(c.agent.decision).toMatchObject({ gate: 'refused' })
  const flags = () => c.reporter.board.row(c.key)?.status.flags
  expect(flags()).toContain('STALE')
  const until = later
  rig.feed(b, give({ ...{ fleet: by(first), entry: made.id as EntryId, issued }, order: 'fresh', until }))
  rig.run(10_000)
  expect(c.applied).toEqual([2, 3])
  expect(flags()).not.toContain('STALE')
})
