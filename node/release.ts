// What an operator signs: makes trust and release entries that follow the newest entry of a log. Pure but for the clock
// handed in; handing over is the laptop's (cli/laptop.ts).

import { hex, utf8 } from '../signing/bytes.ts'
import {
  type ContentDigest,
  type Entry,
  type EntryId,
  encodeEnvelope,
  entryIdOf,
  type FleetId,
  packBytesInlineMax,
  sealEntry,
  writePayload,
} from '../signing/entry.ts'
import { timeOf } from '../signing/fields.ts'
import { type Signer, signSshsig } from '../signing/sshsig.ts'
import { type Trust, type TrustFiles, trustDigests, trustTree } from '../signing/trust.ts'
import { language } from './config.ts'
import { contentDigest } from './content.ts'
import { boundFrom } from './ladder.ts'
import type { EntryLog } from './log.ts'
import type { PackInfo, Refused } from './ports.ts'
import { type MadeRelease, makeRelease, type SourceFile } from './publish.ts'

export interface Author {
  readonly name: string
  readonly email: string
}

/** How a release may go through a fleet. */
export interface RolloutTerms {
  /** Seconds; undefined: 60 below 40 hosts, else 600 (DESIGN section 7). At most 30 days, as the next two. */
  readonly soakSeconds: number | undefined
  /** Seconds over which the hosts of a stage start; undefined: 0. */
  readonly windowSeconds: number | undefined
  /** Seconds from APPLYING to a verdict, beyond the soak. */
  readonly deadlineSeconds: number
  /** Seconds from publishing to the end of a release's validity; one minute to a year. */
  readonly expiresSeconds: number
  /** Part of the fleet that a bad release may reach; 10,000 is all of it. */
  readonly riskBasisPoints: number
  /** Part of the hosts whose evidence may be false. */
  readonly liarsBasisPoints: number
  /** As `ladderOf` takes them; undefined: `auto`. */
  readonly stages?: string | undefined
  /** The label whose values' hosts go one after another. */
  readonly serial?: string | undefined
}

/** What is signed of the stages of one release, once it is known whom it concerns. */
export interface Course {
  /** Cumulative host counts. */
  readonly stages: readonly number[]
  /** Ids of the release that it is compared with, and of the one whose order its hosts go in; undefined: none, its own. */
  readonly stable: string | undefined
  readonly seed: string | undefined
}

export interface MadeEntry {
  readonly envelope: Uint8Array
  readonly id: string
  readonly sequence: number
}

export interface Words {
  readonly subject: string
  readonly words: string
  /** Id of a sibling entry that this one declares dead: ends a fork. */
  readonly drops?: string | undefined
}

/** Who signs, on which log, when. */
export interface Common {
  readonly log: EntryLog
  readonly signer: Signer
  readonly author: Author
  readonly nowMs: number
}

/** Whether the log's newest trust version has other files than these. */
export function trustChanged(log: EntryLog, files: TrustFiles): boolean {
  const trust = log.trust()
  if (trust === undefined) return true
  const [a, b] = [trustDigests(trust.files), trustDigests(files)]
  return a.operators !== b.operators || a.roster !== b.roster || a.policy !== b.policy
}

/** The trust entry that makes `next` the newest version. The log has a head. */
export function makeTrustEntry(
  { log, signer, author, nowMs }: Common,
  next: Trust,
  { subject, words, drops }: Words,
): MadeEntry {
  const old = log.trust()
  const kept = new Set(next.roster.map(host => hex(host.key)))
  const removes = old?.roster.filter(host => !kept.has(hex(host.key))).length ?? 0
  const entry: Entry = {
    kind: 'trust',
    object: trustTree(next.files),
    tagger: taggerOf(author, nowMs),
    subject,
    words,
    ...after(log),
    trust: (old?.id ?? '') as EntryId,
    ...trustDigests(next.files),
    ...(removes > 0 && { removes }),
    ...(drops !== undefined && { drops: drops as EntryId }),
  }
  return seal(entry, writePayload(entry), signer, { trust: next.files })
}

export interface ReleaseWish extends Words {
  readonly files: ReadonlyMap<string, SourceFile>
  /** The operator's commit. */
  readonly source: string | undefined
  /** Content digests put on the never list, and taken off it. */
  readonly never: readonly string[]
  readonly allow: readonly string[]
  readonly terms: RolloutTerms
}

/** The release's commit and full pack, before it is signed. Trust is the log's newest version. */
export function prepareRelease(
  { log, author, nowMs }: Common,
  { files, subject }: ReleaseWish,
): MadeRelease | Refused {
  const trust = log.trust()
  const parent = log.terms()?.object
  const { sequence } = after(log)
  return makeRelease({
    files,
    trust: new Map([
      ['trust/hosts', trust?.files.hosts ?? new Uint8Array()],
      ['trust/operators', trust?.files.operators ?? new Uint8Array()],
      ['trust/policy', trust?.files.policy ?? new Uint8Array()],
    ]),
    ...(parent !== undefined && { parent }),
    author,
    seconds: Math.floor(nowMs / 1000),
    subject: cut(`release ${sequence}: ${subject}`),
  })
}

/** An entry whose bytes, and so its id, are fixed; not signed yet. */
export interface Draft {
  readonly entry: Extract<Entry, { kind: 'release' }>
  readonly payload: Uint8Array
  readonly id: string
  /** A pack to travel inside. */
  readonly pack?: Uint8Array
}

/** A pack for hosts that hold the parent. */
export type Delta = PackInfo & { readonly base: string; readonly bytes: Uint8Array }

/** The entry of a release. `delta`: when there is a parent. Without a `course` it goes to all hosts at once. */
export function draftRelease(
  { log, author, nowMs }: Common,
  wish: ReleaseWish,
  made: MadeRelease,
  delta: Delta | undefined,
  course?: Course,
): Draft {
  const rollout = wish.terms
  const stages = course?.stages ?? [Math.max(1, log.roster().length)]
  const before = log.terms()?.never ?? []
  const never = [...new Set([...before, ...wish.never])].filter(each => !wish.allow.includes(each)).sort()
  const full = { digest: made.digest, size: made.size, base: 'none' }
  const small = delta !== undefined && delta.size < made.size ? delta : undefined
  const entry: Draft['entry'] = {
    kind: 'release',
    object: made.release.commit,
    tagger: taggerOf(author, nowMs),
    subject: wish.subject,
    words: wish.words,
    ...after(log),
    language,
    ...(wish.source !== undefined && { source: wish.source }),
    content: made.release.content as ContentDigest,
    trust: (log.trust()?.id ?? '') as EntryId,
    packs:
      small === undefined ? [full] : [{ digest: small.digest, size: small.size, base: small.base }, full],
    ...(course?.stable !== undefined && { stable: course.stable as EntryId }),
    ...(course?.seed !== undefined && { seed: course.seed as EntryId }),
    ...(never.length > 0 && { never: never as ContentDigest[] }),
    ...(wish.allow.length > 0 && { allow: [...wish.allow].sort() as ContentDigest[] }),
    ...(wish.drops !== undefined && { drops: wish.drops as EntryId }),
    stages,
    soakSeconds: soakSecondsOf(rollout, stages.at(-1) ?? 0),
    windowSeconds: rollout.windowSeconds ?? 0,
    deadlineSeconds: rollout.deadlineSeconds,
    riskBasisPoints: rollout.riskBasisPoints,
    liarsBasisPoints: rollout.liarsBasisPoints,
    ...(rollout.serial !== undefined && { serial: rollout.serial }),
    expires: timeOf(nowMs + rollout.expiresSeconds * 1000),
  }
  const payload = writePayload(entry)
  const pack = [small?.bytes, made.pack].find(
    bytes => bytes !== undefined && bytes.length <= packBytesInlineMax,
  )
  return { entry, payload, id: entryIdOf(payload), ...(pack && { pack }) }
}

/** As the terms say; else by how many hosts it concerns. */
export function soakSecondsOf({ soakSeconds }: RolloutTerms, hosts: number): number {
  return soakSeconds ?? (hosts < boundFrom ? 60 : 600)
}

export function signDraft({ entry, payload, pack }: Draft, signer: Signer): MadeEntry {
  return seal(entry, payload, signer, pack === undefined ? {} : { pack })
}

/** Drafts and signs in one. */
export function makeReleaseEntry(
  common: Common,
  wish: ReleaseWish,
  made: MadeRelease,
  delta: Delta | undefined,
  course?: Course,
): MadeEntry {
  return signDraft(draftRelease(common, wish, made, delta, course), common.signer)
}

/** `NAME <EMAIL> SECONDS +0000`, as an entry has it. */
export function taggerOf({ name, email }: Author, nowMs: number): string {
  return `${name} <${email}> ${Math.floor(nowMs / 1000)} +0000`
}

/** The content digest of files as a release would have it. */
export function contentOf(made: MadeRelease): string {
  return contentDigest(made.release.listing)
}

function after(log: EntryLog): {
  readonly fleet: FleetId
  readonly sequence: number
  readonly previous: EntryId
} {
  const head = log.head()
  return {
    fleet: hex(log.fleet) as FleetId,
    sequence: (head?.sequence ?? 0) + 1,
    previous: (head?.id ?? '') as EntryId,
  }
}

function seal(
  { sequence }: Entry,
  payload: Uint8Array,
  signer: Signer,
  more: { trust?: TrustFiles; pack?: Uint8Array },
): MadeEntry {
  const tag = sealEntry(payload, signSshsig(signer, 'git', payload))
  return {
    envelope: encodeEnvelope({ tag, cosigs: [], ...more }),
    id: entryIdOf(payload),
    sequence,
  }
}

/** The commit's one line has a bound of 200 bytes. */
function cut(subject: string): string {
  let text = subject
  while (utf8(text).length > 200) text = text.slice(0, -1)
  return text
}
