// What is true in a simulated world, whoever believes it: which entries operators signed, which statuses hosts signed. The
// checkers compare what hosts do with this; no host ever reads it.
import type { Status } from '../signing/status.ts'
import type { Breakage } from './plan.ts'

/** An entry that an operator signed. */
export interface Signed {
  readonly sequence: number
  readonly id: string
  readonly kind: 'trust' | 'release'
  readonly subject: string
  readonly envelope: Uint8Array
  readonly atMs: number
  readonly commit?: string
  readonly content?: string
  /** The content is not that of the commit. */
  readonly untrue?: true
  /** Meant to be started by hosts: not expired from the beginning, with a pack that can be taken. */
  readonly sound: boolean
  /** Basis points of the hosts that it may break, as the operator wished. */
  readonly risk?: number
  /** Its stages were left to fleet. */
  readonly auto?: true
  /** Hosts on which it does not work, by index, and how. */
  readonly breaks?: ReadonlyMap<number, Breakage>
}

export class Ledger {
  readonly #entries = new Map<string, Signed>()
  readonly #commits = new Map<string, Signed>()
  readonly #statuses = new Map<string, Status>()

  sign(entry: Signed): void {
    this.#entries.set(entry.id, entry)
    if (entry.commit !== undefined) this.#commits.set(entry.commit, entry)
  }

  byId(id: string): Signed | undefined {
    return this.#entries.get(id)
  }

  byCommit(commit: string): Signed | undefined {
    return this.#commits.get(commit)
  }

  /** In the order of signing. */
  entries(): readonly Signed[] {
    return [...this.#entries.values()]
  }

  /** Notes a status by its signature in hex. */
  say(signature: string, status: Status): void {
    this.#statuses.set(signature, status)
  }

  said(signature: string): Status | undefined {
    return this.#statuses.get(signature)
  }
}
