// The operator log as one host holds it: which entry may follow, by whose signature, what is a fork and what ends it.
// Decides on bytes alone, without clock or store; relaying, storing and starting releases is left to the agent.
import { checkThreshold, signerKeys, signerOf } from './cosign.ts'
import {
  type ContentDigest,
  type Entry,
  type EntryId,
  type Envelope,
  type FleetId,
  type Genesis,
  isGenesis,
  type Opened,
  openEntry,
  type Release,
} from './entry.ts'
import { isRefusal, type Refusal, refused } from './errors.ts'
import { timeMs } from './fields.ts'
import { describeFork, type Fork } from './fork.ts'
import { checkNever } from './never.ts'
import { maySign, type Operator } from './operators.ts'
import type { TrustFiles } from './trust.ts'
import { checkNextTrust, type Point, type TrustVersion, trustVersion } from './version.ts'

export type { Fork } from './fork.ts'
export type { Point, TrustVersion } from './version.ts'

export type Verdict =
  | {
      readonly kind: 'accepted'
      readonly opened: Opened
      /** Whether it is the new head, rather than an older entry that was missing. */
      readonly head: boolean
      /** Entries that are no longer of this log, since this one drops their branch. */
      readonly dropped: readonly EntryId[]
    }
  /** `beside`: its sequence, if it is of another branch. */
  | { readonly kind: 'known'; readonly id: EntryId; readonly beside?: number }
  /** It may follow once `wants` is here. Its signature is checked only when the trust version that it names is known. */
  | {
      readonly kind: 'missing-parent'
      readonly id: EntryId
      readonly sequence: number
      readonly wants: EntryId
      /** As above: this one ends their branch, and can be taken when what it follows is here. */
      readonly dropped: readonly EntryId[]
    }
  | { readonly kind: 'fork'; readonly fork: Fork }
  | Refusal

export interface ChainOptions {
  readonly fleet: FleetId
  /** Newest steps language that this agent knows. */
  readonly language: number
  /** Newest entry ever accepted, else the checkpoint of the join string: nothing starts before the log is there again. */
  readonly floor?: Point
  /** Default: `plainReading`. */
  readonly reading?: Reading
}

/** How bytes are read, by themselves: what they say, before it is asked whether that may follow. */
export interface Reading {
  readonly openEntry: typeof openEntry
  /** The trust version that an entry makes, if the files beside it are the ones it names and can be read. */
  readonly trustVersion: (opened: Opened, files: TrustFiles | undefined) => TrustVersion | Refusal
}

export const plainReading: Reading = { openEntry, trustVersion }

export interface Chain {
  /**
   * `gap`: entries between may be missing, since the sender leaves out releases (sync, `whole` false). `kept`: this host
   * took it before, with both verifiers; the platform's alone is enough now (5 ms less each, at every start).
   */
  accept(envelope: Envelope, options?: { readonly gap?: boolean; readonly kept?: boolean }): Verdict
  head(): Point | undefined
  /** What to keep as the floor: the head, or what was the head before entries were lost. */
  floor(): Point | undefined
  /** The trust version in force; undefined before genesis. */
  trust(): TrustVersion | undefined
  /** A trust version by its entry's id. */
  trustOf(id: EntryId): TrustVersion | undefined
  entry(id: EntryId): Opened | undefined
  idAt(sequence: number): EntryId | undefined
  newestRelease(): Opened<Release> | undefined
  forks(): readonly Fork[]
  /** Whether nothing new may start: a fork whose other signer is still an operator. */
  frozen(): boolean
  /**
   * Why a release that was accepted may not start here, or undefined. `opened`: some stage of it was opened in time;
   * `freshUntil`: until when a fresh order extends it; times in milliseconds.
   */
  hold(
    id: EntryId,
    at: { readonly now: number; readonly opened: boolean; readonly freshUntil?: number },
  ): Refusal | undefined
}

/** Releases whose bytes are kept in memory; ids are kept of all. */
const releasesKept = 64
/** Siblings kept; one is enough to freeze, more than a few only burden the memory. */
const forksMax = 16

/** Every entry but the first. */
type Later = Exclude<Entry, Genesis>

interface Held {
  readonly opened: Opened
  readonly signer: Operator
}

export function createChain({ fleet, language, floor, reading = plainReading }: ChainOptions): Chain {
  const ids = new Map<number, EntryId>(floor && [[floor.sequence, floor.id]])
  const held = new Map<EntryId, Held>()
  const versions: TrustVersion[] = [] // ascending
  /** By the id of an entry of another branch. */
  const forks = new Map<EntryId, { readonly fork: Fork; readonly previous: EntryId }>()
  /** Trust versions of other branches, and the id of the one that each follows. */
  const beside = new Map<EntryId, TrustVersion & { readonly after: EntryId }>()
  const dropped = new Set<EntryId>()
  /** Releases accepted long ago, whose bytes are gone: whoever sends them again must cost us nothing. */
  const forgotten = new Set<EntryId>()
  let head: Point | undefined
  let floorHere = floor
  /** Sequence of the newest entry with Drops: the threshold stands behind all that it follows. */
  let settled = 0
  /** The never list in force; undefined when the release that says it was left out. */
  let never: readonly ContentDigest[] | undefined = []

  /** Asked for at every decision about a release, and the same each time. */
  const expiries = new WeakMap<Release, number>()
  const expiresMs = (release: Release): number => {
    let ms = expiries.get(release)
    if (ms === undefined) expiries.set(release, (ms = timeMs(release.expires)))
    return ms
  }

  const newest = () => versions.at(-1)
  const trustBefore = (sequence: number) => versions.findLast(each => each.sequence < sequence)

  function accept(envelope: Envelope, { gap = false, kept = false } = {}): Verdict {
    const opened = reading.openEntry(envelope.tag)
    if (isRefusal(opened)) return opened
    const { id, entry } = opened
    if (held.has(id) || forgotten.has(id)) return { kind: 'known', id }
    if (isGenesis(entry)) return acceptGenesis(opened, envelope, !kept)
    // One that was beside ours ends ours as soon as it is known where they part.
    const isBeside = forks.has(id)
    const known = { kind: 'known', id, beside: entry.sequence } as const
    if (isBeside && endOf(entry) === undefined) return known
    if (entry.fleet !== fleet) return refused('WRONG_FLEET', `found ${entry.fleet}; expected ${fleet}`)
    if (dropped.has(id)) return refused('DROPPED', id)
    const trust = versions.find(each => each.id === entry.trust) ?? beside.get(entry.trust)
    if (!trust) return missingParent(opened, versions.length === 0 ? fleetEntry(fleet) : entry.trust)
    const signer = signerOf(opened.signature, opened.payload, trust.operators, 'git', !kept)
    if (isRefusal(signer)) return signer
    if (dropped.has(entry.previous)) {
      drop(id)
      return refused('DROPPED', id)
    }
    const { signature, payload } = opened
    const keysIn = (operators: readonly Operator[]) =>
      signerKeys(signature, envelope.cosigs, payload, operators, 'git')
    const next =
      entry.kind === 'trust'
        ? checkNextTrust(opened, reading.trustVersion(opened, envelope.trust), trust, keysIn)
        : undefined
    if (next && isRefusal(next)) return next
    const lacking =
      entry.drops === undefined ? undefined : checkThreshold(trust, keysIn(trust.operators), 'git')
    if (lacking) return lacking
    const place = { opened, entry, signer, trust, next, gap, keysIn }
    const lost = endOf(entry) ?? (gap ? endBefore(entry) : undefined)
    if (lost === undefined) return follow(place)
    const verdict = leaveBranch(place, lost)
    return isBeside && verdict.kind === 'refused' ? known : verdict
  }

  interface Place extends Held {
    readonly entry: Later
    /** The version that the entry names. */
    readonly trust: TrustVersion
    /** The version that it makes. */
    readonly next: TrustVersion | undefined
    readonly gap: boolean
    /** Who of these operators stands behind the entry: keys in hex. */
    readonly keysIn: (operators: readonly Operator[]) => ReadonlySet<string>
  }

  function acceptGenesis(opened: Opened, { cosigs, trust: files }: Envelope, both: boolean): Verdict {
    if (opened.id !== (fleet as string))
      return refused('WRONG_FLEET', `found a genesis with the id ${opened.id}; expected ${fleet}`)
    const trust = reading.trustVersion(opened, files)
    if (isRefusal(trust)) return trust
    const signer = signerOf(opened.signature, opened.payload, trust.operators, 'git', both)
    if (isRefusal(signer)) return signer
    const keys = signerKeys(opened.signature, cosigs, opened.payload, trust.operators, 'git')
    return checkThreshold(trust, keys, 'git') ?? take({ opened, signer }, trust)
  }

  /** The place of an entry that is signed as it must be: after the head, missing so far, or beside ours. */
  function follow(place: Place): Verdict {
    const { opened, entry, trust, gap } = place
    const { sequence, previous } = entry
    const id = opened.id
    const branch = forks.get(previous)?.fork
    if (branch) return fork(place, branch)
    if (beside.has(trust.id)) return missingParent(opened, previous)
    if (trust.id !== trustBefore(sequence)?.id)
      return refused(
        'BROKEN_CHAIN',
        `Trust names entry ${trust.sequence}, which is not the newest before ${sequence}`,
      )
    const parent = held.get(previous)?.opened.entry.sequence
    if (parent !== undefined && parent !== sequence - 1)
      return refused('BROKEN_CHAIN', `Previous names entry ${parent}; expected ${sequence - 1}`)
    const ours = ids.get(sequence)
    if (ours !== undefined && ours !== id) {
      // Siblings with two parents parted below; a `Drops` that is ours stands above that.
      const hasParted = (held.get(ours)?.opened.entry.previous ?? previous) !== previous
      return fork(place, forkOf(place, ours), hasParted ? sequence - 1 : sequence)
    }
    if (head && sequence <= head.sequence) {
      if (ours === id || isNamed(id)) return take(place, place.next)
      if (place.next) return takeMissedTrust(place)
      return refused('BELOW_FLOOR', `found ${sequence}; expected above ${head.sequence}`)
    }
    const parentHere = ids.get(sequence - 1)
    // Across a gap nobody sees on which side of a fork it stands, unless it ends the other one.
    const isSure = !frozen() || (entry.drops !== undefined && forks.has(entry.drops))
    const mayJump = gap && isSure && (parentHere === undefined || parentHere === previous)
    const linked = previous === head?.id || mayJump
    if (!linked) return missingParent(opened, previous)
    const unwanted =
      entry.kind === 'release' ? checkNever(entry, previous === head?.id ? never : undefined) : undefined
    return unwanted ?? take(place, place.next)
  }

  function take(
    { opened, signer }: Held,
    next: TrustVersion | undefined,
    gone: readonly EntryId[] = [],
  ): Verdict {
    const { id, entry } = opened
    const { sequence } = entry
    const isHead = head === undefined || sequence > head.sequence
    held.set(id, { opened, signer })
    ids.set(sequence, id)
    if (next) {
      versions.push(next)
      versions.sort((a, b) => a.sequence - b.sequence)
    }
    if (!isGenesis(entry) && entry.drops !== undefined) {
      drop(entry.drops)
      settled = Math.max(settled, sequence)
      for (const [each, { fork }] of forks) if (fork.sequence < settled) drop(each)
    }
    if (isHead) {
      const contiguous = isGenesis(entry) || entry.previous === head?.id
      if (entry.kind === 'release') never = entry.never ?? []
      else if (!contiguous) never = undefined
      head = { sequence, id }
      forgetOld()
    }
    return { kind: 'accepted', opened, head: isHead, dropped: gone }
  }

  /** Remembers an entry of another branch: a sibling of ours, or what follows one. */
  function fork(
    { opened: { id }, entry, trust, next }: Place,
    found: Fork,
    parted = found.sequence,
  ): Verdict {
    if (parted < settled) {
      drop(id)
      return refused('DROPPED', `${id}: entry ${settled} ended this fork`)
    }
    if (forks.size >= forksMax) {
      // A withdrawn operator can make any number: they take no place from, nor wear out, those that count.
      const idle = counts(found) ? [...forks].find(([, each]) => !counts(each.fork))?.[0] : undefined
      if (idle === undefined) return { kind: 'known', id }
      unfork(idle)
    }
    forks.set(id, { fork: found, previous: entry.previous })
    if (next) beside.set(id, { ...next, after: trust.id })
    return { kind: 'fork', fork: found }
  }

  function unfork(id: EntryId): void {
    beside.delete(id)
    forks.delete(id)
  }

  /** It is of no branch that goes on, and nothing that follows it is. */
  function drop(id: EntryId): void {
    dropped.add(id)
    unfork(id)
    for (const [each, { previous }] of forks) if (previous === id) drop(each)
  }

  function forkOf({ opened, signer }: Held, ours: EntryId): Fork {
    return {
      sequence: opened.entry.sequence,
      ours,
      theirs: opened.id,
      signers: { ours: held.get(ours)?.signer.principal ?? '', theirs: signer.principal },
      theirKey: opened.signature.key,
    }
  }

  /** Whether an entry drops what it follows: nobody could take it and what it stands on. */
  function standsOn({ drops, previous }: Later): boolean {
    if (drops === undefined) return false
    const [lost, parent] = [sequenceOf(drops), sequenceOf(previous)]
    return drops === previous || (lost !== undefined && parent !== undefined && parent >= lost)
  }

  /**
   * Where our branch ends by an entry that drops `drops` and follows `previous`: at the entry that it names, or where the branch
   * that it follows leaves ours, since the threshold stands behind all of that branch. Undefined: it ends nothing of ours.
   */
  function endOf({ drops, previous }: Later): number | undefined {
    if (drops === undefined) return undefined
    const ends = [sequenceOf(drops), forks.get(previous)?.fork.sequence].filter(each => each !== undefined)
    return ends.length === 0 ? undefined : Math.min(...ends)
  }

  /**
   * The same across a gap: what comes next drops another side of a fork that we know, and does not follow our head. Where it leaves
   * ours nobody could say; not above that.
   */
  function endBefore({ drops, previous, sequence }: Later): number | undefined {
    if (head === undefined || drops === undefined || !forks.has(drops)) return undefined
    return sequence === head.sequence + 1 && previous !== head.id ? head.sequence : undefined
  }

  /** An entry that declares our own branch dead, with the threshold: the one way to leave it. */
  function leaveBranch(place: Place, lost: number): Verdict {
    const { opened, entry, trust, next } = place
    if (entry.sequence <= lost)
      return refused('BROKEN_CHAIN', `it drops entry ${lost}; expected a sequence above it`)
    const isBeside = beside.has(trust.id)
    if (rootOf(trust.id) !== trustBefore(lost)?.id)
      return refused(
        'BROKEN_CHAIN',
        `it drops entry ${lost}; expected Trust to name the newest version before that, or one of its own branch`,
      )
    const unwanted = entry.kind === 'release' ? checkNever(entry, undefined) : undefined
    if (unwanted) return unwanted
    const lacking = checkRewind(place)
    if (lacking) return lacking
    if (standsOn(entry))
      return refused(
        'BROKEN_CHAIN',
        `it drops ${entry.drops}, on which it stands; expected a sibling of its branch`,
      )
    unfork(opened.id)
    const gone = cut(lost)
    for (const id of gone) drop(id)
    if (!isBeside) return take(place, next, gone)
    // Trust has changed on the branch that stays: it is read from where it left ours, and nothing starts before it is here.
    const here = [...ids].filter(([, id]) => held.has(id) || forgotten.has(id))
    const [sequence, id] = here.reduce((a, b) => (b[0] > a[0] ? b : a))
    head = { sequence, id }
    never = undefined
    floorHere = { sequence: entry.sequence, id: opened.id }
    ids.set(entry.sequence, opened.id)
    return missingParent(opened, entry.previous, gone)
  }

  /** The version of our branch that one follows, through those of its own. */
  function rootOf(id: EntryId): EntryId {
    let root = id
    for (let each = beside.get(id); each !== undefined; each = beside.get(root)) root = each.after
    return root
  }

  /**
   * A trust entry that belongs where we left a gap: all that came after leaned on trust that had ended, perhaps on an
   * operator who was withdrawn by it.
   */
  function takeMissedTrust(place: Place): Verdict {
    return checkRewind(place) ?? take(place, place.next, cut(place.entry.sequence))
  }

  /** Going back takes the threshold of today's operators: withdrawn ones still sign well under their old version. */
  function checkRewind({ keysIn }: Place): Refusal | undefined {
    const today = newest()
    return today && checkThreshold(today, keysIn(today.operators), 'git')
  }

  /** Forgets our branch from a sequence on; not a floor whose entry is not here yet: it may be of the branch that follows. */
  function cut(from: number): readonly EntryId[] {
    const gone = [...ids].filter(([sequence, id]) => sequence >= from && (held.has(id) || forgotten.has(id)))
    for (const [sequence, id] of gone) {
      ids.delete(sequence)
      held.delete(id)
      forgotten.delete(id)
    }
    while ((newest()?.sequence ?? 0) >= from) versions.pop()
    for (const [id, { fork }] of forks) if (fork.sequence >= from) unfork(id)
    head = undefined
    if (gone.some(([, id]) => id === floorHere?.id)) floorHere = undefined
    settled = Math.max(0, ...[...held.values()].map(each => dropsAt(each.opened.entry)))
    return gone.map(([, id]) => id)
  }

  function hold(
    id: EntryId,
    { now, opened, freshUntil }: { now: number; opened: boolean; freshUntil?: number },
  ): Refusal | undefined {
    const entry = held.get(id)?.opened.entry
    if (entry?.kind !== 'release') return refused('BROKEN_CHAIN', `${id} is not a release of this log`)
    const reached = head?.sequence ?? 0
    if (floorHere && reached < floorHere.sequence)
      return refused('BELOW_FLOOR', `found a log up to ${reached}; expected at least ${floorHere.sequence}`)
    if (frozen()) return refused('FROZEN', listForks().map(describeFork).join('; '))
    if (entry.language > language)
      return refused('LANGUAGE_TOO_NEW', `found ${entry.language}; expected at most ${language}`)
    if (never?.includes(entry.content)) return refused('NEVER', `content ${entry.content}`)
    const until = Math.max(expiresMs(entry), freshUntil ?? 0)
    return !opened && now >= until ? refused('EXPIRED', `at ${entry.expires}`) : undefined
  }

  function frozen(): boolean {
    return forks.size > 0 && listForks().some(counts)
  }

  /** Whether the other signer of a fork is still an operator. */
  function counts({ theirKey }: Fork): boolean {
    return maySign(newest()?.operators ?? [], theirKey, 'git') !== undefined
  }

  function listForks(): readonly Fork[] {
    return [...new Set([...forks.values()].map(each => each.fork))]
  }

  function newestRelease(): Opened<Release> | undefined {
    let found: Opened | undefined
    for (const { opened } of held.values())
      if (opened.entry.kind === 'release' && opened.entry.sequence > (found?.entry.sequence ?? 0))
        found = opened
    return found as Opened<Release> | undefined
  }

  /** Whether an entry that we hold names this one: then its hash vouches for it. */
  function isNamed(id: EntryId): boolean {
    for (const { opened } of held.values()) {
      const { entry } = opened
      if (entry.previous === id) return true
      if (entry.kind === 'release' && (entry.stable === id || entry.seed === id)) return true
    }
    return false
  }

  function sequenceOf(id: EntryId): number | undefined {
    for (const [sequence, each] of ids) if (each === id) return sequence
    return undefined
  }

  function forgetOld(): void {
    const releases = [...held.values()]
      .map(each => each.opened)
      .filter(each => each.entry.kind === 'release')
      .sort((a, b) => b.entry.sequence - a.entry.sequence)
    const stable = (releases[0] as Opened<Release> | undefined)?.entry.stable
    for (const { id } of releases.slice(releasesKept)) if (id !== stable && held.delete(id)) forgotten.add(id)
  }

  return {
    accept,
    head: () => head,
    floor: () => (floorHere && floorHere.sequence > (head?.sequence ?? 0) ? floorHere : head),
    trust: newest,
    trustOf: id => versions.find(each => each.id === id),
    entry: id => held.get(id)?.opened,
    idAt: sequence => ids.get(sequence),
    newestRelease,
    forks: listForks,
    frozen,
    hold,
  }
}

/** The genesis entry's id is the fleet's. */
function fleetEntry(fleet: FleetId): EntryId {
  return fleet as string as EntryId
}

/** The sequence of an entry that ends a fork, else 0. */
function dropsAt(entry: Entry): number {
  return !isGenesis(entry) && entry.drops !== undefined ? entry.sequence : 0
}

function missingParent({ id, entry }: Opened, wants: EntryId, gone: readonly EntryId[] = []): Verdict {
  return { kind: 'missing-parent', id, sequence: entry.sequence, wants, dropped: gone }
}
