// Wire messages (docs/formats.md section 11): bytes <-> values, every field checked and bounded. Decides only whether
// bytes are well formed; what they mean, and whether signatures in them are good, others decide.
import { decode as cborDecode, encode as cborEncode } from 'cborg'
import { limits } from './limits.ts'

/** An entry as stored and sent: formats section 4. */
export interface Envelope {
  readonly tag: Uint8Array
  readonly cosigs?: readonly Uint8Array[]
  readonly trust?: { readonly hosts: Uint8Array; readonly operators: Uint8Array; readonly policy: Uint8Array }
  readonly pack?: Uint8Array
}

/** An order as stored and sent: formats section 7. */
export interface OrderEnvelope {
  readonly order: Uint8Array
  readonly cosigs?: readonly Uint8Array[]
}

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

export interface Part {
  readonly t: 'part'
  readonly pack: Uint8Array
  readonly offset: number
  /** Of the whole pack. */
  readonly size: number
  readonly bytes: Uint8Array
}

export type Message =
  | Hello
  | Heads
  | WantPack
  | Part
  | { readonly t: 'no-pack'; readonly pack: Uint8Array }
  | { readonly t: 'entry'; readonly entry: Envelope }
  | { readonly t: 'order'; readonly order: OrderEnvelope }
  | { readonly t: 'want'; readonly after: number }
  | { readonly t: 'entries'; readonly entries: readonly Envelope[]; readonly whole: boolean }
  | { readonly t: 'want-orders' }
  | { readonly t: 'orders'; readonly orders: readonly OrderEnvelope[] }
  | {
      readonly t: 'digest'
      readonly have: readonly (readonly [Uint8Array, number])[]
      readonly answer: boolean
    }
  | { readonly t: 'statuses'; readonly statuses: readonly StatusPair[] }
  | { readonly t: 'peers'; readonly peers: readonly (readonly [string, readonly string[]])[] }

/** What a decoder answers for bytes that are not a message; `reason` names the field. */
export interface Malformed {
  readonly t: 'malformed'
  readonly reason: string
}

export const encodeMessage = (message: Message): Uint8Array => cborEncode(message)

/** One envelope as bytes for the store: the same form that travels. */
export const encodeEnvelope = (envelope: Envelope): Uint8Array => cborEncode(envelope)

/** Never throws. */
export function decodeMessage(bytes: Uint8Array): Message | Malformed {
  return guarded(() => message(open(bytes)))
}

/** Reads what encodeEnvelope wrote. Never throws. */
export function decodeEnvelope(bytes: Uint8Array): Envelope | Malformed {
  return guarded(() => envelope(open(bytes), 'envelope'))
}

function bad(field: string, expected: string): never {
  throw new TypeError(`${field}: expected ${expected}`)
}

function guarded<T>(read: () => T): T | Malformed {
  try {
    return read()
  } catch (error) {
    // cborg throws plain errors, a deep nest of arrays a RangeError: both are the sender's fault, not ours.
    return { t: 'malformed', reason: error instanceof Error ? error.message : 'unreadable' }
  }
}

type Fields = { readonly [key: string]: unknown }

function open(bytes: Uint8Array): Fields {
  const value: unknown = cborDecode(bytes, {
    strict: true,
    allowIndefinite: false,
    allowUndefined: false,
    allowNaN: false,
    allowInfinity: false,
    allowBigInt: false,
    rejectDuplicateMapKeys: true,
  })
  return map(value, 'message')
}

function map(value: unknown, field: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    bad(field, 'a map')
  return value as Fields
}

function blob(value: unknown, field: string, max: number, exact = false): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length > max || (exact && value.length !== max))
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

const cosigs = (value: unknown) =>
  value === undefined
    ? {}
    : {
        cosigs: array(value, 'cosigs', limits.cosignatures, (each, f) =>
          blob(each, f, limits.cosignatureBytes),
        ),
      }

function envelope(value: unknown, field: string): Envelope {
  const from = map(value, field)
  const trust = from['trust'] === undefined ? undefined : map(from['trust'], 'trust')
  const file = (name: string) => blob(trust?.[name], `trust.${name}`, limits.trustFileBytes)
  return {
    tag: blob(from['tag'], 'tag', limits.entryBytes),
    ...cosigs(from['cosigs']),
    ...(trust && { trust: { hosts: file('hosts'), operators: file('operators'), policy: file('policy') } }),
    ...(from['pack'] !== undefined && { pack: blob(from['pack'], 'pack', limits.inlinePackBytes) }),
  }
}

function order(value: unknown, field: string): OrderEnvelope {
  const from = map(value, field)
  return { order: blob(from['order'], 'order', limits.entryBytes), ...cosigs(from['cosigs']) }
}

const status: Reader<StatusPair> = (value, field) =>
  pair(
    value,
    field,
    (v, f) => blob(v, f, limits.statusBytes),
    (v, f) => blob(v, f, 64, true),
  )

const addresses: Reader<string[]> = (value, field) =>
  array(value, field, limits.addressesPerPeer, (each, f) => text(each, f, limits.addressChars))

function message(from: Fields): Message {
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
      return { t, order: order(from['order'], 'order') }
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
    case 'want-orders':
      return { t }
    case 'orders':
      return { t, orders: array(from['orders'], 'orders', limits.ordersPerMessage, order) }
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
    case 'no-pack':
      return { t, pack: digest(from['pack'], 'pack') }
    default:
      return bad('t', 'the name of a message')
  }
}
