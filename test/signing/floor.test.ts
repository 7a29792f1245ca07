// The floor's text comes back; the higher of two places counts.
import { expect, test } from 'vitest'
import { utf8 } from '../../signing/bytes.ts'
import type { Point } from '../../signing/chain.ts'
import { higherFloor, readFloor, writeFloor } from '../../signing/floor.ts'
import { content } from './fleet.ts'

const floor = (sequence: number) => ({ sequence, id: content(`${sequence}`) as string }) as Point

test('a floor comes back; damage is noticed', () => {
  expect(readFloor(writeFloor(floor(42)))).toEqual(floor(42))
  const text = new TextDecoder().decode(writeFloor(floor(42)))
  for (const other of [
    '',
    text.slice(0, -2),
    `${text}x\n`,
    text.replace('42', '042'),
    text.replace('floor 1', 'floor 2'),
  ])
    expect(readFloor(utf8(other))).toBeUndefined()
})

test('either place is enough, the higher one counts', () => {
  expect(higherFloor(floor(3), floor(4))).toEqual(floor(4))
  expect(higherFloor(floor(4), floor(3))).toEqual(floor(4))
  expect(higherFloor(undefined, floor(3))).toEqual(floor(3))
  expect(higherFloor(undefined, undefined)).toBeUndefined()
})
