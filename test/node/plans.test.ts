// A host's own plan for an operator: who may ask, what is answered, and how much of it; the laptop's side too.
import { describe, expect, test } from 'vitest'
import type { PeerId } from '../../gossip/carrier.ts'
import { limits } from '../../gossip/limits.ts'
import { decodeMessage, encodeMessage, type PlanMessage } from '../../gossip/message.ts'
import { Plans } from '../../node/plans.ts'
import { planMessage, readPlanMessage, type ToldPlan } from '../../node/told-plan.ts'
import { hex } from '../../signing/bytes.ts'
import type { EntryId, FleetId } from '../../signing/entry.ts'
import type { Time } from '../../signing/fields.ts'
import { type Order, orderIdOf, writeOrder } from '../../signing/order.ts'
import { anna, bert, eve } from '../signing/fleet.ts'
import { fleet } from './fleet.ts'
import { envelopeOf } from './order-maker.ts'

const now = Date.parse('2026-11-20T21:40:00Z')
const laptop = 'laptop' as PeerId
const commit = 'ab'.repeat(20)
const pack = { digest: 'cd'.repeat(32), size: 4_000 }
const told: ToldPlan = {
  kept: 2,
  changes: [
    { step: 'COPY /etc/x', change: 'new', undo: 'exact', file: 'site.steps', line: 2, tentative: true },
  ],
  acts: [['exact', 'write /etc/x']],
  impossible: [],
  left: 0,
}

function story() {
  const { all, first, start } = fleet(2)
  start()
  const [a, b] = all as [(typeof all)[number], (typeof all)[number]]
  const held = new Set<string>()
  const refused = new Map<string, string>()
  const plans = new Plans({
    orders: a.orders,
    admissions: { isLaptop: (peer: PeerId) => peer === laptop } as never,
    self: a.key,
    holds: each => held.has(each),
    refusalOf: each => refused.get(each),
  })
  const order = (more: object = {}): Order =>
    ({
      ...{ fleet: first.id as string as FleetId, entry: first.id as string as EntryId },
      ...{ issued: '2026-11-20T21:36:00Z' as Time, order: 'trial', commit, pack, hosts: [a.key] },
      ...{ until: '2026-11-20T21:46:00Z' as Time, mode: 'plan', ...more },
    }) as Order
  const ask = (each: Order, signers = [anna], from = laptop) =>
    plans.take(from, envelopeOf(each, signers), now, now)
  return { a, b, plans, order, ask, held, refused }
}
const idOf = (order: Order) => orderIdOf(writeOrder(order))
const whyOf = (answers: ReturnType<Plans['take']>) =>
  answers.map(each => (each.kind === 'send' && each.message.t === 'plan' ? each.message.why : each.kind))

describe('asking for a plan', () => {
  test('the pack is fetched from who asks, the commit planned, and the answer goes to who asked', () => {
    const { plans, order, ask, held } = story()
    const id = idOf(order())
    expect(ask(order())).toEqual([])
    expect(plans.wanted()).toEqual([{ commit, pack, from: laptop }])
    expect(plans.needs()).toEqual([commit])
    expect(plans.pursue(now)).toEqual([])
    held.add(commit)
    expect(plans.pursue(now)).toEqual([{ kind: 'plan', id, commit }])
    expect(plans.pursue(now)).toEqual([])
    const [answer] = plans.planned(id, told)
    expect(answer).toMatchObject({ kind: 'send', to: laptop, message: { t: 'plan', kept: 2 } })
    expect([plans.needs(), plans.planned(id, told)]).toEqual([[], []])
  })

  test('who is no laptop of an operator, and what no operator signed, is not answered', () => {
    const { plans, order, ask } = story()
    expect(ask(order(), [anna], 'other' as PeerId)).toEqual([])
    expect(ask(order(), [eve])).toEqual([])
    expect(plans.take(laptop, new Uint8Array([1]), now, now)).toEqual([])
    expect(ask(order({ fleet: '00'.repeat(32) }))).toEqual([])
    expect(plans.wanted()).toEqual([])
    // Any operator may.
    ask(order(), [bert])
    expect(plans.wanted()).toHaveLength(1)
  })

  test('a question to other hosts, too late, of another mode, or one too many is answered with why not', () => {
    const { b, order, ask } = story()
    expect(whyOf(ask(order({ mode: 'run' })))).toEqual(['the order does not ask for a plan'])
    expect(whyOf(ask(order({ hosts: [b.key] })))).toEqual(['the order names other hosts'])
    expect(whyOf(ask(order({ until: '2026-11-20T21:40:00Z' })))).toEqual([
      'by the clock here the question ended at 2026-11-20T21:40:00Z',
    ])
    const nth = (at: number) => order({ commit: String(at).padStart(40, '0') })
    for (let at = 0; at < limits.plansAtOnce; at++) expect(ask(nth(at))).toEqual([])
    expect(ask(nth(0))).toEqual([])
    expect(whyOf(ask(nth(9)))).toEqual(['others are asking, too; ask again'])
  })

  test('a pack that is refused, or does not come, ends it; so does a laptop that leaves', () => {
    const { plans, order, ask, refused } = story()
    ask(order())
    refused.set(commit, 'PACK_FORM: a delta')
    expect(whyOf(plans.pursue(now))).toEqual(['PACK_FORM: a delta'])
    refused.clear()
    ask(order())
    const endMs = plans.wakeMs()!
    expect(plans.pursue(endMs - 1)).toEqual([])
    expect(whyOf(plans.pursue(endMs))).toEqual(['its pack did not arrive in time'])
    ask(order())
    plans.down(laptop)
    expect([plans.wanted(), plans.wakeMs()]).toEqual([[], undefined])
  })

  test('the laptop keeps an answer only to what it asked', () => {
    const { plans, order } = story()
    const [one, other] = [order(), order({ commit: 'ef'.repeat(20) })]
    const sent = plans.ask(laptop, envelopeOf(one), idOf(one))
    expect(sent).toMatchObject([{ kind: 'send', message: { t: 'want-plan' } }])
    const answer = (each: Order) => planMessage(Uint8Array.from(Buffer.from(idOf(each), 'hex')), told)
    plans.answered(answer(other))
    expect(plans.answerOf(idOf(other))).toBeUndefined()
    plans.answered(answer(one))
    expect(readPlanMessage(plans.answerOf(idOf(one))!)).toEqual(told)
  })
})

describe('a plan as a message', () => {
  const id = new Uint8Array(32).fill(1)
  const travels = (plan: ToldPlan) => decodeMessage(encodeMessage(planMessage(id, plan))) as PlanMessage

  test('is the same at the other end', () => {
    const impossible = [{ ...told.changes[0]!, code: 'EROFS', detail: 'found a\nread-only disk' }]
    expect(readPlanMessage(travels({ ...told, impossible }))).toEqual({ ...told, impossible })
    expect(hex(travels(told).order)).toBe(hex(id))
  })

  test('is cut where it is too large for one, and says by how much', () => {
    const many = Array.from({ length: 9_000 }, () => ({ ...told.changes[0]!, step: 'é'.repeat(4_000) }))
    const message = planMessage(id, { ...told, changes: many })
    expect(encodeMessage(message).length).toBeLessThan(limits.messageBytes)
    expect(message.changes.length).toBeGreaterThan(300)
    expect(message.changes.length + message.acts.length + message.left).toBe(9_001)
    const rows = planMessage(id, { ...told, changes: many.map(each => ({ ...each, step: 'x' })) })
    expect([rows.changes.length, rows.left]).toEqual([limits.planRows, 4_000])
    expect(travels({ ...told, changes: many }).t).toBe('plan')
  })

  test('holds nothing that a terminal obeys, and rows that are too short are no plan', () => {
    const bad = { ...told, acts: [['exact', 'write \u001b[2J/etc/x'] as const] }
    expect(readPlanMessage(travels(bad))?.acts).toEqual([['exact', 'write ?[2J/etc/x']])
    expect(readPlanMessage({ ...travels(told), changes: [['only one']] })).toBeUndefined()
  })
})
