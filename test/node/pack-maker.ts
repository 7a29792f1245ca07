// Makes objects and packs for tests, from plain files, with no git at hand. A path that ends in `*` is executable, one
// that ends in `@` a symbolic link.
import { type ObjectType, objectId, refuse, type Source, scanPack, writePack } from '../../node/pack.ts'
import type { Refused } from '../../node/ports.ts'
import { type Keep, keepTree, type SourceFile } from '../../node/publish.ts'
import { formatCommit, type Walk, walkRelease } from '../../node/tree.ts'
import { concat, unhex, utf8 } from '../../signing/bytes.ts'

export type Objects = readonly { oid: string; type: ObjectType; bytes: Uint8Array }[]
export type Files = Readonly<Record<string, Uint8Array>>

export const made = (type: ObjectType, bytes: Uint8Array) => ({ oid: objectId(type, bytes), type, bytes })
export const blob = (bytes: Uint8Array) => made('blob', bytes)

export const who = { author: { name: 'Ann', email: 'ann@example.org' }, seconds: 1_795_000_000 }

/** The objects of a release commit with these files, each once. */
export function release(
  files: Files,
  parent?: string,
  subject = 'release 1: first',
): { commit: string; objects: Objects } {
  const objects = new Map<string, Objects[number]>()
  const keep: Keep = (type, bytes) => {
    const object = made(type, bytes)
    objects.set(object.oid, object)
    return object.oid
  }
  const tree = keepTree(new Map(Object.entries(files).map(([path, bytes]) => fileOf(path, bytes))), keep)
  const commit = keep('commit', formatCommit({ tree, ...(parent ? { parent } : {}), ...who, subject }))
  return { commit, objects: [...objects.values()] }
}

export function fileOf(path: string, bytes: Uint8Array): [path: string, file: SourceFile] {
  const mode = path.endsWith('*') ? '100755' : path.endsWith('@') ? '120000' : '100644'
  return [path.replace(/[*@]$/, ''), { mode, bytes }]
}

export function makePack(objects: Objects): Uint8Array {
  const bytes = new Map(objects.map(object => [object.oid, object.bytes]))
  return concat(...writePack(objects, oid => bytes.get(oid)!))
}

export const source = (bytes: Uint8Array): Source => ({
  size: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
})

/** What a host that holds nothing says of a pack. */
export function checkPack(bytes: Uint8Array, commit: string): Walk | Refused {
  const work = scanPack(source(bytes))
  let step = work.next()
  while (!step.done) step = work.next()
  const scanned = step.value
  if (scanned.kind === 'refused') return scanned
  const walked = walkRelease(commit, oid => scanned.objects.get(oid))
  if (walked.kind === 'refused') return walked
  for (const [oid, { type }] of scanned.objects)
    if (!walked.reached.has(oid)) return refuse('PACK_EXTRA', `${type} ${oid}`)
  return walked
}

export type Row = readonly [mode: string, name: string | Uint8Array, oid: string]

/** A tree from raw rows: for what `formatTree` would not write. */
export const rawTree = (...rows: readonly Row[]) => {
  const row = ([mode, name, oid]: Row) =>
    concat(utf8(`${mode} `), typeof name === 'string' ? utf8(name) : name, Uint8Array.of(0), unhex(oid)!)
  return made('tree', concat(...rows.map(row)))
}
