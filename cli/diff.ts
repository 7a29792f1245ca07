// Two contents of a file -> a unified diff for people, as git shows one. Decides when a diff is no help: for bytes that
// are no text, and for texts too long to read.
import { createTwoFilesPatch } from 'diff'
import { text } from '../signing/bytes.ts'
import { paint, size } from './render.ts'

/** Bytes of each side: a person reads no more, and the algorithm is quadratic in what differs. */
const sideBytesMax = 256 * 1024
const editsMax = 5_000

/** '' when both are the same. A missing side is `undefined`: shown as /dev/null. */
export function diffText(
  path: string,
  before: Uint8Array | undefined,
  after: Uint8Array | undefined,
  colour: boolean,
): string {
  const sides = [before, after].map(each => (each === undefined ? '' : readable(each)))
  const [old, now] = sides
  if (old === undefined || now === undefined)
    return `${path}: ${summary(before)} -> ${summary(after)}, not shown`
  if (before !== undefined && after !== undefined && old === now) return ''
  const names = [before === undefined ? '/dev/null' : path, after === undefined ? '/dev/null' : path] as const
  const patch = createTwoFilesPatch(...names, old, now, undefined, undefined, {
    context: 3,
    maxEditLength: editsMax,
  })
  if (patch === undefined) return `${path}: differs nearly everywhere, not shown`
  const lines = patch.split('\n').filter(line => !/^(=+|Index:.*)$/.test(line))
  return lines
    .map(line => {
      if (line.startsWith('+')) return paint(line, 'green', colour)
      if (line.startsWith('-')) return paint(line, 'red', colour)
      return line.startsWith('@@') ? paint(line, 'blue', colour) : line
    })
    .join('\n')
    .trimEnd()
}

/** Undefined: nothing that a terminal should be given. */
function readable(bytes: Uint8Array): string | undefined {
  if (bytes.length > sideBytesMax || bytes.includes(0)) return undefined
  return text(bytes)
}

const summary = (bytes: Uint8Array | undefined) => (bytes === undefined ? 'nothing' : size(bytes.length))
