// What earlier releases hold: from the laptop's own packs; on another laptop than the one that published them, from the operator's
// commits, believed only when they come to the digest that was signed.
import { contentDigest, isTrust } from '../node/content.ts'
import { readRevision } from '../node/git-read.ts'
import type { ReleaseEntry } from '../node/log.ts'
import type { FileInfo } from '../node/ports.ts'
import type { SourceFile } from '../node/publish.ts'
import { hex } from '../signing/bytes.ts'
import { sha256 } from '../signing/crypto.ts'
import type { Laptop } from './laptop.ts'

/** Without trust/. Fails with the reason when the content is not on this machine. */
export async function filesOf(
  laptop: Laptop,
  root: string,
  { sequence, release }: ReleaseEntry,
): Promise<ReadonlyMap<string, SourceFile>> {
  const { repository } = laptop.peer
  const files = new Map<string, SourceFile>()
  if (repository.held().includes(release.commit)) {
    const { listing } = await repository.release(release.commit)
    for (const [path, { mode }] of listing) {
      const bytes = isTrust(path) ? undefined : await repository.read(release.commit, path)
      if (bytes !== undefined) files.set(path, { mode, bytes })
    }
    return files
  }
  if (release.source === undefined) throw new Error(`release ${sequence} names no commit`)
  for (const [path, file] of (await readRevision(root, release.source)).files)
    if (!isTrust(path)) files.set(path, file)
  if (contentDigest(listingOf(files)) !== release.content)
    throw new Error(`commit ${release.source.slice(0, 10)} is not what release ${sequence} holds`)
  return files
}

/** In the order of the files. */
export function listingOf(files: ReadonlyMap<string, SourceFile>): ReadonlyMap<string, FileInfo> {
  return new Map(
    [...files].map(([path, { mode, bytes }]) => [
      path,
      { mode, sha256: hex(sha256(bytes)), size: bytes.length },
    ]),
  )
}
