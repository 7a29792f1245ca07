// `fleet agent`: keeps this host. Stays in the foreground; systemd, or a person, ends it by SIGTERM.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, type LogLevel, logLevels, parseConfig } from '../../node/config.ts'
import { systemClock } from '../../node/os.ts'
import { startAgent } from '../../node/os-agent.ts'
import { identityFiles, readHostKey, readJoined } from '../../node/os-identity.ts'
import { createLog } from '../../node/os-log.ts'
import { takeLaunched } from '../../node/os-slots.ts'
import { stateFolder, stateOption } from '../client.ts'
import { CliError, type CommandSpec, exits, type Options, textOption } from '../command.ts'

export const spec: CommandSpec = {
  about: [
    'Takes signed releases from peers, applies them, keeps them enforced, and passes them on. Settings: config.toml of the state folder, written by fleet join. Writes one JSON object a line to standard error.',
    'setup      lay out two slots with this fleet in the first',
    'upgrade    put a bundle into the other slot and start it on trial: without a proof of life it is taken back',
    'slots      which slot runs, what is on trial, why an upgrade was taken back',
  ].join('\n'),
  args: [
    ['[action]', 'setup, upgrade or slots (default: keep this host)'],
    ['[bundle]', 'upgrade: a directory or .tar.gz made by npm run bundle -- --pack'],
  ],
  options: [
    stateOption,
    ['--log-level <level>', `${logLevels.join(', ')} (default: info)`],
    ['--prefix <dir>', 'where the slots are (default: /opt/fleet)'],
    ['--deadline <seconds>', 'upgrade: for the proof of life (default: 300)'],
    ['--wait', 'upgrade: until the new agent has proved itself, or is taken back'],
    ['--downgrade', 'upgrade: also to an older version'],
  ],
  examples: [
    'fleet agent',
    'fleet agent --state /tmp/h1/state --log-level debug',
    'fleet agent upgrade fleet-0.2.0.tar.gz --wait',
  ],
  json: true,
  async run([action, bundle], options, io) {
    if (action !== undefined) return (await import('../slots.ts')).slotCommand(action, bundle, options, io)
    leaveNoTrace()
    const launched = takeLaunched(process.env)
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
    const agent = await startAgent({
      ...{ state, joined, seed: key.seed, config, log },
      ...(launched && { launched }),
    })
    const end = await Promise.race([
      stopped.then(() => 'stopped' as const),
      agent.handedOver.then(() => 'handover' as const),
      agent.failed,
    ])
    await agent.stop()
    if (end === 'handover') return { exit: exits.handover, text: () => '' }
    const failure = end === 'stopped' ? undefined : end
    // A run that is in the middle would hold the process for as long as its commands take; the next start takes it back.
    if (failure === undefined) process.exit(exits.ok)
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
