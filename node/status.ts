// Core: the board, which is the last status of every host of the roster, and what this host says of itself. Decides
// which of two statuses is newer and when to speak; who hears it is gossip/spread.ts's, what it means for a
// release is rollout.ts's.
import { limits } from '../gossip/limits.ts'
import type { StatusPair } from '../gossip/message.ts'
import { compare, hex } from '../signing/bytes.ts'
import { boardRoot, type SignedStatus, type Status } from '../signing/status.ts'

/** One host's line of the board. */
export interface Row {
  readonly status: Status
  readonly pair: StatusPair
  /** When it arrived here, by this host's clock; undefined: it is from this host's own store. */
  readonly heardMs: number | undefined
  /**
   * When it was last news: newer than one that was heard before. The first that is heard of a host may be an old one that a
   * neighbour kept: it shows no life. Undefined: not yet.
   */
  readonly newsMs: number | undefined
  /** Two different bodies under one counter were seen: the key lies on two machines, or lies. */
  readonly twins: boolean
}

export type Taken =
  | { readonly kind: 'new'; readonly host: string; readonly status: Status }
  /** Known already, or older. */
  | { readonly kind: 'old'; readonly host: string }
  /** Another body under a known counter. */
  | { readonly kind: 'twins'; readonly host: string; readonly status: Status }
  /** Not of this roster: kept from memory, no fault of the sender (rosters differ for a while). */
  | { readonly kind: 'stranger' }
  /** Malformed, badly signed, or of another fleet. */
  | { readonly kind: 'bad' }

/** A status that is good, and whose it is: the key in hex. */
export type Said = Pick<SignedStatus, 'status' | 'by'>

export class Board {
  readonly #rows = new Map<string, Row>()
  readonly #open: (pair: StatusPair) => Said | undefined
  readonly #rostered: (host: string) => boolean
  #root: Uint8Array | undefined

  /** `open` checks form, fleet and signature; `rostered` takes a host key in hex. */
  constructor(ports: {
    readonly open: (pair: StatusPair) => Said | undefined
    readonly rostered: (host: string) => boolean
  }) {
    this.#open = ports.open
    this.#rostered = ports.rostered
  }

  /** What a status says, if it is good. */
  read(pair: StatusPair): Said | undefined {
    return this.#open(pair)
  }

  /** `nowMs` undefined: from this host's own store. */
  take(pair: StatusPair, nowMs: number | undefined, said = this.#open(pair)): Taken {
    if (said === undefined) return { kind: 'bad' }
    const { status, by: host } = said
    if (!this.#rostered(host)) return { kind: 'stranger' }
    const row = this.#rows.get(host)
    if (row !== undefined && status.n <= row.status.n) {
      if (status.n < row.status.n || pair[0] === row.pair[0] || compare(pair[0], row.pair[0]) === 0)
        return { kind: 'old', host }
      this.#rows.set(host, { ...row, twins: true })
      return { kind: 'twins', host, status }
    }
    const newsMs = row?.heardMs === undefined ? undefined : nowMs
    this.#rows.set(host, { status, pair, heardMs: nowMs, newsMs, twins: false })
    this.#root = undefined
    return { kind: 'new', host, status }
  }

  /** Drops hosts that left the roster. */
  prune(): void {
    for (const host of this.#rows.keys()) {
      if (this.#rostered(host)) continue
      this.#rows.delete(host)
      this.#root = undefined
    }
  }

  row(host: string): Row | undefined {
    return this.#rows.get(host)
  }

  get size(): number {
    return this.#rows.size
  }

  rows(): readonly Row[] {
    return [...this.#rows.values()]
  }

  root(): Uint8Array {
    this.#root ??= boardRoot(this.rows().map(row => row.status))
    return this.#root
  }

  have(): (readonly [Uint8Array, number])[] {
    return this.rows().map(({ status }) => [status.host, status.n] as const)
  }

  newer(than: readonly (readonly [Uint8Array, number])[]): StatusPair[] {
    const known = new Map(than.map(([host, n]) => [hex(host), n]))
    return [...this.#rows]
      .filter(([host, { status }]) => status.n > (known.get(host) ?? 0))
      .map(([, row]) => row.pair)
  }

  lacks(list: readonly (readonly [Uint8Array, number])[]): boolean {
    return list.some(([key, n]) => {
      const host = hex(key)
      return this.#rostered(host) && n > (this.#rows.get(host)?.status.n ?? 0)
    })
  }
}

/**
 * The host's own counter. It never repeats, also after a crash, since numbers are reserved in blocks on disk before
 * they are used. Hearing a higher one of its own (a restored disk, a cloned machine) it jumps above it; more than
 * three times in one boot means that another machine uses the key.
 */
export class Counter {
  #next: number
  #reserved: number
  #jumps = 0

  /** `reserved`: what the last `reserve` made durable; 0 on a new host. */
  constructor(reserved: number) {
    this.#next = reserved + 1
    this.#reserved = reserved
  }

  /** The number to use, and the bound to make durable before it is used, if it is a new one. */
  take(): { readonly n: number; readonly reserve?: number } {
    const n = this.#next++
    if (n <= this.#reserved) return { n }
    this.#reserved = n + counterBlock
    return { n, reserve: this.#reserved }
  }

  /** `n` was heard under this host's own key. True when it is not ours. */
  heard(n: number): boolean {
    if (n < this.#next) return false
    this.#next = n + 1
    this.#jumps++
    return true
  }

  get cloned(): boolean {
    return this.#jumps > jumpsMax
  }
}

/** Numbers per durable write: at one status a second, a write in a quarter of an hour. */
const counterBlock = 1000
/** DESIGN section 5. */
const jumpsMax = 3

/** ms between heartbeats in a fleet of `hosts`, so that the fleet-wide rate stays bounded. */
export function heartbeatMs(hosts: number): number {
  return Math.max(limits.heartbeatMs, hosts * limits.heartbeatMsPerHost)
}
