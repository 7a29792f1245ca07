import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { earliestMs, grant, ladderOf, panelMax, stepsOf } from '../../node/ladder.ts'

const terms = { risk: 500, liars: 0 }
const stagesOf = (wish: string, hosts: number, given = terms) => {
  const ladder = ladderOf(wish, hosts, given)
  return ladder.kind === 'stages' ? ladder.stages : ladder.reason
}

describe('auto', () => {
  test.each([
    [1, '1'],
    [2, '1 2'],
    [3, '1 2 3'],
    [5, '1 2 4 5'],
    [6, '1 2 4 6'],
    [10, '1 2 4 8 10'],
    [30, '1 2 4 8 16 30'],
    [39, '1 2 4 8 16 32 39'],
    [40, '1 3 6 11 19 32 40'],
    [100, '1 6 18 50 100'],
    [1_000, '1 53 962 1000'],
    [10_000, '1 527 10000'],
  ])('%i hosts: %s', (hosts, stages) =>
    expect(stagesOf('auto', hosts)).toEqual(stages.split(' ').map(Number)),
  )

  test('lies make the first steps smaller', () =>
    expect(stagesOf('auto', 100, { risk: 500, liars: 300 })).toEqual([1, 6, 17, 46, 100]))

  test('opens each stage at once when all are healthy', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 100, max: 3000 }), (hosts, risk) => {
        const ladder = ladderOf('auto', hosts, { risk, liars: 0 })
        if (ladder.kind === 'refused') return
        expect(stepsOf({ risk, liars: 0, stages: ladder.stages }).map(step => step.upTo)).toEqual(
          ladder.stages,
        )
      }),
    )
  })
})

describe('named stages', () => {
  test.each([
    ['1%,10%,100%', 1, [1]],
    ['1%,10%,100%', 5, [1, 5]],
    ['1%,10%,100%', 39, [1, 4, 39]],
    ['1%,10%,100%', 100, [1, 10, 100]],
    ['0.5% 10%, 100%', 1000, [5, 100, 1000]],
    ['0.55%,100%', 1000, [6, 1000]],
    ['1 5 25 500', 100, [1, 5, 25, 100]],
    ['1,2,3,100%', 3, [1, 2, 3]],
  ])('%s of %i hosts', (wish, hosts, stages) => expect(stagesOf(wish, hosts)).toEqual(stages))

  test.each([
    ['1%,10%', 100, 'the last stage takes 10 of 100 hosts; end with 100%'],
    ['', 100, 'the last stage takes 0 of 100 hosts; end with 100%'],
    ['10,5,100%', 100, 'found 5 after 10 hosts; each stage takes in the ones before'],
    ['1%,some', 100, 'found some; expected auto, or stages such as 1%,10%,100% or 1,5,100%'],
    ['0,100%', 100, 'found 0; expected auto, or stages such as 1%,10%,100% or 1,5,100%'],
    ['101%', 100, 'found 101%; expected auto, or stages such as 1%,10%,100% or 1,5,100%'],
  ])('refuses %s of %i hosts', (wish, hosts, reason) => expect(stagesOf(wish, hosts)).toBe(reason))

  test('refuses what would stand still without a failure, and says where', () => {
    expect(stagesOf('1,10,100%', 1_000_000, { risk: 1, liars: 0 })).toMatch(
      /^stage 3 would stop at \d+ of 1000000 hosts even with every host healthy: its panel of 128 cannot show /,
    )
    expect(stagesOf('auto', 100, { risk: 0, liars: 0 })).toMatch(/^\d+ stages; at most 64 can be signed/)
  })

  test('a stage larger than the evidence allows opens in part, and costs time', () => {
    const stages = [1, 10, 100]
    expect(stepsOf({ ...terms, stages }).map(({ stage, upTo }) => `${stage}:${upTo}`)).toEqual([
      '1:1',
      '2:6',
      '2:10',
      '3:29',
      '3:79',
      '3:100',
    ])
    expect(earliestMs({ ...terms, stages }, { windowMs: 100, soakMs: 600 })).toBe(4200)
    expect(earliestMs({ ...terms, stages: [1, 6, 18, 50, 100] }, { windowMs: 100, soakMs: 600 })).toBe(3500)
  })
})

describe('how many of a stage may start', () => {
  const stage = { before: 18, size: 32, granted: 0 }

  test('all of it, in part, or none', () => {
    expect(grant(100, terms, { healthy: 18, failed: 0 }, stage)).toBe(32)
    expect(grant(100, terms, { healthy: 17, failed: 1 }, stage)).toBe(16)
    expect(grant(100, terms, { healthy: 14, failed: 4 }, stage)).toBe(2)
    expect(grant(100, terms, { healthy: 12, failed: 6 }, stage)).toBe(0)
  })

  test('below 40 hosts a failure keeps what is granted', () => {
    expect(grant(39, terms, { healthy: 4, failed: 0 }, { before: 4, size: 4, granted: 0 })).toBe(4)
    expect(grant(39, terms, { healthy: 4, failed: 1 }, { before: 4, size: 4, granted: 0 })).toBe(0)
    expect(grant(39, terms, { healthy: 4, failed: 1 }, { before: 4, size: 4, granted: 4 })).toBe(4)
  })

  test('one more panel member always passes without a failure, nobody beyond the panel', () => {
    const tight = { risk: 0, liars: 0 }
    const large = { before: 100, size: 500 }
    expect(grant(1000, tight, { healthy: 100, failed: 0 }, { ...large, granted: 0 })).toBe(1)
    expect(grant(1000, tight, { healthy: 227, failed: 0 }, { ...large, granted: 127 })).toBe(128)
    expect(grant(1000, tight, { healthy: 228, failed: 0 }, { ...large, granted: 128 })).toBe(128)
    expect(grant(1000, tight, { healthy: 100, failed: 1 }, { ...large, granted: 0 })).toBe(0)
  })

  test('never less than is granted, never more than there is; what is open beyond the panel buys nothing', () => {
    const shape = fc.record({
      healthy: fc.nat(400),
      failed: fc.nat(20),
      before: fc.nat(500),
      size: fc.integer({ min: 1, max: 500 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(shape, ({ healthy, failed, before, size, share }) => {
        const granted = Math.floor(size * share)
        const now = grant(1000, terms, { healthy, failed }, { before, size, granted })
        expect(now).toBeGreaterThanOrEqual(granted)
        expect(now).toBeLessThanOrEqual(size)
        if (now > panelMax)
          expect(grant(1000, terms, { healthy, failed }, { before, size, granted: now })).toBe(
            Math.max(now, grant(1000, terms, { healthy, failed }, { before, size, granted: panelMax })),
          )
      }),
    )
  })
})
