import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatProblem } from '../../../../node/host/steps/problem.ts'
import { parseVars, variablesOf } from '../../../../node/host/steps/vars.ts'

const host = { name: 'web1', labels: { role: 'web', dc: 'fra' } }
const read = (text: string) => {
  const { vars, problems } = parseVars('vars.toml', text)
  const own = variablesOf(vars, host)
  return {
    values: Object.fromEntries(own.values),
    problems: [...problems, ...own.problems].map(formatProblem),
  }
}

test('host beats label beats default', () => {
  const text = `
[default]
a = "default"
b = "default"
c = "default"
port = 8080
on = true
big = 12345678901234567890
nested.x = "y"
[default.more]
z = "w"
[label.role.web]
b = "label"
c = "label"
[label.role.db]
b = "other"
[host.web1]
c = "host"
[host.web2]
c = "no"`
  expect(read(text)).toEqual({
    values: {
      a: 'default',
      b: 'label',
      c: 'host',
      port: '8080',
      on: 'true',
      big: '12345678901234567890',
      'nested.x': 'y',
      'more.z': 'w',
    },
    problems: [],
  })
})

describe('labels that disagree', () => {
  const text = '[label.role.web]\nx = "1"\n[label.dc.fra]\nx = "2"\n'
  test('are a problem', () => {
    const { problems } = read(text)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(/^vars\.toml:4:1: found x in \[label\.dc\.fra\].*\[label\.role\.web\]/)
  })
  test('unless they agree, or the host decides', () => {
    expect(read(text.replace('"2"', '"1"'))).toEqual({ values: { x: '1' }, problems: [] })
    expect(read(`${text}[host.web1]\nx = "3"`)).toEqual({ values: { x: '3' }, problems: [] })
  })
})

test.each([
  ['[default]\na = ', '2:5: found text that is not TOML'],
  ['[default]\na = 1\na = 2', '3:1: found text that is not TOML'],
  ['[default]\n\nversion = 1.10', '3:1: found a number with a point in version'],
  ['[default]\nlist = [1]', '2:1: found a list in list'],
  ['[default]\nat = 2026-01-01', '2:1: found a time in at'],
  ['[default]\n"a b" = 1', '2:1: found the name "a b"'],
  ['[defualt]\na = 1', '1:1: found defualt; expected [default]'],
  ['x = 1', '1:1: found x; expected [default]'],
  ['[label]\nrole = 1', '2:1: found a value in [label]'],
  ['[label.role]\nweb = 1', '2:1: found a value in [label.role]'],
  [`[default]\n${'a.'.repeat(40)}a = 1`, 'found tables 33 deep'],
  ['[default]\n__proto__ = 1', 'found text that is not TOML'],
])('%j is refused', (text, expected) => {
  expect(read(text).problems).toHaveLength(1)
  expect(read(text).problems[0]).toContain(expected)
})

test('a text made to be slow is not', () => {
  for (const text of ['['.repeat(1e5), `[default]\n${'a.'.repeat(1e4)}a = 1`, '= '.repeat(1e5)])
    expect(read(text).problems).toHaveLength(1)
})

test('reading never throws', () => {
  const piece = fc.constantFrom(
    '[',
    ']',
    'default',
    'label.role.web',
    'host',
    '.',
    '=',
    '"',
    '\n',
    '1',
    '{',
    '}',
    '-',
  )
  fc.assert(fc.property(fc.array(fc.oneof(piece, fc.string())), parts => void read(parts.join(''))))
})
