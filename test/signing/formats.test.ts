// Golden fixtures of the formats that signing owns (docs/formats.md): they must decode for ever, and are still written
// byte for byte. FLEET_WRITE_FIXTURES=1 makes those of a new format; a changed one is a broken promise.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hex, text, utf8 } from '../../signing/bytes.ts'
import { decode, decodeMap, encode } from '../../signing/cbor.ts'
import { createChain } from '../../signing/chain.ts'
import { openDelegation, sealDelegation, writeDelegation } from '../../signing/delegation.ts'
import {
  decodeEnvelope,
  type EntryId,
  type Envelope,
  encodeEnvelope,
  type FleetId,
  openEntry,
} from '../../signing/entry.ts'
import { isRefusal } from '../../signing/errors.ts'
import type { Time } from '../../signing/fields.ts'
import { readFloor, writeFloor } from '../../signing/floor.ts'
import { readJoin, writeJoin } from '../../signing/join.ts'
import {
  peerIdOf,
  peerKey,
  readKeyFile,
  readPublicLine,
  writeKeyFile,
  writePublicLine,
} from '../../signing/keys.ts'
import { parseOperators, writeOperators } from '../../signing/operators.ts'
import {
  type Order,
  type OrderId,
  openOrder,
  orderEnvelopeOf,
  orderMap,
  sealOrder,
  writeOrder,
} from '../../signing/order.ts'
import { parsePolicy, writePolicy } from '../../signing/policy.ts'
import { parseRoster, writeRoster } from '../../signing/roster.ts'
import { armour, readSshsig, signSshsig, splitSigned } from '../../signing/sshsig.ts'
import { readStatus, signStatus, statusItem } from '../../signing/status.ts'
import {
  anna,
  bert,
  cleo,
  content,
  files,
  genesis,
  hosts,
  operator,
  release,
  seedOf,
  trustChange,
} from './fleet.ts'

const folder = new URL('../fixtures/formats/', import.meta.url)
const write = process.env['FLEET_WRITE_FIXTURES'] === '1'

const operators = [operator('anna', anna), operator('bert', bert), operator('clock', cleo, ['fleet-fresh'])]
const roster = hosts(3)
const trust = files(operators, roster, 2)
const first = genesis(trust, [anna, bert])
const fleet = first.id as string as FleetId
const change = trustChange({ fleet: first, previous: first }, files(operators, hosts(2), 2), { removes: 1 }, [
  bert,
  anna,
])
const small = release(
  { fleet: first, previous: change, trust: change },
  { words: 'Two paragraphs\n\nof words.', never: [content('bad')], source: 'd'.repeat(40) },
)
const withPack: Envelope = { ...small.envelope, pack: utf8('PACK stands for a small pack') }

const common = { fleet, entry: small.id, issued: '2026-11-20T21:36:00Z' as Time }
const until = '2026-11-21T12:00:00Z' as Time
const ids = [content('a'), content('b')].sort() as string[]
const orders: readonly Order[] = [
  { ...common, order: 'halt', reason: 'too warm' },
  { ...common, order: 'resume', halts: ids as OrderId[] },
  { ...common, order: 'promote', stage: 2, without: ids },
  { ...common, order: 'fresh', until },
  { ...common, order: 'retry', host: ids[0]!, attempt: 2 },
  {
    ...common,
    order: 'trial',
    commit: 'c'.repeat(40),
    pack: { digest: ids[0]!, size: 7 },
    hosts: ids,
    until,
    mode: 'run',
  },
]
const seal = (order: Order) => {
  const payload = writeOrder(order)
  return sealOrder(payload, signSshsig(anna, 'fleet', payload))
}
const delegation = writeDelegation({ fleet, session: cleo.key, issued: common.issued, until })
/** What travels of it, and what that says. */
function readKeptStatus(bytes: Uint8Array) {
  const said = readStatus(decode(bytes))
  return isRefusal(said) ? said : { status: said.status, body: said.body, signature: said.signature }
}

const status = signStatus(
  {
    fleet: Uint8Array.from(Buffer.from(fleet, 'hex')),
    host: roster[0]!.key,
    n: 7,
    boot: new Uint8Array(16).fill(3),
    at: 1_795_000_000_000,
    up: 3600,
    head: [3, Uint8Array.from(Buffer.from(small.id, 'hex'))],
    trust: 2,
    entry: [3, Uint8Array.from(Buffer.from(small.id, 'hex'))],
    attempt: 1,
    state: 'HEALTHY',
    steps: [12, 10, 2, 0],
    drift: [0, 0, 0],
    flags: ['STALE'],
    agent: '0.1.0',
  },
  seedOf(100),
)

const onTrial = signStatus(
  { ...status.status, n: 8, flags: ['TRIAL'], trial: new Uint8Array(32).fill(9) },
  seedOf(100),
)

interface Format {
  readonly made: Uint8Array
  readonly read: (bytes: Uint8Array) => unknown
}
const formats: Record<string, Format> = {
  'key.private': {
    made: utf8(writeKeyFile({ seed: seedOf(1), comment: 'anna@example.org' })),
    read: bytes => readKeyFile(text(bytes) ?? ''),
  },
  'key.pub': {
    made: utf8(`${writePublicLine({ key: anna.key, comment: 'anna@example.org' })}\n`),
    read: bytes => readPublicLine(text(bytes) ?? ''),
  },
  'peer-id': { made: utf8(peerIdOf(anna.key)), read: bytes => peerKey(text(bytes) ?? '') },
  'sshsig.armour': {
    made: armour(signSshsig(anna, 'git', utf8('message'))),
    read: bytes => readSshsig(splitSigned(bytes)?.blob ?? bytes),
  },
  'trust.operators': { made: writeOperators(operators), read: bytes => parseOperators(bytes) },
  'trust.hosts': { made: writeRoster(roster), read: bytes => parseRoster(bytes) },
  'trust.policy': { made: writePolicy({ threshold: 2 }), read: bytes => parsePolicy(bytes) },
  'entry.genesis.tag': { made: first.envelope.tag, read: openEntry },
  'entry.trust.tag': { made: change.envelope.tag, read: openEntry },
  'entry.release.tag': { made: small.envelope.tag, read: openEntry },
  'entry.genesis.cbor': { made: encodeEnvelope(first.envelope), read: decodeEnvelope },
  'entry.trust.cbor': { made: encodeEnvelope(change.envelope), read: decodeEnvelope },
  'entry.release.cbor': { made: encodeEnvelope(withPack), read: decodeEnvelope },
  ...Object.fromEntries(
    orders.map(order => [`order.${order.order}`, { made: seal(order), read: openOrder }]),
  ),
  'order.cbor': {
    made: encode(
      orderMap({ order: seal(orders[1]!), cosigs: [signSshsig(bert, 'fleet', writeOrder(orders[1]!))] }),
    ),
    read: bytes => orderEnvelopeOf(decodeMap(bytes)),
  },
  delegation: {
    made: sealDelegation(delegation, signSshsig(anna, 'fleet', delegation)),
    read: bytes => openDelegation(bytes, { fleet, operators, now: 0 }),
  },
  'status.cbor': { made: encode(statusItem(status)), read: readKeptStatus },
  'status.trial.cbor': { made: encode(statusItem(onTrial)), read: readKeptStatus },
  join: {
    made: utf8(
      writeJoin({
        fleet,
        checkpoint: { sequence: 3, id: small.id },
        addresses: ['192.0.2.1', '[2001:db8::1]:5000'],
      }),
    ),
    read: bytes => readJoin(text(bytes) ?? ''),
  },
  floor: { made: writeFloor({ sequence: 3, id: small.id as EntryId }), read: readFloor },
}

/** Values as JSON keeps them: bytes as hex. */
const plain = (value: unknown) =>
  JSON.parse(JSON.stringify(value, (_, each) => (each instanceof Uint8Array ? { hex: hex(each) } : each)))

test.each(Object.keys(formats))('%s', name => {
  const { made, read } = formats[name]!
  const [file, meaning] = [name, `${name}.json`].map(each => fileURLToPath(new URL(each, folder))) as [
    string,
    string,
  ]
  if (write) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(file, made)
    writeFileSync(meaning, `${JSON.stringify(plain(read(made)), null, 1)}\n`)
  }
  expect(existsSync(file)).toBe(true)
  const kept = new Uint8Array(readFileSync(file))
  expect(plain(read(kept))).toEqual(JSON.parse(readFileSync(meaning, 'utf8')))
  expect(hex(kept)).toBe(hex(made))
})

test('property: damage never throws', () => {
  const names = fc.constantFrom(...Object.keys(formats))
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(names, damage, fc.nat(), (name, changes, end) => {
      const { made, read } = formats[name]!
      const bytes = made.slice(0, end % 2 === 0 ? made.length : end % made.length)
      for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte
      expect(() => read(bytes)).not.toThrow()
    }),
    { numRuns: 300 },
  )
})

test('the kept entries make a log', () => {
  const chain = createChain({ fleet, language: 1 })
  for (const kind of ['genesis', 'trust', 'release']) {
    const bytes = new Uint8Array(readFileSync(new URL(`entry.${kind}.cbor`, folder)))
    expect(chain.accept(decodeEnvelope(bytes) as Envelope)).toMatchObject({ kind: 'accepted' })
  }
  expect(chain.head()).toEqual({ sequence: 3, id: small.id })
})
