// From an operator's repository, made by stock git, to a release that a host installs.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { openRepository } from '../../node/git.ts'
import { dirtyPaths, readRevision } from '../../node/git-read.ts'
import { makeRelease } from '../../node/publish.ts'
import { utf8 } from '../../signing/bytes.ts'
import { who } from './pack-maker.ts'

const scratch = mkdtempSync(join(tmpdir(), 'fleet-read-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
let count = 0
const me = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org']
const git = (folder: string, ...args: string[]) =>
  execFileSync('git', ['-C', folder, ...me, ...args], {
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
  }).trim()

/** A repository of two commits, deltified and packed when asked, as an operator's becomes in time. */
function operator({ packed = false } = {}): string {
  const folder = join(scratch, `op${count++}`)
  mkdirSync(join(folder, 'files'), { recursive: true })
  mkdirSync(join(folder, 'trust'))
  git(folder, 'init', '-q', '-b', 'main')
  const lines = Array.from({ length: 400 }, (_, n) => `line ${n}\n`).join('')
  writeFileSync(join(folder, 'files/a'), lines)
  writeFileSync(join(folder, 'trust/hosts'), 'the operator had this\n')
  git(folder, 'add', '-A')
  git(folder, 'commit', '-q', '-m', 'one')
  writeFileSync(join(folder, 'files/a'), `${lines}more\n`)
  writeFileSync(join(folder, 'files/run'), '#!/bin/sh\n')
  chmodSync(join(folder, 'files/run'), 0o755)
  symlinkSync('a', join(folder, 'files/link'))
  writeFileSync(join(folder, 'files/grüße'), 'hello\n')
  writeFileSync(join(folder, 'files/dev\\x2ddisk'), 'systemd\n')
  git(folder, 'add', '-A')
  git(folder, 'commit', '-q', '-m', 'two')
  git(folder, 'tag', '-a', '-m', 'v1', 'v1')
  if (packed) git(folder, 'gc', '-q', '--aggressive')
  return folder
}
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes)
const trust = new Map([['trust/hosts', utf8('# in force\n')]])

test.each([false, true])('every file is read as stock git has it (packed: %s)', async packed => {
  const folder = operator({ packed })
  const { source, files } = await readRevision(folder)
  expect(source).toBe(git(folder, 'rev-parse', 'HEAD'))
  expect([...files.keys()]).toEqual(
    git(folder, '-c', 'core.quotepath=off', 'ls-tree', '-r', '-z', '--name-only', 'HEAD')
      .split('\0')
      .filter(Boolean),
  )
  expect(files.get('files/run')?.mode).toBe('100755')
  expect([files.get('files/link')?.mode, text(files.get('files/link')?.bytes)]).toEqual(['120000', 'a'])
  for (const rev of ['HEAD~1', 'main^', 'v1~1', git(folder, 'rev-parse', '--short', 'HEAD~')])
    expect((await readRevision(folder, rev)).source, rev).toBe(git(folder, 'rev-parse', 'HEAD~1'))
  expect((await readRevision(folder, 'v1')).source).toBe(source)
})

test('a release has the operator’s files, the trust in force, and a commit of its own', async () => {
  const folder = operator({ packed: true })
  const { files } = await readRevision(folder)
  const input = { files, trust, ...who, subject: 'release 2: words' }
  const made = makeRelease(input)
  if (made.kind === 'refused') return expect.fail(made.detail)
  expect(makeRelease({ ...input, files: new Map([...files].reverse()) })).toEqual(made)
  const { port } = await openRepository(join(scratch, 'host'), { now: () => 0 })
  const { commit, content } = made.release
  const claim = { digest: made.digest, base: 'none', commit, content } as const
  expect(await port.install(made.pack, claim)).toEqual({ kind: 'installed', release: made.release })
  expect(text(await port.read(commit, 'trust/hosts'))).toBe('# in force\n')
  expect(text(await port.read(commit, 'files/grüße'))).toBe('hello\n')
  const next = makeRelease({ ...input, parent: commit })
  expect(next.kind === 'made' && next.release).toMatchObject({ parent: commit, content })
  const other = makeRelease({ ...input, trust: new Map([['trust/hosts', utf8('# other\n')]]) })
  expect(other.kind === 'made' && other.release.content).toBe(content)
  await port.close()
})

describe('what cannot be published is named', () => {
  test('a submodule and a path that is not UTF-8, both at once', async () => {
    const folder = operator()
    git(
      folder,
      'update-index',
      '--add',
      '--cacheinfo',
      `160000,${git(folder, 'rev-parse', 'HEAD')},files/sub`,
    )
    const blob = git(folder, 'rev-parse', 'HEAD:files/a')
    const bad = Buffer.concat([utf8(`100644 ${blob}\t`), Uint8Array.of(0x6c, 0x2f, 0xe4), Uint8Array.of(0)])
    execFileSync('git', ['-C', folder, 'update-index', '-z', '--index-info'], { input: bad })
    git(folder, 'commit', '-q', '-m', 'bad')
    await expect(readRevision(folder)).rejects.toMatchObject({
      code: 'SOURCE_REFUSED',
      data: {
        found:
          'files/: sub is a gitlink (a submodule); only files, links and folders are taken; l/: the name e4 (hex) is not UTF-8',
      },
    })
  })

  test('no repository, no revision', async () => {
    await expect(readRevision(scratch)).rejects.toMatchObject({ code: 'SOURCE_ABSENT' })
    await expect(readRevision(operator(), 'nowhere')).rejects.toMatchObject({
      code: 'SOURCE_ABSENT',
      data: { revision: 'nowhere' },
    })
    await expect(readRevision(operator(), 'HEAD~9')).rejects.toMatchObject({ code: 'SOURCE_ABSENT' })
  })

  test.each([
    ['a subject of two lines', { subject: 'a\nb' }],
    ['no subject', { subject: '' }],
    ['a name with an angle bracket', { author: { name: 'A <', email: 'a@b' } }],
  ])('%s', (_, wrong) => {
    const found = makeRelease({ files: new Map(), trust, ...who, subject: 'release 1: x', ...wrong })
    expect(found).toMatchObject({ kind: 'refused', code: 'PACK_OBJECT' })
  })

  test('a path that no host takes', () => {
    const files = new Map([['a/.git/config', { mode: '100644' as const, bytes: utf8('x') }]])
    const found = makeRelease({ files, trust, ...who, subject: 'release 1: x' })
    expect(found).toMatchObject({ kind: 'refused', detail: 'tree of a: a form of .git: ".git"' })
  })
})

test('dirty paths: changed, staged, deleted, untracked; not ignored ones', async () => {
  const folder = operator()
  expect(await dirtyPaths(folder)).toEqual([])
  writeFileSync(join(folder, '.gitignore'), '*.swp\n')
  writeFileSync(join(folder, 'x.swp'), '')
  writeFileSync(join(folder, 'files/a'), 'changed\n')
  writeFileSync(join(folder, 'files/new'), '')
  rmSync(join(folder, 'files/run'))
  git(folder, 'add', 'files/a')
  expect(await dirtyPaths(folder)).toEqual(['.gitignore', 'files/a', 'files/new', 'files/run'])
})
