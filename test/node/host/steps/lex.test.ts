import { describe, expect, test } from 'vitest'
import { decodeText, lex } from '../../../../node/host/steps/lex.ts'
import { fileBytesMax, lineCharsMax } from '../../../../node/host/steps/limits.ts'
import { formatProblem } from '../../../../node/host/steps/problem.ts'

const words = (text: string) => lex('f', text).rows.map(row => row.words.map(word => word.text))
const problems = (text: string) => lex('f', text).problems.map(formatProblem)

describe('words', () => {
  test.each([
    ['', []],
    ['a  b\tc\n\nd', [['a', 'b', 'c'], [], ['d']]],
    ['a#b # c "d', [['a#b']]],
    ['"a b" c"d e"f', [['a b', 'cd ef']]],
    ['a\\ b \\#c \\"', [['a b', '#c', '"']]],
    ['"^#?\\s*\\bx\\\\y\\"z"', [['^#?\\s*\\bx\\y"z']]],
    ['\\t\\x1b\\x41 \\xc3\\xa4', [['\t\x1bA', 'ä']]],
    ['a \\\n  b\\\nc "d\\\ne"\nf', [['a', 'b', 'c', 'de'], ['f']]],
    ['# a \\\nb', [[], ['b']]],
  ])('%j', (text, expected) => {
    expect(words(text)).toEqual(expected)
    expect(problems(text)).toEqual([])
  })

  test('have their place, in characters, and know what was bare', () => {
    const [row] = lex('f', 'ä😀 k="v w" \\\n x').rows
    expect(row?.words).toEqual([
      { text: 'ä😀', line: 1, column: 1, bare: 3 },
      { text: 'k=v w', line: 1, column: 4, bare: 2 },
      { text: 'x', line: 2, column: 2, bare: 1 },
    ])
  })
})

describe('problems', () => {
  test.each([
    ['a "b\nc', 'f:1:3: found a double quote that is not closed'],
    ['a\nb \\', 'f:2:3: found a backslash at the end of the file'],
    ['a \\ \nb', 'f:1:3: found blanks after the backslash'],
    ['a \\xg0', 'f:1:3: found \\x without two hexadecimal digits'],
    ['a \\x00', 'f:1:3: found the escape of a NUL or a newline'],
    ['a \\xff', 'f:1:3: found \\x escapes that do not make up UTF-8'],
    ['a\r\n', 'f:1:2: found a carriage return'],
    ['a\x07', 'f:1:2: found the control character 7; expected it as \\x07'],
    ['a'.repeat(lineCharsMax + 1), 'f:1:1: found a line of 16385 characters'],
    ['\n'.repeat(fileBytesMax + 1), 'f:1:1: found 4194305 characters'],
  ])('%j', (text, expected) => {
    expect(problems(text)).toHaveLength(1)
    expect(problems(text)[0]).toContain(expected)
  })

  test('are all reported, up to a bound', () => {
    expect(problems('a "\nb\nc "\n')).toHaveLength(2)
    const many = problems('"\n'.repeat(500))
    expect(many).toHaveLength(101)
    expect(many.at(-1)).toContain('found more than 100 problems')
  })
})

describe('bytes that are not UTF-8', () => {
  const bytes = (...parts: (string | number)[]) =>
    new Uint8Array(parts.flatMap(part => (typeof part === 'number' ? [part] : [...Buffer.from(part)])))
  test.each([
    [bytes('a\nbä', 0xff, 'c'), ['f:2:3']],
    [bytes('a', 0xc3), ['f:1:2']],
    [bytes(0xed, 0xa0, 0x80, '\n', 0xc0, 0x80), ['f:1:1', 'f:2:1']],
    [bytes('fine \ufffd'), []],
  ])('%j', (input, places) => {
    const found = decodeText('f', input).problems.map(formatProblem)
    expect(found.map(each => each.split(': ')[0])).toEqual(places)
  })
  test('a file that is too large', () => {
    expect(decodeText('f', new Uint8Array(fileBytesMax + 1)).problems).toHaveLength(1)
  })
})
