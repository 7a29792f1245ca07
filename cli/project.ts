// The operator's repository: where it is, what fleet.toml says, the files of its working tree or of a revision, and its
// trust/. What the files mean is left to declaration.ts.
import fs from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { NodeError } from '../node/errors.ts'
import { decodeText } from '../node/host/steps/lex.ts'
import { formatProblem } from '../node/host/steps/problem.ts'
import type { Problem } from '../node/host/steps/step.ts'
import { readTrust, type Trust, type TrustFiles } from '../signing/trust.ts'
import type { Parsed } from '../signing/trust-file.ts'
import { CliError, exits } from './command.ts'
import { count } from './render.ts'
import { parseSettings, type Settings, settingsFile } from './settings.ts'
import { readWorktree, type TreeFile, treeFile } from './worktree.ts'

export interface Project {
  /** Absolute path of the folder with fleet.toml, the top of the working tree. */
  readonly root: string
  readonly settings: Settings
}

/** The files of a repository at one time. */
export interface Tree {
  /** The commit, 40 hex digits; undefined: the working tree. */
  readonly source?: string
  /** Path -> file, sorted by path bytes; trust/ included. */
  readonly files: ReadonlyMap<string, TreeFile>
}

/** File by file, as they first come; in a file from top to bottom. */
export function inOrder<P extends Problem>(problems: readonly P[]): readonly P[] {
  const files = [...new Set(problems.map(each => each.file))]
  return [...problems].sort(
    (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  )
}

/** What is wrong in texts that the operator wrote: one line each, exit 2. */
export function badInput(
  problems: readonly Problem[],
  shown = inOrder(problems).map(formatProblem),
): CliError {
  return new CliError(`${count(shown.length, 'problem')}; nothing was changed\n${shown.join('\n')}`, {
    exit: exits.badInput,
  })
}

/** The folder with fleet.toml that `cwd` lies in, if there is one. */
export function projectRoot(cwd: string): string | undefined {
  for (let root = resolve(cwd); ; root = dirname(root)) {
    if (fs.existsSync(join(root, settingsFile))) return root
    if (root === dirname(root)) return undefined
  }
}

/** The project that `cwd` lies in; fails when there is none, or when fleet.toml has problems. */
export function findProject(cwd: string): Project {
  const root = projectRoot(cwd)
  if (root === undefined)
    throw new CliError(`there is no ${settingsFile} in ${resolve(cwd)} or above`, {
      exit: exits.badInput,
      hint: 'go to the repository of your fleet, or make one: fleet init my-fleet',
    })
  const { text, problems } = decodeText(
    settingsFile,
    new Uint8Array(fs.readFileSync(join(root, settingsFile))),
  )
  const parsed = parseSettings(text)
  const all = [...problems, ...parsed.problems]
  if (all.length > 0) throw badInput(all)
  return { root, settings: parsed.settings }
}

/** What only the operator's machine knows of the fleet (genesis, entries kept for later); not part of the content. */
export function fleetFolder({ root }: Project): string {
  return join(root, '.git', 'fleet')
}

/**
 * The files of the working tree (tracked and untracked, not the ignored ones) or of a revision (`HEAD~2`, a branch, a
 * tag, an id).
 */
export async function readTree(project: Project, what: 'worktree' | { readonly rev: string }): Promise<Tree> {
  if (what === 'worktree') return { files: await readWorktree(project.root) }
  // isomorphic-git is large, and the working tree is read without it.
  const { readRevision } = await import('../node/git-read.ts')
  try {
    const { source, files } = await readRevision(project.root, what.rev)
    return {
      source,
      files: new Map([...files].map(([path, { mode, bytes }]) => [path, treeFile(mode, bytes)])),
    }
  } catch (error) {
    if (!(error instanceof NodeError)) throw error
    if (error.code === 'SOURCE_ABSENT')
      throw new CliError(`${project.root} has no revision '${what.rev}'`, {
        exit: exits.badInput,
        hint: 'git log --oneline shows those there are',
      })
    throw new CliError(error.message, { exit: exits.badInput, code: error.code })
  }
}

const trustNames = ['hosts', 'operators', 'policy'] as const

/** The three files of trust/, or every problem of them. */
export function readTrustOf(tree: Tree): Parsed<Trust> {
  const problems: Problem[] = []
  const files = Object.fromEntries(
    trustNames.map(name => {
      const file = `trust/${name}`
      const found = tree.files.get(file)
      if (found === undefined || found.mode === '120000')
        problems.push({ file, line: 1, column: 1, message: 'found no such file; expected one' })
      return [name, found?.bytes ?? new Uint8Array()]
    }),
  ) as unknown as TrustFiles
  return problems.length > 0 ? { kind: 'bad', problems } : readTrust(files)
}

/** As readTrustOf; fails with the problems. */
export function trustOf(tree: Tree): Trust {
  const trust = readTrustOf(tree)
  if (trust.kind === 'bad') throw badInput(trust.problems)
  return trust.value
}
