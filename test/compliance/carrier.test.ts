// What every carrier does, in real time over TCP and over memory, and in the virtual time of the simulator.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { memory } from '@libp2p/memory'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Admission, Carrier, Contact, Handlers, PeerId, Verdict } from '../../gossip/carrier.ts'
import { libp2pCarrier } from '../../gossip/libp2p.ts'
import { limits } from '../../gossip/limits.ts'
import { Network } from '../../sim/carrier.ts'
import { World } from '../../sim/world.ts'

interface Place {
  /** Makes key and default address. */
  readonly number: number
  readonly seeds?: readonly string[]
  readonly book?: readonly Contact[]
  /** The address of an earlier life. */
  readonly address?: string
}

/** Where carriers are made, and how its time passes. */
interface Ground {
  open(place: Place): Promise<Carrier>
  until(done: () => boolean): Promise<void>
}

function real(address: (number: number) => string, transport?: typeof memory): Ground {
  return {
    open: place =>
      libp2pCarrier({
        fleet: 'ab'.repeat(32),
        key: new Uint8Array(32).fill(place.number),
        listen: [place.address ?? address(place.number)],
        seeds: place.seeds ?? [],
        book: place.book ?? [],
        ...(transport ? { transport: transport() } : {}),
      }),
    until: done => vi.waitFor(() => expect(done()).toBe(true), { timeout: 20_000, interval: 10 }),
  }
}

function simulated(seed: number): Ground {
  const world = new World(seed)
  const network = new Network(world, { latency: { kind: 'uniform', leastMs: 1, mostMs: 40 } })
  // Time passes although nothing happens, as it does in reality.
  const tick = () => void world.after(10, tick)
  tick()
  return {
    open: async ({ number, address = `10.0.0.${number}`, ...rest }) =>
      network.carrier({ self: `peer-${number}` as PeerId, address, ...rest }),
    until: done => world.until(done),
  }
}

const seed = Number(process.env['FLEET_SEED'] ?? Date.now() % 1e6)
const grounds: [string, () => Ground][] = [
  ['libp2p over TCP', () => real(() => '127.0.0.1:0')],
  ['libp2p over memory', () => real(number => `/memory/${number}`, memory)],
  [`the simulator, seed ${seed}`, () => simulated(seed)],
]

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (text: string) => new TextEncoder().encode(text)

interface Rules {
  admit?: (peer: PeerId, hello: string | undefined) => Admission
  hello?: string
  gossip?: (text: string) => Verdict
  message?: Handlers['message']
  knock?: (text: string) => string | undefined
}

/** A carrier and what it was told. */
interface Host {
  readonly carrier: Carrier
  readonly self: PeerId
  readonly address: string
  readonly ups: PeerId[]
  readonly downs: PeerId[]
  readonly messages: string[]
  readonly gossip: string[]
  readonly hellos: string[]
  /** Who knocked, and what was said. */
  readonly knocks: string[]
  book: readonly Contact[]
}

describe.each(grounds)('%s', (_, makeGround) => {
  let ground: Ground
  const hosts: Host[] = []

  async function host(place: Place, rules: Rules = {}): Promise<Host> {
    if (hosts.length === 0) ground = makeGround()
    const carrier = await ground.open(place)
    const ups: PeerId[] = []
    const downs: PeerId[] = []
    const messages: string[] = []
    const gossip: string[] = []
    const hellos: string[] = []
    const knocks: string[] = []
    const told: Host = {
      carrier,
      self: carrier.self,
      address: '',
      ups,
      downs,
      messages,
      gossip,
      hellos,
      knocks,
      book: [],
    }
    hosts.push(told)
    await carrier.start({
      up: peer => void ups.push(peer),
      down: peer => void downs.push(peer),
      message(from, bytes) {
        messages.push(text(bytes))
        return rules.message?.(from, bytes)
      },
      gossip(_, bytes) {
        gossip.push(text(bytes))
        return rules.gossip?.(text(bytes)) ?? 'accept'
      },
      admit(peer, hello) {
        if (hello) hellos.push(text(hello))
        return rules.admit?.(peer, hello && text(hello)) ?? 'member'
      },
      knock(from, said, ageMs) {
        knocks.push(`${from} ${text(said)}`)
        expect(ageMs).toBeGreaterThanOrEqual(0)
        expect(ageMs).toBeLessThanOrEqual(limits.helloMs)
        const answer = rules.knock ? rules.knock(text(said)) : `${text(said)} back`
        return answer === undefined ? undefined : bytes(answer)
      },
      hello: () => bytes(rules.hello ?? 'hello'),
      bookChanged(book) {
        told.book = book
      },
    })
    return Object.assign(told, { address: carrier.addresses()[0] ?? '' })
  }

  /** Each knows the one before: a line. */
  async function line(length: number, rules: Rules[] = []): Promise<Host[]> {
    const made: Host[] = []
    for (let number = 1; number <= length; number++)
      made.push(await host({ number, seeds: made.slice(-1).map(each => each.address) }, rules[number - 1]))
    const degree = (at: number) => (at === 0 || at === length - 1 ? 1 : 2)
    await ground.until(() => made.every((each, at) => each.ups.length === degree(at)))
    return made
  }

  /** Gossip meshes form some time after `up`: repeats a marker until all others have heard it. */
  async function meshed(among: readonly Host[]): Promise<void> {
    for (const from of among) {
      let round = 0
      const heard = (name: string) =>
        among.every(each => each === from || each.gossip.some(g => g.startsWith(name)))
      await ground.until(() => {
        if (round++ % 20 === 0) from.carrier.publish(bytes(`~${from.self} ${round}`))
        return heard(`~${from.self}`)
      })
    }
  }

  afterEach(async () => {
    for (const each of hosts.splice(0)) await each.carrier.stop()
  })

  test('messages go both ways, in order and whole', async () => {
    const [a, b] = (await line(2)) as [Host, Host]
    const large = 'x'.repeat(limits.messageBytes)
    const sent = Array.from({ length: 50 }, (_, at) => `${at}`)
    for (const each of sent) void a.carrier.send(b.self, bytes(each))
    void b.carrier.send(a.self, bytes(large))
    void b.carrier.send(a.self, bytes(''))
    await ground.until(() => b.messages.length === 50 && a.messages.length === 2)
    expect(b.messages).toEqual(sent)
    expect(a.messages.map(each => each.length)).toEqual([large.length, 0])
  })

  test('what is too big is refused by the sender, and both stay in touch', async () => {
    const [a, b] = (await line(2)) as [Host, Host]
    await meshed([a, b])
    await expect(a.carrier.send(b.self, new Uint8Array(limits.messageBytes + 1))).rejects.toMatchObject({
      code: 'MESSAGE_TOO_BIG',
    })
    expect(() => a.carrier.publish(new Uint8Array(limits.gossipBytes + 1))).toThrow(/larger than/)
    a.carrier.publish(new Uint8Array(limits.gossipBytes))
    a.carrier.publish(bytes('small'))
    void a.carrier.send(b.self, bytes('direct'))
    const largest = () => b.gossip.some(each => each.length === limits.gossipBytes)
    await ground.until(() => b.gossip.includes('small') && b.messages.includes('direct') && largest())
  })

  test('gossip reaches everybody along a line of five, once', async () => {
    const made = await line(5)
    await meshed(made)
    made[0]?.carrier.publish(bytes('news'))
    await ground.until(() => made.slice(1).every(each => each.gossip.includes('news')))
    for (const each of made.slice(1)) expect(each.gossip.filter(g => g === 'news')).toHaveLength(1)
    expect(made[0]?.gossip).not.toContain('news')
  })

  test.each(['ignore', 'reject'] as const)('%s is the verdict: who is blamed', async verdict => {
    const judge = { gossip: (text: string): Verdict => (text.startsWith('bad') ? verdict : 'accept') }
    const [a, b, c] = (await line(3, [{}, judge])) as [Host, Host, Host]
    await meshed([a, b, c])
    const count = 3 * limits.blame
    for (let at = 0; at < count; at++) a.carrier.publish(bytes(`bad ${at}`))
    const bad = () => b.gossip.filter(each => each.startsWith('bad')).length
    await ground.until(() => bad() === (verdict === 'ignore' ? count : limits.blame))
    c.carrier.publish(bytes('good'))
    await ground.until(() => b.gossip.includes('good'))
    expect(bad()).toBe(verdict === 'ignore' ? count : limits.blame)
    expect(c.gossip.some(each => each.startsWith('bad'))).toBe(false)
    expect(b.downs).toEqual([])
  })

  test('a key that nobody knows says hello, is turned away and gets nothing', async () => {
    const known = {
      admit: (_: PeerId, hello?: string): Admission => (hello === 'member' ? 'member' : 'unknown'),
    }
    const [a, b] = (await line(2, [
      { ...known, hello: 'member' },
      { ...known, hello: 'member' },
    ])) as [Host, Host]
    await meshed([a, b])
    const stranger = await host({ number: 9, seeds: [a.address] }, { hello: 'let me in' })
    await ground.until(() => a.hellos.filter(each => each === 'let me in').length > 0)
    a.carrier.publish(bytes('secret'))
    await ground.until(() => b.gossip.includes('secret'))
    expect(await a.carrier.send(stranger.self, bytes('secret'))).toBe(false)
    expect([stranger.ups, stranger.gossip, stranger.messages]).toEqual([[], [], []])
    expect([...a.ups]).not.toContain(stranger.self)
  })

  test('another fleet is refused, whichever side dials', async () => {
    const fleet = (name: string) => ({
      hello: name,
      admit: (_: PeerId, hello?: string): Admission =>
        hello === undefined ? 'unknown' : hello === name ? 'member' : 'denied',
    })
    const a = await host({ number: 1 }, fleet('one'))
    const b = await host({ number: 2, seeds: [a.address] }, fleet('two'))
    a.carrier.learn(b.self, [b.address])
    await ground.until(() => a.hellos.length + b.hellos.length >= 2 && a.hellos.length >= 1)
    expect([a.ups, b.ups, a.carrier.peers(), b.carrier.peers()]).toEqual([[], [], [], []])
  })

  test('a denied key is not let in, nor dialled', async () => {
    const a = await host({ number: 1 }, { admit: () => 'denied' })
    const b = await host({ number: 2, seeds: [a.address] })
    const c = await host({ number: 3, seeds: [b.address] })
    a.carrier.learn(c.self, [c.address])
    await ground.until(() => c.ups.includes(b.self))
    expect([a.hellos, a.ups, b.ups.includes(a.self)]).toEqual([[], [], false])
  })

  test('recheck closes the connection of a withdrawn key', async () => {
    const withdrawn = new Set<PeerId>()
    const rules: Rules = { admit: peer => (withdrawn.has(peer) ? 'denied' : 'member') }
    const [a, b, c] = (await line(3, [{}, rules])) as [Host, Host, Host]
    b.carrier.recheck()
    withdrawn.add(a.self)
    b.carrier.recheck()
    await ground.until(() => b.downs.length > 0 && a.downs.length > 0)
    expect([b.downs, a.downs]).toEqual([[a.self], [b.self]])
    expect(b.carrier.peers()).toEqual([c.self])
    expect(await b.carrier.send(a.self, bytes('gone'))).toBe(false)
  })

  test('a peer that restarts goes down and comes up again, by its own book or by others', async () => {
    const [a, b] = (await line(2)) as [Host, Host]
    await ground.until(() => b.carrier.book().length === 1 && a.carrier.book().length === 1)
    const book = a.carrier.book()
    await a.carrier.stop()
    await ground.until(() => b.downs.length === 1)
    expect(await b.carrier.send(a.self, bytes('nobody'))).toBe(false)
    const again = await host({ number: 1, address: a.address, book })
    await ground.until(() => b.ups.length === 2 && again.ups.length === 1)
    expect(again.self).toBe(a.self)
    void b.carrier.send(again.self, bytes('back'))
    await ground.until(() => again.messages.includes('back'))
  })

  test('two that dial each other at one moment are one up and one down to each other', async () => {
    const a = await host({ number: 1 })
    const b = await host({ number: 2 })
    a.carrier.learn(b.self, [b.address])
    b.carrier.learn(a.self, [a.address])
    await ground.until(() => a.ups.length > 0 && b.ups.length > 0)
    await meshed([a, b])
    await b.carrier.stop()
    await ground.until(() => a.downs.length > 0)
    expect([a.ups, a.downs, b.ups]).toEqual([[b.self], [b.self], [a.self]])
  })

  test('a slow receiver slows its sender down, and nobody else', async () => {
    let release = () => {}
    const blocked = new Promise<void>(resolve => {
      release = resolve
    })
    let a: Host | undefined
    const slow: Rules = { message: from => (from === a?.self ? blocked : undefined) }
    const made = (await line(3, [{}, slow])) as [Host, Host, Host]
    a = made[0]
    const [, b, c] = made
    const chunk = new Uint8Array(64 * 1024)
    let accepted = 0
    let refused = false
    for (let at = 0; at < 200; at++)
      void a.carrier.send(b.self, chunk).then(taken => {
        if (taken) accepted += 1
        else refused = true
      })
    await ground.until(() => refused)
    void c.carrier.send(b.self, bytes('prompt'))
    await ground.until(() => b.messages.includes('prompt') && b.messages.length >= 2)
    expect(b.messages).toHaveLength(2)
    expect(accepted * chunk.length).toBeLessThan(limits.sendQueueBytes + limits.windowBytes)
    release()
    await ground.until(() => b.messages.length > limits.sendQueueBytes / chunk.length / 2)
  })

  test('a sender that waits for each message is no faster than its receiver', async () => {
    const taking: (() => void)[] = []
    const [a, b] = (await line(2, [
      {},
      { message: () => new Promise<void>(resolve => void taking.push(resolve)) },
    ])) as [Host, Host]
    const chunk = new Uint8Array(64 * 1024)
    let accepted = 0
    const sending = (async () => {
      for (let at = 0; at < 200; at++) if (await a.carrier.send(b.self, chunk)) accepted += 1
    })()
    let taken = 0
    for (; taken < 30; taken++) {
      await ground.until(() => taking.length > 0)
      taking.shift()?.()
    }
    expect((accepted - taken) * chunk.length).toBeLessThanOrEqual(3 * limits.windowBytes)
    await a.carrier.stop()
    await ground.until(() => b.downs.length > 0)
    for (const take of taking) take()
    let over = false
    void sending.then(() => {
      over = true
    })
    await ground.until(() => over)
  })

  test('gossip beyond the rate of one neighbour is not looked at', async () => {
    const [a, b] = (await line(2)) as [Host, Host]
    await meshed([a, b])
    for (let at = 0; at < limits.gossipBurst + 300; at++) a.carrier.publish(bytes(`flood ${at}`))
    void a.carrier.send(b.self, bytes('done'))
    await ground.until(() => b.messages.includes('done') && b.gossip.length > limits.gossipBurst / 2)
    expect(b.gossip.length).toBeLessThan(limits.gossipBurst + 200)
    expect(b.carrier.peers()).toEqual([a.self])
  })

  /** What a knock comes to, while time passes. */
  async function knock(from: Host, to: PeerId, said: string): Promise<string | undefined> {
    let over: { readonly answer: string | undefined } | undefined
    void from.carrier.knock(to, bytes(said)).then(answer => {
      over = { answer: answer && text(answer) }
    })
    await ground.until(() => over !== undefined)
    return over?.answer
  }

  test('a knock is answered by a new connection, whoever dialled the old one, and ends nothing', async () => {
    const [a, b] = (await line(2)) as [Host, Host]
    await meshed([a, b])
    const known = (host: Host) => host.carrier.book().some(each => each.addresses.length > 0)
    await ground.until(() => known(a) && known(b))
    expect(await knock(b, a.self, 'one')).toBe('one back')
    expect(await knock(a, b.self, 'two')).toBe('two back')
    expect(await Promise.all(['x', 'y'].map(each => knock(a, b.self, each)))).toEqual(['x back', 'y back'])
    expect([a.knocks, new Set(b.knocks)]).toEqual([
      [`${b.self} one`],
      new Set(['two', 'x', 'y'].map(each => `${a.self} ${each}`)),
    ])
    a.carrier.publish(bytes('news'))
    void b.carrier.send(a.self, bytes('direct'))
    await ground.until(() => b.gossip.includes('news') && a.messages.includes('direct'))
    expect([a.ups, b.ups, a.downs, b.downs]).toEqual([[b.self], [a.self], [], []])
  })

  test('a knock that gets no answer, or finds nobody, says so', async () => {
    const [a, b] = (await line(2, [{ knock: said => (said === 'now' ? 'yes' : undefined) }])) as [Host, Host]
    expect(await knock(b, a.self, 'too early')).toBe(undefined)
    expect(await knock(b, a.self, 'now')).toBe('yes')
    expect(a.knocks).toHaveLength(2)
    expect(await knock(b, 'nobody' as PeerId, 'now')).toBe(undefined)
    await a.carrier.stop()
    await ground.until(() => b.downs.length === 1)
    expect(await knock(b, a.self, 'now')).toBe(undefined)
    expect(a.knocks).toHaveLength(2)
  })

  test('who is no member without a hello is not heard when it knocks', async () => {
    const rules: Rules = { admit: (_, hello) => (hello === undefined ? 'unknown' : 'member') }
    const [a, b] = (await line(2, [rules])) as [Host, Host]
    expect(await knock(b, a.self, 'let me in')).toBe(undefined)
    expect([a.knocks, b.downs, a.carrier.peers()]).toEqual([[], [], [b.self]])
  })

  test('after stop nothing is told and nothing stays open', async () => {
    const [a, b] = (await line(2)) as [Host, Host]
    await a.carrier.stop()
    await ground.until(() => b.downs.length === 1)
    expect(a.downs).toEqual([])
    expect([a.carrier.peers(), a.carrier.addresses()]).toEqual([[], []])
    await b.carrier.stop()
    const sockets = () => process.getActiveResourcesInfo().filter(each => each === 'TCPSocketWrap')
    await ground.until(() => sockets().length === 0)
  })
})

test('a port in use is a failure with a name', async () => {
  const idle: Handlers = {
    up() {},
    down() {},
    message() {},
    gossip: () => 'ignore',
    admit: () => 'denied',
    hello: () => new Uint8Array(),
    bookChanged() {},
  }
  const options = { fleet: 'ab'.repeat(32), key: new Uint8Array(32).fill(1) }
  const a = await libp2pCarrier({ ...options, listen: ['127.0.0.1:0'] })
  await a.start(idle)
  const b = await libp2pCarrier({ ...options, listen: a.addresses() })
  await expect(b.start(idle)).rejects.toMatchObject({ code: 'LISTEN_FAILED' })
  await a.stop()
  await expect(libp2pCarrier({ ...options, seeds: ['no port'] })).rejects.toMatchObject({
    code: 'ADDRESS_INVALID',
  })
})

test('a laptop whose carrier has stopped waits for no timer of it', async () => {
  const module = new URL('../../gossip/libp2p.ts', import.meta.url).href
  const script = `
    const plain = setTimeout
    const long = []
    globalThis.setTimeout = (call, ms, ...more) => {
      const timer = plain(call, ms, ...more)
      if (ms >= 1000) long.push(timer)
      return timer
    }
    const { libp2pCarrier } = await import(${JSON.stringify(module)})
    const carrier = await libp2pCarrier({ fleet: 'ab'.repeat(32), key: new Uint8Array(32).fill(1), listen: [] })
    const [admit, hello] = [() => 'denied', () => new Uint8Array()]
    await carrier.start({ admit, hello, up() {}, down() {}, message() {}, gossip() {}, bookChanged() {} })
    while (!long.some(each => each._idleTimeout > 2_000)) await new Promise(resolve => plain(resolve, 10))
    await carrier.stop()
    console.log(long.filter(each => each.hasRef() && !each._destroyed).length)`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  expect(stdout).toBe('0\n')
})
