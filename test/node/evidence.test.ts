import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Claim, claimOf, compareClaims, Evidence, evidenceStates } from '../../node/evidence.ts'
import { type Status, states } from '../../signing/status.ts'

const ports = {
  isAsked: (host: string) => host !== 'stranger',
  isRetried: (host: string, attempt: number) => host === 'a' && attempt <= 3,
}
const setOf = (claims: readonly (readonly [string, Claim])[]) => {
  const evidence = new Evidence(ports)
  for (const [host, claim] of claims) evidence.add(host, claim, undefined)
  return evidence
}
const said = fc.tuple(
  fc.constantFrom('a', 'b', 'c', 'stranger'),
  fc.record({ attempt: fc.integer({ min: 1, max: 5 }), state: fc.constantFrom(...evidenceStates) }),
)
const lists = fc.array(said, { maxLength: 30 })

describe('what a status says of a release', () => {
  const entry = new Uint8Array(32).fill(7)
  const status = (more: Partial<Status>): Status => ({
    fleet: new Uint8Array(32),
    host: new Uint8Array(32).fill(1),
    n: 1,
    boot: new Uint8Array(16),
    at: 0,
    up: 0,
    head: [9, entry],
    trust: 1,
    ...more,
  })

  test.each(states)('%s', state => {
    const claim = claimOf(status({ entry: [9, entry], attempt: 2, state }), entry)
    expect(claim).toEqual(
      state === 'WAIT' ? undefined : { host: '01'.repeat(32), claim: { attempt: 2, state } },
    )
  })

  test('nothing where it speaks of another, or of none; the first attempt where it names none', () => {
    expect(claimOf(status({ entry: [9, new Uint8Array(32)], state: 'FAILED' }), entry)).toBeUndefined()
    expect(claimOf(status({}), entry)).toBeUndefined()
    expect(claimOf(status({ entry: [9, entry], state: 'FAILED' }), entry)?.claim.attempt).toBe(1)
  })
})

test('the states are those of statuses, in their order', () =>
  expect(evidenceStates).toEqual(states.slice(0, evidenceStates.length)))

describe('the set', () => {
  test('a later state replaces an earlier one, never the other way', () => {
    const evidence = setOf([['b', { attempt: 1, state: 'HEALTHY' }]])
    expect(evidence.add('b', { attempt: 1, state: 'APPLIED' }, undefined)).toBe(false)
    expect(evidence.add('b', { attempt: 1, state: 'FAILED' }, undefined)).toBe(true)
    expect(evidence.get('b')).toMatchObject({ state: 'FAILED' })
  })

  test('a higher attempt wins where a retry allows it', () => {
    const evidence = setOf([
      ['a', { attempt: 1, state: 'FAILED' }],
      ['b', { attempt: 1, state: 'FAILED' }],
    ])
    expect(evidence.add('a', { attempt: 2, state: 'APPLYING' }, undefined)).toBe(true)
    expect(evidence.add('b', { attempt: 2, state: 'HEALTHY' }, undefined)).toBe(false)
    expect(evidence.add('a', { attempt: 4, state: 'HEALTHY' }, undefined)).toBe(false)
    expect(evidence.get('a')).toMatchObject({ attempt: 2, state: 'APPLYING' })
  })

  test('keeps the proof of what it holds', () => {
    const evidence = new Evidence<string>(ports)
    evidence.add('a', { attempt: 1, state: 'APPLYING' }, 'first')
    evidence.add('a', { attempt: 1, state: 'HEALTHY' }, 'second')
    evidence.add('a', { attempt: 1, state: 'HEALTHY' }, 'third')
    expect(evidence.all()).toEqual([['a', { attempt: 1, state: 'HEALTHY', proof: 'second' }]])
  })

  test('shuffled, repeated and in parts it is the same', () => {
    fc.assert(
      fc.property(
        lists,
        fc.array(fc.nat(4), { minLength: 60, maxLength: 60 }),
        fc.nat(),
        (claims, parts, turn) => {
          const whole = setOf(claims)
          const twice = [...claims, ...claims.toReversed()]
          const at = twice.length === 0 ? 0 : turn % twice.length
          expect(setOf([...twice.slice(at), ...twice.slice(0, at)]).all()).toEqual(whole.all())
          const partial = [0, 1, 2, 3, 4].map(part => setOf(claims.filter((_, i) => parts[i] === part)))
          for (const order of [partial, partial.toReversed()]) {
            const merged = new Evidence(ports)
            for (const each of order) merged.merge(each.all())
            expect(merged.all()).toEqual(whole.all())
            // Once more is no news.
            expect(merged.merge(whole.all())).toBe(false)
          }
        },
      ),
    )
  })

  test('only grows, and stays within those who are asked', () => {
    fc.assert(
      fc.property(lists, claims => {
        const evidence = new Evidence(ports)
        for (const [host, claim] of claims) {
          const before = evidence.all()
          const more = evidence.add(host, claim, undefined)
          for (const [each, was] of before)
            expect(compareClaims(evidence.get(each)!, was)).toBeGreaterThanOrEqual(0)
          expect(more).toBe(JSON.stringify(before) !== JSON.stringify(evidence.all()))
        }
        expect(evidence.size).toBeLessThanOrEqual(3)
      }),
    )
  })
})
