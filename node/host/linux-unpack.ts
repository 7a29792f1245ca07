// Unpacks a tar archive into a new directory, which nobody else may enter until it is whole. What may be in it is said
// by tar.ts; when, and under which name it appears, by the engine.
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import type { Readable } from 'node:stream'
import { StepError } from './errors.ts'
import type { Unpacking } from './system.ts'
import { createTarReader, type Member, manifestName } from './tar.ts'
import { type Entry, encodeManifest } from './unpacked.ts'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY, O_RDONLY, O_DIRECTORY } = fs.constants

/**
 * `archive` and `into` are real paths; `into` does not exist, its parent does. Not yet durable: `sync -f` it. Throws
 * ARCHIVE_UNSAFE, ARCHIVE_DAMAGED, TOO_LARGE, TOOL_MISSING, or what the file system says; then `into` is for the
 * caller to remove.
 */
export async function unpack(archive: string, into: string, options: Unpacking): Promise<void> {
  const { strip, ownership, digest } = options
  fs.mkdirSync(into, { mode: 0o700 })
  const top = fs.openSync(into, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  const at = (name: string) => `/proc/self/fd/${top}/${name}`
  const entries = new Map<string, Entry>()
  let open: number | undefined
  let member: Member | undefined

  const foreign = ownership.uid !== undefined || ownership.gid !== undefined
  const uid = ownership.uid ?? process.geteuid!()
  const gid = ownership.gid ?? process.getegid!()
  const finish = () => {
    if (open === undefined || member === undefined) return
    if (foreign) fs.fchownSync(open, uid, gid)
    fs.fchmodSync(open, member.mode)
    fs.futimesSync(open, member.mtime, member.mtime)
    fs.closeSync(open)
    open = undefined
  }
  const refuse = (name: string, found: string) =>
    new StepError('ARCHIVE_UNSAFE', undefined, `${JSON.stringify(name)}: found ${found}`)
  const enter = (name: string, mode = 0o755, mtime = 0) => {
    if (!entries.has(name)) {
      above(name)
      fs.mkdirSync(at(name), { mode: 0o700 })
    }
    entries.set(name, { type: 'directory', name, mode, size: 0, mtime, link: '' })
  }
  /** Nothing is ever written through a link of the archive. */
  const above = (name: string) => {
    const parent = name.slice(0, Math.max(0, name.lastIndexOf('/')))
    if (parent === '' || entries.get(parent)?.type === 'directory') return
    if (entries.has(parent)) throw refuse(name, 'something that is no directory above it')
    enter(parent)
  }
  const add = (each: Member) => {
    const { type, name, mode, mtime, size, link } = each
    if (entries.has(name) && !(type === 'directory' && entries.get(name)?.type === type))
      throw refuse(name, 'it twice')
    if (type === 'directory') return enter(name, mode, mtime)
    above(name)
    if (type === 'link') {
      fs.symlinkSync(link, at(name))
      if (foreign) fs.lchownSync(at(name), uid, gid)
      entries.set(name, { type, name, mode: 0, size: 0, mtime: 0, link })
    } else if (type === 'hardlink') {
      const same = entries.get(link)
      if (same?.type !== 'file') throw refuse(name, `a hard link to ${link}, which is no file before it`)
      fs.linkSync(at(link), at(name))
      entries.set(name, { ...same, name })
    } else {
      open = fs.openSync(at(name), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600)
      entries.set(name, { type, name, mode, size, mtime, link: '' })
    }
    member = each
  }

  const reader = createTarReader(strip)
  try {
    for await (const chunk of plain(archive))
      for (const event of reader.push(chunk)) {
        if (event.kind === 'member') {
          finish()
          add(event.member)
        } else for (let done = 0; done < event.bytes.length; ) done += fs.writeSync(open!, event.bytes, done)
      }
    reader.end()
    finish()
    const manifest = encodeManifest({ archive: digest, strip, entries: [...entries.values()] })
    fs.writeFileSync(at(manifestName), manifest, { mode: 0o600, flag: 'wx' })
    // From the inside out: a directory that nobody may write to is closed when all is in it.
    const directories = [...entries.values()].filter(each => each.type === 'directory').reverse()
    for (const { name, mode } of directories) {
      if (foreign) fs.lchownSync(at(name), uid, gid)
      fs.chmodSync(at(name), mode)
    }
    if (foreign) fs.fchownSync(top, uid, gid)
    fs.fchmodSync(top, ownership.mode ?? 0o755)
  } finally {
    if (open !== undefined) fs.closeSync(open)
    fs.closeSync(top)
  }
}

/** The bytes of the archive without its compression, which its first bytes tell. */
async function* plain(archive: string): AsyncGenerator<Uint8Array> {
  const fd = fs.openSync(archive, O_RDONLY)
  const magic = new Uint8Array(6)
  fs.readSync(fd, magic, 0, 6, 0)
  const begins = (...bytes: number[]) => bytes.every((byte, index) => magic[index] === byte)
  const source = fs.createReadStream(archive, { fd, start: 0, highWaterMark: 1 << 18 })
  try {
    if (begins(0x1f, 0x8b)) yield* source.pipe((await import('node:zlib')).createGunzip())
    else if (begins(0x28, 0xb5, 0x2f, 0xfd))
      yield* source.pipe((await import('node:zlib')).createZstdDecompress())
    else if (begins(0xfd, 0x37, 0x7a, 0x58, 0x5a)) yield* through('xz', source)
    else if (begins(0x42, 0x5a, 0x68)) yield* through('bzip2', source)
    else yield* source
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (error instanceof StepError || !/^(Z_|ZSTD_|ERR_)/.test(code ?? '')) throw error
    throw new StepError('ARCHIVE_DAMAGED', undefined, `found what cannot be decompressed: ${message}`)
  } finally {
    source.destroy()
  }
}

/** Node has no reader of its own for these. */
async function* through(tool: string, source: Readable): AsyncGenerator<Uint8Array> {
  const child = spawn(tool, ['-dc'], { stdio: ['pipe', 'pipe', 'ignore'], cwd: '/' })
  const ended = new Promise<number | null | Error>(done => child.on('error', done).on('exit', done))
  // It stops reading when it gives up.
  child.stdin.on('error', () => {})
  source.pipe(child.stdin)
  try {
    yield* child.stdout
    const code = await ended
    if (code instanceof Error)
      throw new StepError(
        'TOOL_MISSING',
        undefined,
        `${tool}: ${code.message}; install ${tool}-utils or ${tool}`,
      )
    if (code !== 0) throw new StepError('ARCHIVE_DAMAGED', undefined, `${tool} ended with ${code}`)
  } finally {
    child.kill('SIGKILL')
  }
}
