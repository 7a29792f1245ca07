// What a member of the fleet that lies, or holds a stolen key, can and cannot do to the others.
import { expect, test } from 'vitest'
import { hex } from '../../signing/bytes.ts'
import { sha256 } from '../../signing/crypto.ts'
import { eve } from '../signing/fleet.ts'
import { fleet, resigned } from './fleet.ts'
import type { SimHost } from './rig.ts'

test('a copy under a false signature, which comes first, does not hide the release: they have one id', () => {
  const { rig, all, next, publish, start } = fleet(2)
  start()
  const [a, b] = all as [SimHost, SimHost]
  const made = next('a')
  rig.send(b, a, resigned(made))
  expect(b.log.refused()).toMatchObject([{ code: 'SIGNER_UNKNOWN', id: made.id }])
  publish(a, made)
  rig.run(10_000)
  expect(b.applied).toEqual([2])
  expect(b.log.refused()).toEqual([])
})

test('a flood of forged entries does not make a host forget that a release was condemned', () => {
  const { rig, all, next, follow, start, packs } = fleet(2)
  start()
  const [a, b] = all as [SimHost, SimHost]
  const made = next('bad pack')
  follow({ ...made, envelope: { ...made.envelope, pack: packs.get(made.sequence)! } }, b)
  rig.run(1_000)
  expect(b.log.refusalOf(made.id)?.code).toBe('PACK_FORM')
  for (let i = 0; i < 40; i++) rig.send(b, a, next(`junk ${i}`, {}, [eve]))
  rig.run(10_000)
  expect(b.log.refusalOf(made.id)?.code).toBe('PACK_FORM')
  expect(b.logged.filter(each => each.event === 'pack refused')).toHaveLength(1)
  expect(b.log.refused()).toHaveLength(32)
})

test('an old entry that is sent again lowers no floor, and costs nothing', () => {
  const { rig, all, next, publish, start } = fleet(2)
  start()
  const [a, b] = all as [SimHost, SimHost]
  const old = publish(a, next('0'))
  for (let i = 1; i <= 65; i++) publish(a, next(String(i)))
  rig.run(5_000)
  expect(b.disk.floor?.sequence).toBe(67)
  const kept = b.disk.entries.length
  rig.send(b, a, old)
  expect(b.disk.floor?.sequence).toBe(67)
  expect(b.disk.entries).toHaveLength(kept)
})

test('a pack with a base that nobody serves does not hide the release: the full one is fetched', () => {
  const { rig, all, next, publish, start } = fleet(3)
  start()
  const [a, , c] = all as [SimHost, SimHost, SimHost]
  const base = publish(a, next('a'))
  rig.run(5_000)
  const commit = c.log.byId(base.id)?.release?.commit ?? ''
  const full = { digest: hex(sha256(new Uint8Array(1000).fill('b'.charCodeAt(0)))), size: 1000, base: 'none' }
  publish(a, next('b', { packs: [{ digest: 'd'.repeat(64), size: 10, base: commit }, full] }))
  rig.run(60_000)
  expect(c.applied).toEqual([2, 3])
})
