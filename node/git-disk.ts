// How a host's repository lies on the disk: its folders, refs, packs, and the order of writes that lets stock git read
// it at any moment. What may be taken is git-check.ts's, what is held git.ts's.
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { equal, hex, utf8 } from '../signing/bytes.ts'
import { hasher } from '../signing/crypto.ts'
import { replaceFile } from './os.ts'
import { type ObjectType, objectAt, readIndex, type Source } from './pack.ts'

const head = 'ref: refs/heads/main\n'
// A `git gc` by chance would pack what we name by object; its owner is the agent alone.
const config = '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n[gc]\n\tauto = 0\n'

/** Makes an empty bare repository, or completes one: its HEAD and config are the same for ever. */
export function layOut(folder: string): void {
  for (const each of ['objects/pack', 'objects/info', 'refs/heads', 'refs/tags/fleet', 'refs/fleet/held'])
    mkdirSync(join(folder, each), { recursive: true, mode: 0o700 })
  for (const each of ['refs/fleet/fork', 'fleet/packs', 'fleet/quarantine', 'fleet/tmp'])
    mkdirSync(join(folder, each), { recursive: true, mode: 0o700 })
  for (const [name, text] of Object.entries({ config, HEAD: head })) {
    const path = join(folder, name)
    if (!existsSync(path) || readFileSync(path, 'utf8') !== text) replaceFile(path, [utf8(text)])
  }
}

/** Ref name -> object id, for the refs that are ours; words when one is damaged. */
export function readRefs(folder: string): Map<string, string> | string {
  if (existsSync(join(folder, 'packed-refs'))) return 'packed-refs: somebody ran git gc or pack-refs in it'
  const refs = new Map<string, string>()
  for (const kind of ['refs/heads', 'refs/tags/fleet', 'refs/fleet/held', 'refs/fleet/fork'])
    for (const entry of readdirSync(join(folder, kind), { withFileTypes: true })) {
      if (!entry.isFile()) continue
      const ref = `${kind}/${entry.name}`
      const found = /^([0-9a-f]{40})\n$/.exec(readFileSync(join(folder, ref), 'latin1'))
      if (!found) return `${ref} holds no object id`
      refs.set(ref, found[1]!)
    }
  return refs
}

export function writeRef(folder: string, ref: string, oid: string): void {
  replaceFile(join(folder, ref), [utf8(`${oid}\n`)], join(folder, 'fleet/tmp/ref'))
}

export function removeRef(folder: string, ref: string): void {
  rmSync(join(folder, ref), { force: true })
}

/** git's list of commits whose parents are not here. */
export function writeShallow(folder: string, commits: readonly string[]): void {
  const path = join(folder, 'shallow')
  if (commits.length === 0) rmSync(path, { force: true })
  else replaceFile(path, [utf8(`${commits.join('\n')}\n`)], join(folder, 'fleet/tmp/shallow'))
}

/** Packs are named after the one object that they make whole: a release commit or a tag. */
export function packPath(folder: string, oid: string): string {
  return join(folder, `objects/pack/pack-${oid}.pack`)
}

export function indexPath(folder: string, oid: string): string {
  return join(folder, `objects/pack/pack-${oid}.idx`)
}

/** Moves a pack that is on the disk into place. git looks at a pack once its index is there, so that comes last. */
export function placePack(folder: string, oid: string, pack: string, index: Uint8Array): void {
  renameSync(pack, packPath(folder, oid))
  replaceFile(indexPath(folder, oid), [index], join(folder, 'fleet/tmp/index'))
}

/** The index goes first, for the same reason. */
export function removePack(folder: string, oid: string): void {
  rmSync(indexPath(folder, oid), { force: true })
  rmSync(packPath(folder, oid), { force: true })
}

/** The object that a pack is named after, by way of the index; words when pack or index are damaged. */
export function headOfPack(folder: string, oid: string): { type: ObjectType; bytes: Uint8Array } | string {
  const [pack, idx] = [packPath(folder, oid), indexPath(folder, oid)]
  for (const path of [pack, idx]) if (!existsSync(path)) return `${path} is missing`
  const index = readIndex(readFileSync(idx))
  if (!index) return `${idx} is damaged`
  const file = openSource(pack)
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
export function removeStrayPacks(folder: string, wanted: (oid: string) => boolean): void {
  for (const name of readdirSync(join(folder, 'objects/pack'))) {
    const oid = /^pack-([0-9a-f]{40})\.(?:pack|idx)$/.exec(name)?.[1]
    if (oid === undefined || !wanted(oid)) rmSync(join(folder, 'objects/pack', name), { force: true })
  }
  for (const name of readdirSync(join(folder, 'fleet/tmp')))
    rmSync(join(folder, 'fleet/tmp', name), { force: true })
}

export interface FileSource extends Source {
  close(): void
}

/** One system call for many small objects, and little memory for large ones. Bytes. */
const windowSize = 256 << 10

/** A pack file, read through a window of so many bytes; 0: each read is a call of its own. */
export function openSource(path: string, windowMax = windowSize): FileSource {
  const fd = openSync(path, 'r')
  const { size } = fstatSync(fd)
  const window = new Uint8Array(Math.min(size, windowMax))
  let start = 0
  let filled = 0
  return {
    size,
    read: (offset, length) => {
      if (length > window.length) return readAll(fd, new Uint8Array(length), offset)
      if (offset < start || offset + length > start + filled) {
        start = offset
        filled = readAll(fd, window.subarray(0, Math.min(window.length, size - offset)), offset).length
      }
      return window.subarray(offset - start, offset - start + length)
    },
    close: () => closeSync(fd),
  }
}

/** ms that a pack stays open after a read: a run reads thousands of files in one go, and then none for hours. */
const openMs = 500

/** The pack that was read last, kept open for a moment. A pack may be removed at any time: its bytes never change. */
export function recentSource(): { of(path: string): FileSource; close(): void } {
  let recent: { readonly path: string; readonly source: FileSource } | undefined
  let timer: NodeJS.Timeout | undefined
  let used = false
  const close = () => {
    clearInterval(timer)
    recent?.source.close()
    recent = undefined
  }
  return {
    of(path) {
      used = true
      if (recent?.path === path) return recent.source
      close()
      recent = { path, source: openSource(path, 0) }
      timer = setInterval(() => {
        if (!used) close()
        used = false
      }, openMs).unref()
      return recent.source
    },
    close,
  }
}

/** Fills `into` from `offset`; shorter only at the end of the file. */
export function readAll(fd: number, into: Uint8Array, offset: number): Uint8Array {
  let done = 0
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, offset + done)
    if (count === 0) break
    done += count
  }
  return into.subarray(0, done)
}

/** SHA-256 of a file, lowercase hex; yields now and then. */
export function* hashFile(path: string): Generator<undefined, string> {
  const file = openSource(path)
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

/** An agent answers its peers within milliseconds, whatever it is checking. */
const breathMs = 8

/** Runs pure work to its end, and lets others run in between. */
export async function breathe<T>(work: Generator<unknown, T>): Promise<T> {
  for (let since = performance.now(); ; ) {
    const step = work.next()
    if (step.done) return step.value
    if (performance.now() - since < breathMs) continue
    await setImmediate()
    since = performance.now()
  }
}

/** Size of a file in bytes, 0 when there is none. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** Writes bytes that need not survive a power cut. */
export function writeScratch(path: string, bytes: Uint8Array): void {
  writeFileSync(path, bytes, { mode: 0o600 })
}
