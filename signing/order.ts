// Orders: signed records beside the chain. Makes and opens the bytes of one order, and says whether its signers may give
// it; what it brings about is decided where rollouts are.
import assert from 'node:assert'
import { hex, utf8 } from './bytes.ts'
import { type CborMap, type CborSource, isBytes, isList } from './cbor.ts'
import { checkThreshold, signerKeys, signerOf } from './cosign.ts'
import { digest } from './crypto.ts'
import { cosigsMax, type EntryId, type FleetId, isSignatureBlob } from './entry.ts'
import { isRefusal, type Refusal, refused } from './errors.ts'
import {
  type Codec,
  gitId,
  hexId,
  hexKey,
  isMisfit,
  line,
  list,
  number,
  oneOf,
  optional,
  readFields,
  required,
  textLines,
  time,
  type Values,
  writeFields,
} from './fields.ts'
import { maySign } from './operators.ts'
import { joinSigned, type Namespace, readSshsig, type Sshsig, splitSigned } from './sshsig.ts'
import type { Trust } from './trust.ts'

/** 64 hex digits: SHA-256 over the domain and the text before the armour. */
export type OrderId = string & { readonly brand: 'OrderId' }

export const orderBytesMax = 64 * 1024
const firstLine = 'fleet order 1'
const keysMax = 500

const plainPack: Codec<{ readonly digest: string; readonly size: number }> = {
  read(text) {
    const match = /^([0-9a-f]{64}) ([0-9]+)$/.exec(text)
    const size = match && number(1).read(match[2]!)
    return match && size ? { digest: match[1]!, size } : undefined
  },
  write: ({ digest, size }) => `${digest} ${size}`,
  expected: 'DIGEST BYTES',
}

/** The lines that all orders begin with. */
function table<K extends string, T extends object>(order: K, more: T) {
  return {
    fleet: required('Fleet', hexId<FleetId>()),
    order: required('Order', oneOf(order)),
    entry: required('Entry', hexId<EntryId>()),
    issued: required('Issued', time),
    ...more,
  } as const
}

const tables = {
  halt: table('halt', { reason: optional('Reason', line(512)) }),
  resume: table('resume', { halts: required('Halts', list(hexId<OrderId>(), 500, true)) }),
  promote: table('promote', {
    stage: required('Stage', number(1, 64)),
    without: optional('Without', list(hexKey, keysMax, true)),
  }),
  fresh: table('fresh', { until: required('Until', time) }),
  retry: table('retry', { host: required('Host', hexKey), attempt: required('Attempt', number(1)) }),
  trial: table('trial', {
    commit: required('Commit', gitId),
    pack: required('Pack', plainPack),
    hosts: required('Hosts', list(hexKey, keysMax, true)),
    until: required('Until', time),
    mode: required('Mode', oneOf('run', 'plan')),
  }),
} as const

export type OrderKind = keyof typeof tables
export type Order = { readonly [K in OrderKind]: Values<(typeof tables)[K]> }[OrderKind]

/** An order as it was opened: what it says, and what it takes to check it. */
export interface OpenedOrder {
  readonly kind: 'order'
  readonly id: OrderId
  readonly order: Order
  /** What is signed: the bytes before the armour. */
  readonly payload: Uint8Array
  readonly signature: Sshsig
}

/** The bytes that an order's signers sign. Asserts that they can be read again. */
export function writeOrder(order: Order): Uint8Array {
  const payload = utf8(`${firstLine}\n${writeFields(tables[order.order], order as never)}`)
  const again = readOrder(payload)
  assert(typeof again !== 'string', `an order that nobody could read: ${String(again)}`)
  return payload
}

/** The namespace in which an order is signed: that of the role `fresh` when the key can do nothing else. */
export function orderNamespace(order: Order, key: Uint8Array, { operators }: Trust): Namespace {
  return order.order === 'fresh' && !maySign(operators, key, 'fleet') ? 'fleet-fresh' : 'fleet'
}

export function sealOrder(payload: Uint8Array, blob: Uint8Array): Uint8Array {
  return joinSigned({ payload, blob })
}

export function orderIdOf(payload: Uint8Array): OrderId {
  return hex(digest('fleet/order/1', payload)) as OrderId
}

/** Reads a signed order. The signature is parsed, not checked. */
export function openOrder(bytes: Uint8Array): OpenedOrder | Refusal {
  if (bytes.length > orderBytesMax)
    return refused('MALFORMED', `order: found ${bytes.length} bytes; expected at most ${orderBytesMax}`)
  const signed = splitSigned(bytes)
  const signature = signed && readSshsig(signed.blob)
  if (!signed || !signature)
    return refused(
      'MALFORMED',
      'order: expected one signature in the armour of docs/formats.md, and nothing after it',
    )
  const order = readOrder(signed.payload)
  if (typeof order === 'string') return refused('MALFORMED', `order: ${order}`)
  return { kind: 'order', id: orderIdOf(signed.payload), order, payload: signed.payload, signature }
}

function readOrder(payload: Uint8Array): Order | string {
  const lines = textLines(payload)
  if ('wrong' in lines) return lines.wrong
  if (lines[0] !== firstLine) return `expected the first line ${firstLine}`
  const kind = lines[2]?.replace(/^Order: /, '') ?? ''
  if (!Object.hasOwn(tables, kind))
    return 'line 3: expected Order: halt, resume, promote, fresh, retry or trial'
  const values = readFields(tables[kind as OrderKind], lines.slice(1))
  return isMisfit(values) ? `line ${values.line + 2}: ${values.misfit}` : (values as Order)
}

/**
 * Whether the signers may give this order under a version of trust: one operator for halt, retry and trial, also the role
 * `fresh` for fresh; the threshold for resume and promote. `both`: see checkSshsig.
 */
export function checkOrder(
  { order, payload, signature }: OpenedOrder,
  cosigs: readonly Uint8Array[],
  trust: Trust,
  fleet: FleetId,
  both = true,
): Refusal | undefined {
  if (order.fleet !== fleet) return refused('WRONG_FLEET', `found ${order.fleet}; expected ${fleet}`)
  const { namespace } = signature
  if (namespace !== 'fleet' && !(namespace === 'fleet-fresh' && order.order === 'fresh'))
    return refused('NOT_ALLOWED', `an order ${order.order} is not signed in namespace ${signature.namespace}`)
  const signer = signerOf(signature, payload, trust.operators, namespace, both)
  if (isRefusal(signer)) return signer
  if (!takesThreshold(order.order)) return undefined
  return checkThreshold(trust, signerKeys(signature, cosigs, payload, trust.operators, 'fleet'), 'fleet')
}

/** Kinds that set a release going, or on: the threshold must stand behind them; behind the others one operator. */
export function takesThreshold(kind: OrderKind): boolean {
  return kind === 'resume' || kind === 'promote'
}

/** The form in which an order is stored and sent. */
export interface OrderEnvelope {
  /** Text and armour. */
  readonly order: Uint8Array
  /** SSHSIG blobs over the same payload, at most 16. */
  readonly cosigs: readonly Uint8Array[]
}

export function orderMap({ order, cosigs }: OrderEnvelope): CborSource {
  return { order, cosigs: cosigs.length > 0 ? cosigs : undefined }
}

/** The envelope that a decoded CBOR map holds; what is in it is opened by `openOrder`. */
export function orderEnvelopeOf(map: CborMap | undefined): OrderEnvelope | Refusal {
  const { order, cosigs = [] } = map ?? {}
  if (!isBytes(order) || order.length > orderBytesMax)
    return refused(
      'MALFORMED',
      'order envelope: expected a CBOR map with order, a byte string of at most 64 KiB',
    )
  if (!isList(cosigs) || cosigs.length > cosigsMax || !cosigs.every(isSignatureBlob))
    return refused('MALFORMED', `order envelope: expected cosigs, at most ${cosigsMax} byte strings`)
  return { order, cosigs }
}
