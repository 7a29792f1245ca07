// The operator's side: files and trust become a release commit and its full pack, which follow from the input alone. Where
// the files come from is git-read.ts's; packs with a base are made by the repository that installs this one.
import { concat, hex } from '../signing/bytes.ts'
import { sha256 } from '../signing/crypto.ts'
import { isTrust } from './content.ts'
import { type ObjectType, objectId, packSize, packSizeMax, refuse, writePack } from './pack.ts'
import type { FileMode, PackInfo, Refused, Release } from './ports.ts'
import {
  type CommitText,
  formatCommit,
  formatTree,
  type ObjectInfo,
  type TreeEntry,
  walkRelease,
} from './tree.ts'

export interface SourceFile {
  readonly mode: FileMode
  readonly bytes: Uint8Array
}

export interface ReleaseInput extends Omit<CommitText, 'tree'> {
  /** Path -> file; what lies under trust/ is left out. */
  readonly files: ReadonlyMap<string, SourceFile>
  /** `trust/hosts` … -> bytes: the trust version in force. */
  readonly trust: ReadonlyMap<string, Uint8Array>
}

export interface MadeRelease extends PackInfo {
  readonly kind: 'made'
  readonly release: Release
  /** The pack with base=none. */
  readonly pack: Uint8Array
}

/** Makes a release, and refuses what a host would refuse, with the same words. */
export function makeRelease({ files, trust, ...words }: ReleaseInput): MadeRelease | Refused {
  const objects = new Map<string, ObjectInfo & { readonly bytes: Uint8Array }>()
  const keep: Keep = (type, bytes) => {
    const oid = objectId(type, bytes)
    const more = type === 'blob' ? { sha256: hex(sha256(bytes)) } : {}
    objects.set(oid, { type, size: bytes.length, bytes, ...more })
    return oid
  }
  const all = new Map([...files].filter(([path]) => !isTrust(path)))
  for (const [path, bytes] of trust) all.set(path, { mode: '100644', bytes })
  const commit = keep('commit', formatCommit({ ...words, tree: keepTree(all, keep) }))

  const walked = walkRelease(commit, oid => objects.get(oid))
  if (walked.kind === 'refused') return walked
  const size = packSize([...objects.values()].map(object => object.size))
  if (size > packSizeMax)
    return refuse('PACK_TOO_LARGE', `its pack has ${size} bytes, at most ${packSizeMax} are taken`)
  const list = [...objects].map(([oid, { type }]) => ({ oid, type }))
  const pack = concat(...writePack(list, oid => objects.get(oid)!.bytes))
  return { kind: 'made', release: walked.release, pack, digest: hex(sha256(pack)), size }
}

/** Takes an object and answers its id. */
export type Keep = (type: ObjectType, bytes: Uint8Array) => string

/** Keeps the tree of these files, with all its folders and blobs; its id. */
export function keepTree(files: ReadonlyMap<string, SourceFile>, keep: Keep): string {
  const entries: TreeEntry[] = []
  const folders = new Map<string, Map<string, SourceFile>>()
  for (const [path, file] of files) {
    const slash = path.indexOf('/')
    if (slash < 0) {
      entries.push({ name: path, mode: file.mode, oid: keep('blob', file.bytes) })
      continue
    }
    const name = path.slice(0, slash)
    const inside = folders.get(name) ?? new Map<string, SourceFile>()
    folders.set(name, inside.set(path.slice(slash + 1), file))
  }
  for (const [name, inside] of folders) entries.push({ name, mode: '40000', oid: keepTree(inside, keep) })
  return keep('tree', formatTree(entries))
}
