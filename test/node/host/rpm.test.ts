import { describe, expect, test } from 'vitest'
import {
  compareEvr,
  parseExcluded,
  parseFault,
  parseInstalled,
  parseOffered,
  parseSaved,
  parseSize,
  parseTable,
  withExcluded,
} from '../../../node/host/rpm.ts'

const long = 'a-very-long-name-that-the-table-breaks-over-two-lines'
const table = `Dependencies resolved.
================================================================================
 Package         Architecture       Version             Repository         Size
================================================================================
Upgrading:
 fta             noarch             1:2.0-1             local             6.1 k
Installing dependencies:
 ${long}
                 x86_64             1.0-1               local              24
 glibc           i686               2.34-1              local             6.1 M
Removing:
 ftb             noarch             1.0-1               @local              8
Removing dependent packages:
 ftc             noarch             1.0-1               @local              8

Transaction Summary
================================================================================
Upgrade  1 Package
Total size: 6.1 k
Installed size: 24 M
`

describe('what dnf says', () => {
  const now = new Map(
    ['fta', 'ftb', 'ftc'].map(name => [name, { version: '1.0-1', held: false, automatic: false }]),
  )
  test('a table, also where its columns are broken', () => {
    expect(parseTable(table, now, 'x86_64')).toEqual([
      { name: 'fta', from: '1.0-1', to: '1:2.0-1' },
      { name: long, to: '1.0-1' },
      { name: 'glibc:i686', to: '2.34-1' },
      { name: 'ftb', from: '1.0-1' },
      { name: 'ftc', from: '1.0-1' },
    ])
    expect(parseTable('Nothing to do.\nComplete!\n', now, 'x86_64')).toEqual([])
    expect(parseSize(table)).toBe(24 * 1024 ** 2)
  })
  test('queries', () => {
    const output =
      'fta\t0:1.0-1\tnoarch\tdependency\n\nftb\t2:1.0-1\tx86_64\tuser\nglibc\t0:2-1\ti686\tuser\ngpg-pubkey\t0:1-1\t(none)\tuser\nodd\n'
    expect([...parseInstalled(output, 'x86_64', new Set(['ftb']))]).toEqual([
      ['fta', { version: '1.0-1', held: false, automatic: true }],
      ['ftb', { version: '2:1.0-1', held: true, automatic: false }],
      ['glibc:i686', { version: '2-1', held: false, automatic: false }],
    ])
    const offered = 'fta\t0:1.9-1\tnoarch\nfta\t0:1.10-1\tnoarch\nfta\t0:1.9-1\tnoarch\n'
    expect([...parseOffered(offered, 'x86_64')]).toEqual([['fta', ['1.10-1', '1.9-1']]])
  })
  test('faults and leftovers', () => {
    expect(parseFault('x\nError: Operation aborted.\n')).toBeUndefined()
    expect(parseFault('x\nError: Unable to find a match: y\n')).toBe('Error: Unable to find a match: y\n')
    expect(parseSaved('warning: /etc/a saved as /etc/a.rpmsave\n')).toEqual(['/etc/a.rpmsave'])
  })
})

test.each([
  ['', ['a'], [], '[main]\nexcludepkgs=a\n'],
  ['[main]\ngpgcheck=1\n', ['a', 'b'], [], '[main]\nexcludepkgs=a b\ngpgcheck=1\n'],
  ['[main]\nexclude = kernel*, a\n', ['b'], ['a'], '[main]\nexcludepkgs=kernel* b\n'],
])('packages are held in %j', (config, add, drop, expected) => {
  const text = withExcluded(config, add, drop)
  expect(text).toBe(expected)
  expect(parseExcluded(text)).toEqual(add)
})

test.each([
  ['1.0-1', '1.0-1', 0],
  ['1.0-1', '1.0-2', -1],
  ['1.9-1', '1.10-1', -1],
  ['1:0.1-1', '2.0-1', 1],
  ['1.0~rc1-1', '1.0-1', -1],
  ['1.0^git1-1', '1.0-1', 1],
  ['1.0^git1-1', '1.0.1-1', -1],
  ['1.0a-1', '1.0-1', 1],
  ['1.0.a-1', '1.0.1-1', -1],
  ['1_0-1', '1.0-1', 0],
])('versions %s and %s', (a, b, expected) => {
  expect([Math.sign(compareEvr(a, b)), Math.sign(compareEvr(b, a))]).toEqual([expected, 0 - expected])
})
