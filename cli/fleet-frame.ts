// What `fleet peers` shows, once or on a screen of so many columns and rows: a headline, then the hosts, those that need
// somebody first. Pure: `frame(state, columns, rows, now) -> lines`; live.ts draws them.
import type { PeerView, RolloutView } from '../node/control.ts'
import {
  type Counts,
  countsOf,
  decisionOf,
  epochOf,
  type Filter,
  fits,
  type Phase,
  type Picture,
  phaseOf,
  phases,
  type Sort,
  some,
  sorted,
  stateOf,
} from './census.ts'
import {
  type Colour,
  count,
  cut,
  duration,
  harmless,
  inOnePiece,
  paint,
  printed,
  short,
  wrap,
} from './render.ts'

export interface FrameState {
  readonly picture: Picture
  readonly filter: Filter
  readonly sort: Sort
  readonly colour: boolean
  /** Lines of the table scrolled past. */
  readonly offset: number
  /** Why there is nothing newer than this. */
  readonly trouble?: string
}

export interface Frame {
  /** As many as there are rows, none wider than the columns. */
  readonly lines: readonly string[]
  /** The offset, within what there is to scroll; and how far a page goes. */
  readonly offset: number
  readonly page: number
}

const hues: Readonly<Record<Phase, Colour>> = {
  failed: 'red',
  'not-kept': 'red',
  stuck: 'yellow',
  silent: 'yellow',
  applying: 'blue',
  soaking: 'blue',
  waiting: 'dim',
  paused: 'dim',
  converged: 'green',
}
const verdictHues = { go: 'green', hold: 'yellow', halt: 'red' } as const
/** Ages on a live screen go in steps, so that not every line changes every second. */
const ageStepMs = 5_000
const heardSteadyMs = 120_000
/** Lines that a reason may take. */
const reasonLines = 3
/** Lines that the table keeps on a low screen; the headline gives way. */
const tableLines = 6

/** `fleet peers` once. */
export function listing(state: Omit<FrameState, 'offset'>, columns: number, nowMs: number): string {
  const { picture } = state
  if (picture.peers.length === 0) return 'the roster is empty, or has not arrived yet'
  const { heading, body } = bodyOf(state, columns, nowMs, { stepMs: 1_000, noteLines: 6 })
  const more = shownLine(state)
  return [
    ...headline(picture, columns, nowMs, state.colour),
    ...(more === undefined ? [] : [more]),
    '',
    ...(body.length > 0 ? [heading, ...body.map(each => each.draw())] : ['no host fits']),
  ].join('\n')
}

/** One screen. */
export function frame(state: FrameState, columns: number, rows: number, nowMs: number): Frame {
  const { picture, colour } = state
  const { heading, body } = bodyOf(state, columns, nowMs, { stepMs: ageStepMs, noteLines: 1 })
  const shown = shownLine(state)
  const top = [...headline(picture, columns, nowMs, colour), ...(shown === undefined ? [] : [shown]), '']
  // Headline, heading, table, what lies beyond it, keys.
  const head = top.slice(0, Math.max(1, rows - 3 - tableLines))
  const page = Math.max(1, rows - head.length - 3)
  const offset = Math.max(0, Math.min(state.offset, body.length - page))
  const visible = body.slice(offset, offset + page).map(each => each.draw())
  const nothing = picture.peers.length === 0 ? 'the roster is empty, or has not arrived yet' : 'no host fits'
  const lines = [
    ...head,
    ...(body.length > 0 ? [heading, ...visible] : [nothing]),
    ...Array.from({ length: Math.max(0, page - visible.length) }, () => ''),
    beyond(state, body, offset, page),
    foot(state, nowMs),
  ]
  const last = lines.slice(0, rows - 1)
  return { lines: [...last, lines.at(-1)!].slice(0, rows).map(each => cut(each, columns)), offset, page }
}

/** What is known of the release, and what all hosts are doing about it. */
export function headline(
  { peers, rollout }: Picture,
  columns: number,
  nowMs: number,
  colour: boolean,
): string[] {
  const counts = countsOf({ peers, rollout })
  const sum = sumOf(peers.length, counts, columns, colour)
  if (rollout === null) return ['no release yet', ...sum]
  return [
    ...releaseLines(rollout, columns, nowMs, colour),
    ...verdict(rollout, counts, columns, nowMs, colour),
    ...sum,
  ]
}

export function releaseLines(
  rollout: RolloutView,
  columns: number,
  nowMs: number,
  colour: boolean,
): string[] {
  const { open, of } = epochOf(rollout)
  const parts = [
    `epoch ${open} of ${of}`,
    `commit ${rollout.source === null ? 'unknown' : short(rollout.source)}`,
    `${duration(nowMs - rollout.issuedMs)} ago by ${rollout.signer ?? 'somebody unknown'}`,
  ]
  const title = cut(harmless(`release ${rollout.sequence}  ${rollout.subject}`), columns)
  return [paint(title, 'bold', colour), cut(harmless(parts.join(', ')), columns)]
}

/** `HOLD  why, and until when`. */
export function verdict(
  rollout: RolloutView,
  counts: Counts,
  columns: number,
  nowMs: number,
  colour: boolean,
): string[] {
  const { kind, reason, untilMs } = decisionOf(rollout)
  const hosts = phases.reduce((sum, each) => sum + counts[each], 0)
  const open = hosts - counts.converged
  const isDone = kind === 'go' && open === 0
  const waits = untilMs !== null && untilMs > nowMs ? `; waits ${duration(untilMs - nowMs)} at most` : ''
  const missing = kind === 'go' && open > 0 ? `; ${open} of ${hosts} not there yet` : ''
  const words = isDone ? `all ${hosts} hosts have it` : `${harmless(reason)}${missing}${waits}`
  const label = isDone ? 'DONE' : kind.toUpperCase()
  const lines = wrap(`${label.padEnd(4)}  ${words}`, columns, reasonLines, ' '.repeat(6))
  return lines.map((line, at) =>
    at === 0 ? paint(label, verdictHues[kind], colour) + line.slice(label.length) : line,
  )
}

function sumOf(hosts: number, counts: Counts, columns: number, colour: boolean): string[] {
  const parts = [...phases.filter(each => each !== 'converged' && counts[each] > 0)]
  const words = [
    `${counts.converged} converged`,
    ...parts.map(each => `${counts[each]} ${each.replace('-', ' ')}`),
    ...(counts.stale > 0 ? [`${counts.stale} stale`] : []),
  ]
  const kept = words.map(inOnePiece).join(', ')
  const lines = wrap(`${count(hosts, 'host')}: ${kept}`, columns, 2, '  ')
  return lines.map(line =>
    line.replace(/\b[0-9]+ (failed|not kept|stuck|silent)\b/g, (found, word: string) =>
      paint(found, hues[word.replace(' ', '-') as Phase], colour),
    ),
  )
}

function shownLine({
  picture,
  filter,
  sort,
}: Pick<FrameState, 'picture' | 'filter' | 'sort'>): string | undefined {
  const words = [
    ...filter.labels,
    ...(filter.states.length > 0 ? [filter.states.join(' or ')] : []),
    ...(filter.release === undefined ? [] : [`release ${filter.release}`]),
  ]
  if (words.length === 0) return undefined
  const found = picture.peers.filter(each => fits(each, filter, picture.rollout?.sequence))
  return `shown: ${found.length} of ${count(picture.peers.length, 'host')} (${words.join(', ')})${sort === 'attention' ? '' : `, by ${sort}`}`
}

interface Line {
  /** Only what is seen is drawn: a fleet may be large. */
  readonly draw: () => string
  readonly phase: Phase
  /** A note below its host. */
  readonly isNote: boolean
}

type Column =
  | 'HOST'
  | 'RELEASE'
  | 'PHASE'
  | 'KEPT/REPAIRED/NOT'
  | 'KEPT/REP/NOT'
  | 'NOT KEPT'
  | 'DRIFT'
  | 'HEARD'
  | 'AGENT'
/** From wide screens to narrow ones. */
const layouts: readonly (readonly Column[])[] = [
  ['HOST', 'RELEASE', 'PHASE', 'KEPT/REPAIRED/NOT', 'DRIFT', 'HEARD', 'AGENT'],
  ['HOST', 'RELEASE', 'PHASE', 'KEPT/REP/NOT', 'DRIFT', 'HEARD', 'AGENT'],
  ['HOST', 'RELEASE', 'PHASE', 'NOT KEPT', 'DRIFT', 'HEARD', 'AGENT'],
  ['HOST', 'RELEASE', 'PHASE', 'NOT KEPT', 'DRIFT', 'HEARD'],
  ['HOST', 'RELEASE', 'PHASE', 'NOT KEPT', 'HEARD'],
  ['HOST', 'PHASE', 'NOT KEPT', 'HEARD'],
  ['HOST', 'PHASE'],
]
/** Columns that a host's name keeps whatever the screen. */
const nameMin = 14
const gap = '  '

/** The table's heading, and its lines: a note stands in a last column if it fits there, else below its host. */
function bodyOf(
  { picture, filter, sort, colour }: Omit<FrameState, 'offset'>,
  columns: number,
  nowMs: number,
  { stepMs, noteLines }: { readonly stepMs: number; readonly noteLines: number },
): { readonly heading: string; readonly body: readonly Line[] } {
  const newest = picture.rollout?.sequence
  const peers = sorted(
    picture.peers.filter(each => fits(each, filter, newest)),
    sort,
    newest,
  )
  const rows = peers.map(peer => ({
    phase: phaseOf(peer, newest),
    cells: cellsOf(peer, nowMs, stepMs),
    note: noteOf(peer),
  }))
  const widthOf = (name: Column) => Math.max(name.length, ...rows.map(row => printed(row.cells[name])))
  const names = widthOf('HOST')
  const restOf = (layout: readonly Column[]) =>
    layout.slice(1).reduce((sum, each) => sum + gap.length + widthOf(each), 0)
  const layout =
    layouts.find(each => Math.min(names, nameMin * 2) + restOf(each) <= columns) ?? layouts.at(-1)!
  const hostWidth = Math.max(1, Math.min(names, Math.max(nameMin, columns - restOf(layout))))
  const widths = layout.map(each => (each === 'HOST' ? hostWidth : widthOf(each)))
  const used = widths.reduce((sum, each) => sum + gap.length + each, 0)
  const isBeside = (note: string) => note !== '' && used + printed(note) <= columns
  const line = (cells: Readonly<Record<Column, string>>, hue?: Colour) =>
    layout
      .map((each, at) => {
        const width = widths[at]!
        const text = cut(cells[each], width)
        const room = ' '.repeat(width - printed(text))
        const isBad = each.startsWith('NOT') && text !== '-'
        return paint(text, isBad ? 'red' : (hue ?? 'dim'), colour && (isBad || each === 'PHASE')) + room
      })
      .join(gap)
  const hasNotes = rows.some(row => isBeside(row.note))
  const headings = Object.fromEntries(layouts.flat().map(each => [each, each])) as Record<Column, string>
  const heading = `${line(headings)}${hasNotes ? `${gap}NOTES` : ''}`.trimEnd()
  const body = rows.flatMap(({ phase, cells, note }): Line[] => {
    const text = () => line(cells, hues[phase])
    if (isBeside(note))
      return [{ draw: () => text() + gap + paint(note, 'dim', colour), phase, isNote: false }]
    const host: Line = { draw: () => text().trimEnd(), phase, isNote: false }
    if (note === '') return [host]
    const below = wrap(`  ${note}`, columns, noteLines, '  ')
    return [host, ...below.map(each => ({ draw: () => paint(each, 'dim', colour), phase, isNote: true }))]
  })
  return { heading: paint(cut(heading.replace(/\u001b\[[0-9;]*m/g, ''), columns), 'dim', colour), body }
}

function cellsOf(peer: PeerView, nowMs: number, stepMs: number): Record<Column, string> {
  const { kept, repaired, notKept } = peer
  const steps = peer.release === null ? '-' : `${kept}/${repaired}/${notKept}`
  return {
    HOST: peer.you ? `${peer.name} (you)` : peer.name,
    RELEASE: peer.release === null ? '-' : String(peer.release),
    PHASE: stateOf(peer),
    'KEPT/REPAIRED/NOT': steps,
    'KEPT/REP/NOT': steps,
    'NOT KEPT': notKept === 0 ? '-' : String(notKept),
    DRIFT: peer.repairs === 0 ? '-' : String(peer.repairs),
    HEARD: heardOf(peer, nowMs, stepMs),
    AGENT: harmless(peer.agent ?? '-'),
  }
}

function heardOf({ you, heardMs }: PeerView, nowMs: number, stepMs: number): string {
  if (heardMs === null && !you) return 'never'
  const age = nowMs - (heardMs ?? nowMs)
  if (you || age < stepMs) return 'now'
  return duration(age < heardSteadyMs ? Math.floor(age / stepMs) * stepMs : age)
}

/** What is not in the table: flags of one host alone (STALE is a matter of the release), what it refused, why it is as it is. */
function noteOf({ flags, refused, contested, why }: PeerView): string {
  const words = [
    ...flags.filter(each => !['REFUSED', 'PAUSED', 'STALE'].includes(each)),
    ...(contested > 0 ? [`${contested} contested`] : []),
    ...(refused === null ? [] : [`refused ${refused.sequence}: ${refused.code}`]),
    ...(why === null ? [] : [why]),
  ]
  return harmless(words.join(' '))
}

/** `below: 480 hosts (470 converged, 10 waiting)`. */
function beyond({ colour }: FrameState, body: readonly Line[], offset: number, page: number): string {
  const hosts = (lines: readonly Line[]) => lines.filter(each => !each.isNote)
  const above = hosts(body.slice(0, offset)).length
  const below = hosts(body.slice(offset + page))
  const parts = phases.flatMap(phase => {
    const found = below.filter(each => each.phase === phase).length
    return found === 0 ? [] : [`${found} ${phase.replace('-', ' ')}`]
  })
  const words = [
    ...(above > 0 ? [`${above} above`] : []),
    ...(below.length > 0 ? [`${below.length} more below: ${some(parts, 4)}`] : []),
  ]
  return paint(words.join('; '), 'bold', colour)
}

function foot({ trouble, colour }: FrameState, nowMs: number): string {
  const time = new Date(nowMs).toISOString().slice(11, 19)
  return trouble === undefined
    ? paint(`${time} UTC   q quit   j k scroll   space b page   g G ends`, 'dim', colour)
    : paint(`${time} UTC   q quit   not fresh: ${harmless(trouble)}`, 'yellow', colour)
}
