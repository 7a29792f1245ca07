// Cosignatures: distinct operators count, and what is not good counts for nothing.
import { expect, test } from 'vitest'
import { hex, utf8 } from '../../signing/bytes.ts'
import { signerKeys } from '../../signing/cosign.ts'
import { readSshsig, signSshsig } from '../../signing/sshsig.ts'
import { anna, bert, cleo, eve, operator } from './fleet.ts'

test('distinct operators who may sign in the namespace count, once each', () => {
  const payload = utf8('an entry')
  const operators = [operator('anna', anna), operator('bert', bert), operator('cleo', cleo, ['fleet'])]
  const cosigs = [
    signSshsig(anna, 'git', payload),
    signSshsig(eve, 'git', payload),
    signSshsig(cleo, 'git', payload),
    signSshsig(bert, 'git', utf8('another')),
    signSshsig(bert, 'fleet', payload),
    utf8('junk'),
    signSshsig(bert, 'git', payload),
  ]
  const first = readSshsig(signSshsig(anna, 'git', payload))!
  expect([...signerKeys(first, cosigs, payload, operators, 'git')]).toEqual([hex(anna.key), hex(bert.key)])
})
