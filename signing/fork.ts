// Two entries that claim one place in the log, and how that is told.
import type { EntryId } from './entry.ts'

/** A second entry with an accepted sequence. */
export interface Fork {
  readonly sequence: number
  readonly ours: EntryId
  readonly theirs: EntryId
  /** Principals; of ours a fingerprint or '' when it is not known any more. */
  readonly signers: { readonly ours: string; readonly theirs: string }
  readonly theirKey: Uint8Array
}

export function describeFork({ sequence, ours, theirs, signers }: Fork): string {
  return `entry ${sequence} is ${ours} by ${signers.ours || 'an earlier signer'} and ${theirs} by ${signers.theirs}`
}
