// Core: the bytes of a tar archive (POSIX ustar and pax, GNU long names) -> what is in it, piece by piece. Refuses
// whatever could reach outside the directory that it is unpacked to; who writes the files is linux-unpack.ts.
import { StepError } from './errors.ts'

/** One member, its name relative, without `.` and `..`. `link`: what a link points to, or the member a hard link repeats. */
export interface Member {
  readonly type: 'file' | 'directory' | 'link' | 'hardlink'
  readonly name: string
  /** Bytes that follow; 0 unless a file. */
  readonly size: number
  /** Permission bits, without write for group and others. */
  readonly mode: number
  /** Seconds. */
  readonly mtime: number
  readonly link: string
}

export type TarEvent =
  | { readonly kind: 'member'; readonly member: Member }
  /** Of the last member, in order. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }

export interface TarReader {
  /** Throws ARCHIVE_UNSAFE, ARCHIVE_DAMAGED, TOO_LARGE. The bytes answered may be views of `chunk`. */
  push(chunk: Uint8Array): readonly TarEvent[]
  /** After the last chunk. Throws ARCHIVE_DAMAGED when something is missing. */
  end(): void
}

/** Applications of a few ten thousand files, and disks that are not filled by a slip. Bytes. */
export const unpackedBytesMax = 4 * 1024 ** 3
export const membersMax = 200_000
/** Long names and pax records; PATH_MAX twice, with what else a record may say. Bytes. */
const extraBytesMax = 64 * 1024
const block = 512

/** `strip`: leading components of each name that are left out; a member with no more than these is left out whole. */
export function createTarReader(strip: number): TarReader {
  let pending = new Uint8Array()
  let left = 0
  let padding = 0
  /** Set while the bytes of a long name or pax record come in. */
  let extra: { readonly type: string; readonly parts: Uint8Array[] } | undefined
  let skipping = false
  let next: Record<string, string> = {}
  let members = 0
  let total = 0
  let blank = false
  let any = false

  const header = (bytes: Uint8Array): TarEvent | undefined => {
    if (bytes.every(byte => byte === 0)) {
      blank = true
      return undefined
    }
    any = true
    checkSum(bytes)
    const type = String.fromCharCode(bytes[156]! || 0x30)
    const size = next['size'] !== undefined ? Number(next['size']) : number(bytes, 124, 12)
    if (!Number.isSafeInteger(size) || size < 0) throw damaged('a member of no size')
    padding = (block - (size % block)) % block
    left = size
    if ('LKxg'.includes(type)) {
      if (size > extraBytesMax) throw new StepError('TOO_LARGE', undefined, `found a name of ${size} bytes`)
      extra = { type, parts: [] }
      return undefined
    }
    const long = next
    next = {}
    const ustar = text(bytes, 257, 5) === 'ustar'
    const prefix = ustar && bytes[263] === 0x30 ? text(bytes, 345, 155) : ''
    const short = text(bytes, 0, 100)
    const whole = long['path'] ?? (prefix === '' ? short : `${prefix}/${short}`)
    const kind = kinds[type]
    if (kind === undefined) throw unsafe(whole, `a member of type ${type}`, 'files, directories and links')
    const mode = number(bytes, 100, 8) & 0o7777
    if (mode & 0o6000) throw unsafe(whole, 'a setuid or setgid bit', 'plain permissions')
    const name = within(whole, strip)
    const link = long['linkpath'] ?? text(bytes, 157, 100)
    if (++members > membersMax)
      throw new StepError('TOO_LARGE', undefined, `found more than ${membersMax} members`)
    skipping = name === undefined || kind !== 'file'
    if (name === undefined) return undefined
    if (kind === 'file' && (total += size) > unpackedBytesMax)
      throw new StepError('TOO_LARGE', undefined, `found more than ${unpackedBytesMax} bytes in it`)
    if (kind !== 'file' && left > 0) throw damaged(`${whole}, which is no file and has content`)
    if (kind === 'link') staysInside(name, link)
    const target = kind === 'hardlink' ? within(link, strip) : link
    if (target === undefined) throw unsafe(whole, `a hard link to ${link}`, 'one to another member')
    const mtime = Math.trunc(Number(long['mtime'] ?? number(bytes, 136, 12))) || 0
    const member: Member = {
      type: kind,
      name,
      size: kind === 'file' ? size : 0,
      mode: mode & 0o755,
      mtime,
      link: kind === 'link' || kind === 'hardlink' ? target : '',
    }
    return { kind: 'member', member }
  }

  const finishExtra = () => {
    const { type, parts } = extra!
    const bytes = joined(parts)
    extra = undefined
    if (type === 'L') next['path'] = text(bytes, 0, bytes.length)
    else if (type === 'K') next['linkpath'] = text(bytes, 0, bytes.length)
    else if (type === 'x') next = { ...next, ...paxRecords(bytes) }
    if (Object.keys(next).some(name => name.startsWith('GNU.sparse')))
      throw unsafe(next['path'] ?? '', 'a sparse file', 'plain files')
  }

  return {
    push: chunk => {
      const events: TarEvent[] = []
      let bytes = pending.length === 0 ? chunk : joined([pending, chunk])
      pending = new Uint8Array()
      while (bytes.length > 0) {
        if (left > 0) {
          const some = bytes.subarray(0, Math.min(left, bytes.length))
          bytes = bytes.subarray(some.length)
          left -= some.length
          if (extra) extra.parts.push(some.slice())
          else if (!skipping) events.push({ kind: 'bytes', bytes: some })
        } else if (padding > 0) {
          const some = Math.min(padding, bytes.length)
          bytes = bytes.subarray(some)
          padding -= some
        } else if (blank) {
          // Two blank blocks end an archive; what follows is filling.
          bytes = bytes.subarray(bytes.length)
        } else if (bytes.length < block) {
          pending = bytes.slice()
          break
        } else {
          const event = header(bytes.subarray(0, block))
          bytes = bytes.subarray(block)
          if (event) events.push(event)
        }
        if (extra && left === 0) finishExtra()
      }
      return events
    },
    end: () => {
      if (left > 0 || pending.length > 0 || !any) throw damaged('an archive that ends too early')
    },
  }
}

const kinds: Readonly<Record<string, Member['type']>> = {
  '0': 'file',
  '7': 'file',
  '5': 'directory',
  '2': 'link',
  '1': 'hardlink',
}

const damaged = (found: string) =>
  new StepError('ARCHIVE_DAMAGED', undefined, `found ${found}; expected a whole tar archive`)

const unsafe = (name: string, found: string, expected: string) =>
  new StepError('ARCHIVE_UNSAFE', undefined, `${JSON.stringify(name)}: found ${found}; expected ${expected}`)

/** The name without its first components; undefined when none is left. */
function within(name: string, strip: number): string | undefined {
  if (name.startsWith('/')) throw unsafe(name, 'an absolute name', 'names inside the archive')
  const parts = name.split('/').filter(part => part !== '' && part !== '.')
  if (parts.includes('..')) throw unsafe(name, '.. in a name', 'names inside the archive')
  // The unpacker's own record stands there.
  if (parts.length === strip + 1 && parts.at(-1) === manifestName)
    throw unsafe(name, `the name ${manifestName}`, 'another')
  const rest = parts.slice(strip)
  return rest.length === 0 ? undefined : rest.join('/')
}

/** Where an unpacked directory says what it holds, see unpacked.ts. */
export const manifestName = '.fleet-unpacked'

/**
 * A link may climb to the top of the archive and no further. `..` only at the start: after a component that is itself a
 * link, it would lead elsewhere than it seems to.
 */
function staysInside(name: string, target: string) {
  const expected = 'one that stays inside the archive'
  if (target === '' || target.startsWith('/'))
    throw unsafe(name, `a link to ${target || 'nothing'}`, expected)
  const parts = target.split('/').filter(part => part !== '' && part !== '.')
  const climbs = parts.findIndex(part => part !== '..')
  const ups = climbs < 0 ? parts.length : climbs
  if (parts.slice(ups).includes('..') || ups > name.split('/').length - 1)
    throw unsafe(name, `a link to ${target}`, expected)
}

/** The sum of the header's bytes, its own field counted as blanks (POSIX ustar). */
function checkSum(bytes: Uint8Array) {
  let sum = 0
  for (let at = 0; at < block; at++) sum += at >= 148 && at < 156 ? 0x20 : bytes[at]!
  if (sum !== number(bytes, 148, 8)) throw damaged('a header with a wrong checksum')
}

/** Octal digits, or GNU's base 256 where the highest bit is set. */
function number(bytes: Uint8Array, at: number, length: number): number {
  if (bytes[at]! & 0x80) {
    let value = 0
    for (const byte of bytes.subarray(at + 1, at + length)) value = value * 256 + byte
    return value
  }
  const digits = text(bytes, at, length).trim()
  return digits === '' ? 0 : /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN
}

function text(bytes: Uint8Array, at: number, length: number): string {
  const field = bytes.subarray(at, at + length)
  const end = field.indexOf(0)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(end < 0 ? field : field.subarray(0, end))
  } catch {
    throw damaged('a name that is not UTF-8')
  }
}

/** `LENGTH KEY=VALUE\n`, again and again (POSIX pax). */
function paxRecords(bytes: Uint8Array): Record<string, string> {
  const records: Record<string, string> = {}
  for (let at = 0; at < bytes.length; ) {
    const blankAt = bytes.indexOf(0x20, at)
    const length = Number(text(bytes, at, Math.max(0, blankAt - at)))
    if (blankAt < 0 || !Number.isInteger(length) || length <= blankAt - at)
      throw damaged('a broken pax record')
    const record = text(bytes, blankAt + 1, at + length - blankAt - 2)
    const equals = record.indexOf('=')
    const name = record.slice(0, equals)
    if (['path', 'linkpath', 'size', 'mtime'].includes(name) || name.startsWith('GNU.sparse'))
      records[name] = record.slice(equals + 1)
    at += length
  }
  return records
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
