// What an agent answers about the fleet, from agents that know it.
import { describe, expect, test } from 'vitest'
import { type FleetPorts, peersView, rolloutView } from '../../node/views.ts'
import { fleet } from './fleet.ts'
import { failedRun, type SimHost } from './rig.ts'

const portsOf = ({ agent, log, orders, reporter, key }: SimHost, all: readonly SimHost[]): FleetPorts => ({
  ...{ agent, log, orders, reporter, host: key },
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

  test('a canary that fails: its stage, the stages that stay shut, and what speaks against the release first', () => {
    const { rig, all, next, publish, start } = fleet(6)
    start()
    rig.run(5_000)
    for (const host of all) host.outcomes.push(failedRun)
    const made = publish(all[0]!, next('a', { stages: [1, 3, 6], soakSeconds: 30, deadlineSeconds: 600 }))
    rig.run(60_000)
    const canary = all.find(host => host.reporter.state === 'FAILED')!
    const other = all.find(host => host !== canary)!
    const rollout = rolloutView(portsOf(other, all), 3_600_000)!
    expect(rollout).toMatchObject({
      sequence: made.sequence,
      stages: [
        { stage: 1, hosts: 1, granted: 1, healthy: 0, failed: 1, running: 0, waiting: 0 },
        { stage: 2, hosts: 2, granted: 0, waiting: 2, openedMs: null },
        { stage: 3, hosts: 3, granted: 0, waiting: 3, openedMs: null },
      ],
      decision: { kind: 'hold', reason: expect.stringContaining('stage 2 stays shut') },
      evidence: [{ host: canary.key, state: 'FAILED', why: 'EROFS: /etc/x', attempt: 1 }],
      halts: [],
    })
    // Times are by the machine's clock.
    expect(rollout.stages[0]!.openedMs).toBeGreaterThan(rig.nowMs + 3_500_000)
    const peers = peersView(portsOf(other, all), rig.nowMs, 0)
    expect(peers.find(each => each.key === canary.key)).toMatchObject({
      ...{ state: 'FAILED', kept: 2, repaired: 0, notKept: 1, why: 'EROFS: /etc/x', release: made.sequence },
    })
    expect(peers.filter(each => each.you).map(each => each.key)).toEqual([other.key])
  })

  test('a host is silent after three heartbeats', () => {
    const { rig, all, start } = fleet(3)
    start()
    rig.run(5_000)
    const [a, b] = all as [SimHost, SimHost, SimHost]
    rig.cut(b)
    const look = (aheadMs = 0) =>
      peersView(portsOf(a, all), rig.nowMs + aheadMs, aheadMs).find(each => each.key === b.key)!
    const { newsMs, heardMs, status } = a.reporter.board.row(b.key)!
    const saidMs = newsMs ?? Math.min(heardMs!, status.at)
    expect(look()).toMatchObject({ silent: false, heardMs: saidMs })
    rig.run(saidMs + 180_000 - rig.nowMs)
    expect(look()).toMatchObject({ silent: false, heardMs: saidMs })
    rig.run(1)
    expect(look()).toMatchObject({ silent: true, heardMs: saidMs, state: 'BLANK' })
    // A clock that was set ahead makes nobody silent.
    rig.connect(...all)
    rig.run(120_000)
    expect(a.reporter.board.row(b.key)!.newsMs).toBeDefined()
    expect(look(3_600_000).silent).toBe(false)
  })

  test('what a restart brings back from the store was said when its host says so', () => {
    const { rig, all, start } = fleet(3)
    start()
    rig.run(130_000)
    const [a, b] = all as [SimHost, SimHost, SimHost]
    const { pair, status } = a.reporter.board.row(b.key)!
    rig.cut(a)
    rig.restart(a)
    a.reporter.board.take(pair, undefined)
    rig.run(10_000)
    const seen = peersView(portsOf(a, []), rig.nowMs, 0).find(each => each.key === b.key)!
    expect(seen).toMatchObject({ heardMs: status.at, silent: false })
    rig.run(180_000)
    expect(peersView(portsOf(a, []), rig.nowMs, 0).find(each => each.key === b.key)!.silent).toBe(true)
  })
})
