import { expect, test } from 'vitest'
import { Bucket } from '../../gossip/bucket.ts'
import type { PeerId } from '../../gossip/carrier.ts'
import { limits } from '../../gossip/limits.ts'
import { Standings } from '../../gossip/standing.ts'

test('a bucket gives its burst, then its rate, and never saves more', () => {
  const bucket = new Bucket(2, 3)
  expect([0, 0, 0, 0].map(now => bucket.take(now))).toEqual([0, 0, 0, 500])
  expect([500, 500, 60_000, 60_000, 60_000, 60_000].map(now => bucket.take(now))).toEqual([
    0, 500, 0, 0, 0, 500,
  ])
})

test('who passes on nonsense too often is not asked again for a while; others are', () => {
  const standings = new Standings()
  const [bad, good] = ['bad', 'good'] as PeerId[]
  let asked = 0
  const hear = (peer: PeerId | undefined, now: number) =>
    standings.of(peer!).judge(new Uint8Array(1), now, () => {
      asked += 1
      return peer === bad ? 'reject' : 'accept'
    })
  for (let at = 0; at < limits.blame; at++) expect(hear(bad, 0)).toBe('reject')
  expect([hear(bad, 0), asked]).toEqual(['ignore', limits.blame])
  expect(hear(good, 0)).toBe('accept')
  expect(hear(bad, 1_000 / limits.blameForgivenPerSecond)).toBe('reject')
})

test('gossip over its limit is rejected unread', () => {
  const standing = new Standings().of('a' as PeerId)
  const ask = () => expect.unreachable()
  expect(standing.judge(new Uint8Array(limits.gossipBytes + 1), 0, ask)).toBe('reject')
})

test('whose messages cost too much time must wait, and for no longer than it takes to pay', () => {
  const standing = new Standings().of('a' as PeerId)
  expect(standing.pause(0)).toBe(0)
  standing.spent(limits.workMsBurst + limits.workMsPerSecond)
  const wait = standing.pause(0)
  expect(wait).toBeGreaterThanOrEqual(1_000)
  expect(standing.pause(wait - 1)).toBe(1)
  expect(standing.pause(wait)).toBe(0)
})
