import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TreeDeclaration } from '../../cli/declaration.ts'
import { findProject, readTree, trustOf } from '../../cli/project.ts'

const root = mkdtempSync(join(tmpdir(), 'fleet-project-'))
const git = (...args: string[]) =>
  execFileSync('git', ['-C', root, '-c', 'user.name=o', '-c', 'user.email=o@example.org', ...args])
const write = (path: string, text: string) => {
  mkdirSync(join(root, path, '..'), { recursive: true })
  writeFileSync(join(root, path), text)
}

beforeAll(() => {
  write('fleet.toml', 'name = "p"\n')
  write('.gitignore', 'build/\n*.tmp\n')
  write('site.steps', 'COPY files/run /usr/local/bin/run\nINCLUDE steps/more.steps\n')
  write('steps/more.steps', 'TEMPLATE files/t /etc/motd\n')
  write('files/run', '#!/bin/sh\n')
  chmodSync(join(root, 'files/run'), 0o755)
  write('files/t', `on \${host.name}\n`)
  symlinkSync('run', join(root, 'files/link'))
  write('trust/hosts', '# nobody yet\n')
  const key = 'AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea'
  write('trust/operators', `o@example.org ssh-ed25519 ${key}\n`)
  write('trust/policy', 'threshold = 1\n')
  git('init', '-q')
  git('add', '.')
  git('commit', '-qm', 'one')
  write('build/out', 'x')
  write('new.tmp', 'x')
  write('untracked', 'x')
  write('files/t', `now on \${host.name}\n`)
  rmSync(join(root, 'files/link'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const committed = [
  ...['.gitignore', 'files/link', 'files/run', 'files/t', 'fleet.toml', 'site.steps', 'steps/more.steps'],
  ...['trust/hosts', 'trust/operators', 'trust/policy'],
]
const now = [...committed.filter(path => path !== 'files/link'), 'untracked']

test('the project is found from any folder below', () => {
  expect(findProject(join(root, 'steps'))).toEqual(findProject(root))
  expect(() => findProject(tmpdir())).toThrow('there is no fleet.toml')
})

test('a revision has what was committed, the working tree what is there and not ignored', async () => {
  const project = findProject(root)
  const head = await readTree(project, { rev: 'HEAD' })
  expect([...head.files.keys()]).toEqual(committed)
  expect(head.files.get('files/link')?.mode).toBe('120000')
  const tree = await readTree(project, 'worktree')
  expect([...tree.files.keys()]).toEqual(now)
  expect(tree.files.get('files/run')?.mode).toBe('100755')
  await expect(readTree(project, { rev: 'nope' })).rejects.toThrow("no revision 'nope'")
})

test('without stock git the working tree reads the same', async () => {
  const path = process.env['PATH']
  process.env['PATH'] = '/nonexistent'
  try {
    expect([...(await readTree(findProject(root), 'worktree')).files.keys()]).toEqual(now)
  } finally {
    process.env['PATH'] = path
  }
})

test('a tree is declared for a host, its includes and templates loaded', async () => {
  const tree = await readTree(findProject(root), 'worktree')
  const declaration = new TreeDeclaration(tree, trustOf(tree).roster)
  expect(declaration.check()).toEqual([])
  const declared = declaration.steps({ name: 'web1', labels: {}, addresses: [] })
  expect(declared.steps.map(step => step.id)).toEqual(['COPY /usr/local/bin/run', 'TEMPLATE /etc/motd'])
  const bytes = declaration.payload(declared, declared.steps[1]!.payload!)
  expect(new TextDecoder().decode(bytes)).toBe('now on web1\n')
})
