// SSHSIG against ssh-keygen, both directions, and the one form of the armour.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { concat, text, utf8 } from '../../signing/bytes.ts'
import { writeKeyFile, writePublicLine } from '../../signing/keys.ts'
import {
  armour,
  checkSshsig,
  joinSigned,
  readSshsig,
  seedSigner,
  signSshsig,
  splitSigned,
} from '../../signing/sshsig.ts'

const dir = mkdtempSync(join(tmpdir(), 'fleet-sshsig-'))
afterAll(() => rmSync(dir, { recursive: true }))

const seed = new Uint8Array(32).fill(9)
const anna = seedSigner(seed)
const message = utf8('hello fleet\n')

test('ssh-keygen -Y verify accepts ours', () => {
  writeFileSync(join(dir, 'operators'), `anna ${writePublicLine({ key: anna.key, comment: '' })}\n`)
  writeFileSync(join(dir, 'sig'), armour(signSshsig(anna, 'fleet', message)))
  const args = [
    '-Y',
    'verify',
    '-f',
    join(dir, 'operators'),
    '-I',
    'anna',
    '-n',
    'fleet',
    '-s',
    join(dir, 'sig'),
  ]
  expect(execFileSync('ssh-keygen', args, { input: message, encoding: 'utf8' })).toContain('Good "fleet"')
})

test('we accept ssh-keygen -Y sign', () => {
  const file = join(dir, 'key')
  writeFileSync(file, writeKeyFile({ seed, comment: '' }))
  chmodSync(file, 0o600)
  for (const hash of ['sha512', 'sha256']) {
    const args = ['-Y', 'sign', '-f', file, '-n', 'git', '-O', `hashalg=${hash}`]
    const made = execFileSync('ssh-keygen', args, { input: message, stdio: 'pipe' })
    const signed = splitSigned(concat(message, made))!
    expect(signed.payload).toEqual(message)
    const sig = readSshsig(signed.blob)!
    expect(sig).toMatchObject({ namespace: 'git', hash, key: anna.key })
    expect(checkSshsig(sig, 'git', message)).toBe(true)
    expect(checkSshsig(sig, 'fleet', message)).toBe(false)
    expect(checkSshsig(sig, 'git', utf8('another'))).toBe(false)
  }
})

const blob = signSshsig(anna, 'git', message)
const signed = joinSigned({ payload: message, blob })
const lines = text(armour(blob))!.split('\n')
const body = lines.slice(1, -2).join('')
const wrapped = (columns: number) => body.match(new RegExp(`.{1,${columns}}`, 'g'))!.join('\n')
const [first, last] = [lines[0]!, lines.at(-2)!]

test('what is joined is parted again', () => {
  expect(splitSigned(signed)).toEqual({ payload: message, blob })
  expect(splitSigned(armour(blob))?.payload).toEqual(new Uint8Array())
})

test.each([
  ['re-wrapped at 64 columns', `${first}\n${wrapped(64)}\n${last}\n`],
  ['re-wrapped at 76 columns', `${first}\n${wrapped(76)}\n${last}\n`],
  ['on one line', `${first}\n${body}\n${last}\n`],
  ['with CRLF', lines.join('\r\n')],
  ['without the last newline', text(armour(blob))!.trimEnd()],
  ['with a second newline at the end', `${text(armour(blob))}\n`],
  ['with bytes after it', `${text(armour(blob))}x`],
  ['with a second signature block', text(armour(blob))!.repeat(2)],
  ['with a blank line inside', `${first}\n\n${wrapped(70)}\n${last}\n`],
  ['with a blank after the first line', `${first} \n${wrapped(70)}\n${last}\n`],
  ['with an unpadded last line', `${first}\n${wrapped(70).replace(/=+$/, '')}\n${last}\n`],
  ['without an end', `${first}\n${wrapped(70)}\n`],
])('REFUSE armour %s', (_, tail) => {
  expect(splitSigned(concat(message, utf8(tail)))).toBeUndefined()
})

test('random bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      splitSigned(bytes)
      splitSigned(concat(utf8(`${first}\n`), bytes))
      readSshsig(concat(utf8('SSHSIG'), bytes))
    }),
  )
})

test('a changed blob is another one or none', () => {
  fc.assert(
    fc.property(fc.nat(blob.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = blob.slice()
      changed[at]! ^= flip
      const sig = readSshsig(changed)
      if (sig) expect(checkSshsig(sig, 'git', message)).toBe(false)
    }),
    { numRuns: 60 },
  )
})
