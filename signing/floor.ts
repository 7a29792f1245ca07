// The floor: the newest entry a host accepted, which it keeps in two places so that losing one store loses nothing. Reads
// and writes the text; the places and their checksums are the caller's.
import { utf8 } from './bytes.ts'
import type { Point } from './chain.ts'
import type { EntryId } from './entry.ts'
import { hexId, isMisfit, number, readFields, required, textLines, writeFields } from './fields.ts'

const firstLine = 'fleet floor 1'
const table = {
  sequence: required('Sequence', number(1)),
  id: required('Entry', hexId<EntryId>()),
} as const

export function writeFloor(floor: Point): Uint8Array {
  return utf8(`${firstLine}\n${writeFields(table, floor)}`)
}

/** Undefined when the bytes are not a floor: then the other place counts. */
export function readFloor(bytes: Uint8Array): Point | undefined {
  const lines = textLines(bytes)
  if ('wrong' in lines || lines[0] !== firstLine) return undefined
  const values = readFields(table, lines.slice(1))
  return isMisfit(values) ? undefined : values
}

/** The higher of the floors that the two places hold; the first place wins a tie. */
export function higherFloor(first: Point | undefined, second: Point | undefined): Point | undefined {
  if (!first || !second) return first ?? second
  return second.sequence > first.sequence ? second : first
}
