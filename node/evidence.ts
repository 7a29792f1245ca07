// Core: what the hosts of one release have said of it, as a set that merges by maximum, so that order, repetition and detours
// cannot matter. Whose word is asked for is turns.ts's, what follows from it gate.ts's.
import { equal, hex } from '../signing/bytes.ts'
import type { State, Status } from '../signing/status.ts'

/** In this order a later word replaces an earlier one of the same attempt. */
export const evidenceStates = [
  'NOOP',
  'APPLYING',
  'APPLIED',
  'INCONCLUSIVE',
  'HEALTHY',
  'FAILED',
] as const satisfies readonly State[]
export type EvidenceState = (typeof evidenceStates)[number]

/** What a host says of one release. */
export interface Claim {
  /** From 1; each further one needs a signed `retry`. */
  readonly attempt: number
  readonly state: EvidenceState
}

/** The claim in a status about an entry (its id, 32 bytes); undefined when it speaks of another, or only waits. */
export function claimOf(status: Status, entry: Uint8Array): { host: string; claim: Claim } | undefined {
  const { state } = status
  if (status.entry === undefined || !equal(status.entry[1], entry)) return undefined
  if (state === undefined || state === 'WAIT') return undefined
  return { host: hex(status.host), claim: { attempt: status.attempt ?? 1, state } }
}

/** Negative, zero or positive: a higher attempt is more, then a later state. */
export function compareClaims(a: Claim, b: Claim): number {
  return a.attempt - b.attempt || evidenceStates.indexOf(a.state) - evidenceStates.indexOf(b.state)
}

/** One release's evidence. `Proof` is what is passed on: the signed status that a claim is from. */
export class Evidence<Proof = undefined> {
  readonly #claims = new Map<string, Claim & { readonly proof: Proof }>()
  readonly #isAsked: (host: string) => boolean
  readonly #isRetried: (host: string, attempt: number) => boolean

  /**
   * `isAsked` bounds the set: the hosts in reach of a panel. `isRetried`: whether a signed `retry` allows the host this
   * attempt, 2 or above. A claim that comes before its retry is refused; the caller offers the board's again once there is one.
   */
  constructor(ports: {
    readonly isAsked: (host: string) => boolean
    readonly isRetried: (host: string, attempt: number) => boolean
  }) {
    this.#isAsked = ports.isAsked
    this.#isRetried = ports.isRetried
  }

  /** Whether the claim says more than what was known. */
  add(host: string, claim: Claim, proof: Proof): boolean {
    const { attempt, state } = claim
    if (!this.#isAsked(host) || (attempt > 1 && !this.#isRetried(host, attempt))) return false
    const known = this.#claims.get(host)
    if (known !== undefined && compareClaims(claim, known) <= 0) return false
    this.#claims.set(host, { attempt, state, proof })
    return true
  }

  merge(other: Iterable<readonly [host: string, claim: Claim & { readonly proof: Proof }]>): boolean {
    let more = false
    for (const [host, claim] of other) more = this.add(host, claim, claim.proof) || more
    return more
  }

  get(host: string): Claim | undefined {
    return this.#claims.get(host)
  }

  get size(): number {
    return this.#claims.size
  }

  /** Sorted by host key, so that equal sets are equal lists. */
  all(): (readonly [host: string, claim: Claim & { readonly proof: Proof }])[] {
    return [...this.#claims].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  }
}
