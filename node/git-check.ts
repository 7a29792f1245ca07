// What must be true of a pack before it becomes part of the repository, and reading releases out of packs that are.
// The form is pack.ts's, the meaning tree.ts's; here they meet a file.
import { breathe, type FileSource, openSource } from './git-disk.ts'
import { type PackedObject, readObject, refuse, type ScannedPack, scanPack } from './pack.ts'
import type { Refused, Release } from './ports.ts'
import { type Walk, walkRelease } from './tree.ts'

/** A release whose pack is open and was read from end to end. */
export interface Held {
  readonly release: Release
  readonly objects: ReadonlyMap<string, PackedObject>
  readonly source: FileSource
  /** A file by the SHA-256 of its bytes. */
  readonly bySha256: ReadonlyMap<string, PackedObject>
}

export interface Checked {
  readonly kind: 'checked'
  readonly scanned: ScannedPack
  readonly walk: Walk
}

/**
 * Checks a whole pack file: byte-defined form, limits, everything that the commit needs and nothing else. With a base, what the
 * base holds counts as there, and may not come again.
 */
export async function checkPack(source: FileSource, commit: string, base?: Held): Promise<Checked | Refused> {
  const scanned = await breathe(scanPack(source))
  if (scanned.kind === 'refused') return scanned
  const walk = walkRelease(commit, oid => scanned.objects.get(oid) ?? base?.objects.get(oid))
  if (walk.kind === 'refused') return walk
  for (const [oid, { type }] of scanned.objects) {
    if (!walk.reached.has(oid)) return refuse('PACK_EXTRA', `${type} ${oid} belongs to no path`)
    if (base?.objects.has(oid)) return refuse('PACK_EXTRA', `${type} ${oid} is in the base already`)
  }
  return { kind: 'checked', scanned, walk }
}

/** Opens the full pack of a release; words, as a refusal, when it is not what it was. */
export async function openHeld(path: string, commit: string): Promise<Held | Refused> {
  const source = openSource(path)
  const checked = await checkPack(source, commit)
  if (checked.kind === 'checked') return heldOf(checked, source)
  source.close()
  return checked
}

export function heldOf({ scanned: { objects }, walk: { release } }: Checked, source: FileSource): Held {
  const bySha256 = new Map<string, PackedObject>()
  for (const object of objects.values()) if (object.sha256) bySha256.set(object.sha256, object)
  return { release, objects, source, bySha256 }
}

/** The content of an object that a new pack or one of these releases holds. */
export function contentFrom(
  places: readonly Pick<Held, 'objects' | 'source'>[],
): (oid: string) => Uint8Array {
  return oid => {
    for (const { objects, source } of places) {
      const object = objects.get(oid)
      if (object) return object.bytes ?? readObject(source, object)
    }
    throw new RangeError(`no object ${oid}`)
  }
}
