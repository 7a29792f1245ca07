// Wire messages (docs/formats.md section 11): bytes <-> values, every field checked and bounded. Decides only whether
// bytes are well formed; what they mean, and whether signatures in them are good, others decide.
import { type CborMap, type CborSource, decodeMap, encode, isBytes } from '../signing/cbor.ts'
import { limits } from './limits.ts'

/** `[body, signature]`, formats section 9; both as received. */
export type StatusPair = readonly [body: Uint8Array, signature: Uint8Array]

export interface Hello {
  readonly t: 'hello'
  readonly v: 1
  readonly fleet: Uint8Array
  readonly agent: string
  readonly delegation?: Uint8Array
  readonly addrs: readonly string[]
}

export interface Heads {
  readonly t: 'heads'
  /** Sequence 0 and 32 zero bytes: none. */
  readonly head: readonly [sequence: number, id: Uint8Array]
  readonly trust: number
  readonly held: number
  readonly orders: Uint8Array
  readonly board: Uint8Array
  readonly answer: boolean
}

export interface WantPack {
  readonly t: 'want-pack'
  readonly pack: Uint8Array
  readonly offset: number
  readonly length: number
}

/** Connect to the sender anew and say the nonce, again and again until it answers, for so many ms. */
export interface WantKnock {
  readonly t: 'want-knock'
  readonly nonce: Uint8Array
  readonly ms: number
}

export interface Part {
  readonly t: 'part'
  readonly pack: Uint8Array
  readonly offset: number
  /** Of the whole pack. */
  readonly size: number
  readonly bytes: Uint8Array
}

/** What a commit would do on the host that says so (node/told-plan.ts). */
export interface PlanMessage {
  readonly t: 'plan'
  /** Id of the order that asked. */
  readonly order: Uint8Array
  readonly kept: number
  /** Rows of cells. */
  readonly changes: readonly (readonly string[])[]
  readonly acts: readonly (readonly string[])[]
  readonly impossible: readonly (readonly string[])[]
  /** Rows that were left out. */
  readonly left: number
  /** Why there is no plan; the rest is empty then. */
  readonly why?: string
}

export type Message =
  | Hello
  | Heads
  | WantPack
  | Part
  | PlanMessage
  /** The envelope of an order trial of mode `plan`, which is answered and not kept. */
  | { readonly t: 'want-plan'; readonly order: Uint8Array }
  | { readonly t: 'no-pack'; readonly pack: Uint8Array }
  /** Envelopes (formats sections 4 and 7) travel as the bytes that are kept: nothing is lost on the way. */
  | { readonly t: 'entry'; readonly entry: Uint8Array }
  | { readonly t: 'order'; readonly order: Uint8Array }
  | { readonly t: 'want'; readonly after: number }
  | { readonly t: 'entries'; readonly entries: readonly Uint8Array[]; readonly whole: boolean }
  /** `have`: ids of orders that are held already; absent: none. */
  | { readonly t: 'want-orders'; readonly have?: readonly Uint8Array[] }
  | { readonly t: 'orders'; readonly orders: readonly Uint8Array[] }
  | {
      readonly t: 'digest'
      readonly have: readonly (readonly [Uint8Array, number])[]
      readonly answer: boolean
    }
  | { readonly t: 'statuses'; readonly statuses: readonly StatusPair[] }
  | WantKnock
  | { readonly t: 'knock'; readonly nonce: Uint8Array }
  | { readonly t: 'peers'; readonly peers: readonly (readonly [string, readonly string[]])[] }

/** What a decoder answers for bytes that are not a message; `reason` names the field. */
export interface Malformed {
  readonly t: 'malformed'
  readonly reason: string
}

export const encodeMessage = (message: Message): Uint8Array => encode(message as unknown as CborSource)

/** How messages become bytes and back. The simulator remembers what it has seen, with the very same answers. */
export interface Codec {
  encode(message: Message): Uint8Array
  decode(bytes: Uint8Array): Message | Malformed
}

/** Never throws. */
export function decodeMessage(bytes: Uint8Array): Message | Malformed {
  const map = decodeMap(bytes)
  if (map === undefined) return { t: 'malformed', reason: 'expected a map in deterministic CBOR' }
  try {
    return message(map)
  } catch (error) {
    if (error instanceof Bad) return { t: 'malformed', reason: error.message }
    throw error
  }
}

export const plainCodec: Codec = { encode: encodeMessage, decode: decodeMessage }

/** Heads are the same object for every neighbour until something changes: encoded once. */
export function sparing(codec: Codec): Codec {
  let last: { readonly message: Message; readonly bytes: Uint8Array } | undefined
  return {
    decode: bytes => codec.decode(bytes),
    encode: message => {
      if (message.t !== 'heads') return codec.encode(message)
      if (last?.message !== message) last = { message, bytes: codec.encode(message) }
      return last.bytes
    },
  }
}

/** Thrown and caught in this file: readers of fields need not pass failures on by hand. */
class Bad extends Error {}

function bad(field: string, expected: string): never {
  throw new Bad(`${field}: expected ${expected}`)
}

function blob(value: unknown, field: string, max: number, exact = false): Uint8Array {
  if (!isBytes(value) || value.length > max || (exact && value.length !== max))
    bad(field, `${exact ? '' : 'at most '}${max} bytes`)
  return value
}
const digest = (value: unknown, field: string) => blob(value, field, 32, true)

function uint(value: unknown, field: string, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max)
    bad(field, `a whole number up to ${max}`)
  return value
}
const anyUint = (value: unknown, field: string) => uint(value, field)

function text(value: unknown, field: string, charsMax: number): string {
  if (typeof value !== 'string' || value.length > charsMax)
    bad(field, `text of at most ${charsMax} characters`)
  return value
}

function flag(value: unknown, field: string): boolean {
  return typeof value === 'boolean' ? value : bad(field, 'true or false')
}

type Reader<T> = (value: unknown, field: string) => T

function array<T>(value: unknown, field: string, max: number, item: Reader<T>): T[] {
  if (!Array.isArray(value) || value.length > max) bad(field, `an array of at most ${max}`)
  return value.map((each, index) => item(each, `${field}[${index}]`))
}

function pair<A, B>(value: unknown, field: string, a: Reader<A>, b: Reader<B>): readonly [A, B] {
  if (!Array.isArray(value) || value.length !== 2) bad(field, 'an array of two')
  return [a(value[0], `${field}[0]`), b(value[1], `${field}[1]`)]
}

const envelope: Reader<Uint8Array> = (value, field) => blob(value, field, limits.envelopeBytes)

const status: Reader<StatusPair> = (value, field) =>
  pair(
    value,
    field,
    (v, f) => blob(v, f, limits.statusBytes),
    (v, f) => blob(v, f, 64, true),
  )

const addresses: Reader<string[]> = (value, field) =>
  array(value, field, limits.addressesPerPeer, (each, f) => text(each, f, limits.addressChars))

/** A later version may have more cells. */
const row: Reader<string[]> = (value, field) =>
  array(value, field, 16, (each, f) => text(each, f, limits.planCellChars))

function message(from: CborMap): Message {
  const t = from['t']
  switch (t) {
    case 'hello': {
      if (from['v'] !== 1) bad('v', '1')
      const delegation = from['delegation']
      return {
        t,
        v: 1,
        fleet: digest(from['fleet'], 'fleet'),
        agent: text(from['agent'], 'agent', limits.agentChars),
        ...(delegation !== undefined && {
          delegation: blob(delegation, 'delegation', limits.delegationBytes),
        }),
        addrs: addresses(from['addrs'], 'addrs'),
      }
    }
    case 'entry':
      return { t, entry: envelope(from['entry'], 'entry') }
    case 'order':
      return { t, order: envelope(from['order'], 'order') }
    case 'heads':
      return {
        t,
        head: pair(from['head'], 'head', anyUint, digest),
        trust: uint(from['trust'], 'trust'),
        held: uint(from['held'], 'held'),
        orders: digest(from['orders'], 'orders'),
        board: digest(from['board'], 'board'),
        answer: flag(from['answer'], 'answer'),
      }
    case 'want':
      return { t, after: uint(from['after'], 'after') }
    case 'entries': {
      const entries = array(from['entries'], 'entries', limits.entriesPerMessage, envelope)
      return { t, entries, whole: flag(from['whole'], 'whole') }
    }
    case 'want-orders': {
      const have = from['have']
      return { t, ...(have !== undefined && { have: array(have, 'have', limits.orders, digest) }) }
    }
    case 'orders':
      return { t, orders: array(from['orders'], 'orders', limits.ordersPerMessage, envelope) }
    case 'digest': {
      const item: Reader<readonly [Uint8Array, number]> = (each, f) => pair(each, f, digest, anyUint)
      return {
        t,
        have: array(from['have'], 'have', limits.hosts, item),
        answer: flag(from['answer'], 'answer'),
      }
    }
    case 'statuses':
      return { t, statuses: array(from['statuses'], 'statuses', limits.statusesPerMessage, status) }
    case 'peers': {
      const name: Reader<string> = (each, f) => text(each, f, limits.peerIdChars)
      const item: Reader<readonly [string, readonly string[]]> = (each, f) => pair(each, f, name, addresses)
      return { t, peers: array(from['peers'], 'peers', limits.peersPerMessage, item) }
    }
    case 'want-pack':
      return {
        t,
        pack: digest(from['pack'], 'pack'),
        offset: uint(from['offset'], 'offset'),
        length: uint(from['length'], 'length', limits.packPartBytes),
      }
    case 'part':
      return {
        t,
        pack: digest(from['pack'], 'pack'),
        offset: uint(from['offset'], 'offset'),
        size: uint(from['size'], 'size'),
        bytes: blob(from['bytes'], 'bytes', limits.packPartBytes),
      }
    case 'want-plan':
      return { t, order: envelope(from['order'], 'order') }
    case 'plan': {
      const rows = (field: string) => array(from[field], field, limits.planRows, row)
      const why = from['why']
      return {
        ...{ t, order: digest(from['order'], 'order'), kept: uint(from['kept'], 'kept') },
        ...{ changes: rows('changes'), acts: rows('acts'), impossible: rows('impossible') },
        left: uint(from['left'], 'left'),
        ...(why !== undefined && { why: text(why, 'why', limits.planCellChars) }),
      }
    }
    case 'want-knock': {
      const nonce = blob(from['nonce'], 'nonce', limits.nonceBytes, true)
      return { t, nonce, ms: uint(from['ms'], 'ms', limits.knockForMs) }
    }
    case 'knock':
      return { t, nonce: blob(from['nonce'], 'nonce', limits.nonceBytes, true) }
    case 'no-pack':
      return { t, pack: digest(from['pack'], 'pack') }
    default:
      return bad('t', 'the name of a message')
  }
}
