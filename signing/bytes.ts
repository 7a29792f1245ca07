// Bytes and their texts: one value, one spelling. Every decoder here is strict and answers undefined instead of
// guessing; what the bytes mean is left to the formats.

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** The text of UTF-8 bytes; undefined when they are not UTF-8. A byte order mark is kept, as U+FEFF. */
export function text(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** Lowercase hexadecimal. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** The bytes of lowercase hexadecimal; undefined for anything else, or when there are not `size` bytes. */
export function unhex(text: string, size?: number): Uint8Array | undefined {
  if (!/^(?:[0-9a-f]{2})*$/.test(text)) return undefined
  if (size !== undefined && text.length !== 2 * size) return undefined
  return plain(Buffer.from(text, 'hex'))
}

/** Base64 with padding (RFC 4648 section 4). */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/** The bytes of Base64 in its one spelling: padded, no blanks, unused bits zero; else undefined. */
export function unbase64(text: string): Uint8Array | undefined {
  return spelled(text, 'base64')
}

/** Base64 for URLs, without padding (RFC 4648 section 5). */
export function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}

/** The bytes of base64url in its one spelling, else undefined. */
export function unbase64url(text: string): Uint8Array | undefined {
  return spelled(text, 'base64url')
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Negative, zero or positive: bytewise order, a prefix before what it begins. For `sort`. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

/** Where `needle` first stands in `bytes`, at `from` or later; -1 when nowhere. */
export function indexOf(bytes: Uint8Array, needle: Uint8Array, from = 0): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(needle, from)
}

/** 4 bytes, big-endian. */
export function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

/** 8 bytes, big-endian; `value` is an integer from 0 to 2^53 − 1. */
export function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}

function spelled(text: string, encoding: 'base64' | 'base64url'): Uint8Array | undefined {
  const bytes = Buffer.from(text, encoding)
  return bytes.toString(encoding) === text ? plain(bytes) : undefined
}

/** A Uint8Array of its own: a Buffer compares unequal to it in tests and shares a pool. */
function plain(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes)
}
