// What each fault does to messages and connections, alone and together; that none moves the dice of another.
import { describe, expect, test } from 'vitest'
import type { PeerId } from '../../gossip/carrier.ts'
import { limits } from '../../gossip/limits.ts'
import { cutOf } from '../../sim/cuts.ts'
import type { Fault, FaultKind } from '../../sim/faults.ts'
import { faultKinds } from '../../sim/faults.ts'
import { baseMs, type Latency, latencies } from '../../sim/latency.ts'
import { Links } from '../../sim/links.ts'
import { World } from '../../sim/world.ts'

const seed = Number(process.env['FLEET_SEED'] ?? Date.now() % 1e6)
const host = (at: number) => `host-${at}` as PeerId
const fault = (kind: FaultKind, more: Partial<Fault> = {}): Fault => ({ kind, atMs: 0, hosts: [], ...more })
const [a, b, c] = [host(0), host(1), host(2)]

function links(...faults: Fault[]) {
  const world = new World(seed)
  const made = new Links(world, { latency: { kind: 'uniform', leastMs: 20, mostMs: 20 } })
  for (let at = 0; at < 5; at++) made.know(host(at))
  for (const each of faults)
    made.begin(
      each,
      each.hosts.map(at => host(at)),
    )
  return { world, links: made }
}

/** Arrivals of a thousand messages of gossip. */
const thousand = (made: Links, from = a, to = b) =>
  Array.from({ length: 1_000 }, () => made.gossip(made.way(from, to), 100))

describe(`latency (seed ${seed})`, () => {
  const kinds: [string, Latency, number, number][] = [
    ['uniform', { kind: 'uniform', leastMs: 10, mostMs: 150 }, 10, 150],
    ['exponential', { kind: 'exponential', leastMs: 10, meanMs: 50 }, 10, 1_000],
    ['log-normal', { kind: 'logNormal', medianMs: 80, sigma: 0.2 }, 20, 400],
    ['regions', latencies.world, 5, 120],
  ]
  test.each(kinds)('%s: one for each pair, both ways, within bounds', (_, latency, least, most) => {
    const all = Array.from({ length: 1_000 }, (_, at) => baseMs(latency, seed, at, at + 1))
    for (const [at, ms] of all.entries()) {
      expect(baseMs(latency, seed, at + 1, at)).toBe(ms)
      expect(ms).toBeGreaterThanOrEqual(least)
      expect(ms).toBeLessThanOrEqual(most)
    }
    expect(new Set(all).size).toBeGreaterThan(2)
  })

  test.each([
    [kinds[0]![1], 80],
    [kinds[1]![1], 50],
    [kinds[2]![1], 80 * Math.exp(0.02)],
  ])('%o has its mean', (latency, mean) => {
    const all = Array.from({ length: 10_000 }, (_, at) => baseMs(latency, seed, 2 * at, 2 * at + 1))
    expect(all.reduce((x, y) => x + y) / all.length / mean).toBeCloseTo(1, 1)
  })
})

describe(`gossip (seed ${seed})`, () => {
  test('without faults comes once, up to a tenth late', () => {
    for (const [arrival, ...more] of thousand(links().links)) {
      expect(more).toEqual([])
      expect(arrival!.afterMs).toBeGreaterThanOrEqual(20)
      expect(arrival!.afterMs).toBeLessThan(22)
    }
  })

  test.each(['loss', 'corrupt', 'duplicate', 'replay', 'reorder'] as const)('%s strikes its share', kind => {
    const struck = thousand(links(fault(kind, { amount: 0.3 })).links).filter(arrivals => {
      const [first, second] = arrivals
      switch (kind) {
        case 'loss':
          return first === undefined
        case 'corrupt':
          return first!.isCorrupt
        case 'reorder':
          return first!.afterMs > 22
        case 'duplicate':
          return second !== undefined && second.afterMs < 22
        default:
          return second?.isReplay && second.afterMs >= 60_000
      }
    })
    expect(struck.length / 1_000).toBeGreaterThan(0.22)
    expect(struck.length / 1_000).toBeLessThan(0.38)
  })

  test('bursts silence a tenth of the time, many messages in a row', () => {
    const { world, links: made } = links(fault('burst', { amount: 2_000 }))
    const lost: boolean[] = []
    for (let at = 0; at < 20_000; at++)
      world.after(at * 100, () => lost.push(made.gossip(made.way(a, b), 100).length === 0))
    while (world.step());
    const share = lost.filter(each => each).length / lost.length
    expect(share).toBeGreaterThan(0.05)
    expect(share).toBeLessThan(0.16)
    const begins = lost.filter((each, at) => each && !lost[at - 1]).length
    expect(lost.filter(each => each).length / begins).toBeGreaterThan(10)
  })

  test('a line has its rate, and a queue that overflows', () => {
    const { links: made } = links(fault('rate', { amount: 1_000 }))
    const after = Array.from({ length: 10 }, () => made.gossip(made.way(a, b), 1_000)[0]!.afterMs)
    expect(after.at(-1)).toBeGreaterThan(10_000)
    expect(after.at(-1)).toBeLessThan(10_100)
    const taken = Array.from({ length: 100 }, () => made.gossip(made.way(b, a), 100_000)).filter(
      each => each.length > 0,
    )
    expect(taken.length * 100_000).toBeLessThan(limits.gossipQueueBytes + 200_000)
  })

  test('jam loses half of what crosses, slow takes ten times as long and more', () => {
    const jam = links(fault('halves', { hosts: [0], mode: 'jam' })).links
    const lost = thousand(jam).filter(each => each.length === 0).length
    expect(lost).toBeGreaterThan(400)
    expect(lost).toBeLessThan(600)
    expect(thousand(jam, b, c).every(each => each.length === 1)).toBe(true)
    const slow = links(fault('halves', { hosts: [0], mode: 'slow' })).links
    for (const [arrival] of thousand(slow)) {
      expect(arrival!.afterMs).toBeGreaterThanOrEqual(200)
      expect(arrival!.afterMs).toBeLessThan(1_100)
    }
    expect([jam.isCut(a, b), slow.isCut(a, b)]).toEqual([false, false])
  })

  test('only links of the hosts named are struck', () => {
    const { links: made } = links(fault('loss', { amount: 1, hosts: [0] }))
    const comes = [
      [a, b],
      [b, a],
      [b, c],
    ].map(([from, to]) => made.gossip(made.way(from!, to!), 1).length)
    expect(comes).toEqual([0, 0, 1])
  })

  test('a fault left out, and traffic of others, move no other dice', () => {
    const lost = (made: Links) => thousand(made).map(each => each.length)
    const alone = lost(links(fault('loss', { amount: 0.3 })).links)
    const { links: busy } = links(
      fault('corrupt', { amount: 0.5 }),
      fault('loss', { amount: 0.3 }),
      fault('reorder', { amount: 0.5 }),
    )
    thousand(busy, b, c)
    expect(lost(busy)).toEqual(alone)
  })
})

describe(`a stream (seed ${seed})`, () => {
  const streams = (...faults: Fault[]) => {
    const { links: made } = links(...faults)
    return Array.from({ length: 1_000 }, () => made.stream(a, b, 1_000))
  }

  test('loss and jam are delay, and nothing breaks', () => {
    for (const each of [fault('loss', { amount: 0.5 }), fault('halves', { hosts: [0], mode: 'jam' })]) {
      const all = streams(each)
      expect(all.some(({ afterMs }) => afterMs > 600)).toBe(true)
      expect(all.some(({ breaks }) => breaks)).toBe(false)
    }
  })

  test.each(['breaks', 'corrupt'] as const)('%s breaks its share of connections', kind => {
    const broken = streams(fault(kind, { amount: 0.2 })).filter(({ breaks }) => breaks).length
    expect(broken).toBeGreaterThan(130)
    expect(broken).toBeLessThan(270)
  })

  test('a line has its rate', () => {
    expect(streams(fault('rate', { amount: 10_000 })).at(-1)!.afterMs).toBeGreaterThan(99_000)
  })
})

describe('partitions', () => {
  const everyone = [0, 1, 2, 3, 4].map(host)
  const heard = (kind: FaultKind, struck: readonly number[]) => {
    const cut = cutOf(kind, struck.map(host), everyone)!
    return everyone.map(to =>
      everyone.flatMap((from, at) => (from !== to && !cut(from, to) ? [at] : [])).join(''),
    )
  }

  test.each([
    ['isolate', [1], ['234', '', '034', '024', '023']],
    ['halves', [0, 1], ['1', '0', '34', '24', '23']],
    ['minority', [4], ['123', '023', '013', '012', '']],
    ['bridge', [0, 1], ['1234', '0', '034', '024', '023']],
    ['asymmetric', [0], ['', '0234', '0134', '0124', '0123']],
    ['ring', [], ['14', '02', '13', '24', '03']],
  ] as const)('%s: who hears whom', (kind, struck, expected) => {
    expect(heard(kind, struck)).toEqual(expected)
  })

  test('a swizzle cuts off one by one and lets all come back before its end', () => {
    const { world, links: made } = links()
    const swizzle = fault('swizzle', { untilMs: 90_000 })
    made.begin(swizzle, [a, b, c])
    const off: string[] = []
    const look = () => [a, b, c].map(each => (made.isCut(each, host(4)) ? 'x' : '.')).join('')
    for (let at = 0; at <= 90_000; at += 5_000) world.after(at, () => off.push(look()))
    while (world.step());
    expect(off[0]).toBe('x..')
    expect(off).toContain('xx.')
    expect(off).toContain('xxx')
    expect(off.at(-1)).toBe('...')
    expect(made.isCut(host(3), host(4))).toBe(false)
  })

  test('two at once: what either cuts is cut; the end of one leaves the other', () => {
    const first = fault('isolate', { hosts: [0] })
    const { links: made } = links(first, fault('isolate', { hosts: [1] }))
    expect([made.isCut(a, c), made.isCut(b, c)]).toEqual([true, true])
    made.end(first)
    expect([made.isCut(a, c), made.isCut(b, c)]).toEqual([false, true])
  })
})

test('what is held back is let go in order; gossip only as far as its queue goes', () => {
  const clog = fault('clog', { hosts: [0] })
  const { world, links: made } = links(clog)
  const seen: string[] = []
  for (let at = 0; at < 5; at++) made.pass(a, b, 10, at % 2 === 0, () => seen.push(`${at}`))
  const large = limits.gossipQueueBytes - 40
  made.pass(a, b, large, true, () => seen.push('too much'))
  made.pass(b, c, 10, true, () => seen.push('elsewhere'))
  while (world.step());
  expect(seen).toEqual(['elsewhere'])
  made.end(clog)
  made.pass(a, b, 10, false, () => seen.push('later'))
  while (world.step());
  expect(seen).toEqual(['elsewhere', '0', '1', '2', '3', '4', 'later'])
})

test('every kind of these classes does something', () => {
  // A ring needs hosts, a burst time: both are tried above.
  const kinds = Object.entries(faultKinds)
    .filter(([, { class: c }]) => c === 'network' || c === 'partition')
    .filter(([kind]) => kind !== 'ring' && kind !== 'burst')
  for (const [name] of kinds) {
    const kind = name as FaultKind
    const amount = kind === 'rate' ? 10 : 1
    const { world, links: made } = links()
    let deafened = 0
    made.deafened = () => void deafened++
    made.begin(fault(kind, { amount, untilMs: 3_000 }), kind === 'bridge' ? [c, a] : [a])
    const dice = () => {
      const gossip = made
        .gossip(made.way(b, a), 100)
        .map(each => ({ ...each, afterMs: Math.round(each.afterMs / 3) }))
      return JSON.stringify([
        gossip,
        made.stream(b, a, 100).breaks,
        made.isCut(b, a) || made.isCut(c, host(4)),
        made.isHeld(b, a),
        made.isDialable(b, a),
        made.breaks(made.way(b, a)),
        deafened,
      ])
    }
    world.step()
    const struck = Array.from({ length: 20 }, dice)
    const healthy = JSON.stringify([
      [{ afterMs: 7, isCorrupt: false, isReplay: false }],
      false,
      false,
      false,
      true,
      false,
      0,
    ])
    expect([kind, struck.some(each => each !== healthy)]).toEqual([kind, true])
  }
})
