// Trees, paths and commits: git's strict forms, and nothing a host should not be given.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { depthMax, formatTree, nameProblem, parseCommit, parseTree } from '../../node/tree.ts'
import { utf8 } from '../../signing/bytes.ts'
import {
  blob,
  checkPack,
  made,
  makePack,
  type Objects,
  type Row,
  rawTree,
  release,
  who,
} from './pack-maker.ts'

const file = blob(utf8('x'))
/** A release whose root tree is this one. */
function around(tree: Objects[number], ...others: Objects) {
  const text = `tree ${tree.oid}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nrelease 1: x\n`
  const commit = made('commit', utf8(text))
  const objects = [...new Map([commit, tree, ...others].map(object => [object.oid, object])).values()]
  const found = checkPack(makePack(objects), commit.oid)
  return found.kind === 'refused' ? `${found.code} ${found.detail}` : found.kind
}

describe('a tree is refused', () => {
  const latin1 = Uint8Array.of(0x61, 0xe4)
  const cases: [string, Row[], RegExp][] = [
    ['with a gitlink', [['160000', 'sub', file.oid]], /sub is a gitlink/],
    ['with a .git entry', [['100644', '.git', file.oid]], /a form of \.git/],
    ['with .GIT', [['100644', '.GIT', file.oid]], /a form of \.git/],
    ['with git~1', [['40000', 'git~1', file.oid]], /a form of \.git/],
    ['with .git and a trailing dot', [['100644', '.git. .', file.oid]], /a form of \.git/],
    ['with .git and a stream', [['100644', '.git::$INDEX_ALLOCATION', file.oid]], /a form of \.git/],
    ['with .git and an ignored character', [['100644', '.g\u200cit', file.oid]], /a form of \.git/],
    ['with .gitmodules', [['100644', '.gitmodules', file.oid]], /submodules/],
    ['with ..', [['40000', '..', file.oid]], /the name \.\./],
    ['with .', [['40000', '.', file.oid]], /the name \./],
    ['with a slash in a name', [['100644', 'a/b', file.oid]], /slash/],
    ['with an empty name', [['100644', '', file.oid]], /empty name/],
    ['with mode 100664', [['100664', 'a', file.oid]], /a has mode 100664/],
    ['with mode 040000', [['040000', 'a', file.oid]], /a has mode 040000/],
    [
      'with bad sort',
      [
        ['100644', 'b', file.oid],
        ['100644', 'a', file.oid],
      ],
      /out of git's order/,
    ],
    [
      'with a name twice',
      [
        ['100644', 'a', file.oid],
        ['100644', 'a', file.oid],
      ],
      /there twice/,
    ],
    [
      'with a file and a folder of one name',
      [
        ['100644', 'a', file.oid],
        ['100644', 'a.b', file.oid],
        ['40000', 'a', file.oid],
      ],
      /there twice/,
    ],
    ['with a name that is not UTF-8', [['100644', latin1, file.oid]], /61e4 \(hex\) is not UTF-8/],
  ]
  test.each(cases)('%s', (_, rows, expected) => {
    expect(parseTree(rawTree(...rows).bytes)).toMatch(expected)
    expect(around(rawTree(...rows), file)).toMatch(/^PACK_OBJECT tree of the root/)
  })

  test('cut short', () =>
    expect(parseTree(rawTree(['100644', 'a', file.oid]).bytes.slice(0, -1))).toMatch(/cut short/))
  test('empty, below the root', () => {
    const empty = rawTree()
    expect(around(rawTree(['40000', 'a', empty.oid]), empty)).toMatch(/^PACK_OBJECT the tree of a is empty/)
  })
  test('when a file is said to be a folder', () => {
    expect(around(rawTree(['40000', 'a', file.oid]), file)).toMatch(/is a blob, expected a tree/)
  })
})

describe('a release is bounded', () => {
  test('in depth', () => {
    const trees = [rawTree(['100644', 'f', file.oid])]
    for (let depth = 0; depth < depthMax; depth++) trees.push(rawTree(['40000', 'd', trees.at(-1)!.oid]))
    expect(around(trees.at(-1)!, file, ...trees)).toMatch(/^PACK_TOO_LARGE 64 folders deep/)
  })
  test('in files, when small trees stand for very many of them', () => {
    const ten = (oid: string, mode: string) => rawTree(...[...'0123456789'].map(n => [mode, n, oid] as const))
    const trees = [ten(file.oid, '100644')]
    for (let level = 0; level < 6; level++) trees.push(ten(trees.at(-1)!.oid, '40000'))
    expect(around(trees.at(-1)!, file, ...trees)).toMatch(/^PACK_TOO_LARGE more than 100000 files/)
  })
  test('in size, when one blob stands for very many files', () => {
    const large = blob(new Uint8Array(8 << 20))
    const tree = rawTree(
      ...Array.from({ length: 65 }, (_, n) => ['100644', String(n + 100), large.oid] as const),
    )
    expect(around(tree, large)).toMatch(/^PACK_TOO_LARGE its files come to more/)
  })
  test('in the length of a path', () => {
    expect(around(rawTree(['100644', 'n'.repeat(5000), file.oid]), file)).toMatch(
      /^PACK_TOO_LARGE a path of 5000/,
    )
  })
  test('in the length of a link', () => {
    const target = blob(new Uint8Array(4096).fill(0x61))
    expect(around(rawTree(['120000', 'l', target.oid]), target)).toMatch(/^PACK_TOO_LARGE l has 4096/)
  })
})

test('names that systemd and Debian use are fine', () => {
  for (const name of [
    'dev-disk-by\\x2duuid.swap',
    'getty@tty1.service',
    'a b',
    'grüße',
    '.gitignore',
    '.github',
  ])
    expect(nameProblem(name)).toBeUndefined()
})

test('trees are written in git order, whatever the order given', () => {
  const rows = [
    { name: 'a', mode: '40000' as const },
    { name: 'a.b', mode: '100644' as const },
    { name: 'a0', mode: '100644' as const },
  ]
  const tree = formatTree([...rows].reverse().map(row => ({ ...row, oid: file.oid })))
  const names = parseTree(tree)
  expect(typeof names === 'string' ? names : names.map(entry => entry.name)).toEqual(['a.b', 'a', 'a0'])
})

test('a commit in any other form is refused', () => {
  const first = release({ a: utf8('1') })
  const text = new TextDecoder().decode(first.objects.find(object => object.oid === first.commit)!.bytes)
  expect(parseCommit(utf8(text))).toMatchObject({ tree: expect.stringMatching(/^[0-9a-f]{40}$/) })
  for (const [from, to] of [
    ['\n\n', '\nencoding latin1\n\n'],
    ['+0000', '+0100'],
    ['author', `parent ${'0'.repeat(40)}\nparent ${'1'.repeat(40)}\nauthor`],
    ['first', 'first\nsecond'],
    [who.author.name, `${who.author.name}<`],
  ])
    expect(parseCommit(utf8(text.replace(from!, to!)))).toBe('not in the form of a release commit')
  expect(parseCommit(utf8(text.replace('first', 'f'.repeat(9000))))).toMatch(/at most 8192/)
})

test('any bytes are a tree that is written back the same, or words; never an exception', () => {
  const row = fc.tuple(
    fc.constantFrom('100644', '100755', '120000', '40000', '160000', '1'),
    fc.string({ maxLength: 6 }),
  )
  const rows = fc
    .array(row, { maxLength: 4 })
    .map(all => rawTree(...all.map(([m, n]): Row => [m, n, file.oid])).bytes)
  fc.assert(
    fc.property(fc.oneof(rows, fc.uint8Array({ maxLength: 80 })), bytes => {
      const entries = parseTree(bytes)
      if (typeof entries !== 'string') expect(formatTree(entries)).toEqual(new Uint8Array(bytes))
      expect(typeof parseCommit(bytes)).toBe('string')
    }),
  )
})
