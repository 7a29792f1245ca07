// `fleet agent`: keeps this host. Stays in the foreground; systemd, or a person, ends it by SIGTERM.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, type LogLevel, logLevels, parseConfig } from '../../node/config.ts'
import { systemClock } from '../../node/os.ts'
import { startAgent } from '../../node/os-agent.ts'
import { identityFiles, readHostKey, readJoined } from '../../node/os-identity.ts'
import { createLog } from '../../node/os-log.ts'
import { stateFolder, stateOption } from '../client.ts'
import { CliError, type CommandSpec, exits, type Options, textOption } from '../command.ts'

export const spec: CommandSpec = {
  about:
    'Takes signed releases from peers, applies them, keeps them enforced, and passes them on. Settings: config.toml of the state folder, written by fleet join. Writes one JSON object a line to standard error.',
  options: [stateOption, ['--log-level <level>', `${logLevels.join(', ')} (default: info)`]],
  examples: ['fleet agent', 'fleet agent --state /tmp/h1/state --log-level debug'],
  async run(_args, options, io) {
    leaveNoTrace()
    const state = stateFolder(options, io)
    const joined = await readJoined(state)
    const key = readHostKey(state)
    if (joined === undefined || key === undefined)
      throw new CliError(`${state} belongs to no fleet yet`, {
        exit: exits.badInput,
        hint: `fleet join STRING --state ${state}`,
      })
    const config = readConfig(state)
    const log = createLog(levelOf(options, config), systemClock.now, line => process.stderr.write(line))
    const stopped = io.stopped()
    const agent = await startAgent({ state, joined, seed: key.seed, config, log })
    const failure = await Promise.race([stopped.then(() => undefined), agent.failed])
    await agent.stop()
    if (failure === undefined) return { text: () => '' }
    throw new CliError(`the agent cannot go on: ${failure.message}`, {
      code: (failure as { code?: string }).code ?? 'FAILED',
    })
  },
}

/** What bin/fleet set for this process alone is not for the commands of RUN steps. */
function leaveNoTrace(): void {
  if (process.env['FLEET_MALLOC'] === undefined) return
  delete process.env['FLEET_MALLOC']
  delete process.env['MALLOC_ARENA_MAX']
}

function readConfig(state: string): Config {
  const path = join(state, identityFiles.config)
  const { config, problems } = parseConfig(existsSync(path) ? readFileSync(path, 'utf8') : '')
  if (problems.length === 0) return config
  const lines = problems.map(each => `${path}:${each.line}:${each.column}: ${each.message}`)
  throw new CliError(`the settings cannot be read\n${lines.join('\n')}`, { exit: exits.badInput })
}

function levelOf(options: Options, config: Config): LogLevel {
  const level = textOption(options, 'logLevel')
  if (level === undefined) return config.log
  if (!(logLevels as readonly string[]).includes(level))
    throw new CliError(`--log-level: found '${level}', expected ${logLevels.join(', ')}`, {
      exit: exits.badInput,
    })
  return level as LogLevel
}
