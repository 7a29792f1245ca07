// Adopts a kept edit in the repository of whoever types: reads and writes its files, commits them if that is asked for.
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isTrust } from '../node/content.ts'
import type { DriftEdit } from '../node/control.ts'
import { replaceFile } from '../node/os.ts'
import { adoptionOf } from './adopt.ts'
import { CliError, exits, type Io } from './command.ts'
import { commitPaths } from './commit.ts'
import { authorOf } from './operator.ts'
import type { Project } from './project.ts'

export interface Adopted {
  /** Of the repository, the steps file last. */
  readonly paths: readonly string[]
  readonly said: string
}

/** Changes the working tree; fails with what to do by hand where that is not possible. `yes`: a step may go with it. */
export function adoptInto({ root }: Project, edit: DriftEdit, yes: boolean): Adopted {
  const read = (path: string) =>
    existsSync(join(root, path)) ? new Uint8Array(readFileSync(join(root, path))) : undefined
  const adoption = adoptionOf(edit, read)
  if (adoption.kind === 'by-hand') throw new CliError(adoption.why, { hint: adoption.hint })
  if (adoption.loses !== undefined && !yes)
    throw new CliError(`${adoption.loses}; nothing was changed`, {
      hint: `if that is meant: fleet drift adopt ${edit.id} --yes`,
    })
  // What a host says of itself may have come from anywhere.
  const wrong = adoption.files.find(
    ({ path }) => isTrust(path) || !/^(?!\.git(\/|$))[^/]/.test(path) || /(^|\/)\.{1,2}(\/|$)/.test(path),
  )
  if (wrong !== undefined)
    throw new CliError(`kept edit ${edit.id}: found '${wrong.path}', expected a file of the declaration`, {
      exit: exits.badInput,
    })
  for (const { path, bytes, executable } of adoption.files) {
    const file = join(root, path)
    mkdirSync(dirname(file), { recursive: true })
    const mode = existsSync(file) ? statSync(file).mode & 0o777 : executable ? 0o755 : 0o644
    replaceFile(file, [bytes])
    chmodSync(file, mode)
  }
  return { paths: adoption.files.map(each => each.path), said: adoption.said }
}

/** Commits what was adopted; its id. */
export function commitAdopted(
  project: Project,
  edit: DriftEdit,
  { paths }: Adopted,
  io: Io,
): Promise<string> {
  const message = `Adopt the edit of ${edit.path}\n`
  return commitPaths(project.root, paths, message, authorOf(project.root, io))
}
