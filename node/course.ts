// Core: what a new release is compared with, in which order its hosts go, and in which stages, out of the log, the board and a
// survey. For whoever publishes, before the entry is signed; what hosts make of it is gate.ts's.
import { equal, hex, unhex } from '../signing/bytes.ts'
import type { Host } from '../signing/roster.ts'
import type { Status } from '../signing/status.ts'
import { ladderOf } from './ladder.ts'
import type { ReleaseEntry } from './log.ts'
import type { Course, RolloutTerms } from './release.ts'
import { heartbeatMs } from './status.ts'
import { type Candidate, type Turns, turnsOf } from './turns.ts'

/** How far a release has come, by what the board says; each host of the roster in one of these. */
export interface Progress {
  /** It is in force, and its soak is over; or there was nothing to do. */
  readonly done: number
  readonly failed: number
  /** Neither yet. */
  readonly under: number
  /** Paused, silent, or never heard of: nobody waits for these. */
  readonly absent: number
}

/** As in standing.ts: two heartbeats may be lost. */
const heartbeatsMissed = 3
/** ms at least until a host counts as silent: statuses are dated by clocks that may be wrong by minutes. */
const silentMsMin = 600_000

/**
 * `statusOf` takes a host's key in hex; `nowMs` by clocks of hosts: where in doubt, the earlier. Who would be taken for silent
 * wrongly could make a release complete that is not.
 */
export function progressOf(
  release: ReleaseEntry,
  roster: readonly Host[],
  statusOf: (host: string) => Status | undefined,
  nowMs: number,
): Progress {
  const silentMs = Math.max(silentMsMin, heartbeatsMissed * heartbeatMs(roster.length))
  const progress = { done: 0, failed: 0, under: 0, absent: 0 }
  const id = unhex(release.id, 32) ?? new Uint8Array()
  for (const { key } of roster) {
    const said = statusOf(hex(key))
    const isOfIt = said?.entry !== undefined && equal(said.entry[1], id)
    const isSilent = said === undefined || said.at < nowMs - silentMs
    // What a host has said of the release stays said.
    if (isOfIt && said.state === 'FAILED') progress.failed++
    else if (isOfIt && (said.state === 'HEALTHY' || said.state === 'NOOP')) progress.done++
    else if (isSilent || said.flags?.includes('PAUSED')) progress.absent++
    else progress.under++
  }
  return progress
}

/**
 * Why it is not complete, in words; undefined: it is. Some host has it and is well, none has failed, and all others are absent. At
 * least half must have it: who publishes in a part that is cut off hears few, and would take all others for absent.
 */
export function unfinishedOf({ done, failed, under, absent }: Progress): string | undefined {
  const hosts = done + failed + under + absent
  const parts = [
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(under > 0
      ? [`${under} ${under === 1 ? 'has' : 'have'} still to say how ${under === 1 ? 'it is' : 'they are'}`]
      : []),
  ]
  if (parts.length === 0 && done > 0 && 2 * done >= hosts) return undefined
  if (parts.length === 0)
    parts.push(`${absent} ${absent === 1 ? 'is' : 'are'} silent or paused, and half must have it`)
  return `${done} of ${hosts} ${hosts === 1 ? 'host' : 'hosts'} ${done === 1 || hosts === 1 ? 'has' : 'have'} it, ${parts.join(', ')}`
}

/** What a new release builds on. */
export interface Basis {
  /** The release last seen complete: by the one who publishes now, else by who published the newest one. */
  readonly stable: ReleaseEntry | undefined
  /** The release whose order is gone on with, since the newest is not complete; undefined: the new one has its own. */
  readonly seed: ReleaseEntry | undefined
}

/** `complete`: the newest release was seen so. `byId` knows the releases that are still held. */
export function basisOf(
  newest: ReleaseEntry | undefined,
  complete: boolean,
  byId: (id: string) => ReleaseEntry | undefined,
): Basis {
  if (newest === undefined) return { stable: undefined, seed: undefined }
  if (complete) return { stable: newest, seed: undefined }
  const { stable, seed } = newest.release
  return {
    stable: stable === undefined ? undefined : byId(stable),
    // Of one that is held no more, nobody knows whom its roster had.
    seed: (seed === undefined ? undefined : byId(seed)) ?? newest,
  }
}

/** The hosts of a roster with what changes for them. `origin`: the roster of the seed's release; undefined: the same one. */
export function candidatesOf(
  roster: readonly Host[],
  changes: ReadonlyMap<string, string | undefined>,
  origin?: readonly Host[],
): readonly Candidate[] {
  const known = origin && new Set(origin.map(each => hex(each.key)))
  return roster.map(host => {
    const key = hex(host.key)
    return {
      ...{ key, labels: host.labels, changes: changes.get(key), guest: false },
      origin: known?.has(key) ?? true,
    }
  })
}

export type Charted =
  | {
      readonly kind: 'charted'
      readonly course: Course
      /** N: hosts that the stages count. */
      readonly counted: number
      /** In words, the terms too: `now` has terms of its own. */
      readonly terms: RolloutTerms
      /** The order, once the id of the new entry is known. */
      readonly turns: (id: string) => Turns
    }
  | { readonly kind: 'refused'; readonly reason: string }

/** Any seed: how many hosts count does not depend on it. */
const anySeed = '00'.repeat(32)

/**
 * The stages of a release. `now`: one stage for all at once, whatever the risk. A release that changes nothing for anybody still
 * needs a stage of one, since an entry must have one; all hosts follow with it.
 */
export function chart(
  candidates: readonly Candidate[],
  basis: Basis,
  terms: RolloutTerms,
  { now = false } = {},
): Charted {
  const bold = now ? { ...terms, riskBasisPoints: 10_000, windowSeconds: 0, serial: undefined } : terms
  const turns = (id: string) => turnsOf(candidates, basis.seed?.id ?? id, bold.serial)
  const { counted } = turns(anySeed)
  const ladder = ladderOf(now ? '100%' : (terms.stages ?? 'auto'), Math.max(1, counted), {
    risk: bold.riskBasisPoints,
    liars: bold.liarsBasisPoints,
  })
  if (ladder.kind === 'refused') return ladder
  return {
    kind: 'charted',
    course: { stages: ladder.stages, stable: basis.stable?.id, seed: basis.seed?.id },
    counted,
    terms: bold,
    turns,
  }
}
