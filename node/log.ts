// Core: the operator log of this host. signing/chain.ts decides what may follow; here lies what the agent needs of it:
// the bytes to pass on, whom the roster names, which release is the newest, what was refused and why.
import type { Directory } from '../gossip/carrier.ts'
import { limits } from '../gossip/limits.ts'
import { equal, hex, unhex } from '../signing/bytes.ts'
import {
  type Chain,
  type Reading as ChainReading,
  createChain,
  type Fork,
  type Point,
  plainReading as plainChainReading,
  type TrustVersion,
} from '../signing/chain.ts'
import { sha256 } from '../signing/crypto.ts'
import {
  decodeEnvelope,
  type EntryId,
  type FleetId,
  type Opened,
  type PackRef,
  type Release,
} from '../signing/entry.ts'
import { blames, isRefusal } from '../signing/errors.ts'
import { timeMs } from '../signing/fields.ts'
import { peerIdOf } from '../signing/keys.ts'
import type { Host } from '../signing/roster.ts'
import type { TrustFiles } from '../signing/trust.ts'

export interface Refusal {
  readonly code: string
  readonly detail: string
}

/** What a release says that the agent acts on. */
export interface ReleaseTerms {
  readonly commit: string
  readonly source: string | undefined
  readonly content: string
  readonly language: number
  /** Id of the trust entry whose roster counts. */
  readonly trust: string
  readonly packs: readonly PackRef[]
  /** Id of the release that was last seen complete: what this one is compared with. */
  readonly stable: string | undefined
  /** Id of the release whose order its hosts go in; undefined: its own. */
  readonly seed: string | undefined
  /** Cumulative host counts, the last one all. */
  readonly stages: readonly number[]
  readonly soakMs: number
  readonly windowMs: number
  readonly deadlineMs: number
  /** Basis points. */
  readonly risk: number
  readonly liars: number
  /** The label whose values' hosts go one after another. */
  readonly serial: string | undefined
  readonly expiresMs: number
}

export interface LogEntry {
  readonly sequence: number
  readonly id: string
  readonly kind: 'trust' | 'release'
  readonly subject: string
  /** Principal; undefined when the key is not known any more. */
  readonly signer: string | undefined
  /** As the signer says. */
  readonly issuedMs: number
  /** As it came, and as it is passed on. */
  readonly envelope: Uint8Array
  readonly tag: Uint8Array
  readonly trust?: TrustFiles
  /** A pack that travelled inside. */
  readonly pack?: Uint8Array
  readonly release?: ReleaseTerms
}

export type ReleaseEntry = LogEntry & { readonly release: ReleaseTerms }

export type Taken =
  | {
      readonly kind: 'accepted'
      readonly entry: LogEntry
      /** To be kept now: never lower than before, unless an entry ended our branch. */
      readonly floor: Point
      readonly dropped: readonly string[]
    }
  /** `beside`: its sequence, if it is of another branch. */
  | { readonly kind: 'known'; readonly beside?: number }
  /** Its parent is not here yet. */
  | { readonly kind: 'ahead'; readonly sequence: number }
  | { readonly kind: 'fork'; readonly entry: LogEntry; readonly frozen: boolean }
  | ({
      readonly kind: 'refused'
      readonly sequence?: number
      readonly id?: string
      /** The bytes alone show the fault: whoever passed them on is to blame. */
      readonly hostile: boolean
    } & Refusal)

/** An entry that was refused, for `fleet log` and the status. */
export interface RefusedEntry extends Refusal {
  readonly sequence: number
  readonly id: string
  readonly subject: string
  readonly kind: string
  readonly issuedMs: number
}

/** Refused entries remembered to be shown; anybody can make more. */
const refusedMax = 32

/** How an entry's bytes are read. */
export interface Reading extends ChainReading {
  readonly decodeEnvelope: typeof decodeEnvelope
}

export const plainReading: Reading = { ...plainChainReading, decodeEnvelope }

/** What is held, in the orders it is asked for in. */
interface Lists {
  /** Ascending. */
  readonly entries: readonly LogEntry[]
  /** Newest first. */
  readonly releases: readonly ReleaseEntry[]
  readonly byId: ReadonlyMap<string, LogEntry>
}

/** A host of the roster, as the network sees it. */
export interface Rostered extends Host {
  readonly peer: string
}

interface Roster {
  readonly hosts: readonly Rostered[]
  readonly byPeer: ReadonlyMap<string, Rostered>
  /** By key in hex. */
  readonly byKey: ReadonlyMap<string, Rostered>
}

/** Of each roster that is in use, once: in the simulator thousands of hosts hold the same. */
const rosters = new WeakMap<readonly Host[], Roster>()

function indexed(roster: readonly Host[]): Roster {
  let found = rosters.get(roster)
  if (found === undefined) {
    const hosts = roster.map(host => ({ ...host, peer: peerIdOf(host.key) as string }))
    found = {
      hosts,
      byPeer: new Map(hosts.map(host => [host.peer, host])),
      byKey: new Map(hosts.map(host => [hex(host.key), host])),
    }
    rosters.set(roster, found)
  }
  return found
}

export class EntryLog {
  /** 32 bytes. */
  readonly fleet: Uint8Array
  readonly #chain: Chain
  readonly #reading: Reading
  readonly #entries = new Map<number, LogEntry>()
  readonly #forks = new Map<string, LogEntry>()
  readonly #refused = new Map<string, RefusedEntry>()
  /** Accepted releases that cannot be taken, by id. Apart from what was refused, which anybody can fill with forgeries. */
  readonly #condemned = new Map<string, Refusal>()
  /** By key (hex): the rosters that were accepted here. */
  readonly #seen: ReadonlyMap<string, unknown>[] = []
  readonly #alsoAdmitted: ReadonlySet<string>
  #roster: Roster = indexed([])
  /** Made again when the entries have changed: asked for at every decision. */
  #lists: Lists | undefined

  /**
   * `floor`: the newest entry ever accepted, else the checkpoint of the join string. `alsoAdmitted`: keys (hex) that count as
   * rostered besides: on a laptop those enrolled in the working copy and not published yet.
   */
  constructor(options: {
    readonly fleet: FleetId
    readonly language: number
    readonly floor?: Point
    readonly alsoAdmitted?: ReadonlySet<string>
    /** Default: `plainReading`. */
    readonly reading?: Reading | undefined
  }) {
    const { fleet, language, floor, reading = plainReading } = options
    this.#reading = reading
    this.fleet = unhex(fleet, 32) ?? new Uint8Array(32)
    this.#chain = createChain({ fleet, language, reading, ...(floor && { floor }) })
    this.#alsoAdmitted = options.alsoAdmitted ?? new Set()
  }

  /** `gap`: the sender says that releases between are left out. `kept`: from this host's own store, checked before. */
  take(bytes: Uint8Array, { gap, kept = false }: { readonly gap: boolean; readonly kept?: boolean }): Taken {
    const envelope = this.#reading.decodeEnvelope(bytes)
    if (isRefusal(envelope))
      return { kind: 'refused', code: envelope.code, detail: envelope.detail, hostile: true }
    const verdict = this.#chain.accept(envelope, { gap, kept })
    switch (verdict.kind) {
      case 'accepted': {
        const entry = this.#entryOf(verdict.opened, bytes)
        this.#drop(verdict.dropped)
        this.#entries.set(entry.sequence, entry)
        this.#lists = undefined
        // A copy with a false signature has the same id, and may have come first.
        this.#refused.delete(entry.id)
        if (entry.kind === 'trust') this.#readRoster()
        this.#forget()
        const floor = this.#chain.floor() ?? { sequence: entry.sequence, id: verdict.opened.id }
        return { kind: 'accepted', entry, floor, dropped: verdict.dropped }
      }
      case 'known':
        return { kind: 'known', ...(verdict.beside !== undefined && { beside: verdict.beside }) }
      case 'missing-parent':
        if (verdict.dropped.length > 0) this.#drop(verdict.dropped)
        return { kind: 'ahead', sequence: verdict.sequence }
      case 'fork': {
        const opened = this.#reading.openEntry(envelope.tag)
        if (isRefusal(opened)) return { kind: 'known' }
        const entry = this.#entryOf(opened, bytes)
        this.#forks.set(entry.id, entry)
        const shown = new Set<string>(this.#chain.forks().map(each => each.theirs))
        for (const id of this.#forks.keys()) if (!shown.has(id)) this.#forks.delete(id)
        return { kind: 'fork', entry, frozen: this.#chain.frozen() }
      }
      case 'refused': {
        const { code, detail } = verdict
        const opened = this.#reading.openEntry(envelope.tag)
        if (isRefusal(opened)) return { kind: 'refused', code, detail, hostile: blames(code) }
        const { sequence, id, kind, subject, issuedMs } = this.#entryOf(opened, bytes)
        this.#remember({ sequence, id, kind, subject, issuedMs, code, detail })
        return { kind: 'refused', code, detail, hostile: blames(code), sequence, id }
      }
    }
  }

  /**
   * Takes entries of other branches again, as this host's own store has them: in any order, in which none may seem to follow ours
   * because what it follows comes later.
   */
  takeBeside(envelopes: readonly Uint8Array[]): void {
    let left = envelopes
    for (let before = left.length + 1; left.length < before; ) {
      before = left.length
      left = left.filter(each => this.take(each, { gap: false, kept: true }).kind === 'ahead')
    }
  }

  /** Notes that an accepted release cannot be taken after all: its pack is not what was signed. */
  refuse(id: string, code: string, detail: string): void {
    const entry = this.byId(id)
    if (entry === undefined) return
    this.#condemned.set(id, { code, detail })
    this.#remember({ ...entry, code, detail })
  }

  refused(): readonly RefusedEntry[] {
    return [...this.#refused.values()]
  }
  get hasRefused(): boolean {
    return this.#refused.size > 0
  }
  /** Why an accepted release cannot be taken. */
  refusalOf(id: string): Refusal | undefined {
    return this.#condemned.get(id)
  }

  head(): Point | undefined {
    return this.#chain.head()
  }
  /** The id of our branch at a place. */
  idAt(sequence: number): string | undefined {
    return this.#chain.idAt(sequence)
  }
  trust(): TrustVersion | undefined {
    return this.#chain.trust()
  }
  trustSequence(): number {
    return this.#chain.trust()?.sequence ?? 0
  }
  forks(): readonly Fork[] {
    return this.#chain.forks()
  }
  fork(id: string): LogEntry | undefined {
    return this.#forks.get(id)
  }

  /** The newest release as it was signed, for the one that follows. */
  terms(): Release | undefined {
    return this.#chain.newestRelease()?.entry
  }

  /** The newest release of our branch. */
  release(): ReleaseEntry | undefined {
    return this.#listed().releases[0]
  }

  /** The newest releases, newest first. */
  releases(count: number): ReleaseEntry[] {
    return this.#listed().releases.slice(0, count)
  }

  /** Ascending. */
  entries(): readonly LogEntry[] {
    return this.#listed().entries
  }

  byId(id: string): LogEntry | undefined {
    return this.#listed().byId.get(id)
  }

  /** Entries above a sequence, ascending, as bytes; `whole` false when some between are not held here. */
  after(sequence: number): { readonly entries: readonly Uint8Array[]; readonly whole: boolean } {
    const later = this.entries().filter(each => each.sequence > sequence)
    const whole = later.length === (this.head()?.sequence ?? 0) - sequence
    return { entries: later.map(each => each.envelope), whole }
  }

  /** Why a release may not start here now, by the log alone. A blank host takes also what has expired; `freshUntilMs`: an order extends it. */
  hold(id: string, blank: boolean, nowMs: number, freshUntilMs = 0): Refusal | undefined {
    const at = { now: nowMs, opened: blank, freshUntil: freshUntilMs }
    return this.#condemned.get(id) ?? this.#chain.hold(id as EntryId, at)
  }

  frozen(): boolean {
    return this.#chain.frozen()
  }

  roster(): readonly Rostered[] {
    return this.#roster.hosts
  }
  /** The roster of the trust version that a release names. */
  rosterOf({ release }: ReleaseEntry): readonly Host[] {
    return this.#chain.trustOf(release.trust as EntryId)?.roster ?? []
  }
  /** The newest one, for the network. */
  directory(): Directory {
    return this.#roster
  }
  /** By key in hex. */
  host(key: string): Rostered | undefined {
    return this.#roster.byKey.get(key)
  }

  /** What the newest roster says of a key (hex). */
  standing(key: string): 'rostered' | 'withdrawn' | 'unknown' | 'no-roster' {
    if (this.#roster.byKey.has(key) || this.#alsoAdmitted.has(key)) return 'rostered'
    if (this.#chain.trust() === undefined) return 'no-roster'
    return this.#seen.some(each => each.has(key)) ? 'withdrawn' : 'unknown'
  }

  digestOf(pack: Uint8Array): string {
    return hex(sha256(pack))
  }

  #drop(ids: readonly EntryId[]): void {
    for (const [sequence, { id }] of this.#entries)
      if (ids.includes(id as EntryId)) this.#entries.delete(sequence)
    this.#lists = undefined
    this.#readRoster()
  }

  #readRoster(): void {
    this.#roster = indexed(this.#chain.trust()?.roster ?? [])
    const { byKey } = this.#roster
    if (this.#seen.at(-1) !== byKey) this.#seen.push(byKey)
  }

  #remember(refused: RefusedEntry): void {
    this.#refused.delete(refused.id)
    this.#refused.set(refused.id, refused)
    const [oldest] = this.#refused.keys()
    if (this.#refused.size > refusedMax && oldest !== undefined) this.#refused.delete(oldest)
  }

  /** Old releases leave memory; ids stay with the chain, trust entries stay all. */
  #forget(): void {
    const releases = this.entries().filter(each => each.kind === 'release')
    for (const { sequence, id } of releases.slice(0, -limits.releasesKept)) {
      this.#entries.delete(sequence)
      this.#condemned.delete(id)
      this.#lists = undefined
    }
  }

  #listed(): Lists {
    if (this.#lists !== undefined) return this.#lists
    const entries = [...this.#entries.values()].sort((a, b) => a.sequence - b.sequence)
    const releases = entries.filter((each): each is ReleaseEntry => each.release !== undefined).reverse()
    this.#lists = { entries, releases, byId: new Map(entries.map(each => [each.id, each])) }
    return this.#lists
  }

  #entryOf({ entry, id, signature }: Opened, envelope: Uint8Array): LogEntry {
    const read = this.#reading.decodeEnvelope(envelope)
    const { tag, trust, pack } = isRefusal(read) ? { tag: envelope } : read
    const version =
      entry.kind === 'trust' && entry.sequence === 1 ? this.#chain.trust() : this.#trustOf(entry)
    const signer = version?.operators.find(each => equal(each.key, signature.key))?.principal
    const seconds = Number(/ ([0-9]+) \+0000$/.exec(entry.tagger)?.[1] ?? 0)
    return {
      sequence: entry.sequence,
      id,
      kind: entry.kind,
      subject: entry.subject,
      signer,
      issuedMs: seconds * 1000,
      envelope,
      tag,
      ...(trust && { trust }),
      ...(pack && { pack }),
      ...(entry.kind === 'release' && {
        release: {
          commit: entry.object,
          source: entry.source,
          content: entry.content,
          language: entry.language,
          trust: entry.trust,
          packs: entry.packs,
          stable: entry.stable,
          seed: entry.seed,
          stages: entry.stages,
          soakMs: entry.soakSeconds * 1000,
          windowMs: entry.windowSeconds * 1000,
          deadlineMs: entry.deadlineSeconds * 1000,
          risk: entry.riskBasisPoints,
          liars: entry.liarsBasisPoints,
          serial: entry.serial,
          expiresMs: timeMs(entry.expires),
        },
      }),
    }
  }

  #trustOf(entry: Opened['entry']): TrustVersion | undefined {
    return 'trust' in entry ? this.#chain.trustOf(entry.trust) : undefined
  }
}
