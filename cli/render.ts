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
const printed = (text: string) => text.replace(escapes, '').length

function pad(text: string, width: number): string {
  const length = printed(text)
  if (length <= width) return text + ' '.repeat(width - length)
  return `${text.replace(escapes, '').slice(0, width - 1)}…`
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
