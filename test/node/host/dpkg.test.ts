import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  compareVersions,
  condemnedOf,
  conffilesOf,
  infoFilesOf,
  leavingsOf,
  mentionedIn,
  nativeOf,
  parseBlamed,
  parseGrowth,
  parseListing,
  parseMadison,
  parseNotRemoved,
  parseSimulation,
  parseStatus,
  pathOf,
  scratchOf,
  type Unpacking,
  wholeOf,
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
    const begun = stanza('begun', 'purge ok half-configured')
    expect(condemnedOf([status, marked, kept, begun].join('\n'))).toEqual(['marked', 'begun'])
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

describe('what dpkg left when it was cut off', () => {
  const unpacking = (members: readonly string[], there: readonly string[] = []): Unpacking => ({
    name: 'a',
    version: '1',
    file: '/a.deb',
    members,
    there,
  })
  const [file, room] = ['./d/f', './d/']
  const all = { f: '/d/f', new: '/d/f.dpkg-new', tmp: '/d/f.dpkg-tmp', d: '/d', 'd.new': '/d.dpkg-new' }
  type Name = keyof typeof all
  const paths = (names: string) => names.split(' ').flatMap(each => (each ? all[each as Name] : []))

  // What was there before; what is there now; what a known package has; what looks as in the package; what becomes of it.
  test.each([
    ['nothing', '', '', '', '', {}],
    ['half of a file in a new directory', '', 'd new', '', '', { remove: 'new', directories: 'd' }],
    ['a whole file', '', 'd f', '', 'f', { remove: 'f', directories: 'd' }],
    ['a file that looks otherwise by now', '', 'd f', '', '', { directories: 'd' }],
    ['a file that was there before', 'd f', 'd f', '', 'f', {}],
    ['a new file of another package', '', 'd f', 'd f', 'f', {}],
    ['half of a file of another package', 'd f', 'd f new', 'd f', '', { remove: 'new' }],
    ['what another package has under the name of scratch', '', 'd new', 'd new', '', {}],
    ['scratch that was there before', 'd new', 'd new', '', '', {}],
    ['a directory that was there before', 'd', 'd new', '', '', { remove: 'new' }],
    ['half of a directory', '', 'd.new', '', '', { directories: 'd.new' }],
    ['what a package had, and has again', 'd f', 'd f tmp', 'd f', 'f', { remove: 'tmp' }],
    ['a new file, and what came after it', '', 'd f tmp', '', 'f', { remove: 'tmp f', directories: 'd' }],
    ["somebody's file that was replaced", 'd f', 'd f tmp', '', 'f', { restore: 'f' }],
    ["somebody's file that was put aside", 'd f', 'd tmp', '', '', { restore: 'f' }],
    ["somebody's file that is there, whatever was put aside", 'd f', 'd f tmp', '', '', {}],
  ])('%s', (_, there, is, owned, same, expected) => {
    const kinds = new Map(
      paths(is).map(path => [path, /^\/d(\.dpkg-new)?$/.test(path) ? 'directory' : 'other'] as const),
    )
    const found = { kinds, owned: new Set(paths(owned)) }
    const before = unpacking([room, file], paths(there))
    const asked = wholeOf(before, found).map(pathOf)
    const same_ = new Set(paths(same).filter(path => asked.includes(path)))
    const wanted = { remove: '', restore: '', directories: '', ...expected }
    expect(leavingsOf([before], { ...found, same: same_ })).toEqual({
      remove: paths(wanted.remove),
      restore: paths(wanted.restore),
      directories: paths(wanted.directories),
    })
  })

  test('directories of several packages go from the inside', () => {
    const kinds = new Map(['/d', '/d/e', '/d/e/g'].map(path => [path, 'directory' as const]))
    const both = [unpacking(['./d/', './d/e/']), unpacking(['./d/', './d/e/', './d/e/g/'])]
    const { directories } = leavingsOf(both, { kinds, owned: new Set(), same: new Set() })
    expect(directories).toEqual(['/d/e/g', '/d/e', '/d'])
  })
  test('files that describe a package go with it', () => {
    const files = ['a.list', 'a:amd64.list', 'a.list-new', 'a.b.list', 'ab.list', 'format', 'a.old']
    const mine = unpacking([], ['/var/lib/dpkg/info/a.old'])
    expect(infoFilesOf(mine, files, new Set())).toEqual(['a.list', 'a:amd64.list', 'a.list-new'])
    expect(infoFilesOf(mine, files, new Set(['a']))).toEqual(['a.list-new'])
    const gone = stanza('none', 'unknown ok not-installed')
    expect([...mentionedIn([gone, stanza('rest', 'deinstall ok config-files')].join('\n'))]).toEqual(['rest'])
  })
  test('reads what is in package files, and nothing that leads elsewhere', () => {
    const text = '//x.deb\n./\n./d/\n./d/f\n./../etc/f\nd/g\n//y.deb\n/h\n'
    expect([...parseListing(text)]).toEqual([
      ['x.deb', ['./d/', './d/f', 'd/g']],
      ['y.deb', ['/h']],
    ])
    expect(scratchOf(unpacking(['./d/', '/h']))).toEqual(
      ['/d', '/h'].flatMap(path => [path, `${path}.dpkg-new`, `${path}.dpkg-tmp`]),
    )
  })
})
