// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the language's own variables
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { format } from '../../../../node/host/steps/format.ts'
import { type Item, parse } from '../../../../node/host/steps/parse.ts'
import { quote } from '../../../../node/host/steps/words.ts'

const formatted = (text: string) => {
  const result = format('f', text)
  if (result.kind === 'problems') expect(result.problems).toEqual([])
  return result.kind === 'text' ? result.text : ''
}

test('the canonical text', () => {
  const text = `

#! made by hand
COPY   "files/a"\t/etc/a   mode="0644"   # why
#@ fleet.ts:1:1
WHEN label.role=web   fact.os.id!=debian,ubuntu #both
WHEN host.name="a b"
  RUN env "a=b" "shell" \\
echo   \\
    on=/etc/a


LINE /etc/b "x" match="^#?\\\\s*x\\b"
END
LINK /etc/c   -> "../d"
  # inside
END

`
  expect(formatted(text)).toBe(`#! made by hand
COPY files/a /etc/a mode=0644  # why
#@ fleet.ts:1:1
WHEN label.role=web fact.os.id!=debian,ubuntu  #both
  WHEN host.name="a b"
    RUN env "a=b" "shell" \\
        echo \\
        on=/etc/a

    LINE /etc/b x match="^#?\\s*x\\b"
  END
  LINK /etc/c -> ../d
  # inside
END
`)
})

test('a text with problems is not formatted', () => {
  expect(format('f', 'NOPE').kind).toBe('problems')
})

// What is left of an item when its places are taken away.
const essence = (items: readonly Item[]) =>
  JSON.parse(
    JSON.stringify(
      items.filter(item => item.kind !== 'blank'),
      (key, value) => (['line', 'column', 'bare', 'spec'].includes(key) ? undefined : value),
    ),
  )

const value = fc
  .string({ unit: 'binary', minLength: 1 })
  .filter(text => !/[\0\n]|\$\{/.test(text) && text.isWellFormed())
const nasty = fc
  .array(fc.constantFrom('\\', '"', '#', ' ', '\t', 't', 'x', '41', 'a=', '->', 'shell', '\x01', 'ä'), {
    minLength: 1,
  })
  .map(parts => parts.join(''))
const text = fc.oneof(value, nasty)
const blank = fc.constantFrom(' ', '  ', '\t', ' \\\n ', '\\\n')
const written = fc
  .tuple(text, fc.boolean())
  .map(([each, force]) => quote(each, force || /^[a-z]|^->$/.test(each)))
const comment = fc.constantFrom('', ' # a', ' #', '\t#@ b:1')
const line = fc.oneof(
  fc.tuple(blank, written, comment).map(([gap, word, end]) => `LINE${gap}/a${gap}${word}${end}`),
  fc.tuple(blank, written, comment).map(([gap, word, end]) => `LINK /a${gap}->${gap}${word}${end}`),
  fc
    .tuple(blank, fc.array(written), written, comment)
    .map(
      ([gap, words, id, end]) => `RUN${gap}${['"a"', ...words, `id=${id}`, 'timeout=1s'].join(gap)}${end}`,
    ),
  fc.constantFrom('', '', '# c', '#@ gen:1:2', 'INCLUDE steps/a', '  ABSENT   /x'),
)
const block = fc.array(line, { maxLength: 6 }).map(lines => lines.join('\n'))
const document = fc
  .array(fc.tuple(block, block), { maxLength: 4 })
  .map(parts => parts.map(([a, b]) => `${a}\n\n\nWHEN label.a=b,"c d" host.name!=x\n${b}\nEND`).join('\n'))

test('the canonical text means the same, and is its own canonical text', () => {
  fc.assert(
    fc.property(document, input => {
      fc.pre(parse('f', input).problems.length === 0)
      const once = formatted(input)
      expect(essence(parse('f', once).items)).toEqual(essence(parse('f', input).items))
      expect(formatted(once)).toBe(once)
    }),
  )
})

test('every text but NUL and newline can be written, and is read back', () => {
  fc.assert(
    fc.property(text, input => {
      const { items, problems } = parse('f', `LINE /a ${quote(input, true)}`)
      expect(problems).toEqual([])
      expect(items[0]?.kind === 'step' && items[0].args[1]?.text).toBe(input)
    }),
  )
})
