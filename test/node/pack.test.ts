// The byte-defined pack: made again byte for byte, taken by stock git, and nothing else is accepted.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import {
  packIndex,
  packSize,
  packSizeMax,
  readIndex,
  readObject,
  type Source,
  scanPack,
  writePack,
} from '../../node/pack.ts'
import { walkRelease } from '../../node/tree.ts'
import { concat, hex, uint32, unhex, utf8 } from '../../signing/bytes.ts'
import { sha1, sha256 } from '../../signing/crypto.ts'
import { blob, checkPack, makePack, type Objects, release, source } from './pack-maker.ts'

const scratch = mkdtempSync(join(tmpdir(), 'fleet-pack-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const files = {
  'site.steps': utf8('MKDIR /srv/a\n'),
  'files/empty': new Uint8Array(),
  'files/run*': utf8('#!/bin/sh\n'),
  'files/two-blocks': new Uint8Array(65_536).map((_, at) => at * 7),
  'files/one-block': new Uint8Array(65_535).fill(3),
  'trust/hosts': utf8('# nobody\n'),
}
const good = release(files)
const pack = makePack(good.objects)

/** A pack with this body and count, its trailer right. */
function sealed(count: number, ...entries: readonly Uint8Array[]): Uint8Array {
  const body = concat(utf8('PACK'), uint32(2), uint32(count), ...entries)
  return concat(body, sha1(body))
}
/** The entries of a pack of these objects, sorted. */
const entriesOf = (objects: Objects) =>
  [...writePack(objects, oid => objects.find(o => o.oid === oid)!.bytes)].slice(1, -1)
const refusal = (bytes: Uint8Array) => {
  const found = checkPack(bytes, good.commit)
  return found.kind === 'refused' ? `${found.code} ${found.detail}` : found.kind
}

describe('the form', () => {
  test('golden: the fixture is made again byte for byte', () => {
    const path = join(import.meta.dirname, '../fixtures/pack/release.pack.hex')
    const small = release({
      'site.steps': utf8('COPY files/motd /etc/motd\n'),
      'files/motd': utf8('hello\n'),
      'files/empty': new Uint8Array(),
    })
    const made = hex(makePack(small.objects)).replace(/.{64}/g, '$&\n')
    if (process.env['FLEET_WRITE_FIXTURES']) writeFileSync(path, `${made}\n`)
    expect(existsSync(path)).toBe(true)
    const text = readFileSync(path, 'utf8').trimEnd()
    expect(made).toBe(text)
    const walked = checkPack(unhex(text.replaceAll('\n', ''))!, small.commit)
    expect(walked.kind === 'walked' && walked.release.content).toBe(
      '2186b3becbee879879d553c5a6d4e4ee337dc8c7d37d18f6cf1f10682b7566ff',
    )
  })

  test('a pack, its index and its objects are what stock git expects', () => {
    const git = join(scratch, 'stock.git')
    execFileSync('git', ['init', '-q', '--bare', git])
    mkdirSync(join(git, 'objects/pack'), { recursive: true })
    const file = join(git, 'objects/pack/pack-x.pack')
    writeFileSync(file, pack)
    const run = (...args: string[]) =>
      execFileSync('git', ['-C', git, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    run('index-pack', '--strict', '-o', join(scratch, 'stock.idx'), file)
    const scanned = scan(pack)
    expect(hex(packIndex(scanned))).toBe(readFileSync(join(scratch, 'stock.idx')).toString('hex'))
    writeFileSync(join(git, 'objects/pack/pack-x.idx'), packIndex(scanned))
    run('update-ref', 'refs/heads/main', good.commit)
    run('symbolic-ref', 'HEAD', 'refs/heads/main')
    expect(run('fsck', '--strict', '--no-progress').toString()).toBe('')
    for (const [oid, object] of scanned.objects)
      expect(hex(readObject(source(pack), object)), oid).toBe(
        run('cat-file', object.type, oid).toString('hex'),
      )
    const index = readIndex(packIndex(scanned))
    expect(index?.offsetOf(good.commit)).toBe(scanned.objects.get(good.commit)?.offset)
    expect(index?.offsetOf('0'.repeat(40))).toBeUndefined()
  })

  test('the size is known before it is made', () => {
    expect(packSize(good.objects.map(object => object.bytes.length))).toBe(pack.length)
  })

  test('order of the objects given does not matter', () => {
    expect(makePack([...good.objects].reverse())).toEqual(pack)
  })
})

describe('what is refused', () => {
  const entries = entriesOf(good.objects)
  const count = entries.length
  const stray = blob(utf8('nobody asked for me'))
  const objectsWithout = (path: string) =>
    good.objects.filter(o => o.oid !== blob(files[path as keyof typeof files]!).oid)
  const sortedWith = (extra: Uint8Array, oid: string) =>
    [...good.objects.map(o => ({ oid: o.oid, entry: entriesOf([o])[0]! })), { oid, entry: extra }]
      .sort((a, b) => (a.oid < b.oid ? -1 : 1))
      .map(each => each.entry)
  const bomb = concat(Uint8Array.of(0xb0 | 0, 0x80, 0x80, 0x08), deflateSync(new Uint8Array(1 << 20)))
  const flip = (at: number, bytes = pack) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))

  const cases: [string, Uint8Array, RegExp][] = [
    ['half a pack', pack.slice(0, pack.length / 2), /^PACK_FORM/],
    ['an empty file', new Uint8Array(), /^PACK_FORM 0 bytes/],
    ['another version', sealed(0).map((b, i) => (i === 7 ? 3 : b)), /^PACK_FORM it starts with/],
    ['a wrong trailer', flip(pack.length - 1), /^PACK_FORM its trailer/],
    ['a count too high', sealed(count + 1, ...entries), /^PACK_FORM object \d+/],
    ['a count too low', sealed(count - 1, ...entries), /^PACK_FORM \d+ bytes after the last/],
    ['trailing bytes', concat(pack, Uint8Array.of(0)), /^PACK_FORM/],
    ['a duplicate object', sealed(count + 1, entries[0]!, ...entries), /^PACK_FORM object 1: .* each once/],
    ['objects out of order', sealed(count, ...[...entries].reverse()), /^PACK_FORM object 1: .*ascending/],
    ['a compressed bomb', sealed(1, bomb), /^PACK_FORM object 0 .*compressed/],
    [
      'a compressed block',
      sealed(1, concat(Uint8Array.of(0x33), deflateSync(utf8('abc'), { level: 9 }), new Uint8Array(9))),
      /zlib header 78da/,
    ],
    ['a delta', sealed(1, concat(Uint8Array.of(0x73), new Uint8Array(40))), /a delta/],
    ['an unknown type', sealed(1, concat(Uint8Array.of(0x53), new Uint8Array(40))), /type 5/],
    [
      'a header longer than needed',
      sealed(1, concat(Uint8Array.of(0xb0, 0x00), entriesOf([blob(new Uint8Array())])[0]!.slice(1))),
      /longer than it needs/,
    ],
    [
      'a wrong Adler-32',
      sealed(1, flip(entriesOf([stray])[0]!.length - 1, entriesOf([stray])[0])),
      /wrong Adler-32/,
    ],
    [
      'an object of 40 MiB',
      sealed(1, concat(Uint8Array.of(0xb0, 0x80, 0x80, 0xc0, 0x01), new Uint8Array(64))),
      /^PACK_TOO_LARGE a blob/,
    ],
    ['a count of a million', sealed(1_000_000), /^PACK_TOO_LARGE 1000000 objects/],
    ['a missing blob', makePack(objectsWithout('site.steps')), /^PACK_MISSING blob .* of site.steps/],
    [
      'a missing tree',
      makePack(good.objects.filter(o => o.type !== 'tree')),
      /^PACK_MISSING tree .* of the root/,
    ],
    ['a missing commit', makePack(good.objects.filter(o => o.type !== 'commit')), /^PACK_MISSING commit/],
    [
      'an extra object',
      sealed(count + 1, ...sortedWith(entriesOf([stray])[0]!, stray.oid)),
      /^PACK_EXTRA blob/,
    ],
  ]
  test.each(cases)('%s', (_, bytes, expected) => expect(refusal(bytes)).toMatch(expected))

  test('a pack above the limit is refused unread', () => {
    const found = scanPack({ size: packSizeMax + 1, read: () => expect.fail('was read') }).next()
    expect(found.value).toMatchObject({ kind: 'refused', code: 'PACK_TOO_LARGE' })
  })

  test('any flipped byte', () => {
    const small = release({ a: utf8('one'), 'b/c': utf8('two') })
    const bytes = makePack(small.objects)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const found = checkPack(
          bytes.map((byte, index) => (index === at ? byte ^ mask : byte)),
          small.commit,
        )
        expect(found.kind).toBe('refused')
      }),
    )
  })

  test('any bytes, without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(5), (bytes, n) => {
        expect(checkPack(bytes, good.commit).kind).toBe('refused')
        expect(checkPack(sealed(n, bytes), good.commit).kind).toBe('refused')
      }),
    )
  })

  test('any files come back as they were', () => {
    const path = fc.stringMatching(/^([A-Z]{1,3}\/){0,2}[a-z]{1,3}$/)
    fc.assert(
      fc.property(fc.dictionary(path, fc.uint8Array({ maxLength: 40 }), { minKeys: 1, maxKeys: 8 }), tree => {
        const made = release(tree)
        const found = checkPack(makePack(made.objects), made.commit)
        if (found.kind !== 'walked') return expect.fail(found.detail)
        expect(found.release.listing.size).toBe(Object.keys(tree).length)
        for (const [name, bytes] of Object.entries(tree))
          expect(found.release.listing.get(name)).toEqual({
            mode: '100644',
            sha256: hex(sha256(bytes)),
            size: bytes.length,
          })
        const paths = [...found.release.listing.keys()]
        expect(paths).toEqual([...paths].sort((a, b) => Buffer.compare(utf8(a), utf8(b))))
      }),
    )
  })
})

function scan(bytes: Uint8Array) {
  const reader: Source = source(bytes)
  const work = scanPack(reader)
  for (;;) {
    const step = work.next()
    if (!step.done) continue
    if (step.value.kind === 'refused') throw new Error(step.value.detail)
    return step.value
  }
}

test('walkRelease answers what it lacks when nothing is there', () => {
  expect(walkRelease('0'.repeat(40), () => undefined)).toMatchObject({ code: 'PACK_MISSING' })
})
