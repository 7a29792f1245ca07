// Restarts in every state that a crash or a lost disk can leave.
import { expect, test } from 'vitest'
import { encodeEnvelope } from '../../signing/entry.ts'
import { files, hosts, trustChange } from '../signing/fleet.ts'
import { fleet, operators } from './fleet.ts'
import type { SimHost } from './rig.ts'

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
