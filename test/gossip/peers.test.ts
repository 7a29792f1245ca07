import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Contact, Handlers, PeerId } from '../../gossip/carrier.ts'
import { limits } from '../../gossip/limits.ts'
import { Peers, type PeersEffect, type PeersInput, type PeersOptions } from '../../gossip/peers.ts'
import { Network } from '../../sim/carrier.ts'
import { World } from '../../sim/world.ts'

const id = (name: string | number) => `peer-${name}` as PeerId
const address = (number: number) => `10.${number >> 8}.${number & 255}.1:4747`
const options: PeersOptions = { self: id('self'), seeds: [], book: [], searches: false, random: () => 0.5 }
const contact = (number: number): Contact => ({
  peer: id(number),
  addresses: [address(number)],
  seenMs: 1_000,
})
const dials = (effects: readonly PeersEffect[]) => effects.filter(each => each.kind === 'dial')
const wakeMs = (effects: readonly PeersEffect[]) =>
  effects.findLast(each => each.kind === 'wake')?.atMs ?? Number.POSITIVE_INFINITY

describe('one host', () => {
  test('tries seeds and remembered peers at once, a few at a time', () => {
    const book = Array.from({ length: 20 }, (_, at) => contact(at))
    const peers = new Peers({ ...options, seeds: ['seed:4747'], book })
    const effects = dials(peers.handle({ kind: 'wake' }, 0))
    expect(effects).toHaveLength(limits.dials)
    expect(effects[0]).toEqual({ kind: 'dial', address: 'seed:4747' })
  })

  test('keeps hints that come before the start', () => {
    const peers = new Peers(options)
    expect(peers.handle({ kind: 'learn', peer: id(1), addresses: [address(1)] }, 0)).toEqual([])
    expect(dials(peers.handle({ kind: 'wake' }, 0))).toEqual([
      { kind: 'dial', address: address(1), peer: id(1) },
    ])
  })

  test('decides nothing anew when it is told what it knows', () => {
    const peers = new Peers({ ...options, book: [contact(0), contact(1)] })
    peers.handle({ kind: 'wake' }, 0)
    for (const at of [0, 1]) peers.handle({ kind: 'dialled', address: address(at), admitted: false }, 0)
    const told = { kind: 'learn', peer: id(1), addresses: [address(1)] } as const
    expect(peers.handle(told, limits.backoffMaxMs)).toEqual([])
    expect(dials(peers.handle({ ...told, addresses: ['new:1'] }, limits.backoffMaxMs))).not.toEqual([])
  })

  test('waits longer after each failure, and never gives up', () => {
    const peers = new Peers({ ...options, seeds: ['seed:4747'] })
    let now = 0
    let effects = peers.handle({ kind: 'wake' }, now)
    const pauses: number[] = []
    for (let at = 0; at < 12; at++) {
      expect(dials(effects)).toHaveLength(1)
      effects = peers.handle({ kind: 'dialled', address: 'seed:4747', admitted: false }, now)
      expect(dials(effects)).toEqual([])
      pauses.push(wakeMs(effects) - now)
      now = wakeMs(effects)
      effects = peers.handle({ kind: 'wake' }, now)
    }
    expect(pauses.slice(0, 4)).toEqual([750, 1_500, 3_000, 6_000])
    expect(pauses.at(-1)).toBe(0.75 * limits.backoffMaxMs)
  })

  test('does not dial who is up, itself, or a seed that turned out to be either', () => {
    const peers = new Peers({ ...options, seeds: ['a:1', 'b:1'] })
    peers.handle({ kind: 'wake' }, 0)
    peers.handle({ kind: 'up', peer: id(1), addresses: ['a:1'] }, 10)
    peers.handle({ kind: 'dialled', address: 'a:1', peer: id(1), admitted: true }, 10)
    peers.handle({ kind: 'dialled', address: 'b:1', peer: id('self'), admitted: false }, 10)
    peers.handle({ kind: 'learn', peer: id('self'), addresses: ['b:1'] }, 10)
    peers.handle({ kind: 'learn', peer: id(1), addresses: ['a:2'] }, 10)
    expect(dials(peers.handle({ kind: 'wake' }, 3_600_000))).toEqual([])
  })

  test('two that claim one address are tried one after the other, without fretting', () => {
    const peers = new Peers(options)
    for (const peer of [id(1), id(2)]) peers.handle({ kind: 'learn', peer, addresses: ['a:1'] }, 0)
    const effects = peers.handle({ kind: 'wake' }, 0)
    expect(effects).toEqual([{ kind: 'dial', address: 'a:1', peer: id(1) }])
    const next = peers.handle({ kind: 'dialled', address: 'a:1', admitted: false }, 10)
    expect(dials(next)).toEqual([{ kind: 'dial', address: 'a:1', peer: id(2) }])
  })

  test('stops at enough, then wanders now and then', () => {
    const book = Array.from({ length: 100 }, (_, at) => contact(at))
    const peers = new Peers({ ...options, book })
    peers.handle({ kind: 'wake' }, 0)
    let effects: PeersEffect[] = []
    for (let at = 0; at < limits.connectionsWanted; at++)
      effects = peers.handle({ kind: 'up', peer: id(at), addresses: [address(at)] }, 0)
    for (let at = 0; at < 100; at++)
      effects = peers.handle(
        { kind: 'dialled', address: address(at), admitted: at < limits.connectionsWanted },
        0,
      )
    expect(dials(effects)).toEqual([])
    const wandered = peers.handle({ kind: 'wake' }, 1.5 * limits.wanderMs)
    expect(dials(wandered)).toHaveLength(1)
  })

  test('hangs up on the spare only, and only when they have had their time', () => {
    const peers = new Peers(options)
    peers.handle({ kind: 'wake' }, 0)
    let effects: PeersEffect[] = []
    for (let at = 0; at <= limits.connectionsMax; at++)
      effects = peers.handle({ kind: 'up', peer: id(at), addresses: [] }, 0)
    expect(effects.filter(each => each.kind === 'hangUp')).toEqual([])
    effects = peers.handle({ kind: 'wake' }, limits.spareAfterMs)
    expect(effects.filter(each => each.kind === 'hangUp')).toHaveLength(1)
  })

  test('asks the DHT for who has no address, or none that works, once it has a peer', () => {
    const peers = new Peers({ ...options, searches: true })
    peers.handle({ kind: 'wake' }, 0)
    const finds = (effects: PeersEffect[]) => effects.filter(each => each.kind === 'find')
    expect(finds(peers.handle({ kind: 'learn', peer: id(1), addresses: [] }, 0))).toEqual([])
    const effects = peers.handle({ kind: 'up', peer: id(2), addresses: [] }, 0)
    expect(finds(effects)).toEqual([{ kind: 'find', peer: id(1) }])
    const found = peers.handle({ kind: 'learn', peer: id(1), addresses: [address(1)] }, 100)
    expect(dials(found)).toEqual([{ kind: 'dial', address: address(1), peer: id(1) }])
  })

  test('hands on only what it has seen itself', () => {
    const peers = new Peers({ ...options, book: [contact(1)] })
    peers.handle({ kind: 'wake' }, 2_000)
    peers.handle({ kind: 'learn', peer: id(2), addresses: [address(2)] }, 2_000)
    const effects = peers.handle({ kind: 'up', peer: id(3), addresses: ['b:1', 'a:1'] }, 2_000)
    expect(effects).toContainEqual({ kind: 'bookChanged' })
    expect(peers.book(2_000)).toEqual([{ peer: id(3), addresses: ['b:1', 'a:1'], seenMs: 2_000 }, contact(1)])
    expect(peers.book(2_000 + limits.contactAgeMs)).toEqual([
      { peer: id(3), addresses: ['b:1', 'a:1'], seenMs: 2_000 + limits.contactAgeMs },
    ])
  })

  test('a flood of hearsay drives out nobody who was ever up', () => {
    const peers = new Peers({ ...options, book: [contact(1)] })
    for (let at = 2; at < limits.peersKnown + 100; at++)
      peers.handle({ kind: 'learn', peer: id(at), addresses: [address(at)] }, 0)
    for (let at = 0; at < 100; at++) peers.handle({ kind: 'learn', peer: id(1), addresses: [`x:${at}`] }, 0)
    const book = peers.book(1_000)
    expect(book.map(each => each.peer)).toEqual([id(1)])
    expect(book[0]?.addresses).toHaveLength(limits.addressesPerPeer)
  })

  test('never dials more than allowed, nor twice at once, nor wakes in the past', () => {
    const names = fc.integer({ min: 1, max: 40 })
    const input = fc.oneof(
      fc.record({
        kind: fc.constant('learn' as const),
        peer: names.map(id),
        addresses: fc.array(names.map(address)),
      }),
      fc.record({
        kind: fc.constant('up' as const),
        peer: names.map(id),
        addresses: fc.array(names.map(address)),
      }),
      fc.record({ kind: fc.constant('down' as const), peer: names.map(id) }),
      fc.record({
        kind: fc.constant('dialled' as const),
        address: names.map(address),
        admitted: fc.boolean(),
      }),
      fc.constantFrom<PeersInput>({ kind: 'wake' }, { kind: 'retry' }),
    )
    fc.assert(
      fc.property(
        fc.array(fc.tuple(input, fc.integer({ min: 0, max: 60_000 })), { maxLength: 80 }),
        steps => {
          const peers = new Peers({ ...options, searches: true, seeds: [address(1), address(2)] })
          const under = new Set<string>()
          let now = 1
          for (const [input, ms] of [[{ kind: 'wake' }, 0] as [PeersInput, number], ...steps]) {
            now += ms
            if (input.kind === 'dialled') under.delete(input.address)
            for (const effect of peers.handle(input, now)) {
              if (effect.kind === 'wake') expect(effect.atMs).toBeGreaterThan(now)
              if (effect.kind !== 'dial') continue
              expect(under).not.toContain(effect.address)
              expect(under.add(effect.address).size).toBeLessThanOrEqual(limits.dials)
            }
          }
        },
      ),
    )
  })
})

describe('a fleet', () => {
  const seed = Number(process.env['FLEET_SEED'] ?? Date.now() % 1e6)

  /** Carriers of the simulator that hand each other their books when they meet. */
  function fleet(world: World, network: Network, count: number) {
    const upNow = Array.from({ length: count }, () => new Set<PeerId>())
    const dialled = { count: 0 }
    const carriers = upNow.map((up, at) => {
      const carrier = network.carrier({ self: id(at), address: address(at), seeds: [address(0)] })
      const handlers: Handlers = {
        up(peer) {
          up.add(peer)
          dialled.count += 1
          const book = carrier.book().slice(0, 16)
          void carrier.send(peer, new TextEncoder().encode(JSON.stringify(book)))
        },
        down: peer => void up.delete(peer),
        message(_, bytes) {
          for (const { peer, addresses } of JSON.parse(new TextDecoder().decode(bytes)) as Contact[])
            carrier.learn(peer, addresses)
        },
        gossip: () => 'accept',
        admit: () => 'member',
        hello: () => new Uint8Array([1]),
        bookChanged() {},
      }
      void carrier.start(handlers)
      return carrier
    })
    const isWhole = (among: readonly number[]) => {
      const reached = new Set([among[0]])
      for (const at of reached)
        for (const peer of upNow[at!]!) {
          const other = Number(peer.slice(5))
          if (among.includes(other)) reached.add(other)
        }
      return reached.size === among.length
    }
    return { carriers, upNow, dialled, isWhole, all: upNow.map((_, at) => at), world }
  }

  test(`of five is a clique, one of a hundred is whole and spares its seed (seed ${seed})`, async () => {
    for (const count of [5, 100]) {
      const world = new World(seed)
      const { upNow, isWhole, all, dialled } = fleet(world, new Network(world), count)
      const enough = Math.min(count - 1, limits.connectionsWanted)
      await world.until(() => upNow.every(up => up.size >= enough), 60_000)
      expect(isWhole(all)).toBe(true)
      // Both ends count: no storm.
      expect(dialled.count).toBeLessThan(count * 3 * limits.connectionsWanted)
      let later = false
      world.after(20 * limits.spareAfterMs, () => {
        later = true
      })
      await world.until(() => later)
      expect(Math.max(...upNow.map(up => up.size))).toBeLessThanOrEqual(limits.connectionsMax + 2)
      expect(isWhole(all)).toBe(true)
    }
  })

  test(`cut in halves that are each content comes together again (seed ${seed})`, async () => {
    const world = new World(seed)
    const network = new Network(world)
    const { upNow, isWhole, all } = fleet(world, network, 40)
    await world.until(() => upNow.every(up => up.size >= limits.connectionsWanted))
    const fault = { kind: 'halves', atMs: world.nowMs, hosts: [] } as const
    const [even, odd] = [all.filter(at => at % 2 === 0), all.filter(at => at % 2 === 1)]
    network.links.begin(fault, odd.map(id))
    const isApart = () => upNow.every((up, at) => [...up].every(peer => Number(peer.slice(5)) % 2 === at % 2))
    await world.until(() => isApart() && upNow.every(up => up.size >= limits.connectionsWanted))
    expect([isWhole(even), isWhole(odd), isWhole(all)]).toEqual([true, true, false])
    network.links.end(fault)
    await world.until(() => isWhole(all), 10 * limits.wanderMs)
  })
})
