// What comes while a run is prepared is obeyed before it changes anything; a blank host does without a Stable that it cannot get.
import { describe, expect, test } from 'vitest'
import type { EntryId, FleetId } from '../../signing/entry.ts'
import type { Time } from '../../signing/fields.ts'
import type { Order } from '../../signing/order.ts'
import { files, hosts, type Made, trustChange } from '../signing/fleet.ts'
import { fleet, operators, staged } from './fleet.ts'
import { envelopeOf } from './order-maker.ts'
import { type SimHost, unconfirmedRun, waitRun } from './rig.ts'

const minute = 60_000
const issued = '2026-11-20T21:36:00Z' as Time

function awake(count: number) {
  const made = fleet(count)
  made.start()
  made.rig.run(5_000)
  const halt = (release: Made) => {
    const order: Order = {
      ...{ fleet: made.first.id as string as FleetId, entry: release.id as EntryId, issued },
      ...{ order: 'halt', reason: 'too warm' },
    }
    return { kind: 'order', envelope: envelopeOf(order) } as const
  }
  return { ...made, halt }
}

describe('while a run is prepared', () => {
  const preparing = () => {
    const made = awake(3)
    for (const host of made.all) host.prepareMs = minute
    const release = made.publish(made.all[0]!, made.next('a', staged([3])))
    made.rig.run(30_000)
    expect(made.all.map(each => each.agent.decision)).toMatchObject(Array(3).fill({ gate: 'running' }))
    return { ...made, release }
  }

  test('a halt is obeyed: nothing is changed, and nothing said but WAIT', () => {
    const { rig, all, release, halt } = preparing()
    rig.feed(all[0]!, halt(release))
    rig.run(10 * minute)
    for (const host of all) {
      expect(host.applied).toEqual([])
      expect(host.reporter).toMatchObject({ state: 'WAIT', why: expect.stringMatching(/^halted by anna/) })
      expect(host.agent.decision).toMatchObject({ kind: 'hold', gate: 'halted' })
    }
  })

  test('a pause is obeyed by its host, and when it is over the run begins anew', () => {
    const { rig, all, release } = preparing()
    const [a, b] = all as [SimHost, SimHost]
    rig.feed(b, { kind: 'pause', untilMs: rig.nowMs + 5 * minute, reason: 'test' })
    rig.run(2 * minute)
    expect([a, b].map(each => each.applied)).toEqual([[release.sequence], []])
    rig.run(10 * minute)
    expect(b.applied).toEqual([release.sequence])
  })

  test('a newer release takes its place', () => {
    const { rig, all, next, publish } = preparing()
    const newer = publish(all[0]!, next('b', staged([3])))
    rig.run(10 * minute)
    for (const host of all) expect(host.applied).toEqual([newer.sequence])
  })
})

describe('a blank host that cannot have Stable', () => {
  /** `before`: what befalls Stable once the others have it. */
  const coming = (before: (made: ReturnType<typeof awake>, stable: Made) => void = () => {}) => {
    const made = awake(3)
    const { rig, all, first, next, publish, trust } = made
    const stable = publish(all[0]!, next('a', staged([3])))
    rig.run(2 * minute)
    before(made, stable)
    rig.run(5_000)
    const change = trustChange({ fleet: first, previous: stable }, files(operators, hosts(4)))
    rig.submit(all[0]!, change)
    trust(change)
    rig.run(5_000)
    const newest = publish(all[0]!, next('b', { ...staged([1, 4]), stable: stable.id }))
    rig.run(5 * minute)
    const late = rig.add(3, { checkpoint: { sequence: 1, id: first.id } })
    const join = () => {
      rig.submit(late, first)
      rig.connect(...all, late)
      rig.run(30 * minute)
    }
    return { ...made, stable, newest, late, join }
  }

  test('since it is halted takes its turn with the newest', () => {
    const { late, newest, join } = coming(({ rig, all, halt }, stable) => rig.feed(all[0]!, halt(stable)))
    join()
    expect(late.applied).toEqual([newest.sequence])
  })

  for (const run of [waitRun, unconfirmedRun])
    test(`since three runs of it came to ${run.kind} takes its turn with the newest`, () => {
      const { late, newest, join } = coming()
      late.outcomes.push(run, run, run)
      join()
      expect(late.applied).toEqual([newest.sequence])
    })

  test('for a moment takes it all the same', () => {
    const { late, stable, newest, join } = coming()
    late.outcomes.push(waitRun, waitRun)
    join()
    expect(late.applied).toEqual([stable.sequence, newest.sequence])
  })
})
