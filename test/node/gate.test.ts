import { describe, expect, test } from 'vitest'
import { gate, hearingMin } from '../../node/gate.ts'
import type { Turns } from '../../node/turns.ts'
import { absentMs, type Case, fleet, inputOf, lateMs, minute, times, upTo } from './gate-rig.ts'

const ask = (hosts: number, at: Case) => gate(inputOf(fleet(hosts), at), at.nowMs ?? 0)

describe('what opens', () => {
  const rows: [string, number, Case, string, number][] = [
    // Fewer than 40 hosts.
    [
      'the first stage opens by itself',
      6,
      { open: 0 },
      'holds at stage 1: 0 of 1 hosts are healthy, 1 not heard of yet',
      1,
    ],
    [
      'a healthy first host opens the second stage',
      6,
      { said: 'h' },
      'holds at stage 2: 0 of 1 hosts are healthy, 1 not heard of yet',
      2,
    ],
    ['one that failed does not', 6, { said: 'f' }, 'stage 2 stays shut: no host is healthy, 1 failed', 1],
    [
      'a stage waits for all its hosts',
      10,
      { said: 'hhha', open: 3 },
      'holds at stage 3: 1 of 2 hosts is healthy, 1 still runs or soaks',
      4,
    ],
    [
      'any failure holds a small fleet',
      10,
      { said: 'hhhf', open: 3 },
      'stage 4 stays shut: 1 failed; below 40 hosts any failure holds',
      4,
    ],
    [
      'what began and fell silent counts as failed',
      10,
      { said: 'hhha', open: 3, nowMs: lateMs },
      'stage 4 stays shut: 1 fell silent after it began; below 40 hosts any failure holds',
      4,
    ],
    [
      'an inconclusive run is no verdict until it is late',
      10,
      { said: 'hhhi', open: 3 },
      'holds at stage 3: 1 of 2 hosts is healthy, 1 still runs or soaks',
      4,
    ],
    [
      'the next in order stands in for a host with nothing to do',
      10,
      { said: 'hhhn', open: 3 },
      'holds at stage 3: 1 of 2 hosts is healthy, 1 not heard of yet',
      5,
    ],
    [
      'and for a silent one, once it is missed',
      10,
      { said: 'hhh.', open: 3, nowMs: absentMs },
      'holds at stage 3: 1 of 2 hosts is healthy, 1 not heard of yet',
      5,
    ],
    [
      'not before',
      10,
      { said: 'hhh.', open: 3, nowMs: absentMs - 1 },
      'holds at stage 3: 1 of 2 hosts is healthy, 1 not heard of yet',
      4,
    ],
    [
      'nor for one that was silent while too few others were heard',
      10,
      { said: 'hhh.', open: 3, nowMs: absentMs, more: { hearingMs: 1 } },
      'holds at stage 3: 1 of 2 hosts is healthy, 1 not heard of yet',
      4,
    ],
    [
      'not while a failure holds',
      10,
      { said: 'hhf.', open: 3, nowMs: absentMs },
      'stage 4 stays shut: 1 failed; below 40 hosts any failure holds',
      4,
    ],
    [
      'nobody is left to ask where all had nothing to do',
      3,
      { said: 'nnn', open: [{ stage: 1, granted: 1, upTo: 3, atMs: 0 }] },
      'all 3 hosts may start',
      3,
    ],
    [
      'nor where the others are silent',
      3,
      { said: 'n..', open: [{ stage: 1, granted: 1, upTo: 3, atMs: 0 }], nowMs: absentMs },
      'all 3 hosts may start',
      3,
    ],
    [
      'silence alone holds',
      3,
      { said: '...', open: [{ stage: 1, granted: 1, upTo: 3, atMs: 0 }], nowMs: absentMs },
      'stage 2 stays shut: no host is healthy yet',
      3,
    ],
    [
      'as does one that failed among them',
      3,
      { said: 'nnf', open: [{ stage: 1, granted: 1, upTo: 3, atMs: 0 }] },
      'stage 2 stays shut: no host is healthy, 1 failed',
      3,
    ],
    ['everybody is open', 3, { said: 'hh', open: 3 }, 'all 3 hosts may start', 3],
    // From 40 hosts on.
    [
      'evidence opens as far as it reaches',
      100,
      { said: 'hhhhhh', open: 2 },
      'holds at stage 3: 0 of 12 hosts are healthy, 12 not heard of yet',
      18,
    ],
    [
      'a failure makes the next step smaller',
      100,
      { said: `${'h'.repeat(17)}f`, open: 3 },
      'holds at stage 4: 0 of 16 hosts are healthy, 16 not heard of yet',
      34,
    ],
    [
      'and the rest follows with more evidence',
      100,
      {
        said: `${'h'.repeat(17)}f${'h'.repeat(16)}`,
        open: [...upTo(3, [1, 6, 18]), { stage: 4, granted: 16, upTo: 34, atMs: 0 }],
      },
      'holds at stage 4: 16 of 32 hosts are healthy, 16 not heard of yet',
      50,
    ],
    [
      'too few are healthy for one that failed; others stand in and may tell',
      100,
      { said: 'hhh' + 'f' + '..', open: 2, nowMs: absentMs },
      'holds at stage 2: 2 of 5 hosts are healthy, 1 failed, 2 not heard of yet',
      8,
    ],
    [
      'too much is broken for one more',
      100,
      { said: `${'h'.repeat(45)}fffff`, open: 4 },
      'stage 5 holds at 0 of 50 hosts: 5 failed, 45 hosts are healthy, and more hosts could break more than 5 % of 100',
      50,
    ],
  ]
  test.each(rows)('%s', (_, hosts, at, reason, upTo) => {
    const decision = ask(hosts, at)
    expect(decision.opensUpTo).toBe(upTo)
    expect(decision.reason.slice(0, reason.length)).toBe(reason)
    expect(decision.kind).toBe(reason.startsWith('all ') ? 'go' : 'hold')
  })

  test('words with times, and when to ask again', () => {
    const timeOf = (ms: number) => `14:${String(ms / minute).padStart(2, '0')}`
    const decision = ask(10, { said: 'hhh.a', open: 4, more: { timeOf } })
    expect(decision.reason).toBe(
      'holds at stage 4: 0 of 4 hosts are healthy, 1 still runs or soaks (until 14:40 at the latest), 4 not heard of yet (until 14:13 at the latest)',
    )
    expect(decision.untilMs).toBe(absentMs)
  })

  test('a latecomer who hears everything at once opens everything at once', () => {
    expect(ask(1000, { said: 'h'.repeat(990), open: 0 }).opensUpTo).toBe(1000)
    expect(ask(30, { said: 'h'.repeat(30), open: 0 })).toMatchObject({ kind: 'go', opensUpTo: 30 })
  })

  test('an operator opens stages by promote, and takes out a false witness', () => {
    const at = { said: 'hhhf', open: 3 }
    expect(ask(10, { ...at, more: { promoted: 4 } }).opensUpTo).toBe(8)
    const without = new Set([fleet(10).hosts[3]!])
    expect(ask(10, { ...at, more: { without } }).opensUpTo).toBe(5)
  })

  test("nothing more opens while something shuts the release, an operator's promote neither", () => {
    const shut = { shut: 'it has expired' }
    const decision = ask(10, { said: 'hhhh', open: 3, more: { ...shut, promoted: 5 } })
    expect(decision).toMatchObject({ kind: 'hold', reason: 'stage 4 holds: it has expired', opensUpTo: 4 })
    expect(ask(10, { said: 'h'.repeat(10), open: 5, more: shut }).kind).toBe('go')
  })

  test('lies that may be among the healthy make steps smaller', () => {
    const terms = { stages: [1, 6, 18, 50, 100], risk: 500, liars: 1000 }
    expect(ask(100, { said: 'hhhhhh', open: 2, more: { terms } }).opensUpTo).toBe(17)
  })
})

describe('a part that is cut off', () => {
  test.each([
    [1, 0],
    [2, 1],
    [3, 1],
    [6, 3],
    [7, 3],
    [8, 3],
    [60, 3],
    [61, 4],
    [1000, 50],
    [10_000, 50],
  ])('of %i hosts it takes %i others to open anything', (hosts, others) =>
    expect(hearingMin(hosts)).toBe(others),
  )

  test('holds, also where somebody should stand in', () => {
    const more = { roster: { enrolled: 10, heard: 2 } }
    const reason = /^stage \d holds: 2 hosts are heard of besides this one, and it takes 3 to be sure/
    expect(ask(10, { open: 0, more })).toMatchObject({
      kind: 'hold',
      opensUpTo: 0,
      reason: expect.stringMatching(reason),
    })
    expect(ask(10, { said: 'hhhh', open: 3, more })).toMatchObject({
      opensUpTo: 4,
      reason: expect.stringMatching(reason),
    })
    expect(ask(10, { said: 'hhh.', open: 3, nowMs: absentMs, more }).opensUpTo).toBe(4)
    expect(ask(10, { said: 'hhhhhhhhhh', open: 5, more }).kind).toBe('go')
  })

  test('does not hold what all hosts may take at once', () => {
    const alone = { roster: { enrolled: 2, heard: 0 } }
    expect(
      ask(2, { open: 0, more: { ...alone, terms: { stages: [2], risk: 10_000, liars: 0 } } }),
    ).toMatchObject({
      opensUpTo: 2,
    })
    expect(
      ask(2, { open: 0, more: { ...alone, terms: { stages: [2], risk: 500, liars: 0 } } }),
    ).toMatchObject({
      opensUpTo: 0,
    })
  })
})

describe('HALT', () => {
  test.each([
    ['two of six', 100, 'hhhhff', 2, true],
    ['one of one is too few', 100, 'f', 1, false],
    ['three of eighteen are an accident', 100, `${'h'.repeat(15)}ff`, 3, false],
    ['four are not', 100, `${'h'.repeat(14)}ffff`, 3, true],
    ['silence never does it', 100, `${'h'.repeat(6)}${'a'.repeat(12)}`, 3, false],
    ['also while others are awaited', 1000, `ff${'.'.repeat(20)}`, 2, false],
    ['six of 53', 1000, `h${'f'.repeat(6)}${'.'.repeat(20)}`, 2, true],
    ['whatever is open here', 100, 'hhhhff', 0, true],
  ])('%s', (_, hosts, said, open, halts) => {
    const decision = ask(hosts, { said, open, nowMs: lateMs })
    expect(decision.kind === 'halt').toBe(halts)
    if (halts)
      expect(decision.reason).toMatch(
        /^halted at stage \d: \d hosts say that they failed; where \d+ are asked, \d are no accident$/,
      )
  })

  test('a promote opens its stages all the same, and no more; there hosts may begin', () => {
    const turns = fleet(100)
    const halted = 'halted before'
    const said = 'hhhhhh'
    const decisionOf = (promoted: number, place?: number) => {
      const self = place === undefined ? undefined : turns.hosts[place]!
      const more = { halted, promoted, ...(self !== undefined && { self }) }
      // A host is asked when its own time in the window of a stage opened at 0 is over.
      return gate(inputOf(turns, { said, open: self === undefined ? 2 : 3, more }), 11 * minute)
    }
    expect(decisionOf(2)).toMatchObject({ kind: 'halt', opensUpTo: 6 })
    expect(decisionOf(3)).toMatchObject({ kind: 'halt', reason: halted, opensUpTo: 18 })
    expect(decisionOf(5)).toMatchObject({ opensUpTo: 100 })
    expect(decisionOf(3, 10)).toMatchObject({ kind: 'go' })
    expect(decisionOf(3, 17)).toMatchObject({ kind: 'go' })
    expect(decisionOf(3, 18)).toMatchObject({ kind: 'halt', reason: halted })
    expect(decisionOf(2, 17)).toMatchObject({ kind: 'halt', reason: halted })
    expect(decisionOf(0, 3)).toMatchObject({ kind: 'halt', reason: halted })
    const failed = inputOf(turns, { said: 'hhhhff', open: 2, more: { promoted: 3 } })
    expect(gate(failed, 11 * minute)).toMatchObject({ kind: 'halt', opensUpTo: 18 })
  })

  test('stays, until an operator clears it', () => {
    expect(ask(100, { said: 'hhhhhh', open: 2, more: { halted: 'halted before' } })).toMatchObject({
      kind: 'halt',
      reason: 'halted before',
      opensUpTo: 6,
    })
  })
})

describe('the turn of one host', () => {
  const turnOf = (turns: Turns, place: number, at: Case) =>
    gate(inputOf(turns, { ...at, more: { ...at.more, self: turns.hosts[place]! } }), at.nowMs ?? 10 * minute)

  test('comes at its own time in the window of its stage', () => {
    const turns = fleet(10)
    const startMs = Math.floor(turns.offsetOf(2) * times.windowMs)
    expect(turnOf(turns, 2, { said: 'hh', open: 3, nowMs: startMs - 1 })).toMatchObject({
      kind: 'hold',
      untilMs: startMs,
    })
    expect(turnOf(turns, 2, { said: 'hh', open: 3, nowMs: startMs })).toMatchObject({
      kind: 'go',
      reason: 'it is its turn: place 3 of 10',
    })
    expect(turnOf(turns, 5, { said: 'hh', open: 3 })).toMatchObject({
      kind: 'hold',
      reason: expect.stringMatching(/^holds at stage 3/),
    })
  })

  test('those that do not count follow with the last stage', () => {
    const turns = fleet(6, n => (n > 3 ? { guest: true } : {}))
    expect(turnOf(turns, 5, { said: 'h.', open: 2 })).toMatchObject({
      kind: 'hold',
      reason: expect.stringMatching(/^it follows with the last stage; holds at stage 2/),
    })
    expect(turnOf(turns, 5, { said: 'hhhh', open: 3 }).kind).toBe('go')
    expect(
      turnOf(
        fleet(2, () => ({ changes: undefined })),
        1,
        { open: 0 },
      ).kind,
    ).toBe('go')
    expect(gate(inputOf(turns, { more: { self: 'ff'.repeat(32) } }), 0).reason).toBe(
      'this host has no part in the release',
    )
    // Nobody answers, and all are asked one after another: still no evidence.
    const silent = Array.from({ length: 4 }, (_, at) => ({
      stage: 1,
      granted: 1,
      upTo: at + 1,
      atMs: at * absentMs,
    }))
    expect(turnOf(turns, 5, { open: silent, nowMs: 10 * absentMs }).kind).toBe('hold')
  })

  test('a HALT holds those who are open', () => {
    expect(turnOf(fleet(10), 3, { said: 'ff..', open: 3 }).kind).toBe('halt')
  })

  test('a member of a stratum waits until one is healthy', () => {
    const turns = fleet(10, n => ({ changes: n % 2 ? 'web' : 'db' }))
    const [first, second] = turns.stratumOf(9)
    const said = (letters: Record<number, string>) =>
      Array.from({ length: 10 }, (_, place) => letters[place] ?? '.').join('')
    const at = (letters: Record<number, string>, nowMs = 10 * minute) => ({
      said: said(letters),
      open: 5,
      nowMs,
    })
    expect(turnOf(turns, first!, at({})).kind).toBe('go')
    expect(turnOf(turns, second!, at({}))).toMatchObject({
      kind: 'hold',
      reason: 'the first host with the same changes is not healthy yet',
    })
    expect(turnOf(turns, second!, at({ [first!]: 'a' })).kind).toBe('hold')
    expect(turnOf(turns, second!, at({ [first!]: 'h' })).kind).toBe('go')
    expect(turnOf(turns, second!, at({ [first!]: 'f' }))).toMatchObject({
      kind: 'hold',
      reason: 'the first host with the same changes is not healthy: it failed',
    })
    // The next one leads when the first is missed.
    expect(turnOf(turns, second!, at({}, absentMs + 10 * minute)).kind).toBe('go')
    expect(turnOf(turns, second!, at({ [first!]: 'n' })).kind).toBe('go')
  })

  test('those who wait for their stratum are not missed', () => {
    const turns = fleet(100, () => ({ changes: 'all' }))
    const open = upTo(2, [1, 6])
    expect(gate(inputOf(turns, { said: 'a', open }), absentMs).reason).toBe(
      'holds at stage 2: 0 of 5 hosts are healthy, 1 still runs or soaks, 5 wait for others to go first',
    )
  })

  test('hosts of one serial label go one after another', () => {
    const turns = fleet(8, n => ({ labels: n < 4 ? { rack: 'a' } : {} }), 'rack')
    const [first, second, third] = turns.groupOf(
      turns.hosts.findIndex((_, place) => turns.groupOf(place).length > 1),
    )
    const said = (letters: Record<number, string>) =>
      Array.from({ length: 8 }, (_, place) => letters[place] ?? '.').join('')
    const at = (letters: Record<number, string>) => ({
      said: said(letters),
      open: 4,
      more: { serial: 'rack' },
    })
    expect(turnOf(turns, first!, at({})).kind).toBe('go')
    expect(turnOf(turns, second!, at({ [first!]: 'd' }))).toMatchObject({
      kind: 'hold',
      reason: 'hosts with the same rack go one after another, and another one is at it',
    })
    expect(turnOf(turns, second!, at({ [first!]: 'h' })).kind).toBe('go')
    expect(turnOf(turns, third!, at({ [first!]: 'h' })).kind).toBe('hold')
    expect(turnOf(turns, third!, at({ [first!]: 'h', [second!]: 'f' })).kind).toBe('go')
  })
})
