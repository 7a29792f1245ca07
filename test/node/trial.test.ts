// Trials from agent to agent: one host runs a commit that no entry names, and no other; time, an order, a restart end it well.
import { describe, expect, test } from 'vitest'
import { hex } from '../../signing/bytes.ts'
import { sha256 } from '../../signing/crypto.ts'
import type { EntryId, FleetId } from '../../signing/entry.ts'
import { type Time, timeOf } from '../../signing/fields.ts'
import { type Order, orderIdOf, writeOrder } from '../../signing/order.ts'
import type { Made } from '../signing/fleet.ts'
import { fleet } from './fleet.ts'
import { envelopeOf } from './order-maker.ts'
import { failedRun, type SimHost, waitRun } from './rig.ts'

type Trial = Extract<Order, { order: 'trial' }>
const commitOf = (name: string) => hex(sha256(new TextEncoder().encode(name))).slice(0, 40)
const packOf = (name: string, size = 300_000) => new Uint8Array(size).fill(name.charCodeAt(0))

/** A fleet with one release in force, and what it takes to give trials. */
function story(count = 3) {
  const made = fleet(count)
  const { rig, all, first, next, publish, start } = made
  start()
  const [a, b, c] = all as [SimHost, SimHost, SimHost]
  rig.run(2_000)
  const release = publish(a, next('r'))
  rig.run(20_000)
  let issued = rig.nowMs
  const trial = (name: string, hosts: readonly SimHost[], ms: number, more: Partial<Trial> = {}): Trial => {
    const pack = packOf(name)
    // A laptop has it; here, hosts do.
    for (const each of all) each.packs.set(hex(sha256(pack)), pack)
    issued += 1_000
    return {
      ...{ fleet: first.id as string as FleetId, entry: release.id as EntryId, issued: timeOf(issued) },
      ...{ order: 'trial', commit: commitOf(name), pack: { digest: hex(sha256(pack)), size: pack.length } },
      ...{ hosts: hosts.map(each => each.key).sort(), until: timeOf(rig.nowMs + ms), mode: 'run' },
      ...more,
    }
  }
  return { ...made, a, b, c, release, trial }
}
const give = (order: Order) => ({ kind: 'order', envelope: envelopeOf(order) }) as const
const said = (host: SimHost, of = host) => host.reporter.board.row(of.key)?.status
const over = '1970-01-01T00:00:00Z' as Time
const names = (release: Made) => release.id

describe('a trial', () => {
  test('runs on the host that it names and on no other, until its time; then the release is back', () => {
    const { rig, all, a, b, c, release, trial } = story()
    rig.feed(a, give(trial('x', [b], 60_000)))
    rig.run(10_000)
    expect(all.map(host => host.tried)).toEqual([[], [commitOf('x')], []])
    expect(b.agent.inForce).toBe(names(release))
    expect(said(c, b)).toMatchObject({ state: 'HEALTHY', flags: ['TRIAL'] })
    expect(hex(said(c, b)!.trial!)).toBe(b.agent.sideline.trials.standing?.id)
    expect(b.agent.sideline.trials.standing).toMatchObject({ state: 'running', commit: commitOf('x') })
    rig.run(49_000)
    expect(b.tried).toEqual([commitOf('x')])
    rig.run(5_000)
    expect(b.tried).toEqual([commitOf('x'), 'back'])
    expect(b.disk.inForce).toBe(release.id)
    expect(said(c, b)).toMatchObject({ state: 'HEALTHY', flags: [] })
    expect(said(c, b)!.trial).toBeUndefined()
    // Its commit is let go, that of the release is not.
    expect([...b.disk.held]).toEqual([...a.disk.held])
    expect(all.map(host => host.applied)).toEqual([[2], [2], [2]])
  })

  test('ends at once by an order whose time is over, and only where that names the host', () => {
    const { rig, a, b, c, trial } = story()
    const order = trial('x', [b, c], 3_600_000)
    rig.feed(a, give(order))
    rig.run(10_000)
    rig.feed(c, give({ ...trial('x', [b], 0), until: over }))
    rig.run(3_000)
    expect([b.tried, c.tried]).toEqual([[commitOf('x'), 'back'], [commitOf('x')]])
    expect(said(a, c)?.flags).toEqual(['TRIAL'])
  })

  test('goes on after a restart, and is ended by one that comes after its time', () => {
    const { rig, all, a, b, release, trial } = story()
    rig.feed(a, give(trial('x', [b], 60_000)))
    rig.run(10_000)
    rig.restart(b)
    rig.connect(...all)
    rig.run(10_000)
    expect(b.tried).toEqual([commitOf('x')])
    expect(b.agent.sideline.trials.standing).toMatchObject({ state: 'running' })
    // What was said of the release stands.
    expect([said(a, b)?.flags, b.reporter.state]).toEqual([['TRIAL'], 'HEALTHY'])
    b.up = false
    rig.cut(b)
    rig.run(60_000)
    rig.restart(b)
    rig.run(1_000)
    expect(b.tried).toEqual([commitOf('x'), 'back'])
    expect(b.disk.inForce).toBe(release.id)
    rig.run(10_000)
    expect(b.reporter.state).toBe('HEALTHY')
  })

  test('makes a newer release wait, which says so, and starts when the trial is over', () => {
    const { rig, a, b, next, publish, trial } = story()
    rig.feed(a, give(trial('x', [b], 60_000)))
    rig.run(10_000)
    publish(a, next('s'))
    rig.run(20_000)
    expect([a.applied, b.applied]).toEqual([[2, 3], [2]])
    expect(b.agent.decision).toMatchObject({ kind: 'hold', gate: 'trial' })
    expect(b.agent.decision).toMatchObject({
      reason: expect.stringMatching(/^a trial runs here until 2023-/),
    })
    rig.run(40_000)
    expect(b.tried).toEqual([commitOf('x'), 'back'])
    expect(b.applied).toEqual([2, 3])
  })

  test('that fails is said to have failed, is not begun again, and the release stays', () => {
    const { rig, all, a, b, c, release, trial } = story()
    b.outcomes.push(failedRun)
    rig.feed(a, give(trial('x', [b], 600_000)))
    rig.run(30_000)
    expect([b.tried, b.disk.inForce]).toEqual([[], release.id])
    expect(said(c, b)).toMatchObject({ state: 'HEALTHY', flags: ['TRIAL_FAILED'] })
    expect(said(c, b)?.why).toMatch(/^trial [0-9a-f]{10} failed: EROFS: \/etc\/x$/)
    rig.restart(b)
    rig.connect(...all)
    rig.run(60_000)
    expect(b.tried).toEqual([])
    expect(b.agent.sideline.trials.standing).toMatchObject({ state: 'failed', why: 'it failed here before' })
  })

  test('that cannot be prepared is tried until it can, and so is the way back', () => {
    const { rig, a, b, trial } = story()
    b.outcomes.push(waitRun)
    rig.feed(a, give(trial('x', [b], 60_000)))
    rig.run(5_000)
    expect(said(a, b)?.why).toMatch(/^trial [0-9a-f]{10} waits: no space$/)
    rig.run(25_000)
    expect(b.tried).toEqual([commitOf('x')])
    b.outcomes.push(failedRun, waitRun)
    rig.run(90_000)
    expect(b.tried).toEqual([commitOf('x'), 'back'])
    expect(b.reporter.state).toBe('HEALTHY')
  })

  test('is ended by a newer one, whose way back is that of the first', () => {
    const { rig, a, b, release, trial } = story()
    rig.feed(a, give(trial('x', [b], 600_000)))
    rig.run(10_000)
    rig.feed(a, give(trial('y', [b], 60_000)))
    rig.run(10_000)
    expect(b.tried).toEqual([commitOf('x'), 'back', commitOf('y')])
    rig.run(60_000)
    expect(b.tried.at(-1)).toBe('back')
    expect(b.disk.inForce).toBe(release.id)
  })

  test('whose pack is a lie is refused and said; one whose pack nobody has waits, and says so', () => {
    const { rig, a, b, trial } = story()
    const lie = packOf('z')
    lie.set(new TextEncoder().encode('bad'))
    a.packs.set(hex(sha256(lie)), lie)
    rig.feed(a, give(trial('z', [b], 600_000, { pack: { digest: hex(sha256(lie)), size: lie.length } })))
    rig.run(10_000)
    expect(b.agent.sideline.trials.standing).toMatchObject({
      state: 'failed',
      why: 'PACK_FORM: as the test wants it',
    })
    const absent = { digest: '77'.repeat(32), size: 5_000 }
    rig.feed(a, give(trial('w', [b], 600_000, { pack: absent })))
    rig.run(60_000)
    expect(b.agent.sideline.trials.standing).toMatchObject({
      state: 'waiting',
      why: 'its pack is not here yet',
    })
    rig.feed(a, give(trial('v', [b], 600_000, { pack: { digest: '78'.repeat(32), size: 2 ** 40 } })))
    rig.run(10_000)
    expect(b.agent.sideline.trials.standing).toMatchObject({
      state: 'failed',
      why: expect.stringMatching(/^PACK_TOO_LARGE/),
    })
    expect(b.tried).toEqual([])
  })

  test('is fetched on from where a restart cut it short, and again when the disk has room', () => {
    const { rig, all, a, b, trial } = story()
    const pack = packOf('x', 3_000_000)
    const digest = hex(sha256(pack))
    a.packs.set(digest, pack)
    rig.feed(a, give(trial('x', [b], 600_000, { pack: { digest, size: pack.length } })))
    rig.run(35)
    const before = b.quarantine.get(digest)?.length ?? 0
    expect(before).toBeGreaterThan(0)
    expect(before).toBeLessThan(pack.length)
    expect(b.agent.fetching()).toMatchObject([{ pack: digest, offset: before }])
    rig.restart(b)
    b.full = true
    rig.connect(...all)
    expect(b.agent.fetching()[0]?.offset).toBe(before)
    rig.run(10_000)
    expect(b.agent.sideline.trials.standing?.why).toBe(
      'its pack could not be stored: ENOSPC: no space left on device',
    )
    b.full = false
    rig.run(60_000)
    expect(b.tried).toEqual([commitOf('x')])
  })

  test('waits on a host that is paused; and that only asks for a plan runs nowhere', () => {
    const { rig, a, b, c, trial } = story()
    rig.feed(b, { kind: 'pause', untilMs: rig.nowMs + 20_000, reason: 'test' })
    rig.feed(a, give(trial('x', [b, c], 600_000)))
    rig.run(10_000)
    expect([b.tried, c.tried]).toEqual([[], [commitOf('x')]])
    expect(b.agent.sideline.trials.standing).toMatchObject({ state: 'waiting', why: 'paused' })
    rig.run(20_000)
    expect(b.tried).toEqual([commitOf('x')])
    rig.feed(a, give(trial('p', [c], 600_000, { mode: 'plan' })))
    rig.run(20_000)
    expect(c.tried).toEqual([commitOf('x')])
  })

  test('ends into the newest release where the one before was taken back meanwhile', () => {
    const { rig, a, b, next, publish, trial } = story()
    rig.feed(a, give(trial('x', [b], 30_000)))
    rig.run(10_000)
    publish(a, next('s', { never: [a.log.byId(b.agent.inForce!)!.release!.content as never] }))
    rig.run(60_000)
    expect(b.tried).toEqual([commitOf('x')])
    expect(b.applied).toEqual([2, 3])
    expect(said(a, b)?.flags).toEqual([])
  })
})

describe('a host on trial', () => {
  // One of the three goes first, and one second.
  test.each([0, 1, 2])('is not waited for by a release in stages: host %i', at => {
    const { rig, all, a, next, publish, trial } = story()
    const host = all[at]!
    rig.feed(a, give(trial('x', [host], 3_600_000)))
    rig.run(10_000)
    publish(a, next('s', { stages: [1, 2, 3] }))
    rig.run(60_000)
    expect(all.map(each => each.applied)).toEqual(all.map(each => (each === host ? [2] : [2, 3])))
  })
})

test('the id of an order is what a trial is known by', () => {
  const { a, b, trial, rig } = story()
  const order = trial('x', [b], 60_000)
  rig.feed(a, give(order))
  rig.run(10_000)
  expect(b.agent.sideline.trials.standing?.id).toBe(orderIdOf(writeOrder(order)))
})
