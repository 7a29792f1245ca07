// Two entries with one place in the log: what freezes, and what ends that on every side.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createChain } from '../../signing/chain.ts'
import type { FleetId } from '../../signing/entry.ts'
import { both, chainOf, expectRefusal, first, start, three, two } from './chains.ts'
import {
  anna,
  bert,
  content,
  files,
  genesis,
  hosts,
  type Made,
  operator,
  release,
  trustChange,
} from './fleet.ts'

describe('forks', () => {
  const sibling = release({ fleet: first, previous: two }, { content: content('theirs') }, [bert])
  const drop = (previous: Made, drops: Made, signers = [anna]) =>
    release({ fleet: first, previous }, { drops: drops.id }, signers)

  test('a second entry with an accepted sequence freezes; links and trust entries are still taken', () => {
    const chain = chainOf([first, two, three])
    const fork = {
      sequence: 3,
      ours: three.id,
      theirs: sibling.id,
      signers: { ours: 'anna', theirs: 'bert' },
    }
    expect(chain.accept(sibling.envelope)).toMatchObject({ kind: 'fork', fork })
    expect(chain.accept(sibling.envelope)).toMatchObject({ kind: 'known' })
    expect(chain.head()?.id).toBe(three.id)
    expectRefusal(chain.hold(three.id, start), 'FROZEN', 'bert')
    const theirNext = release({ fleet: first, previous: sibling }, {}, [bert])
    expect(chain.accept(theirNext.envelope)).toMatchObject({ kind: 'fork', fork })
    expect(chain.forks()).toHaveLength(1)
    const change = trustChange({ fleet: first, previous: three }, files(both, hosts(11)))
    expect(chain.accept(change.envelope)).toMatchObject({ kind: 'accepted' })
    expect(chain.frozen()).toBe(true)
  })
  test('a fork whose signer was withdrawn is only shown', () => {
    const chain = chainOf([first, two, three])
    chain.accept(sibling.envelope)
    const alone = trustChange({ fleet: first, previous: three }, files([operator('anna', anna)], hosts(10)))
    chain.accept(alone.envelope)
    expect(chain.forks()).toHaveLength(1)
    expect(chain.frozen()).toBe(false)
  })
  test('an entry with Drops ends it on both sides', () => {
    const end = drop(three, sibling)
    const ours = chainOf([first, two, three])
    ours.accept(sibling.envelope)
    expect(ours.accept(end.envelope)).toMatchObject({ kind: 'accepted', dropped: [] })
    expect([ours.frozen(), ours.forks()]).toEqual([false, []])

    const after = release({ fleet: first, previous: sibling }, {}, [bert])
    const far = release({ fleet: first, previous: after }, {}, [bert])
    const theirs = chainOf([first, two, sibling, after, far])
    expect(theirs.accept(three.envelope)).toMatchObject({ kind: 'fork' })
    expect(theirs.accept(end.envelope)).toMatchObject({
      kind: 'accepted',
      head: true,
      dropped: [sibling.id, after.id, far.id],
    })
    expect(theirs.head()).toEqual({ sequence: 4, id: end.id })
    expect(theirs.accept(three.envelope)).toMatchObject({ kind: 'accepted', head: false })
    expect([theirs.frozen(), theirs.idAt(5)]).toEqual([false, undefined])
  })
  test('an entry with Drops ends forks within the branch that it follows, too', () => {
    const [left, right] = ['left', 'right'].map(name =>
      release({ fleet: first, previous: sibling }, { content: content(name) }, [bert]),
    ) as [Made, Made]
    const end = drop(right, three)
    const host = chainOf([first, two, sibling, left])
    expect(host.accept(three.envelope)).toMatchObject({ kind: 'fork' })
    expect(host.accept(right.envelope)).toMatchObject({ kind: 'fork' })
    expect(host.accept(end.envelope)).toMatchObject({ kind: 'accepted', head: true, dropped: [left.id] })
    expect(host.accept(right.envelope)).toMatchObject({ kind: 'accepted', head: false })
    expect([host.frozen(), host.head()?.id, host.idAt(4)]).toEqual([false, end.id, right.id])
  })
  test('while it lasts nothing is taken across a gap: nobody sees on which side that stands', () => {
    const left = release({ fleet: first, previous: sibling }, {}, [bert])
    const far = release({ fleet: first, previous: left }, {}, [bert])
    const host = chainOf([first, two, three])
    host.accept(sibling.envelope)
    expect(host.accept(far.envelope, { gap: true })).toMatchObject({ kind: 'missing-parent', wants: left.id })
    const after = release({ fleet: first, previous: release({ fleet: first, previous: three }) })
    const end = drop(after, sibling)
    expect(host.accept(end.envelope)).toMatchObject({ kind: 'missing-parent' })
    // That it ends the other side says on which one it stands.
    expect(host.accept(end.envelope, { gap: true })).toMatchObject({ kind: 'accepted', head: true })
    expect([host.frozen(), host.head()?.id]).toEqual([false, end.id])
  })
  test('an entry with Drops is heeded as soon as it is known where its branch leaves ours', () => {
    const other = release({ fleet: first, previous: two }, { content: content('other') }, [bert])
    const last = release({ fleet: first, previous: other }, { content: content('last') }, [bert])
    const end = drop(three, sibling)
    const host = chainOf([first, two, other, last])
    expect(host.accept(end.envelope)).toMatchObject({ kind: 'fork', fork: { sequence: 4 } })
    expect(host.accept(end.envelope)).toMatchObject({ kind: 'known', beside: 4 })
    expect(host.accept(three.envelope)).toMatchObject({ kind: 'fork', fork: { sequence: 3 } })
    expect(host.accept(end.envelope)).toMatchObject({
      ...{ kind: 'accepted', head: true },
      dropped: [other.id, last.id],
    })
    expect([host.frozen(), host.head()?.id]).toEqual([false, end.id])
  })
  test('REFUSE what was left out of a log, and its siblings: old entries that come again move nobody', () => {
    const grow = (from: Made, count: number) => {
      const made: Made[] = []
      for (let at = 0; at < count; at++)
        made.push(release({ fleet: first, previous: made.at(-1) ?? from }, {}, [bert]))
      return made
    }
    const theirs = [sibling, ...grow(sibling, 1)]
    // It ended a fork within the branch that was dropped later.
    const old = drop(theirs[1]!, three)
    const end = drop(release({ fleet: first, previous: release({ fleet: first, previous: three }) }), sibling)
    const after = grow(end, 3)
    for (const known of [
      [first, end, after[0]!],
      [first, after[0]!, after[2]!],
      [first, after[2]!],
    ]) {
      const host = chainOf(known)
      const head = host.head()
      for (const each of [old, ...theirs, three, sibling, end, ...after]) host.accept(each.envelope)
      expect([host.frozen(), host.head()?.sequence]).toEqual([false, Math.max(6 + 3, head!.sequence)])
      expect(host.idAt(head!.sequence)).toBe(head!.id)
    }
  })
  test('across a gap an entry with Drops ends also a third side, which it does not name', () => {
    const other = release({ fleet: first, previous: two }, { content: content('other') }, [bert])
    const end = drop(three, sibling)
    const host = chainOf([first, two, other])
    expect(host.accept(sibling.envelope)).toMatchObject({ kind: 'fork' })
    expect(host.accept(end.envelope)).toMatchObject({ kind: 'missing-parent', wants: three.id })
    const taken = host.accept(end.envelope, { gap: true })
    expect(taken).toMatchObject({ kind: 'accepted', head: true, dropped: [other.id] })
    expect([host.frozen(), host.head()?.id]).toEqual([false, end.id])
  })
  test('property: whoever hears both sides, in whatever order, stands where Drops says', () => {
    const grow = (name: string, length: number) => {
      const made: Made[] = []
      for (let at = 0; at < length; at++)
        made.push(
          release({ fleet: first, previous: made.at(-1) ?? two }, { content: content(name + at) }, [bert]),
        )
      return made
    }
    const [ours, theirs] = [grow('ours', 3), grow('theirs', 5)] as const
    const end = drop(ours.at(-1)!, theirs[0]!)
    const after = release({ fleet: first, previous: end })
    const all = [...ours, end, after, ...theirs]
    const arrivals = fc.array(fc.constantFrom(...all), { maxLength: 12 })
    fc.assert(
      fc.property(arrivals, heard => {
        const host = createChain({ fleet: first.id as string as FleetId, language: 1 })
        for (const each of [first, two, ...heard, ...theirs, ...ours, end, after])
          host.accept(each.envelope, { kept: true })
        expect([host.head()?.id, host.frozen()]).toEqual([after.id, false])
      }),
      { numRuns: 300 },
    )
  })
  test('an entry with Drops that was left out ends nothing that stands on it', () => {
    const end = drop(three, sibling)
    const after = release({ fleet: first, previous: end })
    const host = chainOf([first, two, three, after])
    expect(host.accept(end.envelope)).toMatchObject({ kind: 'accepted', head: false, dropped: [] })
    expect([host.head()?.id, host.idAt(4)]).toEqual([after.id, end.id])
    expectRefusal(host.accept(sibling.envelope), 'DROPPED')

    const [before, late] = [release({ fleet: first, previous: end }), chainOf([first, two, three])]
    const last = release({ fleet: first, previous: release({ fleet: first, previous: before }) })
    expect(late.accept(last.envelope, { gap: true })).toMatchObject({ kind: 'accepted' })
    expectRefusal(late.accept(end.envelope), 'BELOW_FLOOR')
    expect(late.head()?.id).toBe(last.id)
  })
  test('REFUSE Drops of what the entry itself stands on', () => {
    const chain = chainOf([first, two, three])
    expectRefusal(chain.accept(drop(three, three).envelope), 'BROKEN_CHAIN', 'on which it stands')
    expectRefusal(chain.accept(drop(three, two).envelope), 'BROKEN_CHAIN', 'on which it stands')
    expect(chain.head()?.id).toBe(three.id)
  })
  test('REFUSE what stands on a branch that was dropped', () => {
    const chain = chainOf([first, two, three, drop(three, sibling)])
    expectRefusal(chain.accept(sibling.envelope), 'DROPPED')
    expectRefusal(chain.accept(release({ fleet: first, previous: sibling }, {}, [bert]).envelope), 'DROPPED')
  })
  test('REFUSE Drops without the threshold', () => {
    const strict = files(both, hosts(2), 2)
    const start = genesis(strict, [anna, bert])
    const chain = createChain({ fleet: start.id as string as FleetId, language: 1 })
    const [ours, theirs] = [{}, { subject: 'other' }].map(more =>
      release({ fleet: start, previous: start }, more),
    ) as [Made, Made]
    for (const each of [start, ours, theirs]) chain.accept(each.envelope)
    const end = (signers: (typeof anna)[]) =>
      release({ fleet: start, previous: ours }, { drops: theirs.id }, signers).envelope
    expectRefusal(chain.accept(end([anna])), 'THRESHOLD_NOT_MET', 'found 1; expected 2')
    expect(chain.accept(end([anna, bert]))).toMatchObject({ kind: 'accepted' })
  })
  test('REFUSE Drops by an operator who was withdrawn since, though it is well signed under the old version', () => {
    const alone = trustChange({ fleet: first, previous: three }, files([operator('anna', anna)], hosts(10)))
    const after = release({ fleet: first, previous: alone, trust: alone })
    const chain = chainOf([first, two, three, alone, after])
    const coup = release({ fleet: first, previous: two }, { drops: two.id, sequence: 9 }, [bert])
    expectRefusal(chain.accept(coup.envelope, { gap: true }), 'THRESHOLD_NOT_MET', 'found 0; expected 1')
    expect(chain.head()?.id).toBe(after.id)
  })
  test('siblings by a withdrawn operator fill no memory, and cannot crowd out a fork that counts', () => {
    const alone = trustChange({ fleet: first, previous: three }, files([operator('anna', anna)], hosts(10)))
    const chain = chainOf([first, two, three, alone])
    for (let at = 0; at < 17; at++) {
      const one = release({ fleet: first, previous: two }, { subject: `flood ${at}` }, [bert])
      expect(chain.accept(one.envelope)).toMatchObject({ kind: at < 16 ? 'fork' : 'known' })
    }
    expect(chain.frozen()).toBe(false)
    chain.accept(release({ fleet: first, previous: two }, { subject: 'mine' }).envelope)
    expect([chain.frozen(), chain.forks().length]).toEqual([true, 16])
  })
  test('the floor counts as ours even when its entry was lost', () => {
    const chain = chainOf([first, two], { floor: { sequence: 3, id: three.id } })
    expect(chain.accept(sibling.envelope)).toMatchObject({ kind: 'fork', fork: { ours: three.id } })
    expect(chain.head()?.id).toBe(two.id)
  })
})

describe('a branch on which trust has changed', () => {
  const ours = release({ fleet: first, previous: first }, { content: content('ours') })
  const after = release({ fleet: first, previous: ours }, { content: content('after') })
  const side = release({ fleet: first, previous: first }, { content: content('side') })
  const change = trustChange({ fleet: first, previous: side }, files(both, hosts(11)))
  const later = release({ fleet: first, previous: change, trust: change }, { content: content('later') })
  const end = release({ fleet: first, previous: later, trust: change }, { drops: ours.id })
  const branch = [side, change, later]

  test('stays, and who was on the other one reads it from where they parted', () => {
    const chain = chainOf([first, ours, after])
    for (const each of branch) expect(chain.accept(each.envelope)).toMatchObject({ kind: 'fork' })
    expect(chain.frozen()).toBe(true)
    expect(chain.accept(end.envelope)).toMatchObject({
      kind: 'missing-parent',
      sequence: end.sequence,
      dropped: [ours.id, after.id],
    })
    expect(chain.head()?.id).toBe(first.id)
    expect(chain.floor()?.id).toBe(end.id)
    expectRefusal(chain.accept(ours.envelope), 'DROPPED')
    expect(chain.accept(side.envelope)).toMatchObject({ kind: 'accepted' })
    expectRefusal(chain.hold(side.id, start), 'BELOW_FLOOR')
    for (const each of [change, later, end])
      expect(chain.accept(each.envelope)).toMatchObject({ kind: 'accepted', head: true })
    expect(chain.trust()?.roster.length).toBe(11)
    expect(chain.frozen()).toBe(false)
    expect(chain.hold(end.id, start)).toBeUndefined()
  })

  test('stays alone where it was followed', () => {
    const chain = chainOf([first, ...branch])
    expect(chain.accept(ours.envelope)).toMatchObject({ kind: 'fork' })
    expect(chain.accept(end.envelope)).toMatchObject({ kind: 'accepted', head: true })
    expect(chain.frozen()).toBe(false)
  })

  test('its end waits where nothing is known of it', () => {
    const chain = chainOf([first, ours, after])
    expect(chain.accept(end.envelope)).toMatchObject({
      kind: 'missing-parent',
      wants: change.id,
      dropped: [],
    })
    expect(chain.head()?.id).toBe(after.id)
  })

  test('REFUSE the end by an operator whom our own branch has withdrawn', () => {
    const alone = trustChange({ fleet: first, previous: ours }, files([operator('anna', anna)], hosts(10)))
    const chain = chainOf([first, ours, alone])
    for (const each of branch) chain.accept(each.envelope)
    const byBert = release({ fleet: first, previous: later, trust: change }, { drops: ours.id }, [bert])
    expectRefusal(chain.accept(byBert.envelope), 'THRESHOLD_NOT_MET')
    expect(chain.head()?.id).toBe(alone.id)
  })
})
