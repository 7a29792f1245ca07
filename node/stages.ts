// Core: what this host knows of the newest release's way through the fleet, and what follows for itself: who goes when, what has
// been said and heard, which stages it has opened. How these are weighed is gate.ts's; how they reach this host is the agent's.
import type { StatusPair } from '../gossip/message.ts'
import { hex, unhex } from '../signing/bytes.ts'
import type { Status } from '../signing/status.ts'
import { candidatesOf } from './course.ts'
import { claimOf, Evidence, type EvidenceState } from './evidence.ts'
import {
  completeMs,
  type GateDecision,
  type GateInput,
  gate,
  hearingNeeded,
  stagesOf,
  wholeRisk,
} from './gate.ts'
import type { EntryLog, ReleaseEntry } from './log.ts'
import { openedByDeeds, type Progress, progressOf } from './progress.ts'
import { readStages, writeStages } from './stages-record.ts'
import type { Opening } from './standing.ts'
import { type Board, heartbeatMs } from './status.ts'
import { type Candidate, isInReach, type Turns, turnsOf } from './turns.ts'

/** What orders say of a release. */
export interface StageOrders {
  readonly promoted: number
  /** Keys in hex of hosts whose word does not count. */
  readonly without: ReadonlySet<string>
  /** The highest attempt that a host may make. */
  attemptOf(host: string): number
}

/** Which hosts a release changes, by key in hex, and by what list. */
export type Changes = ReadonlyMap<string, string | undefined>

/** Makes turns, or knows those that were made of the same `changes` under the same name. */
export type TurnsMaker = (changes: Changes, name: string, make: () => Turns) => Turns

export interface StagesPorts {
  readonly log: EntryLog
  readonly board: Board
  /** This host's key in hex. */
  readonly self: string
  readonly orders: (entry: string) => StageOrders
  /** Keys in hex of the hosts that are connected and whose boards were compared with this one. */
  readonly connected: () => Iterable<string>
  /** This host hears only some of the others' statuses: whoever is connected stands for all. */
  readonly hearsFew: boolean
  /** The record of an earlier life. */
  readonly record: Uint8Array | undefined
  readonly turns?: TurnsMaker | undefined
}

export type StagesEffect =
  /** Find out whom a release concerns; both are ids. Answered by `surveyed`. */
  | { readonly kind: 'survey'; readonly entry: string; readonly stable: string | undefined }
  /** Keep for the next life, instead of what was kept of other releases; a HALT durably. */
  | {
      readonly kind: 'keep-stages'
      readonly entry: string
      readonly record: Uint8Array
      readonly durable: boolean
    }

/** Why a host may not start yet. */
export interface Turn {
  readonly reason: string
  readonly untilMs?: number
}

/** Heartbeats within which a host was heard lately: one may be lost. */
const heardBeats = 2
/** ms that news are gathered before the answer is worked out again: by the size of the fleet, since each host of it brings some. */
const settleMs = { least: 200, perHost: 5, most: 10_000 } as const

/** ms between writes of what is kept, or so many gatherings of news if that is longer; a HALT is kept at once. Peers tell again what a crash takes. */
const keepMs = 10_000
const keepSettles = 6

interface Heard {
  readonly attempt: number
  readonly firstMs: number
  readonly verdictMs?: number
}

/** Of one release. */
interface Rollout {
  readonly target: ReleaseEntry
  /** The id of its entry. */
  readonly id: Uint8Array
  asked: boolean
  changes: Changes | undefined
  turns: Turns | undefined
  readonly evidence: Evidence<StatusPair | undefined>
  readonly heard: Map<string, Heard>
  opened: readonly Opening[]
  /** The reason of a HALT. */
  halted: string | undefined
  /** What was kept of an earlier life; offered once it is known whose word is asked for. */
  readonly proofs: readonly StatusPair[]
  /** Hosts whose key two machines use, as far as was seen while this release goes on: which of them spoke, nobody knows. */
  readonly doubted: Set<string>
  /** Since when enough of the others are heard, as far as was looked; undefined: they are not. */
  hearingMs: number | undefined
}

interface Answer {
  readonly decision: GateDecision
  readonly atMs: number
  readonly version: number
  readonly shut: string | undefined
  readonly lacksHearing: boolean
  /** Hosts that were connected. */
  readonly connected: number
}

export class Stages {
  readonly #ports: StagesPorts
  #rollout: Rollout | undefined
  /** Counts what may change the answer. */
  #version = 0
  #answer: Answer | undefined
  #keep: 'no' | 'soon' | 'durably' = 'no'
  #kept: Uint8Array | undefined
  #keptMs = Number.NEGATIVE_INFINITY

  constructor(ports: StagesPorts) {
    this.#ports = ports
    this.#kept = ports.record
  }

  /** The newest release; another one than before begins anew. `aheadMs`: what the machine's clock shows beyond the steady one. */
  aim(target: ReleaseEntry | undefined, nowMs: number, aheadMs: number): void {
    if (target?.id === this.#rollout?.target.id) return
    this.#rollout = target && this.#begin(target, nowMs, aheadMs)
    this.#answer = undefined
    this.#version++
  }

  #begin(target: ReleaseEntry, nowMs: number, aheadMs: number): Rollout {
    const kept = this.#kept && readStages(this.#kept)
    this.#kept = undefined
    const mine = kept?.entry === target.id ? kept : undefined
    const retries = (host: string, attempt: number) =>
      attempt <= this.#ports.orders(target.id).attemptOf(host)
    const rollout: Rollout = {
      target,
      id: unhex(target.id, 32) ?? new Uint8Array(32),
      asked: false,
      changes: undefined,
      turns: undefined,
      evidence: new Evidence({
        isAsked: host => this.#rollout?.turns?.placeOf(host) !== undefined,
        isRetried: retries,
      }),
      heard: new Map(),
      // Kept by the machine's clock; never later than now.
      opened: (mine?.opened ?? []).map(each => ({ ...each, atMs: Math.min(nowMs, each.atMs - aheadMs) })),
      halted: mine?.halted,
      proofs: mine?.proofs ?? [],
      doubted: new Set(),
      hearingMs: undefined,
    }
    return rollout
  }

  /** To be called when the pack of the target is held: asks once. */
  survey(): StagesEffect[] {
    const rollout = this.#rollout
    if (rollout === undefined || rollout.asked) return []
    rollout.asked = true
    return [{ kind: 'survey', entry: rollout.target.id, stable: rollout.target.release.stable }]
  }

  surveyed(entry: string, changes: Changes, nowMs: number): void {
    const rollout = this.#rollout
    if (rollout?.target.id !== entry) return
    rollout.changes = changes
    this.#line(rollout, nowMs)
    for (const pair of rollout.proofs) {
      const said = this.#ports.board.read(pair)
      // Also of one that was withdrawn since: what was heard before stays.
      if (said !== undefined) this.#weigh(said.by, said.status, pair, nowMs)
    }
  }

  /** Who may take part has changed: newcomers follow with the last stage. */
  rosterChanged(nowMs: number): void {
    if (this.#rollout?.changes === undefined) return
    this.#line(this.#rollout, nowMs)
    // The board has dropped who left; what that host said is kept here alone.
    if (this.#keep === 'no') this.#keep = 'soon'
  }

  ordersChanged(nowMs: number): void {
    if (this.#rollout?.turns !== undefined) this.#offer(nowMs)
    this.#version++
  }

  /** Puts the hosts in line, and weighs what the board says of them. */
  #line(rollout: Rollout, nowMs: number): void {
    const { log, turns = (_, __, make) => make() } = this.#ports
    const { target, changes = new Map() } = rollout
    const { seed = target.id, serial } = target.release
    const name = `${target.id} ${log.trustSequence()}`
    rollout.turns = turns(changes, name, () => turnsOf(hostsOf(log, target, changes), seed, serial))
    this.#offer(nowMs)
    this.#version++
  }

  #offer(nowMs: number): void {
    for (const { status, pair, twins } of this.#ports.board.rows()) {
      const host = hex(status.host)
      if (twins) this.doubt(host)
      this.take(host, status, pair, nowMs)
    }
  }

  /** Two statuses under one counter were seen of a host: it counts as absent for as long as this release is the newest. */
  doubt(host: string): void {
    const { doubted } = this.#rollout ?? {}
    if (doubted === undefined || doubted.has(host)) return
    doubted.add(host)
    this.#version++
  }

  /** A status that was found good. True: it is evidence that was not known here, of a host whose word is asked for. */
  take(host: string, status: Status, pair: StatusPair, nowMs: number): boolean {
    if (this.#answer?.lacksHearing) this.#version++
    // Nobody asks for the word of one that was withdrawn.
    if (this.#ports.log.host(host) === undefined) return false
    if (status.flags?.includes('CLONED')) this.doubt(host)
    return this.#weigh(host, status, pair, nowMs)
  }

  #weigh(host: string, status: Status, pair: StatusPair, nowMs: number): boolean {
    const rollout = this.#rollout
    const said = rollout && claimOf(status, rollout.id)
    if (rollout?.turns === undefined || said === undefined) return false
    const { claim } = said
    const inReach = this.#isInReach(host)
    if (!rollout.evidence.add(host, claim, inReach ? pair : undefined)) return false
    const before = rollout.heard.get(host)
    const firstMs = before?.attempt === claim.attempt ? before.firstMs : nowMs
    const isVerdict = claim.state === 'HEALTHY' || claim.state === 'FAILED'
    rollout.heard.set(host, { attempt: claim.attempt, firstMs, ...(isVerdict && { verdictMs: nowMs }) })
    this.#version++
    // The board keeps a host's last word only.
    if (inReach && this.#keep === 'no') this.#keep = 'soon'
    return inReach
  }

  /** Whether others need this host's word before the board brings it: they may wait for it to open a stage, or to begin. */
  tells(state: EvidenceState): boolean {
    const { turns, evidence } = this.#rollout ?? {}
    const place = turns?.placeOf(this.#ports.self)
    if (turns === undefined || place === undefined || !this.#isInReach(this.#ports.self)) return false
    if (state === 'FAILED') return true
    const { panels } = this.#answer?.decision ?? {}
    const isAsked = panels?.some(({ from, end }) => place >= from && place < end) ?? true
    if (isAsked && !this.#isComplete()) return true
    const stratum = turns.stratumOf(place).filter(each => each !== place)
    return stratum.length > 0 && !stratum.some(each => evidence?.get(turns.hosts[each]!)?.state === 'HEALTHY')
  }

  #isInReach(host: string): boolean {
    const { turns, target } = this.#rollout ?? {}
    const place = turns?.placeOf(host)
    if (turns === undefined || target === undefined || place === undefined) return false
    return isInReach(place, target.release.stages, turns.counted)
  }

  /** Whether this host's stage is open, be it its turn or not. */
  isOpen(): boolean {
    const { turns, opened = [] } = this.#rollout ?? {}
    const place = turns?.placeOf(this.#ports.self)
    if (turns === undefined || place === undefined) return false
    if (place < turns.counted) return opened.some(each => each.upTo > place)
    // Where nobody counts no stage ever opens here, and who comes after its end takes nothing.
    return turns.counted > 0 && this.#isComplete()
  }

  #isComplete(): boolean {
    const { turns, opened = [], target } = this.#rollout ?? {}
    if (turns === undefined || target === undefined) return false
    return completeMs(stagesOf({ turns, terms: target.release }), opened) !== undefined
  }

  /**
   * Why this host may not start yet; undefined: it may. `shut`: why nothing more opens. What was worked out before is told again
   * while nothing has changed, and shortly after it has.
   */
  hold(shut: string | undefined, nowMs: number): Turn | undefined {
    const rollout = this.#rollout
    if (rollout?.turns === undefined) return { reason: 'whom the release concerns is not known yet' }
    const known = this.#answer
    // A board that turns out to be the same brings nothing new, and is heard all the same.
    if (known?.lacksHearing && known.connected !== this.#connected()) this.#version++
    const untilMs = known?.decision.untilMs ?? Number.POSITIVE_INFINITY
    // A time in which too few are heard is not to pass unseen.
    const lookMs = (known?.atMs ?? 0) + heartbeatMs(this.#ports.log.roster().length)
    const isNew = known === undefined || known.shut !== shut || nowMs >= Math.min(untilMs, lookMs)
    const dueMs = (known?.atMs ?? 0) + this.#settleMs()
    if (isNew || (known.version !== this.#version && nowMs >= dueMs)) return turnIn(this.#decide(shut, nowMs))
    const again = turnIn(known.decision)
    if (again === undefined || known.version === this.#version) return again
    return { ...again, untilMs: Math.min(untilMs, dueMs) }
  }

  #settleMs(): number {
    const { least, perHost, most } = settleMs
    return Math.min(most, Math.max(least, perHost * this.#ports.log.roster().length))
  }

  #keepMs(): number {
    return Math.max(keepMs, keepSettles * this.#settleMs())
  }

  #decide(shut: string | undefined, nowMs: number): GateDecision {
    const rollout = this.#rollout!
    const { enrolled, heard } = this.#roster(nowMs)
    const lacksHearing = heard < hearingNeeded(rollout.target.release, enrolled)
    rollout.hearingMs = lacksHearing ? undefined : (rollout.hearingMs ?? nowMs)
    const input = this.#input(shut, nowMs, { enrolled, heard })
    const decision = gate(input, nowMs)
    if (decision.opened.length > rollout.opened.length && this.#keep === 'no') this.#keep = 'soon'
    rollout.opened = decision.opened
    if (decision.kind === 'halt' && rollout.halted === undefined) {
      rollout.halted = decision.reason
      this.#keep = 'durably'
    }
    const connected = this.#connected()
    this.#answer = { decision, atMs: nowMs, version: this.#version, shut, lacksHearing, connected }
    return decision
  }

  #connected(): number {
    return [...this.#ports.connected()].length
  }

  #roster(nowMs: number): GateInput['roster'] {
    return { enrolled: this.#ports.log.roster().length, heard: this.#heardLately(nowMs) }
  }

  #input(shut: string | undefined, nowMs: number, roster = this.#roster(nowMs)): GateInput {
    const { orders, self } = this.#ports
    const { target, turns, evidence, heard, opened, halted, hearingMs = nowMs } = this.#rollout!
    const { promoted, without } = orders(target.id)
    const { stages, risk, liars, windowMs, soakMs, deadlineMs, serial } = target.release
    return {
      turns: turns!,
      terms: { stages, risk, liars },
      times: { windowMs, soakMs, deadlineMs, heartbeatMs: heartbeatMs(roster.enrolled) },
      claimOf: host => evidence.get(host),
      heardOf: host => heard.get(host),
      opened,
      without: { has: host => without.has(host) || this.#isGone(host) },
      roster,
      hearingMs,
      promoted,
      self,
      ...(halted !== undefined && { halted }),
      ...(shut !== undefined && { shut }),
      ...(serial !== undefined && { serial }),
    }
  }

  /**
   * It left the roster without a word, or runs a trial before it came to a verdict, or two machines use its key: nobody waits for
   * it. Asked of few: a fleet has thousands.
   */
  #isGone(host: string): boolean {
    const { evidence, doubted } = this.#rollout!
    const { log, board } = this.#ports
    if (doubted.has(host)) return true
    const state = evidence.get(host)?.state
    if (log.host(host) === undefined) return state === undefined
    const tries = board.row(host)?.status.flags?.includes('TRIAL') ?? false
    return tries && state !== 'HEALTHY' && state !== 'FAILED'
  }

  /** Enrolled hosts besides this one that were heard in the last two heartbeats: connected, or with news on the board. */
  #heardLately(nowMs: number): number {
    const { log, board, connected, self, hearsFew } = this.#ports
    const heard = new Set<string>()
    for (const host of connected()) if (host !== self && log.host(host) !== undefined) heard.add(host)
    const enrolled = log.roster().length
    if (hearsFew) return heard.size === 0 ? 0 : enrolled - 1
    const sinceMs = nowMs - heardBeats * heartbeatMs(enrolled)
    for (const { status, newsMs } of board.rows())
      if (newsMs !== undefined && newsMs >= sinceMs) heard.add(hex(status.host))
    heard.delete(self)
    return heard.size
  }

  /** When `keep` is wanted next. */
  wakeMs(): number | undefined {
    return this.#keep === 'no' ? undefined : this.#keptMs + this.#keepMs()
  }

  /** What is to be kept now. */
  keep(nowMs: number, aheadMs: number): StagesEffect[] {
    const rollout = this.#rollout
    if (rollout === undefined || this.#keep === 'no') return []
    const durable = this.#keep === 'durably'
    if (!durable && nowMs < this.#keptMs + this.#keepMs()) return []
    this.#keep = 'no'
    this.#keptMs = nowMs
    const proofs = rollout.evidence.all().flatMap(([host, { proof }]) => {
      const isOnBoard = this.#ports.board.row(host)?.pair === proof
      return proof === undefined || isOnBoard ? [] : [proof]
    })
    const record = writeStages({
      entry: rollout.target.id,
      opened: rollout.opened.map(each => ({ ...each, atMs: each.atMs + aheadMs })),
      halted: rollout.halted,
      proofs,
    })
    return [{ kind: 'keep-stages', entry: rollout.target.id, record, durable }]
  }

  /**
   * How far the release has come, as this host sees it now; undefined while it does not know whom it concerns. `isNew`: it has just
   * come to the fleet, and did not see stages open.
   */
  progress(shut: string | undefined, nowMs: number, isNew = false): Progress | undefined {
    if (this.#rollout?.turns === undefined) return undefined
    const { self: _, ...known } = this.#input(shut, nowMs)
    const input = isNew ? { ...known, opened: openedByDeeds(known, nowMs) } : known
    const whyOf = (pair: StatusPair) => this.#ports.board.read(pair)?.status.why
    return progressOf(input, this.#rollout.evidence.all(), whyOf, nowMs)
  }

  /** What this host itself has opened of the newest release, why it halted it, and whose words it does not count. */
  get noted(): (Pick<Rollout, 'opened' | 'halted' | 'doubted'> & { readonly entry: string }) | undefined {
    if (this.#rollout === undefined) return undefined
    const { target, opened, halted, doubted } = this.#rollout
    return { entry: target.id, opened, halted, doubted }
  }

  /** The answer worked out last, about this host. */
  get decision(): GateDecision | undefined {
    return this.#answer?.decision
  }
}

function turnIn({ kind, reason, untilMs }: GateDecision): Turn | undefined {
  if (kind === 'go') return undefined
  return { reason, ...(untilMs !== undefined && { untilMs }) }
}

/** The hosts that the release's roster names, and those that came since, which follow with the last stage. */
function hostsOf(log: EntryLog, target: ReleaseEntry, changes: Changes): Candidate[] {
  const first = target.release.seed === undefined ? undefined : log.byId(target.release.seed)
  const origin = first?.release && log.rosterOf({ ...first, release: first.release })
  const named = candidatesOf(log.rosterOf(target), changes, origin)
  const keys = new Set(named.map(each => each.key))
  // Where all hosts may break nobody is kept from it: `fleet publish --now`.
  const bold = target.release.risk >= wholeRisk
  const since = log
    .roster()
    .map(({ key, labels }) => ({ key: hex(key), labels, changes: undefined, origin: false, guest: true }))
    .filter(each => !keys.has(each.key))
  const alone = named.map(each =>
    each.changes === undefined ? each : { ...each, changes: `${each.changes} ${each.key}` },
  )
  return [...(bold ? alone : named), ...since]
}
