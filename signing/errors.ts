// Why signed things are refused: values with a stable code, never exceptions, since every byte comes from outside.
// docs/errors.md has the same codes with what to do.

const codes = {
  BELOW_FLOOR: 'sequence not above the newest entry accepted',
  BROKEN_CHAIN: 'it does not follow from the entry that it names',
  DROPPED: 'an entry of a branch that the operators declared dead',
  EXPIRED: 'expired before it ever opened',
  FROZEN: 'the log has forked; nothing new starts',
  LANGUAGE_TOO_NEW: 'the steps language of this release is newer than this agent',
  MALFORMED: 'bytes that are not of the format',
  NEVER: 'content on the never list',
  NOT_ALLOWED: 'the signer may not do this',
  SIGNATURE_BAD: 'the signature is not good',
  SIGNER_UNKNOWN: 'signed by a key that is not an operator',
  THRESHOLD_NOT_MET: 'fewer distinct operators signed than the policy asks for',
  TRUST_MALFORMED: 'files of trust/ that cannot be read',
  TRUST_MISMATCH: 'files of trust/ that are not the ones that were signed',
  TRUST_REMOVES: 'hosts leave the roster without their exact number being signed',
  WRONG_FLEET: 'it belongs to another fleet',
} as const

export type RefusalCode = keyof typeof codes

export interface Refusal {
  readonly kind: 'refused'
  readonly code: RefusalCode
  /** In words: what was found, what was expected. */
  readonly detail: string
}

export function refused(code: RefusalCode, detail: string): Refusal {
  return { kind: 'refused', code, detail: `${codes[code]}: ${detail}` }
}

export function isRefusal(value: object): value is Refusal {
  return 'kind' in value && value.kind === 'refused'
}

/**
 * Whether whoever sent this must have known better: the bytes alone show the fault, whatever the receiver holds. Other
 * refusals depend on how far a host has come, and blame nobody.
 */
export function blames(code: RefusalCode): boolean {
  return (
    code === 'MALFORMED' ||
    code === 'SIGNATURE_BAD' ||
    code === 'TRUST_MALFORMED' ||
    code === 'TRUST_MISMATCH'
  )
}
