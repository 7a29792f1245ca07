// Core: may the next hosts of a release start, and may this one? A function of what is known, the same on every host that knows
// the same: silence can hold a release, only signed failures halt it. What stages are is ladder.ts's, who is in them turns.ts's.
import { haltAt } from './bound.ts'
import { boundFrom, grant, panelMax, type Terms } from './ladder.ts'
import { isSettled, type Known, type Opening, type Standing, Standings } from './standing.ts'
import { type Panel, panelOf, type Turns } from './turns.ts'

export interface GateInput extends Known {
  readonly terms: Terms
  /** Hosts of the roster, and how many of them, this one left out, were heard in the last two heartbeats. */
  readonly roster: { readonly enrolled: number; readonly heard: number }
  /** Stages up to this one are opened by `promote`, in spite of a HALT; 0 or absent: none. */
  readonly promoted?: number
  /** The reason of a HALT seen before: it stays, save where an operator promotes. */
  readonly halted?: string
  /** Why nothing more opens, if so: an operator's halt, a fork, expiry. What is open stays so. */
  readonly shut?: string
  /** The label of `Serial:`, for reasons. */
  readonly serial?: string
  /** The host that asks; without it the answer is about the release alone. */
  readonly self?: string
  /** How a time is written in reasons; without it they name none. */
  readonly timeOf?: (ms: number) => string
}

export interface GateDecision {
  /** `go`: this host may start now; without a host: every host that counts may. */
  readonly kind: 'go' | 'hold' | 'halt'
  /** In words, for people. */
  readonly reason: string
  /** Places below this are open. */
  readonly opensUpTo: number
  /** What was handed in as `opened`, and what opened now; to be kept, and handed in again. */
  readonly opened: readonly Opening[]
  /** Of each stage that has begun: the places that its panel was chosen from, absent ones among them; `end` is the next. */
  readonly panels: readonly { readonly from: number; readonly end: number }[]
  /** When the answer may change though nothing new is heard. */
  readonly untilMs?: number
}

/** A risk of 100 %, in basis points: `fleet publish --now`. */
export const wholeRisk = 10_000

type Answer = Pick<GateDecision, 'kind' | 'reason'> & { readonly untilMs?: number | undefined }

/** A stage that has begun. */
interface Begun {
  /** From 1. */
  readonly stage: number
  /** Its first place. */
  readonly from: number
  readonly size: number
  readonly granted: number
  readonly panel: Panel
  /** The place after its last open host, stand-ins for absent members among them; they may still be shut. */
  readonly end: number
}

/** Decides; opens as much as the evidence allows at once, since a latecomer hears everything together. */
export function gate(input: GateInput, nowMs: number): GateDecision {
  const stages = stagesOf(input)
  const opened = [...input.opened]
  for (;;) {
    const standings = new Standings({ ...input, opened }, completeMs(stages, opened), nowMs)
    const begun = begunOf(input, stages, opened, standings)
    const halted = input.halted ?? haltOf(stages, begun, standings)
    // An operator's word outranks evidence: what `promote` opens is open, the halt holds what comes after.
    const last = begun.at(-1)
    const complete = last === undefined || last.granted === last.size ? begun.length : begun.length - 1
    const promoted = Math.min(input.promoted ?? 0, stages.length)
    const next: Answer | Opening =
      halted === undefined || complete < promoted
        ? nextOf(input, stages, begun, standings, nowMs)
        : { kind: 'halt', reason: halted }
    if ('stage' in next) {
      opened.push({ ...next, upTo: Math.max(standings.open, next.upTo) })
      continue
    }
    const { self } = input
    const isShut = next.kind === 'halt' && !isPromoted(input, begun[promoted - 1], standings)
    const { kind, reason, untilMs } =
      self === undefined || isShut ? next : turnOf(input, self, standings, next, nowMs)
    const panels = begun.map(({ from, panel }) => ({ from, end: panel.end }))
    const answer = { kind, reason, opensUpTo: standings.open, opened, panels }
    return untilMs === undefined ? answer : { ...answer, untilMs }
  }
}

/** Whether the host that asks is in a stage that a `promote` opened, or follows with the last of them. */
function isPromoted({ turns, self }: GateInput, stage: Begun | undefined, { open }: Standings): boolean {
  const place = self === undefined ? undefined : turns.placeOf(self)
  return place !== undefined && Math.min(place, turns.counted - 1) < Math.min(stage?.end ?? 0, open)
}

/** Hosts other than this one that must have been heard lately before anything opens: a part that is cut off holds. */
export function hearingMin(enrolled: number): number {
  if (enrolled <= 7) return Math.ceil(Math.max(0, enrolled - 1) / 2)
  return Math.max(3, Math.min(Math.ceil(enrolled / 20), 50))
}

/** The same for a release: who lets all hosts break at once waits for none. */
export function hearingNeeded({ risk }: Pick<Terms, 'risk'>, enrolled: number): number {
  return risk >= wholeRisk ? 0 : hearingMin(enrolled)
}

/** The next opening, or why there is none. */
function nextOf(
  input: GateInput,
  stages: readonly number[],
  begun: readonly Begun[],
  standings: Standings,
  nowMs: number,
): Answer | Opening {
  const { terms, turns, roster } = input
  const hosts = turns.counted
  const last = begun.at(-1)
  // The stage that goes on, or the next one.
  const now = last === undefined || last.granted === last.size ? undefined : last
  const stage = now?.stage ?? begun.length + 1
  const before = stages[stage - 2] ?? 0
  const from = now?.from ?? last?.end ?? 0
  const isOver = stage > stages.length
  const size = isOver ? 0 : stages[stage - 1]! - before
  const granted = now?.granted ?? 0
  const grantOf = (more: number): Opening => {
    const panel = now?.panel ?? { members: [], absent: [], end: from }
    return { stage, granted: more, upTo: endOf(from, more, panel, stages[stage - 1]!, hosts), atMs: nowMs }
  }
  const missing = begun.find(each => each.end > standings.open)
  const say = (reason: string, untilMs?: number): Answer => ({ kind: 'hold', reason, untilMs })
  if ((!isOver || missing) && input.shut !== undefined)
    return say(`stage ${Math.min(stage, stages.length)} holds: ${input.shut}`)
  if (!isOver && stage <= (input.promoted ?? 0)) return grantOf(size)

  const count = countOf(begun, standings)
  const failed = count.failed + count['timed out']
  const needed = hearingNeeded(terms, roster.enrolled)
  if ((!isOver || missing) && roster.heard < needed)
    return say(
      `stage ${Math.min(stage, stages.length)} holds: ${hostsAre(roster.heard)} heard of besides this one, and it takes ${needed} to be sure that this part is not cut off`,
    )
  const verdicts = { healthy: count.healthy, failed }
  if (missing) {
    // They bring the evidence that absent members do not; open is what was granted, so each is bound as a new host is.
    const open = { before: standings.open, size: missing.end - standings.open, granted: 0 }
    const more = grant(hosts, terms, verdicts, open)
    if (more > 0)
      return { stage: missing.stage, granted: missing.granted, upTo: standings.open + more, atMs: nowMs }
  }
  if (isOver) return { kind: 'go', reason: `all ${hosts} hosts may start` }

  const awaited = awaitedOf(input, begun, standings)
  if (awaited !== undefined) return say(awaited.words, awaited.untilMs)
  if (last !== undefined) {
    if (hasNothingToDo(input, last, standings)) return grantOf(size)
    const shut =
      granted > 0 ? `stage ${stage} holds at ${granted} of ${size} hosts` : `stage ${stage} stays shut`
    const failures = failuresOf(count)
    if (count.healthy === 0) return say(`${shut}: no host is healthy${failed > 0 ? `, ${failures}` : ' yet'}`)
    if (hosts < boundFrom && failed > 0)
      return say(`${shut}: ${failures}; below ${boundFrom} hosts any failure holds`)
    if (4 * failed > count.healthy)
      return say(
        `${shut}: ${failures}, and only ${hostsAre(count.healthy)} healthy; four times as many are needed`,
      )
  }
  const more = grant(hosts, terms, verdicts, { before: from, size, granted })
  if (more > granted) return grantOf(more)
  return say(
    `stage ${stage} holds at ${granted} of ${size} hosts: ${failuresOf(count)}, ${hostsAre(count.healthy)} healthy, and more hosts could break more than ${terms.risk / 100} % of ${hosts}`,
  )
}

/**
 * Whether all hosts that count are open and settled, some say that there was nothing to do for them, and the others are absent:
 * nobody is left to ask. Silence alone opens nothing.
 */
function hasNothingToDo(
  { turns, claimOf, without }: GateInput,
  { end }: Begun,
  standings: Standings,
): boolean {
  const { counted, hosts } = turns
  if (Math.min(end, standings.open) < counted) return false
  const places = Array.from({ length: counted }, (_, place) => place)
  const isNoop = (host: string) => claimOf(host)?.state === 'NOOP' && !without?.has(host)
  return (
    places.every(place => standings.of(place).state === 'absent') &&
    places.some(place => isNoop(hosts[place]!))
  )
}

/** May this host start, given what is open? */
function turnOf(
  input: GateInput,
  self: string,
  standings: Standings,
  release: Answer,
  nowMs: number,
): Answer {
  const { turns, times } = input
  const place = turns.placeOf(self)
  const say = (reason: string, untilMs?: number): Answer => ({ kind: 'hold', reason, untilMs })
  if (place === undefined) return say('this host has no part in the release')
  const openedMs = standings.openedMs(place)
  if (openedMs === undefined)
    return place < turns.counted
      ? { ...release, kind: 'hold' }
      : say(`it follows with the last stage; ${release.reason}`, release.untilMs)
  const may = standings.mayBegin(place)
  if ('state' in may) {
    if (may.state === 'waiting' && may.why === 'serial')
      return say(
        `hosts with the same ${input.serial ?? 'label'} go one after another, and another one is at it`,
      )
    const first = 'the first host with the same changes is not healthy'
    return may.state === 'waiting' ? say(`${first} yet`, may.ms) : say(`${first}: it failed`)
  }
  const startMs = Math.max(openedMs, may.sinceMs) + Math.floor(turns.offsetOf(place) * times.windowMs)
  if (nowMs < startMs)
    return say(`it starts at its own time in the window${when(input, ', at', startMs)}`, startMs)
  return { kind: 'go', reason: `it is its turn: place ${place + 1} of ${turns.hosts.length}` }
}

/**
 * Why the release is halted, if it is. The failures in each panel, as it was meant and as it is, added up from stage to stage, are
 * held against the size that was meant: whatever is open here, more evidence takes no HALT back.
 */
function haltOf(
  stages: readonly number[],
  begun: readonly Begun[],
  standings: Standings,
): string | undefined {
  const failed = new Set<number>()
  let [nominal, before] = [0, 0]
  for (const [at, upTo] of stages.entries()) {
    const size = Math.min(panelMax, upTo - before)
    const meant = Array.from({ length: size }, (_, i) => before + i)
    for (const place of [...meant, ...(begun[at]?.panel.members ?? [])])
      if (standings.hasFailed(place)) failed.add(place)
    nominal += size
    before = upTo
    const least = Math.max(2, haltAt(nominal))
    if (failed.size >= least)
      return `halted at stage ${at + 1}: ${failed.size} hosts say that they failed; where ${nominal} ${nominal === 1 ? 'is' : 'are'} asked, ${least} are no accident`
  }
  return undefined
}

/** Cumulative counts up to the hosts that count, whatever the entry says of how many there are. */
export function stagesOf({
  terms,
  turns,
}: {
  readonly terms: Pick<Terms, 'stages'>
  readonly turns: Turns
}): readonly number[] {
  const { counted } = turns
  return counted === 0 ? [] : [...terms.stages.slice(0, -1).filter(each => each < counted), counted]
}

export function grantedOf(opened: readonly Opening[], stage: number): number {
  return Math.max(0, ...opened.filter(each => each.stage === stage).map(each => each.granted))
}

export function completeMs(stages: readonly number[], opened: readonly Opening[]): number | undefined {
  if (stages.length === 0) return Number.NEGATIVE_INFINITY
  const size = stages.at(-1)! - (stages.at(-2) ?? 0)
  return opened.find(each => each.stage === stages.length && each.granted >= size)?.atMs
}

function begunOf(
  { turns }: GateInput,
  stages: readonly number[],
  opened: readonly Opening[],
  standings: Standings,
): readonly Begun[] {
  const begun: Begun[] = []
  const isAbsent = (place: number) => standings.of(place).state === 'absent'
  let from = 0
  for (const [at, upTo] of stages.entries()) {
    const granted = grantedOf(opened, at + 1)
    if (granted === 0) break
    const panel = panelOf({ from, size: granted, until: Math.min(standings.open, turns.counted) }, isAbsent)
    const end = endOf(from, granted, panel, upTo, turns.counted)
    const size = upTo - (stages[at - 1] ?? 0)
    begun.push({ stage: at + 1, from, size, granted, panel, end })
    if (granted < size) break
    from = end
  }
  return begun
}

/**
 * Where the granted hosts of a stage end. Stand-ins move the ends of small stages, so that later ones see as much evidence as was
 * meant; a stage larger than its panel has them within itself.
 */
function endOf(from: number, granted: number, panel: Panel, stageEnd: number, hosts: number): number {
  const end =
    granted <= panelMax
      ? from + granted + panel.absent.length
      : Math.max(panel.end, Math.min(from + granted, stageEnd))
  return Math.min(end, hosts)
}

type Count = Record<Standing['state'], number>

/** How the members of all panels so far stand. */
function countOf(begun: readonly Begun[], standings: Standings): Count {
  const count: Count = {
    healthy: 0,
    failed: 0,
    'timed out': 0,
    absent: 0,
    running: 0,
    unheard: 0,
    waiting: 0,
    shut: 0,
  }
  for (const place of new Set(begun.flatMap(each => each.panel.members))) count[standings.of(place).state]++
  return count
}

/** Whom the newest stage still waits for; undefined when all panels are settled. */
function awaitedOf(
  input: GateInput,
  begun: readonly Begun[],
  standings: Standings,
): { readonly words: string; readonly untilMs: number | undefined } | undefined {
  const newest = begun.at(-1)
  const members = [...new Set(begun.flatMap(each => each.panel.members))].map(place => standings.of(place))
  const awaited = members.filter(each => !isSettled(each))
  if (newest === undefined || awaited.length === 0) return undefined
  const count = countOf([newest], standings)
  const msOf = (state: Standing['state']) =>
    awaited.flatMap(each => (each.state === state && 'ms' in each && each.ms !== undefined ? [each.ms] : []))
  const [running, unheard] = [msOf('running'), msOf('unheard')]
  const waiting = awaited.filter(each => each.state === 'waiting')
  const parts = [
    `${count.healthy} of ${newest.panel.members.length} hosts ${count.healthy === 1 ? 'is' : 'are'} healthy`,
    ...(count.failed + count['timed out'] > 0 ? [failuresOf(count)] : []),
    ...(running.length > 0
      ? [
          `${running.length} still ${running.length === 1 ? 'runs or soaks' : 'run or soak'}${until(input, running)}`,
        ]
      : []),
    ...(unheard.length > 0 ? [`${unheard.length} not heard of yet${until(input, unheard)}`] : []),
    ...(waiting.length > 0
      ? [`${waiting.length} ${waiting.length === 1 ? 'waits' : 'wait'} for others to go first`]
      : []),
  ]
  const times = awaited.flatMap(each => ('ms' in each && each.ms !== undefined ? [each.ms] : []))
  return {
    words: `holds at stage ${newest.stage}: ${parts.join(', ')}`,
    untilMs: times.length > 0 ? Math.min(...times) : undefined,
  }
}

function failuresOf(count: Count): string {
  const silent = count['timed out']
  const parts = [
    ...(count.failed > 0 || silent === 0 ? [`${count.failed === 0 ? 'none' : count.failed} failed`] : []),
    ...(silent > 0 ? [`${silent} fell silent after ${silent === 1 ? 'it' : 'they'} began`] : []),
  ]
  return parts.join(', ')
}

function hostsAre(count: number): string {
  return count === 1 ? '1 host is' : `${count === 0 ? 'no' : count} hosts are`
}

function until(input: GateInput, times: readonly number[]): string {
  const text = when(input, 'until', Math.max(...times))
  return text === '' ? '' : ` (${text} at the latest)`
}

function when({ timeOf }: GateInput, word: string, ms: number): string {
  return timeOf === undefined ? '' : `${word} ${timeOf(ms)}`
}
