// Who can say that a host is still reached: who is asked, which connections count, and when it is over.
import { describe, expect, test } from 'vitest'
import type { PeerId } from '../../gossip/carrier.ts'
import { limits } from '../../gossip/limits.ts'
import { type WitnessEffect, Witnesses, type WitnessInput } from '../../node/witness.ts'

const nonce = 'ab'.repeat(16)
const peer = (name: string) => name as PeerId

/** In words: `want a 15000`, `knock a`, `answer`, `found they a b`, `proven true`. */
function word(effect: WitnessEffect): string {
  switch (effect.kind) {
    case 'want':
      return `want ${effect.peer} ${effect.ms}`
    case 'knock':
      return `knock ${effect.peer}`
    case 'answer':
      return 'answer'
    case 'found':
      return ['found', effect.side, ...effect.peers].join(' ')
    case 'proven':
      return `proven ${effect.proven}`
  }
}

/** A core, told in words; laptops are no hosts. */
function rig(...up: string[]) {
  let isKnown = false
  const core = new Witnesses({ isHost: each => isKnown && !each.startsWith('laptop'), random: () => 0.5 })
  const say = (input: WitnessInput, atMs: number) => core.handle(input, atMs).map(word)
  const knocked = (from: string, atMs: number, { ageMs = 10, said = nonce } = {}) =>
    say({ kind: 'knocked', from: peer(from), nonce: said, ageMs }, atMs)
  const tried = (to: string, answered: boolean, atMs: number, said = nonce) =>
    say({ kind: 'tried', peer: peer(to), nonce: said, answered }, atMs)
  for (const each of up) say({ kind: 'up', peer: peer(each) }, 0)
  // The roster comes from them.
  isKnown = true
  return { core, say, knocked, tried, tick: (atMs: number) => say({ kind: 'tick' }, atMs) }
}

/** The same, with witnesses found: `they` have knocked here, the others answered our knock. */
function found(they: readonly string[], we: readonly string[]) {
  const all = rig(...they, ...we)
  all.say({ kind: 'find', nonce }, 0)
  for (const each of they) all.knocked(each, 100)
  for (const each of [...they, ...we]) all.tried(each, true, 200)
  all.tick(15_000)
  return all
}

describe('before the run', () => {
  test('hosts are asked to connect, and connected to; laptops are not', () => {
    const { say, knocked, tried, core } = rig('a', 'laptop', 'b')
    expect(say({ kind: 'find', nonce }, 0)).toEqual(['want a 15000', 'knock a', 'want b 15000', 'knock b'])
    expect(knocked('a', 50)).toEqual(['answer'])
    expect(tried('a', true, 60)).toEqual([])
    expect(tried('b', true, 70)).toEqual([])
    expect(core.wakeMs()).toBe(15_000)
    // b cannot reach this host: nobody waits for it longer than that.
    expect(say({ kind: 'tick' }, 15_000)).toEqual(['want a 600000', 'found they a'])
    expect(core.wakeMs()).toBe(Number.POSITIVE_INFINITY)
  })

  test('it is over as soon as all have done both', () => {
    const { say, knocked, tried } = rig('a')
    say({ kind: 'find', nonce }, 0)
    knocked('a', 50)
    expect(tried('a', false, 60)).toEqual(['want a 600000', 'found they a'])
  })

  test('where nobody can connect, those that this host can connect to will do', () => {
    const { say, tried } = rig('a', 'b')
    say({ kind: 'find', nonce }, 0)
    tried('a', true, 60)
    tried('b', false, 60)
    expect(say({ kind: 'tick' }, 15_000)).toEqual(['found we a'])
  })

  test('five at most, and who comes up meanwhile', () => {
    const { say } = rig('a', 'b', 'c', 'd')
    say({ kind: 'find', nonce }, 0)
    expect(say({ kind: 'up', peer: peer('e') }, 10)).toEqual(['want e 14990', 'knock e'])
    expect(say({ kind: 'up', peer: peer('f') }, 10)).toEqual([])
  })

  test.each([
    [[], []],
    [['laptop'], []],
    [['a'], ['want a 15000', 'knock a']],
  ])('nobody: %s', (up, first) => {
    const { say, tick } = rig(...up)
    expect(say({ kind: 'find', nonce }, 0)).toEqual(first)
    expect(tick(14_999)).toEqual([])
    expect(tick(15_000)).toEqual(['found we'])
    expect(say({ kind: 'prove', withinMs: 1 }, 15_001)).toEqual(['proven false'])
  })
})

describe('after the run', () => {
  const prove: WitnessInput = { kind: 'prove', withinMs: 120_000 }
  const rows: [string, (at: ReturnType<typeof found>) => string[][], string[][]][] = [
    ['one of them connects', ({ knocked }) => [knocked('b', 30_100)], [['answer', 'proven true']]],
    ['somebody else connects', ({ knocked }) => [knocked('z', 30_100)], [[]]],
    [
      'by a connection that was opened before',
      ({ knocked }) => [knocked('a', 30_100, { ageMs: 200 }), knocked('a', 30_100, { ageMs: 100 })],
      [[], ['answer', 'proven true']],
    ],
    [
      'another nonce is another matter',
      ({ knocked }) => [knocked('a', 30_100, { said: 'cd'.repeat(16) })],
      [['answer']],
    ],
    ['this host connects, where they did', ({ tried }) => [tried('a', true, 30_100)], [[]]],
    [
      'nobody, for as long as it may take',
      ({ tick }) => [tick(35_000), tick(150_000)],
      [['want a 115000', 'want b 115000'], ['proven false']],
    ],
    [
      'they are asked by a new connection, too',
      ({ say }) => [
        say({ kind: 'down', peer: peer('a') }, 31_000),
        say({ kind: 'tick' }, 35_000),
        say({ kind: 'up', peer: peer('a') }, 36_000),
      ],
      [[], ['want b 115000'], ['want a 114000']],
    ],
  ]
  test.each(rows)('%s', (_, act, expected) => {
    const at = found(['a', 'b'], [])
    // During the run it is too early: who knocks gets no answer, and comes again.
    expect(at.knocked('a', 20_000)).toEqual([])
    expect(at.say(prove, 30_000)).toEqual(['want a 120000', 'want b 120000'])
    expect(act(at)).toEqual(expected)
  })

  test('where this host connected, it does so again', () => {
    const { say, tried, knocked, tick } = found([], ['a', 'b'])
    expect(say(prove, 30_000)).toEqual(['knock a', 'knock b'])
    expect(tried('a', false, 31_000)).toEqual([])
    expect(knocked('a', 31_500)).toEqual(['answer'])
    expect(tick(35_000)).toEqual(['knock a'])
    expect(tried('a', true, 36_000)).toEqual(['proven true'])
  })

  test('what was begun before the end of the run shows nothing', () => {
    const { say, tried } = rig('a')
    say({ kind: 'find', nonce }, 0)
    say({ kind: 'up', peer: peer('b') }, 14_000)
    tried('a', true, 100)
    expect(say({ kind: 'tick' }, 15_000)).toEqual(['found we a'])
    expect(say(prove, 16_000)).toEqual(['knock a'])
    expect(tried('b', true, 16_500)).toEqual([])
    expect(tried('a', true, 17_000)).toEqual(['proven true'])
  })

  test('after the undo they are wanted once more, and a run that is over is forgotten', () => {
    const { say, knocked, tick } = found(['a'], [])
    say(prove, 30_000)
    expect(tick(150_000)).toEqual(['proven false'])
    expect(knocked('a', 150_500)).toEqual([])
    expect(say(prove, 151_000)).toEqual(['want a 120000'])
    expect(knocked('a', 152_000)).toEqual(['answer', 'proven true'])
    say({ kind: 'over' }, 153_000)
    expect(knocked('a', 154_000)).toEqual(['answer'])
    expect(say(prove, 155_000)).toEqual(['proven false'])
  })
})

describe('for others', () => {
  const want = (from: string, ms = 60_000, said = nonce): WitnessInput => ({
    kind: 'wanted',
    from: peer(from),
    nonce: said,
    ms,
  })

  test('this host knocks at once, and again until it is answered', () => {
    const { core, say, tried, tick } = rig()
    expect(say(want('a'), 0)).toEqual(['knock a'])
    expect(core.wakeMs()).toBe(10_000)
    tried('a', false, 400)
    expect(tick(10_000)).toEqual(['knock a'])
    // Not twice at one moment.
    expect(tick(20_000)).toEqual([])
    tried('a', true, 20_500)
    expect(tick(30_000)).toEqual([])
    expect(core.wakeMs()).toBe(Number.POSITIVE_INFINITY)
  })

  test('whoever asks again is served at once, but not too often', () => {
    const { say, tried, tick } = rig()
    say(want('a'), 0)
    tried('a', false, 100)
    expect(say(want('a'), 500)).toEqual([])
    expect(tick(limits.knockLeastMs)).toEqual(['knock a'])
  })

  test('not for ever, not for everybody, not for laptops', () => {
    const { core, say, tried, tick } = rig()
    expect(say(want('laptop'), 0)).toEqual([])
    for (let at = 0; at < limits.knockErrands; at++)
      expect(say(want(`h${at}`, 10 * limits.knockForMs), 0)).toEqual([`knock h${at}`])
    expect(say(want('one more'), 0)).toEqual([])
    for (let at = 0; at < limits.knockErrands; at++) tried(`h${at}`, false, 1)
    expect(tick(limits.knockForMs - 1)).toHaveLength(limits.knockErrands)
    expect(tick(limits.knockForMs)).toEqual([])
    expect(core.wakeMs()).toBe(Number.POSITIVE_INFINITY)
  })

  test('their knocks are answered, so often', () => {
    const { knocked } = rig()
    const said = 'cd'.repeat(16)
    expect(knocked('laptop', 0, { said })).toEqual([])
    const answers = Array.from({ length: 2 * limits.knocksBurst }, () => knocked('a', 0, { said }).length)
    expect(answers.reduce((sum, each) => sum + each)).toBe(limits.knocksBurst)
    expect(knocked('b', 0, { said })).toEqual(['answer'])
    expect(knocked('a', 1_000, { said })).toEqual(['answer'])
  })
})
