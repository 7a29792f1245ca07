// Statuses: what a host says of itself, signed by its key. Encodes, decodes, verifies one; which one counts is decided by
// the board and the rollout.
import { concat, hex, uint64, utf8 } from './bytes.ts'
import {
  type Cbor,
  type CborMap,
  type CborSource,
  decodeMap,
  encode,
  isBytes,
  isList,
  isNumber,
} from './cbor.ts'
import { sha256, signing, verifyStrict } from './crypto.ts'
import { type Refusal, refused } from './errors.ts'

/** Evidence merges by maximum, in this order up to FAILED (DESIGN section 7); WAIT is no evidence. */
export const states = ['NOOP', 'APPLYING', 'APPLIED', 'INCONCLUSIVE', 'HEALTHY', 'FAILED', 'WAIT'] as const
export type State = (typeof states)[number]

/** A sequence and an entry id of 32 bytes. */
export type Place = readonly [sequence: number, id: Uint8Array]

/** docs/formats.md section 9 says what each means. */
export interface Status {
  /** 32 bytes each. */
  readonly fleet: Uint8Array
  readonly host: Uint8Array
  /** The host's own counter, from 1. */
  readonly n: number
  /** 16 bytes. */
  readonly boot: Uint8Array
  /** Milliseconds since 1970 by the host's clock; shown, decides nothing. */
  readonly at: number
  /** Seconds since boot. */
  readonly up: number
  readonly head: Place
  readonly trust: number
  /** The release that `attempt`, `state` and `why` speak of; absent on a blank host. */
  readonly entry?: Place
  readonly attempt?: number
  /** Absent exactly when `entry` is. */
  readonly state?: State
  readonly why?: string
  readonly steps?: readonly [declared: number, kept: number, repaired: number, notKept: number]
  readonly drift?: readonly [repairs: number, keptEdits: number, contested: number]
  readonly flags?: readonly string[]
  readonly refused?: readonly [sequence: number, id: Uint8Array, code: string]
  readonly agent?: string
  /** 32 bytes: the order of the trial that is meant by the flags TRIAL and TRIAL_FAILED. */
  readonly trial?: Uint8Array
}

/** A status as it travels. */
export interface SignedStatus {
  readonly status: Status
  /** Whose it is: the key in hex. */
  readonly by: string
  /** The signed bytes as received: they may hold keys that this version does not know. */
  readonly body: Uint8Array
  readonly signature: Uint8Array
}

export const statusBodyBytesMax = 2048
const whyBytesMax = 512
const agentBytesMax = 32
const flagsMax = 32
const domain = utf8('fleet/status/1')

/** Encodes and signs by the seed of the host's key, or what was made of it. The caller keeps `why` and `flags` within bounds. */
export function signStatus(status: Status, by: Uint8Array | ReturnType<typeof signing>): SignedStatus {
  const { state, ...rest } = status
  const body = encode({ v: 1, ...rest, state: state && states.indexOf(state) })
  const sign = by instanceof Uint8Array ? signing(by) : by
  return { status, by: hex(status.host), body, signature: sign(concat(domain, body)) }
}

/** The CBOR array that travels, alone or inside a message. */
export function statusItem({ body, signature }: SignedStatus): CborSource {
  return [body, signature]
}

/** Reads a status that travelled: its form, then the signature by the key that it names. */
export function readStatus(item: Cbor | undefined): SignedStatus | Refusal {
  const [body, signature, more] = isList(item) ? item : []
  if (!isBytes(body) || body.length > statusBodyBytesMax || !isBytes(signature, 64) || more !== undefined)
    return refused(
      'MALFORMED',
      `status: expected a body of at most ${statusBodyBytesMax} bytes and a signature of 64`,
    )
  const map = decodeMap(body)
  if (map === undefined) return refused('MALFORMED', 'status: expected a body that is a CBOR map')
  const wrong = Object.entries(checks).find(([key, fits]) => !fits(map[key]))
  if (wrong) return refused('MALFORMED', `status: found a ${wrong[0]} that does not fit docs/formats.md`)
  if ((map['entry'] === undefined) !== (map['state'] === undefined))
    return refused('MALFORMED', 'status: expected entry and state together')
  const status = known(map)
  if (!verifyStrict(status.host, concat(domain, body), signature))
    return refused('SIGNATURE_BAD', 'of a status')
  return { status, by: hex(status.host), body, signature }
}

/** SHA-256 over host key and counter of every status held, sorted by host key: equal boards, equal roots. */
export function boardRoot(statuses: readonly Pick<Status, 'host' | 'n'>[]): Uint8Array {
  const sorted = statuses.toSorted((a, b) => Buffer.compare(a.host, b.host))
  return sha256(concat(...sorted.flatMap(({ host, n }) => [host, uint64(n)])))
}

type Check = (value: Cbor | undefined) => boolean
const maybe =
  (check: Check): Check =>
  value =>
    value === undefined || check(value)
const isCount: Check = value => isNumber(value)
const isText =
  (bytesMax: number): Check =>
  value =>
    typeof value === 'string' && Buffer.byteLength(value) <= bytesMax
const isPlace: Check = value =>
  isList(value) && value.length === 2 && isNumber(value[0]) && isBytes(value[1], 32)
const isCounts =
  (length: number): Check =>
  value =>
    isList(value) && value.length === length && value.every(isCount)
const isWord = (value: Cbor | undefined) => typeof value === 'string' && /^[A-Z][A-Z0-9_]{0,31}$/.test(value)

const checks: Record<string, Check> = {
  v: value => value === 1,
  fleet: value => isBytes(value, 32),
  host: value => isBytes(value, 32),
  n: value => isNumber(value, 1),
  boot: value => isBytes(value, 16),
  at: isCount,
  up: isCount,
  head: isPlace,
  trust: isCount,
  entry: maybe(isPlace),
  attempt: maybe(value => isNumber(value, 1)),
  state: maybe(value => isNumber(value, 0, states.length - 1)),
  why: maybe(isText(whyBytesMax)),
  steps: maybe(isCounts(4)),
  drift: maybe(isCounts(3)),
  flags: maybe(
    value =>
      isList(value) &&
      value.length <= flagsMax &&
      value.every((word, at) => isWord(word) && (at === 0 || word! > value[at - 1]!)),
  ),
  refused: maybe(
    value => isList(value) && value.length === 3 && isPlace(value.slice(0, 2)) && isWord(value[2]),
  ),
  agent: maybe(isText(agentBytesMax)),
  trial: maybe(value => isBytes(value, 32)),
}

/** The keys that this version knows, of a map that passed every check. */
function known(map: CborMap): Status {
  const {
    v: _,
    state,
    ...rest
  } = Object.fromEntries(
    Object.keys(checks)
      .filter(key => map[key] !== undefined)
      .map(key => [key, map[key]]),
  )
  return { ...rest, ...(isNumber(state) ? { state: states[state] } : {}) } as unknown as Status
}
