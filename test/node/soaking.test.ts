// The soak of a release on real agents: CHECKs that fail in it, restarts of the agent in it, and what a trial does to it.
import { describe, expect, test } from 'vitest'
import { awake, staged } from './fleet.ts'
import type { SimHost } from './rig.ts'

const minute = 60_000
const stateOf = (host: SimHost) => host.reporter.state

describe('CHECKs in the soak', () => {
  const soaking = (before: boolean) => {
    const made = awake(3)
    const { rig, all, next, publish } = made
    for (const host of all) {
      host.check = () => undefined
      rig.restart(host)
    }
    rig.connect(...all)
    rig.run(5_000)
    if (before) {
      publish(all[0]!, next('before', staged([3])))
      rig.run(2 * minute)
      expect(all.map(stateOf)).toEqual(['HEALTHY', 'HEALTHY', 'HEALTHY'])
    }
    for (const host of all) host.check = () => 'CHECK_FAILED: no answer'
    const release = publish(all[0]!, next('a', staged([1, 3])))
    rig.run(minute)
    const hit = all.filter(host => stateOf(host) === 'FAILED')
    expect(hit).toHaveLength(1)
    return { ...made, release, hit: hit[0]! }
  }

  test('one that fails takes the release back, to the one before, and says FAILED; the rest never sees it', () => {
    const { rig, all, release, hit } = soaking(true)
    expect(hit.wentBack).toEqual([2])
    expect(hit.log.byId(hit.agent.inForce ?? '')?.sequence).toBe(2)
    expect(hit.reporter.why).toBe('CHECK_FAILED: no answer (taken back)')
    rig.run(10 * minute)
    expect(all.filter(host => host.applied.includes(release.sequence))).toEqual([hit])
    rig.restart(hit)
    rig.connect(...all)
    rig.run(minute)
    expect(hit.agent.decision).toMatchObject({ kind: 'hold', gate: 'failed' })
    expect(stateOf(hit)).toBe('FAILED')
  })

  test('one that passes again soon, as when a hand stopped a service, only begins the soak anew', () => {
    const { rig, all, next, publish } = awake(3)
    let fails = false
    for (const host of all) {
      host.check = () => (fails ? 'CHECK_FAILED: no answer' : undefined)
      rig.restart(host)
    }
    rig.connect(...all)
    rig.run(5_000)
    const release = publish(all[0]!, next('a', staged([3])))
    rig.run(12_000)
    fails = true
    // A round in ten seconds: whoever is asked in these three is asked again, and passes.
    rig.run(10_500)
    fails = false
    rig.run(25_000)
    expect(all.map(stateOf)).toEqual(['APPLIED', 'APPLIED', 'APPLIED'])
    rig.run(minute)
    expect(all.map(stateOf)).toEqual(['HEALTHY', 'HEALTHY', 'HEALTHY'])
    expect(all.map(host => host.applied)).toEqual(all.map(() => [release.sequence]))
  })

  test('on a host that had none before, to nothing', () => {
    const { hit } = soaking(false)
    expect(hit.wentBack).toEqual([0])
    expect(hit.agent.inForce).toBeUndefined()
  })
})

describe('the soak', () => {
  test('goes on over a restart of the agent, and is never shortened', () => {
    const made = awake(2)
    const { rig, all, next, publish } = made
    const [a] = all as [SimHost]
    publish(a, next('a', staged([2])))
    rig.run(10_000)
    expect(stateOf(a)).toBe('APPLIED')
    rig.restart(a)
    rig.connect(...all)
    // The rig's machines show the same uptime always: nothing of a soak counts that the uptime does not show.
    rig.run(25_000)
    expect(stateOf(a)).toBe('APPLIED')
    rig.run(10_000)
    expect(stateOf(a)).toBe('HEALTHY')
    rig.restart(a)
    rig.run(1_000)
    expect(stateOf(a)).toBe('HEALTHY')
  })

  test('begins anew when a step that was not kept is kept again', () => {
    const made = awake(2)
    const { rig, all, next, publish } = made
    const [a] = all as [SimHost]
    publish(a, next('a', staged([2])))
    const drift = { repairs: 0, kept: 0, contested: 0 }
    rig.run(20_000)
    rig.feed(a, { kind: 'host', drift, notKept: 1 })
    rig.run(2_000)
    rig.feed(a, { kind: 'host', drift, notKept: 0 })
    rig.run(20_000)
    expect(stateOf(a)).toBe('APPLIED')
    rig.run(15_000)
    expect(stateOf(a)).toBe('HEALTHY')
  })
})
