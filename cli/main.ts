// The command line: arguments -> command -> exit code, and the one catch. Loads only the command that was typed.
import { Command, CommanderError } from 'commander'
import { type Answer, CliError, type CommandSpec, exits, type Io } from './command.ts'
import { commands } from './commands/index.ts'

const version = '0.1.0'
const colour = process.stdout.isTTY === true && !process.env['NO_COLOR']

/** Loads the command, reads its arguments, runs it. */
async function run(argv: readonly string[]): Promise<number> {
  const name = argv[0]
  const known = commands.find(each => each.name === name)
  const program = new Command('fleet').version(version).exitOverride().helpCommand(false)
  program
    .description('Keeps plain Linux machines in a declared state, without a server.')
    .usage('COMMAND [options]')
  program.addHelpText('after', help)
  if (known === undefined) {
    if (name !== undefined && !name.startsWith('-'))
      throw new CliError(`there is no command '${name}'`, { exit: exits.badInput, hint: suggest(name) })
    for (const each of commands) program.command(each.name).description(each.summary)
    await program.parseAsync(name === undefined ? ['--help'] : argv, { from: 'user' })
    return exits.ok
  }
  let result: Promise<Answer> | undefined
  let json = false
  const spec = await known.load()
  const command = define(program, known.name, known.summary, spec)
  command.action((...args: unknown[]) => {
    const options = command.opts()
    json = options['json'] === true
    result = spec.run(args.slice(0, spec.args?.length ?? 0).flatMap(words), options, io(json))
    return result.then(() => undefined)
  })
  try {
    await program.parseAsync([...argv], { from: 'user' })
  } catch (error) {
    if (json && error instanceof CliError) {
      const { message, hint, code } = error
      process.stdout.write(
        `${JSON.stringify({ error: { message, ...(code && { code }), ...(hint && { hint }) } })}\n`,
      )
    }
    throw error
  }
  const answer = await result
  if (answer === undefined) return exits.ok
  const text = json ? JSON.stringify(answer.json) : answer.text()
  if (text !== '') process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
  return answer.exit ?? exits.ok
}

function suggest(name: string): string {
  const near = commands
    .filter(each => each.name.startsWith(name.slice(0, 2)))
    .map(each => `fleet ${each.name}`)
  return near.length > 0 ? `did you mean: ${near.join(', ')}` : 'fleet --help lists the commands'
}

const words = (arg: unknown): string[] =>
  Array.isArray(arg) ? arg.filter(each => typeof each === 'string') : typeof arg === 'string' ? [arg] : []

function define(program: Command, name: string, summary: string, spec: CommandSpec): Command {
  const command = program
    .command(name)
    .description(spec.about === undefined ? summary : `${summary}\n\n${spec.about}`)
  command.configureOutput({
    outputError: (text, write) =>
      write(`fleet: ${text.replace(/^error: /, '').trimEnd()}\n  fleet ${name} --help\n`),
  })
  for (const [arg, doc] of spec.args ?? []) command.argument(arg, doc)
  for (const [flags, doc, standard] of spec.options ?? []) {
    if (flags.includes('...>'))
      command.option(flags, doc, (value: string, all: string[] | undefined) => [...(all ?? []), value.trim()])
    else if (standard === undefined) command.option(flags, doc)
    else command.option(flags, doc, standard)
  }
  if (spec.json) command.option('--json', 'print one JSON document instead of text')
  command.addHelpText('after', `\nExamples:\n${spec.examples.map(each => `  ${each}`).join('\n')}`)
  return command
}

const help = `
Exit codes: 0 ok, 1 failed, 2 bad input, 3 no agent is running, 4 plan: something would change.
Start with: fleet init my-fleet, or see it work at once: fleet demo`

function io(json: boolean): Io {
  return {
    colour,
    // A terminal that was told no size has 0.
    columns: process.stdout.columns || 80,
    cwd: process.cwd(),
    env: process.env,
    progress: line => {
      if (!json) process.stderr.write(`${line}\n`)
    },
    ...(process.stdin.isTTY === true && process.stderr.isTTY === true && { ask }),
    stopped: () =>
      new Promise(resolve => {
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
      }),
  }
}

async function ask(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  // The end of input (Ctrl-D) and Ctrl-C are an answer, too: none. What follows begins a line of its own.
  const ended = new Promise<string>(resolve => lines.once('close', () => resolve('\n')))
  try {
    const answer = await Promise.race([lines.question(question), ended])
    if (answer === '\n') process.stderr.write(answer)
    return answer.trim()
  } finally {
    lines.close()
  }
}

async function main(): Promise<number> {
  // `fleet peers | head` closes our output early: that is no error.
  process.stdout.on('error', error => {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
    process.exit(exits.ok)
  })
  try {
    return await run(process.argv.slice(2))
  } catch (error) {
    // commander has printed its own words already; help and version are no errors.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exits.ok : exits.badInput
    if (error instanceof CliError) {
      process.stderr.write(`fleet: ${error.message}\n${error.hint ? `  ${error.hint}\n` : ''}`)
      return error.exit
    }
    const { code, message, stack } = error as { code?: unknown; message?: string; stack?: string }
    if (typeof code === 'string') {
      process.stderr.write(`fleet: ${message} (${code})\n`)
      return exits.failed
    }
    process.stderr.write(
      `fleet: this is a bug in fleet, please report it with these lines:\n${stack ?? error}\n`,
    )
    return exits.failed
  }
}

process.exitCode = await main()
