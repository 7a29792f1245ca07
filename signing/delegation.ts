// Delegations: an operator's word that a laptop's session key speaks on the network until a time. Makes, opens, checks;
// what a laptop may do as a peer is decided in admission.
import assert from 'node:assert'
import { utf8 } from './bytes.ts'
import { signerOf } from './cosign.ts'
import type { FleetId } from './entry.ts'
import { isRefusal, type Refusal, refused } from './errors.ts'
import {
  hexId,
  isMisfit,
  readFields,
  required,
  sshKey,
  textLines,
  time,
  timeMs,
  type Values,
  writeFields,
} from './fields.ts'
import type { Operator } from './operators.ts'
import { joinSigned, readSshsig, splitSigned } from './sshsig.ts'

const firstLine = 'fleet delegation 1'
/** docs/formats.md section 8. */
export const delegationBytesMax = 4096
const lifeMsMax = 24 * 3600 * 1000

const table = {
  fleet: required('Fleet', hexId<FleetId>()),
  session: required('Session', sshKey),
  issued: required('Issued', time),
  until: required('Until', time),
} as const

export type Delegation = Values<typeof table>

/** The bytes that the operator signs, in namespace `fleet`. Asserts that they can be read again. */
export function writeDelegation(delegation: Delegation): Uint8Array {
  const payload = utf8(`${firstLine}\n${writeFields(table, delegation)}`)
  const again = readDelegation(payload)
  assert(typeof again !== 'string', `a delegation that nobody could read: ${String(again)}`)
  return payload
}

export function sealDelegation(payload: Uint8Array, blob: Uint8Array): Uint8Array {
  return joinSigned({ payload, blob })
}

/** Who stands behind a session key. */
export interface Delegated {
  readonly kind: 'delegated'
  readonly operator: Operator
  readonly session: Uint8Array
  /** Milliseconds since 1970. */
  readonly untilMs: number
}

/** Opens a delegation and checks it against the operators in force; `now` in milliseconds since 1970. */
export function openDelegation(
  bytes: Uint8Array,
  { fleet, operators, now }: { fleet: FleetId; operators: readonly Operator[]; now: number },
): Delegated | Refusal {
  if (bytes.length > delegationBytesMax)
    return refused(
      'MALFORMED',
      `delegation: found ${bytes.length} bytes; expected at most ${delegationBytesMax}`,
    )
  const signed = splitSigned(bytes)
  const signature = signed && readSshsig(signed.blob)
  if (!signed || !signature)
    return refused('MALFORMED', 'delegation: expected one signature in the armour of docs/formats.md')
  const delegation = readDelegation(signed.payload)
  if (typeof delegation === 'string') return refused('MALFORMED', `delegation: ${delegation}`)
  if (delegation.fleet !== fleet)
    return refused('WRONG_FLEET', `found ${delegation.fleet}; expected ${fleet}`)
  const untilMs = timeMs(delegation.until)
  if (untilMs <= now) return refused('NOT_ALLOWED', `the delegation ended at ${delegation.until}`)
  const operator = signerOf(signature, signed.payload, operators, 'fleet')
  return isRefusal(operator)
    ? operator
    : { kind: 'delegated', operator, session: delegation.session, untilMs }
}

function readDelegation(payload: Uint8Array): Delegation | string {
  const lines = textLines(payload)
  if ('wrong' in lines) return lines.wrong
  if (lines[0] !== firstLine) return `expected the first line ${firstLine}`
  const values = readFields(table, lines.slice(1))
  if (isMisfit(values)) return `line ${values.line + 2}: ${values.misfit}`
  const life = timeMs(values.until) - timeMs(values.issued)
  return life > 0 && life <= lifeMsMax ? values : 'expected Until at most 24 hours after Issued'
}
