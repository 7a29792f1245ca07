// RUN: a command, for what no other verb knows. Runs once, or when something that it depends on has changed.
import type { Act, Answer } from '../act.ts'
import type { Step } from '../steps/step.ts'
import { quote, splitCommand } from '../steps/words.ts'
import { readCommand, readDuration, readList } from './values.ts'
import type { Declared, VerbSpec } from './verb.ts'

export const run: VerbSpec = {
  name: 'RUN',
  summary: 'Runs a command: once, or whenever one of the paths in on= has changed.',
  example: 'RUN update-grub on=/etc/default/grub',
  about: [
    'For what no other verb knows. Without on= it runs when the step is new or was changed, in its place among the others, and then not again; with unless= not even then if that command ends with 0.',
    'With on= it runs after all other steps, once per run, when something at or below one of these paths was changed: by a release, by an undo, or by a repair. A command that was due when the machine lost power runs when it is back.',
    'COMMAND as one word is split like a shell would do it, but no shell runs it: no pipes, no variables, no *. Several words are taken as they stand. shell gives the text to `/bin/sh -c` instead.',
    'It runs in / with no input and a clean environment: PATH (the usual six directories), HOME=/root, LC_ALL=C.UTF-8, FLEET_ROOT. With user=: HOME, USER and LOGNAME of that user. With --root: in that directory, not chrooted; FLEET_ROOT names it.',
    'A command that does not end with 0, or not in time, fails the step, and with it the run, which is undone; the reason has the command, the exit code and the last 4 KiB of what it printed, both streams in their order. At the timeout it is killed with everything that it started, unless that has left its process group.',
  ],
  leaves:
    'undo= runs, if the step has it. With on=, the command runs once more if the paths change as they are taken back.',
  noticed: 'Not at all: what a command did is unknown. With on=, repairs of those paths run it.',
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
    user: { kind: 'account', doc: 'Run all of them as this user, by runuser; default: as the agent, root.' },
    cwd: { kind: 'path', doc: 'Run all of them in this directory; default /.' },
    shell: { kind: 'flag', doc: 'Give the command, unless= and undo= to /bin/sh -c.' },
    guarded: {
      kind: 'flag',
      doc: 'It may cut the host off: an agent takes the run back unless a new connection with a peer can be made after it.',
    },
  },
  key: step => step.options['id'] ?? step.args.map(word => quote(word)).join(' '),
  // With on= it is a reload: the run that undoes the change runs it again.
  undo: ({ options }) =>
    options['undo'] !== undefined || options['on'] !== undefined ? 'compensating' : 'one-way',
  owes: step => {
    const on = step.options['on']
    return on === undefined ? undefined : { on: readList(on), act: commandOf(step) }
  },
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

/**
 * Who runs it and where are words of the command, so that the journal and an undo know nothing of them. Commands begin in
 * the root directory: `./srv` is /srv there.
 */
function placed<Argv extends readonly string[] | undefined>(
  { options }: Declared,
  argv: Argv,
): Argv | readonly string[] {
  const { user, cwd } = options
  if (argv === undefined) return argv
  const there = cwd === undefined ? argv : ['env', '-C', `.${cwd}`, ...argv]
  return user === undefined ? there : ['runuser', '-u', user, '--', ...there]
}

/** Milliseconds. */
const timeoutDefaultMs = 5 * 60_000

/** With on= it is only owed. Whether it ran already is the planner's question: a RUN has nothing to look at. */
export function planRun(step: Step): Answer {
  return step.options['on'] === undefined ? [commandOf(step)] : []
}

function commandOf(step: Declared): Extract<Act, { kind: 'run' }> {
  const unless = placed(step, argvOfOption(step, 'unless'))
  const undo = placed(step, argvOfOption(step, 'undo'))
  const timeoutMs = readDuration(step.options['timeout'] ?? '') ?? timeoutDefaultMs
  return {
    kind: 'run',
    argv: placed(step, argvOf(step)),
    timeoutMs,
    ...(unless === undefined ? {} : { unless }),
    ...(undo === undefined ? {} : { undo }),
  }
}
