// What happens to connections when hosts hang, lose power or are cut off: who finds out, and when.
import { describe, expect, test } from 'vitest'
import type { Carrier, PeerId } from '../../gossip/carrier.ts'
import { Network } from '../../sim/carrier.ts'
import type { Fault, FaultKind } from '../../sim/faults.ts'
import { World } from '../../sim/world.ts'

const seed = Number(process.env['FLEET_SEED'] ?? Date.now() % 1e6)
const name = (at: number) => `host-${at}` as PeerId
const address = (at: number) => `10.0.0.${at}`

/** Two hosts and more in a line of dials, each of which knows the first; up after ten seconds. */
async function fleet(count = 2) {
  const world = new World(seed)
  const network = new Network(world)
  const told: string[] = []
  const open = (at: number): Carrier => {
    const seeds = at === 0 ? [] : [address(0)]
    const carrier = network.carrier({ self: name(at), address: address(at), seeds })
    const say = (what: string) => void told.push(`${at} ${what}`)
    void carrier.start({
      up: peer => say(`up ${peer}`),
      down: peer => say(`down ${peer}`),
      message: (_, bytes) => say(`message ${bytes[0]}`),
      gossip(_, bytes) {
        say(`gossip ${bytes[0]}`)
        return 'accept'
      },
      admit: () => 'member',
      hello: () => new Uint8Array([1]),
      bookChanged() {},
    })
    return carrier
  }
  const carriers = Array.from({ length: count }, (_, at) => open(at))
  await world.run(10_000)
  const begin = (kind: FaultKind, peers: readonly PeerId[], more: Partial<Fault> = {}) => {
    const fault: Fault = { kind, atMs: world.nowMs, hosts: [], ...more }
    network.links.begin(fault, peers)
    return () => network.links.end(fault)
  }
  const after = async (ms: number) => {
    told.length = 0
    await world.run(world.nowMs + ms)
    return [...told]
  }
  return { world, network, carriers, open, begin, after, a: carriers[0]!, b: carriers[1]! }
}

const one = (value: number) => new Uint8Array([value])

describe(`seed ${seed}`, () => {
  test('a host that hangs takes what was sent once it goes on, and keeps its connections', async () => {
    const { network, after, a } = await fleet()
    network.freeze(address(1))
    void a.send(name(1), one(1))
    void a.send(name(1), one(2))
    a.publish(one(3))
    expect(await after(60_000)).toEqual([])
    expect(a.peers()).toEqual([name(1)])
    network.thaw(address(1))
    expect((await after(10_000)).toSorted()).toEqual(['1 gossip 3', '1 message 1', '1 message 2'])
  })

  test('one that hangs longer is given up, finds that out, and comes back', async () => {
    const { network, after, a, b } = await fleet()
    network.freeze(address(1))
    expect(await after(74_000)).toEqual([])
    expect(await after(17_000)).toEqual([`0 down ${name(1)}`])
    expect(b.peers()).toEqual([name(0)])
    network.thaw(address(1))
    const told = await after(300_000)
    expect(told).toContain(`1 down ${name(0)}`)
    expect([a.peers(), b.peers()]).toEqual([[name(1)], [name(0)]])
  })

  test('a host without power says nothing; it is missed late, or when it is back', async () => {
    const { network, after, open, a, b } = await fleet()
    network.cut(address(1))
    const sent = a.send(name(1), new Uint8Array(1_000_000))
    expect([b.peers(), b.addresses()]).toEqual([[], []])
    expect(await after(74_000)).toEqual([])
    expect(await after(17_000)).toEqual([`0 down ${name(1)}`])
    expect(await sent).toBe(false)
    open(1)
    expect((await after(200_000)).toSorted()).toEqual([`0 up ${name(1)}`, `1 up ${name(0)}`])
    network.cut(address(1))
    await after(1_000)
    open(1)
    const told = await after(40_000)
    expect(told.filter(each => each.startsWith('0'))).toEqual([`0 down ${name(1)}`, `0 up ${name(1)}`])
  })

  test('half open: one end drops the connection at once, the other only when that end is back', async () => {
    const { begin, after } = await fleet()
    const end = begin('halfOpen', [name(1)])
    const [first, ...more] = await after(70_000)
    expect(first).toBe(`0 down ${name(1)}`)
    // Whoever was dropped may dial anew, which shows the other end that the old connection is over.
    expect(more.every(each => /(up|down)/.test(each))).toBe(true)
    end()
    await after(200_000)
  })

  test('who cannot be dialled can dial', async () => {
    const { network, begin, after, open, a } = await fleet()
    begin('undialable', [name(0)])
    open(2)
    await after(60_000)
    expect(a.peers()).toEqual([name(1)])
    a.learn(name(2), [address(2)])
    await after(10_000)
    expect(a.peers()).toEqual([name(1), name(2)])
    expect(network.traffic(name(0)).messagesOut).toBeGreaterThan(0)
  })

  test('a clog lets everything go, in order', async () => {
    const { begin, after, a } = await fleet()
    const end = begin('clog', [name(1)])
    for (let at = 0; at < 20; at++) void a.send(name(1), one(at))
    expect(await after(30_000)).toEqual([])
    end()
    expect(await after(2_000)).toEqual(Array.from({ length: 20 }, (_, at) => `1 message ${at}`))
  })

  test('heard, and hearing nothing: both ends give up', async () => {
    const { begin, after, a, b } = await fleet()
    begin('asymmetric', [name(1)])
    b.publish(one(1))
    a.publish(one(2))
    expect(await after(5_000)).toEqual(['0 gossip 1'])
    await after(95_000)
    expect([a.peers(), b.peers()]).toEqual([[], []])
  })

  test('corrupt gossip is another message; a corrupt stream breaks', async () => {
    const { begin, after, a } = await fleet()
    const end = begin('corrupt', [], { amount: 1 })
    a.publish(one(8))
    const [told] = await after(1_000)
    expect(told).toMatch(/^1 gossip /)
    expect(told).not.toBe('1 gossip 8')
    void a.send(name(1), one(9))
    expect(await after(1_000)).toContain(`0 down ${name(1)}`)
    end()
    await after(60_000)
    expect(a.peers()).toEqual([name(1)])
  })

  test('gossip of minutes ago comes again', async () => {
    const { begin, after, a } = await fleet()
    const end = begin('replay', [], { amount: 1 })
    a.publish(one(1))
    await after(100)
    end()
    const again = await after(700_000)
    expect(again.every(each => each === '1 gossip 1')).toBe(true)
  })

  test('what has a seed has one story, with every fault at once', async () => {
    const story = async () => {
      const { world, begin, after, carriers } = await fleet(6)
      for (const [kind, amount] of [
        ['loss', 0.2],
        ['burst', 500],
        ['duplicate', 0.3],
        ['reorder', 0.3],
        ['replay', 0.3],
        ['corrupt', 0.05],
        ['rate', 10_000],
        ['breaks', 0.02],
      ] as const)
        begin(kind, [], { amount })
      begin('swizzle', [name(1), name(2)], { untilMs: 300_000 })
      begin('ring', [], { mode: 'slow' })
      begin('bridge', [name(3), name(4)], { mode: 'jam' })
      for (let at = 0; at < 100; at++)
        world.after(at * 2_000, () => {
          carriers[at % 6]!.publish(one(at))
          for (const peer of carriers[at % 5]!.peers()) void carriers[at % 5]!.send(peer, new Uint8Array(at))
        })
      const told = await after(600_000)
      for (const each of told) world.trace(each)
      return [world.events, world.traceHash()]
    }
    expect(await story()).toEqual(await story())
  })
})
