// What is written to a terminal, and what comes back from one.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { changes, keysOf } from '../../cli/live.ts'
import { screenOf } from './terminal.ts'

test('only lines that changed are written', () => {
  expect(changes(['a', 'b', 'c'], ['a', 'B', 'c'])).toBe('\u001b[2;1H\u001b[KB')
  expect(changes(['a'], ['a'])).toBe('')
  expect(changes(['a', 'b'], ['a'])).toBe('\u001b[2;1H\u001b[K')
})

test('whatever was shown before, the screen shows what it shall', () => {
  // As wide as the screen, or less.
  const line = fc.oneof(fc.stringMatching(/^[a-z ]{0,11}$/), fc.stringMatching(/^[a-z]{12}$/))
  const screen = fc.array(line, { maxLength: 6 })
  fc.assert(
    fc.property(fc.array(screen, { minLength: 1, maxLength: 5 }), screens => {
      let output = '\u001b[?1049h'
      let before: readonly string[] = []
      for (const each of screens) {
        output += changes(before, each)
        before = each
      }
      const trimmed = before.map(each => each.trimEnd())
      expect(screenOf(output, 12).lines).toEqual(trimmed.slice(0, trimmed.findLastIndex(Boolean) + 1))
    }),
  )
})

test('keys, several in one piece, and those that mean nothing', () => {
  expect(keysOf('jk\u001b[A\u001b[B\u001bOA b\u001b[5~\u001b[6~gG')).toEqual([
    ...['down', 'up', 'up', 'down', 'up', 'page down', 'page up', 'page up', 'page down', 'top', 'end'],
  ])
  expect(keysOf('x\u001b[1;5Cq')).toEqual(['quit'])
  expect(keysOf('\u0003')).toEqual(['quit'])
})
