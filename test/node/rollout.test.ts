import { describe, expect, test } from 'vitest'
import { decide, type Gate, type Situation } from '../../node/rollout.ts'

const ready: Situation = {
  target: { sequence: 4, id: 'four', content: 'c4', language: 1, expiresMs: 1_000 },
  inForce: 'three',
  language: 1,
  running: false,
  pausedUntilMs: undefined,
  cloned: false,
  dirty: false,
  frozenBy: undefined,
  peersToHear: 0,
  failed: false,
  never: new Set(),
  held: true,
  retryMs: undefined,
}

describe('gates', () => {
  test('nothing in the way: go', () => expect(decide(ready, 0)).toEqual({ kind: 'go' }))
  test('in force already: done', () =>
    expect(decide({ ...ready, inForce: 'four' }, 0)).toEqual({ kind: 'done' }))

  const shut: [Gate, Partial<Situation>, number?][] = [
    ['release', { target: undefined }],
    ['running', { running: true }],
    ['floor', { peersToHear: 2 }],
    ['cloned', { cloned: true }],
    ['paused', { pausedUntilMs: 10 }],
    ['dirty', { dirty: true }],
    ['fork', { frozenBy: 'abc' }],
    ['never', { never: new Set(['c4']) }],
    ['failed', { failed: true }],
    ['language', { language: 0 }],
    ['expired', {}, 1_000],
    ['pack', { held: false }],
    ['wait', { retryMs: 10 }],
  ]
  test.each(shut)('%s holds, with a reason in words', (gate, change, nowMs = 0) => {
    const decision = decide({ ...ready, ...change }, nowMs)
    expect(decision).toMatchObject({ kind: 'hold', gate })
    expect(decision).toHaveProperty('reason', expect.stringMatching(/\w+ \w+|paused/))
  })

  test('a pause and a wait end by themselves, and say when', () => {
    expect(decide({ ...ready, pausedUntilMs: 10 }, 0)).toHaveProperty('untilMs', 10)
    expect(decide({ ...ready, pausedUntilMs: 10 }, 10)).toEqual({ kind: 'go' })
    expect(decide({ ...ready, retryMs: 10 }, 10)).toEqual({ kind: 'go' })
  })

  test('a blank host takes an expired release: it is the last good state there is', () =>
    expect(decide({ ...ready, inForce: undefined }, 2_000)).toEqual({ kind: 'go' }))
})
