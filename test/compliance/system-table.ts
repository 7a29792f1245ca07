// Single calls of a System and what they come to: the words of system.test.ts.
import { expect } from 'vitest'
import type { System } from '../../node/host/system.ts'
import { tar } from '../node/host/tars.ts'

export type Call = readonly [name: keyof System, ...args: unknown[]]
export const bytes = (text: string) => new TextEncoder().encode(text)
export const as = (mode?: number, uid?: number, gid?: number) => ({ mode, uid, gid })
/** Calls, and what the last of them comes to. */
export const table: readonly (readonly [string, readonly Call[], unknown])[] = [
  ['nothing is there', [['lstat', '/a']], undefined],
  ['nothing is there, nor above', [['lstat', '/a/b/c']], undefined],
  [
    'a file above is no directory',
    [
      ['create', '/a', bytes('x'), as()],
      ['lstat', '/a/b'],
    ],
    undefined,
  ],
  ['the root', [['lstat', '/']], expect.objectContaining({ kind: 'directory' })],
  [
    'a name is taken',
    [
      ['create', '/a', bytes('x'), as()],
      ['create', '/a', bytes('y'), as()],
    ],
    'WRONG_TYPE /a',
  ],
  ['no parent', [['create', '/a/b', bytes('x'), as()]], 'NO_PARENT /a/b'],
  [
    'a parent that is a file',
    [
      ['create', '/a', bytes('x'), as()],
      ['mkdir', '/a/b', as()],
    ],
    'WRONG_TYPE /a/b',
  ],
  [
    'a new file has no more rights than said',
    [['create', '/a', bytes('x'), as(0o666)]],
    expect.objectContaining({ mode: 0o666, size: 1 }),
  ],
  [
    "a new file of none said is its owner's",
    [['create', '/a', bytes(''), as()]],
    expect.objectContaining({ mode: 0o600 }),
  ],
  [
    'a directory of none said',
    [
      ['mkdir', '/a', as()],
      ['lstat', '/a'],
    ],
    expect.objectContaining({ mode: 0o755 }),
  ],
  [
    'set-group-id',
    [
      ['mkdir', '/a', as(0o2750)],
      ['lstat', '/a'],
    ],
    expect.objectContaining({ mode: 0o2750 }),
  ],
  [
    'reading',
    [
      ['create', '/a', bytes('text'), as()],
      ['read', '/a', 4],
    ],
    'text',
  ],
  [
    'reading too much',
    [
      ['create', '/a', bytes('text'), as()],
      ['read', '/a', 3],
    ],
    'TOO_LARGE /a',
  ],
  ['reading what is missing', [['read', '/a', 1]], 'NO_PARENT /a'],
  [
    'reading a link',
    [
      ['symlink', '/a', 'b', as()],
      ['read', '/a', 9],
    ],
    'SYMLINK_IN_PATH /a',
  ],
  [
    'the digest',
    [
      ['create', '/a', bytes(''), as()],
      ['digest', '/a'],
    ],
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  ],
  [
    'the digest of a directory',
    [
      ['mkdir', '/a', as()],
      ['digest', '/a'],
    ],
    'WRONG_TYPE /a',
  ],
  [
    "a link's target",
    [
      ['symlink', '/a', '../x', as()],
      ['readlink', '/a'],
    ],
    '../x',
  ],
  [
    'the target of no link',
    [
      ['create', '/a', bytes('x'), as()],
      ['readlink', '/a'],
    ],
    'IO_FAILED /a',
  ],
  [
    'listing',
    [
      ['mkdir', '/b', as()],
      ['mkdir', '/a', as()],
      ['list', '/'],
    ],
    ['a', 'b'],
  ],
  [
    'listing a file',
    [
      ['create', '/a', bytes('x'), as()],
      ['list', '/a'],
    ],
    'WRONG_TYPE /a',
  ],
  [
    'behind a link',
    [
      ['mkdir', '/a', as()],
      ['symlink', '/l', 'a', as()],
      ['create', '/l/x', bytes('x'), as()],
      ['lstat', '/a/x'],
    ],
    expect.objectContaining({ kind: 'file' }),
  ],
  [
    'behind a link in a guarded directory',
    [
      ['mkdir', '/a', as()],
      ['symlink', '/l', 'a', as()],
      ['guard', new Set(['/'])],
      ['lstat', '/l/x'],
    ],
    'SYMLINK_IN_PATH /l',
  ],
  [
    'a link that leads nowhere',
    [
      ['symlink', '/l', 'gone', as()],
      ['create', '/l/x', bytes('x'), as()],
    ],
    'NO_PARENT /l/x',
  ],
  [
    'a link to itself',
    [
      ['symlink', '/l', 'l', as()],
      ['lstat', '/l/x'],
    ],
    'SYMLINK_IN_PATH /l',
  ],
  [
    'a link out of the root leads into it',
    [
      ['mkdir', '/a', as()],
      ['symlink', '/l', '../../a', as()],
      ['create', '/l/x', bytes('x'), as()],
      ['lstat', '/a/x'],
    ],
    expect.objectContaining({ kind: 'file' }),
  ],
  [
    'over a file',
    [
      ['create', '/a', bytes('a'), as()],
      ['create', '/b', bytes('b'), as()],
      ['rename', '/a', '/b'],
      ['read', '/b', 9],
    ],
    'a',
  ],
  [
    'a file over a directory',
    [
      ['create', '/a', bytes('a'), as()],
      ['mkdir', '/b', as()],
      ['rename', '/a', '/b'],
    ],
    'WRONG_TYPE /b',
  ],
  [
    'a directory over a file',
    [
      ['mkdir', '/a', as()],
      ['create', '/b', bytes('b'), as()],
      ['rename', '/a', '/b'],
    ],
    'WRONG_TYPE /b',
  ],
  [
    'over a directory with something in it',
    [
      ['mkdir', '/a', as()],
      ['mkdir', '/b', as()],
      ['mkdir', '/b/c', as()],
      ['rename', '/a', '/b'],
    ],
    'IO_FAILED /b',
  ],
  [
    'a directory into itself',
    [
      ['mkdir', '/a', as()],
      ['rename', '/a', '/a/b'],
    ],
    'IO_FAILED /a/b',
  ],
  ['what is not there', [['rename', '/a', '/b']], 'NO_PARENT /b'],
  [
    'into the state directory',
    [
      ['create', '/a', bytes('a'), as()],
      ['rename', '/a', 'saved/1'],
      ['read', 'saved/1', 9],
    ],
    'a',
  ],
  [
    'a second name',
    [
      ['create', '/a', bytes('a'), as()],
      ['link', '/a', 'saved/1'],
    ],
    true,
  ],
  [
    'a second name of a directory',
    [
      ['mkdir', '/a', as()],
      ['link', '/a', 'saved/1'],
    ],
    false,
  ],
  [
    'a second name that is taken',
    [
      ['create', '/a', bytes('a'), as()],
      ['create', '/b', bytes('a'), as()],
      ['link', '/a', '/b'],
    ],
    'WRONG_TYPE /a',
  ],
  ['a second name of nothing', [['link', '/a', '/b']], 'NO_PARENT /a'],
  [
    'removing a directory as a file',
    [
      ['mkdir', '/a', as()],
      ['unlink', '/a'],
    ],
    'WRONG_TYPE /a',
  ],
  [
    'removing a file as a directory',
    [
      ['create', '/a', bytes('a'), as()],
      ['rmdir', '/a'],
    ],
    'WRONG_TYPE /a',
  ],
  [
    'removing a directory with something in it',
    [
      ['mkdir', '/a', as()],
      ['mkdir', '/a/b', as()],
      ['rmdir', '/a'],
    ],
    'IO_FAILED /a',
  ],
  ['removing a tree that is not there', [['removeTree', '/a']], undefined],
  ['removing a tree below what is not there', [['removeTree', '/a/b']], 'NO_PARENT /a/b'],
  ['copying what is not there', [['copy', '/a', '/b']], 'ATTRIBUTES_LOST /a'],
  [
    'copying to where nothing is',
    [
      ['create', '/a', bytes('a'), as()],
      ['copy', '/a', '/b/c'],
    ],
    'NO_PARENT /b/c',
  ],
  ['copying from where nothing is', [['copy', '/a/b', '/c']], 'NO_PARENT /a/b'],
  ['carrying over from where nothing is', [['carry', [['/a/b', '/c']]]], 'NO_PARENT /a/b'],
  [
    'a copy has all that the original has',
    [
      ['create', '/a', bytes('a'), as(0o4755)],
      ['copy', '/a', 'saved/1'],
      ['lstat', 'saved/1'],
    ],
    expect.objectContaining({ mode: 0o4755 }),
  ],
  ['flushing what is not there', [['flush', ['/a']]], 'NO_PARENT /a'],
  [
    'flushing a link',
    [
      ['symlink', '/a', 'b', as()],
      ['flush', ['/a']],
    ],
    'SYMLINK_IN_PATH /a',
  ],
  [
    'flushing much of what is not there',
    [['flush', Array.from({ length: 20 }, (_, at) => `/d${at}/f`)]],
    undefined,
  ],
  [
    'appending',
    [
      ['append', 'log', bytes('a'), true],
      ['append', 'log', bytes('b'), false],
      ['read', 'log', 9],
    ],
    'ab',
  ],
  [
    'appending after a cut',
    [
      ['append', 'log', bytes('abc'), true],
      ['truncate', 'log', 1],
      ['append', 'log', bytes('d'), true],
      ['read', 'log', 9],
    ],
    'ad',
  ],
  [
    'appending after a replacement',
    [
      ['append', 'log', bytes('abc'), true],
      ['replace', 'log', bytes('new')],
      ['append', 'log', bytes('er'), true],
      ['read', 'log', 9],
    ],
    'newer',
  ],
  ['cutting what is not there', [['truncate', 'log', 1]], 'NO_PARENT log'],
  [
    'replacing',
    [
      ['replace', 'tag', bytes('1')],
      ['replace', 'tag', bytes('22')],
      ['read', 'tag', 9],
    ],
    '22',
  ],
  ['space where nothing is', [['space', '/a']], 'NO_PARENT /a/.'],
  ['a number is itself', [['userId', '17']], 17],
  ['root', [['groupId', 'root']], 0],
  ['nobody that is known', [['userId', 'nobody-has-this-name']], undefined],
  [
    'an archive',
    [
      ['create', 'saved/x', tar({ name: 'd/f', content: 'in it' }), as()],
      ['unpack', 'saved/x', '/a', { digest: 'x', strip: 1, ownership: as(0o750) }],
      ['read', '/a/f', 9],
    ],
    'in it',
  ],
  [
    'an archive that leaves its directory',
    [
      ['create', 'saved/x', tar({ name: '../f', content: 'x' }), as()],
      ['unpack', 'saved/x', '/a', { digest: 'x', strip: 0, ownership: as() }],
    ],
    'ARCHIVE_UNSAFE undefined',
  ],
  [
    'an archive that is none',
    [
      ['create', 'saved/x', bytes('x'), as()],
      ['unpack', 'saved/x', '/a', { digest: 'x', strip: 0, ownership: as() }],
    ],
    'ARCHIVE_DAMAGED undefined',
  ],
]
