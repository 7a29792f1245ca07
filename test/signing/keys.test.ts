// Keys against OpenSSH and libp2p: both directions, and hostile files.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { publicKeyOf } from '../../signing/crypto.ts'
import {
  fingerprint,
  peerIdOf,
  peerKey,
  readKeyFile,
  readPublicLine,
  writeKeyFile,
  writePublicLine,
} from '../../signing/keys.ts'

const dir = mkdtempSync(join(tmpdir(), 'fleet-keys-'))
afterAll(() => rmSync(dir, { recursive: true }))
const keygen = (...args: string[]) => execFileSync('ssh-keygen', args, { encoding: 'utf8' })

const seed = new Uint8Array(32).fill(7)
const key = publicKeyOf(seed)

test('ssh-keygen reads our key file and sees the same key and fingerprint', () => {
  for (const comment of ['', 'a', 'ab', 'anna@example.org', 'sieben']) {
    const file = join(dir, `ours-${comment.length}`)
    writeFileSync(file, writeKeyFile({ seed, comment }))
    chmodSync(file, 0o600)
    expect(keygen('-y', '-f', file).trim()).toBe(writePublicLine({ key, comment }))
    expect(readKeyFile(writeKeyFile({ seed, comment }))).toEqual({ kind: 'key', seed, key, comment })
  }
  expect(keygen('-l', '-f', join(dir, 'ours-0')).split(' ')[1]).toBe(fingerprint(key))
})

test('we read the key files of ssh-keygen, and tell a locked one', () => {
  const file = join(dir, 'theirs')
  keygen('-q', '-t', 'ed25519', '-N', '', '-C', 'two words', '-f', file)
  const line = readPublicLine(readFileSync(`${file}.pub`, 'utf8'))!
  expect(line.comment).toBe('two words')
  const opened = readKeyFile(readFileSync(file, 'utf8'))
  expect(opened).toMatchObject({ kind: 'key', key: line.key, comment: 'two words' })
  keygen('-q', '-p', '-P', '', '-N', 'secret', '-f', file)
  expect(readKeyFile(readFileSync(file, 'utf8'))).toEqual({ kind: 'locked', key: line.key })
})

test('a file that is not an Ed25519 key is refused with the reason', () => {
  const file = join(dir, 'ecdsa')
  keygen('-q', '-t', 'ecdsa', '-N', '', '-f', file)
  expect(readKeyFile(readFileSync(file, 'utf8'))).toMatchObject({
    why: expect.stringContaining('not an Ed25519 key'),
  })
  expect(readPublicLine(readFileSync(`${file}.pub`, 'utf8'))).toBeUndefined()
  expect(readKeyFile('')).toMatchObject({ kind: 'bad' })
  expect(readKeyFile('x'.repeat(20_000))).toMatchObject({ why: expect.stringContaining('larger than') })
})

test('any damage of a key file is noticed, and nothing throws', () => {
  const file = writeKeyFile({ seed, comment: 'a' })
  fc.assert(
    fc.property(fc.nat(file.length - 1), fc.constantFrom('A', 'b', '+', '\n', '-'), (at, letter) => {
      const changed = file.slice(0, at) + letter + file.slice(at + 1)
      const opened = readKeyFile(changed)
      if (opened.kind === 'key') expect(opened.seed).toEqual(seed)
    }),
  )
})

test('peer ids are those of libp2p', async () => {
  const pair = await generateKeyPairFromSeed('Ed25519', seed)
  expect(peerIdOf(key)).toBe(peerIdFromPrivateKey(pair).toString())
  expect(peerKey(peerIdOf(key))).toEqual(key)
  for (const other of [
    '',
    'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    `${peerIdOf(key).slice(0, -1)}0`,
  ])
    expect(peerKey(other)).toBeUndefined()
})
