// Each checker by itself, on stories made by hand: silent on a good one, and heard on a bad one. That they notice a broken core
// in a whole fleet is mutants.test.ts's.
import { describe, expect, test } from 'vitest'
import { encodeMessage, type StatusPair } from '../../gossip/message.ts'
import type { Effect } from '../../node/effects.ts'
import type { LogEntry } from '../../node/log.ts'
import type { Peer } from '../../node/peer.ts'
import type { RunReport } from '../../node/report.ts'
import { hex } from '../../signing/bytes.ts'
import { publicKeyOf } from '../../signing/crypto.ts'
import { peerIdOf } from '../../signing/keys.ts'
import { type Status, signStatus } from '../../signing/status.ts'
import { checkers } from '../../sim/checkers/index.ts'
import type { Scene, SimEvent, Watched } from '../../sim/events.ts'
import { Ledger, type Signed } from '../../sim/ledger.ts'
import { noMemory } from '../../sim/memory.ts'

const seed = new Uint8Array(32).fill(7)
const key = publicKeyOf(seed)

/** A world of one host, and what its checker says of a story that is told to it. */
class Stage {
  nowMs = 0
  readonly ledger = new Ledger()
  host: Watched
  readonly #checker
  readonly #hosts: Watched[] = []

  constructor(checker: string, peer: object | undefined = undefined) {
    this.#checker = checkers(new Map()).get(checker)!
    this.host = {
      ...{
        name: 'h1',
        index: 0,
        key: hex(key),
        honest: true,
        disks: 0,
        cloned: false,
        core: true,
        observes: true,
        cutOff: false,
      },
      peer: peer as Peer | undefined,
      state: () => undefined,
    }
    this.#hosts.push(this.host)
  }

  with(more: Partial<Watched>): this {
    this.host = { ...this.host, ...more }
    this.#hosts[0] = this.host
    return this
  }

  get scene(): Scene {
    const { ledger } = this
    const chance = () => () => 0.5
    return { nowMs: () => this.nowMs, seed: 1, hosts: this.#hosts, ledger, memory: noMemory, chance }
  }

  sign(id: string, more: Partial<Signed> = {}): void {
    const envelope = new Uint8Array()
    const about = { sequence: 1, kind: 'release', subject: id, atMs: 0, sound: true } as const
    this.ledger.sign({ ...about, id, envelope, ...more })
  }

  hear(event: object): string | undefined {
    return this.#checker.event({ host: this.host, ...event } as unknown as SimEvent, this.scene)
  }

  decided(...effects: readonly object[]): string | undefined {
    return this.hear({ kind: 'decided', input: { kind: 'tick' }, effects: effects as readonly Effect[] })
  }

  run(sequence: number, id = `e${sequence}`, commit = `c${sequence}`): string | undefined {
    return this.hear({ kind: 'run', entry: entry(sequence, id, commit) })
  }

  end(): string | undefined {
    return this.#checker.end?.(this.scene)
  }

  pending(): readonly string[] {
    return this.#checker.pending?.(this.scene) ?? []
  }
}

const entry = (sequence: number, id = `e${sequence}`, commit = `c${sequence}`) =>
  ({ sequence, id, release: { commit } }) as unknown as LogEntry
const keep = (sequence: number) => ({ kind: 'keep', entry: entry(sequence) })

const statusOf = (n: number, more: Partial<Status> = {}): { status: Status; pair: StatusPair } => {
  const status: Status = {
    ...{ fleet: new Uint8Array(32), host: key, n, boot: new Uint8Array(16), at: 0, up: 0 },
    ...{ head: [0, new Uint8Array(32)], trust: 0, agent: '0.1.0' },
    ...more,
  }
  const { body, signature } = signStatus(status, seed)
  return { status, pair: [body, signature] }
}

describe('never-unsigned', () => {
  test('what operators signed', () => {
    const stage = new Stage('never-unsigned')
    stage.sign('e2', { commit: 'c2' })
    expect([stage.decided(keep(2)), stage.run(2)]).toEqual([undefined, undefined])
  })
  test('what nobody signed, kept, beside it or run; another commit', () => {
    const stage = new Stage('never-unsigned')
    stage.sign('e2', { commit: 'c2' })
    expect(stage.decided(keep(3))).toContain('nobody signed')
    expect(stage.decided({ ...keep(3), kind: 'keep-fork' })).toContain('nobody signed')
    expect(stage.run(3)).toContain('nobody signed')
    expect(stage.run(2, 'e2', 'c9')).toContain('with the commit c9')
    expect(stage.with({ honest: false }).decided(keep(3))).toBeUndefined()
  })
})

describe('above-floor', () => {
  test('upwards, and anew on a new disk', () => {
    const stage = new Stage('above-floor')
    expect([stage.decided(keep(2)), stage.decided(keep(3)), stage.run(3)]).toEqual(Array(3).fill(undefined))
    stage.hear({ kind: 'ended', how: 'power' })
    expect(stage.with({ disks: 1 }).run(2)).toBeUndefined()
  })
  test('below what it accepted, unless it ended before that was on the disk', () => {
    const stage = new Stage('above-floor')
    stage.decided(keep(2))
    stage.nowMs = 60_000
    stage.decided(keep(3))
    stage.nowMs = 60_003
    stage.hear({ kind: 'ended', how: 'power' })
    expect(stage.run(2)).toBeUndefined()
    expect(stage.run(1)).toContain('after it had accepted 2')
    stage.decided(keep(3))
    stage.nowMs = 120_000
    stage.hear({ kind: 'ended', how: 'power' })
    expect(stage.run(2)).toContain('after it had accepted 3')
  })
})

test('one-run: one after the other; not beside the other', () => {
  const stage = new Stage('one-run')
  expect([stage.run(2), stage.hear({ kind: 'ran' }), stage.run(3)]).toEqual(Array(3).fill(undefined))
  expect([stage.hear({ kind: 'ended', how: 'kill' }), stage.run(3)]).toEqual([undefined, undefined])
  expect(stage.run(4)).toBe('runs release 4 while it runs 3')
})

test('still-reached: a run that is over; one that left its host cut off', () => {
  const stage = new Stage('still-reached')
  const ran = (kind: RunReport['kind'], dirty = false) =>
    stage.hear({
      kind: 'ran',
      entry: entry(2),
      report: { kind, dirty, steps: { declared: 1, kept: 1, repaired: 0, notKept: 0 } },
    })
  expect([ran('applied'), ran('failed')]).toEqual([undefined, undefined])
  stage.with({ cutOff: true })
  expect([ran('wait'), ran('failed', true)]).toEqual([undefined, undefined])
  expect(ran('applied')).toContain('is cut off by release 2, whose run came to: applied')
  expect(ran('inconclusive')).toContain('inconclusive')
})

test('journal-consistent: what is found after starts and runs', () => {
  const stage = new Stage('journal-consistent')
  stage.with({ state: () => ({ inForce: 'e2', differs: undefined }) })
  expect([stage.hear({ kind: 'started' }), stage.hear({ kind: 'ran' })]).toEqual([undefined, undefined])
  stage.with({ state: () => ({ inForce: 'e2', differs: 'a file is gone' }) })
  expect(stage.hear({ kind: 'started' })).toContain('after a start, e2 is in force')
  expect(stage.hear({ kind: 'ran' })).toContain('a file is gone')
})

test('bounded: up to the bound; above it', () => {
  let sends = 10
  const peer = {
    driver: { queues: () => ({ sends: [sends, 10] }) },
    reporter: { board: { size: 1 } },
    entries: { refused: () => [], forks: () => [] },
    carrier: { peers: () => [] },
  }
  const stage = new Stage('bounded', peer)
  expect(stage.decided()).toBeUndefined()
  sends = 11
  expect(stage.decided()).toBe("its queue 'sends' holds 11; expected at most 10")
})

test('quarantined: what is installed and held is what was signed for it', () => {
  const held: string[] = []
  const stage = new Stage('quarantined', { repository: { held: () => held } })
  stage.sign('e2', { commit: 'c2', content: 'x' })
  stage.sign('e3', { commit: 'c3', content: 'y', untrue: true })
  const installed = (id: string, commit: string, content: string) => {
    const result = { kind: 'installed', release: { commit, content } }
    return stage.hear({ kind: 'decided', input: { kind: 'installed', entry: id, result }, effects: [] })
  }
  held.push('c2')
  expect([installed('e2', 'c2', 'x'), stage.end()]).toEqual([undefined, undefined])
  expect(installed('e2', 'c2', 'y')).toContain('signed is x')
  expect(installed('e2', 'c3', 'x')).toContain('signed is c2')
  expect(installed('e9', 'c9', 'x')).toContain('installed the commit c9')
  held.push('c3')
  expect(stage.end()).toContain('not what its entry says')
  held[1] = 'c9'
  expect(stage.end()).toContain('nobody released')
})

test('relays-valid: statuses that were said; none that were not, nor what is no message', () => {
  const stage = new Stage('relays-valid')
  const other = new Stage('relays-valid').with({ name: 'h2', key: '00' }).host
  const sends = (bytes: Uint8Array) =>
    stage.hear({ kind: 'decided', host: other, input: { kind: 'tick' }, effects: [{ kind: 'send', bytes }] })
  const { status, pair } = statusOf(1)
  stage.ledger.say(hex(pair[1]), status)
  expect(sends(encodeMessage({ t: 'statuses', statuses: [pair] }))).toBeUndefined()
  const unsaid = encodeMessage({ t: 'statuses', statuses: [statusOf(2).pair] })
  expect(sends(unsaid)).toBe('sends the status 2 of h1, which it never said')
  const twisted: StatusPair = [pair[0], statusOf(2).pair[1]]
  expect(sends(encodeMessage({ t: 'statuses', statuses: [twisted] }))).toContain('SIGNATURE_BAD')
  expect(sends(new Uint8Array([1, 2, 3]))).toContain('no message')
})

test('counter: upwards; not twice, unless the disk is another', () => {
  const stage = new Stage('counter')
  const says = (n: number) => stage.hear({ kind: 'spoke', ...statusOf(n) })
  expect([says(1), says(2), says(1001)]).toEqual(Array(3).fill(undefined))
  expect(stage.with({ disks: 1 }).hear({ kind: 'spoke', ...statusOf(2) })).toBeUndefined()
  expect(stage.with({ disks: 0 }).hear({ kind: 'spoke', ...statusOf(1001) })).toBe('says 1001 after 1001')
  expect(says(3)).toBe('says 3 after 1001')
  const made = (n: number) => {
    const peer = { reporter: { board: { row: () => statusOf(n) } } } as unknown as Peer
    return stage.with({ peer }).decided()
  }
  expect([made(3), made(4), made(2)]).toEqual([undefined, undefined, 'says 2 after 3'])
})

test('merge: boards go up; not back, unless the host has started anew', () => {
  let n = 1
  const stage = new Stage('merge', { reporter: { board: { row: () => ({ status: { n } }) } } })
  const board = () => stage.decided({ kind: 'board', host: 'aa' })
  expect(board()).toBeUndefined()
  n = 5
  expect(board()).toBeUndefined()
  n = 4
  expect(board()).toContain('from 5 back to 4')
  n = 5
  board()
  stage.hear({ kind: 'started' })
  n = 2
  expect(board()).toBeUndefined()
  for (const each of [1, 2, 3]) stage.hear({ kind: 'spoke', ...statusOf(each) })
  expect(stage.end()).toBeUndefined()
})

describe('converges', () => {
  const peerAt = (id: string, state: string) => ({
    entries: { head: () => ({ sequence: 2, id }), release: () => ({ sequence: 2, id: 'e2' }) },
    agent: { decision: { kind: 'done' }, inForce: 'e2' },
    reporter: { state, board: { row: () => undefined } },
  })
  test('all is in force', () => {
    const stage = new Stage('converges', peerAt('e2', 'HEALTHY'))
    stage.sign('e2', { sequence: 2 })
    expect(stage.pending()).toEqual([])
  })
  test('it is down, behind, or not healthy', () => {
    expect(new Stage('converges').pending()).toEqual(['h1 does not run'])
    const behind = new Stage('converges', peerAt('e1', 'HEALTHY'))
    behind.sign('e2', { sequence: 2 })
    expect(behind.pending()[0]).toContain('the newest is 2')
    const failed = new Stage('converges', peerAt('e2', 'FAILED'))
    failed.sign('e2', { sequence: 2 })
    expect(failed.pending()).toEqual(['h1 says FAILED'])
    expect(failed.with({ core: false }).pending()).toEqual([])
  })
})

test('late-joiner: it knows a release in time; it does not', () => {
  let release: object | undefined
  const stage = new Stage('late-joiner', { entries: { release: () => release } })
  stage.hear({ kind: 'healed' })
  expect(stage.hear({ kind: 'started' })).toBeUndefined()
  stage.nowMs = 100_000
  expect(stage.decided()).toBeUndefined()
  stage.nowMs = 600_000
  expect(stage.decided()).toContain('knows no release')
  release = {}
  expect(stage.decided()).toBeUndefined()
})

test('fetch-ends: bytes come; they do not, though a neighbour has them', () => {
  let offset = 0
  const fetching = [{ pack: 'p'.repeat(64), size: 100, offset }]
  const agent = {
    fetching: () => fetching.map(each => ({ ...each, offset })),
    neighbours: { holders: () => ({ pack: [peerIdOf(key)] }) },
  }
  const stage = new Stage('fetch-ends', { agent, entries: { release: () => ({ sequence: 2 }) } })
  stage.decided()
  stage.hear({ kind: 'healed' })
  for (let at = 0; at < 4; at++) {
    stage.nowMs += 100_000
    offset += 10
    expect(stage.decided()).toBeUndefined()
  }
  stage.nowMs += 300_000
  expect(stage.decided()).toContain('without a byte')
  offset = 0
  expect(stage.decided()).toContain('for 480 s; 1 honest')
  expect(stage.pending()).toEqual(['h1 is still fetching'])
})
