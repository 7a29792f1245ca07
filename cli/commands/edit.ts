// `fleet edit PATH`: a hand edit that does not fight the agent: the path is paused, edited, validated, and what came out
// is declared, or kept for whoever can declare it.
import { type ChildProcess, spawn } from 'node:child_process'
import { userInfo } from 'node:os'
import type { DriftEdit, DriftView, WhyView } from '../../node/control.ts'
import { splitCommand } from '../../node/host/steps/words.ts'
import { adoptInto, commitAdopted } from '../adopted.ts'
import { ask, stateOption } from '../client.ts'
import { CliError, type CommandSpec, exits, type Io, type Options, textOption } from '../command.ts'
import { diffText } from '../diff.ts'
import { findProject, projectRoot } from '../project.ts'
import { period } from './pause.ts'

/** A forgotten editor must not hold a path for ever. */
const editMs = 24 * 3_600_000
/** As a run has it (validate= of COPY). */
const validateMs = 60_000

const keptHint = 'the edit is put back, and kept: fleet drift'

export const spec: CommandSpec = {
  about: [
    'Opens $VISUAL, $EDITOR or vi on the file itself, while its repair is paused, and runs the validate= of its step.',
    'In the repository of the fleet the edit becomes a commit; elsewhere it is put back, kept, and can be adopted from',
    'there. With --hold it stays in force for that long.',
  ].join('\n'),
  args: [['<path>', 'a file that a step keeps']],
  options: [['--hold <time>', 'leave the edit in force, and the path paused: 30m, 2h, 1d'], stateOption],
  examples: ['fleet edit /etc/motd', 'fleet edit /etc/nginx/nginx.conf --hold 8h'],
  json: true,
  async run([path = ''], options, io) {
    const hold = textOption(options, 'hold')
    const holdMs = hold === undefined ? undefined : period(hold)
    const reason = `fleet edit by ${userInfo().username}`
    const before = await draft(path, options, io)
    const why = await ask<WhyView>(options, io, { ask: 'why', path })
    const release = holdSignals()
    await ask(options, io, { ask: 'pause', path, forMs: editMs, reason })
    let held = false
    try {
      await open(why.real, io)
      const edit = await draft(path, options, io)
      if (edit.base64 === before.base64)
        return { json: { path, changed: false }, text: () => `${path}: nothing was changed` }
      await validate(edit, why.real)
      const adopted = projectRoot(io.cwd) === undefined ? undefined : await commit(edit, io)
      if (holdMs !== undefined) {
        await ask(options, io, { ask: 'pause', path, forMs: holdMs, reason })
        held = true
      }
      const kept = held || adopted !== undefined ? undefined : await letGo(path, options, io)
      held ||= kept !== undefined
      const diff = diffText(path, bytesOf(edit.declared ?? before.base64), bytesOf(edit.base64), io.colour)
      const words =
        adopted !== undefined
          ? `${adopted.said}, committed as ${adopted.commit.slice(0, 10)}\nnext: git show; fleet publish`
          : kept !== undefined
            ? `put back, and kept as ${kept}; to adopt it, in the repository of the fleet:\n  ssh THIS-HOST fleet drift show ${kept} --json | fleet drift adopt -`
            : 'when the pause ends it is put back, and kept: fleet drift'
      const still = holdMs === undefined ? [] : [`in force for ${hold}; sooner: fleet unpause ${path}`]
      return {
        json: {
          path,
          changed: true,
          commit: adopted?.commit ?? null,
          kept: kept ?? null,
          heldMs: holdMs ?? null,
        },
        text: () => [diff, words, ...still].join('\n'),
      }
    } finally {
      if (!held) await ask(options, io, { ask: 'unpause', path }).finally(release)
      else release()
    }
  },
}

async function draft(path: string, options: Options, io: Io): Promise<DriftEdit> {
  if (!path.startsWith('/'))
    throw new CliError(`found '${path}', expected an absolute path`, { exit: exits.badInput })
  const edit = await ask<DriftEdit>(options, io, { ask: 'draft', path })
  if (edit.found?.type === 'file' && edit.base64 !== null) return edit
  const found =
    edit.found === null ? 'nothing' : edit.found.type === 'file' ? 'more than 1 MiB' : `a ${edit.found.type}`
  throw new CliError(`${path}: found ${found}, expected a file to edit`)
}

/** The file is put back, which keeps the edit; its id. */
async function letGo(path: string, options: Options, io: Io): Promise<string | undefined> {
  await ask(options, io, { ask: 'unpause', path })
  const edits = await ask<readonly DriftView[]>(options, io, { ask: 'drift' })
  return edits.findLast(each => each.path === path)?.id
}

async function commit(edit: DriftEdit, io: Io): Promise<{ readonly said: string; readonly commit: string }> {
  const project = findProject(io.cwd)
  try {
    const done = adoptInto(project, edit, false)
    return { said: done.said, commit: await commitAdopted(project, edit, done, io) }
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    throw new CliError(error.message, { hint: `${error.hint ?? ''}\n  ${keptHint}`.trimStart() })
  }
}

/** ^C is for the editor; whoever ends this command otherwise has to wait for the pause to be over. */
function holdSignals(): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const ignore = () => {}
  for (const signal of signals) process.on(signal, ignore)
  return () => {
    for (const signal of signals) process.off(signal, ignore)
  }
}

async function open(file: string, io: Io): Promise<void> {
  const editor = io.env['VISUAL'] || io.env['EDITOR'] || 'vi'
  // As git does: the variable may hold a command with options.
  const { code, output } = await run(['/bin/sh', '-c', `${editor} "$@"`, editor, file], 'inherit')
  if (code !== 0)
    throw new CliError(`the editor (${editor}) ended with ${code ?? 'a signal'}${output}; nothing is adopted`)
}

async function validate({ step, path }: DriftEdit, file: string): Promise<void> {
  const command = step?.options['validate']
  if (command === undefined) return
  const split = splitCommand(command)
  if (split.kind === 'bad') return
  const { code, output } = await run(
    split.words.map(word => word.replaceAll('%s', file)),
    'pipe',
  )
  if (code !== 0)
    throw new CliError(
      `${path}: validate="${command}" ended with ${code ?? 'a signal'}; nothing is adopted\n${output}`.trimEnd(),
      { hint: keptHint },
    )
}

/** Runs to its end; at most 4 KiB of its output. */
function run(
  argv: readonly string[],
  stdio: 'inherit' | 'pipe',
): Promise<{ code: number | null; output: string }> {
  return new Promise(resolve => {
    const [program = '', ...args] = argv
    const timeout = stdio === 'pipe' ? validateMs : undefined
    const child: ChildProcess = spawn(program, args, { stdio, timeout })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        output = (output + chunk).slice(-4096)
      })
    child.on('error', error => resolve({ code: null, output: ` (${error.message})` }))
    child.on('close', code => resolve({ code, output }))
  })
}

const bytesOf = (base64: string | null) => (base64 === null ? undefined : Buffer.from(base64, 'base64'))
