// Values -> text: tables that fit the terminal, colours only where wanted, ages and sizes as people say them.

const codes = { red: 31, green: 32, yellow: 33, blue: 34, dim: 2, bold: 1 } as const
export type Colour = keyof typeof codes

export function paint(text: string, colour: Colour, wanted: boolean): string {
  return wanted && text !== '' ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text
}

/**
 * Columns under a heading, two blanks between. When the whole is wider than `columns`, the widest column is cut, with `…`
 * in place of what is lost; the last column is cut first.
 */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number,
): string {
  const all = [heading, ...rows]
  const widths = heading.map((_, i) => Math.max(...all.map(row => printed(row[i] ?? ''))))
  const gaps = 2 * (widths.length - 1)
  let excess = widths.reduce((sum, each) => sum + each, gaps) - columns
  while (excess > 0) {
    const widest = Math.max(...widths)
    const at = widths.lastIndexOf(widest)
    const cut = Math.min(excess, Math.max(1, widest - 8))
    if (widest <= 8) break
    widths[at] = widest - cut
    excess -= cut
  }
  const line = (row: readonly string[]) =>
    widths
      .map((width, i) => pad(row[i] ?? '', width))
      .join('  ')
      .trimEnd()
  return all.map(line).join('\n')
}

const escapes = /\u001b\[[0-9;]*m/g
/** Two columns each: scripts of East Asia and pictures. */
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u
/** Drawn over the character before. */
const mark = /[\p{Mn}\p{Me}\u200b-\u200d]/u
const ascii = /^[ -~]*$/

/** Columns that a text takes on a terminal; colours take none. */
export function printed(text: string): number {
  const bare = text.replace(escapes, '')
  if (ascii.test(bare)) return bare.length
  let columns = 0
  for (const each of bare) columns += mark.test(each) ? 0 : wide.test(each) ? 2 : 1
  return columns
}

/** The text, without colours and with `…` for what is lost, when it takes more than `columns`. */
export function cut(text: string, columns: number): string {
  if (printed(text) <= columns) return text
  let out = ''
  let left = columns - 1
  for (const each of text.replace(escapes, '')) {
    left -= printed(each)
    if (left < 0) break
    out += each
  }
  return columns > 0 ? `${out}…` : ''
}

/** What others wrote, fit for a terminal: nothing that moves the cursor, or turns the direction of what follows. */
export function harmless(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g, ' ').trimEnd()
}

/**
 * Words on lines of at most `columns`, and at most `lines` of them; what follows the first begins with `indent`. No line ends at
 * a blank that does not break (U+00A0).
 */
export function wrap(text: string, columns: number, lines: number, indent = ''): string[] {
  const out: string[] = []
  let line = /^ */.exec(text)![0]
  for (const word of text.slice(line.length).split(' ')) {
    const longer = line.trim() === '' ? line + word : `${line} ${word}`
    if (printed(longer) > columns && line.trim() !== '') {
      out.push(line)
      line = indent + word
    } else line = longer
  }
  out.push(line)
  if (out.length > lines) {
    const rest = out.splice(lines - 1).map((each, at) => (at === 0 ? each : each.trimStart()))
    out.push(rest.join(' '))
  }
  return out.map(each => cut(each.replaceAll('\u00a0', ' '), columns))
}

/** `3 failed`, in one piece when it is wrapped. */
export const inOnePiece = (text: string) => text.replaceAll(' ', '\u00a0')

/** A text that sorts as people sort the name: `web2` before `web10`. */
export const nameKey = (name: string) => name.replace(/[0-9]+/g, digits => digits.padStart(16, '0'))

function pad(text: string, width: number): string {
  const fits = cut(text, width)
  return fits + ' '.repeat(Math.max(0, width - printed(fits)))
}

/** `3 s`, `12 min`, `5 h`, `4 d`: the largest unit that leaves at least one. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KiB`
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`
}

/** The first digits of an id, as git shows them. */
export const short = (id: string) => id.slice(0, 10)

/** `1 host`, `3 hosts`. */
export const count = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`
