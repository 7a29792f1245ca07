// Clock, Random and durable small files on Node.js. Decides how bytes reach the disk for good, not which.
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { hex, utf8 } from '../signing/bytes.ts'
import { sha256 } from '../signing/crypto.ts'
import { NodeError } from './errors.ts'
import type { Clock, Durable, Random, Timers } from './ports.ts'

export const systemClock: Clock = {
  now: () => Date.now(),
  steady: () => Math.round(performance.timeOrigin + performance.now()),
}

/** Node's timers take at most 2^31 - 1 ms: whoever waits longer is called early, and asks again. */
const waitMaxMs = 2 ** 31 - 1

export const systemTimers: Timers = {
  after: (ms, action) => {
    const timer = setTimeout(action, Math.min(ms, waitMaxMs))
    return () => clearTimeout(timer)
  },
}

export const systemRandom: Random = {
  number: () => Math.random(),
  bytes: count => new Uint8Array(randomBytes(count)),
}

/** The largest file of trust/ (docs/formats.md section 3); keys and floors are far smaller. Bytes. */
export const durableSizeMax = 2 << 20

/** Puts an open file's bytes on the disk. */
export function syncPath(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Writes a file and puts it on the disk; it is there under its name only when it is whole. */
export function replaceFile(path: string, pieces: Iterable<Uint8Array>, temporary = `${path}.new`): void {
  const fd = openSync(temporary, 'w', 0o600)
  try {
    for (const piece of pieces) for (let at = 0; at < piece.length; ) at += writeSync(fd, piece, at)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, path)
  syncPath(dirname(path))
}

const frameSize = utf8('fleet/file/1 ').length + 64 + 1

/** Durable files under `folder`, which is made (mode 0700) when it is missing. */
export function openDurable(folder: string): Durable {
  const makeFolder = (path: string) => {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  }
  makeFolder(folder)
  const read = (path: string) => {
    try {
      return new Uint8Array(readFileSync(path))
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    }
  }
  return durableIn(folder, { read, makeFolder, replace: replaceFile })
}

/** What durable files lie on; undefined: there is no such file. */
export interface DurableFiles {
  read(path: string): Uint8Array | undefined
  makeFolder(path: string): void
  replace(path: string, pieces: Iterable<Uint8Array>): void
}

export function durableIn(folder: string, files: DurableFiles): Durable {
  return {
    read: async name => {
      const path = join(folder, name)
      const bytes = files.read(path)
      if (bytes === undefined) return { kind: 'absent' }
      const content = bytes.slice(frameSize)
      const expected = frame(content)
      if (Buffer.compare(expected, bytes.subarray(0, frameSize)) === 0)
        return { kind: 'present', bytes: content }
      return {
        kind: 'damaged',
        detail: `${path}: its ${bytes.length} bytes do not have the checksum they name`,
      }
    },
    write: async (name, bytes) => {
      if (bytes.length > durableSizeMax)
        throw new NodeError('FILE_TOO_LARGE', { file: name, bytes: bytes.length, most: durableSizeMax })
      const path = join(folder, name)
      files.makeFolder(dirname(path))
      files.replace(path, [frame(bytes), bytes])
    },
  }
}

/** What stands before the content (docs/formats.md section 12). */
function frame(content: Uint8Array): Uint8Array {
  return utf8(`fleet/file/1 ${hex(sha256(content))}\n`)
}
