// What the simulator's carrier adds to the contract of test/compliance: faults, and that a seed tells all.
import { expect, test } from 'vitest'
import type { PeerId } from '../../gossip/carrier.ts'
import { Network } from '../../sim/carrier.ts'
import type { Fault, FaultKind } from '../../sim/faults.ts'
import { World } from '../../sim/world.ts'

const seed = Number(process.env['FLEET_SEED'] ?? Date.now() % 1e6)

const fault = (kind: FaultKind, more: Partial<Fault> = {}): Fault => ({ kind, atMs: 0, hosts: [], ...more })
const harsh = [
  fault('loss', { amount: 0.2 }),
  fault('duplicate', { amount: 0.1 }),
  fault('reorder', { amount: 0.2 }),
  fault('breaks', { amount: 0.02 }),
]

/** Eight hosts that all know the first, and what happens to them, a line each. */
function fleet(world: World, network: Network) {
  const lines: string[] = []
  const name = (at: number) => `host-${at}` as PeerId
  const carriers = Array.from({ length: 8 }, (_, at) => {
    const say = (line: string) => lines.push(`${world.nowMs} ${at} ${line}`)
    const carrier = network.carrier({ self: name(at), address: `10.0.0.${at}`, seeds: ['10.0.0.0'] })
    void carrier.start({
      up: peer => void say(`up ${peer}`),
      down: peer => void say(`down ${peer}`),
      message: (from, bytes) => void say(`message ${from} ${bytes[0]}`),
      gossip(from, bytes) {
        say(`gossip ${from} ${bytes[0]}`)
        return 'accept'
      },
      admit: () => 'member',
      hello: () => new Uint8Array([1]),
      bookChanged() {},
    })
    return carrier
  })
  return { lines, carriers, name }
}

async function story(seed: number): Promise<string[]> {
  const world = new World(seed)
  const network = new Network(world, { latency: { kind: 'uniform', leastMs: 1, mostMs: 200 } })
  for (const each of harsh) network.links.begin(each)
  const { lines, carriers, name } = fleet(world, network)
  for (let at = 0; at < 100; at++)
    world.after(1_000 + at * 100, () => {
      carriers[at % 8]?.publish(new Uint8Array([at]))
      void carriers[1 + (at % 7)]?.send(name(0), new Uint8Array([at]))
    })
  let over = false
  world.after(60_000, () => {
    over = true
  })
  await world.until(() => over)
  return lines
}

test('one seed, one story; another seed, another', async () => {
  const lines = await story(seed)
  expect(await story(seed)).toEqual(lines)
  expect(await story(seed + 1)).not.toEqual(lines)
  for (const kind of ['up', 'down', 'message', 'gossip'])
    expect(lines.some(line => line.includes(` ${kind} `))).toBe(true)
})

test(`without faults nothing is lost, repeated or broken (seed ${seed})`, async () => {
  const world = new World(seed)
  const { lines, carriers } = fleet(world, new Network(world))
  await world.until(() => carriers.every((each, at) => each.peers().length === (at === 0 ? 7 : 1)))
  await world.run(10_000)
  for (let at = 0; at < 20; at++) carriers[at % 8]?.publish(new Uint8Array([at]))
  const gossip = () => lines.filter(line => line.includes('gossip'))
  await world.until(() => gossip().length === 20 * 7)
  expect(lines.some(line => line.includes('down'))).toBe(false)
})

test(`what is sent into a short partition arrives, into a long one breaks (seed ${seed})`, async () => {
  const world = new World(seed)
  const network = new Network(world)
  const { lines, carriers, name } = fleet(world, network)
  const [a, b] = carriers
  await world.until(() => b?.peers().length === 1)
  const cut = () => {
    const isolated = fault('isolate', { atMs: world.nowMs })
    network.links.begin(isolated, [name(1)])
    return () => network.links.end(isolated)
  }
  const heal = cut()
  void b?.send(name(0), new Uint8Array([1]))
  world.after(30_000, heal)
  await world.until(() => lines.some(line => line.endsWith('0 message host-1 1')))
  expect(a?.peers()).toContain(name(1))
  const healAgain = cut()
  void b?.send(name(0), new Uint8Array([2]))
  await world.until(() => b?.peers().length === 0 && !a?.peers().includes(name(1)))
  healAgain()
  await world.until(() => b?.peers().length === 1)
  expect(lines.some(line => line.endsWith('message host-1 2'))).toBe(false)
})
