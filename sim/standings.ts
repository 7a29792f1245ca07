// DESIGN section 7 said again, as simply and slowly as it reads: what must have been heard before hosts of a release may start. A
// second opinion for checkers, always on the host's side where it could have known less than was heard. Does not use the gate.
import { candidatesOf } from '../node/course.ts'
import type { ReleaseEntry } from '../node/log.ts'
import type { Peer } from '../node/peer.ts'
import type { Opening } from '../node/standing.ts'
import { heartbeatMs } from '../node/status.ts'
import { stageOf, type Turns, turnsOf } from '../node/turns.ts'
import { hex } from '../signing/bytes.ts'
import type { Word, Words } from './heard.ts'

/** Members of a panel; those that may stand in are as many. */
const panel = 128
/** Below so many hosts any failure holds, and no bound is asked. */
const small = 40
/** A risk of 100 %: nobody waits for evidence. */
const all = 10_000
/** Heartbeats after which nobody waits for a silent host. */
const heartbeats = 3

export type Changes = ReadonlyMap<string, string | undefined>

/** Who goes when, by the log of a host: those on the roster of the release, then those that came since. */
export function lineOf({ entries }: Pick<Peer, 'entries'>, release: ReleaseEntry, changes: Changes): Turns {
  const { seed, serial } = release.release
  const first = seed === undefined ? undefined : entries.byId(seed)
  const origin = first?.release && entries.rosterOf({ ...first, release: first.release })
  const named = candidatesOf(entries.rosterOf(release), changes, origin)
  const keys = new Set(named.map(each => each.key))
  const since = entries
    .roster()
    .map(({ key, labels }) => ({ key: hex(key), labels, changes: undefined, origin: false, guest: true }))
    .filter(each => !keys.has(each.key))
  return turnsOf([...named, ...since], seed ?? release.id, serial)
}

/** What a host knew of a release at one moment. */
export interface Knowledge {
  readonly release: ReleaseEntry
  readonly turns: Turns
  readonly words: Words
  /** Openings made before. */
  readonly opened: readonly Opening[]
  readonly orders: ReturnType<Peer['orders']['of']>
  /** Hosts of its roster. */
  readonly enrolled: number
  readonly isEnrolled: (host: string) => boolean
  /** Its key lies on two machines, as far as was seen. */
  readonly isDoubted: (host: string) => boolean
  readonly nowMs: number
}

type Stand = 'healthy' | 'failed' | 'settled' | 'open'

export class Standings {
  readonly #at: Knowledge
  readonly stages: readonly number[]

  constructor(at: Knowledge) {
    this.#at = at
    const { counted } = at.turns
    const { stages } = at.release.release
    this.stages = counted === 0 ? [] : [...stages.filter(each => each < counted), counted]
  }

  /** `settled`: nobody waits for it, by a reason that is no verdict. */
  of(place: number): Stand {
    const { turns, orders, nowMs, release } = this.#at
    const host = turns.hosts[place]!
    if (orders.without.has(host) || this.#at.isDoubted(host)) return 'settled'
    const words = this.#valid(host)
    const top = latest(words.filter(each => each.fresh))
    if (top?.state === 'FAILED') return 'failed'
    if (words.some(each => each.state === 'HEALTHY')) return 'healthy'
    if (words.some(each => each.state === 'FAILED' || each.state === 'NOOP')) return 'settled'
    const { soakMs, deadlineMs } = release.release
    const begunMs = Math.min(...words.map(each => each.atMs))
    if (words.some(each => each.fresh)) return nowMs >= begunMs + soakMs + deadlineMs ? 'settled' : 'open'
    return this.isMissed(place) || this.#kindFailed(place) ? 'settled' : 'open'
  }

  /** Silent for so long that it counts as absent, or gone. */
  isMissed(place: number): boolean {
    const { turns, opened, release, enrolled, isEnrolled, nowMs, orders } = this.#at
    const host = turns.hosts[place]!
    const words = this.#valid(host)
    if (orders.without.has(host) || this.#at.isDoubted(host)) return true
    if (words.some(each => each.state === 'NOOP')) return true
    if (words.some(each => each.fresh)) return false
    if (!isEnrolled(host)) return true
    const openedMs = opened.find(each => each.upTo > place)?.atMs
    return (
      openedMs !== undefined &&
      nowMs >= openedMs + release.release.windowMs + heartbeats * heartbeatMs(enrolled)
    )
  }

  /** Another of its stratum has failed, or has not answered. */
  #kindFailed(place: number): boolean {
    const { turns } = this.#at
    return turns
      .stratumOf(place)
      .some(each => each < place && this.#valid(turns.hosts[each]!).some(word => word.state !== 'HEALTHY'))
  }

  #valid(host: string): readonly Word[] {
    const { words, orders } = this.#at
    return (words.get(host) ?? []).filter(each => each.attempt <= orders.attemptOf(host))
  }

  /** Who was asked of the stages that have begun: the lowest in order, others standing in for those that are missed. */
  #panels(open: number): readonly number[] {
    const { opened, turns } = this.#at
    const members: number[] = []
    let from = 0
    for (const [at, upTo] of this.stages.entries()) {
      const granted = Math.max(0, ...opened.filter(each => each.stage === at + 1).map(each => each.granted))
      if (granted === 0) break
      const wanted = members.length + Math.min(panel, granted)
      let [place, missed] = [from, 0]
      for (; place < Math.min(open, turns.counted) && members.length < wanted; place++)
        if (this.isMissed(place)) missed++
        else members.push(place)
      from = granted <= panel ? from + granted + missed : Math.max(place, Math.min(from + granted, upTo))
    }
    return members
  }

  /** Whether its word may count: that of a member of a panel, or of one that stands in. */
  #isAsked(place: number, most: number): boolean {
    const before = this.stages[stageOf(place, this.stages) - 2] ?? 0
    return place - before < most
  }

  /** Why these hosts were not to be let start; undefined: they were. */
  wrongWith(opening: Opening): string | undefined {
    const { opened, orders, turns, release } = this.#at
    const { stage, granted, upTo } = opening
    const what = `stage ${stage}, ${granted} hosts, up to place ${upTo}`
    if (orders.halts.length > 0) return `${what} opened in spite of a halt`
    if (stage <= orders.promoted || release.release.risk >= all) return undefined
    const open = Math.max(0, ...opened.map(each => each.upTo))
    const before = Math.max(0, ...opened.filter(each => each.stage === stage).map(each => each.granted))
    const places = Array.from({ length: Math.min(open, turns.counted) }, (_, place) => place)
    const asked = this.#panels(open).map(place => this.of(place))
    const healthy = places.filter(
      place => this.#isAsked(place, 2 * panel) && this.of(place) === 'healthy',
    ).length
    const failed = asked.filter(each => each === 'failed').length
    // Places that take those of absent hosts bring what is missing of the evidence: they wait for nobody.
    const isStandIn = granted === before && before > 0
    const waiting = asked.filter(each => each === 'open').length
    if (!isStandIn && waiting > 0)
      return `${what} opened while ${waiting} of ${open} open hosts were not settled`
    if (!isStandIn && open > 0 && healthy === 0) return `${what} opened while no host was healthy`
    const hosts = turns.counted
    if (hosts < small)
      return failed > 0 ? `${what} opened after ${failed} of ${hosts} hosts had failed` : undefined
    if (!isStandIn && 4 * failed > healthy)
      return `${what} opened by ${healthy} healthy and ${failed} failed hosts`
    const known = Math.min(before, panel)
    const step = isStandIn ? upTo - open : granted - known
    if (failed === 0 && (isStandIn ? step === 1 : granted === before + 1)) return undefined
    const { risk, liars } = release.release
    const base = isStandIn ? open : (this.stages[stage - 2] ?? 0) + known
    const damage = failed === 0 ? 0 : (failed / (healthy + failed)) * base
    const trials = Math.max(0, healthy - Math.ceil((liars * (healthy + failed)) / 10_000)) + failed
    const budget = (risk * hosts) / 10_000 - damage
    return step * upperBound(failed, trials) <= budget + 1e-6
      ? undefined
      : `${what} opened by ${healthy} healthy and ${failed} failed hosts: of ${step} more too many could break`
  }

  /** Why the host at an open place was not to begin yet, by its stratum. */
  wrongToBegin(place: number): string | undefined {
    const { turns, release } = this.#at
    if (release.release.risk >= all) return undefined
    const stratum = turns.stratumOf(place)
    if (stratum.some(each => this.#valid(turns.hosts[each]!).some(word => word.state === 'HEALTHY')))
      return undefined
    const first = stratum.find(each => each < place && !this.isMissed(each))
    return first === undefined
      ? undefined
      : `begins at place ${place} before the host at place ${first}, which has the same changes, is healthy`
  }

  /** Whether the signed failures that were heard before `untilMs` are no accident. */
  isHalted(untilMs: number): boolean {
    const { turns } = this.#at
    let [asked, failed] = [0, 0]
    for (const [at, upTo] of this.stages.entries()) {
      const from = this.stages[at - 1] ?? 0
      const to = Math.min(upTo, from + panel)
      asked += to - from
      for (let place = from; place < to; place++) if (this.#hadFailed(turns.hosts[place]!, untilMs)) failed++
      if (failed >= 2 && atLeast(asked, failed, 0.05) <= 0.05 - 1e-9) return true
    }
    return false
  }

  #hadFailed(host: string, untilMs: number): boolean {
    if (this.#at.orders.without.has(host)) return false
    const top = latest(this.#valid(host).filter(each => each.fresh))
    return top?.state === 'FAILED' && top.atMs <= untilMs
  }
}

const order: readonly Word['state'][] = ['NOOP', 'APPLYING', 'APPLIED', 'INCONCLUSIVE', 'HEALTHY', 'FAILED']

/** A higher attempt says more, then a later state. */
export function compareWords(a: Pick<Word, 'attempt' | 'state'>, b: Pick<Word, 'attempt' | 'state'>): number {
  return a.attempt - b.attempt || order.indexOf(a.state) - order.indexOf(b.state)
}

function latest(words: readonly Word[]): Word | undefined {
  return [...words].sort(compareWords).at(-1)
}

/** P(at least k of n), each with probability p. */
function atLeast(n: number, k: number, p: number): number {
  let sum = 0
  for (let each = 0; each < k; each++) sum += exactly(n, each, p)
  return 1 - sum
}

/** The probability p at which k or fewer of n have one of 5 %: bisected. */
function upperBound(k: number, n: number): number {
  if (n === 0 || k >= n) return 1
  let [low, high] = [0, 1]
  for (let step = 0; step < 60; step++) {
    const p = (low + high) / 2
    if (1 - atLeast(n, k + 1, p) > 0.05) low = p
    else high = p
  }
  return low
}

function exactly(n: number, k: number, p: number): number {
  let log = k * Math.log(p) + (n - k) * Math.log1p(-p)
  for (let each = 1; each <= k; each++) log += Math.log(n - k + each) - Math.log(each)
  return Math.exp(log)
}
