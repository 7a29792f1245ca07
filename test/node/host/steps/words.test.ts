import { describe, expect, test } from 'vitest'
import { quote, splitCommand } from '../../../../node/host/steps/words.ts'

describe('quote', () => {
  test.each([
    ['plain', 'plain'],
    ['/etc/a#b', '/etc/a#b'],
    ['', '""'],
    ['#a', '"#a"'],
    ['two words', '"two words"'],
    ['say "hi"', '"say \\"hi\\""'],
    ['^#?\\s*Permit\\b', '"^#?\\s*Permit\\b"'],
    ['ends \\', '"ends \\\\"'],
    ['\\\\', '"\\\\\\\\"'],
    ['a\tb\x01', '"a\\tb\\x01"'],
  ])('%j is written %s', (text, written) => {
    expect(quote(text)).toBe(written)
  })
})

describe('splitCommand', () => {
  test.each([
    ['test -e /x', ['test', '-e', '/x']],
    ['  a   b ', ['a', 'b']],
    [`a 'b c' "d \\"e"f\\ g ''`, ['a', 'b c', 'd "ef g', '']],
  ])('%j', (text, words) => {
    expect(splitCommand(text)).toEqual({ kind: 'words', words })
  })
  test.each(['', ' ', 'a | b', 'a $HOME', 'a > b', "a 'b", 'a "b', 'a \\', "'' a"])('%j is refused', text => {
    expect(splitCommand(text).kind).toBe('bad')
  })
})
