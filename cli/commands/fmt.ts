// `fleet fmt`: the canonical text of steps files. All files are read before the first one is written.
import { readFileSync, writeFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { type Formatted, format } from '../../node/host/steps/format.ts'
import { decodeText } from '../../node/host/steps/lex.ts'
import { CliError, type CommandSpec, exits } from '../command.ts'
import { badInput, findProject, readTree } from '../project.ts'
import { count } from '../render.ts'

export const spec: CommandSpec = {
  args: [['[files...]', 'steps files (default: every *.steps of the repository)']],
  options: [['--check', 'write nothing; exit 1 if a file is not formatted']],
  about: 'What a file means never changes. A file with problems is not touched, and then none is.',
  examples: ['fleet fmt', 'fleet fmt site.steps', 'fleet fmt --check'],
  json: true,
  async run(args, options, io) {
    const paths = args.length > 0 ? args.map(path => resolve(io.cwd, path)) : await stepsFiles(io.cwd)
    const done = paths.map(path => formatFile(path, relative(io.cwd, path)))
    const problems = done.flatMap(each => (each.now.kind === 'problems' ? each.now.problems : []))
    if (problems.length > 0) throw badInput(problems)
    const changed = done.flatMap(({ path, name, before, now }) =>
      now.kind === 'text' && now.text !== before ? [{ path, name, text: now.text }] : [],
    )
    const dry = options['check'] === true
    if (!dry) for (const { path, text } of changed) writeFileSync(path, text)
    return {
      exit: dry && changed.length > 0 ? exits.failed : exits.ok,
      json: { changed: changed.map(each => each.name) },
      text: () =>
        [
          ...changed.map(each => each.name),
          `${count(changed.length, 'file')} of ${done.length} ${dry ? 'to be formatted' : 'formatted'}`,
        ].join('\n'),
    }
  },
}

async function stepsFiles(cwd: string): Promise<readonly string[]> {
  const project = findProject(cwd)
  const { files } = await readTree(project, 'worktree')
  return [...files]
    .filter(([path, { mode }]) => path.endsWith('.steps') && mode !== '120000')
    .map(([path]) => resolve(project.root, path))
}

function formatFile(
  path: string,
  name: string,
): { path: string; name: string; before: string; now: Formatted } {
  let bytes: Uint8Array
  try {
    bytes = new Uint8Array(readFileSync(path))
  } catch (error) {
    throw new CliError(`${name} cannot be read: ${(error as NodeJS.ErrnoException).code}`, {
      exit: exits.badInput,
    })
  }
  const { text, problems } = decodeText(name, bytes)
  return {
    path,
    name,
    before: text,
    now: problems.length > 0 ? { kind: 'problems', problems } : format(name, text),
  }
}
