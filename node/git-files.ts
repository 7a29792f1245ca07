// The files under a host's repository: few verbs, so that a simulated disk can have them too. Decides how bytes reach the
// disk for good, and when others get their turn; what lies where is git-disk.ts's.
import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  linkSync,
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
import { setImmediate } from 'node:timers/promises'
import { replaceFile, syncPath } from './os.ts'
import { type ScannedPack, type Source, scanPack } from './pack.ts'
import type { Refused } from './ports.ts'

export interface FileSource extends Source {
  close(): void
}

/** Paths as given to openRepository. Errors have an errno as their `code`. */
export interface Files {
  exists(path: string): boolean
  /** Bytes; 0 when there is none. */
  size(path: string): number
  modifiedMs(path: string): number
  read(path: string): Uint8Array
  /** A pack file, read through a window of so many bytes; 0: each read is a call of its own. */
  open(path: string, windowMax?: number): FileSource
  /** The pack that was read last, kept open for a moment. A pack may be removed at any time: its bytes never change. */
  recent(): { of(path: string): FileSource; close(): void }
  /** Reads a pack from end to end. */
  scan(path: string): Promise<ScannedPack | Refused>
  /** Names of files and folders. */
  list(path: string): readonly { readonly name: string; readonly isFile: boolean }[]
  /** With those above it. */
  makeFolder(path: string): void
  rename(from: string, to: string): void
  link(from: string, to: string): void
  /** Missing is fine. */
  remove(path: string): void
  /** Need not survive a power cut. */
  write(path: string, bytes: Uint8Array): void
  append(path: string, bytes: Uint8Array): void
  /** On the disk, whole, when it returns; by way of `temporary`. */
  replace(path: string, pieces: Iterable<Uint8Array>, temporary?: string): void
  sync(path: string): void
  /** Runs pure work to its end, and lets others run in between. */
  breathe<T>(work: Generator<unknown, T>): Promise<T>
}

/** One system call for many small objects, and little memory for large ones. Bytes. */
export const windowSize = 256 << 10

/** ms that a pack stays open after a read: a run reads thousands of files in one go, and then none for hours. */
const openMs = 500

/** An agent answers its peers within milliseconds, whatever it is checking. */
const breathMs = 8

export const systemFiles: Files = {
  exists: existsSync,
  size: path => statSync(path, { throwIfNoEntry: false })?.size ?? 0,
  modifiedMs: path => statSync(path).mtimeMs,
  read: path => readFileSync(path),
  open: openSource,
  recent: recentSource,
  scan: async path => {
    const source = openSource(path)
    try {
      return await breathe(scanPack(source))
    } finally {
      source.close()
    }
  },
  list: path =>
    readdirSync(path, { withFileTypes: true }).map(entry => ({ name: entry.name, isFile: entry.isFile() })),
  makeFolder: path => {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  },
  rename: renameSync,
  link: linkSync,
  remove: path => rmSync(path, { force: true }),
  write: (path, bytes) => writeFileSync(path, bytes, { mode: 0o600 }),
  append: (path, bytes) => appendFileSync(path, bytes, { mode: 0o600 }),
  replace: replaceFile,
  sync: syncPath,
  breathe,
}

function openSource(path: string, windowMax = windowSize): FileSource {
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

function recentSource(): { of(path: string): FileSource; close(): void } {
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
function readAll(fd: number, into: Uint8Array, offset: number): Uint8Array {
  let done = 0
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, offset + done)
    if (count === 0) break
    done += count
  }
  return into.subarray(0, done)
}

async function breathe<T>(work: Generator<unknown, T>): Promise<T> {
  for (let since = performance.now(); ; ) {
    const step = work.next()
    if (step.done) return step.value
    if (performance.now() - since < breathMs) continue
    await setImmediate()
    since = performance.now()
  }
}
