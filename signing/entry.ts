// Entries of the operator log: annotated git tags with trailers and one SSH signature. Makes and opens the bytes of one
// entry; whether it may follow, and who may sign it, is decided by chain.ts.
import assert from 'node:assert'
import { hex, utf8 } from './bytes.ts'
import { type CborMap, type CborSource, decodeMap, encode, isBytes, isList, isMap } from './cbor.ts'
import { digest } from './crypto.ts'
import { type Refusal, refused } from './errors.ts'
import {
  type Codec,
  gitId,
  hexId,
  isMisfit,
  line,
  list,
  matching,
  number,
  oneOf,
  optional,
  readFields,
  repeated,
  required,
  shown,
  textLines,
  time,
  type Values,
  writeFields,
} from './fields.ts'
import { joinSigned, readSshsig, type Sshsig, splitSigned } from './sshsig.ts'
import type { TrustFiles } from './trust.ts'

/** 64 hex digits: SHA-256 over the domain and the bytes before the armour. */
export type EntryId = string & { readonly brand: 'EntryId' }
/** 64 hex digits: the id of the genesis entry. */
export type FleetId = string & { readonly brand: 'FleetId' }
/** 64 hex digits: docs/formats.md section 5. */
export type ContentDigest = string & { readonly brand: 'ContentDigest' }

/** Bounds of docs/formats.md section 4, in bytes but for the last. */
export const entryBytesMax = 64 * 1024
const taggerBytesMax = 512
const subjectBytesMax = 200
const wordsBytesMax = 16 * 1024
const signatureBytesMax = 4096
export const packBytesInlineMax = 16 * 1024
export const cosigsMax = 16

export interface PackRef {
  /** SHA-256 of the pack file, hex. */
  readonly digest: string
  /** Bytes. */
  readonly size: number
  /** The commit that a host must hold already, 40 hex digits; or `none`. */
  readonly base: string
}

const pack: Codec<PackRef> = {
  read(text) {
    const match = /^([0-9a-f]{64}) ([0-9]+) base=([0-9a-f]{40}|none)$/.exec(text)
    const size = match && number(1).read(match[2]!)
    return match && size ? { digest: match[1]!, size, base: match[3]! } : undefined
  },
  write: ({ digest, size, base }) => `${digest} ${size} base=${base}`,
  expected: 'DIGEST BYTES base=COMMIT or base=none',
}

/** Each base once, `base=none` last and always there. */
const packs = repeated('Pack', 4, pack)
const packsOnce: typeof packs = {
  ...packs,
  read(text) {
    const found = packs.read(text)
    const bases = found?.map(each => each.base) ?? []
    return bases.at(-1) === 'none' && new Set(bases).size === bases.length ? found : undefined
  },
  expected: `${pack.expected}, each base once, base=none last`,
}

const counts = list(number(1, 1_000_000), 64)
const stages: Codec<readonly number[]> = {
  ...counts,
  read(text) {
    const found = counts.read(text)
    return found?.every((count, at) => at === 0 || count > found[at - 1]!) ? found : undefined
  },
  expected: '1 to 64 host counts, strictly increasing',
}

const entryId = hexId<EntryId>()
const contentId = hexId<ContentDigest>()
const seconds = number(0, 2_592_000)
const basisPoints = number(0, 10_000)
const sequence = number(1)

const releaseTable = {
  fleet: required('Fleet', hexId<FleetId>()),
  kind: required('Kind', oneOf('release')),
  sequence: required('Sequence', sequence),
  previous: required('Previous', entryId),
  language: required('Language', number(1)),
  source: optional('Source', gitId),
  content: required('Content', contentId),
  trust: required('Trust', entryId),
  packs: packsOnce,
  stable: optional('Stable', entryId),
  seed: optional('Seed', entryId),
  never: optional('Never', list(contentId, 500, true)),
  allow: optional('Allow', list(contentId, 500, true)),
  drops: optional('Drops', entryId),
  stages: required('Stages', stages),
  soakSeconds: required('Soak', seconds),
  windowSeconds: required('Window', seconds),
  deadlineSeconds: required('Deadline', seconds),
  riskBasisPoints: required('Risk', basisPoints),
  liarsBasisPoints: required('Liars', basisPoints),
  serial: optional('Serial', matching(/^[a-z][a-z0-9_-]{0,62}$/, "a label's name")),
  expires: required('Expires', time),
} as const

const digests = {
  operators: required('Operators', hexId()),
  roster: required('Roster', hexId()),
  policy: required('Policy', hexId()),
} as const

const trustTable = {
  fleet: required('Fleet', hexId<FleetId>()),
  kind: required('Kind', oneOf('trust')),
  sequence: required('Sequence', number(2)),
  previous: required('Previous', entryId),
  trust: required('Trust', entryId),
  ...digests,
  removes: optional('Removes', number(0, 1_000_000)),
  drops: optional('Drops', entryId),
} as const

const genesisTable = {
  kind: required('Kind', oneOf('trust')),
  sequence: required('Sequence', number(1, 1)),
  ...digests,
} as const

/** The part of a tag that people read, and the object that it tags. */
export interface Tag {
  /** Commit of a release, tree of a trust entry: 40 hex digits. */
  readonly object: string
  /** `NAME <EMAIL> SECONDS +0000`: shows who and when, decides nothing. */
  readonly tagger: string
  /** 1 to 200 bytes on one line. */
  readonly subject: string
  /** The operator's words, '' for none; no newline at either end. At most 16 KiB. */
  readonly words: string
}

export type Release = Tag & Values<typeof releaseTable>
export type TrustChange = Tag & Values<typeof trustTable>
export type Genesis = Tag & Values<typeof genesisTable> & { readonly previous?: never }
export type Entry = Release | TrustChange | Genesis

export function isGenesis(entry: Entry): entry is Genesis {
  return entry.sequence === 1 && entry.kind === 'trust'
}

/** An entry as it was opened: what it says, and what it takes to check it. */
export interface Opened<E extends Entry = Entry> {
  readonly kind: 'entry'
  readonly id: EntryId
  readonly entry: E
  /** What is signed: the bytes before the armour. */
  readonly payload: Uint8Array
  readonly signature: Sshsig
}

/** The bytes that an entry's signers sign, in namespace `git`. Asserts that they can be read again. */
export function writePayload(entry: Entry): Uint8Array {
  const { object, tagger, subject, words } = entry
  const type = entry.kind === 'release' ? 'commit' : 'tree'
  const head = `object ${object}\ntype ${type}\ntag fleet/${entry.sequence}\ntagger ${tagger}\n`
  const trailers =
    entry.kind === 'release'
      ? writeFields(releaseTable, entry)
      : isGenesis(entry)
        ? writeFields(genesisTable, entry)
        : writeFields(trustTable, entry)
  const payload = utf8(`${[head, `${subject}\n`, ...(words ? [`${words}\n`] : []), trailers].join('\n')}`)
  const again = readPayload(payload)
  assert(typeof again !== 'string', `an entry that nobody could read: ${String(again)}`)
  return payload
}

/** The tag object's content: payload and armoured signature. */
export function sealEntry(payload: Uint8Array, blob: Uint8Array): Uint8Array {
  return joinSigned({ payload, blob })
}

/** The id of the entry with this payload; the genesis entry's is the fleet's. */
export function entryIdOf(payload: Uint8Array): EntryId {
  return hex(digest('fleet/entry/1', payload)) as EntryId
}

/** Reads a tag object's content. The signature is parsed, not checked. */
export function openEntry(tag: Uint8Array): Opened | Refusal {
  if (tag.length > entryBytesMax)
    return refused('MALFORMED', `entry: found ${tag.length} bytes; expected at most ${entryBytesMax}`)
  const signed = splitSigned(tag)
  if (signed === undefined)
    return refused(
      'MALFORMED',
      'entry: expected one signature in the armour of docs/formats.md, and nothing after it',
    )
  const signature = readSshsig(signed.blob)
  if (signature === undefined || signature.namespace !== 'git')
    return refused('MALFORMED', 'entry: expected an Ed25519 SSHSIG in namespace git')
  const entry = readPayload(signed.payload)
  if (typeof entry === 'string') return refused('MALFORMED', `entry: ${entry}`)
  return { kind: 'entry', id: entryIdOf(signed.payload), entry, payload: signed.payload, signature }
}

const headPattern =
  /^object ([0-9a-f]{40})\ntype (commit|tree)\ntag fleet\/([0-9]+)\ntagger ([^<>\n]+ <[^<>\n ]*> (?:0|[1-9][0-9]{0,11}) \+0000)\n\n([^\n]+)\n\n/

/** Reads the bytes before the armour; a text says what is wrong with them. */
function readPayload(payload: Uint8Array): Entry | string {
  const lines = textLines(payload)
  if ('wrong' in lines) return lines.wrong
  if (lines.some(each => each.startsWith('-----BEGIN'))) return 'found a line that begins with -----BEGIN'
  const whole = `${lines.join('\n')}\n`
  const head = headPattern.exec(whole)
  if (!head) return 'expected the lines object, type, tag, tagger, a blank one, the subject, a blank one'
  const [start, object, type, number, tagger, subject] = head as unknown as string[] & { length: 6 }
  if (Buffer.byteLength(tagger!) > taggerBytesMax)
    return `expected a tagger of at most ${taggerBytesMax} bytes`
  if (!line(subjectBytesMax).read(subject!)) return `expected a subject of at most ${subjectBytesMax} bytes`
  const rest = whole.slice(start!.length)
  const cut = rest.lastIndexOf('\n\n')
  const words = cut < 0 ? '' : rest.slice(0, cut)
  if (cut >= 0 && !/^[^\n](?:[\s\S]*[^\n])?$/.test(words))
    return 'found blank lines around the words; expected one'
  if (Buffer.byteLength(words) > wordsBytesMax) return `expected words of at most ${wordsBytesMax} bytes`
  const trailers = rest.slice(cut < 0 ? 0 : cut + 2, -1).split('\n')
  const table = tableOf(trailers)
  const values = readFields(table, trailers)
  if (isMisfit(values)) return `trailer ${values.line + 1}: ${values.misfit}`
  if (String(values.sequence) !== number)
    return `found tag fleet/${number} beside Sequence: ${values.sequence}`
  if ((type === 'commit') !== (values.kind === 'release'))
    return `found ${shown(`type ${type}`)} in a ${values.kind} entry`
  return { object: object!, tagger: tagger!, subject: subject!, words, ...values } as Entry
}

function tableOf(trailers: readonly string[]): typeof releaseTable | typeof trustTable | typeof genesisTable {
  if (trailers[0] === 'Kind: trust') return genesisTable
  return trailers[1] === 'Kind: trust' ? trustTable : releaseTable
}

/** The form in which an entry is stored and sent. */
export interface Envelope {
  /** The tag object's content. */
  readonly tag: Uint8Array
  /** SSHSIG blobs over the same payload, at most 16. */
  readonly cosigs: readonly Uint8Array[]
  /** Of trust entries. */
  readonly trust?: TrustFiles
  /** A small pack of the release. */
  readonly pack?: Uint8Array
}

/** The envelope as a CBOR map, alone or inside a message. */
export function envelopeMap({ tag, cosigs, trust, pack }: Envelope): CborSource {
  return {
    tag,
    cosigs: cosigs.length > 0 ? cosigs : undefined,
    trust: trust && { hosts: trust.hosts, operators: trust.operators, policy: trust.policy },
    pack,
  }
}

/** The envelope that a decoded CBOR map holds, by shape and bounds; what is in it is opened by `openEntry`. */
export function envelopeOf(map: CborMap | undefined): Envelope | Refusal {
  const { tag, cosigs = [], trust, pack } = map ?? {}
  if (!isBytes(tag) || tag.length > entryBytesMax)
    return refused(
      'MALFORMED',
      'entry envelope: expected a CBOR map with tag, a byte string of at most 64 KiB',
    )
  if (!isList(cosigs) || cosigs.length > cosigsMax || !cosigs.every(isSignatureBlob))
    return refused('MALFORMED', `entry envelope: expected cosigs, at most ${cosigsMax} byte strings`)
  if (pack !== undefined && (!isBytes(pack) || pack.length > packBytesInlineMax))
    return refused('MALFORMED', `entry envelope: expected pack, at most ${packBytesInlineMax} bytes`)
  const rest = pack === undefined ? {} : { pack }
  if (trust === undefined) return { tag, cosigs, ...rest }
  const { hosts, operators, policy } = isMap(trust) ? trust : {}
  if (!isBytes(hosts) || !isBytes(operators) || !isBytes(policy))
    return refused('MALFORMED', 'entry envelope: expected trust, a map of hosts, operators and policy')
  return { tag, cosigs, trust: { hosts, operators, policy }, ...rest }
}

/** An envelope by itself, as it is stored. */
export function encodeEnvelope(envelope: Envelope): Uint8Array {
  return encode(envelopeMap(envelope))
}

export function decodeEnvelope(bytes: Uint8Array): Envelope | Refusal {
  return envelopeOf(decodeMap(bytes))
}

/** Whether a value may be an SSHSIG blob: a byte string of bounded size. */
export function isSignatureBlob(value: unknown): value is Uint8Array {
  return isBytes(value) && value.length <= signatureBytesMax
}
