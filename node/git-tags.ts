// Tag objects and the trust trees that they name, as small packs; which commit is the newest release. Whether a tag is
// signed by somebody who may is decided long before.
import { text } from '../signing/bytes.ts'
import { isTrust } from './content.ts'
import { NodeError } from './errors.ts'
import { type ObjectType, objectId } from './pack.ts'
import type { TagRef } from './ports.ts'
import { keepTree } from './publish.ts'

/** A tag that is held. */
export interface HeldTag {
  readonly oid: string
  readonly target: string
  readonly type: 'commit' | 'tree'
  readonly body: Uint8Array
}

/** Bytes (docs/formats.md section 4). */
const tagSizeMax = 64 << 10

export interface TagObjects {
  readonly tag: HeldTag
  /** The tag, and the objects of its trust tree if it brings one. */
  readonly objects: ReadonlyMap<string, { readonly type: ObjectType; readonly bytes: Uint8Array }>
}

/** What a tag's body names; words when it is no tag of a commit or tree. */
export function parseTag(body: Uint8Array): HeldTag | string {
  if (body.length > tagSizeMax) return `it has ${body.length} bytes, at most ${tagSizeMax} are taken`
  const found = /^object ([0-9a-f]{40})\ntype (commit|tree)\ntag [^\n]+\n/.exec(
    text(body.subarray(0, 512)) ?? '',
  )
  if (!found) return 'it does not begin with object, type commit or tree, and tag'
  return { oid: objectId('tag', body), target: found[1]!, type: found[2] as HeldTag['type'], body }
}

/** The objects that hold a tag. Error TAG_FORM when the body is no tag, or the trust files make another tree. */
export function tagObjects(
  ref: TagRef,
  body: Uint8Array,
  trust: ReadonlyMap<string, Uint8Array> | undefined,
): TagObjects {
  const tag = parseTag(body)
  if (typeof tag === 'string') throw new NodeError('TAG_FORM', { ref, found: tag })
  const objects = new Map<string, { type: ObjectType; bytes: Uint8Array }>()
  const keep = (type: ObjectType, bytes: Uint8Array) => {
    const oid = objectId(type, bytes)
    objects.set(oid, { type, bytes })
    return oid
  }
  keep('tag', body)
  if (trust) {
    for (const path of trust.keys())
      if (!isTrust(path)) throw new NodeError('TAG_FORM', { ref, found: `a file ${path} in its trust tree` })
    const files = [...trust].map(([path, bytes]) => [path, { mode: '100644', bytes }] as const)
    const root = keepTree(new Map(files), keep)
    if (tag.type !== 'tree' || tag.target !== root)
      throw new NodeError('TAG_FORM', {
        ref,
        found: `its target is ${tag.target}, its trust files make ${root}`,
      })
  }
  return { tag, objects }
}

/** The release commit of the highest fleet tag: where refs/heads/main points. */
export function newestRelease(tags: ReadonlyMap<TagRef, HeldTag>): string | undefined {
  let newest: { sequence: number; target: string } | undefined
  for (const [ref, { type, target }] of tags) {
    const sequence = Number(/^refs\/tags\/fleet\/(\d+)$/.exec(ref)?.[1] ?? Number.NaN)
    if (type === 'commit' && sequence > (newest?.sequence ?? 0)) newest = { sequence, target }
  }
  return newest?.target
}

/** The name under which a fork's sibling may be kept. */
export function isTagRef(ref: string): ref is TagRef {
  return /^refs\/(?:tags\/fleet\/[1-9][0-9]{0,15}|fleet\/fork\/[0-9a-f]{64})$/.test(ref)
}
