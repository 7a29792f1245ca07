// Commits in the operator's repository, by isomorphic-git: stock git need not be there.
import fs from 'node:fs'
import { join } from 'node:path'
import git from 'isomorphic-git'
import type { Author } from '../node/release.ts'
import { CliError } from './command.ts'

/** A repository with a branch `main` and no commit. */
export async function initRepository(dir: string): Promise<void> {
  await git.init({ fs, dir, defaultBranch: 'main' })
}

/** Commits these paths and nothing else: refused when other changes are staged. Answers the commit's id. */
export async function commitPaths(
  dir: string,
  paths: readonly string[],
  message: string,
  author: Author,
): Promise<string> {
  const cache = {}
  if (fs.existsSync(join(dir, '.git', 'index'))) {
    const staged = (await git.statusMatrix({ fs, dir, cache })).flatMap(([path, head, , stage]) =>
      stage === (head === 1 ? 1 : 0) || paths.includes(path) ? [] : [path],
    )
    if (staged.length > 0)
      throw new CliError(
        `other changes are staged and would be committed too: ${staged.slice(0, 5).join(', ')}`,
        {
          hint: 'commit or unstage them first: git status',
        },
      )
  }
  for (const filepath of paths) await git.add({ fs, dir, filepath, cache })
  return git.commit({ fs, dir, message, author, cache })
}
