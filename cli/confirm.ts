// Asking before something is done that the fleet cannot be asked to forget: yes, no, or nobody there to ask.
import { CliError, exits, type Io, type Options } from './command.ts'

export const yesOption = ['--yes', 'do not ask, as in scripts'] as const

/** Fails when nobody could answer: before anything is looked up, so that a script learns it at once. */
export function needAnswer(options: Options, io: Io, command: string): void {
  if (options['yes'] === true || io.ask !== undefined) return
  throw new CliError('standard input is no terminal, so there is nobody to ask; nothing was done', {
    exit: exits.badInput,
    hint: `without a question: ${command} --yes`,
  })
}

export const isYes = (answer: string | undefined) => /^y(es)?$/i.test(answer?.trim() ?? '')

/** Shows `lines`, and asks; fails when the answer is not yes. */
export async function confirm(
  options: Options,
  io: Io,
  lines: readonly string[],
  question: string,
): Promise<void> {
  for (const line of lines) io.progress(line)
  if (options['yes'] === true) return
  if (!isYes(await io.ask?.(`${question} [y/N] `))) throw new CliError('nothing was done')
}
