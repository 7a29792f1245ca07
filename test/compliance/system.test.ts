// What every System must do, run on a real machine in a temporary root and on the simulator's: the same answers, the same
// errors, the same tree. A property compares the two over any list of calls.
import { randomInt } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { StepError } from '../../node/host/errors.ts'
import { openMachine } from '../../node/host/linux.ts'
import type { Stat, System } from '../../node/host/system.ts'
import { SimDisk } from '../../sim/disk.ts'
import { Life } from '../../sim/life.ts'
import { openSimMachine } from '../../sim/machine.ts'
import { tar } from '../node/host/tars.ts'

const seed = Number(process.env['FLEET_SEED'] ?? randomInt(2 ** 31))
const runs = Number(process.env['FLEET_RUNS'] ?? 60)
const isRoot = process.getuid!() === 0

const scratch = fs.mkdtempSync(join(tmpdir(), 'fleet-system-'))
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))
let made = 0

function real(): System {
  const dir = join(scratch, String(made++))
  for (const each of ['root', 'state/saved', 'state/drift'])
    fs.mkdirSync(join(dir, each), { recursive: true })
  return openMachine(join(dir, 'root'), join(dir, 'state'))
}

function fake(): System {
  const disk = new SimDisk(() => 1_795_000_000_000)
  const [uid, gid] = [process.getuid!(), process.getgid!()]
  const run = async () => ({ code: 0, timedOut: false, output: '' })
  return openSimMachine(new Life(disk), { root: '/root', state: '/state', uid, gid, run })
}

const machines = { 'linux.ts': real, 'sim/machine.ts': fake }

type Call = readonly [name: keyof System, ...args: unknown[]]
const bytes = (text: string) => new TextEncoder().encode(text)
const as = (mode?: number, uid?: number, gid?: number) => ({ mode, uid, gid })
const text = (value: unknown) => (value instanceof Uint8Array ? new TextDecoder().decode(value) : value)

/** What all machines have in common: neither inodes nor times, of a directory no size. */
const look = ({ kind, mode, uid, gid, size }: Stat) => ({
  kind,
  mode,
  uid,
  gid,
  ...(kind !== 'directory' && { size }),
})

/** What came of a call, in words that can be compared. */
async function done(machine: System, [name, ...args]: Call): Promise<unknown> {
  try {
    const value = await (machine[name] as (...args: unknown[]) => unknown)(...args)
    if (value instanceof Set) return [...value]
    return value && typeof value === 'object' && 'ino' in value ? look(value as Stat) : text(value)
  } catch (error) {
    if (!(error instanceof StepError)) throw error
    return `${error.reason.code} ${error.reason.path}`
  }
}

/** All that can be seen below a directory; second names of a file are told from copies. */
function tree(machine: System, directory: string): Record<string, unknown> {
  machine.settle()
  machine.guard(new Set())
  const inodes = new Map<number, string>()
  const seen: Record<string, unknown> = {}
  const visit = (at: string) => {
    for (const name of machine.list(at)) {
      const path = at === '/' ? `/${name}` : `${at}/${name}`
      const stat = machine.lstat(path)!
      const { kind, ino } = stat
      const content =
        kind === 'file' ? text(machine.read(path, 1e6)) : kind === 'link' ? machine.readlink(path) : ''
      seen[path] = {
        ...look(stat),
        content,
        ...(kind !== 'directory' && inodes.has(ino) && { same: inodes.get(ino) }),
      }
      inodes.set(ino, path)
      if (kind === 'directory') visit(path)
    }
  }
  visit(directory)
  return seen
}

const trees = (machine: System) => ({ ...tree(machine, '/'), ...tree(machine, 'saved') })

/** Calls, and what the last of them comes to. */
const table: readonly (readonly [string, readonly Call[], unknown])[] = [
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

describe.skipIf(!isRoot).each(Object.entries(machines))('%s', (_, open) => {
  test.each(table)('%s', async (_, calls, wanted) => {
    const machine = open()
    let last: unknown
    for (const call of calls) last = await done(machine, call)
    expect(last).toEqual(wanted)
  })

  test('each change shows in inode, change time or size', async () => {
    const machine = open()
    const looks: Stat[] = []
    const see = () => looks.push(machine.lstat('/a')!)
    machine.create('/a', bytes('a'), as())
    see()
    machine.chmod('/a', 0o640)
    see()
    machine.link('/a', '/b')
    machine.create('/c', bytes('a'), as(0o640))
    machine.rename('/c', '/a')
    see()
    expect(looks[1]!.ino).toBe(looks[0]!.ino)
    expect(looks[1]!.mtimeMs).toBe(looks[0]!.mtimeMs)
    expect(looks[2]!.ino).not.toBe(looks[1]!.ino)
    expect(machine.lstat('/b')!.ino).toBe(looks[0]!.ino)
    expect(machine.lstat('/')!.dev).toBe(machine.lstat('saved')!.dev)
  })
})

const target = fc.constantFrom('/a', '/b', '/a/c', '/b/c', '/a/c/d', '/l', '/l/c', '/b/..')
const kept = fc.constantFrom('saved/1', 'saved/2', 'saved/1/x')
const place = fc.oneof({ weight: 3, arbitrary: target.filter(each => !each.endsWith('..')) }, kept)
const ownership = fc.record({
  mode: fc.constantFrom(undefined, 0o600, 0o644, 0o2755, 0o4711),
  uid: fc.constantFrom(undefined, 0, 12),
  gid: fc.constantFrom(undefined, 0, 34),
})
const content = fc.constantFrom('', 'x', 'longer').map(bytes)
const call: fc.Arbitrary<Call> = fc.oneof(
  fc.tuple(fc.constant('create' as const), place, content, ownership),
  fc.tuple(fc.constant('mkdir' as const), place, ownership),
  fc.tuple(
    fc.constant('symlink' as const),
    place,
    fc.constantFrom('a', 'b', '/a', '../b', 'gone', 'c'),
    ownership,
  ),
  fc.tuple(fc.constant('rename' as const), place, place),
  fc.tuple(fc.constant('link' as const), place, place),
  fc.tuple(fc.constantFrom('unlink' as const, 'rmdir' as const, 'removeTree' as const), place),
  fc.tuple(fc.constantFrom('lstat' as const, 'digest' as const, 'readlink' as const), place),
  fc.tuple(fc.constant('read' as const), place, fc.constant(5000)),
  fc.tuple(fc.constant('chown' as const), place, fc.constantFrom(0, 12), fc.constantFrom(0, 34)),
  fc.tuple(fc.constant('flush' as const), fc.array(place, { minLength: 1, maxLength: 2 })),
  fc.tuple(fc.constant('append' as const), fc.constantFrom('log', 'saved/log'), content, fc.boolean()),
  fc.tuple(fc.constant('replace' as const), fc.constantFrom('log', 'saved/log'), content),
  fc.tuple(fc.constant('truncate' as const), fc.constantFrom('log', 'saved/log'), fc.nat(8)),
  fc.tuple(
    fc.constant('guard' as const),
    fc.constantFrom([], ['/'], ['/a']).map(each => new Set(each)),
  ),
  fc.tuple(fc.constant('settle' as const)),
)

test.skipIf(!isRoot)(`any calls have the same answers and leave the same tree (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 5, maxLength: 30 }), async calls => {
      const [here, there] = [real(), fake()]
      for (const each of calls)
        expect([each, await done(there, each)]).toEqual([each, await done(here, each)])
      expect(trees(there)).toEqual(trees(here))
      ;(here as ReturnType<typeof openMachine>).close()
    }),
    { seed, numRuns: runs },
  )
})
