// The operator log: what may follow, and every refusal by its name.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createChain } from '../../signing/chain.ts'
import { type FleetId, openEntry } from '../../signing/entry.ts'
import type { Time } from '../../signing/fields.ts'
import { both, chainOf, expectRefusal, first, start, three, trust, two } from './chains.ts'
import {
  anna,
  bert,
  cleo,
  content,
  eve,
  files,
  genesis,
  hosts,
  operator,
  release,
  trustChange,
} from './fleet.ts'

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

test('an entry can be expired, signed and opened by its bytes alone', () => {
  const made = release({ fleet: first, previous: two }, { expires: '2020-01-01T00:00:00Z' as Time })
  expect(openEntry(made.envelope.tag)).toMatchObject({ kind: 'entry', id: made.id })
})
