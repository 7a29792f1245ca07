// Writes the core deterministic encoding of CBOR (RFC 8949 section 4.2.1) of the values that the formats use, and throws on
// all others. Of our own, since every message and status is written here: six times as fast as a library for everything.

/** What is written, kept for the next time: grows to the largest value written. */
let room = Buffer.allocUnsafeSlow(64 * 1024)
let at = 0

/** Maps may be objects or Maps; keys whose value is undefined are left out. Numbers are whole, within ±2^53. */
export function writeCbor(value: unknown): Uint8Array {
  at = 0
  item(value)
  return new Uint8Array(room.subarray(0, at))
}

function item(value: unknown): void {
  if (typeof value === 'string') text(value)
  else if (typeof value === 'number') number(value)
  else if (value instanceof Uint8Array) {
    head(0x40, value.length)
    reserve(value.length)
    room.set(value, at)
    at += value.length
  } else if (Array.isArray(value)) {
    head(0x80, value.length)
    for (const each of value) item(each)
  } else if (value === null || typeof value === 'boolean') {
    reserve(1)
    room[at++] = value === null ? 0xf6 : value ? 0xf5 : 0xf4
  } else if (value instanceof Map) map([...value.keys()], key => value.get(key))
  else if (typeof value === 'object')
    map(Object.keys(value), key => (value as Readonly<Record<string, unknown>>)[key])
  else throw new TypeError('a kind of value that the formats do not use')
}

function map(all: unknown[], of: (key: string) => unknown): void {
  const keys: string[] = []
  let ascii = true
  for (const key of all) {
    if (typeof key !== 'string') throw new TypeError('a key that is not text')
    if (of(key) === undefined) continue
    ascii &&= Buffer.byteLength(key) === key.length
    keys.push(key)
  }
  keys.sort(ascii ? byLength : byBytes)
  head(0xa0, keys.length)
  for (const key of keys) {
    text(key)
    item(of(key))
  }
}

/** By the encoded keys: the head says the length, so shorter ones come first. */
function byLength(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1)
}

function byBytes(a: string, b: string): number {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length - right.length || Buffer.compare(left, right)
}

function text(value: string): void {
  const length = Buffer.byteLength(value)
  head(0x60, length)
  reserve(length)
  at += room.write(value, at, length)
}

function number(value: number): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new TypeError('a number that is not whole')
  if (value >= 0) head(0x00, value)
  else head(0x20, -1 - value)
}

/** A major type with its argument, as short as may be. */
function head(type: number, argument: number): void {
  reserve(9)
  if (argument < 24) room[at++] = type | argument
  else if (argument < 0x100) {
    room[at++] = type | 24
    room[at++] = argument
  } else if (argument < 0x10000) {
    room[at++] = type | 25
    at = room.writeUInt16BE(argument, at)
  } else if (argument < 0x100000000) {
    room[at++] = type | 26
    at = room.writeUInt32BE(argument, at)
  } else {
    room[at++] = type | 27
    at = room.writeUInt32BE(Math.floor(argument / 0x100000000), at)
    at = room.writeUInt32BE(argument % 0x100000000, at)
  }
}

function reserve(bytes: number): void {
  if (at + bytes <= room.length) return
  const larger = Buffer.allocUnsafeSlow(Math.max(2 * room.length, at + bytes))
  larger.set(room.subarray(0, at))
  room = larger
}
