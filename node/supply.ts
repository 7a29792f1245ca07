// Core: gets a release's commit here, the newest's or Stable's: from the pack inside its entry, else part by part from peers; by
// the smallest pack whose base is held. Decides what to ask for and what to install; proving a pack is the repository's.
import type { PeerId } from '../gossip/carrier.ts'
import { createFetch, type Fetch, type FetchEffect, type FetchInput } from '../gossip/fetch.ts'
import { limits } from '../gossip/limits.ts'
import { unhex } from '../signing/bytes.ts'
import type { EntryLog, LogEntry, ReleaseEntry } from './log.ts'
import type { Installed } from './ports.ts'

export type SupplyEffect =
  | Exclude<FetchEffect, { kind: 'complete' | 'nobody' }>
  /** Prove and index a pack: inline bytes, or what lies in quarantine. */
  | { readonly kind: 'install'; readonly entry: LogEntry; readonly pack: string; readonly bytes?: Uint8Array }
  /** Releases that may go: all but these commits. */
  | { readonly kind: 'prune'; readonly keep: readonly string[] }

export interface SupplyOptions {
  readonly log: EntryLog
  /** Release commits whose pack is installed. */
  readonly held: ReadonlySet<string>
  /** Connected peers that say they hold the pack of a release. */
  readonly holders: (sequence: number) => readonly PeerId[]
  readonly random: () => number
  /** Bytes of a pack that lie in quarantine from an earlier life. */
  readonly quarantined: (pack: string) => number
  /** Commits besides the log's that are needed here. */
  readonly others?: () => readonly string[]
}

/** Releases whose commit is kept, for going back and for late hosts (DESIGN section 4). */
const releasesHeld = 10
/** ms until a pack that the disk would not take is tried again. */
const stuckMs = 30_000
const noDigest = new Uint8Array(32)

export class Supply {
  readonly #options: SupplyOptions
  readonly #fetch: Fetch
  readonly #held: Set<string>
  /** Entries for which only the full pack will do: the base was not what it should be, or nobody has the smaller one. */
  readonly #fullOnly = new Set<string>()
  readonly #inlineTried = new Set<string>()
  #installing: string | undefined
  /** What was sought last. */
  #sought: ReleaseEntry | undefined
  /** This host's disk would not take a pack: what it said, and when to try again. */
  #stuck: { readonly why: string; readonly retryMs: number } | undefined

  constructor(options: SupplyOptions) {
    this.#options = options
    this.#held = new Set(options.held)
    this.#fetch = createFetch({
      holders: () => options.holders(this.#sought?.sequence ?? 0),
      random: options.random,
      unhex: text => unhex(text, 32) ?? noDigest,
    })
  }

  holds(target: ReleaseEntry): boolean {
    return this.#held.has(target.release.commit)
  }

  /** Sequence of the newest release whose commit is here; 0: none. */
  newestHeld(): number {
    return this.#options.log.releases(limits.releasesKept).find(each => this.holds(each))?.sequence ?? 0
  }

  progress(): readonly { pack: string; size: number; offset: number }[] {
    return this.#fetch.progress()
  }

  wakeMs(): number | undefined {
    return this.#stuck?.retryMs ?? this.#fetch.wakeMs()
  }

  /** Why nothing is being fetched though something should be; in words. */
  get trouble(): string | undefined {
    return this.#stuck?.why
  }

  /** The disk failed while a pack was stored or indexed; tried again after a while, for room may be made. */
  stuck(pack: string, why: string, nowMs: number): void {
    this.#fetch.handle({ kind: 'drop', pack }, nowMs)
    this.#installing = undefined
    this.#inlineTried.clear()
    this.#stuck = { why, retryMs: nowMs + stuckMs }
  }

  /** What peers and time do to a fetch under way. */
  handle(input: FetchInput, nowMs: number): SupplyEffect[] {
    return this.#completed(this.#fetch.handle(input, nowMs))
  }

  /** Begins to get the target, unless it is here or under way. `announcer` brought its entry. */
  seek(target: ReleaseEntry, announcer: PeerId | undefined, nowMs: number): SupplyEffect[] {
    const isHere = this.holds(target)
    this.#sought = target
    // A newer release makes older fetches pointless; what they brought stays in quarantine for a while.
    for (const { pack } of this.#fetch.progress())
      if (isHere || !target.release.packs.some(each => each.digest === pack))
        this.#fetch.handle({ kind: 'drop', pack }, nowMs)
    if (isHere || this.#installing !== undefined) return []
    if (this.#stuck !== undefined && nowMs < this.#stuck.retryMs) return []
    this.#stuck = undefined
    const usable = target.release.packs.filter(
      each => each.base === 'none' || (this.#held.has(each.base) && !this.#fullOnly.has(target.id)),
    )
    if (target.pack !== undefined && !this.#inlineTried.has(target.id)) {
      this.#inlineTried.add(target.id)
      const digest = this.#options.log.digestOf(target.pack)
      if (usable.some(each => each.digest === digest)) {
        this.#installing = target.id
        return [{ kind: 'install', entry: target, pack: digest, bytes: target.pack }]
      }
    }
    const [pack] = usable.sort((a, b) => a.size - b.size)
    const under = this.#fetch.progress()
    if (pack === undefined || under.some(each => each.pack === pack.digest)) return []
    for (const { pack: other } of under) this.#fetch.handle({ kind: 'drop', pack: other }, nowMs)
    const have = this.#options.quarantined(pack.digest)
    const from = announcer === undefined ? {} : { from: announcer }
    return this.handle({ kind: 'want', pack: pack.digest, size: pack.size, have, ...from }, nowMs)
  }

  /**
   * The repository's answer about a pack. A refusal that condemns the release itself is answered in words, to be noted
   * in the log; the others lead to another try.
   */
  installed(
    entry: string,
    pack: string,
    result: Installed,
    inForce: string | undefined,
    /** Ids of other releases that are needed here. */
    needed: readonly string[],
    nowMs: number,
  ): { readonly effects: readonly SupplyEffect[]; readonly condemned: boolean } {
    this.#installing = undefined
    if (result.kind === 'installed') {
      this.#fetch.handle({ kind: 'drop', pack }, nowMs)
      this.#held.add(result.release.commit)
      return { effects: this.tidy(inForce, needed), condemned: false }
    }
    // The bytes differ from what was signed: somebody on the way lied, or a disk did. Fetched again, from others.
    if (result.code === 'PACK_DIGEST')
      return { effects: this.handle({ kind: 'bad', pack }, nowMs), condemned: false }
    this.#fetch.handle({ kind: 'drop', pack }, nowMs)
    if (result.code !== 'PACK_BASE') return { effects: [], condemned: true }
    this.#fullOnly.add(entry)
    return { effects: [], condemned: false }
  }

  /** Lets go of what nothing needs any more. */
  tidy(inForce: string | undefined, needed: readonly string[]): readonly SupplyEffect[] {
    const { log, others } = this.#options
    const newest = log.releases(releasesHeld)
    const more = [...needed, newest[0]?.release.stable].flatMap(id => (id && log.byId(id)?.release) || [])
    const keep = [...newest.map(each => each.release), ...more].map(each => each.commit)
    if (inForce !== undefined) {
      const current = log.byId(inForce)?.release?.commit
      // An entry of a branch that was left, or that was lost: which commit repairs need is not known.
      if (current === undefined) return []
      keep.push(current)
    }
    keep.push(...(others?.() ?? []))
    for (const commit of this.#held) if (!keep.includes(commit)) this.#held.delete(commit)
    return [{ kind: 'prune', keep }]
  }

  #completed(effects: readonly FetchEffect[]): SupplyEffect[] {
    const target = this.#sought
    return effects.flatMap((each): SupplyEffect[] => {
      if (each.kind === 'nobody') {
        // Who came to the release another way has only the full pack, which any host can make.
        const isDelta = target?.release.packs.some(
          ({ digest, base }) => digest === each.pack && base !== 'none',
        )
        if (isDelta && target !== undefined) this.#fullOnly.add(target.id)
        return []
      }
      if (each.kind !== 'complete') return [each]
      if (target === undefined) return []
      this.#installing = target.id
      return [{ kind: 'install', entry: target, pack: each.pack }]
    })
  }
}
