import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkKeys } from '../../../../node/host/verbs/keys.ts'

const strings = (...parts: (string | Uint8Array)[]) =>
  Buffer.concat(
    parts.flatMap(part => {
      const bytes = Buffer.from(part)
      const size = Buffer.alloc(4)
      size.writeUInt32BE(bytes.length)
      return [size, bytes]
    }),
  ).toString('base64')
const blob = strings('ssh-ed25519', new Uint8Array(32))
const key = `ssh-ed25519 ${blob}`

test.each([
  '',
  '# a comment\n\n',
  `${key} ann@laptop\n`,
  `no-pty,command="echo \\"a b\\" c",from="10.0.0.0/8" ${key}`,
  `\t${key}\r`,
])('%j is right', text => expect(checkKeys(text)).toEqual([]))

test.each([
  ['-----BEGIN OPENSSH PRIVATE KEY-----', 'private key'],
  ['hello world', '"world"; expected the type'],
  [blob, 'options without a key'],
  [`command="a b ${key}`, 'closing quote'],
  ['ssh-ed25519', 'options without a key'],
  [`ssh-ed25519 ${blob.slice(0, 40)}`, 'cut'],
  [`ssh-rsa ${blob}`, 'another type'],
  ['ssh-ed25519 ???', 'cut'],
  [`ssh-dss ${blob}`, 'the type of a key'],
])('%j is not', (line, message) => {
  const [fault, ...more] = checkKeys(`# first\n${line}\n${key}\n`)
  expect(more).toEqual([])
  expect(fault).toMatchObject({ offset: 8, message: expect.stringContaining(message) })
  expect(fault!.message).toMatch(/^found .*; expected /)
})

test('no text makes it throw', () => {
  const words = fc.constantFrom('ssh-ed25519 ', 'ssh-rsa ', blob, '"', '\\"', ' ', '=', 'x')
  fc.assert(
    fc.property(fc.array(fc.oneof(words, fc.string())), parts => {
      checkKeys(parts.join(''))
    }),
  )
})
