// What a command is. Commands return values and never print: main.ts prints what they return, as text or as JSON.

import type { Ending, exitCodes } from '../sim/report.ts'

/** Exit codes of every command: DESIGN of the command line, also printed by `fleet --help`. */
export const exits = { ok: 0, failed: 1, badInput: 2, noAgent: 3, wouldChange: 4, handover: 75 } as const
/** `fleet sim` ends with codes of its own, by how the run ended. */
export type Exit = (typeof exits)[keyof typeof exits] | (typeof exitCodes)[Ending]

export interface Answer {
  /** Default 0. */
  readonly exit?: Exit
  /** Printed by `--json`: a stable struct of the command's own, so that inner types may change. */
  readonly json?: unknown
  /** Printed otherwise, to standard output. Rendered only when wanted. */
  readonly text: () => string
}

export interface Io {
  /** Colours are wanted: standard output is a terminal and NO_COLOR is not set. */
  readonly colour: boolean
  /** Columns to fill; 80 when the output is no terminal. */
  readonly columns: number
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** A line of progress, to standard error; nothing with `--json`. */
  progress(line: string): void
  /** Asks whoever sits there, on standard error, for one line; absent when one of standard input and error is no terminal. */
  readonly ask?: (question: string) => Promise<string>
  /** Resolves at the first SIGINT or SIGTERM after the call. For commands that stay. */
  stopped(): Promise<void>
}

export interface CommandSpec {
  /** For example `['<rev>', 'commit to compare with']`; brackets as commander has them. */
  readonly args?: readonly (readonly [name: string, doc: string])[]
  /** For example `['--root <dir>', 'fill this directory instead of /']`. */
  readonly options?: readonly (readonly [flags: string, doc: string, standard?: string | string[]])[]
  /** Lines that work when typed; the first is shown in errors. */
  readonly examples: readonly [string, ...string[]]
  /** Longer words for `--help`, if the summary is not enough. */
  readonly about?: string
  /** Prints data: has `--json`. */
  readonly json?: boolean
  run(args: readonly string[], options: Options, io: Io): Promise<Answer>
}

/** As commander makes them: `--keep-failed` is `keepFailed`; repeated options are arrays. */
export type Options = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

/** What went wrong, to what, and what to type next. */
export class CliError extends Error {
  readonly exit: Exit
  readonly hint: string | undefined
  readonly code: string | undefined

  constructor(message: string, more: { exit?: Exit; hint?: string; code?: string } = {}) {
    super(message)
    this.exit = more.exit ?? exits.failed
    this.hint = more.hint
    this.code = more.code
  }
}

/** The option's text, or undefined when it was not given. */
export function textOption(options: Options, name: string): string | undefined {
  const value = options[name]
  return typeof value === 'string' ? value : undefined
}

/** A whole number within bounds, or CliError with what was expected. */
export function numberOption(options: Options, name: string, min: number, max: number): number | undefined {
  const value = textOption(options, name)
  if (value === undefined) return undefined
  const number = Number(value)
  if (!/^[0-9]+$/.test(value) || number < min || number > max)
    throw new CliError(`--${name}: found '${value}', expected a whole number from ${min} to ${max}`, {
      exit: exits.badInput,
    })
  return number
}
