import { describe, expect, test } from 'vitest'
import { decide, type Gate, type Situation } from '../../node/rollout.ts'

const ready: Situation = {
  target: { sequence: 4, id: 'four' },
  inForce: 'three',
  running: false,
  pausedUntilMs: undefined,
  cloned: false,
  dirty: false,
  refusal: undefined,
  peersToHear: 0,
  failed: false,
  held: true,
  trouble: undefined,
  stage: undefined,
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
    ['refused', { refusal: { code: 'NEVER', detail: 'content on the never list' } }],
    ['failed', { failed: true }],
    ['pack', { held: false }],
    ['stage', { stage: { reason: 'stage 2 stays shut' } }],
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
    expect(decide({ ...ready, stage: { reason: 'its time', untilMs: 20 } }, 10)).toHaveProperty('untilMs', 20)
  })
})
