// `fleet join`: makes this host a member to be: its key, the fleet that it believes in, its configuration. The roster
// line that it prints is what an operator enrolls.
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { type Config, defaults, isAddress, parseConfig } from '../../node/config.ts'
import { replaceFile } from '../../node/os.ts'
import { identityFiles, makeHostKey, readHostKey, readJoined, writeJoined } from '../../node/os-identity.ts'
import { utf8 } from '../../signing/bytes.ts'
import { isRefusal } from '../../signing/errors.ts'
import { type Join, readJoin } from '../../signing/join.ts'
import { peerIdOf, writePublicLine } from '../../signing/keys.ts'
import { stateFolder, stateOption } from '../client.ts'
import { CliError, type CommandSpec, exits, type Options, textOption } from '../command.ts'
import { short } from '../render.ts'

export const spec: CommandSpec = {
  args: [['<string>', 'the join string of the fleet: fleet1.… (operators: fleet key join)']],
  options: [
    stateOption,
    ['--root <dir>', 'fill this directory instead of /'],
    ['--listen <host:port>', `listen here (default: ${defaults.listen})`],
    ['--name <name>', "the host's name (default: its host name)"],
    ['--seed <host:port...>', 'ask this host first; may be repeated'],
    ['--no-mdns', 'do not look for hosts of the same network segment'],
    ['--dht', 'find hosts by a distributed table of addresses, too'],
  ],
  about:
    'Trusts nothing yet: the string names the fleet, and whatever is heard must be signed for it. The options are kept in config.toml of the state folder.',
  examples: ['fleet join fleet1.hFgg…', 'fleet join fleet1.hFgg… --name web1 --listen 192.0.2.7:4747'],
  json: true,
  async run([string = ''], options, io) {
    const joining = readJoin(string)
    if (isRefusal(joining))
      throw new CliError(joining.detail, { exit: exits.badInput, hint: 'operators: fleet key join' })
    const state = resolve(io.cwd, stateFolder(options, io))
    const known = readHostKey(state)
    // A second join says the same line again: the key's comment is the name of the first.
    const name = (textOption(options, 'name') ?? (known?.comment || hostname())).toLowerCase()
    if (!/^[a-z0-9.-]{1,253}$/.test(name))
      throw bad('name', name, 'a host name of 1 to 253 characters of a-z 0-9 . -')
    const config = configOf(options, io.cwd)
    const configPath = join(state, identityFiles.config)
    if (config !== '' && existsSync(configPath))
      throw new CliError(`${configPath} is there already, and left alone`, {
        exit: exits.badInput,
        hint: 'change it there, or join without these options',
      })

    const joined = await readJoined(state)
    if (joined && joined.fleet !== joining.fleet)
      throw new CliError(
        `this host has joined another fleet: ${short(joined.fleet)}, not ${short(joining.fleet)}`,
        {
          hint: `to start over, stop its agent and remove ${state}`,
        },
      )
    mkdirSync(state, { recursive: true, mode: 0o700 })
    const key = known ?? makeHostKey(state, name)
    if (config !== '') replaceFile(configPath, [utf8(config)])
    // Last: with it the host has joined.
    await writeJoined(state, newer(joined, joining))

    const { listen } = parseConfig(config === '' ? readConfig(configPath) : config).config
    const address = /^(0\.0\.0\.0|\[::\]):/.test(listen) ? [] : [`addr=${listen}`]
    const line = [name, writePublicLine({ key: key.key, comment: '' }), ...address].join(' ')
    const json = { fleet: joining.fleet, name, peer: peerIdOf(key.key), state, line }
    return { json, text: () => render(json) }
  },
}

function render({
  fleet,
  name,
  peer,
  state,
  line,
}: {
  fleet: string
  name: string
  peer: string
  state: string
  line: string
}) {
  const start = state === '/var/lib/fleet' ? 'fleet agent' : `fleet agent --state ${state}`
  return `${name} joins the fleet ${short(fleet)} as ${peer}

An operator enrolls it, in the fleet's repository:
  fleet enroll '${line}'

Then, here:
  ${start}`
}

/** The string with the higher checkpoint counts: an old one that is pasted again takes nothing back. */
function newer(before: Join | undefined, now: Join): Join {
  return before && before.checkpoint.sequence > now.checkpoint.sequence ? before : now
}

const readConfig = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '')

/** config.toml with what was said; '' for nothing. */
function configOf(options: Options, cwd: string): string {
  const lines: string[] = []
  const say = <K extends keyof Config>(name: K, value: Config[K]) => {
    lines.push(`${name} = ${JSON.stringify(value)}\n`)
  }
  const root = textOption(options, 'root')
  const listen = textOption(options, 'listen')
  const seeds = options['seed']
  if (root !== undefined) say('root', resolve(cwd, root))
  if (listen !== undefined) {
    if (!isAddress(listen)) throw bad('listen', listen, 'host:port, such as 192.0.2.7:4747')
    say('listen', listen)
  }
  if (Array.isArray(seeds)) {
    const wrong = seeds.find(each => !isAddress(each))
    if (wrong !== undefined) throw bad('seed', wrong, 'host:port, such as 192.0.2.7:4747')
    say('seeds', seeds)
  }
  if (options['mdns'] === false) say('mdns', false)
  if (options['dht'] === true) say('dht', true)
  const text = lines.join('')
  const problem = parseConfig(text).problems[0]
  if (problem) throw new CliError(problem.message, { exit: exits.badInput })
  return text
}

const bad = (option: string, found: string, expected: string) =>
  new CliError(`--${option}: found '${found}', expected ${expected}`, { exit: exits.badInput })
