import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  compareVersions,
  condemnedOf,
  conffilesOf,
  nativeOf,
  parseBlamed,
  parseGrowth,
  parseMadison,
  parseNotRemoved,
  parseSimulation,
  parseStatus,
} from '../../../node/host/dpkg.ts'

const stanza = (name: string, status: string, version = '1.0', more = '') =>
  `Package: ${name}\nStatus: ${status}\nMaintainer: Jörg\nArchitecture: amd64\nVersion: ${version}\n${more}Description: x\n Package: not\n Status: me\n`

const status = [
  stanza('dpkg', 'install ok installed', '1.21.22'),
  stanza(
    'nginx',
    'hold ok installed',
    '1.22.1-9',
    'Conffiles:\n /etc/nginx/a b1946\n /etc/nginx/old 5d41 obsolete\n',
  ),
  stanza('gone', 'deinstall ok config-files'),
  stanza('half', 'install ok half-configured', '2.0'),
  stanza('torn', 'install reinstreq half-installed', '3.0'),
  stanza('waits', 'install ok triggers-awaited', '4.0'),
  'Package: libc6\nStatus: install ok installed\nArchitecture: i386\nVersion: 2.36\n',
  'Package: noversion\nStatus: install ok installed\n',
  'Package: nostatus\nVersion: 1\n',
  'Status: install ok installed\nVersion: 1\n',
  'Package: \nStatus: \nVersion: \n',
].join('\n')

describe('the status file of dpkg', () => {
  test('names what is installed, and what a transaction left in the middle', () => {
    const marks =
      'Package: waits\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: nginx\nAuto-Installed: 0\n'
    expect([...parseStatus(status, marks)]).toEqual([
      ['dpkg', { version: '1.21.22', held: false, automatic: false }],
      ['nginx', { version: '1.22.1-9', held: true, automatic: false }],
      ['half', { version: '2.0 half-configured', held: false, automatic: false }],
      ['torn', { version: '3.0 half-installed', held: false, automatic: false }],
      ['waits', { version: '4.0', held: false, automatic: true }],
      ['libc6:i386', { version: '2.36', held: false, automatic: false }],
    ])
    expect(nativeOf(status)).toBe('amd64')
  })
  test('says which packages a transaction that broke off had marked to go', () => {
    const marked = stanza('marked', 'deinstall ok installed')
    const kept = stanza('kept', 'deinstall ok config-files')
    expect(condemnedOf([status, marked, kept].join('\n'))).toEqual(['marked'])
  })
  test('says which configuration files a package has', () => {
    expect(conffilesOf(status, 'nginx')).toEqual(['/etc/nginx/a'])
    expect(conffilesOf(status, 'gone')).toEqual([])
    expect(conffilesOf(status, 'unknown')).toEqual([])
  })
  test('is never too strange to read', () => {
    expect(parseStatus('').size).toBe(0)
    expect(parseStatus('\0\xff\n\n\n\n\x1b[2J').size).toBe(0)
    expect(
      parseStatus(`${'Package: '.repeat(100_000)}\n\n${stanza('a', 'install ok installed')}`).has('a'),
    ).toBe(true)
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.constantFrom('Package: a\n', 'Status: install ok installed\n', 'Version: 1\n', '\n'),
            fc.string(),
          ),
        ),
        lines => {
          for (const each of parseStatus(lines.join('')).values()) expect(each.version).not.toBe('')
        },
      ),
    )
  })
})

describe('what apt says', () => {
  test('a simulation', () => {
    const output = [
      'NOTE: This is only a simulation!',
      'Remv b [1.0]',
      'Inst a [1.0] (2.0 Debian:12.11/stable [amd64]) []',
      'Inst libc6:i386 (2.36-9 Debian:12/stable [i386])',
      'Purg c [3]',
      'Conf a (2.0 Debian:12.11/stable [amd64])',
    ].join('\n')
    expect(parseSimulation(output)).toEqual([
      { name: 'b', from: '1.0' },
      { name: 'a', from: '1.0', to: '2.0' },
      { name: 'libc6:i386', to: '2.36-9' },
      { name: 'c', from: '3' },
    ])
  })
  test('versions on offer', () => {
    const output =
      ' a | 2.0 | file:/pool ./ Packages\n a | 1.0 | file:/pool ./ Packages\n a | 2.0 | x Packages\n b | 9 | x Sources\n'
    expect([...parseMadison(output)]).toEqual([['a', ['2.0', '1.0']]])
  })
  test('warnings, blame and sizes', () => {
    const left = "dpkg: warning: while removing n, directory '/var/lib/n x' not empty so not removed"
    expect(parseNotRemoved(left)).toEqual(['/var/lib/n x'])
    expect(parseBlamed('dpkg: error processing package fa (--configure):\n x')).toBe('fa')
    expect(parseBlamed('dpkg: error processing archive /tmp/apt-dpkg-1/0-fa_1.0_all.deb (--unpack):')).toBe(
      'fa',
    )
    expect(parseBlamed('dpkg: error processing archive /var/fa_1.0_all.deb (--unpack):')).toBe('fa')
    expect(parseBlamed('E: no')).toBeUndefined()
    expect(parseGrowth('After this operation, 1,234 kB of additional disk space will be used.')).toBe(
      1_234_000,
    )
    expect(parseGrowth('After this operation, 5 MB disk space will be freed.')).toBe(0)
  })
})

test.each([
  ['1.0', '1.0', 0],
  ['1.0', '1.1', -1],
  ['1.9', '1.10', -1],
  ['1:0.1', '2.0', 1],
  ['1.0~rc1', '1.0', -1],
  ['1.0-1', '1.0-1+deb12u1', -1],
  ['1.0', '1.0a', -1],
  ['1.0a', '1.0+', -1],
  ['2.0-1', '2.0', 1],
  ['1.0', '1.00', 0],
  ['1.2-3-4', '1.2-3-5', -1],
  ['99999999999999999999', '100000000000000000000', -1],
])('versions %s and %s', (a, b, expected) => {
  expect([Math.sign(compareVersions(a, b)), Math.sign(compareVersions(b, a))]).toEqual([
    expected,
    0 - expected,
  ])
})
