// Delegations: who stands behind a session key, until when, and what is refused.
import { expect, test } from 'vitest'
import { utf8 } from '../../signing/bytes.ts'
import { type Delegation, openDelegation, sealDelegation, writeDelegation } from '../../signing/delegation.ts'
import type { FleetId } from '../../signing/entry.ts'
import { type Time, timeMs } from '../../signing/fields.ts'
import { signSshsig } from '../../signing/sshsig.ts'
import { anna, bert, cleo, content, eve, operator } from './fleet.ts'

const fleet = content('fleet') as string as FleetId
const delegation: Delegation = {
  fleet,
  session: cleo.key,
  issued: '2026-11-20T12:00:00Z' as Time,
  until: '2026-11-21T12:00:00Z' as Time,
}
const operators = [operator('anna', anna), operator('bert', bert, ['git'])]
const now = timeMs(delegation.issued)
const open = (payload: Uint8Array, { signer = anna, at = now, of = fleet } = {}) =>
  openDelegation(sealDelegation(payload, signSshsig(signer, 'fleet', payload)), {
    fleet: of,
    operators,
    now: at,
  })
const payload = writeDelegation(delegation)

test('an operator stands behind a session key', () => {
  expect(open(payload)).toMatchObject({
    kind: 'delegated',
    operator: { principal: 'anna' },
    session: cleo.key,
    untilMs: timeMs(delegation.until),
  })
})

test('REFUSE a delegation that ended, is of another fleet, or signed by nobody who may', () => {
  expect(open(payload, { at: timeMs(delegation.until) })).toMatchObject({ code: 'NOT_ALLOWED' })
  expect(open(payload, { of: content('other') as string as FleetId })).toMatchObject({ code: 'WRONG_FLEET' })
  expect(open(payload, { signer: eve })).toMatchObject({ code: 'SIGNER_UNKNOWN' })
  expect(open(payload, { signer: bert })).toMatchObject({ code: 'SIGNER_UNKNOWN' })
})

test('REFUSE a delegation that is malformed or lasts more than a day', () => {
  const text = new TextDecoder().decode(payload)
  for (const changed of [
    text.replace('2026-11-21T12:00:00Z', '2026-11-21T12:00:01Z'),
    text.replace('2026-11-21', '2026-11-19'),
    text.replace('delegation 1', 'delegation 2'),
    text.replace('ssh-ed25519 ', 'ssh-rsa '),
    `${text}More: lines\n`,
    '',
  ])
    expect(open(utf8(changed))).toMatchObject({ code: 'MALFORMED' })
  const elsewhere = signSshsig(anna, 'git', payload)
  expect(openDelegation(sealDelegation(payload, elsewhere), { fleet, operators, now })).toMatchObject({
    code: 'SIGNATURE_BAD',
  })
  expect(openDelegation(new Uint8Array(5000), { fleet, operators, now })).toMatchObject({ code: 'MALFORMED' })
})
