// The operator's repository: where it is, what fleet.toml says, the files of its working tree or of a revision, and its
// trust/. What the files mean is left to declaration.ts.
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { NodeError } from '../node/errors.ts'
import { readRevision } from '../node/git-read.ts'
import { decodeText } from '../node/host/steps/lex.ts'
import { formatProblem } from '../node/host/steps/problem.ts'
import { compareBytes } from '../node/host/steps/sources.ts'
import type { Problem } from '../node/host/steps/step.ts'
import { packSizeMax } from '../node/pack.ts'
import type { SourceFile } from '../node/publish.ts'
import { filesMax } from '../node/tree.ts'
import { readTrust, type Trust, type TrustFiles } from '../signing/trust.ts'
import type { Parsed } from '../signing/trust-file.ts'
import { CliError, exits } from './command.ts'
import { count } from './render.ts'
import { parseSettings, type Settings, settingsFile } from './settings.ts'

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
  readonly files: ReadonlyMap<string, SourceFile>
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
  try {
    return await readRevision(project.root, what.rev)
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

async function readWorktree(root: string): Promise<ReadonlyMap<string, SourceFile>> {
  const paths = [...new Set(await listWorktree(root))].sort(compareBytes)
  const files = new Map<string, SourceFile>()
  let total = 0
  for (const path of paths) {
    const full = join(root, path)
    const stat = fs.lstatSync(full, { throwIfNoEntry: false })
    if (stat === undefined) continue // tracked, and deleted since
    if (stat.isDirectory())
      throw new CliError(
        `${path.replace(/\/$/, '')} is a repository of its own; a release holds files only`,
        {
          exit: exits.badInput,
          hint: 'copy its files in, or add it to .gitignore',
        },
      )
    if (!stat.isFile() && !stat.isSymbolicLink())
      throw new CliError(`${path} is neither a file nor a symbolic link`, { exit: exits.badInput })
    total += stat.size
    if (total > packSizeMax || files.size >= filesMax)
      throw new CliError(`more than ${packSizeMax >> 20} MiB or ${filesMax} files in ${root}`, {
        exit: exits.badInput,
        hint: 'add what is no part of the release to .gitignore',
      })
    if (stat.isSymbolicLink())
      files.set(path, { mode: '120000', bytes: new Uint8Array(fs.readlinkSync(full, 'buffer')) })
    else
      files.set(path, {
        // git looks at the owner's execute bit alone.
        mode: stat.mode & 0o100 ? '100755' : '100644',
        bytes: new Uint8Array(fs.readFileSync(full)),
      })
  }
  return files
}

/** Stock git lists 5,000 files in 20 ms and isomorphic-git in seconds; operators have it, but need not. */
async function listWorktree(root: string): Promise<readonly string[]> {
  const args = ['-C', root, 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const stock = await promisify(execFile)('git', args, { maxBuffer: 32 << 20 }).catch(() => undefined)
  if (stock) return stock.stdout.split('\0').filter(path => path !== '')
  const { default: git } = await import('isomorphic-git')
  const tracked = fs.existsSync(join(root, '.git', 'index')) ? await git.listFiles({ fs, dir: root }) : []
  const found = [...tracked]
  const walk = async (folder: string): Promise<void> => {
    for (const entry of fs.readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.name === '.git' && folder === '') continue
      const filepath = entry.isDirectory() ? `${path}/` : path
      if (await git.isIgnored({ fs, dir: root, filepath })) continue
      if (!entry.isDirectory()) found.push(path)
      else if (fs.existsSync(join(root, path, '.git'))) found.push(path)
      else await walk(path)
    }
  }
  await walk('')
  return found
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
