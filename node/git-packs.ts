// Packs as files: those that peers may fetch from this host, and those that it is fetching. Both are only bytes under a
// digest; whether they are any good is decided at install.
import {
  appendFileSync,
  closeSync,
  linkSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { readAll, sizeOf } from './git-disk.ts'
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
export function openServed(folder: string): ServedPacks {
  const packs = new Map<string, ServedPack>()
  const pathOf = (pack: ServedPack) => join(folder, `${pack.commit}.${pack.base}.${pack.digest}`)
  const drop = (pack: ServedPack) => {
    packs.delete(pack.digest)
    rmSync(pathOf(pack), { force: true })
  }
  for (const name of readdirSync(folder)) {
    const [, commit, base, digest] = /^([0-9a-f]{40})\.([0-9a-f]{40}|none)\.([0-9a-f]{64})$/.exec(name) ?? []
    if (commit && base && digest)
      packs.set(digest, { commit, base, digest, size: sizeOf(join(folder, name)) })
    else rmSync(join(folder, name), { force: true })
  }
  return {
    find: (commit, base) => [...packs.values()].find(pack => pack.commit === commit && pack.base === base),
    byDigest: digest => packs.get(digest),
    read: (digest, offset, length) => {
      const pack = packs.get(digest)
      if (!pack || !(Number.isSafeInteger(offset) && offset >= 0 && length >= 0)) return undefined
      const size = Math.max(0, Math.min(length, partSizeMax, pack.size - offset))
      const fd = openSync(pathOf(pack), 'r')
      try {
        return readAll(fd, new Uint8Array(size), offset)
      } finally {
        closeSync(fd)
      }
    },
    add: (pack, file, how) => {
      if (how === 'move') renameSync(file, pathOf(pack))
      else if (!packs.has(pack.digest)) {
        rmSync(pathOf(pack), { force: true })
        linkSync(file, pathOf(pack))
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
export function openQuarantine(folder: string, digest: string): Quarantine {
  const path = join(folder, digest)
  const others = readdirSync(folder)
    .filter(name => name !== digest)
    .map(name => join(folder, name))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  for (const oldest of others.slice(quarantinesMax - 1)) rmSync(oldest, { force: true })
  return {
    digest,
    get size() {
      return sizeOf(path)
    },
    append: async bytes => {
      if (sizeOf(path) + bytes.length > packSizeMax) return false
      appendFileSync(path, bytes, { mode: 0o600 })
      return true
    },
    discard: async () => rmSync(path, { force: true }),
  }
}
