// A small fleet for tests: operators with fixed seeds, files of trust/, entries made as the command line makes them.
import { hex } from '../../signing/bytes.ts'
import { publicKeyOf, sha256 } from '../../signing/crypto.ts'
import {
  type ContentDigest,
  type Entry,
  type EntryId,
  type Envelope,
  entryIdOf,
  type FleetId,
  type Release,
  sealEntry,
  type TrustChange,
  writePayload,
} from '../../signing/entry.ts'
import type { Time } from '../../signing/fields.ts'
import { type Operator, writeOperators } from '../../signing/operators.ts'
import { writePolicy } from '../../signing/policy.ts'
import { type Host, writeRoster } from '../../signing/roster.ts'
import { type Signer, seedSigner, signSshsig } from '../../signing/sshsig.ts'
import { type TrustFiles, trustDigests, trustTree } from '../../signing/trust.ts'

export const seedOf = (number: number) => new Uint8Array(32).fill(number)
export const [anna, bert, cleo, eve] = [1, 2, 3, 66].map(number => seedSigner(seedOf(number))) as [
  Signer,
  Signer,
  Signer,
  Signer,
]

export const operator = (
  principal: string,
  { key }: Signer,
  namespaces: readonly string[] = ['git', 'fleet'],
): Operator => ({ principal, namespaces, key, comment: '' })

export const hosts = (count: number): Host[] =>
  Array.from({ length: count }, (_, at) => ({
    name: `web${at + 1}`,
    key: publicKeyOf(seedOf(100 + at)),
    addresses: [`192.0.2.${at + 1}`],
    labels: { role: 'web' },
  }))

export const files = (
  operators: readonly Operator[],
  roster: readonly Host[],
  threshold = 1,
): TrustFiles => ({
  operators: writeOperators(operators),
  hosts: writeRoster(roster),
  policy: writePolicy({ threshold }),
})

export const content = (name: string) => hex(sha256(new TextEncoder().encode(name))) as ContentDigest
export const tagger = 'Anna <anna@example.org> 1700000000 +0000'
const expires = '2026-12-01T00:00:00Z' as Time

export interface Made {
  readonly envelope: Envelope
  readonly id: EntryId
  readonly sequence: number
}

/** Signs an entry; the first signer makes the tag, the others cosign. */
export function make(entry: Entry, [first, ...others]: readonly Signer[], trust?: TrustFiles): Made {
  const payload = writePayload(entry)
  const tag = sealEntry(payload, signSshsig(first!, 'git', payload))
  const cosigs = others.map(each => signSshsig(each, 'git', payload))
  return {
    envelope: { tag, cosigs, ...(trust ? { trust } : {}) },
    id: entryIdOf(payload),
    sequence: entry.sequence,
  }
}

export const genesis = (trust: TrustFiles, signers: readonly Signer[] = [anna]) =>
  make(
    {
      kind: 'trust',
      sequence: 1,
      object: trustTree(trust),
      tagger,
      subject: 'genesis',
      words: '',
      ...trustDigests(trust),
    },
    signers,
    trust,
  )

export const release = (
  { fleet, previous, trust }: { fleet: Made; previous: Made; trust?: Made },
  more: Partial<Release> = {},
  signers: readonly Signer[] = [anna],
) =>
  make(
    {
      kind: 'release',
      object: 'c'.repeat(40),
      tagger,
      subject: 'a release',
      words: '',
      fleet: fleet.id as string as FleetId,
      sequence: previous.sequence + 1,
      previous: previous.id,
      language: 1,
      content: content('first'),
      trust: (trust ?? fleet).id,
      packs: [{ digest: content('pack'), size: 1000, base: 'none' }],
      stages: [2],
      soakSeconds: 60,
      windowSeconds: 0,
      deadlineSeconds: 1800,
      riskBasisPoints: 500,
      liarsBasisPoints: 100,
      expires,
      ...more,
    },
    signers,
  )

export const trustChange = (
  { fleet, previous, trust }: { fleet: Made; previous: Made; trust?: Made },
  next: TrustFiles,
  more: Partial<TrustChange> = {},
  signers: readonly Signer[] = [anna],
) =>
  make(
    {
      kind: 'trust',
      object: trustTree(next),
      tagger,
      subject: 'a change of trust',
      words: '',
      fleet: fleet.id as string as FleetId,
      sequence: previous.sequence + 1,
      previous: previous.id,
      trust: (trust ?? fleet).id,
      ...trustDigests(next),
      ...more,
    },
    signers,
    next,
  )
