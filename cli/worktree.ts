// The files of an operator's working tree: listed by git, looked at, and read only where that is needed. As git's index
// does, a file beside the repository keeps the digest of each by how it looked when it was read.
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { compareBytes } from '../node/host/steps/sources.ts'
import { packSizeMax } from '../node/pack.ts'
import type { FileMode } from '../node/ports.ts'
import { filesMax } from '../node/tree.ts'
import { hex } from '../signing/bytes.ts'
import { sha256 } from '../signing/crypto.ts'
import { CliError, exits } from './command.ts'

/** A file of the repository, at some time. */
export interface TreeFile {
  readonly mode: FileMode
  /** Bytes. */
  readonly size: number
  /** Of its bytes, lowercase hex. */
  readonly sha256: string
  /** Read when first asked for: throws if that is not possible any more. */
  readonly bytes: Uint8Array
}

/** A file whose bytes are at hand. */
export function treeFile(mode: FileMode, bytes: Uint8Array): TreeFile {
  return new LazyFile(mode, bytes.length, { bytes })
}

/** Made for each of thousands: a class, whose getters are made once. */
class LazyFile implements TreeFile {
  readonly mode: FileMode
  readonly size: number
  #sha256: string | undefined
  #bytes: Uint8Array | undefined
  readonly #path: string | undefined

  constructor(
    mode: FileMode,
    size: number,
    known: { readonly bytes: Uint8Array } | { readonly sha256: string; readonly path: string },
  ) {
    this.mode = mode
    this.size = size
    if ('bytes' in known) this.#bytes = known.bytes
    else {
      this.#sha256 = known.sha256
      this.#path = known.path
    }
  }

  get sha256() {
    this.#sha256 ??= hex(sha256(this.bytes))
    return this.#sha256
  }

  get bytes() {
    this.#bytes ??= readAll(this.#path!, this.size)
    return this.#bytes
  }
}

/** The first `size` bytes, or as many as there are: two system calls fewer than readFileSync, for each of thousands. */
function readAll(path: string, size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  const fd = fs.openSync(path, 'r')
  try {
    let at = 0
    while (at < size) {
      const got = fs.readSync(fd, bytes, at, size - at, null)
      if (got === 0) return bytes.subarray(0, at)
      at += got
    }
    return bytes
  } finally {
    fs.closeSync(fd)
  }
}

/** Tracked and untracked files, not the ignored ones; path -> file, sorted by path bytes. */
export async function readWorktree(root: string): Promise<ReadonlyMap<string, TreeFile>> {
  const listing = listWorktree(root)
  const sums = readSums(root)
  const files = new Map<string, TreeFile>()
  let total = 0
  for (const path of [...new Set(await listing)].sort(compareBytes)) {
    const full = `${root}/${path}`
    const stat = fs.lstatSync(full, { throwIfNoEntry: false })
    if (stat === undefined) continue // tracked, and deleted since
    if (stat.isDirectory())
      throw new CliError(
        `${path.replace(/\/$/, '')} is a repository of its own; a release holds files only`,
        {
          exit: exits.badInput,
          hint: 'copy its files in, or add it to .gitignore',
        },
      )
    if (!stat.isFile() && !stat.isSymbolicLink())
      throw new CliError(`${path} is neither a file nor a symbolic link`, { exit: exits.badInput })
    total += stat.size
    if (total > packSizeMax || files.size >= filesMax)
      throw new CliError(`more than ${packSizeMax >> 20} MiB or ${filesMax} files in ${root}`, {
        exit: exits.badInput,
        hint: 'add what is no part of the release to .gitignore',
      })
    if (stat.isSymbolicLink())
      files.set(path, treeFile('120000', new Uint8Array(fs.readlinkSync(full, 'buffer'))))
    else {
      // git looks at the owner's execute bit alone.
      const mode = stat.mode & 0o100 ? '100755' : '100644'
      const digest = sums.find(path, stat)
      if (digest !== undefined) files.set(path, new LazyFile(mode, stat.size, { sha256: digest, path: full }))
      else {
        const file = treeFile(mode, new Uint8Array(fs.readFileSync(full)))
        files.set(path, file)
        sums.add(path, stat, file)
      }
    }
  }
  sums.keep()
  return files
}

/** Stock git lists 5,000 files in 20 ms and isomorphic-git in seconds; operators have it, but need not. */
async function listWorktree(root: string): Promise<readonly string[]> {
  const args = ['-C', root, 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const stock = await new Promise<string | undefined>(resolve =>
    execFile('git', args, { maxBuffer: 32 << 20 }, (error, stdout) => resolve(error ? undefined : stdout)),
  )
  if (stock !== undefined) return stock.split('\0').filter(path => path !== '')
  const { default: git } = await import('isomorphic-git')
  const tracked = fs.existsSync(join(root, '.git', 'index')) ? await git.listFiles({ fs, dir: root }) : []
  const found = [...tracked]
  const walk = async (folder: string): Promise<void> => {
    for (const entry of fs.readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.name === '.git' && folder === '') continue
      const filepath = entry.isDirectory() ? `${path}/` : path
      if (await git.isIgnored({ fs, dir: root, filepath })) continue
      if (!entry.isDirectory()) found.push(path)
      else if (fs.existsSync(join(root, path, '.git'))) found.push(path)
      else await walk(path)
    }
  }
  await walk('')
  return found
}

/** A digest, and how the file looked when it was taken: bytes, times (ms), inode. */
type Sum = readonly [sha256: string, size: number, mtimeMs: number, ctimeMs: number, ino: number]

/** Only a hint, and nothing rests on it but what an edit by the file's owner could change as well. */
const sumsFile = '.git/fleet/sums.json'
const sumsVersion = 1
/** A few thousand files come to a megabyte. Bytes. */
const sumsSizeMax = 64 << 20
/** Fewer are read again as quickly as they are remembered. */
const worthKeeping = 100
/** A file changed this shortly before it was read may change again in the same tick of the kernel's clock (at most 10 ms). */
const racyMs = 20

function readSums(root: string) {
  const path = join(root, sumsFile)
  const known = parseSums(path)
  const used = new Map<string, Sum>()
  let fresh = 0
  return {
    find(name: string, { size, mtimeMs, ctimeMs, ino }: fs.Stats): string | undefined {
      const sum = known[name]
      if (sum?.[1] !== size || sum[2] !== mtimeMs || sum[3] !== ctimeMs || sum[4] !== ino) return undefined
      used.set(name, sum)
      return sum[0]
    },
    /** `file` has been read after `stat` was taken. */
    add(name: string, { size, mtimeMs, ctimeMs, ino }: fs.Stats, file: TreeFile): void {
      if (Date.now() - ctimeMs < racyMs || file.size !== size) return
      used.set(name, [file.sha256, size, mtimeMs, ctimeMs, ino])
      fresh++
    },
    /** Writes it down for the next time, where that helps and can be done. */
    keep(): void {
      if (fresh === 0 || used.size < worthKeeping) return
      const temporary = `${path}.${process.pid}`
      try {
        // In somebody else's repository a folder of ours would be in his way.
        if (fs.statSync(join(root, '.git')).uid === process.getuid?.())
          fs.mkdirSync(join(root, '.git/fleet'), { recursive: true })
        fs.writeFileSync(
          temporary,
          JSON.stringify({ version: sumsVersion, sums: Object.fromEntries(used) }),
          { flag: 'wx' },
        )
        fs.renameSync(temporary, path)
      } catch {
        // A repository that is not ours to write, or no ordinary one: it is read each time.
        fs.rmSync(temporary, { force: true })
      }
    },
  }
}

function parseSums(path: string): Readonly<Record<string, Sum>> {
  try {
    if (fs.statSync(path).size > sumsSizeMax) return {}
    const { version, sums } = JSON.parse(fs.readFileSync(path, 'utf8')) as {
      version: number
      sums: Record<string, Sum>
    }
    return version === sumsVersion && typeof sums === 'object' && sums !== null ? sums : {}
  } catch {
    return {}
  }
}
