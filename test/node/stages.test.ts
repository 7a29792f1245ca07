// The way of a staged release through a fleet of agents: real logs, evidence and gossip over a carrier that is not.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeMessage, type StatusPair } from '../../gossip/message.ts'
import { unhex } from '../../signing/bytes.ts'
import { publicKeyOf } from '../../signing/crypto.ts'
import type { EntryId, FleetId } from '../../signing/entry.ts'
import type { Time } from '../../signing/fields.ts'
import type { Order } from '../../signing/order.ts'
import { type Status, signStatus } from '../../signing/status.ts'
import { bert, files, hosts, type Made, seedOf, trustChange } from '../signing/fleet.ts'
import { awake, type fleet, operators, staged } from './fleet.ts'
import { envelopeOf } from './order-maker.ts'
import { failedRun, type SimHost } from './rig.ts'

const minute = 60_000
const issued = '2026-11-20T21:36:00Z' as Time

/** Hosts that have release `sequence` in force, at each moment that this changes. */
function growth({ rig, all }: ReturnType<typeof fleet>, sequence: number, ms: number): number[] {
  const seen: number[] = []
  for (let passed = 0; passed < ms; passed += 1_000) {
    rig.run(1_000)
    const count = all.filter(host => host.applied.includes(sequence)).length
    if (count !== (seen.at(-1) ?? 0)) seen.push(count)
  }
  return seen
}

const reasonOf = (host: SimHost) => (host.agent.decision?.kind === 'hold' ? host.agent.decision.reason : '')
const stateOf = (host: SimHost) => host.reporter.state
describe('a staged release', () => {
  test('goes through its stages in order when all are healthy, each after the soak of the one before', () => {
    const made = awake(6)
    const { all, next, publish } = made
    const release = publish(all[0]!, next('a', staged([1, 3, 6])))
    expect(growth(made, release.sequence, 3 * minute)).toEqual([1, 3, 6])
    expect(all.map(stateOf)).toEqual(Array(6).fill('HEALTHY'))
    for (const { logged } of all) {
      const said = logged.flatMap(({ event, data }) =>
        event === 'state' && data['sequence'] === release.sequence ? [data['state']] : [],
      )
      // Whoever has just spoken is past APPLYING when it speaks again.
      expect(said.filter(each => each !== 'APPLYING')).toEqual(['APPLIED', 'HEALTHY'])
    }
    const { stages, decision } = all[5]!.agent.progress()!
    expect(stages.map(each => [each.hosts, each.granted, each.healthy])).toEqual([
      [1, 1, 1],
      [2, 2, 2],
      [3, 3, 3],
    ])
    expect(decision).toMatchObject({ kind: 'go', reason: 'all 6 hosts may start' })
  })

  test('hosts with the same changes wait for the first of them', () => {
    const made = awake(4)
    const { rig, all, next, publish } = made
    rig.survey = () => 'the same'
    const release = publish(all[0]!, next('a', staged([4])))
    expect(growth(made, release.sequence, 3 * minute)).toEqual([1, 4])
  })

  test('which may break all of them waits for nobody', () => {
    const made = awake(4)
    const { rig, all, next, publish } = made
    rig.survey = () => 'the same'
    const release = publish(all[0]!, next('a', { ...staged([4]), riskBasisPoints: 10_000 }))
    expect(growth(made, release.sequence, 10_000)).toEqual([4])
  })

  test('who is not concerned follows when the last stage is open', () => {
    const made = awake(5)
    const { rig, all, next, publish } = made
    const concerned = new Set(all.slice(0, 2).map(host => host.key))
    rig.survey = (_, host) => (concerned.has(host) ? host : undefined)
    const release = publish(all[0]!, next('a', staged([1, 2])))
    expect(growth(made, release.sequence, 3 * minute)).toEqual([1, 5])
  })

  test('who is not concerned follows as well where those that are had nothing to do', () => {
    const made = awake(5)
    const { rig, all, next, publish } = made
    const concerned = all.slice(0, 2)
    const steps = { declared: 3, kept: 3, repaired: 0, notKept: 0 }
    rig.survey = (_, host) => (concerned.some(each => each.key === host) ? host : undefined)
    for (const host of concerned) host.outcomes.push({ kind: 'applied', steps, dirty: false, empty: true })
    publish(all[0]!, next('a', staged([1, 2])))
    rig.run(3 * minute)
    expect(all.map(stateOf).sort()).toEqual(['HEALTHY', 'HEALTHY', 'HEALTHY', 'NOOP', 'NOOP'])
  })

  test('a canary that fails stops the rest, also after everybody has started anew', () => {
    const made = awake(6)
    const { rig, all, next, publish } = made
    for (const host of all) host.outcomes.push(failedRun)
    const release = publish(all[0]!, next('a', staged([1, 3, 6])))
    rig.run(5 * minute)
    const failed = all.filter(host => stateOf(host) === 'FAILED')
    expect(failed).toHaveLength(1)
    expect(growth(made, release.sequence, 5 * minute)).toEqual([])
    const others = all.filter(host => host !== failed[0])
    for (const host of others)
      expect(reasonOf(host)).toMatch(/^stage 2 stays shut: no host is healthy, 1 failed/)
    for (const host of all) rig.restart(host)
    rig.connect(...all)
    rig.run(5 * minute)
    expect(failed[0]!.reporter.board.row(failed[0]!.key)?.status.state).toBe('FAILED')
    for (const host of others) expect(reasonOf(host)).toMatch(/stays shut: no host is healthy, 1 failed/)
  })

  test('a newer release takes over where an unfinished one stands', () => {
    const made = awake(4)
    const { rig, all, next, publish } = made
    publish(all[0]!, next('a', staged([1, 4])))
    rig.run(10_000)
    expect(all.flatMap(host => host.applied)).toHaveLength(1)
    const release = publish(all[1]!, next('b', staged([1, 4])))
    expect(growth(made, release.sequence, 3 * minute)).toEqual([1, 4])
  })

  test('a part that is cut off opens nothing, and catches up', () => {
    const made = awake(6)
    const { rig, all, next, publish } = made
    const [lone, ...others] = all as [SimHost, ...SimHost[]]
    rig.cut(lone)
    rig.run(5 * minute)
    const release = publish(lone, next('a', staged([6])))
    rig.run(5 * minute)
    expect(lone.applied).toEqual([])
    expect(reasonOf(lone)).toMatch(/holds: no hosts are heard of besides this one, and it takes 3/)
    rig.connect(lone, ...others)
    rig.run(2 * minute)
    expect(all.map(host => host.applied)).toEqual(Array(6).fill([release.sequence]))
  })

  test('what a neighbour kept of others is no sign of life', () => {
    const made = awake(7)
    const { rig, all } = made
    const [a, b] = all as [SimHost, SimHost]
    for (const host of all.slice(2)) rig.cut(host)
    rig.cut(a)
    rig.cut(b)
    rig.restart(a)
    rig.connect(a, b)
    const release = made.publish(a, made.next('a', staged([7])))
    rig.run(5 * minute)
    expect([a, b].map(host => host.applied.includes(release.sequence))).toEqual([false, false])
    expect(reasonOf(a)).toMatch(/^stage 1 holds: 1 host is heard of/)
  })

  test('a host enrolled after it takes its turn with the last stage', () => {
    const made = awake(3)
    const { rig, all, first, next, publish, trust } = made
    const release = publish(all[0]!, next('a', staged([1, 3])))
    rig.run(3 * minute)
    const change = trustChange({ fleet: first, previous: release }, files(operators, hosts(4)))
    rig.submit(all[0]!, change)
    trust(change)
    const late = rig.add(3, { checkpoint: { sequence: 1, id: first.id } })
    rig.submit(late, first)
    rig.connect(...all, late)
    rig.run(2 * minute)
    expect(late.applied).toEqual([release.sequence])
  })
})

describe('a blank host', () => {
  test('takes Stable, then waits for its turn', () => {
    const made = awake(3)
    const { rig, all, first, next, publish, trust } = made
    const stable = publish(all[0]!, next('a', staged([3])))
    rig.run(2 * minute)
    const change = trustChange({ fleet: first, previous: stable }, files(operators, hosts(4)))
    rig.submit(all[0]!, change)
    trust(change)
    rig.run(5_000)
    for (const host of all) host.outcomes.push(failedRun)
    const newest = publish(all[0]!, next('b', { ...staged([1, 4]), stable: stable.id }))
    rig.run(minute)
    const late = rig.add(3, { checkpoint: { sequence: 1, id: first.id } })
    rig.submit(late, first)
    rig.connect(...all, late)
    rig.run(2 * minute)
    expect(late.applied).toEqual([stable.sequence])
    expect(late.log.release()?.sequence).toBe(newest.sequence)
    expect(late.agent.decision).toMatchObject({ kind: 'hold', gate: 'stage' })
  })
})

describe('orders', () => {
  const promote = (first: Made, made: Made, stage: number): Order => ({
    ...{ fleet: first.id as string as FleetId, entry: made.id as EntryId, issued },
    order: 'promote',
    stage,
  })

  test('promote opens what a failure holds, also where enough failures halt', () => {
    const made = awake(6)
    const { rig, all, first, next, publish } = made
    for (const host of all) host.outcomes.push(failedRun)
    const release = publish(all[0]!, next('a', staged([2, 6])))
    rig.run(2 * minute)
    expect(all.filter(host => stateOf(host) === 'FAILED')).toHaveLength(2)
    const waiting = all.filter(host => stateOf(host) !== 'FAILED')
    for (const host of waiting)
      expect(reasonOf(host)).toMatch(/^halted at stage 1: 2 hosts say that they failed/)
    for (const host of waiting) host.outcomes.length = 0
    rig.feed(all[0]!, { kind: 'order', envelope: envelopeOf(promote(first, release, 2), [bert]) })
    rig.run(2 * minute)
    expect(waiting.map(host => host.applied)).toEqual(Array(4).fill([release.sequence]))
  })
})

test('NOOP: a host whose plan proves empty is not waited for', () => {
  const made = awake(4)
  const { rig, all, next, publish } = made
  const steps = { declared: 3, kept: 3, repaired: 0, notKept: 0 }
  for (const host of all) host.outcomes.push({ kind: 'applied', steps, dirty: false, empty: true })
  publish(all[0]!, next('a', staged([1, 4])))
  rig.run(4 * minute)
  expect(all.map(stateOf)).toContain('NOOP')
  expect(all.map(stateOf)).not.toContain('APPLYING')
})

test('evidence by gossip is passed on once, and only of hosts in reach; a forged one blames its sender', () => {
  const made = awake(4)
  const { rig, all, next, publish } = made
  publish(all[0]!, next('a', staged([1, 4])))
  rig.run(10_000)
  const hit = all.find(host => host.applied.length > 0)!
  const others = all.filter(host => host !== hit)
  const [pair] = [hit.reporter.board.row(hit.key)!.pair]
  const gossip = (to: SimHost, ...statuses: StatusPair[]) =>
    rig
      .feed(to, {
        ...{ kind: 'message', from: hit.peer, gossip: true },
        bytes: encodeMessage({ t: 'statuses', statuses }),
      })
      .find(each => each.kind === 'verdict')?.verdict
  expect(gossip(others[0]!, pair)).toBe('ignore')
  const forged: StatusPair = [pair[0], Uint8Array.from(pair[1]).fill(7)]
  expect(gossip(others[0]!, forged)).toBe('reject')
  expect(gossip(others[0]!, ...Array<StatusPair>(9).fill(pair))).toBe('reject')
})

describe('whose word does not count', () => {
  /** A release whose first host is paused, and what that host would say of it. */
  const waiting = () => {
    const made = awake(6)
    const { rig, all, first, next, publish } = made
    const trial = awake(6)
    trial.publish(trial.all[0]!, trial.next('a', staged([1, 6])))
    trial.rig.run(10_000)
    const at = trial.all.findIndex(host => host.applied.length > 0)
    const lead = all[at]!
    rig.feed(lead, { kind: 'pause', untilMs: rig.nowMs + 600 * minute, reason: 'a test' })
    const others = all.filter(host => host !== lead)
    const release = publish(others[0]!, next('a', staged([1, 6])))
    rig.run(20_000)
    rig.cut(lead)
    const seed = seedOf(100 + at)
    const say = (n: number, more: Partial<Status> = {}): StatusPair => {
      const [fleet, entry] = [unhex(first.id, 32)!, unhex(release.id, 32)!]
      const status: Status = {
        ...{ fleet, host: publicKeyOf(seed), boot: new Uint8Array(16), agent: 'test', n, at: rig.nowMs },
        ...{ up: 1, head: [release.sequence, entry], trust: 1, entry: [release.sequence, entry], attempt: 1 },
        ...{ state: 'HEALTHY', steps: [0, 0, 0, 0], drift: [0, 0, 0], flags: [], ...more },
      }
      const { body, signature } = signStatus(status, seed)
      return [body, signature]
    }
    const tell = (gossip: boolean, ...statuses: StatusPair[]) =>
      others.flatMap((to, n) => {
        const from = others[(n + 1) % others.length]!.peer
        const bytes = encodeMessage({ t: 'statuses', statuses })
        return rig.feed(to, { kind: 'message', from, bytes, gossip })
      })
    const openOf = (host: SimHost) => host.agent.progress()!.stages.map(each => each.granted)
    return { ...made, at, lead, others, release, say, tell, openOf }
  }

  test('that of a host withdrawn since, which is not passed on either', () => {
    const { rig, others, first, at, release, say, tell, openOf } = waiting()
    const kept = hosts(6).filter((_, index) => index !== at)
    rig.submit(
      others[0]!,
      trustChange({ fleet: first, previous: release }, files(operators, kept), { removes: 1 }),
    )
    rig.run(1_000)
    const effects = tell(true, say(5_000))
    expect(effects.filter(each => each.kind === 'verdict').map(each => each.verdict)).toEqual(
      others.map(() => 'ignore'),
    )
    tell(false, say(5_000))
    rig.run(20_000)
    expect(others.filter(host => host.applied.length > 0)).toHaveLength(1)
    expect(openOf(others[0]!)).toEqual([1, 0])
  })

  test('what it said before stays, also after everybody has started anew', () => {
    const { rig, others, first, at, release, say, tell } = waiting()
    tell(false, say(5_000, { state: 'FAILED' }))
    rig.run(20_000)
    const kept = hosts(6).filter((_, index) => index !== at)
    rig.submit(
      others[0]!,
      trustChange({ fleet: first, previous: release }, files(operators, kept), { removes: 1 }),
    )
    rig.run(20_000)
    for (const host of others) rig.restart(host)
    rig.connect(...others)
    rig.run(20 * minute)
    for (const host of others) expect(reasonOf(host)).toMatch(/no host is healthy, 1 failed/)
  })

  const same: [string, boolean, (say: (n: number, more?: Partial<Status>) => StatusPair) => StatusPair[]][] =
    [
      ['CLONED', false, say => [say(5_000, { flags: ['CLONED'] }), say(5_001)]],
      ['two bodies under one counter', false, say => [say(5_000), say(5_000, { up: 2 }), say(5_001)]],
      ['the same by gossip', true, say => [say(5_000), say(5_000, { up: 2 }), say(5_001)]],
    ]
  test.each(same)('that of a host whose key two machines use: %s', (_, gossip, said) => {
    const { rig, others, say, tell } = waiting()
    tell(gossip, ...said(say))
    rig.run(10_000)
    // It counts as absent, whatever it says next: another one stands in for it.
    expect(others.filter(host => host.applied.length > 0)).toHaveLength(1)
    expect(others.map(host => host.agent.progress()!.stages[0]!.absent)).toEqual(others.map(() => 1))
  })
})

test('whatever is shuffled, repeated or told in parts: who knows the same decides the same', () => {
  const made = awake(6)
  const { rig, all, next, publish } = made
  all[3]!.outcomes.push(failedRun)
  publish(all[0]!, next('a', staged([2, 6])))
  const said: StatusPair[] = []
  for (let round = 0; round < 90; round++) {
    rig.run(1_000)
    for (const host of all) {
      const pair = host.reporter.board.row(host.key)?.pair
      if (pair !== undefined && !said.includes(pair)) said.push(pair)
    }
  }
  const about = said.slice(-24)
  const decisionOf = (order: readonly StatusPair[]) => {
    const other = awake(6)
    const [judge] = other.all as [SimHost]
    other.rig.cut(judge)
    for (const envelope of all[0]!.disk.entries) other.rig.feed(judge, { kind: 'submit', envelope })
    other.rig.handed(judge, made.newest().id, made.packs.get(made.newest().sequence))
    for (const pair of order)
      other.rig.feed(judge, {
        ...{ kind: 'message', from: other.all[1]!.peer, gossip: false },
        bytes: encodeMessage({ t: 'statuses', statuses: [pair] }),
      })
    other.rig.run(20_000)
    const { stages, decision } = judge.agent.progress()!
    return { decision: decision.kind, states: stages.map(each => [each.healthy, each.failed, each.running]) }
  }
  const plain = decisionOf(about)
  expect(plain).toMatchObject({ decision: 'hold' })
  const places = about.map((_, at) => at)
  fc.assert(
    fc.property(
      fc.shuffledSubarray(places, { minLength: places.length }),
      fc.nat(places.length),
      (order, again) => {
        const told = [...order, ...order.slice(0, again)].map(at => about[at]!)
        expect(decisionOf(told)).toEqual(plain)
      },
    ),
    { numRuns: 12 },
  )
})

test('who only looks works out how a release fares, and sleeps between news', () => {
  const { rig, all, first, next, publish } = awake(3)
  const [host] = all as [SimHost]
  const onlooker = rig.add(7, { checkpoint: { sequence: 1, id: first.id } })
  onlooker.role = 'onlooker'
  rig.restart(onlooker)
  rig.submit(onlooker, first)
  rig.connect(...all, onlooker)
  publish(host, next('release', { stages: [1, 2, 3] }))
  rig.run(60_000)
  expect(onlooker.applied).toEqual([])
  expect(onlooker.agent.progress()?.stages.map(each => each.healthy)).toEqual([1, 1, 1])
  expect(onlooker.agent.wakeMs()).toBeGreaterThan(rig.nowMs)
})
