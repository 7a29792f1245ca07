// The one file of the host engine that may take a hash from the platform. Decides nothing.
import { createHash } from 'node:crypto'

/** SHA-256 in lowercase hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
