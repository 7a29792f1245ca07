// Core: how each host of a release stands by what is known of it, and since when: settled, under way, or not to be waited for.
// What all of them together allow is decided by gate.ts.
import type { Claim } from './evidence.ts'
import type { Turns } from './turns.ts'

/** That hosts became open, as this host saw it. */
export interface Opening {
  /** From 1. */
  readonly stage: number
  /** Hosts of the stage that may start, those that stand in for absent ones not counted. */
  readonly granted: number
  /** Places below this are open. */
  readonly upTo: number
  readonly atMs: number
}

/** What this host knows, with times on its own clock. */
export interface Known {
  readonly turns: Turns
  readonly times: {
    readonly windowMs: number
    readonly soakMs: number
    /** From APPLYING to a verdict, beyond the soak. */
    readonly deadlineMs: number
    readonly heartbeatMs: number
  }
  /** A host's evidence; for one whose evidence is not kept, what the board says. */
  readonly claimOf: (host: string) => Claim | undefined
  /** When a claim of the host's present attempt was first heard, and when its HEALTHY or FAILED was. */
  readonly heardOf: (host: string) => { readonly firstMs: number; readonly verdictMs?: number } | undefined
  /** In the order of time. */
  readonly opened: readonly Opening[]
  /** Hosts whose word does not count: an operator took it out by `promote`, or nobody waits for them. */
  readonly without?: Pick<ReadonlySet<string>, 'has'>
  /** Since when this host has heard enough of the others without a break, in this life: who was silent before that may have spoken. */
  readonly hearingMs?: number
}

export type Standing =
  /** Settled at `ms`. Failed: by its own signed word. Timed out: it began, and no verdict came in time. */
  | { readonly state: 'healthy' | 'failed' | 'timed out'; readonly ms: number }
  /** Since `ms` nobody waits for it: not heard of, nothing to do, or its kind has failed. */
  | { readonly state: 'absent'; readonly ms: number }
  /** Begun; times out at `ms`. */
  | { readonly state: 'running'; readonly ms: number }
  /** Open; absent at `ms`. */
  | { readonly state: 'unheard'; readonly ms: number }
  /** Open, but others go first, the first host of its stratum or the one before it of its serial label; at `ms` these are missed. */
  | { readonly state: 'waiting'; readonly why: 'stratum' | 'serial'; readonly ms: number | undefined }
  | { readonly state: 'shut' }

/** Absent: no status within the window and so many heartbeats of the opening (two may be lost). */
const heartbeatsMissed = 3

/** Answers for one moment; made anew for the next. */
export class Standings {
  readonly #known: Known
  readonly #nowMs: number
  readonly #memo = new Map<number, Standing>()
  readonly #leads = new Map<number, Lead>()
  readonly #completeMs: number | undefined
  /** Places below this are open. */
  readonly open: number

  /** `completeMs`: when the last stage was opened to its end, for those who follow with it. */
  constructor(known: Known, completeMs: number | undefined, nowMs: number) {
    this.#known = known
    this.#nowMs = nowMs
    this.#completeMs = completeMs
    this.open = Math.max(0, ...known.opened.map(each => each.upTo))
  }

  of(place: number): Standing {
    let known = this.#memo.get(place)
    if (known === undefined) this.#memo.set(place, (known = this.#told(place) ?? this.#silent(place)))
    return known
  }

  /** Whether the host says by its signed word that it failed, and no operator took that out. */
  hasFailed(place: number): boolean {
    return this.#told(place)?.state === 'failed'
  }

  /** When the place was opened here; undefined while it is shut. */
  openedMs(place: number): number | undefined {
    const { opened, turns } = this.#known
    return place < turns.counted ? opened.find(each => each.upTo > place)?.atMs : this.#completeMs
  }

  /** Whether the host at a place, itself silent, may begin by the rules of stratum and serial label; the time since when. */
  mayBegin(place: number): { readonly sinceMs: number } | Standing {
    const stratum = this.#stratum(place)
    if ('state' in stratum) return stratum
    let sinceMs = stratum.sinceMs
    for (const before of this.#known.turns.groupOf(place)) {
      if (before >= place) break
      const standing = this.of(before)
      if (standing.state === 'shut') continue
      if (!isSettled(standing)) return { state: 'waiting', why: 'serial', ms: standing.ms }
      sinceMs = Math.max(sinceMs, standing.ms)
    }
    return { sinceMs }
  }

  /** By its own word. */
  #told(place: number): Standing | undefined {
    const { turns, times, claimOf, heardOf, without } = this.#known
    const host = turns.hosts[place]!
    if (without?.has(host)) return { state: 'absent', ms: Number.NEGATIVE_INFINITY }
    const claim = claimOf(host)
    if (claim === undefined) return undefined
    const { firstMs = this.#nowMs, verdictMs } = heardOf(host) ?? {}
    const ms = verdictMs ?? this.#nowMs
    if (claim.state === 'HEALTHY') return { state: 'healthy', ms }
    if (claim.state === 'FAILED') return { state: 'failed', ms }
    if (claim.state === 'NOOP') return { state: 'absent', ms: firstMs }
    const lateMs = firstMs + times.soakMs + times.deadlineMs
    return { state: this.#nowMs >= lateMs ? 'timed out' : 'running', ms: lateMs }
  }

  #silent(place: number): Standing {
    const may = this.mayBegin(place)
    return 'state' in may ? may : this.#silentSince(place, may.sinceMs)
  }

  #silentSince(place: number, sinceMs: number): Standing {
    const { hearingMs = Number.NEGATIVE_INFINITY, times } = this.#known
    const { windowMs, heartbeatMs } = times
    const openedMs = this.openedMs(place)
    if (openedMs === undefined) return { state: 'shut' }
    const ms = Math.max(openedMs, sinceMs, hearingMs) + windowMs + heartbeatsMissed * heartbeatMs
    return { state: this.#nowMs >= ms ? 'absent' : 'unheard', ms }
  }

  /** Apart from its first host, a member of a stratum starts only after some member is healthy. */
  #stratum(place: number): { readonly sinceMs: number } | Standing {
    const members = this.#known.turns.stratumOf(place)
    if (members.length === 1) return { sinceMs: Number.NEGATIVE_INFINITY }
    const lead = this.#leads.get(members[0]!) ?? this.#leadOf(members)
    this.#leads.set(members[0]!, lead)
    if (lead.healthyMs !== undefined) return { sinceMs: lead.healthyMs }
    if (place <= lead.place) return { sinceMs: lead.sinceMs.get(place) ?? Number.NEGATIVE_INFINITY }
    // Its kind failed here: others are not to wait for it, while it waits itself.
    if (lead.failedMs !== undefined) return { state: 'absent', ms: lead.failedMs }
    return { state: 'waiting', why: 'stratum', ms: lead.missedMs }
  }

  /** The first member that is not absent leads, from when the one before it was known to be. */
  #leadOf(members: readonly number[]): Lead {
    const { turns, claimOf } = this.#known
    for (const place of members)
      if (claimOf(turns.hosts[place]!)?.state === 'HEALTHY') {
        const told = this.#told(place)
        if (told?.state === 'healthy') return { place, healthyMs: told.ms, sinceMs: new Map() }
      }
    const since = new Map<number, number>()
    let sinceMs = Number.NEGATIVE_INFINITY
    for (const place of members) {
      since.set(place, sinceMs)
      const standing = this.#told(place) ?? this.#silentSince(place, sinceMs)
      if (standing.state === 'failed' || standing.state === 'timed out')
        return { place, failedMs: standing.ms, sinceMs: since }
      if (standing.state !== 'absent')
        return { place, sinceMs: since, missedMs: 'ms' in standing ? standing.ms : undefined }
      sinceMs = Math.max(sinceMs, standing.ms)
    }
    return { place: members.at(-1)!, sinceMs: since }
  }
}

/** Who goes first in a stratum, and what came of it. */
interface Lead {
  readonly place: number
  readonly healthyMs?: number
  readonly failedMs?: number
  /** When it counts as absent or timed out. */
  readonly missedMs?: number | undefined
  /** From when members up to the leader may begin. */
  readonly sinceMs: ReadonlyMap<number, number>
}

/** Whether nobody waits for it any more. */
export function isSettled(standing: Standing): standing is Standing & { readonly ms: number } {
  return ['healthy', 'failed', 'timed out', 'absent'].includes(standing.state)
}
