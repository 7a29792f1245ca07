// Join strings: what a new host is told by hand, so that nothing is trusted on first use: fleet, checkpoint, addresses.
import { base64url, concat, equal, hex, unbase64url, unhex } from './bytes.ts'
import { decode, encode, isBytes, isList, isNumber } from './cbor.ts'
import type { Point } from './chain.ts'
import { digest } from './crypto.ts'
import type { EntryId, FleetId } from './entry.ts'
import { type Refusal, refused } from './errors.ts'
import { parseAddress } from './roster.ts'

export interface Join {
  readonly fleet: FleetId
  /** No head below this is ever believed. */
  readonly checkpoint: Point
  /** At most 16, in the roster's form. */
  readonly addresses: readonly string[]
}

const prefix = 'fleet1.'
const addressesMax = 16
/** Characters; docs/formats.md section 10. */
const joinLengthMax = 2048

const checkOf = (body: Uint8Array) => digest('fleet/join/1', body).subarray(0, 4)

export function writeJoin({ fleet, checkpoint, addresses }: Join): string {
  const body = encode([unhex(fleet)!, checkpoint.sequence, unhex(checkpoint.id)!, addresses])
  return prefix + base64url(concat(body, checkOf(body)))
}

/** Reads a join string; blanks around it are allowed, since it is pasted. */
export function readJoin(text: string): Join | Refusal {
  const word = text.trim()
  if (!word.startsWith(prefix))
    return refused('MALFORMED', `join string: expected ${prefix} at its beginning`)
  const bytes = word.length <= joinLengthMax ? unbase64url(word.slice(prefix.length)) : undefined
  const body = bytes?.slice(0, -4)
  if (!bytes || !body || !equal(checkOf(body), bytes.subarray(body.length)))
    return refused('MALFORMED', 'join string: it is cut short or mistyped; copy it again, whole')
  const list = decode(body)
  const [fleet, sequence, id, addresses, more] = isList(list) ? list : []
  const fits = isBytes(fleet, 32) && isNumber(sequence, 1) && isBytes(id, 32) && more === undefined
  if (!fits || !isList(addresses) || addresses.length > addressesMax || !addresses.every(isAddress))
    return refused('MALFORMED', 'join string: expected fleet, checkpoint and at most 16 addresses')
  return {
    fleet: hex(fleet) as FleetId,
    checkpoint: { sequence, id: hex(id) as EntryId },
    addresses,
  }
}

function isAddress(value: unknown): value is string {
  return typeof value === 'string' && parseAddress(value) !== undefined
}
