// Makes objects and packs for tests, from plain files, with no git at hand. A path that ends in `*` is executable, one
// that ends in `@` a symbolic link.
import { type ObjectType, objectId, refuse, type Source, scanPack, writePack } from '../../node/pack.ts'
import type { Refused } from '../../node/ports.ts'
import { formatCommit, formatTree, type TreeEntry, type Walk, walkRelease } from '../../node/tree.ts'
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
  const keep = (object: Objects[number]) => objects.set(object.oid, object) && object.oid
  const folder = (prefix: string): string => {
    const entries = new Map<string, TreeEntry>()
    for (const [path, bytes] of Object.entries(files)) {
      if (!path.startsWith(prefix)) continue
      const [head = '', ...rest] = path.slice(prefix.length).split('/')
      const name = rest.length ? head : head.replace(/[*@]$/, '')
      if (rest.length) {
        if (!entries.has(name)) entries.set(name, { name, mode: '40000', oid: folder(`${prefix}${name}/`) })
      } else {
        const mode = head.endsWith('*') ? '100755' : head.endsWith('@') ? '120000' : '100644'
        entries.set(name, { name, mode, oid: keep(blob(bytes)) })
      }
    }
    return keep(made('tree', formatTree([...entries.values()])))
  }
  const tree = folder('')
  const commit = keep(made('commit', formatCommit({ tree, ...(parent ? { parent } : {}), ...who, subject })))
  return { commit, objects: [...objects.values()] }
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
