// What an agent answers about the fleet, from agents that know it.
import { describe, expect, test } from 'vitest'
import { type FleetPorts, peersView, rolloutView } from '../../node/views.ts'
import { fleet } from './fleet.ts'
import { failedRun, type SimHost } from './rig.ts'

const portsOf = ({ agent, log, reporter, key }: SimHost, all: readonly SimHost[]): FleetPorts => ({
  ...{ agent, log, reporter, host: key },
  connected: () => all.map(each => each.peer),
})

describe('views of the fleet', () => {
  test('before a release there is no rollout, and no host has said of one', () => {
    const { rig, all, start } = fleet(3)
    start()
    rig.run(5_000)
    const ports = portsOf(all[0]!, all)
    expect(rolloutView(ports, 0)).toBeNull()
    expect(peersView(ports, rig.nowMs, 0).map(each => [each.release, each.state, each.silent])).toEqual(
      all.map(() => [null, 'BLANK', false]),
    )
  })

  test('a release that fails on one host: one stage of all, and what speaks against it first', () => {
    const { rig, all, next, publish, start } = fleet(5)
    start()
    all[2]!.outcomes.push(failedRun)
    const made = publish(all[0]!, next('a'))
    rig.run(60_000)
    const rollout = rolloutView(portsOf(all[0]!, all), 0)!
    expect(rollout).toMatchObject({
      sequence: made.sequence,
      stages: [{ hosts: 5, granted: 5, healthy: 4, failed: 1, running: 0, waiting: 0 }],
      decision: { kind: 'go', reason: 'all 5 hosts may start', untilMs: null },
    })
    expect(rollout.evidence.map(each => each.state)).toEqual(['FAILED', ...Array(4).fill('HEALTHY')])
    expect(rollout.evidence[0]).toMatchObject({ host: all[2]!.key, why: 'EROFS: /etc/x', attempt: 1 })
    const peers = peersView(portsOf(all[0]!, all), rig.nowMs, 0)
    expect(peers.find(each => each.key === all[2]!.key)).toMatchObject({
      ...{ state: 'FAILED', kept: 2, repaired: 0, notKept: 1, why: 'EROFS: /etc/x', release: made.sequence },
    })
    expect(peers.filter(each => each.you).map(each => each.key)).toEqual([all[0]!.key])
  })

  test('a host is silent after three heartbeats, and by its own clock where others told of it', () => {
    const { rig, all, start } = fleet(3)
    start()
    rig.run(5_000)
    const [a, b] = all as [SimHost, SimHost, SimHost]
    rig.cut(b)
    const look = (told?: (host: string) => boolean, aheadMs = 0) =>
      peersView(portsOf(a, all), rig.nowMs + aheadMs, aheadMs, told).find(each => each.key === b.key)!
    const { heardMs } = look()
    rig.run(120_000)
    expect(look()).toMatchObject({ silent: false, heardMs })
    rig.run(61_000)
    expect(look()).toMatchObject({ silent: true, heardMs, state: 'BLANK' })
    // A clock that was set an hour ahead makes nobody silent, and shows times as it is now.
    expect(look(undefined, 3_600_000).heardMs).toBe(heardMs! + 3_600_000)

    const { status } = a.reporter.board.row(b.key)!
    expect(look(host => host === b.key).heardMs).toBe(Math.min(heardMs!, status.at))
    expect(look(host => host === a.key).heardMs).toBe(heardMs)
  })
})
