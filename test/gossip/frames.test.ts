import fc from 'fast-check'
import { expect, test } from 'vitest'
import { frame, Unframer } from '../../gossip/frames.ts'

test.each([
  [0, [0]],
  [127, [127]],
  [128, [0x80, 1]],
  [16_384, [0x80, 0x80, 1]],
])('a message of %i bytes starts with its length', (length, head) => {
  expect([...frame(new Uint8Array(length)).subarray(0, head.length)]).toEqual(head)
})

test('however a stream is cut, the same messages come out', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 })),
      fc.array(fc.integer({ min: 1, max: 200 })),
      (messages, cuts) => {
        const stream = messages.flatMap(each => [...frame(each)])
        const unframer = new Unframer(300)
        const out: Uint8Array[] = []
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const size = cuts[turn] ?? stream.length
          out.push(...(unframer.push(Uint8Array.from(stream.slice(at, at + size))) ?? []))
          at += size
        }
        expect(out).toEqual(messages)
      },
    ),
  )
})

test.each([
  ['longer than agreed', [0x81, 2]],
  ['without end', [0xff, 0xff, 0xff, 0xff, 0xff]],
])('a length %s is refused before anything is kept', (_, bytes) => {
  expect(new Unframer(256).push(Uint8Array.from(bytes))).toBeUndefined()
})
