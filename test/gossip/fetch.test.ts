import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { PeerId } from '../../gossip/carrier.ts'
import { createFetch, type FetchEffect } from '../../gossip/fetch.ts'
import { limits } from '../../gossip/limits.ts'
import type { Part } from '../../gossip/message.ts'

const [a, b, c] = ['a', 'b', 'c'] as unknown as [PeerId, PeerId, PeerId]
const unhex = (text: string) => new Uint8Array(32).fill(text.charCodeAt(0))
const content = (size: number) => Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 255)

function rig(holders: PeerId[], seed = 1) {
  let state = seed
  const random = () => (state = (state * 16807) % 2147483647) / 2147483647
  return createFetch({ holders: () => holders, random, unhex })
}
const asks = (effects: FetchEffect[]) => effects.filter(each => each.kind === 'send')
const part = (bytes: Uint8Array, offset: number, length = limits.packPartBytes): Part => ({
  t: 'part',
  pack: unhex('p'),
  offset,
  size: bytes.length,
  bytes: bytes.subarray(offset, offset + length),
})

describe('fetch', () => {
  const size = limits.packPartBytes * 20 + 17
  const bytes = content(size)

  test('asks the announcer first, a bounded number of parts ahead', () => {
    const fetch = rig([b, a, c])
    const effects = asks(fetch.handle({ kind: 'want', pack: 'p', size, have: 0, from: a }, 0))
    expect(effects).toHaveLength(limits.packPartsAhead)
    expect(new Set(effects.map(each => each.to))).toEqual(new Set([a]))
    expect(effects.map(each => each.message.offset)).toEqual(effects.map((_, i) => i * limits.packPartBytes))
  })

  test('goes on where an earlier life stopped', () => {
    const fetch = rig([a])
    const [first] = asks(fetch.handle({ kind: 'want', pack: 'p', size, have: 100, from: a }, 0))
    expect(first?.message.offset).toBe(100)
  })

  test('with nobody to ask, the first who says that it holds the pack is asked at once', () => {
    const holders: PeerId[] = []
    const fetch = rig(holders)
    expect(fetch.handle({ kind: 'want', pack: 'p', size, have: 0, from: a }, 0)).toEqual([])
    expect(fetch.handle({ kind: 'holder' }, 1)).toEqual([])
    holders.push(b)
    expect(asks(fetch.handle({ kind: 'holder' }, 2))[0]).toMatchObject({ to: b, message: { offset: 0 } })
    expect(fetch.handle({ kind: 'holder' }, 3)).toEqual([])
  })

  test('a silent source is left for another, from the byte reached', () => {
    const fetch = rig([a, b])
    fetch.handle({ kind: 'want', pack: 'p', size, have: 0, from: a }, 0)
    fetch.handle({ kind: 'part', from: a, pack: 'p', part: part(bytes, 0) }, 10)
    expect(fetch.handle({ kind: 'tick' }, 10 + limits.packStallMs - 1)).toEqual([])
    const effects = asks(fetch.handle({ kind: 'tick' }, 10 + limits.packStallMs))
    expect(effects[0]).toMatchObject({ to: b, message: { offset: limits.packPartBytes } })
  })

  test('parts nobody asked for, out of order or of another size are not taken', () => {
    const fetch = rig([a, b])
    fetch.handle({ kind: 'want', pack: 'p', size, have: 0, from: a }, 0)
    expect(fetch.handle({ kind: 'part', from: b, pack: 'p', part: part(bytes, 0) }, 1)).toEqual([])
    expect(
      fetch.handle({ kind: 'part', from: a, pack: 'p', part: part(bytes, limits.packPartBytes) }, 1),
    ).toEqual([])
    const lie = { ...part(bytes, 0), size: size + 1 }
    expect(asks(fetch.handle({ kind: 'part', from: a, pack: 'p', part: lie }, 1))[0]).toMatchObject({ to: b })
  })

  test('a source that sends a byte now and then is left: parts come whole', () => {
    const fetch = rig([a, b])
    fetch.handle({ kind: 'want', pack: 'p', size, have: 0, from: a }, 0)
    const drop = fetch.handle({ kind: 'part', from: a, pack: 'p', part: part(bytes, 0, 1) }, 1)
    expect(asks(drop)[0]).toMatchObject({ to: b, message: { offset: 0 } })
  })

  test('says when everybody was asked in vain', () => {
    const fetch = rig([a, b])
    fetch.handle({ kind: 'want', pack: 'p', size, have: 0, from: a }, 0)
    expect(fetch.handle({ kind: 'no-pack', from: a, pack: 'p' }, 1)).not.toContainEqual({
      kind: 'nobody',
      pack: 'p',
    })
    expect(fetch.handle({ kind: 'no-pack', from: b, pack: 'p' }, 2)).toEqual([{ kind: 'nobody', pack: 'p' }])
  })

  test('a wrong digest from one peer starts over with another; from several, with one alone', () => {
    const fetch = rig([a, b, c])
    fetch.handle({ kind: 'want', pack: 'p', size: 10, have: 0, from: a }, 0)
    const done = fetch.handle({ kind: 'part', from: a, pack: 'p', part: part(content(10), 0) }, 1)
    expect(done.at(-1)).toEqual({ kind: 'complete', pack: 'p' })
    const effects = fetch.handle({ kind: 'bad', pack: 'p' }, 2)
    expect(effects[0]).toEqual({ kind: 'discard', pack: 'p' })
    expect(asks(effects)[0]?.to).not.toBe(a)
    expect(asks(effects)[0]?.message.offset).toBe(0)
  })

  test('with no holder it waits and tries again', () => {
    const holders: PeerId[] = []
    const fetch = rig(holders)
    expect(fetch.handle({ kind: 'want', pack: 'p', size, have: 0 }, 0)).toEqual([])
    expect(fetch.wakeMs()).toBe(limits.packStallMs)
    holders.push(c)
    expect(asks(fetch.handle({ kind: 'tick' }, limits.packStallMs))[0]).toMatchObject({ to: c })
  })

  test('whatever peers do, what is appended is contiguous and inside the size; an honest holder ends it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 30 }),
        fc.array(fc.nat(9), { maxLength: 200 }),
        (seed, moves) => {
          const small = content(limits.packPartBytes * 3 + 5)
          const fetch = rig([a, b, c], seed)
          let next = 0
          let complete = false
          const wanted: { to: PeerId; offset: number }[] = []
          const absorb = (effects: FetchEffect[]) => {
            for (const each of effects) {
              if (each.kind === 'send') wanted.push({ to: each.to, offset: each.message.offset })
              if (each.kind === 'discard') next = 0
              if (each.kind === 'append') {
                expect(each.offset).toBe(next)
                next += each.bytes.length
                expect(next).toBeLessThanOrEqual(small.length)
              }
              if (each.kind === 'complete') complete = true
            }
          }
          let now = 0
          absorb(fetch.handle({ kind: 'want', pack: 'p', size: small.length, have: 0, from: a }, now))
          for (const move of moves) {
            now += 700
            const ask = wanted.shift()
            if (complete) break
            if (ask === undefined || move === 0) absorb(fetch.handle({ kind: 'tick' }, now))
            else if (move === 1) absorb(fetch.handle({ kind: 'no-pack', from: ask.to, pack: 'p' }, now))
            else if (move === 2) absorb(fetch.handle({ kind: 'down', peer: ask.to }, now))
            else
              absorb(
                fetch.handle({ kind: 'part', from: ask.to, pack: 'p', part: part(small, ask.offset) }, now),
              )
          }
          for (let i = 0; i < 100 && !complete; i++) {
            now += 1000
            const ask = wanted.shift()
            if (ask === undefined) absorb(fetch.handle({ kind: 'tick' }, (now += limits.packStallMs)))
            else
              absorb(
                fetch.handle({ kind: 'part', from: ask.to, pack: 'p', part: part(small, ask.offset) }, now),
              )
          }
          expect(complete).toBe(true)
          expect(next).toBe(small.length)
        },
      ),
      { numRuns: 200 },
    )
  })
})
