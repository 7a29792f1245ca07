// Random histories of a fleet under faults, then healed: it converges on the newest release, runs nothing that no operator
// signed, and no floor ever sinks. A failure prints its seed; FLEET_SEED=N runs that one.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { eve, files, hosts, trustChange } from '../signing/fleet.ts'
import { fleet, operators, resigned } from './fleet.ts'
import { failedRun, type SimHost, waitRun } from './rig.ts'

const size = 4
const which = fc.nat(size - 1)
const op = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('publish'), at: which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('trust'), at: which }) },
  ...(
    [
      'cut',
      'join',
      'restart',
      'lose store',
      'lose floors',
      'lose packs',
      'fail',
      'wait',
      'forge',
      'replay',
    ] as const
  ).map(each => ({ weight: 2, arbitrary: fc.record({ do: fc.constant(each), at: which }) })),
  { weight: 5, arbitrary: fc.record({ do: fc.constant('run'), at: fc.nat(40_000) }) },
)

const seed = Number(process.env['FLEET_SEED'] ?? Date.now() % 2 ** 31)

test(`whatever happens, a healed fleet is at the newest release (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.array(op, { maxLength: 40 }), fc.integer({ min: 1, max: 2 ** 30 }), (ops, dice) => {
      const { rig, all, first, next, publish, trust, newest, start } = fleet(size, dice)
      start()
      const signed = new Set<number>()
      const history = [first]
      let count = 0
      let released = publish(all[0]!, next('first'))
      signed.add(released.sequence)
      history.push(released)
      rig.run(10_000)
      const current = (host: SimHost) => host.log.head()?.id === newest().id
      const others = (host: SimHost) => all.some(each => each !== host && current(each))
      const check = () => {
        for (const host of all) {
          expect(host.logged.filter(each => each.event === 'floor sank')).toEqual([])
          for (const sequence of host.applied) expect(signed).toContain(sequence)
        }
      }
      for (const { do: what, at } of ops) {
        const host = all[at % size]!
        const peer = all[(at + 1) % size]!
        if (what === 'publish' && current(host)) {
          const made = next(`release ${count++}`)
          if (count % 2 === 0) rig.send(peer, host, resigned(made))
          released = publish(host, made)
          signed.add(released.sequence)
          history.push(released)
        } else if (what === 'trust' && current(host)) {
          const change = trustChange(
            { fleet: first, previous: newest(), trust: trustOf(history) },
            files(operators, hosts(size + (count++ % 3))),
          )
          trust(change)
          history.push(change)
          rig.submit(host, change)
        } else if (what === 'cut') rig.cut(host)
        else if (what === 'join') rig.connect(host, peer)
        else if (what === 'restart') rig.restart(host)
        else if (what === 'lose store' && others(host)) {
          host.disk.entries = []
          rig.restart(host)
        } else if (what === 'lose floors' && others(host)) {
          const { floor: _, ...rest } = host.disk
          host.disk = rest
          rig.restart(host, 3)
        } else if (what === 'lose packs' && others(host)) {
          const kept = all.some(each => each !== host && each.agent.inForce === released.id)
          if (kept) {
            host.packs.clear()
            host.quarantine.clear()
            host.disk.held = new Set()
            rig.restart(host)
          }
        } else if (what === 'fail') host.outcomes.push(failedRun)
        else if (what === 'wait') host.outcomes.push(waitRun)
        else if (what === 'forge') rig.send(host, peer, next('evil', {}, [eve]))
        else if (what === 'replay') for (const each of history) rig.send(host, peer, each)
        else if (what === 'run') rig.run(at)
        check()
      }
      for (const host of all) host.outcomes.length = 0
      rig.connect(...all)
      rig.run(120_000)
      // Two failures halt a release for good: what takes its place reaches all.
      released = publish(all[0]!, next('last'))
      signed.add(released.sequence)
      rig.run(120_000)
      check()
      expect(all.map(host => host.log.head()?.sequence)).toEqual(all.map(() => newest().sequence))
      expect(all.map(host => host.log.byId(host.agent.inForce ?? '')?.sequence)).toEqual(
        all.map(() => released.sequence),
      )
    }),
    { seed, numRuns: Number(process.env['FLEET_RUNS'] ?? 12) },
  )
})

/** The newest trust entry. */
function trustOf(history: readonly { envelope: { trust?: unknown } }[]) {
  return history.findLast(each => each.envelope.trust !== undefined) as never
}
