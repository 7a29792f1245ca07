// CBOR as the fleet writes and reads it: the core deterministic encoding (RFC 8949 section 4.2.1) and no other.
// What the values mean, and how large they may be, is left to the formats.
import { decode as read } from 'cborg'
import { equal } from './bytes.ts'
import { writeCbor } from './cbor-write.ts'

export type Cbor = null | boolean | number | string | Uint8Array | readonly Cbor[] | CborMap
/** Decoded maps have no prototype: an absent key is undefined whatever its name. */
export type CborMap = { readonly [key: string]: Cbor }
/** What may be written: keys whose value is undefined are left out. */
export type CborSource =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly CborSource[]
  | { readonly [key: string]: CborSource | undefined }

/** The one encoding of a value. Numbers are integers within ±2^53. */
export function encode(value: CborSource): Uint8Array {
  return writeCbor(value)
}

/**
 * The value of bytes in the one encoding; undefined for anything else: other spellings, keys out of order or twice or
 * not text, tags, floats, undefined, integers beyond ±2^53, bad UTF-8, bytes after the item. The caller bounds
 * `bytes.length`.
 */
export function decode(bytes: Uint8Array): Cbor | undefined {
  try {
    const value: unknown = read(bytes, strict)
    // Whatever the reader let pass (bad UTF-8, 1.0, order of keys) comes out differently here.
    if (!equal(writeCbor(value), bytes)) return undefined
    return plain(value)
  } catch {
    return undefined // cborg throws on bad bytes, and the stack overflows on absurd nesting
  }
}

/** As `decode`, for bytes that must hold a map. */
export function decodeMap(bytes: Uint8Array): CborMap | undefined {
  const value = decode(bytes)
  return value !== undefined && isMap(value) ? value : undefined
}

export function isMap(value: Cbor | undefined): value is CborMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isBytes(value)
}

export function isList(value: Cbor | undefined): value is readonly Cbor[] {
  return Array.isArray(value)
}

/** Whether the value is a byte string, of `size` bytes if given. */
export function isBytes(value: unknown, size?: number): value is Uint8Array {
  return value instanceof Uint8Array && (size === undefined || value.length === size)
}

/** Whether the value is an integer from `least` (default 0) to `most` (default 2^53 − 1). */
export function isNumber(
  value: Cbor | undefined,
  least = 0,
  most = Number.MAX_SAFE_INTEGER,
): value is number {
  return typeof value === 'number' && value >= least && value <= most
}

const strict = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowBigInt: false,
  allowNaN: false,
  allowInfinity: false,
  rejectDuplicateMapKeys: true,
  useMaps: true,
}

function plain(value: unknown): Cbor {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number' && Number.isSafeInteger(value) && !Object.is(value, -0)) return value
  if (value instanceof Uint8Array) return value
  if (Array.isArray(value)) return value.map(plain)
  if (!(value instanceof Map)) throw new TypeError('a kind of value that the formats do not use')
  const map: { [key: string]: Cbor } = Object.create(null)
  for (const [key, each] of value) {
    if (typeof key !== 'string') throw new TypeError('a key that is not text')
    map[key] = plain(each)
  }
  return map
}
