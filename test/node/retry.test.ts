// Runs that are asked for again: what an operator's `retry` allows, what it does not touch, and what stays when it goes.
import { describe, expect, test } from 'vitest'
import type { EntryId, FleetId } from '../../signing/entry.ts'
import type { Time } from '../../signing/fields.ts'
import type { Order } from '../../signing/order.ts'
import { anna, bert, files, hosts, type Made, trustChange } from '../signing/fleet.ts'
import { fleet, operators, staged } from './fleet.ts'
import { envelopeOf } from './order-maker.ts'
import { failedRun, type SimHost, unconfirmedRun, waitRun } from './rig.ts'

const minute = 60_000
const issued = '2026-11-20T21:36:00Z' as Time

function awake(count: number) {
  const made = fleet(count)
  made.start()
  made.rig.run(5_000)
  const retry = (release: Made, host: SimHost, attempt: number, signer = anna) => {
    const order: Order = {
      ...{ fleet: made.first.id as string as FleetId, entry: release.id as EntryId, issued },
      ...{ order: 'retry', host: host.key, attempt },
    }
    return { kind: 'order', envelope: envelopeOf(order, [signer]) } as const
  }
  return { ...made, retry }
}

const sequenceOf = (host: SimHost) => host.log.byId(host.agent.inForce ?? '')?.sequence

test('a host that became healthy by a retry stays so when the operator leaves who signed it', () => {
  const { rig, all, first, next, publish, trust, retry } = awake(3)
  const [a, b] = all as [SimHost, SimHost]
  publish(a, next('a', staged([3])))
  rig.run(2 * minute)
  b.outcomes.push(failedRun)
  const made = publish(a, next('b', staged([3])))
  rig.run(2 * minute)
  expect(b.reporter.state).toBe('FAILED')
  rig.feed(a, retry(made, b, 2, bert))
  rig.run(2 * minute)
  expect([b.reporter.state, b.reporter.attempt, b.disk.failed]).toEqual(['HEALTHY', 2, []])
  const change = trustChange({ fleet: first, previous: made }, files([operators[0]!], hosts(3)))
  rig.submit(a, change)
  trust(change)
  rig.run(2 * minute)
  expect(b.orders.of(made.id).attemptOf(b.key)).toBe(1)
  for (const restarts of [false, true]) {
    if (restarts) {
      rig.restart(b)
      rig.connect(...all)
      rig.run(minute)
    }
    expect(b.wentBack).toEqual([])
    expect([sequenceOf(b), b.reporter.state]).toEqual([made.sequence, 'HEALTHY'])
    expect(a.reporter.board.row(b.key)?.status.state).toBe('HEALTHY')
  }
})

describe('a run that may cut the host off is tried three times', () => {
  test('whatever is ordered of others, and again when it is asked for itself', () => {
    const { rig, all, next, publish, retry } = awake(3)
    const [a, b] = all as [SimHost, SimHost]
    for (let i = 0; i < 30; i++) b.outcomes.push(unconfirmedRun)
    const runs = () => 30 - b.outcomes.length
    const made = publish(a, next('a'))
    rig.run(60 * minute)
    expect(runs()).toBe(3)
    for (const attempt of [2, 3]) {
      rig.feed(a, retry(made, a, attempt))
      rig.run(60 * minute)
    }
    expect(runs()).toBe(3)
    rig.feed(a, retry(made, b, 2))
    rig.run(60 * minute)
    expect(runs()).toBe(6)
    const next2 = publish(a, next('b'))
    rig.run(60 * minute)
    expect(runs()).toBe(9)
    b.outcomes.length = 0
    rig.feed(b, { kind: 'retry' })
    rig.run(minute)
    expect(b.applied).toEqual([next2.sequence])
  })

  test('nor does an order of others shorten the pauses of what waits', () => {
    const { rig, all, next, publish, retry } = awake(3)
    const [a, b] = all as [SimHost, SimHost]
    for (let i = 0; i < 30; i++) b.outcomes.push(waitRun)
    const made = publish(a, next('a'))
    rig.run(60 * minute)
    const left = b.outcomes.length
    for (let attempt = 2; attempt < 12; attempt++) {
      rig.feed(a, retry(made, a, attempt))
      rig.run(1_000)
    }
    expect(left - b.outcomes.length).toBeLessThan(2)
  })
})

describe('a release that fails in its soak where there is no way back', () => {
  const stuck = () => {
    const made = awake(3)
    const { rig, all, next, publish } = made
    for (const host of all) {
      host.check = () => undefined
      rig.restart(host)
    }
    rig.connect(...all)
    publish(all[0]!, next('before', staged([3])))
    rig.run(2 * minute)
    for (const host of all) {
      host.check = () => 'CHECK_FAILED: no answer'
      host.backs.push(waitRun)
    }
    const release = publish(all[0]!, next('a', staged([1, 3])))
    rig.run(minute)
    const hit = all.find(host => host.reporter.state === 'FAILED')!
    expect(sequenceOf(hit)).toBe(release.sequence)
    for (const host of all) host.check = () => undefined
    rig.run(10 * minute)
    expect(hit.reporter.state).toBe('FAILED')
    return { ...made, release, hit }
  }
  const runsOf = ({ hit, release }: { hit: SimHost; release: Made }) =>
    hit.applied.filter(each => each === release.sequence).length

  test('runs again by a signed retry, also when that has to wait, and goes on from there', () => {
    const made = stuck()
    const { rig, all, release, hit, retry } = made
    hit.outcomes.push(waitRun)
    rig.feed(all[0]!, retry(release, hit, 2))
    rig.run(2_000)
    expect([hit.reporter.state, hit.reporter.attempt, runsOf(made)]).toEqual(['FAILED', 1, 1])
    rig.run(30 * minute)
    expect([hit.reporter.state, hit.reporter.attempt, runsOf(made)]).toEqual(['HEALTHY', 2, 2])
    expect(all.map(sequenceOf)).toEqual([release.sequence, release.sequence, release.sequence])
  })

  test('goes back to what was before it when it fails again', () => {
    const made = stuck()
    const { rig, all, release, hit, retry } = made
    hit.check = () => 'CHECK_FAILED: still'
    rig.feed(all[0]!, retry(release, hit, 2))
    rig.run(5 * minute)
    expect([hit.reporter.state, hit.reporter.attempt, runsOf(made)]).toEqual(['FAILED', 2, 2])
    expect([sequenceOf(hit), hit.wentBack]).toEqual([2, [2]])
  })

  test('is not run again by a retry of another', () => {
    const made = stuck()
    const { rig, all, release, hit, retry } = made
    rig.feed(all[0]!, retry(release, all.find(host => host !== hit)!, 2))
    rig.run(30 * minute)
    expect([hit.reporter.state, runsOf(made)]).toEqual(['FAILED', 1])
  })
})
