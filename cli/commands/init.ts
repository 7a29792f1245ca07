// `fleet init`: from nothing to a repository with a first declaration, an operator and the signed beginning of a fleet.
// All of it or nothing; what is there already is never written over.
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fingerprint, readKeyFile, writePublicLine } from '../../signing/keys.ts'
import type { Operator } from '../../signing/operators.ts'
import { seedSigner } from '../../signing/sshsig.ts'
import { readTrust, type TrustFiles } from '../../signing/trust.ts'
import { CliError, type CommandSpec, exits, type Io, type Options, textOption } from '../command.ts'
import { commitPaths, initRepository } from '../commit.ts'
import { genesisFile, joinStringOf, makeGenesis } from '../genesis.ts'
import { allOrNothing, refuseExisting } from '../made.ts'
import {
  authorOf,
  keyComment,
  keyPathDefault,
  keyPathSsh,
  type MadeKey,
  makeKey,
  type OperatorKey,
  passphraseOf,
  passphraseOption,
  readKey,
  readText,
  refusePublished,
} from '../operator.ts'
import { findProject } from '../project.ts'
import { starterFiles, starterTrust } from '../starter.ts'

export const spec: CommandSpec = {
  args: [['[dir]', 'the folder of the new repository (default: this one)']],
  options: [
    ['--name <name>', "the fleet's name (default: the folder's)"],
    [
      '--key <file>',
      'your private key (default: ~/.config/fleet/key, else ~/.ssh/id_ed25519, else a new one)',
    ],
    passphraseOption,
  ],
  about:
    'Makes a git repository with a first declaration that passes check, you as the operator, and the signed first entry of the fleet. In a git repository that is there already the files are added and left for you to commit.',
  examples: ['fleet init my-fleet', 'fleet init --key ~/.ssh/fleet_ed25519'],
  json: true,
  async run([dir = '.'], options, io) {
    const root = resolve(io.cwd, dir)
    const name = textOption(options, 'name') ?? basename(root)
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name))
      throw new CliError(`found the name '${name}', expected 1 to 63 characters of A-Z a-z 0-9 . _ -`, {
        exit: exits.badInput,
        hint: `fleet init ${dir} --name NAME`,
      })
    refuseInside(root)
    const key = await findKey(options, io)
    refusePublished(key.path, root)
    const author = authorOf(existsSync(root) ? root : io.cwd, io)
    const principal = /^[A-Za-z0-9._@+-]{1,128}$/.test(author.email) ? author.email : 'operator'
    const operator: Operator = { principal, namespaces: ['git', 'fleet'], key: key.key, comment: '' }
    const trust = starterTrust(operator)
    const genesis = makeGenesis(name, trust, seedSigner(key.seed), author, Date.now())

    const files = new Map<string, string | Uint8Array>(starterFiles(name, keySetting(key.path, io)))
    for (const [file, bytes] of Object.entries(trust)) files.set(`trust/${file}`, bytes)
    const paths = [...files.keys()]
    refuseExisting(root, [...paths, genesisFile], 'fleet init makes new fleets only; choose another folder')
    const fresh = !existsSync(join(root, '.git'))
    await allOrNothing(async made => {
      if ('file' in key) {
        made.file(key.path, key.file, 0o600)
        made.file(`${key.path}.pub`, `${writePublicLine(key)}\n`, 0o644)
      }
      made.folder(root)
      for (const [path, content] of files) made.file(join(root, path), content)
      made.expect(join(root, '.git'))
      if (fresh) {
        await initRepository(root)
        await commitPaths(root, paths, `Begin the fleet ${name}`, author)
      }
      made.file(join(root, genesisFile), genesis.envelope)
    })
    const string = joinStringOf(findProject(root), parsed(trust))
    const json = {
      fleet: genesis.fleet,
      name,
      root,
      operator: { principal, fingerprint: fingerprint(key.key), key: key.path, made: 'file' in key },
      join: string,
    }
    const place = relative(io.cwd, root)
    return { json, text: () => [...summary(json), '', ...next(place, fresh, string)].join('\n') }
  },
}

interface View {
  readonly fleet: string
  readonly name: string
  readonly operator: {
    readonly principal: string
    readonly fingerprint: string
    readonly key: string
    readonly made: boolean
  }
  readonly join: string
}

function summary({ fleet, name, operator, join }: View): string[] {
  return [
    `fleet     ${name}  ${fleet}`,
    `operator  ${operator.principal}  ${operator.fingerprint}`,
    `key       ${operator.key}${operator.made ? '  (new: keep a copy in a safe place)' : ''}`,
    `join      ${join}`,
  ]
}

function next(place: string, fresh: boolean, string: string): string[] {
  const start = [...(place === '' ? [] : [`cd ${place}`]), ...(fresh ? [] : ['git add . && git commit'])]
  const lines: [string, string][] = [
    [[...start, 'fleet check'].join(' && '), 'is the declaration right?'],
    ['mkdir /tmp/try && fleet apply --root /tmp/try', 'what would it make?'],
    [`fleet join ${string.slice(0, 12)}…`, 'on each host; prints a line for enroll'],
    ["fleet enroll 'LINE'", 'here, for each host'],
    ['git commit -a && fleet publish', 'sign, and hand over'],
  ]
  const width = Math.max(...lines.map(([command]) => command.length))
  return ['Next:', ...lines.map(([command, why]) => `  ${command.padEnd(width)}  # ${why}`)]
}

/** The key that is given or found, or a new one that is not yet written. */
async function findKey(
  options: Options,
  io: Io,
): Promise<OperatorKey | (MadeKey & { readonly path: string })> {
  const given = textOption(options, 'key')
  if (given !== undefined) return readKey(resolve(io.cwd, given), options, io)
  const standard = keyPathDefault(io)
  if (existsSync(standard)) return readKey(standard, options, io)
  const ssh = keyPathSsh(io)
  if (existsSync(ssh) && readKeyFile(readText(ssh)).kind === 'key') return readKey(ssh, options, io)
  return { ...(await makeKey(keyComment(), passphraseOf(options, io))), path: standard }
}

/** What fleet.toml says of the key: nothing when it is found without. */
function keySetting(path: string, io: Io): string | undefined {
  if ([keyPathDefault(io), keyPathSsh(io)].includes(path)) return undefined
  const home = io.env['HOME'] ?? homedir()
  return path.startsWith(`${home}/`) ? `~/${relative(home, path)}` : path
}

/** A release is a whole repository: its top is the fleet's. */
function refuseInside(root: string): void {
  for (let above = dirname(root); ; above = dirname(above)) {
    if (existsSync(join(above, '.git')) && !existsSync(join(root, '.git')))
      throw new CliError(`${root} lies in the git repository ${above}; a fleet needs one of its own`, {
        exit: exits.badInput,
        hint: 'choose another folder',
      })
    if (above === dirname(above)) return
  }
}

function parsed(files: TrustFiles) {
  const trust = readTrust(files)
  if (trust.kind === 'bad') throw new Error('the first files of trust/ are wrong')
  return trust.value
}
