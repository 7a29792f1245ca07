// One line to whoever is logged in: what they changed was put back, and how to hold it. Never waits for a terminal, and
// writes only to those that their session's user owns.
import * as fs from 'node:fs'

export interface Session {
  readonly user: string
  /** Below /dev: `pts/3`, `tty1`. */
  readonly line: string
}

export interface Terminals {
  /** `label`: of the release in force, `42 subject`. Paths that come too soon after a line are counted in the next one. */
  restored(paths: readonly string[], label: string): void
  close(): void
}

export interface TerminalOptions {
  readonly now: () => number
  /** Where /run and /dev are; for tests. */
  readonly run?: string
  readonly dev?: string
  /** The number of a user; for tests. */
  readonly userId?: (name: string) => number | undefined
}

/** At most one line in this time to each terminal, in milliseconds. */
export const quietMs = 10_000
/** Sessions that are told, and bytes of /run/utmp that are read: far more than people log in to a machine. */
const sessionsMax = 200
const utmpBytesMax = 1024 * 1024

export function openTerminals({
  now,
  run = '/run',
  dev = '/dev',
  userId = accountId,
}: TerminalOptions): Terminals {
  const last = new Map<string, number>()
  const owed = new Map<string, string[]>()
  let label = ''
  let timer: NodeJS.Timeout | undefined
  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    for (const [device, atMs] of last) if (now() - atMs >= quietMs) last.delete(device)
    for (const [device, paths] of owed) {
      if (last.has(device)) continue
      owed.delete(device)
      if (write(device, lineFor(paths, label))) last.set(device, now())
    }
    if (owed.size === 0) return
    const nextMs = Math.min(...[...owed.keys()].map(device => last.get(device)!)) + quietMs
    timer = setTimeout(flush, nextMs - now()).unref()
  }
  return {
    restored: (paths, current) => {
      if (paths.length === 0) return
      label = current
      for (const { user, line } of sessions(run)) {
        const device = `${dev}/${line}`
        if (!owns(device, userId(user))) continue
        owed.set(device, [...new Set([...(owed.get(device) ?? []), ...paths])])
      }
      flush()
    },
    close: () => clearTimeout(timer),
  }
}

/** One line with its end; whatever could steer a terminal is spelt out. */
export function lineFor(paths: readonly string[], label: string): string {
  const [first = '', ...others] = paths.map(visible)
  const release = /^\d+/.exec(label)?.[0]
  const what = `${first}${others.length > 0 ? ` and ${others.length} more` : ''}`
  const where = release === undefined ? '' : ` (release ${release})`
  return `\r\nfleet: restored ${what}${where}, your version: fleet drift, to hold it: fleet pause ${first}\r\n`
}

/** C0, DEL, C1, bidirectional marks and line separators as \x1b or \u202e. */
function visible(text: string): string {
  const steering = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
  return text.replace(steering, found => {
    const code = found.charCodeAt(0)
    return code < 256
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`
  })
}

/** struct utmp of utmp(5), glibc on 64-bit Linux; where its times are 64 bits wide (arm64) a record is longer. */
const recordBytes = process.arch === 'x64' ? 384 : 400
const at = { type: 0, line: 8, user: 44 }
const nameBytes = 32
const userProcess = 7

/** Sessions of people in the contents of /run/utmp; what is torn or odd is left out. */
export function readUtmp(bytes: Uint8Array, size = recordBytes): Session[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found: Session[] = []
  for (let start = 0; start + size <= bytes.length; start += size) {
    // Little-endian wherever Node runs on Linux, save s390x.
    if (view.getInt16(start + at.type, true) !== userProcess) continue
    const line = text(bytes, start + at.line)
    const user = text(bytes, start + at.user)
    if (isLine(line) && user !== '') found.push({ user, line })
  }
  return found.slice(0, sessionsMax)
}

function text(bytes: Uint8Array, start: number): string {
  const field = bytes.subarray(start, start + nameBytes)
  const end = field.indexOf(0)
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end))
}

/** A file of /run/systemd/sessions (sd-login): `KEY=value` lines. */
export function readSession(content: string): Session | undefined {
  const fields = new Map(
    content.split('\n').map(line => [line.split('=', 1)[0], line.slice(line.indexOf('=') + 1)]),
  )
  const line = fields.get('TTY') ?? ''
  const user = fields.get('USER') ?? ''
  return isLine(line) && fields.get('STATE') !== 'closing' ? { user, line } : undefined
}

/** A terminal, by its name below /dev, and no way out of it. */
const isLine = (line: string) => /^(pts\/\d{1,6}|tty[A-Za-z0-9]{1,12}|console)$/.test(line)

function sessions(run: string): readonly Session[] {
  const all: Session[] = []
  attempt(() => all.push(...readUtmp(fs.readFileSync(`${run}/utmp`).subarray(0, utmpBytesMax))))
  attempt(() => {
    for (const name of fs.readdirSync(`${run}/systemd/sessions`).slice(0, sessionsMax)) {
      if (name.endsWith('.ref')) continue
      attempt(() => {
        const content = fs.readFileSync(`${run}/systemd/sessions/${name}`, 'utf8')
        const uid = /^UID=(\d+)$/m.exec(content)?.[1]
        const one = readSession(content)
        if (one) all.push({ ...one, user: uid ?? one.user })
      })
    }
  })
  return [...new Map(all.map(each => [each.line, each])).values()].slice(0, sessionsMax)
}

function accountId(name: string): number | undefined {
  if (/^\d+$/.test(name)) return Number(name)
  const line = fs
    .readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find(each => each.startsWith(`${name}:`))
  const uid = line?.split(':')[2]
  return uid === undefined ? undefined : Number(uid)
}

function owns(device: string, uid: number | undefined): boolean {
  return attempt(() => {
    const stat = fs.lstatSync(device)
    return stat.isCharacterDevice() && stat.uid === uid
  })
}

/** False when the terminal is gone, full or stopped (Ctrl-S): whoever stopped it is not waited for. */
function write(device: string, line: string): boolean {
  return attempt(() => {
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY, O_NOFOLLOW } = fs.constants
    const fd = fs.openSync(device, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW)
    try {
      return fs.writeSync(fd, line) > 0
    } finally {
      fs.closeSync(fd)
    }
  })
}

function attempt(action: () => unknown): boolean {
  try {
    return action() !== false
  } catch {
    return false
  }
}
