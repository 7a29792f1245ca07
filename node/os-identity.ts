// What a host is before its agent first runs: its key, and the fleet that it joined. Made by `fleet join`, read by the
// agent; both survive a power cut.
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text, utf8 } from '../signing/bytes.ts'
import { publicKeyOf } from '../signing/crypto.ts'
import { isRefusal } from '../signing/errors.ts'
import { type Join, readJoin, writeJoin } from '../signing/join.ts'
import { type PrivateKey, readKeyFile, writeKeyFile, writePublicLine } from '../signing/keys.ts'
import { NodeError } from './errors.ts'
import { openDurable, replaceFile, systemRandom } from './os.ts'

/** Below the state folder. `key` is OpenSSH's (with `key.pub` beside it), `join` a checksummed file. */
export const identityFiles = { key: 'key', join: 'join', config: 'config.toml' } as const

/** The key of the host; undefined before `fleet join`. Errors: IDENTITY_DAMAGED. */
export function readHostKey(state: string): PrivateKey | undefined {
  const path = join(state, identityFiles.key)
  if (!existsSync(path)) return undefined
  const found = readKeyFile(readFileSync(path, 'utf8'))
  if (found.kind === 'key') return found
  const why = found.kind === 'bad' ? found.why : 'it has a passphrase; a host cannot type one'
  throw new NodeError('IDENTITY_DAMAGED', { file: path, found: why })
}

/** A new key, mode 0600, on the disk when this returns. */
export function makeHostKey(state: string, comment: string): PrivateKey {
  mkdirSync(state, { recursive: true, mode: 0o700 })
  const seed = systemRandom.bytes(32)
  const made = { seed, key: publicKeyOf(seed), comment }
  const path = join(state, identityFiles.key)
  replaceFile(`${path}.pub`, [utf8(`${writePublicLine(made)}\n`)])
  replaceFile(path, [utf8(writeKeyFile(made))])
  return made
}

/** The fleet that was joined; undefined before `fleet join`. Errors: IDENTITY_DAMAGED. */
export async function readJoined(state: string): Promise<Join | undefined> {
  if (!existsSync(state)) return undefined
  const kept = await openDurable(state).read(identityFiles.join)
  if (kept.kind === 'absent') return undefined
  const found = kept.kind === 'present' ? readJoin(text(kept.bytes) ?? '') : undefined
  if (found !== undefined && !isRefusal(found)) return found
  throw new NodeError('IDENTITY_DAMAGED', {
    file: join(state, identityFiles.join),
    found: kept.kind === 'damaged' ? kept.detail : 'no join string',
  })
}

export async function writeJoined(state: string, joined: Join): Promise<void> {
  await openDurable(state).write(identityFiles.join, utf8(`${writeJoin(joined)}\n`))
}
