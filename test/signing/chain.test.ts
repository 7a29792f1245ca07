// The operator log: what may follow, every refusal by its name, forks and their end.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ChainOptions, createChain, type Verdict } from '../../signing/chain.ts'
import { type FleetId, openEntry } from '../../signing/entry.ts'
import type { Time } from '../../signing/fields.ts'
import {
  anna,
  bert,
  cleo,
  content,
  eve,
  files,
  genesis,
  hosts,
  type Made,
  operator,
  release,
  trustChange,
} from './fleet.ts'

const both = [operator('anna', anna), operator('bert', bert)]
const trust = files(both, hosts(10))
const first = genesis(trust)
const in2026 = Date.UTC(2026, 10, 20)

function chainOf(made: readonly Made[], options: Partial<ChainOptions> = {}) {
  const chain = createChain({ fleet: first.id as string as FleetId, language: 1, ...options })
  for (const each of made)
    expect(chain.accept(each.envelope, { gap: true })).toMatchObject({ kind: 'accepted' })
  return chain
}
const two = release({ fleet: first, previous: first })
const three = release({ fleet: first, previous: two }, { content: content('second') })
const start = { now: in2026, opened: false }

function expectRefusal(verdict: Verdict | undefined, code: string, detail = '') {
  expect(verdict).toMatchObject({ kind: 'refused', code, detail: expect.stringContaining(detail) })
}

test('entries follow one another; the second time they are known', () => {
  const chain = chainOf([])
  for (const each of [first, two, three]) {
    expect(chain.accept(each.envelope)).toMatchObject({ kind: 'accepted', head: true })
    expect(chain.accept(each.envelope)).toEqual({ kind: 'known', id: each.id })
    expect(chain.head()).toEqual({ sequence: each.sequence, id: each.id })
  }
  expect(chain.trust()).toMatchObject({ id: first.id, sequence: 1, policy: { threshold: 1 } })
  expect(chain.newestRelease()?.id).toBe(three.id)
  expect(chain.hold(three.id, start)).toBeUndefined()
})

test('an entry whose parent is missing waits for it', () => {
  expect(chainOf([]).accept(two.envelope)).toMatchObject({ kind: 'missing-parent', wants: first.id })
  expect(chainOf([first]).accept(three.envelope)).toMatchObject({ kind: 'missing-parent', wants: two.id })
  const next = files(both, hosts(11))
  const change = trustChange({ fleet: first, previous: two }, next)
  const after = release({ fleet: first, previous: change, trust: change })
  expect(chainOf([first]).accept(after.envelope, { gap: true })).toMatchObject({ wants: change.id })
})

test('property: whatever the order of arrival, the log ends the same', () => {
  const change = trustChange({ fleet: first, previous: three }, files(both, hosts(11)))
  const after = release({ fleet: first, previous: change, trust: change }, {}, [bert])
  const log = [first, two, three, change, after]
  const order = fc.shuffledSubarray(log, { minLength: log.length })
  fc.assert(
    fc.property(order, fc.boolean(), (arrivals, gap) => {
      const chain = chainOf([first])
      for (let round = 0; round < log.length; round++)
        for (const each of arrivals) chain.accept(each.envelope, { gap: gap && each.id === change.id })
      expect(chain.head()?.id).toBe(after.id)
      expect(chain.trust()?.id).toBe(change.id)
      expect(log.map(each => chain.idAt(each.sequence))).toEqual(log.map(each => each.id))
    }),
    { numRuns: 15 },
  )
})

test('a joiner needs all trust entries, the head and Stable, and nothing else', () => {
  const change = trustChange({ fleet: first, previous: three }, files(both, hosts(11)))
  const stable = release({ fleet: first, previous: change, trust: change })
  const between = release({ fleet: first, previous: stable, trust: change })
  const head = release({ fleet: first, previous: between, trust: change }, { stable: stable.id })
  const chain = chainOf([first, change, head])
  expect(chain.head()?.id).toBe(head.id)
  expect(chain.accept(stable.envelope)).toMatchObject({ kind: 'accepted', head: false })
  expect(chain.accept(between.envelope)).toMatchObject({ kind: 'accepted', head: false })
  expect(chain.head()?.id).toBe(head.id)
  expect(chain.trust()?.roster.length).toBe(11)
})

describe('a trust entry that was left out', () => {
  const alone = files([operator('anna', anna)], hosts(10))
  const change = trustChange({ fleet: first, previous: three }, alone)
  const coup = release({ fleet: first, previous: { ...three, sequence: 90 } }, {}, [bert])

  test('takes back what leaned on the trust that it ended', () => {
    const chain = chainOf([first, coup])
    expect(chain.accept(change.envelope, { gap: true })).toMatchObject({
      kind: 'accepted',
      dropped: [coup.id],
    })
    expect(chain.head()?.id).toBe(change.id)
    expectRefusal(chain.accept(coup.envelope, { gap: true }), 'BROKEN_CHAIN', 'Trust')
  })
  test('REFUSE one by operators who were withdrawn since', () => {
    const after = release({ fleet: first, previous: change, trust: change })
    const chain = chainOf([first, change, after])
    const late = trustChange(
      { fleet: first, previous: first },
      files([operator('bert', bert)], hosts(10)),
      {},
      [bert],
    )
    expectRefusal(chain.accept(late.envelope, { gap: true }), 'THRESHOLD_NOT_MET')
    expect(chain.head()?.id).toBe(after.id)
  })
})

describe('every refusal', () => {
  test('REFUSE bad signature: one over other bytes', () => {
    const wrong = release({ fleet: first, previous: two }, { subject: 'forged' })
    const tag = three.envelope.tag.slice()
    const at = Buffer.from(tag).indexOf('a release')
    tag[at] = 'A'.charCodeAt(0)
    expectRefusal(chainOf([first, two]).accept({ tag, cosigs: [] }), 'SIGNATURE_BAD', 'anna')
    expect(wrong.id).not.toBe(three.id)
  })
  test('REFUSE unknown signature: a key that is no operator', () => {
    const forged = release({ fleet: first, previous: two }, {}, [eve])
    expectRefusal(chainOf([first, two]).accept(forged.envelope), 'SIGNER_UNKNOWN', 'SHA256:')
  })
  test('REFUSE unknown signature: a key that may sign orders only', () => {
    const limited = files([operator('anna', anna), operator('eve', eve, ['fleet-fresh', 'fleet'])], hosts(1))
    const start = genesis(limited)
    const chain = createChain({ fleet: start.id as string as FleetId, language: 1 })
    chain.accept(start.envelope)
    expectRefusal(
      chain.accept(release({ fleet: start, previous: start }, {}, [eve]).envelope),
      'SIGNER_UNKNOWN',
    )
  })
  test('REFUSE wrong fleet: an entry and a genesis of another one', () => {
    const other = genesis(files([operator('anna', anna)], hosts(1)))
    expectRefusal(chainOf([first]).accept(other.envelope), 'WRONG_FLEET')
    expectRefusal(chainOf([]).accept(other.envelope), 'WRONG_FLEET', first.id)
    expectRefusal(
      chainOf([first]).accept(release({ fleet: other, previous: other }).envelope),
      'WRONG_FLEET',
      first.id,
    )
  })
  test('REFUSE sequence not above its floor', () => {
    const five = release({ fleet: first, previous: { ...three, sequence: 4 } })
    const chain = chainOf([first, five])
    expectRefusal(chain.accept(two.envelope, { gap: true }), 'BELOW_FLOOR', 'expected above 5')
  })
  test('REFUSE sequence not above its floor: a store that was lost starts nothing older', () => {
    const chain = chainOf([first, two], { floor: { sequence: 3, id: three.id } })
    expectRefusal(chain.hold(two.id, start), 'BELOW_FLOOR', 'expected at least 3')
    expect(chain.floor()?.sequence).toBe(3)
    expect(chain.accept(three.envelope)).toMatchObject({ kind: 'accepted' })
    expect(chain.hold(three.id, start)).toBeUndefined()
  })
  test('REFUSE broken chain: Previous is not the sequence before', () => {
    const skips = release({ fleet: first, previous: { ...two, sequence: 3 } })
    expectRefusal(chainOf([first, two]).accept(skips.envelope, { gap: true }), 'BROKEN_CHAIN', 'Previous')
  })
  test('REFUSE broken chain: Trust is not the newest version', () => {
    const change = trustChange({ fleet: first, previous: two }, files(both, hosts(11)))
    const stale = release({ fleet: first, previous: change })
    expectRefusal(chainOf([first, two, change]).accept(stale.envelope), 'BROKEN_CHAIN', 'Trust')
  })
  test('REFUSE content on the never list', () => {
    const listed = release({ fleet: first, previous: two }, { never: [content('bad')] })
    const chain = chainOf([first, two, listed])
    const terms = { content: content('bad'), never: [content('bad')] }
    expectRefusal(chain.accept(release({ fleet: first, previous: listed }, terms).envelope), 'NEVER')
    const forgets = release({ fleet: first, previous: listed }, { content: content('bad') })
    expectRefusal(chain.accept(forgets.envelope), 'NEVER')
    expectRefusal(
      chain.accept(release({ fleet: first, previous: listed }).envelope),
      'NEVER',
      'without Allow',
    )
    const allows = release(
      { fleet: first, previous: listed },
      { content: content('bad'), allow: [content('bad')] },
    )
    expect(chain.accept(allows.envelope)).toMatchObject({ kind: 'accepted' })
  })
  test('REFUSE content on the never list: a release that was listed later does not start', () => {
    const back = release({ fleet: first, previous: three }, { never: [content('second')] })
    expectRefusal(chainOf([first, two, three, back]).hold(three.id, start), 'NEVER')
  })
  test('REFUSE expired before it ever opened; as a link it is accepted', () => {
    const chain = chainOf([first, two])
    const late = Date.UTC(2026, 11, 1)
    expect(chain.hold(two.id, { now: late - 1, opened: false })).toBeUndefined()
    expectRefusal(chain.hold(two.id, { now: late, opened: false }), 'EXPIRED', '2026-12-01')
    expect(chain.hold(two.id, { now: late, opened: true })).toBeUndefined()
    expect(chain.hold(two.id, { now: late, opened: false, freshUntil: late + 1 })).toBeUndefined()
  })
  test('REFUSE too new a language; as a link it is accepted', () => {
    const newer = release({ fleet: first, previous: two }, { language: 2 })
    expectRefusal(chainOf([first, two, newer]).hold(newer.id, start), 'LANGUAGE_TOO_NEW', 'found 2')
  })
  test('REFUSE unparsable bytes', () => {
    expectRefusal(chainOf([first]).accept({ tag: new Uint8Array(10), cosigs: [] }), 'MALFORMED')
  })
  test('REFUSE trust files that are missing, others, or cannot be read', () => {
    const next = files(both, hosts(11))
    const { envelope } = trustChange({ fleet: first, previous: first }, next)
    const chain = chainOf([first])
    expectRefusal(chain.accept({ tag: envelope.tag, cosigs: [] }), 'TRUST_MISMATCH')
    expectRefusal(chain.accept({ ...envelope, trust }), 'TRUST_MISMATCH', 'roster')
    const broken = { ...next, hosts: new TextEncoder().encode('web1 ssh-rsa AAAA\n') }
    const signed = trustChange({ fleet: first, previous: first }, broken)
    expectRefusal(chain.accept(signed.envelope), 'TRUST_MALFORMED', 'trust/hosts:1:6')
    const tree = trustChange({ fleet: first, previous: first }, next, { object: 'd'.repeat(40) })
    expectRefusal(chain.accept(tree.envelope), 'TRUST_MISMATCH', 'tree')
  })
  test('REFUSE a trust entry without the threshold of the old and the new operators', () => {
    const strict = files([operator('bert', bert), operator('cleo', cleo)], hosts(10), 2)
    const change = (...signers: (typeof anna)[]) =>
      chainOf([first]).accept(trustChange({ fleet: first, previous: first }, strict, {}, signers).envelope)
    expectRefusal(change(anna), 'THRESHOLD_NOT_MET', 'found 0; expected 2')
    expectRefusal(change(bert), 'THRESHOLD_NOT_MET', 'found 1; expected 2')
    expectRefusal(change(bert, bert), 'THRESHOLD_NOT_MET', 'found 1; expected 2')
    expectRefusal(change(bert, eve), 'THRESHOLD_NOT_MET', 'found 1; expected 2')
    expect(change(bert, cleo)).toMatchObject({ kind: 'accepted' })
    expect(change(anna, bert, cleo)).toMatchObject({ kind: 'accepted' })
  })
  test('REFUSE a trust entry that removes hosts without their exact number', () => {
    const remove = (left: number, removes?: number) =>
      chainOf([first]).accept(
        trustChange(
          { fleet: first, previous: first },
          files(both, hosts(left)),
          removes === undefined ? {} : { removes },
        ).envelope,
      )
    expect(remove(9)).toMatchObject({ kind: 'accepted' })
    expectRefusal(remove(8), 'TRUST_REMOVES', 'found 2 of 10')
    expectRefusal(remove(8, 3), 'TRUST_REMOVES')
    expect(remove(8, 2)).toMatchObject({ kind: 'accepted' })
  })
})

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
  test('an entry with Drops ends what came across a gap from the other side', () => {
    const left = release({ fleet: first, previous: sibling }, {}, [bert])
    const far = release({ fleet: first, previous: left }, {}, [bert])
    const end = drop(three, sibling)
    // Who lacks entry 4 cannot see on which side 5 stands.
    const host = chainOf([first, two, three, far])
    expect(host.head()?.id).toBe(far.id)
    expect(host.accept(end.envelope)).toMatchObject({ kind: 'accepted', head: true, dropped: [far.id] })
    expectRefusal(host.accept(left.envelope), 'DROPPED')
    expectRefusal(host.accept(far.envelope), 'DROPPED')
    expect([host.frozen(), host.head()?.id]).toEqual([false, end.id])
  })
  test('a sibling of an entry that was left out freezes, too: the one after it names it', () => {
    const left = release({ fleet: first, previous: three })
    const after = release({ fleet: first, previous: left })
    const host = chainOf([first, two, three, after])
    const other = release({ fleet: first, previous: three }, { content: content('other') }, [bert])
    const fork = { sequence: 4, ours: left.id, theirs: other.id }
    expect(host.accept(other.envelope)).toMatchObject({ kind: 'fork', fork })
    expect(host.accept(left.envelope)).toMatchObject({ kind: 'accepted', head: false })
  })
  test('while it lasts nothing is taken across a gap: nobody sees on which side that stands', () => {
    const left = release({ fleet: first, previous: sibling }, {}, [bert])
    const far = release({ fleet: first, previous: left }, {}, [bert])
    const host = chainOf([first, two, three])
    host.accept(sibling.envelope)
    expect(host.accept(far.envelope, { gap: true })).toMatchObject({ kind: 'missing-parent', wants: left.id })
    expect(host.accept(drop(three, sibling).envelope)).toMatchObject({ kind: 'accepted' })
    expect([host.frozen(), host.head()?.sequence]).toEqual([false, 4])
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

test('an entry can be expired, signed and opened by its bytes alone', () => {
  const made = release({ fleet: first, previous: two }, { expires: '2020-01-01T00:00:00Z' as Time })
  expect(openEntry(made.envelope.tag)).toMatchObject({ kind: 'entry', id: made.id })
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
