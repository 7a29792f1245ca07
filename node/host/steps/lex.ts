// Bytes -> characters -> rows of words, each with its place. Knows quotes, escapes, comments and continued lines, and
// nothing of verbs. The escapes: \" \\ \# \space \t and \xHH (any byte but 00 and 0A; bytes from 80 on must make up
// UTF-8); a backslash before any other character stands for itself, so that regular expressions need no second one.

import { fileBytesMax, lineCharsMax } from './limits.ts'
import { type Place, Problems } from './problem.ts'
import type { Problem } from './step.ts'
import { escapable } from './words.ts'

export interface Word extends Place {
  readonly text: string
  /** How many characters at its start were written without quotes and escapes: only those can be syntax. */
  readonly bare: number
}

/** One line with its continuations; without words and comment it is blank. */
export interface Row extends Place {
  readonly words: readonly Word[]
  /** What follows `#`, without blanks at its end. */
  readonly comment?: string
}

/** Decodes UTF-8; each line that is not UTF-8 is a problem, and so is a file that is too large. */
export function decodeText(file: string, bytes: Uint8Array): { text: string; problems: readonly Problem[] } {
  const problems = new Problems(file)
  if (bytes.length > fileBytesMax) {
    problems.add({ line: 1, column: 1 }, `found ${bytes.length} bytes; expected at most ${fileBytesMax}`)
    return { text: '', problems: problems.list }
  }
  const text = new TextDecoder().decode(bytes)
  if (text.includes('\ufffd'))
    for (let start = 0, line = 1; start <= bytes.length; line++) {
      const end = bytes.indexOf(0x0a, start) < 0 ? bytes.length : bytes.indexOf(0x0a, start)
      const column = badColumn(bytes.subarray(start, end))
      if (column > 0) problems.add({ line, column }, 'found bytes that are not UTF-8; expected UTF-8 text')
      start = end + 1
    }
  return { text, problems: problems.list }
}

/** The column of the first character that is not UTF-8, or 0. */
function badColumn(line: Uint8Array): number {
  const decode = (length: number, stream: boolean) => {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(line.subarray(0, length), { stream })
    } catch {
      return undefined
    }
  }
  if (decode(line.length, false) !== undefined) return 0
  let [good, bad] = [0, line.length + 1]
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (decode(middle, true) === undefined) bad = middle
    else good = middle
  }
  return [...(decode(good, true) ?? '')].length + 1
}

/** Never throws; a row with a problem in it is left out of the rows. */
export function lex(file: string, text: string): { rows: readonly Row[]; problems: readonly Problem[] } {
  const problems = new Problems(file)
  const rows: Row[] = []
  let at = 0
  let line = 1
  let column = 1
  let fine = true

  const fault = (place: Place, message: string) => {
    fine = false
    problems.add(place, message)
  }
  const here = (): Place => ({ line, column })
  const step = (count = 1) => {
    for (; count > 0 && at < text.length; count--) {
      const code = text.charCodeAt(at++)
      if (code === 0x0a) [line, column] = [line + 1, 1]
      else if (code < 0xdc00 || code > 0xdfff) column++
    }
  }

  /** The bytes of consecutive \xHH, as text. */
  const hexes = (): string => {
    const start = here()
    const bytes: number[] = []
    for (let match: RegExpExecArray | null; (match = hex(text, at)); step(4))
      bytes.push(Number.parseInt(match[1]!, 16))
    if (bytes.includes(0) || bytes.includes(0x0a))
      fault(start, 'found the escape of a NUL or a newline; expected any other byte')
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes))
    } catch {
      fault(start, 'found \\x escapes that do not make up UTF-8; expected UTF-8')
      return ''
    }
  }

  /** At a backslash that does not end its line. */
  const escaped = (): string => {
    const next = text[at + 1]
    if (next === undefined) {
      fault(here(), 'found a backslash at the end of the file; expected a line that continues')
    } else if (next === 't') {
      step(2)
      return '\t'
    } else if (next === 'x') {
      if (hex(text, at)) return hexes()
      fault(here(), 'found \\x without two hexadecimal digits; expected, for example, \\x1b')
    } else if (escapable.includes(next)) {
      step(2)
      return next
    }
    step()
    return '\\'
  }

  const quoted = (): string => {
    const start = here()
    let out = ''
    step()
    for (;;) {
      const char = text[at]
      if (char === '"') break
      if (char === undefined || char === '\n') {
        fault(start, 'found a double quote that is not closed on its line; expected a second one')
        return out
      }
      if (char !== '\\') out += literal(true)
      else if (text[at + 1] === '\n') step(2)
      else out += escaped()
    }
    step()
    return out
  }

  /** Characters that stand for themselves. */
  const literal = (inQuotes: boolean): string => {
    const start = at
    for (;;) {
      plain.lastIndex = at
      const length = plain.exec(text)?.[0].length ?? 0
      at += length
      column += length
      if (at >= text.length) break
      const code = text.charCodeAt(at)
      if (code === 0x22 || code === 0x5c || code === 0x0a || (!inQuotes && (code === 0x20 || code === 0x09)))
        break
      if (code === 0x0d && text.charCodeAt(at + 1) === 0x0a)
        fault(here(), 'found a carriage return at the end of the line; expected a newline alone')
      else if ((code < 0x20 && code !== 0x09) || code === 0x7f)
        fault(
          here(),
          `found the control character ${code}; expected it as \\x${code.toString(16).padStart(2, '0')}`,
        )
      step()
    }
    return text.slice(start, at)
  }

  const word = (): Word => {
    const place = here()
    let out = ''
    let bare = -1
    for (let char = text[at]; char !== undefined && !' \t\n'.includes(char); char = text[at]) {
      if (char === '\\' && continues(text, at)) break
      if (bare < 0 && (char === '"' || char === '\\')) bare = out.length
      out += char === '"' ? quoted() : char === '\\' ? escaped() : literal(false)
    }
    return { ...place, text: out, bare: bare < 0 ? out.length : bare }
  }

  if (text.length > fileBytesMax)
    problems.add(here(), `found ${text.length} characters; expected at most ${fileBytesMax}`)
  else
    while (at < text.length) {
      const place = here()
      const start = at
      const words: Word[] = []
      let comment: string | undefined
      fine = true
      for (let char = text[at]; char !== undefined && char !== '\n'; char = text[at]) {
        if (char === ' ' || char === '\t') step()
        else if (char === '\\' && continues(text, at)) {
          if (text[at + 1] !== '\n')
            fault(here(), 'found blanks after the backslash that ends a line; expected none')
          while (text[at] !== '\n') step()
          step()
        } else if (char === '#') {
          const end = text.indexOf('\n', at)
          comment = text.slice(at + 1, end < 0 ? text.length : end).trimEnd()
          step((end < 0 ? text.length : end) - at)
        } else words.push(word())
      }
      if (at - start > lineCharsMax)
        fault(place, `found a line of ${at - start} characters; expected at most ${lineCharsMax}`)
      step()
      const first = words[0] ?? place
      if (fine)
        rows.push({
          line: first.line,
          column: first.column,
          words,
          ...(comment === undefined ? {} : { comment }),
        })
    }
  return { rows, problems: problems.list }
}

/** A run of ASCII that means nothing: most of a text. */
const plain = /[!#-[\]-~]+/y

const hexPattern = /\\x([0-9a-fA-F]{2})/y

function hex(text: string, at: number): RegExpExecArray | null {
  hexPattern.lastIndex = at
  return hexPattern.exec(text)
}

const continuePattern = /\\[ \t]*\n/y

function continues(text: string, at: number): boolean {
  continuePattern.lastIndex = at
  return continuePattern.test(text)
}
