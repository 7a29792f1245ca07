// Packs as files: those that peers may fetch from this host, and those that it is fetching. Both are only bytes under a
// digest; whether they are any good is decided at install.
import { join } from 'node:path'
import type { Files } from './git-files.ts'
import { packSizeMax } from './pack.ts'
import type { Base, Quarantine } from './ports.ts'

/** Packs with a base that are kept for peers: one from each of some releases to the newest, a few times. */
const deltasMax = 32
/** Downloads that are kept for later; the one that was touched longest ago goes first. */
const quarantinesMax = 8

/** What one call answers at most, whatever a peer asks for. Bytes. */
const partSizeMax = 1 << 20

export interface ServedPack {
  readonly commit: string
  readonly base: Base
  readonly digest: string
  /** Bytes. */
  readonly size: number
}

export interface ServedPacks {
  find(commit: string, base: Base): ServedPack | undefined
  byDigest(digest: string): ServedPack | undefined
  read(digest: string, offset: number, length: number): Uint8Array | undefined
  /** Takes a file over: moved, or linked when it stays where it is. */
  add(pack: ServedPack, file: string, how: 'move' | 'link'): void
  /** Forgets the packs that make a commit which is not `wanted`. */
  retain(wanted: (commit: string) => boolean): void
}

/** The packs in `folder`, as files named `COMMIT.BASE.DIGEST`. */
export function openServed(files: Files, folder: string): ServedPacks {
  const packs = new Map<string, ServedPack>()
  const pathOf = (pack: ServedPack) => join(folder, `${pack.commit}.${pack.base}.${pack.digest}`)
  const drop = (pack: ServedPack) => {
    packs.delete(pack.digest)
    files.remove(pathOf(pack))
  }
  for (const { name } of files.list(folder)) {
    const [, commit, base, digest] = /^([0-9a-f]{40})\.([0-9a-f]{40}|none)\.([0-9a-f]{64})$/.exec(name) ?? []
    if (commit && base && digest)
      packs.set(digest, { commit, base, digest, size: files.size(join(folder, name)) })
    else files.remove(join(folder, name))
  }
  return {
    find: (commit, base) => [...packs.values()].find(pack => pack.commit === commit && pack.base === base),
    byDigest: digest => packs.get(digest),
    read: (digest, offset, length) => {
      const pack = packs.get(digest)
      if (!pack || !(Number.isSafeInteger(offset) && offset >= 0 && length >= 0)) return undefined
      const size = Math.max(0, Math.min(length, partSizeMax, pack.size - offset))
      const file = files.open(pathOf(pack), 0)
      try {
        return file.read(offset, size)
      } finally {
        file.close()
      }
    },
    add: (pack, file, how) => {
      if (how === 'move') files.rename(file, pathOf(pack))
      else if (!packs.has(pack.digest)) {
        files.remove(pathOf(pack))
        files.link(file, pathOf(pack))
      }
      packs.set(pack.digest, pack)
      const deltas = [...packs.values()].filter(each => each.base !== 'none')
      for (const each of deltas.slice(0, -deltasMax)) drop(each)
    },
    retain: wanted => {
      for (const pack of packs.values()) if (!wanted(pack.commit)) drop(pack)
    },
  }
}

/** Goes on with the download of `digest` in `folder`, or begins it. */
export function openQuarantine(files: Files, folder: string, digest: string): Quarantine {
  const path = join(folder, digest)
  const others = files
    .list(folder)
    .filter(({ name }) => name !== digest)
    .map(({ name }) => join(folder, name))
    .sort((a, b) => files.modifiedMs(b) - files.modifiedMs(a))
  for (const oldest of others.slice(quarantinesMax - 1)) files.remove(oldest)
  return {
    digest,
    get size() {
      return files.size(path)
    },
    append: async bytes => {
      if (files.size(path) + bytes.length > packSizeMax) return false
      files.append(path, bytes)
      return true
    },
    discard: async () => files.remove(path),
  }
}
