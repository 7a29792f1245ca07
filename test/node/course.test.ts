import { describe, expect, test } from 'vitest'
import { basisOf, candidatesOf, chart, progressOf, unfinishedOf } from '../../node/course.ts'
import type { ReleaseEntry } from '../../node/log.ts'
import type { RolloutTerms } from '../../node/release.ts'
import { heartbeatMs } from '../../node/status.ts'
import { hex, unhex, utf8 } from '../../signing/bytes.ts'
import { sha256 } from '../../signing/crypto.ts'
import type { Host } from '../../signing/roster.ts'
import type { State, Status } from '../../signing/status.ts'

const nowMs = 1_700_000_000_000
const idOf = (name: string) => hex(sha256(utf8(name)))
const host = (name: string, labels: Record<string, string> = {}): Host => ({
  name,
  key: sha256(utf8(name)),
  addresses: [],
  labels,
})
const hosts = (count: number) => [...Array(count).keys()].map(n => host(`h${n}`))
const release = (name: string, more: Partial<ReleaseEntry['release']> = {}) =>
  ({ id: idOf(name), sequence: Number(name.slice(1)), release: more }) as unknown as ReleaseEntry
const terms: RolloutTerms = {
  soakSeconds: undefined,
  windowSeconds: 120,
  deadlineSeconds: 1800,
  expiresSeconds: 86_400,
  riskBasisPoints: 500,
  liarsBasisPoints: 0,
  serial: 'rack',
}

describe('how far a release has come', () => {
  type Said = [entry: string, state: State, more?: Partial<Status>] | undefined
  const progress = (...said: Said[]) => {
    const roster = hosts(said.length)
    return progressOf(
      release('r5'),
      roster,
      key => {
        const found = said[roster.findIndex(each => hex(each.key) === key)]
        if (found === undefined) return undefined
        const [entry, state, more] = found
        return { at: nowMs, entry: [5, unhex(idOf(entry), 32)!], state, ...more } as Status
      },
      nowMs,
    )
  }
  const late = nowMs - 600_000
  test('hosts of larger fleets speak less often', () =>
    expect(3 * heartbeatMs(10_000)).toBeGreaterThan(600_000))
  const table: [string, Said[], ReturnType<typeof progress>, boolean][] = [
    ['nobody has said a thing', [undefined], { done: 0, failed: 0, under: 0, absent: 1 }, false],
    [
      'all are well, or had nothing to do',
      [
        ['r5', 'HEALTHY'],
        ['r5', 'NOOP'],
      ],
      { done: 2, failed: 0, under: 0, absent: 0 },
      true,
    ],
    [
      'one soaks',
      [
        ['r5', 'HEALTHY'],
        ['r5', 'APPLIED'],
      ],
      { done: 1, failed: 0, under: 1, absent: 0 },
      false,
    ],
    [
      'one is well with the release before',
      [
        ['r5', 'HEALTHY'],
        ['r4', 'HEALTHY'],
      ],
      { done: 1, failed: 0, under: 1, absent: 0 },
      false,
    ],
    [
      'one has failed, and is silent since',
      [
        ['r5', 'HEALTHY'],
        ['r5', 'FAILED', { at: 0 }],
      ],
      { done: 1, failed: 1, under: 0, absent: 0 },
      false,
    ],
    [
      'one is paused, one silent, one was never heard',
      [
        ['r5', 'HEALTHY'],
        ['r4', 'HEALTHY', { flags: ['PAUSED'] }],
        ['r4', 'HEALTHY', { at: late - 1 }],
        undefined,
      ],
      { done: 1, failed: 0, under: 0, absent: 3 },
      false,
    ],
    [
      'half of them are well, and nobody heard of the others',
      [['r5', 'HEALTHY'], ['r5', 'NOOP'], undefined, undefined],
      { done: 2, failed: 0, under: 0, absent: 2 },
      true,
    ],
    [
      'who publishes in a part that is cut off hears one that is well, and takes the others for silent',
      [['r5', 'HEALTHY'], ...Array<Said>(9).fill(['r4', 'HEALTHY', { at: late - 60_000 }])],
      { done: 1, failed: 0, under: 0, absent: 9 },
      false,
    ],
    [
      'one was heard just in time',
      [['r5', 'HEALTHY'], ['r4', 'HEALTHY', { at: late }], undefined],
      { done: 1, failed: 0, under: 1, absent: 1 },
      false,
    ],
    [
      'one was well, and is silent since',
      [['r5', 'HEALTHY', { at: 0 }]],
      { done: 1, failed: 0, under: 0, absent: 0 },
      true,
    ],
  ]
  for (const [what, said, expected, complete] of table)
    test(what, () => {
      expect(progress(...said)).toEqual(expected)
      expect(unfinishedOf(progress(...said)) === undefined).toBe(complete)
    })
})

test.each([
  [
    { done: 0, failed: 0, under: 0, absent: 1 },
    '0 of 1 host has it, 1 is silent or paused, and half must have it',
  ],
  [
    { done: 1, failed: 0, under: 0, absent: 9 },
    '1 of 10 hosts has it, 9 are silent or paused, and half must have it',
  ],
  [
    { done: 3, failed: 1, under: 2, absent: 0 },
    '3 of 6 hosts have it, 1 failed, 2 have still to say how they are',
  ],
  [{ done: 5, failed: 0, under: 0, absent: 5 }, undefined],
])('why a release is not complete: %j', (progress, why) => expect(unfinishedOf(progress)).toBe(why))

describe('what a release builds on', () => {
  const held = [
    release('r3'),
    release('r4', { stable: idOf('r3') }),
    release('r5', { stable: idOf('r3'), seed: idOf('r4') }),
    release('r6', { stable: idOf('r1'), seed: idOf('r2') }),
  ]
  const byId = (id: string) => held.find(each => each.id === id)
  const basis = (name: string | undefined, complete: boolean) => {
    const { stable, seed } = basisOf(name === undefined ? undefined : byId(idOf(name)), complete, byId)
    return [stable?.sequence, seed?.sequence]
  }
  test('the first one on nothing', () => expect(basis(undefined, false)).toEqual([undefined, undefined]))
  test('a complete one is Stable', () => expect(basis('r4', true)).toEqual([4, undefined]))
  test('of an unfinished one Stable is taken over, and it gives the order', () => {
    expect(basis('r3', false)).toEqual([undefined, 3])
    expect(basis('r4', false)).toEqual([3, 4])
  })
  test('the order is that of the first of all unfinished ones', () => {
    expect(basis('r5', false)).toEqual([3, 4])
    expect(basis('r5', true)).toEqual([5, undefined])
  })
  test('what is held no more, nobody can go by', () => expect(basis('r6', false)).toEqual([undefined, 6]))
})

describe('the stages', () => {
  const none = { stable: undefined, seed: undefined }
  const changed = (roster: readonly Host[], but: readonly number[] = []) =>
    new Map(roster.map((each, at) => [hex(each.key), but.includes(at) ? undefined : 'all']))
  const charted = (...args: Parameters<typeof chart>) => {
    const found = chart(...args)
    if (found.kind === 'refused') throw new Error(found.reason)
    return found
  }

  test('count the hosts for which something changes', () => {
    const roster = hosts(8)
    const found = charted(candidatesOf(roster, changed(roster, [2, 5])), none, terms)
    expect([found.counted, found.course]).toEqual([
      6,
      { stages: [1, 2, 4, 6], stable: undefined, seed: undefined },
    ])
    const order = found.turns(idOf('r9')).hosts
    expect(order.slice(6).toSorted()).toEqual([roster[2]!, roster[5]!].map(each => hex(each.key)).toSorted())
    expect(found.turns(idOf('r8')).hosts).not.toEqual(order)
  })

  test('an order that is gone on with does not depend on the new entry, and counts no newcomers', () => {
    const roster = hosts(5)
    const candidates = candidatesOf(roster, changed(roster), roster.slice(1))
    const found = charted(candidates, { stable: release('r3'), seed: release('r4') }, terms)
    expect([found.counted, found.course.stages]).toEqual([4, [1, 2, 4]])
    expect([found.course.stable, found.course.seed]).toEqual([idOf('r3'), idOf('r4')])
    expect(found.turns(idOf('r9')).hosts).toEqual(found.turns(idOf('r8')).hosts)
    expect(found.turns(idOf('r9')).hosts.at(-1)).toBe(hex(roster[0]!.key))
  })

  test('as the terms name them', () => {
    const roster = hosts(10)
    const candidates = candidatesOf(roster, changed(roster))
    expect(charted(candidates, none, { ...terms, stages: '1,50%,100%' }).course.stages).toEqual([1, 5, 10])
    expect(chart(candidates, none, { ...terms, stages: '1,50%' })).toMatchObject({
      kind: 'refused',
      reason: 'the last stage takes 5 of 10 hosts; end with 100%',
    })
  })

  test.each([1, 10, 100, 3_000])(
    'now: %d hosts in one stage, whatever the risk, and none waits for its rack',
    count => {
      const roster = hosts(count)
      const found = charted(
        candidatesOf(roster, changed(roster)),
        none,
        { ...terms, stages: '1,100%', riskBasisPoints: 0 },
        {
          now: true,
        },
      )
      expect(found.course.stages).toEqual([count])
      expect(found.terms).toMatchObject({ windowSeconds: 0, riskBasisPoints: 10_000, serial: undefined })
    },
  )

  test('a release that changes nothing has the one stage that an entry needs', () => {
    const roster = hosts(4)
    const found = charted(candidatesOf(roster, changed(roster, [0, 1, 2, 3])), none, terms)
    expect([found.counted, found.course.stages]).toEqual([0, [1]])
  })
})
