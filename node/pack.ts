// The one byte-defined form of a git pack (docs/formats.md section 6): written, and read strictly, so that nothing is
// ever inflated. What the objects mean is tree.ts's; files and the order of writes are git.ts's.
import assert from 'node:assert'
import { compare, concat, equal, hex, uint32, unhex, utf8 } from '../signing/bytes.ts'
import { hasher } from '../signing/crypto.ts'
import type { PackRefusal, Refused } from './ports.ts'

/** A release is configuration; larger artefacts are named by digest and fetched apart from git. Bytes. */
export const packSizeMax = 64 << 20
/** 20 times the 5,000 files that we measure with; an index of as many takes 20 MB of memory. */
export const packObjectsMax = 100_000
/** Read whole into memory when it is applied. Bytes. */
export const blobSizeMax = 32 << 20
/** Trees and commits are kept in memory while a pack is checked: 100,000 entries of 300 bytes. Bytes. */
export const treeBytesMax = 32 << 20

export type ObjectType = 'commit' | 'tree' | 'blob' | 'tag'

/** git's numbers (gitformat-pack); 6 and 7 are deltas. */
const typeNumbers = { commit: 1, tree: 2, blob: 3, tag: 4 } as const
const typeNames = new Map<number, ObjectType>([
  [1, 'commit'],
  [2, 'tree'],
  [3, 'blob'],
  [4, 'tag'],
])

/** RFC 1951 section 3.2.4: the length of a stored block has 16 bits. */
const blockMax = 65_535
const headSize = 12
const trailerSize = 20

/** Random access to a pack. What `read` answers holds until the next `read`. */
export interface Source {
  readonly size: number
  /** Exactly `length` bytes from `offset`; the caller stays inside `size`. */
  read(offset: number, length: number): Uint8Array
}

/** Where an object stands in a pack, and what was learnt of it. */
export interface PackedObject {
  readonly type: ObjectType
  /** Bytes of its content. */
  readonly size: number
  /** Of its header, from the start of the pack. */
  readonly offset: number
  /** Of its zlib stream. */
  readonly body: number
  /** Of header and stream, as the index has it. */
  readonly crc32: number
  /** Of the content, lowercase hex; blobs only. */
  readonly sha256?: string
  /** The content; all but blobs. */
  readonly bytes?: Uint8Array
}

export interface ScannedPack {
  readonly kind: 'scanned'
  /** By object id, ascending. */
  readonly objects: ReadonlyMap<string, PackedObject>
  /** SHA-1 at the end of the pack. */
  readonly trailer: Uint8Array
}

export function refuse(code: PackRefusal, detail: string): Refused {
  return { kind: 'refused', code, detail }
}

/** git's object id of a content. */
export function objectId(type: ObjectType, bytes: Uint8Array): string {
  return hex(hasher('sha1').update(objectHead(type, bytes.length)).update(bytes).digest())
}

/** Bytes of a pack of objects with these sizes. */
export function packSize(sizes: Iterable<number>): number {
  let total = headSize + trailerSize
  for (const size of sizes) total += entryHead(1, size).length + bodySize(size)
  return total
}

/**
 * The pack of these objects, in pieces; the same bytes on every host, in whatever order they are given. Each object
 * once; `content` is asked once for each, in the order of the ids.
 */
export function* writePack(
  objects: readonly { readonly oid: string; readonly type: ObjectType }[],
  content: (oid: string) => Uint8Array,
): Generator<Uint8Array> {
  const sorted = [...objects].sort((a, b) => (a.oid < b.oid ? -1 : 1))
  const all = hasher('sha1')
  const head = concat(utf8('PACK'), uint32(2), uint32(sorted.length))
  all.update(head)
  yield head
  for (const { oid, type } of sorted) {
    const entry = writeEntry(type, content(oid))
    all.update(entry)
    yield entry
  }
  yield all.digest()
}

/**
 * Reads a pack from end to end and refuses all but the byte-defined form, within the limits above. Yields after each
 * object, so that a caller may let others run.
 */
export function* scanPack(source: Source): Generator<undefined, ScannedPack | Refused> {
  if (source.size > packSizeMax)
    return refuse('PACK_TOO_LARGE', `${source.size} bytes, at most ${packSizeMax} are taken`)
  if (source.size < headSize + trailerSize) return refuse('PACK_FORM', `${source.size} bytes are no pack`)
  const end = source.size - trailerSize
  const all = hasher('sha1')
  const head = source.read(0, headSize)
  all.update(head)
  if (!equal(head.subarray(0, 8), concat(utf8('PACK'), uint32(2))))
    return refuse('PACK_FORM', `it starts with ${hex(head.subarray(0, 8))}, not with PACK and version 2`)
  const count = readUint32(head, 8)
  if (count > packObjectsMax)
    return refuse('PACK_TOO_LARGE', `${count} objects, at most ${packObjectsMax} are taken`)

  const objects = new Map<string, PackedObject>()
  let at = headSize
  let before = ''
  let treeBytes = 0
  for (let index = 0; index < count; index++) {
    const entry = scanEntry(source, at, end, all)
    if (typeof entry === 'string') return refuse('PACK_FORM', `object ${index} at byte ${at}: ${entry}`)
    if (entry.kind === 'refused') return entry
    if (entry.oid <= before)
      return refuse(
        'PACK_FORM',
        `object ${index}: ${entry.oid} after ${before}, expected ascending order, each once`,
      )
    if (entry.object.bytes && (treeBytes += entry.object.size) > treeBytesMax)
      return refuse('PACK_TOO_LARGE', `more than ${treeBytesMax} bytes of trees`)
    objects.set((before = entry.oid), entry.object)
    at = entry.object.body + bodySize(entry.object.size)
    yield
  }
  if (at !== end) return refuse('PACK_FORM', `${end - at} bytes after the last of ${count} objects`)
  const trailer = source.read(end, trailerSize).slice()
  if (!equal(trailer, all.digest())) return refuse('PACK_FORM', 'its trailer is not the SHA-1 of its bytes')
  return { kind: 'scanned', objects, trailer }
}

/** The content of an object of a pack that was scanned. */
export function readObject(source: Source, { body, size }: Pick<PackedObject, 'body' | 'size'>): Uint8Array {
  const content = new Uint8Array(size)
  for (let done = 0, at = body + 2; done < size; at += 5 + blockMax, done += blockMax)
    content.set(source.read(at + 5, Math.min(blockMax, size - done)), done)
  return content
}

/** The index beside a pack, version 2 (gitformat-pack). */
export function packIndex(pack: Pick<ScannedPack, 'objects' | 'trailer'>): Uint8Array {
  const count = pack.objects.size
  const index = new Uint8Array(indexHead + count * 28 + 2 * trailerSize)
  const view = new DataView(index.buffer)
  view.setUint32(0, indexMagic)
  view.setUint32(4, 2)
  let row = 0
  for (const [oid, { offset, crc32 }] of pack.objects) {
    const raw = unhex(oid, 20)
    assert(raw)
    for (let first = raw[0]!; first < 256; first++) view.setUint32(8 + 4 * first, row + 1)
    index.set(raw, indexHead + 20 * row)
    view.setUint32(indexHead + 20 * count + 4 * row, crc32)
    view.setUint32(indexHead + 24 * count + 4 * row, offset)
    row++
  }
  index.set(pack.trailer, indexHead + 28 * count)
  index.set(hasher('sha1').update(index.subarray(0, -trailerSize)).digest(), index.length - trailerSize)
  return index
}

const indexMagic = 0xff744f63
const indexHead = 8 + 4 * 256

/** What an index says: the pack's trailer, and where an object stands; undefined when the index is damaged. */
export function readIndex(
  index: Uint8Array,
): { trailer: Uint8Array; offsetOf(oid: string): number | undefined } | undefined {
  if (index.length < indexHead + 2 * trailerSize || readUint32(index, 0) !== indexMagic) return undefined
  const count = readUint32(index, indexHead - 4)
  if (count > packObjectsMax || index.length !== indexHead + 28 * count + 2 * trailerSize) return undefined
  const body = index.subarray(0, -trailerSize)
  if (!equal(hasher('sha1').update(body).digest(), index.subarray(-trailerSize))) return undefined
  return {
    trailer: body.subarray(-trailerSize),
    offsetOf: oid => {
      const wanted = unhex(oid, 20)
      assert(wanted)
      let [low, high] = [0, count]
      while (low < high) {
        const middle = (low + high) >> 1
        const at = indexHead + 20 * middle
        const order = compare(index.subarray(at, at + 20), wanted)
        if (order === 0) return readUint32(index, indexHead + 24 * count + 4 * middle)
        if (order < 0) low = middle + 1
        else high = middle
      }
      return undefined
    },
  }
}

/** The object whose header stands at `offset`; words when there is none in the byte-defined form. */
export function objectAt(source: Source, offset: number): { type: ObjectType; bytes: Uint8Array } | string {
  const entry = scanEntry(source, offset, source.size - trailerSize, hasher('sha1'))
  if (typeof entry === 'string') return entry
  if (entry.kind === 'refused') return entry.detail
  return { type: entry.object.type, bytes: entry.object.bytes ?? readObject(source, entry.object) }
}

function writeEntry(type: ObjectType, content: Uint8Array): Uint8Array {
  const head = entryHead(typeNumbers[type], content.length)
  const entry = new Uint8Array(head.length + bodySize(content.length))
  entry.set(head)
  entry.set([0x78, 0x01], head.length)
  let at = head.length + 2
  let done = 0
  do {
    const block = content.subarray(done, done + blockMax)
    done += block.length
    entry.set(blockHead(block.length, done === content.length), at)
    entry.set(block, at + 5)
    at += 5 + block.length
  } while (done < content.length)
  entry.set(uint32(adler32(1, content)), at)
  return entry
}

/**
 * One object at `at`; its bytes are fed to `all`. A size is believed only once it is known to fit into the pack, and
 * since nothing is compressed, a small pack cannot stand for a large object.
 */
function scanEntry(
  source: Source,
  at: number,
  end: number,
  all: { update(bytes: Uint8Array): unknown },
): { kind: 'entry'; oid: string; object: PackedObject } | Refused | string {
  const head = readHead(source, at, end)
  if (typeof head === 'string') return head
  const { size, length } = head
  const type = typeNames.get(head.type)
  if (!type) return head.type === 6 || head.type === 7 ? 'a delta' : `type ${head.type}`
  if (size > (type === 'blob' ? blobSizeMax : treeBytesMax))
    return refuse('PACK_TOO_LARGE', `a ${type} of ${size} bytes`)
  const body = at + length
  if (body + bodySize(size) > end) return `a ${type} of ${size} bytes does not fit, or is compressed`

  let crc = crc32(0, feed(all, source.read(at, length)))
  const zlib = feed(all, source.read(body, 2))
  if (zlib[0] !== 0x78 || zlib[1] !== 0x01) return `zlib header ${hex(zlib)}, expected 7801`
  crc = crc32(crc, zlib)
  const id = hasher('sha1').update(objectHead(type, size))
  const content = type === 'blob' ? hasher('sha256') : undefined
  const bytes = type === 'blob' ? undefined : new Uint8Array(size)
  let adler = 1
  let from = body + 2
  let done = 0
  do {
    const length = Math.min(blockMax, size - done)
    const block = feed(all, source.read(from, 5 + length))
    if (!equal(block.subarray(0, 5), blockHead(length, done + length === size)))
      return `block header ${hex(block.subarray(0, 5))}, expected a stored block of ${length} bytes`
    const data = block.subarray(5)
    crc = crc32(crc, block)
    adler = adler32(adler, data)
    id.update(data)
    content?.update(data)
    bytes?.set(data, done)
    done += length
    from += 5 + length
  } while (done < size)
  const sum = feed(all, source.read(from, 4))
  if (readUint32(sum, 0) !== adler) return 'wrong Adler-32'
  const known = { type, size, offset: at, body, crc32: crc32(crc, sum) }
  const learnt = bytes ? { bytes } : { sha256: hex(content!.digest()) }
  return { kind: 'entry', oid: hex(id.digest()), object: { ...known, ...learnt } }
}

function feed(all: { update(bytes: Uint8Array): unknown }, bytes: Uint8Array): Uint8Array {
  all.update(bytes)
  return bytes
}

/** Type and size: 4 bits of the size, then 7 at a time, low ones first (gitformat-pack). */
function entryHead(type: number, size: number): Uint8Array {
  const bytes = [(type << 4) | (size & 15)]
  for (let rest = size >>> 4; rest > 0; rest >>>= 7) {
    bytes[bytes.length - 1]! |= 0x80
    bytes.push(rest & 0x7f)
  }
  return Uint8Array.from(bytes)
}

function readHead(
  source: Source,
  at: number,
  end: number,
): { type: number; size: number; length: number } | string {
  // 4 + 4 × 7 = 32 bits: more than any size that is taken.
  const bytes = source.read(at, Math.max(0, Math.min(5, end - at)))
  const last = bytes.findIndex(byte => byte < 0x80)
  if (last < 0) return 'no end of its header'
  const type = (bytes[0]! >> 4) & 7
  let size = bytes[0]! & 15
  for (let index = 1; index <= last; index++) size += (bytes[index]! & 0x7f) * 2 ** (7 * index - 3)
  if (last > 0 && bytes[last] === 0) return 'its header is longer than it needs to be'
  return { type, size, length: last + 1 }
}

function blockHead(length: number, final: boolean): Uint8Array {
  return Uint8Array.of(final ? 1 : 0, length & 0xff, length >> 8, ~length & 0xff, (~length >> 8) & 0xff)
}

/** Bytes of the zlib stream of a content: header, stored blocks, Adler-32. */
function bodySize(size: number): number {
  return 2 + 5 * Math.max(1, Math.ceil(size / blockMax)) + size + 4
}

function objectHead(type: ObjectType, size: number): Uint8Array {
  return utf8(`${type} ${size}\0`)
}

function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

/** RFC 1950 section 8; `sum` is 1 at first. */
function adler32(sum: number, bytes: Uint8Array): number {
  let [low, high] = [sum & 0xffff, sum >>> 16]
  for (let at = 0; at < bytes.length; ) {
    // 3,800 bytes fit into 31 bits before the sums must be reduced.
    for (const stop = Math.min(bytes.length, at + 3800); at < stop; at++) high += low += bytes[at]!
    low %= 65_521
    high %= 65_521
  }
  return ((high << 16) | low) >>> 0
}

const crcTable = Int32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1
  return byte
})

/** RFC 1952 section 8; `sum` is 0 at first. */
function crc32(sum: number, bytes: Uint8Array): number {
  let value = ~sum
  for (let at = 0; at < bytes.length; at++) value = crcTable[(value ^ bytes[at]!) & 0xff]! ^ (value >>> 8)
  return ~value >>> 0
}
