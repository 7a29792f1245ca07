// Stock tools and ours: git verifies the tags that we make, and we take the tags that git makes.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { hex, text } from '../../signing/bytes.ts'
import { createChain } from '../../signing/chain.ts'
import { entryIdOf, type FleetId, openEntry } from '../../signing/entry.ts'
import { writeKeyFile } from '../../signing/keys.ts'
import { splitSigned } from '../../signing/sshsig.ts'
import { trustObjects } from '../../signing/trust.ts'
import { anna, content, files, genesis, hosts, operator, release, seedOf } from './fleet.ts'

const dir = mkdtempSync(join(tmpdir(), 'fleet-git-'))
afterAll(() => rmSync(dir, { recursive: true }))
const env = {
  PATH: process.env['PATH'],
  HOME: dir,
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Anna',
  GIT_AUTHOR_EMAIL: 'anna@example.org',
  GIT_COMMITTER_NAME: 'Anna',
  GIT_COMMITTER_EMAIL: 'anna@example.org',
  GIT_AUTHOR_DATE: '1700000000 +0000',
  GIT_COMMITTER_DATE: '1700000000 +0000',
}
const git = (args: readonly string[], input?: Uint8Array) =>
  execFileSync('git', args, { cwd: dir, env, input, stdio: 'pipe', encoding: 'buffer' })
const line = (args: readonly string[], input?: Uint8Array) => git(args, input).toString().trim()
const write = (type: string, bytes: Uint8Array) => line(['hash-object', '-w', '-t', type, '--stdin'], bytes)

const trust = files([operator('anna', anna)], hosts(3))
const first = genesis(trust)

test('git verify-tag and git fsck --strict accept our entries, and git tag -s makes one that we accept', () => {
  writeFileSync(join(dir, 'operators'), trust.operators)
  writeFileSync(join(dir, 'key'), writeKeyFile({ seed: seedOf(1), comment: 'anna' }), { mode: 0o600 })
  git(['init', '-q', '-b', 'main'])
  git(['config', 'gpg.format', 'ssh'])
  git(['config', 'gpg.ssh.allowedSignersFile', join(dir, 'operators')])
  git(['config', 'user.signingKey', join(dir, 'key')])

  for (const { id, type, content } of trustObjects(trust)) expect(write(type, content)).toBe(id)
  const commit = line(['commit-tree', '-m', 'release 2', trustObjects(trust).at(-1)!.id])
  const second = release(
    { fleet: first, previous: first },
    { object: commit, words: 'In two\n\nparagraphs.' },
  )
  for (const { envelope, sequence } of [first, second])
    git(['update-ref', `refs/tags/fleet/${sequence}`, write('tag', envelope.tag)])
  git(['update-ref', 'refs/heads/main', commit])
  for (const tag of ['fleet/1', 'fleet/2']) expect(() => git(['verify-tag', tag])).not.toThrow()
  expect(line(['fsck', '--strict'])).toBe('')

  const third = release({ fleet: first, previous: second }, { object: commit, content: content('third') })
  const { payload } = splitSigned(third.envelope.tag)!
  const message = text(payload)!.replace(/^[\s\S]*?\n\n/, '')
  git(['tag', '-s', '--cleanup=verbatim', '-F', '-', 'fleet/3', commit], new TextEncoder().encode(message))
  const theirs = new Uint8Array(git(['cat-file', 'tag', 'fleet/3']))
  const opened = openEntry(theirs)
  expect(opened).toMatchObject({ kind: 'entry', entry: { sequence: 3, content: content('third') } })

  const chain = createChain({ fleet: first.id as string as FleetId, language: 1 })
  for (const tag of [first.envelope, second.envelope, { tag: theirs, cosigs: [] }])
    expect(chain.accept(tag)).toMatchObject({ kind: 'accepted' })
  expect(hex(anna.key)).toBe(hex((opened as { signature: { key: Uint8Array } }).signature.key))
  expect(entryIdOf(splitSigned(theirs)!.payload)).toBe(chain.head()?.id)
})
