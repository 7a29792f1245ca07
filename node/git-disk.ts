// How a host's repository lies on the disk: its folders, refs, packs, and the order of writes that lets stock git read
// it at any moment. What may be taken is git-check.ts's, what is held git.ts's.
import { join } from 'node:path'
import { equal, hex, text, utf8 } from '../signing/bytes.ts'
import { hasher } from '../signing/crypto.ts'
import { type Files, windowSize } from './git-files.ts'
import { type ObjectType, objectAt, readIndex } from './pack.ts'

const head = 'ref: refs/heads/main\n'
// A `git gc` by chance would pack what we name by object; its owner is the agent alone.
const config = '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n[gc]\n\tauto = 0\n'

/** Makes an empty bare repository, or completes one: its HEAD and config are the same for ever. */
export function layOut(files: Files, folder: string): void {
  for (const each of ['objects/pack', 'objects/info', 'refs/heads', 'refs/tags/fleet', 'refs/fleet/held'])
    files.makeFolder(join(folder, each))
  for (const each of ['refs/fleet/fork', 'fleet/packs', 'fleet/quarantine', 'fleet/tmp'])
    files.makeFolder(join(folder, each))
  for (const [name, wanted] of Object.entries({ config, HEAD: head })) {
    const path = join(folder, name)
    if (!files.exists(path) || !equal(files.read(path), utf8(wanted))) files.replace(path, [utf8(wanted)])
  }
}

/** Ref name -> object id, for the refs that are ours; words when one is damaged. */
export function readRefs(files: Files, folder: string): Map<string, string> | string {
  if (files.exists(join(folder, 'packed-refs'))) return 'packed-refs: somebody ran git gc or pack-refs in it'
  const refs = new Map<string, string>()
  for (const kind of ['refs/heads', 'refs/tags/fleet', 'refs/fleet/held', 'refs/fleet/fork'])
    for (const { name, isFile } of files.list(join(folder, kind))) {
      if (!isFile) continue
      const ref = `${kind}/${name}`
      const found = /^([0-9a-f]{40})\n$/.exec(text(files.read(join(folder, ref))) ?? '')
      if (!found) return `${ref} holds no object id`
      refs.set(ref, found[1]!)
    }
  return refs
}

export function writeRef(files: Files, folder: string, ref: string, oid: string): void {
  files.replace(join(folder, ref), [utf8(`${oid}\n`)], join(folder, 'fleet/tmp/ref'))
}

export function removeRef(files: Files, folder: string, ref: string): void {
  files.remove(join(folder, ref))
}

/** git's list of commits whose parents are not here. */
export function writeShallow(files: Files, folder: string, commits: readonly string[]): void {
  const path = join(folder, 'shallow')
  if (commits.length === 0) files.remove(path)
  else files.replace(path, [utf8(`${commits.join('\n')}\n`)], join(folder, 'fleet/tmp/shallow'))
}

/** Packs are named after the one object that they make whole: a release commit or a tag. */
export function packPath(folder: string, oid: string): string {
  return join(folder, `objects/pack/pack-${oid}.pack`)
}

export function indexPath(folder: string, oid: string): string {
  return join(folder, `objects/pack/pack-${oid}.idx`)
}

/** Moves a pack that is on the disk into place. git looks at a pack once its index is there, so that comes last. */
export function placePack(files: Files, folder: string, oid: string, pack: string, index: Uint8Array): void {
  files.rename(pack, packPath(folder, oid))
  files.replace(indexPath(folder, oid), [index], join(folder, 'fleet/tmp/index'))
}

/** The index goes first, for the same reason. */
export function removePack(files: Files, folder: string, oid: string): void {
  files.remove(indexPath(folder, oid))
  files.remove(packPath(folder, oid))
}

/** The object that a pack is named after, by way of the index; words when pack or index are damaged. */
export function headOfPack(
  files: Files,
  folder: string,
  oid: string,
): { type: ObjectType; bytes: Uint8Array } | string {
  const [pack, idx] = [packPath(folder, oid), indexPath(folder, oid)]
  for (const path of [pack, idx]) if (!files.exists(path)) return `${path} is missing`
  const index = readIndex(files.read(idx))
  if (!index) return `${idx} is damaged`
  const file = files.open(pack)
  try {
    if (file.size < 32 || !equal(file.read(file.size - 20, 20), index.trailer))
      return `${pack} is cut short or damaged`
    const offset = index.offsetOf(oid)
    if (offset === undefined || offset > file.size) return `${pack} does not hold ${oid}`
    return objectAt(file, offset)
  } finally {
    file.close()
  }
}

/** Removes the packs that nothing refers to: what a crash left behind. */
export function removeStrayPacks(files: Files, folder: string, wanted: (oid: string) => boolean): void {
  for (const { name } of files.list(join(folder, 'objects/pack'))) {
    const oid = /^pack-([0-9a-f]{40})\.(?:pack|idx)$/.exec(name)?.[1]
    if (oid === undefined || !wanted(oid)) files.remove(join(folder, 'objects/pack', name))
  }
  for (const { name } of files.list(join(folder, 'fleet/tmp'))) files.remove(join(folder, 'fleet/tmp', name))
}

/** SHA-256 of a file, lowercase hex; yields now and then. */
export function* hashFile(files: Files, path: string): Generator<undefined, string> {
  const file = files.open(path)
  try {
    const hash = hasher('sha256')
    for (let at = 0; at < file.size; at += windowSize) {
      hash.update(file.read(at, Math.min(windowSize, file.size - at)))
      yield
    }
    return hex(hash.digest())
  } finally {
    file.close()
  }
}
