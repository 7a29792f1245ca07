// RUN: a command, for what no other verb knows. Runs once, or when something that it depends on has changed.
import type { Answer } from '../act.ts'
import type { Step } from '../steps/step.ts'
import { quote, splitCommand } from '../steps/words.ts'
import { readCommand, readDuration } from './values.ts'
import type { Declared, VerbSpec } from './verb.ts'

export const run: VerbSpec = {
  name: 'RUN',
  summary: 'Runs a command: once, or whenever one of the paths in on= has changed.',
  example: 'RUN update-grub on=/etc/default/grub',
  args: [{ name: 'COMMAND', kind: 'command', rest: true }],
  options: {
    on: {
      kind: 'paths',
      doc: 'Run once per run if a step at or below one of these paths changed something, on undo too.',
    },
    unless: { kind: 'command', doc: 'Do not run if this command ends with exit code 0.' },
    undo: { kind: 'command', doc: 'What takes it back when the step leaves; default: nothing can.' },
    id: { kind: 'text', doc: 'What the step is known by; default: the command.' },
    timeout: { kind: 'duration', doc: 'For the command and each of the others; default 5m, at most 24h.' },
    shell: { kind: 'flag', doc: 'Give the command, unless= and undo= to /bin/sh -c.' },
  },
  key: step => step.options['id'] ?? step.args.map(word => quote(word)).join(' '),
  // With on= it is a reload: the run that undoes the change runs it again.
  undo: ({ options }) =>
    options['undo'] !== undefined || options['on'] !== undefined ? 'compensating' : 'one-way',
  check: checkCommands,
}

/** The check of a verb whose arguments are a command. */
export function checkCommands({ args, options }: Declared): string | undefined {
  if (options['shell'] !== undefined)
    return args.length > 1
      ? 'found several words beside shell; expected the whole command in one pair of quotes'
      : undefined
  const commands = [args.length === 1 ? args[0] : undefined, options['unless'], options['undo']]
  for (const each of commands) {
    const split = each === undefined ? undefined : splitCommand(each)
    if (split?.kind === 'bad') return split.message
  }
  return undefined
}

/** What is executed: several words are an argv as they stand; a single one is split, or given to the shell. */
export function argvOf({ args, options }: Declared): readonly string[] {
  return args.length > 1 ? args : readCommand(args[0] ?? '', options['shell'] !== undefined)
}

/** The argv of `unless=` or `undo=`, if the step has it. */
export function argvOfOption({ options }: Declared, name: 'unless' | 'undo'): readonly string[] | undefined {
  const text = options[name]
  return text === undefined ? undefined : readCommand(text, options['shell'] !== undefined)
}

/** Milliseconds. */
const timeoutDefaultMs = 5 * 60_000

/** What running it takes; whether it is due is the planner's question: a RUN has nothing to look at. */
export function planRun(step: Step): Answer {
  const unless = argvOfOption(step, 'unless')
  const undo = argvOfOption(step, 'undo')
  const timeoutMs = readDuration(step.options['timeout'] ?? '') ?? timeoutDefaultMs
  return [
    {
      kind: 'run',
      argv: argvOf(step),
      timeoutMs,
      ...(unless === undefined ? {} : { unless }),
      ...(undo === undefined ? {} : { undo }),
    },
  ]
}
