import { expect, test } from 'vitest'
import type { PeerId } from '../../gossip/carrier.ts'
import { encodeMessage } from '../../gossip/message.ts'
import { Admissions } from '../../node/admission.ts'
import { EntryLog } from '../../node/log.ts'
import { encodeEnvelope, type FleetId } from '../../signing/entry.ts'
import { anna, files, genesis, hosts, operator } from '../signing/fleet.ts'

test('a laptop is let in until its delegation ends, and not remembered after that', () => {
  const first = genesis(files([operator('anna', anna)], hosts(1)))
  const log = new EntryLog({ fleet: first.id as string as FleetId, language: 1 })
  log.take(encodeEnvelope(first.envelope), { gap: false })
  const admissions = new Admissions({
    log,
    keyOf: () => 'f'.repeat(64),
    checkDelegation: (_peer, _delegation, nowMs) => (nowMs < 100 ? 100 : undefined),
  })
  const laptop = 'laptop' as unknown as PeerId
  const hello = encodeMessage({
    t: 'hello',
    v: 1,
    fleet: log.fleet,
    agent: 'test',
    delegation: new Uint8Array(1),
    addrs: [],
  })
  expect(admissions.admit(laptop, undefined, 1)).toBe('unknown')
  expect(admissions.admit(laptop, hello, 1)).toBe('member')
  expect(admissions.admit(laptop, undefined, 99)).toBe('member')
  expect(admissions.admit(laptop, undefined, 100)).toBe('unknown')
  expect(admissions.admit(laptop, hello, 100)).toBe('denied')
})
