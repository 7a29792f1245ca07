// The digest that an entry signs for what a release holds (docs/formats.md section 5), so that safety does not rest
// on SHA-1. trust/ is left out: it stands in trust entries.
import { hex, utf8 } from '../signing/bytes.ts'
import { hasher } from '../signing/crypto.ts'
import type { Listing } from './ports.ts'

/** Whether a path belongs to trust/, which hosts take from trust entries only. */
export function isTrust(path: string): boolean {
  return path.startsWith('trust/')
}

/** The content digest of a listing that is sorted by path bytes; lowercase hex. */
export function contentDigest(listing: Listing): string {
  const hash = hasher('sha256')
  for (const [path, { mode, sha256, size }] of listing)
    if (!isTrust(path)) hash.update(utf8(`${mode} ${sha256} ${size} ${path}\0`))
  return hex(hash.digest())
}
