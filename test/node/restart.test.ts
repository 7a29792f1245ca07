// Restarts in every state that a crash or a lost disk can leave.
import { expect, test } from 'vitest'
import type { Installed } from '../../node/ports.ts'
import { encodeEnvelope } from '../../signing/entry.ts'
import { files, hosts, trustChange } from '../signing/fleet.ts'
import { fleet, operators } from './fleet.ts'
import { failedRun, type SimHost } from './rig.ts'

const installed: Installed = {
  kind: 'installed',
  release: { commit: 'a'.repeat(40), content: '', listing: new Map() },
}

test('a release that waits under a newer trust entry starts after a restart: trust supersedes no release', () => {
  const { rig, all, first, next, publish, trust, start } = fleet(2)
  start()
  const [a, b] = all as [SimHost, SimHost]
  rig.feed(b, { kind: 'pause', untilMs: rig.nowMs + 60_000, reason: 'disk swap' })
  const made = publish(a, next('a'))
  const change = trustChange({ fleet: first, previous: made }, files(operators, hosts(3)))
  trust(change)
  rig.submit(a, change)
  rig.run(5_000)
  expect(b.disk.floor?.sequence).toBe(3)
  rig.restart(b)
  rig.connect(...rig.hosts)
  rig.run(1_000)
  expect(b.applied).toEqual([2])
})

test('the floor stands while entries that were lost come back one by one', () => {
  const { rig, all, first, next, publish, start } = fleet(2)
  start()
  const [a, b] = all as [SimHost, SimHost]
  publish(a, next('a'))
  publish(a, next('b'))
  rig.run(5_000)
  b.disk.entries = []
  rig.restart(b)
  const bytes = encodeEnvelope(first.envelope)
  rig.feed(b, { kind: 'submit', envelope: bytes })
  expect(b.log.head()?.sequence).toBe(1)
  expect(b.disk.floor?.sequence).toBe(3)
})

test('with both floors lost, a peer counts as heard once all that it holds is here', () => {
  const { rig, all, next, publish, start } = fleet(5)
  start()
  publish(all[0]!, next('a'))
  rig.run(5_000)
  const lost = all[4]!
  rig.cut(lost)
  publish(all[0]!, next('b'))
  rig.run(60_000)
  lost.disk = { entries: lost.disk.entries, orders: new Map(), counter: 0, failed: [], held: lost.disk.held }
  lost.applied.length = 0
  rig.restart(lost, 3)
  // Three heads arrive before any entry: what the store holds must not start on their account.
  rig.connect(...all)
  rig.run(60_000)
  expect(lost.applied).toEqual([3])
})

test('what is in force stays, also when its entry is not in the log any more', () => {
  const { rig, all, next, publish, start } = fleet(2)
  start()
  const [a, b] = all as [SimHost, SimHost]
  rig.restart(b)
  b.disk.inForce = 'f'.repeat(64)
  rig.restart(b)
  rig.connect(...all)
  const made = publish(a, next('a'))
  const effects = rig.feed(b, { kind: 'installed', entry: made.id, pack: '', result: installed })
  expect(effects.filter(each => each.kind === 'prune')).toEqual([])
})

test('what was said of an earlier release is not said again, when the words since were lost with the end of the log', () => {
  const { rig, all, next, publish, start } = fleet(2)
  start()
  const [a, b] = all as [SimHost, SimHost]
  b.outcomes.push(failedRun)
  publish(a, next('a'))
  rig.run(5_000)
  expect(b.reporter.state).toBe('FAILED')
  const { said, entries } = { said: b.disk.said, entries: [...b.disk.entries] }
  const newest = publish(a, next('b'))
  rig.run(5_000)
  expect([b.reporter.entry, b.agent.inForce]).toEqual([newest.id, newest.id])
  b.disk.said = said!
  for (const lost of [false, true]) {
    if (lost) b.disk.entries = [...entries]
    rig.restart(b)
    expect([b.reporter.entry, b.reporter.state]).toEqual([newest.id, 'APPLIED'])
  }
  rig.connect(...rig.hosts)
  rig.run(60_000)
  expect([b.reporter.entry, b.reporter.state]).toEqual([newest.id, 'HEALTHY'])
})

test('who failed at a release and stayed at the one before says so after a restart', () => {
  const { rig, all, next, publish, start } = fleet(2)
  start()
  const [a, b] = all as [SimHost, SimHost]
  publish(a, next('a'))
  rig.run(5_000)
  b.outcomes.push(failedRun)
  const newest = publish(a, next('b'))
  rig.run(5_000)
  rig.restart(b)
  expect([b.reporter.entry, b.reporter.state]).toEqual([newest.id, 'FAILED'])
})
