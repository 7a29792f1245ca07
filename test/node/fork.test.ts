// Two operators publish at one moment: what hosts on either branch see, and how it ends.
import { describe, expect, test } from 'vitest'
import { encodeMessage } from '../../gossip/message.ts'
import { encodeEnvelope } from '../../signing/entry.ts'
import { content, type Made, release } from '../signing/fleet.ts'
import { fleet, later } from './fleet.ts'
import type { SimHost } from './rig.ts'

/** Two halves of a fleet, each with a branch of its own from entry 2 on, then connected. */
function forked(left: number, right: number) {
  const ctx = fleet(4)
  const { rig, all, first, packs } = ctx
  for (const host of all) rig.submit(host, first)
  const base = ctx.next('base')
  for (const host of all) {
    rig.submit(host, base)
    rig.handed(host, base.id, packs.get(2))
  }
  const firsts: Made[] = []
  const branch = (hosts: readonly SimHost[], name: string, length: number) => {
    let previous: Made = base
    for (let i = 0; i < length; i++) {
      previous = release(
        { fleet: first, previous, trust: first },
        { expires: later, content: content(`${name}${i}`) },
      )
      if (i === 0) firsts.push(previous)
      for (const host of hosts) rig.submit(host, previous)
    }
    return previous
  }
  const heads = [branch(all.slice(0, 2), 'left', left), branch(all.slice(2), 'right', right)] as const
  // What was gossiped meanwhile is lost.
  rig.run(100)
  let messages = 0
  const feed = rig.feed.bind(rig)
  rig.feed = (host, input) => {
    if (input.kind === 'message') messages++
    return feed(host, input)
  }
  return { ...ctx, heads, lost: () => firsts[1]!.id, count: () => messages }
}

describe('a fork', () => {
  test.each([
    [1, 1],
    [1, 2],
    [1, 5],
    [4, 9],
  ])('with branches of %i and %i entries is seen on both sides, without a flood of questions', (l, r) => {
    const { rig, all, heads, count } = forked(l, r)
    rig.connect(...all)
    rig.run(100_000)
    expect(all.map(host => host.log.frozen())).toEqual([true, true, true, true])
    expect(all.map(host => host.log.head()?.id)).toEqual([heads[0].id, heads[0].id, heads[1].id, heads[1].id])
    expect(count()).toBeLessThan(600)
  })

  test.each([
    [1, 1],
    [1, 4],
    [4, 1],
    [2, 6],
  ])('of %i and %i entries ends on both sides by an entry that drops one, found by sync alone', (l, r) => {
    const { rig, all, first, heads, lost } = forked(l, r)
    rig.connect(...all)
    rig.run(100_000)
    let previous: Made = release(
      { fleet: first, previous: heads[0], trust: first },
      { drops: lost(), expires: later, content: content('end') },
    )
    // Only one host hears of it, and no gossip runs: the others must find it.
    rig.send(all[0]!, all[1]!, previous)
    rig.run(300_000)
    for (let i = 0; i < 2; i++) {
      previous = release(
        { fleet: first, previous, trust: first },
        { expires: later, content: content(`on ${i}`) },
      )
      rig.send(all[0]!, all[1]!, previous)
    }
    rig.run(300_000)
    expect(all.map(host => host.log.head()?.id)).toEqual(Array(4).fill(previous.id))
    expect(all.map(host => host.log.frozen())).toEqual([false, false, false, false])
    for (const host of all) rig.restart(host)
    rig.connect(...all)
    previous = release(
      { fleet: first, previous, trust: first },
      { expires: later, content: content('after') },
    )
    rig.send(all[0]!, all[1]!, previous)
    rig.run(100_000)
    expect(all.map(host => host.log.head()?.id)).toEqual(Array(4).fill(previous.id))
  })
})

describe('entries that a peer has without what lies between', () => {
  function behind() {
    const { rig, all, first, next } = fleet(2)
    const [host, joiner] = all as [SimHost, SimHost]
    const base = next('base')
    const between = release({ fleet: first, previous: base, trust: first }, { expires: later })
    const theirs = release(
      { fleet: first, previous: between, trust: first },
      { expires: later, content: content('theirs') },
    )
    const tell = () => {
      const bytes = encodeMessage({ t: 'entries', entries: [encodeEnvelope(theirs.envelope)], whole: false })
      rig.feed(host, { kind: 'message', from: joiner.peer, bytes, gossip: false })
    }
    rig.submit(host, first)
    return { rig, host, base, theirs, tell }
  }

  test('are taken at once by a host that has no release', () => {
    const { host, theirs, tell } = behind()
    tell()
    expect(host.log.head()?.id).toBe(theirs.id)
  })
  test('wait on any other one, which may be on another branch, until nobody has brought the rest for a minute', () => {
    const { rig, host, base, theirs, tell } = behind()
    rig.submit(host, base)
    tell()
    rig.run(50_000)
    tell()
    expect(host.log.head()?.id).toBe(base.id)
    rig.run(10_000)
    tell()
    expect(host.log.head()?.id).toBe(theirs.id)
  })
})

test('entries of another branch that come back from a store, in any order, stay beside ours', () => {
  const { first, all } = fleet(1)
  const grow = (name: string, from: Made, count: number) => {
    const made: Made[] = []
    for (let at = 0; at < count; at++)
      made.push(
        release(
          { fleet: first, previous: made.at(-1) ?? from, trust: first },
          { content: content(name + at) },
        ),
      )
    return made
  }
  const [host] = all as [SimHost]
  const [base] = grow('base', first, 1) as [Made]
  const ours = grow('ours', base, 1)
  const theirs = grow('theirs', base, 4)
  const kept = (made: Made) => encodeEnvelope(made.envelope)
  for (const each of [first, base, ...ours]) host.log.take(kept(each), { gap: true, kept: true })
  host.log.takeBeside([...theirs].reverse().map(kept))
  expect(host.log.head()?.id).toBe(ours[0]!.id)
  expect(host.log.frozen()).toBe(true)
  for (const { envelope, sequence } of theirs)
    expect(host.log.take(encodeEnvelope(envelope), { gap: false })).toEqual({
      kind: 'known',
      beside: sequence,
    })
})
