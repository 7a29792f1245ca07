// Key files with a passphrase, against ssh-keygen in both directions.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { lockKeyFile, unlockKeyFile } from '../../cli/keyfile.ts'
import { publicKeyOf } from '../../signing/crypto.ts'
import { readKeyFile, writeKeyFile, writePublicLine } from '../../signing/keys.ts'

const dir = mkdtempSync(join(tmpdir(), 'fleet-keyfile-'))
afterAll(() => rmSync(dir, { recursive: true }))
const keygen = (...args: string[]) => execFileSync('ssh-keygen', args, { encoding: 'utf8', stdio: 'pipe' })

const seed = new Uint8Array(32).fill(5)
const key = publicKeyOf(seed)
const comment = 'anna@example.org'
const plain = writeKeyFile({ seed, comment })

test('ssh-keygen opens what we lock', async () => {
  const file = join(dir, 'ours')
  writeFileSync(file, await lockKeyFile(plain, 'secret'), { mode: 0o600 })
  expect(readKeyFile(readFileSync(file, 'utf8'))).toEqual({ kind: 'locked', key })
  expect(keygen('-y', '-P', 'secret', '-f', file).trim()).toBe(writePublicLine({ key, comment }))
})

test('we open what ssh-keygen locks, and say when the passphrase is wrong', async () => {
  const file = join(dir, 'theirs')
  writeFileSync(file, plain, { mode: 0o600 })
  keygen('-q', '-p', '-P', '', '-N', 'geheim ä', '-f', file)
  const locked = readFileSync(file, 'utf8')
  expect(await unlockKeyFile(locked, 'geheim ä')).toEqual({ kind: 'key', seed, key, comment })
  expect(await unlockKeyFile(locked, 'guess')).toEqual({ kind: 'bad', why: 'the passphrase is wrong' })
})

test('a file without passphrase opens, a damaged one says why', async () => {
  expect(await unlockKeyFile(plain, '')).toMatchObject({ kind: 'key', seed })
  expect(await unlockKeyFile('nothing', 'x')).toMatchObject({ kind: 'bad' })
})
