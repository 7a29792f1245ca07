// Hashes and Ed25519: the one core that calls node:crypto and tweetnacl. It decides whether a signature is good,
// the same way on every host and platform; who may sign is decided elsewhere.
import assert from 'node:assert'
import { createHash, createPrivateKey, createPublicKey, sign as platformSign, verify } from 'node:crypto'
import nacl from 'tweetnacl'
import { compare, utf8 } from './bytes.ts'

export type HashName = 'sha1' | 'sha256' | 'sha512'

/** A hash fed in pieces; nothing may be fed after `digest`. */
export interface Hasher {
  update(bytes: Uint8Array): Hasher
  digest(): Uint8Array
}

export function hasher(name: HashName): Hasher {
  const hash = createHash(name)
  const self: Hasher = {
    update(bytes) {
      hash.update(bytes)
      return self
    },
    digest: () => new Uint8Array(hash.digest()),
  }
  return self
}

/** 20 bytes; for git's object ids and trailers only, never for safety. */
export function sha1(bytes: Uint8Array): Uint8Array {
  return hasher('sha1').update(bytes).digest()
}

/** 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return hasher('sha256').update(bytes).digest()
}

/** 64 bytes. */
export function sha512(bytes: Uint8Array): Uint8Array {
  return hasher('sha512').update(bytes).digest()
}

/** A domain prefix: says what a digest or signature is for, so that it can stand for nothing else. */
export type Domain = `fleet/${string}/${number}`

/** SHA-256 over the domain's ASCII bytes and the parts, joined without separators. */
export function digest(domain: Domain, ...parts: readonly Uint8Array[]): Uint8Array {
  const hash = hasher('sha256').update(utf8(domain))
  for (const part of parts) hash.update(part)
  return hash.digest()
}

// RFC 8410: what stands before the 32 raw bytes in DER.
const spkiHead = Buffer.from('302a300506032b6570032100', 'hex')
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex')

/** The public key (32 bytes) of an Ed25519 seed (32 bytes, RFC 8032's private key). */
export function publicKeyOf(seed: Uint8Array): Uint8Array {
  const der = createPublicKey(privateKey(seed)).export({ type: 'spki', format: 'der' })
  return new Uint8Array(der.subarray(spkiHead.length))
}

/** The Ed25519 signature (64 bytes) of a message by a seed (32 bytes). */
export function sign(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return signing(seed)(message)
}

/** The same for many messages: making the key ready costs more than a signature. */
export function signing(seed: Uint8Array): (message: Uint8Array) => Uint8Array {
  const key = privateKey(seed)
  const own = memo && publicKeyOf(seed)
  return message => {
    const signature = new Uint8Array(platformSign(null, message, key))
    if (own !== undefined) memo?.note(own, message, signature)
    return signature
  }
}

/**
 * Whether `signature` is Ed25519's over `message` by `key`, stricter than RFC 8032: lengths, S < L, A and R
 * canonical and not of small order, then the platform's check. Verifiers differ on what is refused here before any
 * arithmetic, and a fleet must not split over it. `both` asks tweetnacl as well (5 ms, against 0.06 ms): for
 * entries and orders, which bind.
 */
export function verifyStrict(
  key: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  { both = false }: { readonly both?: boolean } = {},
): boolean {
  if (key.length !== 32 || signature.length !== 64) return false
  return memo === undefined
    ? check(key, message, signature, both)
    : memo.ask(key, message, signature, both, check)
}

function check(key: Uint8Array, message: Uint8Array, signature: Uint8Array, both: boolean): boolean {
  if (!isPlainPoint(key) || !isPlainPoint(signature.subarray(0, 32))) return false
  if (!lessThan(signature.subarray(32), order)) return false
  const spki = { key: Buffer.concat([spkiHead, key]), format: 'der', type: 'spki' } as const
  if (!verify(null, message, spki, signature)) return false
  return !both || nacl.sign.detached.verify(message, signature, key)
}

/** What was asked and answered before, by signature and `both`; the newest question of each. */
class Memo {
  readonly #known = new Map<string, { key: Uint8Array; message: Uint8Array; good: boolean }>()
  asked = 0

  ask(
    key: Uint8Array,
    message: Uint8Array,
    signature: Uint8Array,
    both: boolean,
    check: (key: Uint8Array, message: Uint8Array, signature: Uint8Array, both: boolean) => boolean,
  ): boolean {
    this.asked++
    const name = nameOf(signature, both)
    const known = this.#known.get(name)
    if (known !== undefined && compare(known.key, key) === 0 && compare(known.message, message) === 0)
      return known.good
    const good = check(key, message, signature, both)
    this.#keep(name, key, message, good)
    return good
  }

  /** It was made by its key here: it is good. */
  note(key: Uint8Array, message: Uint8Array, signature: Uint8Array): void {
    this.#keep(nameOf(signature, false), key, message, true)
  }

  #keep(name: string, key: Uint8Array, message: Uint8Array, good: boolean): void {
    if (this.#known.size >= memoMax) this.#known.clear()
    this.#known.set(name, { key: key.slice(), message: message.slice(), good })
  }
}

function nameOf(signature: Uint8Array, both: boolean): string {
  const bytes = Buffer.from(signature.buffer, signature.byteOffset, signature.byteLength)
  return `${both}${bytes.toString('latin1')}`
}

/** Answers remembered: about 400 bytes each. */
const memoMax = 200_000
let memo: Memo | undefined

/**
 * From now on each question is answered once and then from memory, with the very same answer: in the simulator, thousands of
 * hosts ask the same few. Answers with how many questions were asked since, and how to stop.
 */
export function memoiseVerification(): { asked(): number; stop(): void } {
  const mine = new Memo()
  memo = mine
  return {
    asked: () => mine.asked,
    stop: () => {
      if (memo === mine) memo = undefined
    },
  }
}

/** Whether 32 bytes could be somebody's public key: a canonical encoding, not of small order. */
export function isPlainPoint(point: Uint8Array): boolean {
  const y = point.slice()
  y[31]! &= 0x7f // the sign of x; no sign makes a small order large
  return lessThan(y, prime) && !smallOrder.some(each => compare(each, y) === 0)
}

// Little-endian, as Ed25519 writes numbers (RFC 8032 section 5.1).
/** L, the order of the base point: 2^252 + 27742317777372353535851937790883648493. */
const order = little(2n ** 252n + 27742317777372353535851937790883648493n)
/** p = 2^255 − 19. */
const prime = little(2n ** 255n - 19n)
/** y of the eight points of small order: 0 and both of order 8 stand for two points each. */
const smallOrder = [
  little(0n),
  little(1n),
  little(2n ** 255n - 20n),
  little(0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n),
  little(0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n),
]

function little(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * at)) & 0xffn))
}

/** Whether `a` < `b`, both little-endian and 32 bytes. Not in constant time: all of this is public. */
function lessThan(a: Uint8Array, b: Uint8Array): boolean {
  for (let at = 31; at >= 0; at--) if (a[at] !== b[at]) return a[at]! < b[at]!
  return false
}

function privateKey(seed: Uint8Array) {
  assert(seed.length === 32, 'a seed has 32 bytes')
  return createPrivateKey({ key: Buffer.concat([pkcs8Head, seed]), format: 'der', type: 'pkcs8' })
}
