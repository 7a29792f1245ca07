// `fleet key`: makes and shows keys, and says again how a host joins.
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fingerprint, peerIdOf, readKeyFile, readPublicLine, writePublicLine } from '../../signing/keys.ts'
import {
  type Answer,
  CliError,
  type CommandSpec,
  exits,
  type Io,
  type Options,
  textOption,
} from '../command.ts'
import { joinStringOf } from '../genesis.ts'
import { allOrNothing, refuseExisting } from '../made.ts'
import {
  keyComment,
  keyPathDefault,
  keyPathSsh,
  makeKey,
  passphraseOf,
  passphraseOption,
  refusePublished,
} from '../operator.ts'
import { findProject, projectRoot, readTree, trustOf } from '../project.ts'

export const spec: CommandSpec = {
  args: [
    ['<action>', 'new: make a key; show: who it is; join: the string for new hosts'],
    ['[file]', 'show: a private or public key file (default: yours)'],
  ],
  options: [['--out <file>', 'new: where to (default: ~/.config/fleet/key)'], passphraseOption],
  about:
    'Keys are OpenSSH Ed25519 keys: ssh-keygen makes and reads them too. Yours is the first of ~/.config/fleet/key ($XDG_CONFIG_HOME) and ~/.ssh/id_ed25519, unless fleet.toml names another under [keys].',
  examples: ['fleet key show', 'fleet key new --out ~/bob.key', 'fleet key join'],
  json: true,
  async run([action, file], options, io) {
    if (action === 'new' && file === undefined) return make(options, io)
    if (action === 'show') return show(file, io)
    if (action === 'join' && file === undefined) return join(io)
    throw new CliError(
      `found '${[action, file].filter(Boolean).join(' ')}', expected new, show [FILE] or join`,
      {
        exit: exits.badInput,
        hint: 'fleet key show',
      },
    )
  },
}

async function make(options: Options, io: Io): Promise<Answer> {
  const given = textOption(options, 'out')
  const path = given === undefined ? keyPathDefault(io) : resolve(io.cwd, given)
  refuseExisting(io.cwd, [path, `${path}.pub`], 'name another file: fleet key new --out FILE')
  const project = projectRoot(io.cwd)
  if (project !== undefined) refusePublished(path, project)
  const made = await makeKey(keyComment(), passphraseOf(options, io))
  await allOrNothing(files => {
    files.file(path, made.file, 0o600)
    files.file(`${path}.pub`, `${writePublicLine(made)}\n`, 0o644)
  })
  return view(path, made)
}

async function show(file: string | undefined, io: Io): Promise<Answer> {
  const places = file === undefined ? [keyPathDefault(io), keyPathSsh(io)] : [resolve(io.cwd, file)]
  const path = places.find(each => existsSync(each))
  if (path === undefined)
    throw new CliError(`there is no key at ${places.join(' or ')}`, {
      exit: exits.badInput,
      hint: 'fleet key new',
    })
  const text = readFileSync(path, 'utf8')
  const line = readPublicLine(text)
  if (line) return view(path, line)
  const found = readKeyFile(text)
  if (found.kind === 'bad')
    throw new CliError(`${path} is no key that fleet can use: ${found.why}`, { exit: exits.badInput })
  return view(path, { key: found.key, comment: found.kind === 'key' ? found.comment : '' })
}

function view(file: string, key: { readonly key: Uint8Array; readonly comment: string }): Answer {
  const json = {
    file,
    public: writePublicLine(key),
    fingerprint: fingerprint(key.key),
    peer: peerIdOf(key.key),
  }
  return {
    json,
    text: () =>
      [
        `file         ${json.file}`,
        `public       ${json.public}`,
        `fingerprint  ${json.fingerprint}`,
        `peer id      ${json.peer}`,
      ].join('\n'),
  }
}

async function join(io: Io): Promise<Answer> {
  const project = findProject(io.cwd)
  const string = joinStringOf(project, trustOf(await readTree(project, 'worktree')))
  return { json: { join: string }, text: () => string }
}
