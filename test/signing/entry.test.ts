// Entries: what is written is read, and nothing else is; any change of a signed entry is noticed.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, text, utf8 } from '../../signing/bytes.ts'
import { createChain } from '../../signing/chain.ts'
import {
  decodeEnvelope,
  type Entry,
  type EntryId,
  encodeEnvelope,
  entryBytesMax,
  envelopeOf,
  type FleetId,
  openEntry,
  type Release,
  sealEntry,
  writePayload,
} from '../../signing/entry.ts'
import type { Time } from '../../signing/fields.ts'
import { armour, readSshsig, signSshsig, splitSigned } from '../../signing/sshsig.ts'
import {
  anna,
  content,
  files,
  genesis,
  hosts,
  make,
  operator,
  release,
  tagger,
  trustChange,
} from './fleet.ts'

const trust = files([operator('anna', anna)], hosts(2))
const first = genesis(trust)
const fleet = first.id as string as FleetId

/** A blob that parses: what entries say can be tried without signing each. */
const blob = signSshsig(anna, 'git', utf8('something'))
const open = (payload: Uint8Array) => openEntry(sealEntry(payload, blob))

const full: Release = {
  kind: 'release',
  object: 'c'.repeat(40),
  tagger,
  subject: 'Raise the connection limit',
  words: 'It was too low.\n\nKind: release\nSee the ticket.',
  fleet,
  sequence: 42,
  previous: content('41') as string as EntryId,
  language: 1,
  source: 'd'.repeat(40),
  content: content('42'),
  trust: content('40') as string as EntryId,
  packs: [
    { digest: content('delta'), size: 900, base: 'e'.repeat(40) },
    { digest: content('whole'), size: 100_000, base: 'none' },
  ],
  stable: content('41') as string as EntryId,
  seed: content('39') as string as EntryId,
  never: ['a', 'b'].map(content).sort(),
  allow: [content('c')],
  drops: content('fork') as string as EntryId,
  stages: [1, 6, 18, 50, 100],
  soakSeconds: 600,
  windowSeconds: 120,
  deadlineSeconds: 1800,
  riskBasisPoints: 500,
  liarsBasisPoints: 100,
  serial: 'zone',
  expires: '2028-02-29T23:59:59Z' as Time,
}

test('an entry with everything in it comes back, words and all', () => {
  expect(open(writePayload(full))).toMatchObject({ kind: 'entry', entry: full })
})

const hexDigits = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })
const id = hexDigits(64) as fc.Arbitrary<EntryId>
const ids = fc
  .uniqueArray(hexDigits(64), { minLength: 1, maxLength: 5 })
  .map(all => all.sort()) as unknown as fc.Arbitrary<Release['never'] & {}>
const optional = <T>(key: string, value: fc.Arbitrary<T>) =>
  fc.option(value, { nil: undefined }).map(found => (found === undefined ? {} : { [key]: found }))

test('property: trailers come back', () => {
  const releases = fc
    .tuple(
      fc.record({
        sequence: fc.integer({ min: 2, max: Number.MAX_SAFE_INTEGER }),
        language: fc.integer({ min: 1, max: 9 }),
        previous: id,
        content: id as unknown as fc.Arbitrary<Release['content']>,
        trust: id,
        stages: fc
          .uniqueArray(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 64 })
          .map(all => all.sort((a, b) => a - b)),
        soakSeconds: fc.nat(2_592_000),
        riskBasisPoints: fc.nat(10_000),
        subject: fc.stringMatching(/^[ -~]{1,200}$/).filter(each => !each.startsWith('-----BEGIN')),
      }),
      optional('source', hexDigits(40)),
      optional('stable', id),
      optional('seed', id),
      optional('never', ids),
      optional('allow', ids),
      optional('drops', id),
      optional('serial', fc.stringMatching(/^[a-z][a-z0-9_-]{0,62}$/)),
    )
    .map(parts => Object.assign({}, ...parts) as Partial<Release>)
  const { source, stable, seed, never, allow, drops, serial, ...least } = full
  fc.assert(
    fc.property(releases, more => {
      const entry = { ...least, ...more }
      const opened = open(writePayload(entry))
      expect(opened).toMatchObject({ entry })
      expect(Object.keys((opened as { entry: Entry }).entry).sort()).toEqual(Object.keys(entry).sort())
    }),
  )
})

test('property: random bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      expect(openEntry(bytes)).toMatchObject({ kind: 'refused' })
      expect(open(bytes)).toMatchObject({ kind: 'refused' })
      decodeEnvelope(bytes)
    }),
  )
})

test('property: any one-byte change of a signed entry is refused', () => {
  const { tag } = release({ fleet: first, previous: first }).envelope
  fc.assert(
    fc.property(fc.nat(tag.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const chain = createChain({ fleet, language: 1 })
      chain.accept(first.envelope)
      const changed = tag.slice()
      changed[at]! ^= flip
      expect(chain.accept({ tag: changed, cosigs: [] }).kind).not.toBe('accepted')
      expect(chain.head()?.id).toBe(first.id)
    }),
    { numRuns: 40 },
  )
})

describe('REFUSE an entry', () => {
  const payload = text(writePayload(full))!
  test.each<[string, string]>([
    ['with a trailer unknown', payload.replace('Soak:', 'Sock:')],
    ['with a trailer twice', payload.replace(/(Soak: .*\n)/, '$1$1')],
    ['with trailers in another order', payload.replace(/(Soak: .*\n)(Window: .*\n)/, '$2$1')],
    ['with a trailer missing', payload.replace(/Soak: .*\n/, '')],
    ['with a trailer after the last', payload.concat('Note: hello\n')],
    ['with a trailer continued on the next line', payload.replace('Soak: 600', 'Soak:\n 600')],
    ['with two blanks after a colon', payload.replace('Soak: 600', 'Soak:  600')],
    ['with a number in another form', payload.replace('Soak: 600', 'Soak: 0600')],
    ['with a number out of range', payload.replace('Soak: 600', 'Soak: 2592001')],
    ['with a digest in capitals', payload.replace(/Content: (.*)/, found => found.toUpperCase())],
    ['with stages that do not increase', payload.replace('1 6 18', '1 6 6')],
    ['with a never list that is not sorted', payload.replace(/Never: (\S+) (\S+)/, 'Never: $2 $1')],
    ['without a full pack', payload.replace(/Pack: .* base=none\n/, '')],
    ['with a pack after the full one', payload.replace(/(Pack: .*\n)(Pack: .*\n)/, '$2$1')],
    ['with a day that does not exist', payload.replace('2028-02-29', '2027-02-29')],
    ['with a time of another zone', payload.replace('23:59:59Z', '23:59:59+01:00')],
    ['whose tag is of another sequence', payload.replace('tag fleet/42', 'tag fleet/41')],
    ['whose object is of another type', payload.replace('type commit', 'type tree')],
    ['with a header of its own', payload.replace('tagger', 'encoding x\ntagger')],
    ['with a tagger of another zone', payload.replace('+0000', '+0100')],
    ['with a tagger that is too long', payload.replace('Anna', 'A'.repeat(600))],
    ['without a subject', payload.replace('Raise the connection limit', '')],
    ['with a subject that is too long', payload.replace('Raise', 'R'.repeat(200))],
    ['with words that are too long', payload.replace('It was', 'w'.repeat(17_000))],
    ['with a blank line too many', payload.replace('\n\nIt was', '\n\n\nIt was')],
    ['with a signature in its words', payload.replace('See the', '-----BEGIN PGP SIGNATURE-----')],
    ['with CR', payload.replace('It was', 'It\rwas')],
    ['with NUL', payload.replace('It was', 'It\0was')],
    ['with a byte order mark', payload.replace('It was', '\uFEFFIt was')],
  ])('%s', (_, changed) => {
    expect(changed).not.toBe(payload)
    expect(open(utf8(changed))).toMatchObject({ code: 'MALFORMED' })
  })
  test('that is not UTF-8, or too large', () => {
    expect(open(concat(Uint8Array.of(255), utf8(payload)))).toMatchObject({ code: 'MALFORMED' })
    expect(openEntry(new Uint8Array(entryBytesMax + 1))).toMatchObject({ code: 'MALFORMED' })
  })
  test('with re-wrapped armour, bytes after it, or a second block; its id rests on none of these', () => {
    const { tag } = release({ fleet: first, previous: first }).envelope
    const { payload, blob } = splitSigned(tag)!
    const wrapped = text(armour(blob))!.replace(/^(.{64})(.{6})\n/gm, '$1\n$2\n')
    for (const tail of [wrapped, `${text(armour(blob))}\n`, text(armour(blob))!.repeat(2)])
      expect(openEntry(concat(payload, utf8(tail)))).toMatchObject({ code: 'MALFORMED' })
    const again = sealEntry(payload, signSshsig(anna, 'git', payload))
    expect(openEntry(again)).toMatchObject({ id: (openEntry(tag) as { id: string }).id })
  })
  test('signed in another namespace', () => {
    const payload = writePayload(full)
    const sealed = sealEntry(payload, signSshsig(anna, 'fleet', payload))
    expect(openEntry(sealed)).toMatchObject({ code: 'MALFORMED' })
  })
})

test('entries of all kinds come back in their envelopes', () => {
  const change = trustChange({ fleet: first, previous: first }, files([operator('anna', anna)], hosts(3)), {
    removes: 0,
    drops: content('x') as string as EntryId,
  })
  const packed = release({ fleet: first, previous: first })
  for (const envelope of [first.envelope, change.envelope, { ...packed.envelope, pack: utf8('PACK') }]) {
    const withCosigs = { ...envelope, cosigs: [blob] }
    expect(decodeEnvelope(encodeEnvelope(envelope))).toEqual(envelope)
    expect(decodeEnvelope(encodeEnvelope(withCosigs))).toEqual(withCosigs)
    expect(openEntry(envelope.tag)).toMatchObject({ kind: 'entry' })
  }
  expect(readSshsig(blob)?.key).toEqual(anna.key)
})

test('REFUSE an envelope that is oversized or of another shape', () => {
  const tag = utf8('tag')
  for (const value of [
    undefined,
    { cosigs: [] },
    { tag: 'text' },
    { tag: new Uint8Array(entryBytesMax + 1) },
    { tag, cosigs: Array(17).fill(blob) },
    { tag, cosigs: [new Uint8Array(5000)] },
    { tag, pack: new Uint8Array(16_385) },
    { tag, trust: null },
    { tag, trust: { hosts: tag, operators: tag } },
  ])
    expect(envelopeOf(value as never)).toMatchObject({ code: 'MALFORMED' })
})

test('a message says the line, what was found and what was expected', () => {
  const wrong = utf8(text(writePayload(full))!.replace('Soak: 600', 'Soak: soon'))
  expect(open(wrong)).toMatchObject({
    detail: expect.stringContaining('found "Soak: soon"; expected Soak: a number from 0 to 2592000'),
  })
  expect(make(full, [anna]).sequence).toBe(42)
})
