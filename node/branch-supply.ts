// Core: gets commits here that no entry names, for trials and plans: by the full pack that an order names, part by part from any
// peer, whoever brought the order first. One at a time. Proving a pack is the repository's; what it is for, others know.
import type { PeerId } from '../gossip/carrier.ts'
import { createFetch, type Fetch, type FetchEffect, type FetchInput } from '../gossip/fetch.ts'
import { unhex } from '../signing/bytes.ts'
import { packSizeMax } from './pack.ts'
import type { Installed } from './ports.ts'

export interface Branch {
  readonly commit: string
  readonly pack: { readonly digest: string; readonly size: number }
  /** Asked first. */
  readonly from?: PeerId | undefined
}

export type BranchEffect =
  | Exclude<FetchEffect, { kind: 'complete' | 'nobody' }>
  /** Prove and index the pack that lies in quarantine. Answered by `branch-installed`. */
  | { readonly kind: 'install-branch'; readonly pack: string; readonly commit: string }

export interface BranchOptions {
  /** Commits whose pack is installed. */
  readonly held: ReadonlySet<string>
  /** Connected peers: any of them may have it, and says when it has not. */
  readonly peers: () => readonly PeerId[]
  readonly random: () => number
  readonly quarantined: (pack: string) => number
}

/** ms until a pack that the disk would not take is tried again. */
const stuckMs = 30_000
const noDigest = new Uint8Array(32)

export class BranchSupply {
  readonly #options: BranchOptions
  readonly #fetch: Fetch
  readonly #held: Set<string>
  /** Why a commit will not be here: its pack is not what it should be. */
  readonly #refused = new Map<string, string>()
  #target: Branch | undefined
  #installing: Branch | undefined
  #stuckUntilMs: number | undefined
  #trouble: string | undefined

  constructor(options: BranchOptions) {
    this.#options = options
    this.#held = new Set(options.held)
    this.#fetch = createFetch({
      holders: options.peers,
      random: options.random,
      unhex: text => unhex(text, 32) ?? noDigest,
    })
  }

  holds(commit: string): boolean {
    return this.#held.has(commit)
  }

  /** Why its pack was refused. */
  refusalOf(commit: string): string | undefined {
    return this.#refused.get(commit)
  }

  /** What this machine's disk said when it would not take a pack. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  progress(): readonly { pack: string; size: number; offset: number }[] {
    return this.#fetch.progress()
  }

  wakeMs(): number | undefined {
    return this.#stuckUntilMs ?? this.#fetch.wakeMs()
  }

  /** Goes after the first of these that is neither here nor refused; what is not among them is given up. */
  seek(wanted: readonly Branch[], nowMs: number): BranchEffect[] {
    const commits = new Set(wanted.map(each => each.commit))
    for (const commit of this.#refused.keys()) if (!commits.has(commit)) this.#refused.delete(commit)
    if (this.#stuckUntilMs !== undefined && nowMs >= this.#stuckUntilMs) this.#stuckUntilMs = undefined
    const next = wanted.find(({ commit }) => !this.#held.has(commit) && !this.#refused.has(commit))
    for (const { pack } of this.#fetch.progress())
      if (pack !== next?.pack.digest && pack !== this.#installing?.pack.digest)
        this.#fetch.handle({ kind: 'drop', pack }, nowMs)
    if (next === undefined || this.#installing !== undefined || this.#stuckUntilMs !== undefined) return []
    const { digest, size } = next.pack
    if (size > packSizeMax) {
      this.#refused.set(next.commit, `PACK_TOO_LARGE: ${size} bytes, at most ${packSizeMax} are taken`)
      return this.seek(wanted, nowMs)
    }
    this.#target = next
    if (this.#fetch.progress().some(each => each.pack === digest)) return []
    const have = this.#options.quarantined(digest)
    const from = next.from === undefined ? {} : { from: next.from }
    return this.handle({ kind: 'want', pack: digest, size, have, ...from }, nowMs)
  }

  /** What peers and time do to a fetch under way. */
  handle(input: FetchInput, nowMs: number): BranchEffect[] {
    return this.#fetch.handle(input, nowMs).flatMap((each): BranchEffect[] => {
      if (each.kind === 'nobody') return []
      if (each.kind !== 'complete') return [each]
      const target = this.#target
      if (target?.pack.digest !== each.pack) return []
      this.#installing = target
      return [{ kind: 'install-branch', pack: each.pack, commit: target.commit }]
    })
  }

  /** The repository's answer. */
  installed(commit: string, pack: string, result: Installed, nowMs: number): BranchEffect[] {
    this.#installing = undefined
    this.#trouble = undefined
    if (result.kind === 'refused' && result.code === 'PACK_DIGEST')
      // Somebody on the way lied, or a disk did: fetched again, from others.
      return this.handle({ kind: 'bad', pack }, nowMs)
    this.#fetch.handle({ kind: 'drop', pack }, nowMs)
    if (result.kind === 'installed') this.#held.add(commit)
    else this.#refused.set(commit, `${result.code}: ${result.detail}`)
    return []
  }

  /** The disk failed. False: it was about a pack of somebody else. */
  stuck(pack: string, why: string, nowMs: number): boolean {
    if (this.#target?.pack.digest !== pack) return false
    this.#fetch.handle({ kind: 'drop', pack }, nowMs)
    this.#installing = undefined
    this.#trouble = why
    this.#stuckUntilMs = nowMs + stuckMs
    return true
  }

  /** The repository was asked to drop all but these, besides the log's releases. */
  pruned(kept: readonly string[]): void {
    for (const commit of this.#held) if (!kept.includes(commit)) this.#held.delete(commit)
  }
}
