// `Name: value` lines: the one reader and writer behind the trailers of entries, orders and delegations. A table says
// the names, their order and what a value may be; what the values mean together is left to the formats.
import { text } from './bytes.ts'
import { keyWord, wordKey } from './keys.ts'

/** One kind of value: its only spelling, and what to say when a text is not it. */
export interface Codec<T> {
  /** Undefined when the text is not the one spelling of a value. */
  readonly read: (text: string) => T | undefined
  readonly write: (value: T) => string
  readonly expected: string
}

interface Field<T, O extends boolean> extends Codec<T> {
  readonly name: string
  readonly optional: O
  /** The field may stand on up to this many lines; its value is then the list of them. */
  readonly lines?: number
}

// biome-ignore lint/suspicious/noExplicitAny: a table mixes fields of all kinds
export type Table = Readonly<Record<string, Field<any, boolean>>>

/** What a table reads: one property a field, in no order. */
export type Values<T extends Table> = {
  readonly [K in keyof T as T[K]['optional'] extends true ? never : K]: ValueOf<T[K]>
} & { readonly [K in keyof T as T[K]['optional'] extends true ? K : never]?: ValueOf<T[K]> }
type ValueOf<F> = F extends Codec<infer T> ? T : never

export function required<T>(name: string, codec: Codec<T>): Field<T, false> {
  return { name, optional: false, ...codec }
}

export function optional<T>(name: string, codec: Codec<T>): Field<T, true> {
  return { name, optional: true, ...codec }
}

/** On 1 to `lines` lines, one value each. */
export function repeated<T>(name: string, lines: number, codec: Codec<T>): Field<readonly T[], false> {
  const read = (text: string) => all(text.split('\n').map(codec.read))
  const write = (values: readonly T[]) => values.map(codec.write).join('\n')
  return { name, optional: false, lines, read, write, expected: codec.expected }
}

/** The lines of a table's values, each ended by LF, in the table's order. */
export function writeFields<T extends Table>(table: T, values: Values<T>): string {
  let lines = ''
  for (const [key, field] of Object.entries(table)) {
    const value = (values as Record<string, unknown>)[key]
    if (value === undefined) continue
    for (const each of field.write(value).split('\n')) lines += `${field.name}: ${each}\n`
  }
  return lines
}

/** Where a text leaves its table: the line's index from 0, and what was found and expected there. */
export interface Misfit {
  readonly misfit: string
  readonly line: number
}

/** Reads lines that must be exactly a table's: each name once, in order, none unknown. */
export function readFields<T extends Table>(table: T, lines: readonly string[]): Values<T> | Misfit {
  const values: Record<string, unknown> = {}
  let at = 0
  for (const [key, field] of Object.entries(table)) {
    const from = at
    const head = `${field.name}: `
    while (at < lines.length && at - from < (field.lines ?? 1) && lines[at]!.startsWith(head)) at++
    if (at === from) {
      if (field.optional) continue
      return { misfit: `found ${shown(lines[at])}; expected ${field.name}: ${field.expected}`, line: at }
    }
    const found = lines.slice(from, at).map(line => line.slice(head.length))
    const value = field.read(found.join('\n'))
    if (value === undefined)
      return { misfit: `found ${shown(lines[from])}; expected ${field.name}: ${field.expected}`, line: from }
    values[key] = value
  }
  if (at < lines.length) return { misfit: `found ${shown(lines[at])}; expected no such line here`, line: at }
  return values as Values<T>
}

export function isMisfit(found: object): found is Misfit {
  return 'misfit' in found
}

/** A line as a message quotes it: short, and without control characters. */
export function shown(line: string | undefined): string {
  if (line === undefined) return 'the end'
  const clean = line.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?')
  return clean.length > 60 ? `"${clean.slice(0, 57)}..."` : `"${clean}"`
}

/**
 * The lines of a text as docs/formats.md section 0 wants it: UTF-8, no NUL, CR or byte order mark, LF at the end;
 * else what is wrong with it.
 */
export function textLines(bytes: Uint8Array): readonly string[] | { readonly wrong: string } {
  const found = text(bytes)
  if (found === undefined) return { wrong: 'it is not UTF-8' }
  if (/[\0\r\uFEFF]/.test(found)) return { wrong: 'it contains NUL, CR or a byte order mark' }
  if (!found.endsWith('\n')) return { wrong: 'its last line does not end in LF' }
  return found.slice(0, -1).split('\n')
}

/** 64 lowercase hex digits, branded by the caller's type. */
export function hexId<T extends string = string>(): Codec<T> {
  return matching<T>(/^[0-9a-f]{64}$/, '64 lowercase hex digits')
}

export const gitId: Codec<string> = matching(/^[0-9a-f]{40}$/, '40 lowercase hex digits')

/** Exactly these words. */
export function oneOf<T extends string>(...words: readonly T[]): Codec<T> {
  const read = (text: string) => words.find(each => each === text)
  return { read, write: word => word, expected: words.join(' or ') }
}

export function matching<T extends string = string>(pattern: RegExp, expected: string): Codec<T> {
  return { read: text => (pattern.test(text) ? (text as T) : undefined), write: value => value, expected }
}

/** A decimal number without sign or leading zeros. */
export function number(least: number, most: number = Number.MAX_SAFE_INTEGER): Codec<number> {
  return {
    read(text) {
      if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text)) return undefined
      const value = Number(text)
      return value >= least && value <= most ? value : undefined
    },
    write: String,
    expected: `a number from ${least} to ${most}`,
  }
}

/** RFC 3339 in UTC with seconds, `2026-11-20T21:36:00Z`; sorts as text. */
export type Time = string & { readonly brand: 'Time' }

export const time: Codec<Time> = {
  read(text) {
    const match = /^([0-9]{4})-(0[1-9]|1[0-2])-([0-9]{2})T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$/.exec(
      text,
    )
    if (!match) return undefined
    const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])]
    const days = (Date.UTC(year, month, 1) - Date.UTC(year, month - 1, 1)) / 86_400_000
    return year >= 1970 && day >= 1 && day <= days ? (text as Time) : undefined
  },
  write: value => value,
  expected: 'a time such as 2026-11-20T21:36:00Z',
}

/** Milliseconds since 1970. */
export function timeMs(value: Time): number {
  return Date.parse(value)
}

/** The second that holds a moment (ms since 1970, before the year 10000). Days to dates as in H. Hinnant, "chrono-compatible low-level date algorithms" (2013). */
export function timeOf(ms: number): Time {
  const seconds = Math.floor(ms / 1000)
  const days = Math.floor(seconds / 86_400)
  const clock = seconds - days * 86_400
  // Years of this count begin on 1 March, so that a leap day is a year's last.
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const ofEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  )
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * ofYear + 2) / 153)
  const day = ofYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  const two = (value: number) => String(value).padStart(2, '0')
  const at = [Math.floor(clock / 3600), Math.floor(clock / 60) % 60, clock % 60].map(two).join(':')
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}T${at}Z` as Time
}

/** Values with one space between. `sorted`: bytewise ascending, each once. At most `most` of them. */
export function list<T>(each: Codec<T>, most: number, sorted = false): Codec<readonly T[]> {
  return {
    read(text) {
      const words = text.split(' ')
      if (words.length > most) return undefined
      if (sorted && words.some((word, at) => at > 0 && word <= words[at - 1]!)) return undefined
      return all(words.map(each.read))
    },
    write: values => values.map(each.write).join(' '),
    expected: `1 to ${most} of: ${each.expected}${sorted ? '; sorted, each once' : ''}`,
  }
}

/** `ssh-ed25519 BASE64`. */
export const sshKey: Codec<Uint8Array> = {
  read: text => (text.startsWith('ssh-ed25519 ') ? wordKey(text.slice(12)) : undefined),
  write: key => `ssh-ed25519 ${keyWord(key)}`,
  expected: 'ssh-ed25519 KEY',
}

/** 32 bytes in hex. */
export const hexKey: Codec<string> = matching(/^[0-9a-f]{64}$/, 'a public key as 64 lowercase hex digits')

/** One line of text in the bounds given, in UTF-8 bytes. */
export function line(bytesMax: number): Codec<string> {
  const read = (text: string) => (text !== '' && Buffer.byteLength(text) <= bytesMax ? text : undefined)
  return { read, write: text => text, expected: `a text of 1 to ${bytesMax} bytes` }
}

function all<T>(values: readonly (T | undefined)[]): readonly T[] | undefined {
  return values.includes(undefined) ? undefined : (values as readonly T[])
}
