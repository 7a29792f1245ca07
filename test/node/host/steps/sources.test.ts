import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareBytes, sourcesOf } from '../../../../node/host/steps/sources.ts'

const text = fc.string({ unit: 'binary', maxLength: 6 })

test('the order is that of the UTF-8 bytes', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
  )
})

test('a folder has what is below it, and nothing beside it', () => {
  const file = { mode: '100644', sha256: '', size: 0 } as const
  const paths = ['a', 'a-b/x', 'a/b', 'a/b/c', 'a/\u{10000}', 'a/\uffee', 'ab/x']
  const { below } = sourcesOf(new Map(paths.toReversed().map(path => [path, file])))
  expect(below('a')).toEqual(['a/b', 'a/b/c', 'a/\uffee', 'a/\u{10000}'])
  expect(below('a/b')).toEqual(['a/b/c'])
  expect(below('none')).toEqual([])
})
