// Problems: found in a text, collected up to a bound, printed in one way. What is a problem is said elsewhere.
import { problemsMax } from './limits.ts'
import type { Origin, Problem } from './step.ts'

/** The place of a character: line and column from 1, the column in characters. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** The problems of one file, at most `problemsMax`; a last one says that there are more. */
export class Problems {
  readonly list: Problem[] = []
  readonly file: string

  constructor(file: string) {
    this.file = file
  }

  add({ line, column }: Place, message: string, made?: string): void {
    if (this.list.length > problemsMax) return
    const more = `found more than ${problemsMax} problems; expected these to be solved first`
    const origin = { file: this.file, line, column, ...(made === undefined ? {} : { made }) }
    this.list.push(problemAt(origin, this.list.length < problemsMax ? message : more))
  }
}

/** A problem of the line that something was declared on. */
export function problemAt({ file, line, column, made }: Origin, message: string): Problem {
  return { file, line, column, ...(made === undefined ? {} : { made }), message }
}

/** `site.steps:12:7: found …; expected …`, with the provenance of a `#@` comment in brackets after the place. */
export function formatProblem({ file, line, column, made, message }: Problem): string {
  return `${file}:${line}:${column}: ${made === undefined ? '' : `(from ${made}) `}${message}`
}

/** Where the character at `offset` (in UTF-16 units) of a text stands. */
export function placeOf(text: string, offset: number): Place {
  const before = text.slice(0, offset)
  const start = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: [...before.slice(start)].length + 1 }
}

/** The candidate that `word` is most likely a slip of, if any is close. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.min(4, word.length, Math.floor(word.length / 3) + 2)
  for (const each of candidates) {
    const distance = word.length > 40 ? bestDistance : editDistance(word, each)
    if (distance < bestDistance) [best, bestDistance] = [each, distance]
  }
  return best
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]!
}
