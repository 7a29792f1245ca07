import { describe, expect, test } from 'vitest'
import type { Probe } from '../../../../node/host/act.ts'
import type { Step } from '../../../../node/host/steps/step.ts'
import { checkSpec, planCheck } from '../../../../node/host/verbs/check.ts'

const step = (args: string[], options: Record<string, string> = {}): Step => ({
  id: 'CHECK it',
  verb: 'CHECK',
  args,
  options,
  origin: { file: 'site.steps', line: 1, column: 1 },
})

const wanted: [string[], Record<string, string>, Probe, withinMs: number][] = [
  [['http', 'http://[::1]:80/x'], {}, { kind: 'http', url: 'http://[::1]:80/x', status: 200 }, 30_000],
  [
    ['http', 'https://a/'],
    { status: '301', body: 'ok', within: '2m' },
    { kind: 'http', url: 'https://a/', status: 301, body: 'ok' },
    120_000,
  ],
  [['tcp', '127.0.0.1:5432'], { within: '500ms' }, { kind: 'tcp', host: '127.0.0.1', port: 5432 }, 500],
  [['tcp', '[::1]:22'], {}, { kind: 'tcp', host: '::1', port: 22 }, 30_000],
  [
    ['command', 'test -e "/a b"'],
    {},
    { kind: 'command', argv: ['test', '-e', '/a b'], timeoutMs: 10_000 },
    30_000,
  ],
  [
    ['command', 'a | b'],
    { shell: '', timeout: '1s' },
    { kind: 'command', argv: ['/bin/sh', '-c', 'a | b'], timeoutMs: 1000 },
    30_000,
  ],
  [['unit', 'nginx'], {}, { kind: 'unit', unit: 'nginx.service' }, 30_000],
  [['unit', 'a.timer'], {}, { kind: 'unit', unit: 'a.timer' }, 30_000],
]
test.each(wanted)('%j %j', (args, options, probe, withinMs) => {
  expect(checkSpec.check?.({ args, options })).toBeUndefined()
  expect(planCheck(step(args, options))).toEqual([{ kind: 'check', probe, withinMs }])
})

describe('is refused', () => {
  test.each<[string[], Record<string, string>, string]>([
    [['http', '127.0.0.1/x'], {}, 'a URL'],
    [['http', 'ftp://a/'], {}, 'a URL'],
    [['http', 'http://a/', 'b'], {}, 'expected one'],
    [['http', 'http://a/'], { status: '20' }, '100 to 599'],
    [['http', 'http://a/'], { timeout: '1s' }, 'CHECK command'],
    [['tcp', 'localhost'], {}, 'HOST:PORT'],
    [['tcp', 'a:0'], {}, 'HOST:PORT'],
    [['tcp', '::1:22'], {}, 'HOST:PORT'],
    [['tcp', 'a:1'], { body: 'x' }, 'CHECK http'],
    [['command', 'a > b'], {}, 'shell'],
    [['unit', 'a b'], {}, 'a unit'],
    [['unit', 'a@.service'], {}, 'a unit'],
  ])('%j %j', (args, options, message) => {
    expect(checkSpec.check?.({ args, options })).toContain(message)
  })
})

test('is known by kind and what, however a unit is written', () => {
  const key = (...args: string[]) => checkSpec.key({ args, options: {} })
  expect(key('unit', 'nginx')).toBe(key('unit', 'nginx.service'))
  expect(key('command', 'a', 'b c')).toBe('command a "b c"')
})
