// Core: in which order the hosts of a release take their turns: who comes first, who follows last, who waits for whom, and
// which hosts of a stage are its panel. When a stage opens is gate.ts's, how large it is ladder.ts's.
import assert from 'node:assert'
import { hex, unhex } from '../signing/bytes.ts'
import { digest } from '../signing/crypto.ts'
import { panelMax } from './ladder.ts'

/** A host as the rosters, its labels and the two declarations describe it. */
export interface Candidate {
  /** 32 bytes in hex. */
  readonly key: string
  readonly labels: Readonly<Record<string, string>>
  /** Names its change list, the same for the same list; undefined: none, so that it only follows with the last stage. */
  readonly changes: string | undefined
  /** In the roster of the release that the seed is from: who came later could have chosen a key by the seed. */
  readonly origin: boolean
  readonly guest: boolean
}

/** Who goes when. A **place** is a position in `hosts`, from 0. */
export interface Turns {
  /** Keys of all hosts in order: those that count first, then those that follow with the last stage. */
  readonly hosts: readonly string[]
  /** How many count: N, to which stages, panels and the risk refer. */
  readonly counted: number
  /** Undefined for a host that is no candidate. */
  placeOf(host: string): number | undefined
  /** Places with the same change list, in order, the place itself among them; alone where it has none. */
  stratumOf(place: number): readonly number[]
  /** Places with the same value of the serial label, in order; alone without the label. */
  groupOf(place: number): readonly number[]
  /** 0 to below 1, the same on all hosts: the share of the window that passes before the host starts. */
  offsetOf(place: number): number
}

/** Hosts of a stage whose evidence is kept and passed on: the panel, and as many who may stand in for absent members. */
export const reachMax = 2 * panelMax

/**
 * Labelled `rollout=canary` first, `rollout=last` last, between them by SHA-256("fleet/rank/1" ‖ seed ‖ key), which is new for
 * each seed, so that not the same hosts are always first. Does not depend on the order of `candidates`. `seed`: an entry id;
 * `serial`: the name of a label.
 */
export function turnsOf(candidates: readonly Candidate[], seed: string, serial?: string): Turns {
  const salt = unhex(seed, 32)
  assert(salt, 'a seed is an entry id')
  const ranked = candidates.map(each => {
    const key = unhex(each.key, 32)
    assert(key, 'a host key is 32 bytes in hex')
    return { ...each, rank: hex(digest('fleet/rank/1', salt, key)) }
  })
  // A release that concerns only newcomers still goes by evidence, though they came after its seed.
  const known = ranked.some(each => counts(each) && each.origin)
  const isCounted = (each: Candidate) => counts(each) && (each.origin || !known)
  const order = ranked.sort(
    (a, b) =>
      Number(isCounted(b)) - Number(isCounted(a)) ||
      turnOf(a) - turnOf(b) ||
      (a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : 0),
  )
  const places = new Map(order.map(({ key }, place) => [key, place]))
  const strata = shared(order.map(each => each.changes))
  const groups = shared(order.map(({ labels }) => (serial === undefined ? undefined : labels[serial])))
  return {
    hosts: order.map(each => each.key),
    counted: order.filter(isCounted).length,
    placeOf: host => places.get(host),
    stratumOf: place => strata(place),
    groupOf: place => groups(place),
    offsetOf: place => Number.parseInt(order[place]!.rank.slice(-8), 16) / 2 ** 32,
  }
}

/** The stage, from 1, that a place belongs to while nobody is absent; those that do not count are in the last. */
export function stageOf(place: number, stages: readonly number[]): number {
  const at = stages.findIndex(upTo => place < upTo)
  return at < 0 ? stages.length : at + 1
}

/** Whether evidence of the host at a place may come to matter: at most `reachMax` hosts a stage, whoever asks. */
export function isInReach(place: number, stages: readonly number[], counted: number): boolean {
  const before = stages[stageOf(place, stages) - 2] ?? 0
  return place < counted && place - before < reachMax
}

export interface Panel {
  /** Places, in order. */
  readonly members: readonly number[]
  /** Members passed over, the next in order standing in for each. */
  readonly absent: readonly number[]
  /** The place after the last one that was looked at. */
  readonly end: number
}

/**
 * The panel of a stage of `size` hosts that begins at place `from`: its lowest in order, at most 128, absent ones replaced by
 * the next in order, also beyond the stage. Short of members where `until` (exclusive) comes first.
 */
export function panelOf(
  stage: { readonly from: number; readonly size: number; readonly until: number },
  isAbsent: (place: number) => boolean,
): Panel {
  const members: number[] = []
  const absent: number[] = []
  const wanted = Math.min(panelMax, stage.size)
  let end = stage.from
  for (; end < stage.until && members.length < wanted; end++) (isAbsent(end) ? absent : members).push(end)
  return { members, absent, end }
}

function counts({ changes, guest }: Candidate): boolean {
  return changes !== undefined && !guest
}

function turnOf({ labels }: Candidate): number {
  return labels['rollout'] === 'canary' ? 0 : labels['rollout'] === 'last' ? 2 : 1
}

/** For each place, all places with its value; without one it is alone. */
function shared(values: readonly (string | undefined)[]): (place: number) => readonly number[] {
  const places = new Map<string, number[]>()
  for (const [place, value] of values.entries()) {
    if (value === undefined) continue
    const list = places.get(value)
    if (list === undefined) places.set(value, [place])
    else list.push(place)
  }
  return place => {
    const value = values[place]
    return (value === undefined ? undefined : places.get(value)) ?? [place]
  }
}
