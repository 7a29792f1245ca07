// A host's repository under stock git: what we sign and store, others must be able to read and verify without us.
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeMessage } from '../../gossip/message.ts'
import { encodeEnvelope } from '../../signing/entry.ts'
import { Fleet, git, until } from './fleet.ts'
import { connect } from './stranger.ts'

let fleet: Fleet
const clones = mkdtempSync(join(tmpdir(), 'fleet-clones-'))
beforeAll(async () => {
  fleet = await Fleet.begin(['h1', 'h2', 'h3'])
  await fleet.release('first', { 'files/a': 'a\n' })
  await fleet.release('second', { 'files/b/c': 'c\n', 'files/run': '#!/bin/sh\n' })
  await fleet.converged(4, 'h1', 'h2', 'h3')
})
afterAll(async () => {
  rmSync(clones, { recursive: true })
  await fleet?.close()
})

const repository = (name: string) => join(fleet.host(name).state, 'repo.git')
const armourOf = (tag: string) => tag.slice(tag.indexOf('-----BEGIN SSH SIGNATURE-----'))

test('git clones the repository of a host, finds nothing wrong in it, and verifies every tag', async () => {
  const operators = join(clones, 'operators')
  copyFileSync(join(fleet.stage.operator, 'trust/operators'), operators)
  for (const name of ['h1', 'h2', 'h3']) {
    const clone = join(clones, name)
    git(clones, 'clone', '-q', `file://${repository(name)}`, clone)
    for (const place of [repository(name), clone]) {
      expect(git(place, 'fsck', '--strict')).toBe('')
      const tags = git(place, 'tag', '--list').trim().split('\n')
      expect(tags).toEqual(['fleet/1', 'fleet/2', 'fleet/3', 'fleet/4'])
      const verify = ['-c', 'gpg.format=ssh', '-c', `gpg.ssh.allowedSignersFile=${operators}`, 'verify-tag']
      for (const tag of tags) expect(() => git(place, ...verify, tag)).not.toThrow()
    }
    expect(readFileSync(join(clone, 'files/b/c'), 'utf8')).toBe('c\n')
    expect(existsSync(join(clone, 'trust/hosts'))).toBe(true)
  }
})

test('the id of an entry is the hash of what was signed, and the same on every host', async () => {
  for (const name of ['h1', 'h2', 'h3'])
    for (const { sequence, id } of (await fleet.log(name))!) {
      const tag = git(repository(name), 'cat-file', 'tag', `fleet/${sequence}`)
      const signed = tag.slice(0, tag.indexOf('-----BEGIN SSH SIGNATURE-----'))
      expect(createHash('sha256').update(`fleet/entry/1${signed}`).digest('hex')).toBe(id)
    }
})

test('an entry in another wrapping has the same id, and is refused in that form only', async () => {
  // Only h2 hears of release 5; then only h1, which has not, is up.
  await fleet.stop('h1')
  await fleet.stop('h3')
  await fleet.release('third', { 'files/a': 'b\n' })
  const tag = git(repository('h2'), 'cat-file', 'tag', 'fleet/5')
  await fleet.stop('h2')
  await fleet.start('h1')

  const body = armourOf(tag).split('\n').slice(1, -2).join('')
  const wide = body.match(/.{1,76}/g)!.join('\n')
  const rewrapped = tag.replace(
    armourOf(tag),
    `-----BEGIN SSH SIGNATURE-----\n${wide}\n-----END SSH SIGNATURE-----\n`,
  )
  expect(rewrapped).not.toBe(tag)
  const bytes = (text: string) =>
    encodeMessage({ t: 'entry', entry: encodeEnvelope({ tag: Buffer.from(text), cosigs: [] }) })
  const thief = await connect(fleet.host('h1'), { stolen: fleet.host('h3') })
  try {
    for (const wrong of [rewrapped, `${tag}\n`, `${tag}${armourOf(tag)}`]) await thief.send(bytes(wrong))
    await until('the refusals', () => fleet.lines('h1', 'entry refused').length >= 3 || undefined)
    expect(fleet.lines('h1', 'entry refused').map(each => each['code'])).toEqual(Array(3).fill('MALFORMED'))
    expect((await fleet.status('h1'))!.head!.sequence).toBe(4)
    await thief.send(bytes(tag))
    const head = await until('the entry itself', async () => {
      const status = await fleet.status('h1')
      return status?.head?.sequence === 5 ? status.head : undefined
    })
    const signed = tag.slice(0, tag.indexOf('-----BEGIN SSH SIGNATURE-----'))
    expect(createHash('sha256').update(`fleet/entry/1${signed}`).digest('hex')).toBe(head.id)
  } finally {
    await thief.leave()
  }
})
