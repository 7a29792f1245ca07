import { describe, expect, test } from 'vitest'
import { defaults, isAddress, parseConfig } from '../../node/config.ts'

describe('config', () => {
  test('an empty file gives the defaults', () =>
    expect(parseConfig('')).toEqual({ config: defaults, problems: [] }))

  test('every setting is read', () => {
    const text = `root = "/srv"\nlisten = "127.0.0.1:0"\nseeds = ["10.0.0.1:4747", "[::1]:1"]\nmdns = false\ndht = true\naudit_seconds = 60\nterminals = false\nlog_level = "debug"\n`
    expect(parseConfig(text)).toEqual({
      config: {
        root: '/srv',
        listen: '127.0.0.1:0',
        seeds: ['10.0.0.1:4747', '[::1]:1'],
        mdns: false,
        dht: true,
        auditMs: 60_000,
        terminals: false,
        log: 'debug',
      },
      problems: [],
    })
  })

  test('all mistakes are named at once, with their lines', () => {
    const { problems } = parseConfig('mdns = 1\n\nlisten = "nowhere"\ncolour = "red"\naudit_seconds = 0\n')
    expect(problems.map(each => each.line)).toEqual([1, 3, 4, 5])
    expect(problems[1]?.message).toBe('listen: found "nowhere", expected "host:port"')
  })

  test('what is not TOML is named with line and column', () => {
    expect(parseConfig('root = \n').problems[0]).toMatchObject({ line: 1 })
  })

  test.each([
    ['10.0.0.1:4747', true],
    ['[fe80::1]:80', true],
    ['db.example.org:1', true],
    ['10.0.0.1', false],
    ['a:99999', false],
    ['a b:1', false],
  ])('%s is an address: %s', (text, yes) => expect(isAddress(text)).toBe(yes))
})
