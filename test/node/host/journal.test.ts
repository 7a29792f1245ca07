import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { advance, blank, type Entry, encode, replay, version } from '../../../node/host/journal.ts'

const about = { id: '1', label: 'release 1' }
const intent = { kind: 'put', path: '/a', before: null, first: true, temp: '/.t' } as const
const entries: Entry[] = [
  { kind: 'begin', run: 1, intents: [intent] },
  { kind: 'staged', made: [[7, 1.5]], sums: {} },
  { kind: 'started', index: 0 },
  { kind: 'done', about, held: [], dirty: [] },
  { kind: 'pauses', pauses: [{ path: '/a', untilMs: 5, reason: 'why' }] },
  { kind: 'owed', ids: ['RUN x'] },
  { kind: 'begin', run: 2, intents: [] },
  { kind: 'undone', dirty: [{ code: 'BUSY', path: '/a', detail: 'EBUSY' }] },
]
const join = (parts: readonly Uint8Array[]) => new Uint8Array(parts.flatMap(part => [...part]))
const frames = entries.map(encode)

describe('replay', () => {
  test('is what advance does, entry by entry', () => {
    for (let count = 0; count <= entries.length; count++) {
      const state = entries.slice(0, count).reduce(advance, blank)
      expect(replay(join(frames.slice(0, count))).state).toEqual(state)
    }
  })

  test('a run without an outcome is open', () => {
    const { state } = replay(join(frames.slice(0, 3)))
    expect(state.open).toEqual({ run: 1, intents: [intent], made: [[7, 1.5]], sums: {}, started: [0] })
    expect(replay(join(frames.slice(0, 4))).state.open).toBe(undefined)
  })

  test('a torn end does not count, wherever it is torn', () => {
    const whole = join(frames)
    fc.assert(
      fc.property(fc.nat(whole.length), cut => {
        const { size } = replay(whole.subarray(0, cut))
        let at = 0
        for (const frame of frames) {
          if (at + frame.length > cut) break
          at += frame.length
        }
        expect(size).toBe(at)
      }),
    )
  })

  test('damage before whole records is an error; after the last one it is a torn end', () => {
    const whole = join(frames)
    const first = frames[0]!.length
    for (const at of [3, 40, first - 2]) {
      const damaged = whole.slice()
      damaged[at]! ^= 1
      expect(() => replay(damaged)).toThrow(/damaged at byte 0/)
    }
    const last = whole.slice()
    last[whole.length - 3]! ^= 1
    expect(replay(last).size).toBe(whole.length - frames.at(-1)!.length)
  })

  test('a snapshot stands for all before it', () => {
    const state = entries.reduce(advance, blank)
    for (const each of [1, version] as const)
      expect(replay(encode({ kind: 'snapshot', version: each, state })).state).toEqual(state)
    const newer = { kind: 'snapshot', version: version + 1, state } as unknown as Entry
    expect(() => replay(encode(newer))).toThrow(`expected ${version} or older`)
  })
})
