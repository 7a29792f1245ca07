// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the language's own variables
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse, type StepItem, usage } from '../../../../node/host/steps/parse.ts'
import { formatProblem } from '../../../../node/host/steps/problem.ts'
import { specs } from '../../../../node/host/verbs/index.ts'

const problems = (text: string) => parse('site.steps', text).problems.map(formatProblem)
const items = (text: string) => {
  expect(problems(text)).toEqual([])
  return parse('site.steps', text).items
}
const step = (text: string) => {
  const item = items(text)[0] as StepItem
  return {
    verb: item.spec.name,
    args: item.args.map(word => word.text),
    options: Object.fromEntries(item.options.map(each => [each.name, each.value])),
  }
}

test.each([...specs.values()])('the example of $name parses', spec => {
  expect(step(spec.example).verb).toBe(spec.name)
  expect(usage(spec)).toMatch(/^[A-Z]+ /)
})

describe('steps', () => {
  test.each([
    [
      'MKDIR /a mode=0750 exclusive ignore=*.dpkg-*',
      ['/a'],
      { mode: '0750', exclusive: '', ignore: '*.dpkg-*' },
    ],
    ['LINK /etc/a -> ../b', ['/etc/a', '../b'], {}],
    ['LINK /etc/a -> "->"', ['/etc/a', '->'], {}],
    ['LINE /a "x no" match="^#?\\s*x\\b"', ['/a', 'x no'], { match: '^#?\\s*x\\b' }],
    ['RUN env FOO=bar "a=b" "shell" ""', ['env', 'FOO=bar', 'a=b', 'shell', ''], {}],
    ['RUN "a | b" shell', ['a | b'], { shell: '' }],
    ['COPY files/${var.x} /etc/${host.name}', ['files/${var.x}', '/etc/${host.name}'], {}],
  ])('%s', (text, args, options) => {
    const { args: foundArgs, options: foundOptions } = step(text)
    expect([foundArgs, foundOptions]).toEqual([args, options])
  })
})

test('provenance is in force until the next one', () => {
  const made = items('ABSENT /a\n#@ fleet.ts:41:3\nABSENT /b\nABSENT /c\n#@\nABSENT /d').map(
    item => item.made,
  )
  expect(made.filter((_, index) => index !== 1 && index !== 4)).toEqual([
    undefined,
    'fleet.ts:41:3',
    'fleet.ts:41:3',
    undefined,
  ])
  expect(problems('#@ gen:1:1\nNOPE')[0]).toContain('site.steps:2:1: (from gen:1:1) found "NOPE"')
})

test('guards', () => {
  expect(items('WHEN label.role=web fact.os.id!=debian,ubuntu\nEND')[0]).toMatchObject({
    kind: 'when',
    tests: [
      { source: 'label.role', negated: false, values: ['web'] },
      { source: 'fact.os.id', negated: true, values: ['debian', 'ubuntu'], line: 1, column: 21 },
    ],
  })
})

describe('problems name the place, what was found and what was expected', () => {
  test.each([
    ['COPPY a /b', '1:1: found "COPPY"; expected a verb: COPY?'],
    ['copy a /b', '1:1: found "copy"; expected a verb: COPY?'],
    ['COPY a', '1:1: found COPY without PATH; expected COPY FILE PATH ['],
    ['COPY a /b /c', '1:11: found "/c"; expected no more arguments'],
    ['COPY a b', '1:8: found "b"; expected an absolute path'],
    ['COPY a /b/../c', '1:8: found "/b/../c"; expected a path without'],
    ['COPY ../a /b', '1:6: found "../a"; expected a path inside the repository'],
    ['COPY a /sys/b', '1:8: found "/sys/b"; expected a path outside /sys'],
    ['COPY a /b moed=0644', '1:11: found the option moed=, which COPY does not have; expected mode='],
    ['COPY a /b mode=9', '1:11: found "9"; expected three or four octal digits'],
    ['COPY a /b mode=0644 mode=0644', '1:21: found mode= twice'],
    ['COPY mode=0644 a /b', '1:16: found "a" after an option'],
    ['MKDIR /a exclusive=yes', '1:10: found exclusive with a value'],
    ['MKDIR /a ignore=x', '1:1: found ignore= without exclusive'],
    ['LINK /a b', '1:9: found "b"; expected ->: LINK PATH -> TARGET'],
    ['LINK /a ->', '1:1: found LINK without TARGET'],
    ['LINE /a x match=(', '1:11: found "("; expected a regular expression'],
    ['RUN dd if=/a', '1:8: found the option if=, which RUN does not have; expected id=, or double quotes'],
    ['ABSENT /a constructor=x', '1:11: found the option constructor='],
    ['RUN', '1:1: found RUN without COMMAND'],
    ['ABSENT /a${var.}', '1:8: found ${var.}; expected a value such as'],
    ['WHEN\nEND', '1:1: found WHEN alone'],
    ['WHEN role=web\nEND', '1:6: found "role=web"; expected a test such as'],
    ['WHEN label.role\nEND', '1:6: found "label.role"; expected a test'],
    ['WHEN label.role=a,\nEND', '1:6: found an empty value'],
    ['WHEN fact.os.di=a\nEND', '1:6: found fact.os.di, which no host reports; expected fact.os.id'],
    ['WHEN label.a=b', '1:1: found WHEN without END'],
    ['END', '1:1: found END; expected a WHEN before it'],
    ['INCLUDE', '1:1: found INCLUDE alone'],
    ['INCLUDE /a', '1:9: found "/a"; expected a path inside the repository'],
    ['WHEN label.a=b\n'.repeat(33) + 'END\n'.repeat(33), '33:1: found more than 32 WHEN'],
  ])('%j', (text, expected) => {
    expect(problems(text)).toHaveLength(1)
    expect(problems(text)[0]).toContain(`site.steps:${expected}`)
  })

  test('all of a file at once, in the order of its lines', () => {
    const found = problems('COPY a\nCOPY "b\nMKDIR c mode=x\nEND')
    expect(found.map(each => each.split(':').slice(1, 3).join(':'))).toEqual([
      '1:1',
      '2:6',
      '3:7',
      '3:9',
      '4:1',
    ])
  })
})

test('parsing never throws', () => {
  const piece = fc.constantFrom(
    ...['COPY ', 'WHEN ', 'END', 'RUN ', 'LINE ', ' -> ', '"', '\\', '\n', '#', '#@', '${', '}', '=', '$'],
    ...['mode=', '/a', 'label.a=b', '\\x', 'c3', ',', '\0', '\r\n', 'exclusive'],
  )
  const text = fc
    .array(fc.oneof(piece, fc.string({ unit: 'binary' })), { maxLength: 30 })
    .map(parts => parts.join(''))
  fc.assert(
    fc.property(text, input => {
      for (const { line, column, message } of parse('f', input).problems) {
        expect(line >= 1 && column >= 1).toBe(true)
        expect(message).toMatch(/^found /)
      }
    }),
  )
})
