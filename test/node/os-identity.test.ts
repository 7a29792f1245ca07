import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeHostKey, readHostKey, readJoined, writeJoined } from '../../node/os-identity.ts'
import type { EntryId, FleetId } from '../../signing/entry.ts'
import type { Join } from '../../signing/join.ts'

let state = ''
beforeEach(() => (state = mkdtempSync(join(tmpdir(), 'fleet-identity-'))))
afterEach(() => rmSync(state, { recursive: true, force: true }))

const joined: Join = {
  fleet: 'ab'.repeat(32) as FleetId,
  checkpoint: { sequence: 7, id: 'cd'.repeat(32) as EntryId },
  addresses: ['192.0.2.1'],
}

test('before joining there is neither key nor fleet', async () => {
  expect(readHostKey(state)).toBeUndefined()
  expect(await readJoined(join(state, 'none'))).toBeUndefined()
})

test('a key is for its owner alone, and reads back', () => {
  const made = makeHostKey(state, 'web1')
  expect(readHostKey(state)).toMatchObject(made)
  expect(statSync(join(state, 'key')).mode & 0o777).toBe(0o600)
  expect(readFileSync(join(state, 'key.pub'), 'utf8')).toMatch(/^ssh-ed25519 \S+ web1\n$/)
})

test('the fleet that was joined reads back', async () => {
  await writeJoined(state, joined)
  expect(await readJoined(state)).toEqual(joined)
})

test('damage is an error, never an absence', async () => {
  await writeJoined(state, joined)
  writeFileSync(join(state, 'join'), readFileSync(join(state, 'join'), 'utf8').replace('fleet1.', 'fleet2.'))
  await expect(readJoined(state)).rejects.toMatchObject({ code: 'IDENTITY_DAMAGED' })
  writeFileSync(join(state, 'key'), 'x')
  expect(() => readHostKey(state)).toThrow('cannot be read')
})
