// The operator: the private key and where it is kept, and who writes commits and tags. What is signed is decided
// elsewhere.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { homedir, hostname, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { systemRandom } from '../node/os.ts'
import type { Author } from '../node/release.ts'
import { publicKeyOf } from '../signing/crypto.ts'
import { fingerprint, type PrivateKey, readKeyFile, writeKeyFile } from '../signing/keys.ts'
import { maySign, type Operator } from '../signing/operators.ts'
import { type Namespace, type Signer, seedSigner } from '../signing/sshsig.ts'
import type { Trust } from '../signing/trust.ts'
import { CliError, exits, type Io, type Options, textOption } from './command.ts'
import type { Project } from './project.ts'

export const keyOption = ['--key <file>', "the operator's private key (see fleet key --help)"] as const
export const passphraseOption = [
  '--passphrase-file <file>',
  "first line: the key's passphrase (or $FLEET_PASSPHRASE)",
] as const

export interface OperatorKey extends PrivateKey {
  readonly path: string
}

const home = (io: Io) => io.env['HOME'] ?? homedir()

/** `~/` is the home of whoever runs the command; else relative to `base`. */
export function expandHome(path: string, base: string, io: Io): string {
  return path.startsWith('~/') ? join(home(io), path.slice(2)) : resolve(base, path)
}

/** Where `fleet init` and `fleet key new` make a key. */
export function keyPathDefault(io: Io): string {
  return join(io.env['XDG_CONFIG_HOME'] || join(home(io), '.config'), 'fleet', 'key')
}

/** OpenSSH's own Ed25519 key. */
export function keyPathSsh(io: Io): string {
  return join(home(io), '.ssh', 'id_ed25519')
}

/** The passphrase that was given, if any. */
export function passphraseOf(options: Options, io: Io): string | undefined {
  const file = textOption(options, 'passphraseFile')
  if (file === undefined) return io.env['FLEET_PASSPHRASE']
  return readText(resolve(io.cwd, file)).split(/\r?\n/)[0]
}

/** Reads a key file, with the passphrase if it needs one. */
export async function readKey(path: string, options: Options, io: Io): Promise<OperatorKey> {
  const text = readText(path)
  const found = readKeyFile(text)
  if (found.kind === 'bad')
    throw new CliError(`${path} is no key that fleet can use: ${found.why}`, { exit: exits.badInput })
  if (found.kind === 'key') return { path, ...found }
  const passphrase = passphraseOf(options, io)
  if (passphrase === undefined)
    throw new CliError(`${path} needs its passphrase`, {
      exit: exits.badInput,
      hint: 'give --passphrase-file FILE, or set FLEET_PASSPHRASE',
    })
  const { unlockKeyFile } = await import('./keyfile.ts')
  const open = await unlockKeyFile(text, passphrase)
  if (open.kind === 'key') return { path, ...open }
  throw new CliError(`${path}: ${open.kind === 'bad' ? open.why : 'it stays locked'}`, {
    exit: exits.badInput,
  })
}

/**
 * The key that signs for this project, in the namespace (`git`: entries, `fleet`: orders): `--key`, else `[keys] operator` of fleet.toml, else the first of the standard
 * places whose key is an operator's.
 */
export async function operatorOf(
  project: Project,
  trust: Trust,
  options: Options,
  io: Io,
  namespace: Namespace = 'git',
): Promise<Signer & { readonly operator: Operator; readonly path: string }> {
  const given = textOption(options, 'key')
  const settled = project.settings.operatorKey
  const named =
    given !== undefined ? resolve(io.cwd, given) : settled && expandHome(settled, project.root, io)
  const places = named ? [named] : [keyPathDefault(io), keyPathSsh(io)].filter(path => existsSync(path))
  for (const path of places) {
    const known = readKeyFile(readText(path))
    const operator = known.kind === 'bad' ? undefined : maySign(trust.operators, known.key, namespace)
    if (operator) return { ...seedSigner((await readKey(path, options, io)).seed), operator, path }
  }
  const looked =
    places.length === 0 ? 'there is no key in the standard places' : `looked at ${places.join(', ')}`
  throw new CliError(`none of your keys may sign for this fleet: ${looked}`, {
    hint: `trust/operators lists ${trust.operators.map(each => `${each.principal} (${fingerprint(each.key)})`).join(', ')}; give --key FILE`,
  })
}

/** Fails when a private key would lie in a repository, and so be published to every host. */
export function refusePublished(path: string, root: string): void {
  if (path.startsWith(`${root}/`) && !path.startsWith(`${root}/.git/`))
    throw new CliError(`the private key ${path} lies in the repository, which every host gets`, {
      exit: exits.badInput,
      hint: 'keep it elsewhere, for example in ~/.config/fleet',
    })
}

export interface MadeKey extends PrivateKey {
  /** The content of its file. */
  readonly file: string
}

/** A new key, its file with a passphrase if there is one. */
export async function makeKey(comment: string, passphrase: string | undefined): Promise<MadeKey> {
  const seed = systemRandom.bytes(32)
  const plain = writeKeyFile({ seed, comment })
  const file = passphrase ? await (await import('./keyfile.ts')).lockKeyFile(plain, passphrase) : plain
  return { seed, key: publicKeyOf(seed), comment, file }
}

/** `user@host`, as ssh-keygen has it. */
export const keyComment = () => `${userInfo().username}@${hostname()}`

/** As git would say it, or after the account when git is not there or was not told. */
export function authorOf(folder: string, io: Io): Author {
  const ask = (name: string) => {
    try {
      return execFileSync('git', ['-C', folder, 'config', name], {
        encoding: 'utf8',
        env: io.env as NodeJS.ProcessEnv,
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim()
    } catch {
      return ''
    }
  }
  const user = userInfo().username
  const plain = (text: string) => text.replace(/[<>\n]/g, '').trim()
  return {
    name: plain(io.env['GIT_AUTHOR_NAME'] || ask('user.name')) || user,
    email:
      plain(io.env['GIT_AUTHOR_EMAIL'] || ask('user.email')).replaceAll(' ', '') || `${user}@${hostname()}`,
  }
}

export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new CliError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? error}`, {
      exit: exits.badInput,
    })
  }
}
