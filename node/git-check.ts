// What must be true of a pack before it becomes part of the repository, and reading releases out of packs that are.
// The form is pack.ts's, the meaning tree.ts's; here they meet a file.
import type { FileSource, Files } from './git-files.ts'
import { type PackedObject, readObject, refuse, type ScannedPack } from './pack.ts'
import type { Refused, Release } from './ports.ts'
import { type Walk, walkRelease } from './tree.ts'

/** A pack file that was read from end to end. */
export interface KnownPack {
  readonly path: string
  readonly objects: ReadonlyMap<string, PackedObject>
}

/** A release with its full pack. */
export interface Held extends KnownPack {
  readonly release: Release
  /** A file by the SHA-256 of its bytes. */
  readonly bySha256: ReadonlyMap<string, PackedObject>
}

export interface Checked {
  readonly kind: 'checked'
  readonly scanned: ScannedPack
  readonly walk: Walk
}

/**
 * Checks a whole pack file: byte-defined form, limits, everything that the commit needs and nothing else. With a base, what
 * the base holds counts as there, and may not come again.
 */
export async function checkPack(
  files: Files,
  path: string,
  commit: string,
  base?: KnownPack,
): Promise<Checked | Refused> {
  const scanned = await files.scan(path)
  if (scanned.kind === 'refused') return scanned
  const known = verdicts.get(scanned)
  if (known?.commit === commit && known.base === base?.objects) return known.verdict
  const verdict = judge(scanned, commit, base)
  verdicts.set(scanned, { commit, base: base?.objects, verdict })
  return verdict
}

/** The newest of each scan: a pack is checked more than once, and in the simulator by thousands of hosts. */
const verdicts = new WeakMap<
  ScannedPack,
  {
    readonly commit: string
    readonly base: KnownPack['objects'] | undefined
    readonly verdict: Checked | Refused
  }
>()

function judge(scanned: ScannedPack, commit: string, base: KnownPack | undefined): Checked | Refused {
  const walk = walkRelease(commit, oid => scanned.objects.get(oid) ?? base?.objects.get(oid))
  if (walk.kind === 'refused') return walk
  for (const [oid, { type }] of scanned.objects) {
    if (!walk.reached.has(oid)) return refuse('PACK_EXTRA', `${type} ${oid} belongs to no path`)
    if (base?.objects.has(oid)) return refuse('PACK_EXTRA', `${type} ${oid} is in the base already`)
  }
  return { kind: 'checked', scanned, walk }
}

export function heldOf({ scanned: { objects }, walk: { release } }: Checked, path: string): Held {
  const bySha256 = new Map<string, PackedObject>()
  for (const object of objects.values()) if (object.sha256) bySha256.set(object.sha256, object)
  return { release, objects, path, bySha256 }
}

/** The content of an object of a pack, read through `open`. */
export function contentOf(
  open: (path: string) => FileSource,
  { path }: KnownPack,
  object: PackedObject,
): Uint8Array {
  return object.bytes ?? readObject(open(path), object)
}
