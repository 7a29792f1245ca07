// Hosts that come late, or come back, to a staged release: they start only as if they had heard everything in time.
import { describe, expect, test } from 'vitest'
import type { EntryId, FleetId } from '../../signing/entry.ts'
import type { Time } from '../../signing/fields.ts'
import type { Order } from '../../signing/order.ts'
import { awake, staged } from './fleet.ts'
import { envelopeOf } from './order-maker.ts'
import { failedRun, type SimHost, waitRun } from './rig.ts'

const minute = 60_000
const issued = '2026-11-20T21:36:00Z' as Time

/** A fleet, and its host that goes first with a release of these stages: a twin of the fleet tells. */
function led(count: number, stages: readonly number[]) {
  const twin = awake(count)
  twin.publish(twin.all[0]!, twin.next('a', staged(stages)))
  twin.rig.run(10_000)
  const at = twin.all.findIndex(host => host.applied.length > 0)
  const made = awake(count)
  const canary = made.all[at]!
  return { ...made, canary, others: made.all.filter(host => host !== canary) as [SimHost, ...SimHost[]] }
}

const reasonOf = ({ agent: { decision } }: SimHost) => (decision?.kind === 'hold' ? decision.reason : '')

describe('the first host failed while another one was off', () => {
  const retry = (made: ReturnType<typeof led>, entry: string): Order => ({
    ...{ fleet: made.first.id as string as FleetId, entry: entry as EntryId, issued },
    ...{ order: 'retry', host: made.canary.key, attempt: 2 },
  })
  test.each(['is tried again by hand, and healthy', 'is to try again, and waits'])('it %s', story => {
    const made = led(5, [1, 5])
    const { rig, all, canary, others, next, publish } = made
    const late = others.at(-1)!
    rig.cut(late)
    late.up = false
    canary.outcomes.push(failedRun)
    const release = publish(others[0], next('a', staged([1, 5])))
    rig.run(2 * minute)
    expect(canary.reporter.state).toBe('FAILED')
    if (story.startsWith('is tried')) rig.feed(canary, { kind: 'retry' })
    else {
      canary.outcomes.push(...Array(50).fill(waitRun))
      rig.feed(canary, { kind: 'order', envelope: envelopeOf(retry(made, release.id)) })
    }
    rig.run(3 * minute)
    rig.restart(late)
    rig.connect(...all)
    rig.run(30 * minute)
    expect(others.map(host => host.applied)).toEqual(others.map(() => []))
    for (const host of others) expect(reasonOf(host)).toBe('stage 2 stays shut: no host is healthy, 1 failed')
  })
})

/** Lets time pass in steps of a ms; what `me` is told of a survey comes `delayMs` later. */
function surveyLate({ rig }: ReturnType<typeof led>, me: SimHost, delayMs: number, ms: number): void {
  const { feed } = rig
  const waiting: { readonly atMs: number; readonly run: () => void }[] = []
  rig.feed = (host, input) => {
    if (host !== me || input.kind !== 'surveyed') return feed.call(rig, host, input)
    waiting.push({ atMs: rig.nowMs + delayMs, run: () => feed.call(rig, host, input) })
    return []
  }
  for (let passed = 0; passed < ms; passed++) {
    rig.run(1)
    for (const each of waiting.filter(({ atMs }) => atMs === rig.nowMs)) each.run()
  }
  rig.feed = feed
}

describe('the first host failed while another one was away for longer than a silent host is waited for', () => {
  const stories = ['off', 'cut off'].flatMap(how => [1, 6, 10, 14, 20].map(ms => [how, ms] as const))
  test.each(stories)('%s, and back with its survey after %i ms', (how, delayMs) => {
    const made = led(3, [1, 3])
    const { rig, all, canary, others, next, publish } = made
    canary.outcomes.push(failedRun)
    // So that the others open the first stage, and keep that, before it begins.
    rig.feed(canary, { kind: 'pause', untilMs: rig.nowMs + minute, reason: 'a test' })
    publish(all[0]!, next('a', staged([1, 3])))
    rig.run(30_000)
    const [me, peer] = others as [SimHost, SimHost]
    rig.cut(me)
    if (how === 'off') me.up = false
    rig.feed(canary, { kind: 'unpause' })
    rig.run(20 * minute)
    expect(canary.reporter.state).toBe('FAILED')
    if (how === 'off') rig.restart(me)
    rig.connect(me, peer)
    surveyLate(made, me, delayMs, 3_000)
    rig.run(5 * minute)
    expect(others.map(host => host.applied)).toEqual([[], []])
    expect(reasonOf(me)).toBe('stage 2 stays shut: no host is healthy, 1 failed')
  })
})

test('silence counts anew after a restart: a host that is off is missed later', () => {
  const { rig, canary, others, next, publish } = led(5, [1, 5])
  rig.cut(canary)
  canary.up = false
  const release = publish(others[0], next('a', staged([1, 5])))
  rig.run(2 * minute)
  for (const host of others) rig.restart(host)
  rig.connect(...others)
  rig.run(2 * minute)
  expect(others.map(host => host.applied)).toEqual(others.map(() => []))
  rig.run(5 * minute)
  expect(others.map(host => host.applied)).toEqual(others.map(() => [release.sequence]))
})
