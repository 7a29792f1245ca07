// Core: what an unpacked directory should hold. Unpacking leaves a manifest in it, so that whether it was edited is known
// from names, sizes and times, without the archive. Writing it is left to linux-unpack.ts, acting on it to verbs/unpack.ts.
import type { Look } from './act.ts'
import { join, type Ownership, type System } from './system.ts'
import { type Member, manifestName } from './tar.ts'

/** What is known of an unpacked directory. */
export interface Manifest {
  /** SHA-256 in hex of the archive. */
  readonly archive: string
  readonly strip: number
  /** Parents before what is in them; hard links are files. */
  readonly entries: readonly Entry[]
}

export type Entry = Pick<Member, 'name' | 'size' | 'mode' | 'mtime' | 'link'> & {
  readonly type: 'file' | 'directory' | 'link'
}

/** A manifest of the most members, with long names. Bytes. */
const manifestBytesMax = 64 * 1024 * 1024
const headPattern = /^fleet unpacked 1 ([0-9a-f]{64}) (\d+)$/

export const manifestPath = (directory: string) => join(directory, manifestName)

/** A line an entry, as JSON. */
export function encodeManifest({ archive, strip, entries }: Manifest): Uint8Array {
  const lines = entries.map(({ type, mode, size, mtime, name, link }) =>
    JSON.stringify([type[0], mode, size, mtime, name, ...(type === 'link' ? [link] : [])]),
  )
  return new TextEncoder().encode(`${[`fleet unpacked 1 ${archive} ${strip}`, ...lines].join('\n')}\n`)
}

const types: Readonly<Record<string, Entry['type']>> = { f: 'file', d: 'directory', l: 'link' }

/** Undefined: no directory that was unpacked, as far as its manifest tells. */
export function readManifest(look: Pick<Look, 'stat' | 'read'>, directory: string): Manifest | undefined {
  const path = manifestPath(directory)
  if (look.stat(directory)?.kind !== 'directory' || look.stat(path)?.kind !== 'file') return undefined
  const [first = '', ...lines] = new TextDecoder().decode(look.read(path, manifestBytesMax)).split('\n')
  const head = headPattern.exec(first)
  if (!head) return undefined
  try {
    const entries = lines.slice(0, -1).map(line => {
      const [type, mode, size, mtime, name, link = ''] = JSON.parse(line)
      return { type: types[type]!, mode, size, mtime, name, link }
    })
    return { archive: head[1]!, strip: Number(head[2]), entries }
  } catch {
    return undefined
  }
}

/**
 * The paths in the directory that are not as they were unpacked: changed, missing, or not from the archive; `wanted` gives
 * the owner of all. Empty: none. Reads no content: an edit changes size or time.
 */
export function edited(
  look: Pick<Look, 'stat' | 'list' | 'readlink'>,
  directory: string,
  { entries }: Manifest,
  wanted: Pick<Ownership, 'uid' | 'gid'>,
): readonly string[] {
  const found: string[] = []
  const known = new Set([manifestPath(directory), ...entries.map(each => join(directory, each.name))])
  const owned = ({ uid, gid }: { uid: number; gid: number }) =>
    uid === (wanted.uid ?? uid) && gid === (wanted.gid ?? gid)
  const strangers = (path: string) => {
    for (const name of look.list(path)) if (!known.has(join(path, name))) found.push(join(path, name))
  }
  strangers(directory)
  for (const { type, name, size, mode, mtime, link } of entries) {
    const path = join(directory, name)
    const stat = look.stat(path)
    const same =
      stat?.kind === type &&
      owned(stat) &&
      (type === 'link'
        ? look.readlink(path) === link
        : stat.mode === mode &&
          (type === 'directory' || (stat.size === size && stat.mtimeMs === mtime * 1000)))
    if (!same) found.push(path)
    if (type === 'directory' && stat?.kind === type) strangers(path)
  }
  return found
}

/** Edits that are kept of one directory; who changed more did so by a command, not by hand. */
const editsMax = 100

/** What is worth keeping when a directory is replaced: of an unpacked one what differs from the archive, else all. */
export function editsOf(
  machine: Pick<System, 'lstat' | 'read' | 'list' | 'readlink'>,
  directory: string,
): readonly string[] {
  const look = { ...machine, stat: machine.lstat }
  const manifest = readManifest(look, directory)
  if (manifest === undefined) return [directory]
  const found = edited(look, directory, manifest, { uid: undefined, gid: undefined })
  return found.filter(path => !found.some(above => path.startsWith(`${above}/`))).slice(0, editsMax)
}
