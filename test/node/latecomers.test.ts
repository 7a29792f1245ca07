// Hosts that come late, or come back, to a staged release: they start only as if they had heard everything in time.
import { describe, expect, test } from 'vitest'
import type { EntryId, FleetId } from '../../signing/entry.ts'
import type { Time } from '../../signing/fields.ts'
import type { Order } from '../../signing/order.ts'
import { fleet } from './fleet.ts'
import { envelopeOf } from './order-maker.ts'
import { failedRun, type SimHost, waitRun } from './rig.ts'

const minute = 60_000
const issued = '2026-11-20T21:36:00Z' as Time
const staged = (stages: readonly number[]) => ({ stages, soakSeconds: 30, deadlineSeconds: 600 })

function awake(count: number) {
  const made = fleet(count)
  made.start()
  made.rig.run(5_000)
  return made
}

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
