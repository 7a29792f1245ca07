import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { baseDirectories } from '../../../../node/host/steps/base.ts'
import { facts } from '../../../../node/host/steps/facts.ts'
import { specs } from '../../../../node/host/verbs/index.ts'
import { argvOf, argvOfOption, planRun } from '../../../../node/host/verbs/run.ts'
import { checkValue, readDuration, readMode } from '../../../../node/host/verbs/values.ts'
import type { ValueKind } from '../../../../node/host/verbs/verb.ts'

test.each([...specs.values()])('$name says what it is', spec => {
  expect(spec.example.startsWith(`${spec.name} `)).toBe(true)
  expect(spec.summary).toMatch(/^[A-Z].*\.$/)
  for (const [name, option] of Object.entries(spec.options)) {
    expect(name).toMatch(/^[a-z][a-z0-9-]*$/)
    expect(option.doc).toMatch(/\.$/)
  }
})

describe('values', () => {
  const rows: [ValueKind, good: string[], bad: string[]][] = [
    [
      'path',
      ['/etc/a', '/devices'],
      ['etc', '/', '/a/', '/a//b', '/a/../b', '/./a', '/proc/x', '/etc/fleet'],
    ],
    ['paths', ['/a,/b'], ['/a,', '/a, /b']],
    ['source', ['files/a', 'a..b', '.gitignore'], ['', '/a', '../a', 'a/./b', 'a//b', 'a/', '.git/x']],
    ['mode', ['644', '0755', '1777', 'keep'], ['', '8', '0o644', '00644', 'u+x']],
    ['user', ['root', '_apt', '2001', 'keep'], ['', 'Root', 'a b', '-x']],
    ['globs', ['*.dpkg-*', 'a,b'], ['', 'a/b', 'a,']],
    ['regex', ['^#?\\s*x'], ['(', '\\y']],
    ['duration', ['500ms', '30s', '24h'], ['', '5', '0s', '25h', '-1s']],
    ['flag', [''], ['yes']],
    ['text', ['x'], ['']],
  ]
  test.each(rows)('%s', (kind, good, bad) => {
    for (const value of good) expect(checkValue(kind, value), value).toBeUndefined()
    for (const value of bad) expect(checkValue(kind, value), value).toMatch(/^found .*; expected /)
  })
  test('are read', () => {
    expect([readMode('0440'), readMode('keep')]).toEqual([0o440, undefined])
    expect([readDuration('90s'), readDuration('500ms'), readDuration('x')]).toEqual([90_000, 500, undefined])
  })
  test('a path may be as long as Linux takes it', () => {
    expect(checkValue('path', `/${'ä'.repeat(127)}`)).toBeUndefined()
    expect(checkValue('path', `/${'ä'.repeat(128)}`)).toContain('255 bytes')
    expect(checkValue('path', '/abc'.repeat(1024))).toContain('4095 bytes')
  })
})

describe('identity, undo and checks', () => {
  const of = (name: string, args: string[], options: Record<string, string> = {}) => {
    const spec = specs.get(name)!
    return {
      key: spec.key({ args, options }),
      undo: spec.undo({ args, options }),
      check: spec.check?.({ args, options }),
    }
  }
  test.each([
    ['COPY', ['f', '/a'], {}, '/a', 'exact'],
    ['LINK', ['/a', 'b'], {}, '/a', 'exact'],
    ['LINE', ['/a', 'x y'], {}, '/a "x y"', 'exact'],
    ['LINE', ['/a', 'x y'], { match: '^x' }, '/a ^x', 'exact'],
    ['RUN', ['a', 'b c'], {}, 'a "b c"', 'one-way'],
    ['RUN', ['a'], { id: 'it' }, 'it', 'one-way'],
    ['RUN', ['a'], { undo: 'b' }, 'a', 'compensating'],
    ['RUN', ['a'], { on: '/b' }, 'a', 'compensating'],
  ])('%s %j %j', (name, args, options, key, undo) => {
    expect(of(name, args, options as Record<string, string>)).toEqual({ key, undo, check: undefined })
  })
  test.each([
    ['COPY', ['f', '/a'], { validate: 'visudo -cf' }, '%s'],
    ['COPY', ['f', '/a'], { validate: 'a %s | b' }, 'shell'],
    ['MKDIR', ['/a'], { ignore: '*' }, 'exclusive'],
    ['LINE', ['/a', 'x'], { match: '^y' }, 'match='],
    ['RUN', ['a | b'], {}, 'shell'],
    ['RUN', ['a', 'b'], { shell: '' }, 'quotes'],
  ])('%s %j %j is refused', (name, args, options, expected) => {
    expect(of(name, args, options as Record<string, string>).check).toContain(expected)
  })
})

test('RUN makes its argv without a shell unless told otherwise', () => {
  const step = (args: string[], options: Record<string, string> = {}) => ({ args, options })
  expect(argvOf(step(['echo "a b"']))).toEqual(['echo', 'a b'])
  expect(argvOf(step(['echo', 'a | b']))).toEqual(['echo', 'a | b'])
  expect(argvOf(step(['a | b'], { shell: '' }))).toEqual(['/bin/sh', '-c', 'a | b'])
  expect(argvOfOption(step(['a'], { undo: 'rm -f /x' }), 'undo')).toEqual(['rm', '-f', '/x'])
  expect(argvOfOption(step(['a']), 'unless')).toBeUndefined()
})

test('RUN says who runs it and where by words of its commands', () => {
  const step = { args: ['a'], options: { user: 'www', cwd: '/srv', undo: 'b' } }
  const there = ['runuser', '-u', 'www', '--', 'env', '-C', './srv']
  expect(
    planRun({ ...step, verb: 'RUN', id: 'RUN a', origin: { file: 'f', line: 1, column: 1 } }),
  ).toMatchObject([{ argv: [...there, 'a'], undo: [...there, 'b'] }])
})

test('base directories have their parents', () => {
  for (const path of baseDirectories.keys())
    if (path !== '/')
      expect(baseDirectories.has(path.slice(0, path.lastIndexOf('/')) || '/'), path).toBe(true)
})

test('the reference has every fact', () => {
  const reference = readFileSync(new URL('../../../../docs/steps.md', import.meta.url), 'utf8')
  for (const name of Object.keys(facts)) expect(reference).toContain(`\`${name}\``)
})
