// Lines of the trust/ files: bounds, comments, and the place of every finding. What a line means is left to
// operators.ts, roster.ts and policy.ts.
import { shown, textLines } from './fields.ts'

/** One finding in a text that an operator wrote. Printed as `file:line:column: message`; both count from 1. */
export interface Problem {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly message: string
}

/** What a parser answers: the value, or every problem of the file. */
export type Parsed<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'bad'; readonly problems: readonly Problem[] }

/** A word of a line, between blanks; double quotes join what stands inside. */
export interface Word {
  readonly text: string
  /** From 1, in characters. */
  readonly column: number
}

export interface Line {
  readonly words: readonly Word[]
  /** Notes that the line is wrong at a word, or at its end when there is none. */
  readonly wrong: (word: Word | undefined, expected: string) => void
}

/** docs/formats.md section 3. */
export const fileBytesMax = 2 * 1024 * 1024
const lineBytesMax = 4096
/** More findings than anybody reads at once. */
const problemsMax = 100

/** Reads a file line by line; `each` takes the lines that are neither blank nor comments. */
export function parseLines<T>(
  file: string,
  bytes: Uint8Array,
  value: T,
  each: (line: Line) => void,
): Parsed<T> {
  const problems: Problem[] = []
  const note = (line: number, column: number, message: string) => {
    if (problems.length < problemsMax) problems.push({ file, line, column, message })
  }
  if (bytes.length > fileBytesMax) {
    note(1, 1, `found ${bytes.length} bytes; expected at most ${fileBytesMax}`)
    return { kind: 'bad', problems }
  }
  const lines = bytes.length === 0 ? [] : textLines(bytes)
  if ('wrong' in lines) {
    note(1, 1, `the file cannot be read: ${lines.wrong}`)
    return { kind: 'bad', problems }
  }
  for (const [at, line] of lines.entries()) {
    if (/^[ \t]*(?:#|$)/.test(line)) continue
    if (Buffer.byteLength(line) > lineBytesMax) {
      note(at + 1, 1, `found a line of ${Buffer.byteLength(line)} bytes; expected at most ${lineBytesMax}`)
      continue
    }
    const words = [...line.matchAll(/(?:"[^"]*"|[^ \t"])+|"/g)].map(match => ({
      text: match[0],
      column: match.index + 1,
    }))
    const wrong = (word: Word | undefined, expected: string) =>
      note(at + 1, word?.column ?? line.length + 1, `found ${shown(word?.text)}; expected ${expected}`)
    each({ words, wrong })
  }
  return problems.length > 0 ? { kind: 'bad', problems } : { kind: 'ok', value }
}
