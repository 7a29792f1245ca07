import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeMessage } from '../../gossip/message.ts'
import { hex } from '../../signing/bytes.ts'
import { sha256 } from '../../signing/crypto.ts'
import { encodeEnvelope } from '../../signing/entry.ts'
import type { Time } from '../../signing/fields.ts'
import {
  anna,
  bert,
  content,
  eve,
  files,
  genesis,
  hosts,
  type Made,
  operator,
  release,
  trustChange,
} from '../signing/fleet.ts'
import { fleet, later, operators } from './fleet.ts'
import { failedRun, Rig, type SimHost, unconfirmedRun, waitRun } from './rig.ts'

const states = (host: SimHost) => host.reporter.board.rows().map(row => row.status.state)

describe('a fleet of agents', () => {
  test('a release published at one host is applied by all, and each knows of all', () => {
    const { rig, all, next, publish, start } = fleet(6)
    start()
    const made = publish(all[0]!, next('a'))
    rig.run(60_000)
    for (const host of all) expect(host.applied).toEqual([made.sequence])
    for (const host of all) expect(states(host)).toEqual(Array(6).fill('HEALTHY'))
  })

  test('a pack of many parts reaches all, also when its announcer dies half way', () => {
    const { rig, all, next, publish, start } = fleet(5)
    start()
    const made = next('b', {}, [anna], 64 * 1024 * 40)
    publish(all[0]!, made)
    rig.run(40)
    rig.connect(...all)
    rig.run(90_000)
    expect(all.map(host => host.applied)).toEqual(all.map(() => [made.sequence]))
  })

  test('a host that an undo left DIRTY takes the next release once somebody has looked after it', () => {
    const { rig, all, next, publish, start } = fleet(3)
    start()
    const [a, b] = all as [SimHost, SimHost]
    b.outcomes.push({ ...failedRun, dirty: true })
    publish(a, next('c'))
    rig.run(10_000)
    const made = publish(a, next('d'))
    rig.run(10_000)
    expect(b.applied).toEqual([])
    rig.feed(b, { kind: 'retry' })
    rig.run(10_000)
    expect(b.applied).toEqual([made.sequence])
  })

  test('who was off for many releases, and who comes late, take the newest', () => {
    const { rig, all, next, publish, start } = fleet(4)
    start()
    const [a, , c, d] = all as [SimHost, SimHost, SimHost, SimHost]
    rig.cut(d)
    for (const name of ['c', 'd', 'e', 'f', 'g']) {
      publish(a, next(name))
      rig.run(10_000)
    }
    expect(d.applied).toEqual([])
    rig.connect(a, c, d)
    rig.run(10_000)
    expect(d.applied).toEqual([6])
    expect(d.log.head()?.sequence).toBe(6)
  })

  test('a host that lost its store converges again; its floor does not sink', () => {
    const { rig, all, next, publish, start } = fleet(3)
    start()
    publish(all[0]!, next('h'))
    rig.run(10_000)
    const lost = all[2]!
    lost.disk.entries = []
    rig.restart(lost)
    expect(lost.log.head()).toBeUndefined()
    rig.connect(...all)
    rig.run(10_000)
    expect(lost.log.head()?.sequence).toBe(2)
    expect(lost.agent.inForce).toBeDefined()
    expect(lost.applied).toEqual([2])
  })

  test('a host that lost both floors applies nothing before it heard three peers', () => {
    const { rig, all, next, publish, start } = fleet(5)
    start()
    publish(all[0]!, next('i'))
    rig.run(10_000)
    const lost = all[4]!
    lost.disk = { entries: lost.disk.entries, orders: new Map(), counter: 0, failed: [], held: new Set() }
    lost.applied.length = 0
    rig.restart(lost, 3)
    rig.connect(all[0]!, all[1]!, lost)
    rig.run(20_000)
    expect(lost.agent.decision).toMatchObject({ kind: 'hold', gate: 'floor' })
    rig.connect(all[2]!, lost)
    rig.run(20_000)
    expect(lost.applied).toEqual([2])
  })

  test('a run that fails is not tried again, across restarts; a newer release is', () => {
    const { rig, all, next, publish, start } = fleet(2)
    start()
    const [a, b] = all as [SimHost, SimHost]
    b.outcomes.push(failedRun)
    publish(a, next('j'))
    rig.run(30_000)
    expect(b.agent.decision).toMatchObject({ kind: 'hold', gate: 'failed' })
    expect(a.reporter.board.row(b.key)?.status).toMatchObject({ state: 'FAILED', why: 'EROFS: /etc/x' })
    rig.restart(b)
    rig.connect(a, b)
    rig.run(30_000)
    expect(b.applied).toEqual([])
    publish(a, next('k'))
    rig.run(30_000)
    expect(b.applied).toEqual([3])
  })

  test('a run that could not be prepared is tried again, with growing pauses', () => {
    const { rig, all, next, publish, start } = fleet(1)
    start()
    const [a] = all as [SimHost]
    a.outcomes.push(waitRun, waitRun)
    publish(a, next('l'))
    rig.run(1_000)
    expect(a.agent.decision).toMatchObject({ kind: 'hold', gate: 'wait' })
    expect(a.reporter.state).toBe('WAIT')
    rig.run(120_000)
    expect(a.applied).toEqual([2])
    expect(a.logged.filter(each => each.event === 'run ended').map(each => each.data['outcome'])).toEqual([
      'wait',
      'wait',
      'applied',
    ])
  })

  test('a run that nobody could confirm is tried three times, then only when somebody asks', () => {
    const { rig, all, next, publish, start } = fleet(1)
    start()
    const [a] = all as [SimHost]
    const outcomes = () =>
      a.logged.filter(each => each.event === 'run ended').map(each => each.data['outcome'])
    a.outcomes.push(unconfirmedRun, waitRun, unconfirmedRun, unconfirmedRun, unconfirmedRun)
    publish(a, next('u'))
    rig.run(3_600_000)
    expect(outcomes()).toEqual(['inconclusive', 'wait', 'inconclusive', 'inconclusive'])
    expect([a.reporter.state, a.reporter.why]).toEqual(['INCONCLUSIVE', unconfirmedRun.why])
    expect(a.agent.decision).toMatchObject({ kind: 'hold', gate: 'inconclusive' })
    rig.feed(a, { kind: 'retry' })
    rig.run(3_600_000)
    expect(outcomes().slice(4)).toEqual(['inconclusive', 'applied'])
    // Another release begins anew.
    a.outcomes.push(unconfirmedRun, unconfirmedRun, unconfirmedRun)
    publish(a, next('v'))
    rig.run(3_600_000)
    publish(a, next('w'))
    rig.run(3_600_000)
    expect(outcomes().slice(6)).toEqual(['inconclusive', 'inconclusive', 'inconclusive', 'applied'])
  })

  test('a disk that takes no pack holds the release, says why, and is tried again', () => {
    const { rig, all, next, publish, start } = fleet(2)
    start()
    const [a, b] = all as [SimHost, SimHost]
    b.full = true
    publish(a, next('n'))
    rig.run(10_000)
    expect(b.agent.decision).toMatchObject({
      kind: 'hold',
      gate: 'pack',
      reason: expect.stringContaining('ENOSPC'),
    })
    b.full = false
    rig.run(60_000)
    expect(b.applied).toEqual([2])
  })

  test('pause holds releases until it ends; the fleet sees it', () => {
    const { rig, all, next, publish, start } = fleet(2)
    start()
    const [a, b] = all as [SimHost, SimHost]
    rig.feed(b, { kind: 'pause', untilMs: rig.nowMs + 20_000, reason: 'disk swap' })
    publish(a, next('m'))
    rig.run(10_000)
    expect(b.applied).toEqual([])
    expect(a.reporter.board.row(b.key)?.status.flags).toContain('PAUSED')
    rig.run(20_000)
    expect(b.applied).toEqual([2])
  })

  test('a withdrawn host is denied, and leaves the board', () => {
    const { rig, all, first, start, trust } = fleet(3)
    start()
    rig.run(5_000)
    const fewer = trustChange({ fleet: first, previous: first }, files(operators, hosts(3).slice(0, 2)), {
      removes: 1,
    })
    trust(fewer)
    rig.submit(all[0]!, fewer)
    rig.run(5_000)
    expect(all[1]!.log.standing(all[2]!.key)).toBe('withdrawn')
    expect(all[1]!.reporter.board.rows()).toHaveLength(2)
  })

  test('a fork freezes both sides, is shown, and ends on both by an entry that drops one branch', () => {
    const { rig, all, next, publish, packs, first } = fleet(4)
    const [a, b, c, d] = all as [SimHost, SimHost, SimHost, SimHost]
    for (const host of all) rig.submit(host, first)
    rig.connect(a, b)
    rig.connect(c, d)
    // Two laptops sign entry 2 at the same time, each seen by one half of the fleet.
    const theirs = next('theirs', {}, [bert])
    rig.submit(c, theirs)
    rig.handed(c, theirs.id, packs.get(2))
    const ours = publish(a, next('ours'))
    rig.run(20_000)
    rig.connect(...all)
    rig.run(60_000)
    expect(all.map(host => host.log.frozen())).toEqual([true, true, true, true])
    expect([a, c].map(host => host.log.release()?.id)).toEqual([ours.id, theirs.id])
    const ending = publish(a, next('end', { drops: theirs.id }))
    rig.run(60_000)
    expect(all.map(host => host.log.frozen())).toEqual([false, false, false, false])
    expect(all.map(host => host.agent.inForce)).toEqual(all.map(() => ending.id))
  })

  test('CLONED: the own key heard above the own counter, more than three times', () => {
    const { rig, all, start } = fleet(2)
    start()
    const [a, b] = all as [SimHost, SimHost]
    rig.run(2_000)
    for (let i = 1; i <= 4; i++) {
      const twin = new Rig(fleet(2).first)
      const other = twin.add(0, { checkpoint: { sequence: 1, id: fleet(2).first.id } })
      other.disk.counter = i * 100_000
      twin.restart(other)
      twin.submit(other, fleet(2).first)
      twin.run(2_000)
      const pair = other.reporter.board.row(a.key)!.pair
      rig.feed(a, {
        kind: 'message',
        from: b.peer,
        bytes: encodeMessage({ t: 'statuses', statuses: [pair] }),
        gossip: false,
      })
      rig.run(2_000)
    }
    expect(a.agent.decision).toMatchObject({ kind: 'hold', gate: 'release' })
    expect(a.reporter.cloned).toBe(true)
    expect(b.reporter.board.row(a.key)?.status.flags).toContain('CLONED')
  })
})

describe('what a host must refuse, and keep running what it has', () => {
  /** A fleet of two with release 2 in force; then `made` is sent. */
  function after(make: (ctx: ReturnType<typeof fleet>) => Made) {
    const ctx = fleet(2)
    const { rig, all, next, publish, start } = ctx
    start()
    publish(all[0]!, next('good'))
    rig.run(20_000)
    rig.send(all[0]!, all[1]!, make(ctx))
    rig.run(20_000)
    return { ...ctx, host: all[0]! }
  }
  const stays = ({ host }: ReturnType<typeof after>) => {
    expect(host.applied).toEqual([2])
    expect(host.log.byId(host.agent.inForce ?? '')?.sequence).toBe(2)
  }

  test('REFUSE unknown signature: SIGNER_UNKNOWN, shown in log and status', () => {
    const ctx = after(({ next }) => next('evil', {}, [eve]))
    stays(ctx)
    expect(ctx.host.log.refused()).toMatchObject([{ code: 'SIGNER_UNKNOWN', sequence: 3 }])
    const said = ctx.all[1]!.reporter.board.row(ctx.host.key)?.status
    expect(said?.flags).toContain('REFUSED')
    expect(said?.refused?.[2]).toBe('SIGNER_UNKNOWN')
  })

  test('REFUSE bad signature: SIGNATURE_BAD blames the sender', () => {
    const ctx = fleet(2)
    ctx.start()
    const made = ctx.next('x')
    const tag = Uint8Array.from(made.envelope.tag)
    // One character of the armour's last full line: the blob's signature bytes.
    const at = tag.length - 60
    tag[at] = tag[at] === 65 ? 66 : 65
    const bytes = encodeMessage({ t: 'entry', entry: encodeEnvelope({ ...made.envelope, tag }) })
    const effects = ctx.rig.feed(ctx.all[0]!, {
      kind: 'message',
      from: ctx.all[1]!.peer,
      bytes,
      gossip: true,
    })
    expect(effects).toContainEqual({ kind: 'verdict', verdict: 'reject' })
  })

  test('REFUSE wrong fleet: WRONG_FLEET', () => {
    const other = genesis(files([operator('anna', anna)], hosts(1)))
    const ctx = after(() => release({ fleet: other, previous: other }, { expires: later }))
    stays(ctx)
    expect(ctx.host.log.refused()).toMatchObject([{ code: 'WRONG_FLEET' }])
  })

  test('REFUSE sequence not above the floor: a second release 2 is a fork, and freezes', () => {
    const ctx = after(({ first, packs }) =>
      release(
        { fleet: first, previous: first },
        {
          content: content('sibling'),
          expires: later,
          packs: [{ digest: hex(sha256(packs.get(2)!)), size: 1000, base: 'none' }],
        },
      ),
    )
    stays(ctx)
    expect(ctx.host.log.frozen()).toBe(true)
    ctx.publish(ctx.host, ctx.next('after the fork'))
    ctx.rig.run(20_000)
    stays(ctx)
    expect(ctx.host.agent.decision).toMatchObject({ kind: 'hold', gate: 'refused' })
    expect(ctx.all[1]!.reporter.board.row(ctx.host.key)?.status.flags).toContain('FORK')
  })

  test('REFUSE broken chain: BROKEN_CHAIN for a parent of another height', () => {
    const ctx = after(({ first }) => {
      const far = { ...first, sequence: 5 }
      return release({ fleet: first, previous: far }, { expires: later })
    })
    stays(ctx)
    expect(ctx.host.log.refused().map(each => each.code)).toEqual(['BROKEN_CHAIN'])
  })

  test('REFUSE never list: NEVER', () => {
    const ctx = after(({ next }) => next('barred', { never: [content('barred')] }))
    stays(ctx)
    expect(ctx.host.log.refused()).toMatchObject([{ code: 'NEVER' }])
  })

  test('REFUSE expired before it ever opened: EXPIRED, accepted as a link', () => {
    const ctx = after(({ next }) => next('stale', { expires: '2023-11-14T00:00:00Z' as Time }))
    stays(ctx)
    expect(ctx.host.log.head()?.sequence).toBe(3)
    expect(ctx.host.agent.decision).toMatchObject({
      kind: 'hold',
      gate: 'refused',
      reason: expect.stringContaining('expired'),
    })
    expect(ctx.all[1]!.reporter.board.row(ctx.host.key)?.status.flags).toContain('STALE')
  })

  test('REFUSE too new a language: NEEDS_AGENT is shown, and the host waits', () => {
    const ctx = after(({ next }) => next('future', { language: 2 }))
    stays(ctx)
    expect(ctx.all[1]!.reporter.board.row(ctx.host.key)?.status.flags).toContain('NEEDS_AGENT')
  })

  test('REFUSE malformed pack: PACK_FORM condemns the release, a newer one is taken', () => {
    const ctx = fleet(2)
    ctx.start()
    const [a, b] = ctx.all as [SimHost, SimHost]
    const made = ctx.next('bad pack')
    const pack = ctx.packs.get(made.sequence)!
    ctx.follow({ ...made, envelope: { ...made.envelope, pack } }, a)
    ctx.rig.run(20_000)
    expect(b.applied).toEqual([])
    expect(b.log.refused()).toMatchObject([{ code: 'PACK_FORM', sequence: 2 }])
    ctx.publish(a, ctx.next('good'))
    ctx.rig.run(20_000)
    expect(b.applied).toEqual([3])
  })

  test('malformed bytes from a peer are counted and change nothing', () => {
    const ctx = fleet(2)
    ctx.start()
    const [a, b] = ctx.all as [SimHost, SimHost]
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, gossip) => {
        const effects = ctx.rig.feed(a, { kind: 'message', from: b.peer, bytes, gossip })
        expect(effects.filter(each => ['keep', 'apply', 'install'].includes(each.kind))).toEqual([])
        if (gossip) expect(effects.some(each => each.kind === 'verdict')).toBe(true)
      }),
      { numRuns: 300 },
    )
    expect(a.logged.some(each => each.event === 'malformed message')).toBe(true)
  })
})
