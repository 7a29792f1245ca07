// The one file of the host engine that may take a hash from the platform. Decides nothing.
import { hash } from 'node:crypto'

/** SHA-256 in lowercase hex. */
export function sha256(bytes: Uint8Array): string {
  return hash('sha256', bytes)
}
