// SSH's strings and numbers: round trip, and bytes that end too early.
import { expect, test } from 'vitest'
import { concat, uint32, utf8 } from '../../signing/bytes.ts'
import { sshReader, sshString } from '../../signing/ssh.ts'

test('what is written is read, one after the other', () => {
  const reader = sshReader(concat(sshString('git'), uint32(7), sshString(new Uint8Array()), utf8('ab')))
  expect([reader.string(), reader.uint32(), reader.string()]).toEqual([utf8('git'), 7, new Uint8Array()])
  expect([reader.take(1), reader.rest(), reader.take(2)]).toEqual([utf8('a'), utf8('b'), undefined])
})

test('lengths beyond the end are no reason to reserve memory', () => {
  expect(sshReader(uint32(0xffff_ffff)).string()).toBeUndefined()
  expect(sshReader(Uint8Array.of(0, 0, 0)).uint32()).toBeUndefined()
})
