import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Claim, compareClaims, type EvidenceState } from '../../node/evidence.ts'
import { gate } from '../../node/gate.ts'
import type { Opening } from '../../node/standing.ts'
import { absentMs, fleet, inputOf, lateMs, minute, words } from './gate-rig.ts'

describe('whatever is said, in whatever order', () => {
  const said = (hosts: number) =>
    fc.array(fc.tuple(fc.nat(hosts - 1), fc.constantFrom(...Object.values(words))), { maxLength: 2 * hosts })
  const fleets = new Map(
    [3, 10, 39, 60, 150].map(n => [n, fleet(n, i => ({ changes: i % 7 === 0 ? 'some' : `${i}` }))]),
  )
  const cases = fc.constantFrom(...fleets.keys()).chain(n => fc.tuple(fc.constant(n), said(n)))

  /** Evidence told piece by piece, the gate asked after each one. */
  function tell(n: number, pieces: readonly (readonly [number, EvidenceState])[], stepMs: number) {
    const turns = fleets.get(n)!
    const claims = new Map<string, Claim>()
    const heard = new Map<string, { firstMs: number; verdictMs?: number }>()
    let nowMs = 0
    let opened: readonly Opening[] = []
    let halted: string | undefined
    const decisions = pieces.map(([place, state]) => {
      nowMs += stepMs
      const host = turns.hosts[place]!
      const known = claims.get(host)
      if (known === undefined || compareClaims({ attempt: 1, state }, known) > 0) {
        claims.set(host, { attempt: 1, state })
        heard.set(host, {
          firstMs: heard.get(host)?.firstMs ?? nowMs,
          ...((state === 'HEALTHY' || state === 'FAILED') && { verdictMs: nowMs }),
        })
      }
      const input = { ...inputOf(turns, { open: opened }), claimOf: (each: string) => claims.get(each) }
      const decision = gate(
        { ...input, heardOf: each => heard.get(each), ...(halted !== undefined && { halted }) },
        nowMs,
      )
      opened = decision.opened
      if (decision.kind === 'halt') halted = decision.reason
      return decision
    })
    return { decisions, claims, turns }
  }

  test('more evidence never takes a HALT back, even for who remembers none', () => {
    fc.assert(
      fc.property(cases, ([n, pieces]) => {
        let wasHalted = false
        for (let count = 1; count <= pieces.length; count++) {
          const claims = new Map<string, Claim>()
          const turns = fleets.get(n)!
          for (const [place, state] of pieces.slice(0, count)) {
            const host = turns.hosts[place]!
            const claim = { attempt: 1, state }
            if (compareClaims(claim, claims.get(host) ?? { attempt: 0, state: 'NOOP' }) > 0)
              claims.set(host, claim)
          }
          const isHalted =
            gate({ ...inputOf(turns, { open: 1 }), claimOf: host => claims.get(host) }, 0).kind === 'halt'
          if (wasHalted) expect(isHalted).toBe(true)
          wasHalted = isHalted
        }
      }),
      { numRuns: 60 },
    )
  })

  test('what is open stays open, and nothing opens once halted', () => {
    fc.assert(
      fc.property(cases, fc.constantFrom(0, minute, absentMs), ([n, pieces], stepMs) => {
        let [open, isHalted] = [0, false]
        for (const { opensUpTo, kind } of tell(n, pieces, stepMs).decisions) {
          expect(opensUpTo).toBeGreaterThanOrEqual(open)
          if (isHalted) expect([kind, opensUpTo]).toEqual(['halt', open])
          open = opensUpTo
          isHalted ||= kind === 'halt'
        }
      }),
      { numRuns: 60 },
    )
  })

  test('a stage after the first takes a healthy host; silence only asks others', () => {
    fc.assert(
      fc.property(cases, fc.constantFrom(minute, absentMs, lateMs), ([n, pieces], stepMs) => {
        const mute = pieces.map(([place, state]) => [place, state === 'HEALTHY' ? 'APPLIED' : state] as const)
        for (const [at, { opened }] of tell(n, mute, stepMs).decisions.entries()) {
          if (opened.every(each => each.stage === 1)) continue
          // Save where nobody is left to ask: all are open, and whoever has spoken had nothing to do.
          expect(new Set(mute.slice(0, at + 1).map(([, state]) => state))).toEqual(new Set(['NOOP']))
          expect(opened.find(each => each.stage > 1)?.upTo).toBe(n)
          expect(Math.max(...opened.filter(each => each.stage === 1).map(each => each.upTo))).toBe(n)
          break
        }
      }),
      { numRuns: 60 },
    )
  })

  test('who hears the same decides the same', () => {
    fc.assert(
      fc.property(
        cases.chain(([n, pieces]) =>
          fc.tuple(
            fc.constant(n),
            fc.constant(pieces),
            fc.shuffledSubarray(pieces, { minLength: pieces.length }),
          ),
        ),
        ([n, pieces, shuffled]) => {
          const last = (told: ReturnType<typeof tell>) =>
            gate({ ...inputOf(told.turns, { open: 2 }), claimOf: host => told.claims.get(host) }, minute)
          expect(last(tell(n, shuffled, 0))).toEqual(last(tell(n, pieces, 0)))
        },
      ),
      { numRuns: 40 },
    )
  })
})
