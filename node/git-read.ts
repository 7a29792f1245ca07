// The operator's own repository, read with isomorphic-git: the files of a revision, and whether the working tree differs
// from it. It is only read: what is published never points into the operator's history.
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import git from 'isomorphic-git'
import { NodeError } from './errors.ts'
import { blobSizeMax, packSizeMax } from './pack.ts'
import type { SourceFile } from './publish.ts'
import { filesMax, parseTree } from './tree.ts'

export interface Revision {
  /** The operator's commit. */
  readonly source: string
  /** Path -> file, sorted by path bytes; trust/ included, as the operator has it. */
  readonly files: ReadonlyMap<string, SourceFile>
}

/** As many problems as fit on a screen are told at once. */
const problemsMax = 20

/**
 * The files of a revision (`HEAD`, a branch, a tag, an id of 4 or more digits; `~N` and `^` after it) of the repository
 * whose working tree, or bare repository, is `folder`. Errors: SOURCE_ABSENT when there is no repository or revision;
 * SOURCE_REFUSED names every path that cannot be published.
 */
export async function readRevision(folder: string, rev = 'HEAD'): Promise<Revision> {
  const gitdir = gitdirOf(folder)
  // Without a shared cache, each read would parse the pack's index again (10 times slower).
  const cache = {}
  const { oid: source, tree } = await resolve(gitdir, rev, cache).catch((error: unknown) => {
    throw new NodeError('SOURCE_ABSENT', { folder, revision: rev }, error)
  })
  const files = new Map<string, SourceFile>()
  const problems: string[] = []
  let total = 0

  const read = async (oid: string): Promise<Uint8Array> => {
    const found = await git.readObject({ fs, gitdir, oid, cache, format: 'content' })
    // A plain array: Buffers of isomorphic-git may share a pack's memory.
    return new Uint8Array(found.object as Uint8Array)
  }
  const walk = async (oid: string, prefix: string): Promise<void> => {
    const entries = parseTree(await read(oid))
    if (typeof entries === 'string') {
      problems.push(`${prefix || './'}: ${entries}`)
      return
    }
    for (const { name, mode, oid } of entries) {
      const path = prefix + name
      if (mode === '40000') {
        await walk(oid, `${path}/`)
        continue
      }
      const bytes = await read(oid)
      total += bytes.length
      if (bytes.length > blobSizeMax) problems.push(`${path}: ${bytes.length} bytes, at most ${blobSizeMax}`)
      else files.set(path, { mode, bytes })
      if (total > packSizeMax || files.size > filesMax)
        throw new NodeError('SOURCE_REFUSED', {
          folder,
          found: `more than ${packSizeMax} bytes or ${filesMax} files`,
        })
    }
  }
  await walk(tree, '')
  if (problems.length > 0) {
    const told = problems.slice(0, problemsMax)
    if (problems.length > told.length) told.push(`and ${problems.length - told.length} more`)
    throw new NodeError('SOURCE_REFUSED', { folder, found: told.join('; ') })
  }
  return { source, files }
}

/** Paths in `folder` that differ from HEAD or are untracked (not ignored ones), sorted; empty when it is clean. */
export async function dirtyPaths(folder: string): Promise<readonly string[]> {
  const gitdir = gitdirOf(folder)
  // Stock git answers in 10 ms for 5,000 files, isomorphic-git in 2 s; operators have it, but need not.
  const status = ['status', '--porcelain=v1', '-z', '--no-renames', '--untracked-files=all']
  const stock = await promisify(execFile)('git', ['--no-optional-locks', '-C', folder, ...status], {
    maxBuffer: 16 << 20,
  }).catch(() => undefined)
  const paths = stock
    ? stock.stdout.split('\0').flatMap(line => (line === '' ? [] : [line.slice(3)]))
    : (await git.statusMatrix({ fs, dir: folder, gitdir, cache: {} })).flatMap(([path, head, work, stage]) =>
        head === 1 && work === 1 && stage === 1 ? [] : [path],
      )
  return paths.sort()
}

/** Whether `older` is `newer` or an ancestor of it, in the repository at `folder`; false when it is not there at all. */
export async function isAncestor(folder: string, older: string, newer: string): Promise<boolean> {
  if (older === newer) return true
  return git
    .isDescendent({ fs, gitdir: gitdirOf(folder), oid: newer, ancestor: older, depth: -1, cache: {} })
    .catch(() => false)
}

/** Where the objects and refs are. Linked worktrees, whose refs lie elsewhere, are not read. */
function gitdirOf(folder: string): string {
  const inside = join(folder, '.git')
  if (fs.existsSync(join(inside, 'HEAD'))) return inside
  if (fs.existsSync(join(folder, 'HEAD')) && fs.existsSync(join(folder, 'objects'))) return folder
  throw new NodeError('SOURCE_ABSENT', { folder, revision: 'any' })
}

async function resolve(gitdir: string, rev: string, cache: object): Promise<{ oid: string; tree: string }> {
  const [, name = '', steps = ''] = /^([^~^]+)((?:~\d{0,4}|\^)*)$/.exec(rev) ?? []
  const start = await git
    .resolveRef({ fs, gitdir, ref: name })
    .catch(() => git.expandOid({ fs, gitdir, oid: name, cache }))
  let { oid, commit } = await git.readCommit({ fs, gitdir, oid: start, cache })
  for (const step of steps.match(/~\d*|\^/g) ?? [])
    for (let back = step === '^' || step === '~' ? 1 : Number(step.slice(1)); back > 0; back--)
      ({ oid, commit } = await git.readCommit({ fs, gitdir, oid: commit.parent[0] ?? '', cache }))
  return { oid, tree: commit.tree }
}
