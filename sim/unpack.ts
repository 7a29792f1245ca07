// Unpacks a tar archive on a simulated disk, as node/host/linux-unpack.ts does on a real one. What may be in it is said by
// node/host/tar.ts.
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { StepError } from '../node/host/errors.ts'
import type { Unpacking } from '../node/host/system.ts'
import { createTarReader, type Member, manifestName } from '../node/host/tar.ts'
import { type Entry, encodeManifest } from '../node/host/unpacked.ts'
import type { Node, SimDisk } from './disk.ts'

export function unpack(
  disk: SimDisk,
  archive: Uint8Array,
  [above, into]: [Node, string],
  { strip, ownership, digest }: Unpacking,
  fresh: { readonly uid: number; readonly gid: number },
): void {
  const owner = { uid: ownership.uid ?? fresh.uid, gid: ownership.gid ?? fresh.gid }
  const top = disk.add(above, into, 'directory', { mode: 0o700, ...fresh })
  const entries = new Map<string, Entry>()
  const nodes = new Map<string, Node>([['', top]])
  const refuse = (name: string, found: string) =>
    new StepError('ARCHIVE_UNSAFE', undefined, `${JSON.stringify(name)}: found ${found}`)
  const parentOf = (name: string) => name.slice(0, Math.max(0, name.lastIndexOf('/')))
  const make = (name: string, kind: Node['kind'], content?: Uint8Array | string) => {
    const node = disk.add(
      nodes.get(parentOf(name))!,
      name.slice(name.lastIndexOf('/') + 1),
      kind,
      {
        mode: kind === 'link' ? 0o777 : 0o600,
        ...owner,
      },
      content,
    )
    nodes.set(name, node)
    return node
  }
  const enter = (name: string, mode = 0o755, mtime = 0) => {
    if (!entries.has(name)) {
      ascend(name)
      make(name, 'directory')
    }
    entries.set(name, { type: 'directory', name, mode, size: 0, mtime, link: '' })
  }
  const ascend = (name: string) => {
    const parent = parentOf(name)
    if (parent === '' || entries.get(parent)?.type === 'directory') return
    if (entries.has(parent)) throw refuse(name, 'something that is no directory above it')
    enter(parent)
  }
  let open: { readonly member: Member; readonly pieces: Uint8Array[] } | undefined
  const finish = () => {
    if (!open) return
    const { member, pieces } = open
    const node = make(member.name, 'file', new Uint8Array(Buffer.concat(pieces)))
    disk.setMode(node, member.mode)
    disk.setTime(node, member.mtime * 1000)
    open = undefined
  }
  const add = (member: Member) => {
    const { type, name, mode, mtime, size, link } = member
    if (entries.has(name) && !(type === 'directory' && entries.get(name)?.type === type))
      throw refuse(name, 'it twice')
    if (type === 'directory') return enter(name, mode, mtime)
    ascend(name)
    if (type === 'link') {
      make(name, 'link', link)
      entries.set(name, { type, name, mode: 0, size: 0, mtime: 0, link })
    } else if (type === 'hardlink') {
      const same = entries.get(link)
      if (same?.type !== 'file') throw refuse(name, `a hard link to ${link}, which is no file before it`)
      disk.link(nodes.get(parentOf(name))!, name.slice(name.lastIndexOf('/') + 1), nodes.get(link)!)
      entries.set(name, { ...same, name })
    } else {
      open = { member, pieces: [] }
      entries.set(name, { type, name, mode, size, mtime, link: '' })
    }
  }

  const reader = createTarReader(strip)
  for (const event of reader.push(plain(archive))) {
    if (event.kind === 'member') {
      finish()
      add(event.member)
    } else open?.pieces.push(event.bytes)
  }
  reader.end()
  finish()
  const manifest = encodeManifest({ archive: digest, strip, entries: [...entries.values()] })
  disk.add(top, manifestName, 'file', { mode: 0o600, ...fresh }, manifest)
  for (const { type, name, mode } of [...entries.values()].reverse())
    if (type === 'directory') disk.setMode(nodes.get(name)!, mode)
  if (top.uid !== owner.uid || top.gid !== owner.gid) disk.setOwner(top, owner.uid, owner.gid)
  disk.setMode(top, ownership.mode ?? 0o755)
}

function plain(archive: Uint8Array): Uint8Array {
  const begins = (...bytes: number[]) => bytes.every((byte, index) => archive[index] === byte)
  try {
    if (begins(0x1f, 0x8b)) return gunzipSync(archive)
    if (begins(0x28, 0xb5, 0x2f, 0xfd)) return zstdDecompressSync(archive)
  } catch (error) {
    throw new StepError('ARCHIVE_DAMAGED', undefined, `found what cannot be decompressed: ${error}`)
  }
  for (const [tool, ...magic] of [
    ['xz', 0xfd, 0x37, 0x7a],
    ['bzip2', 0x42, 0x5a, 0x68],
  ] as const)
    if (begins(...magic))
      throw new StepError('TOOL_MISSING', undefined, `${tool}: not on a simulated machine`)
  return archive
}
