// What libp2p alone can do wrong: strangers who skip the hello, and the DHT. The rest is in compliance/carrier.test.ts.
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Connection, Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { lpStream } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, expect, test, vi } from 'vitest'
import { toMultiaddr } from '../../gossip/address.ts'
import type { Admission, Carrier, PeerId } from '../../gossip/carrier.ts'
import { frame } from '../../gossip/frames.ts'
import { type Libp2pOptions, libp2pCarrier } from '../../gossip/libp2p.ts'
import { limits } from '../../gossip/limits.ts'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const key = (number: number) => new Uint8Array(32).fill(number)
const until = (check: () => void) => vi.waitFor(check, { timeout: 15_000, interval: 20 })

async function carrier(
  number: number,
  options: Partial<Libp2pOptions> = {},
  admission: Admission = 'member',
) {
  const heard: string[] = []
  const made: Carrier = await libp2pCarrier({
    fleet: 'ab'.repeat(32),
    key: key(number),
    listen: ['127.0.0.1:0'],
    ...options,
  })
  await made.start({
    up: peer => void heard.push(`up ${peer}`),
    down: peer => void heard.push(`down ${peer}`),
    message: (_, bytes) => void heard.push(`message ${bytes.length}`),
    gossip: () => 'accept',
    admit: (_, hello) => (hello && new TextDecoder().decode(hello) === 'good' ? 'member' : admission),
    hello: () => new TextEncoder().encode('good'),
    bookChanged() {},
  })
  ends.push(() => made.stop())
  return { made, heard, address: multiaddr(`${toMultiaddr(made.addresses()[0] ?? '')}/p2p/${made.self}`) }
}

/** A peer that speaks libp2p, and to us only what the test says. */
async function stranger(number: number): Promise<Libp2p> {
  const node = await createLibp2p({
    privateKey: await generateKeyPairFromSeed('Ed25519', key(number)),
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    services: { identify: identify() },
  })
  ends.push(async () => node.stop())
  return node
}

async function say(connection: Connection, hello: Uint8Array) {
  const stream = await connection.newStream('/fleet/1/hello')
  const messages = lpStream(stream)
  await messages.write(hello)
  return messages
}

test.each(['/fleet/1/sync', '/meshsub/1.2.0', '/ipfs/id/1.0.0'])(
  '%s is closed to who has not said hello',
  async protocol => {
    const { heard, address } = await carrier(1, {}, 'unknown')
    const connection = await (await stranger(2)).dial(address)
    const stream = await connection.newStream(protocol).catch(() => undefined)
    await until(() => expect(stream?.status).not.toBe('open'))
    expect(heard).toEqual([])
  },
)

test.each([
  ['a wrong hello', new TextEncoder().encode('bad')],
  ['an empty hello', new Uint8Array()],
  ['a hello that is too long', new Uint8Array(limits.helloBytes + 1)],
])('%s ends the connection', async (_, hello) => {
  const { heard, address } = await carrier(1, {}, 'unknown')
  const connection = await (await stranger(2)).dial(address)
  await say(connection, hello)
  await until(() => expect(connection.status).not.toBe('open'))
  expect(heard).toEqual([])
})

test('only so many strangers are let in at once', async () => {
  const { address } = await carrier(1, {}, 'unknown')
  const connections: Connection[] = []
  for (let at = 0; at < limits.strangers + 4; at++)
    connections.push(await (await stranger(10 + at)).dial(address))
  const open = () => connections.filter(each => each.status === 'open').length
  await until(() => expect(open()).toBeLessThanOrEqual(limits.strangers))
  expect(open()).toBeGreaterThan(0)
})

test('a message that is too long ends its stream; the next stream is read', async () => {
  const { heard, address } = await carrier(1, {}, 'unknown')
  const connection = await (await stranger(2)).dial(address)
  const hello = await say(connection, new TextEncoder().encode('good'))
  await hello.read()
  await hello.write(new Uint8Array())
  await until(() => expect(heard).toHaveLength(1))
  const long = await connection.newStream('/fleet/1/sync')
  long.send(frame(new Uint8Array(limits.messageBytes + 1)).subarray(0, 10))
  await until(() => expect(long.status).not.toBe('open'))
  const next = await connection.newStream('/fleet/1/sync')
  next.send(new Uint8Array([3, 1, 2, 3]))
  await until(() => expect(heard).toContain('message 3'))
})

test('by the DHT, hosts that know one seed find everybody on the roster', async () => {
  const seed = await carrier(1, { dht: true })
  const hosts = [seed]
  for (let number = 2; number <= 5; number++)
    hosts.push(await carrier(number, { dht: true, seeds: [seed.address.toString()] }))
  for (const { made } of hosts)
    for (const other of hosts) if (other.made !== made) made.learn(other.made.self as PeerId, [])
  await until(() => {
    for (const { made } of hosts) expect(made.peers()).toHaveLength(hosts.length - 1)
  })
})
