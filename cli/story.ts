// What `fleet rollout` tells of a release: its stages with bars, the evidence for and against, the decision and its reason.
// Pure: a view in, lines out.
import type { EvidenceView, RolloutView, StageView } from '../node/control.ts'
import { countsOf, decisionOf, type Picture, some } from './census.ts'
import { releaseLines, verdict } from './fleet-frame.ts'
import {
  type Colour,
  count,
  cut,
  duration,
  harmless,
  inOnePiece,
  nameKey,
  paint,
  printed,
  short,
  wrap,
} from './render.ts'

/** How the hosts of a stage are drawn, and how the words beside the bar name them; in the order of the bar. */
const parts: readonly {
  readonly of: keyof StageView & ('healthy' | 'failed' | 'timedOut' | 'running' | 'absent' | 'waiting')
  readonly mark: string
  readonly hue: Colour
  readonly word: string
}[] = [
  { of: 'healthy', mark: '█', hue: 'green', word: 'healthy' },
  { of: 'failed', mark: '×', hue: 'red', word: 'failed' },
  { of: 'timedOut', mark: '?', hue: 'red', word: 'fell silent' },
  { of: 'running', mark: '▒', hue: 'blue', word: 'running' },
  { of: 'absent', mark: '-', hue: 'yellow', word: 'absent' },
  { of: 'waiting', mark: '·', hue: 'dim', word: 'waiting' },
]
/** Columns of a bar; less on narrow screens. */
const barMax = 24
const barMin = 8
/** Columns for the words beside it, which may take three lines. */
const wordsWanted = 36
/** Columns below which nothing is said of when a stage opened. */
const narrow = 56
/** Names of hosts on a line of evidence, which may take two lines of the screen; how many of those that failed alike are named, and
 * how many ways of failing are told. */
const namesShown = 12
const alikeShown = 4
const againstShown = 8

export function story(
  { peers, rollout }: Picture,
  columns: number,
  nowMs: number,
  colour: boolean,
): string[] {
  if (rollout === null) return ['no release yet']
  return [
    ...releaseLines(rollout, columns, nowMs, colour),
    '',
    ...stagesOf(rollout, columns, nowMs, colour),
    '',
    ...verdict(rollout, countsOf({ peers, rollout }), columns, nowMs, colour),
    ...haltsOf(rollout, columns, nowMs, colour),
    '',
    ...evidenceOf(rollout.evidence, columns, colour),
    ...nextOf(rollout, columns, colour),
  ].map(each => cut(each, columns))
}

/** Columns for each part, in sum `width`: whoever is there gets one at least, the rest goes by size. */
export function shares(counts: readonly number[], width: number): number[] {
  const sum = counts.reduce((all, each) => all + each, 0)
  if (sum === 0) return counts.map(() => 0)
  const exact = counts.map(each => (each * width) / sum)
  const out = exact.map((each, at) => (counts[at]! > 0 ? Math.max(1, Math.floor(each)) : 0))
  const off = () => width - out.reduce((all, each) => all + each, 0)
  const lack = (at: number) => exact[at]! - out[at]!
  while (off() !== 0) {
    const places = out.flatMap((each, at) => ((off() > 0 ? counts[at]! > 0 : each > 1) ? [at] : []))
    if (places.length === 0) break
    const sign = Math.sign(off())
    const at = places.reduce((best, each) => (sign * lack(each) > sign * lack(best) ? each : best))
    out[at]! += sign
  }
  return out
}

function stagesOf({ stages }: RolloutView, columns: number, nowMs: number, colour: boolean): string[] {
  const opened = ({ openedMs }: StageView) =>
    openedMs === null ? 'shut' : nowMs - openedMs < 1_000 ? 'just now' : `${duration(nowMs - openedMs)} ago`
  const wide = (title: string, of: (stage: StageView) => string) =>
    Math.max(title.length, ...stages.map(each => of(each).length))
  const cells: readonly (readonly [title: string, of: (stage: StageView) => string])[] = [
    ['STAGE', each => String(each.stage)],
    ['HOSTS', each => String(each.hosts)],
    ...(columns < narrow ? [] : ([['OPENED', opened]] as const)),
  ]
  const before = cells.reduce((sum, [title, of]) => sum + wide(title, of) + 2, 0)
  const bar = Math.max(barMin, Math.min(barMax, columns - before - 2 - wordsWanted))
  const row = (texts: readonly string[]) =>
    cells.map(([title, of], at) => `${texts[at]!.padEnd(wide(title, of))}  `).join('')
  return [
    paint(row(cells.map(([title]) => title)).trimEnd(), 'dim', colour),
    ...stages.flatMap(stage => {
      // Nobody of a shut stage has begun, whatever is expected of them.
      const { hosts } = stage
      const of = (each: (typeof parts)[number]) =>
        stage.openedMs !== null ? stage[each.of] : each.of === 'waiting' ? hosts : 0
      const sizes = shares(parts.map(of), bar)
      const drawn = parts.map((each, at) => paint(each.mark.repeat(sizes[at]!), each.hue, colour)).join('')
      const room = ' '.repeat(Math.max(0, bar - printed(drawn)))
      const [words = '', ...more] = wrap(stageWords(stage), Math.max(8, columns - before - bar - 2), 3)
      const below = more.map(each => ' '.repeat(before + bar + 2) + each)
      return [`${row(cells.map(([, of]) => of(stage)))}${drawn}${room}  ${words}`.trimEnd(), ...below]
    }),
  ]
}

function stageWords(stage: StageView): string {
  const { openedMs, granted, hosts } = stage
  if (openedMs === null) return ''
  const said = parts.flatMap(each => (stage[each.of] > 0 ? [`${stage[each.of]} ${each.word}`] : []))
  return [...said, ...(granted < hosts ? [`${granted} may start`] : [])].map(inOnePiece).join(', ')
}

/** Orders that stand; what the verdict says of the first is not said twice. */
function haltsOf(rollout: RolloutView, columns: number, nowMs: number, colour: boolean): string[] {
  const isTold = decisionOf(rollout) !== rollout.decision
  return rollout.halts.flatMap(({ id, signer, issuedMs, reason }, at) => {
    const order = `order ${short(id)}, ${duration(nowMs - issuedMs)} ago`
    const words = `${order}, by ${signer ?? 'somebody unknown'}: ${reason ?? 'no reason given'}`
    const lines = wrap(`      ${harmless(isTold && at === 0 ? order : words)}`, columns, 3, ' '.repeat(6))
    return lines.map(each => paint(each, 'red', colour))
  })
}

function evidenceOf(evidence: readonly EvidenceView[], columns: number, colour: boolean): string[] {
  const said = [...evidence].sort((a, b) => (nameKey(a.name) < nameKey(b.name) ? -1 : 1))
  const among = (...states: string[]) => said.filter(each => states.includes(each.state))
  const named = (title: string, hosts: readonly EvidenceView[], hue: Colour) => {
    if (hosts.length === 0) return []
    const names = hosts.map(each => each.name)
    // As many names as two lines hold.
    for (let most = namesShown; ; most--) {
      const text = `${title.padEnd(8)} ${count(hosts.length, 'host')}: ${some(names, most)}`
      const lines = wrap(text, columns, 3, ' '.repeat(9))
      if (lines.length <= 2 || most === 1)
        return lines.map((line, at) =>
          at === 0 ? paint(title, hue, colour) + line.slice(title.length) : line,
        )
    }
  }
  const against = Object.entries(
    Object.groupBy(
      among('FAILED', 'INCONCLUSIVE'),
      each => `${each.state}: ${harmless(each.why ?? 'it did not say why')}`,
    ),
  )
  const lines = against.slice(0, againstShown).flatMap(([words, hosts = []], at) => {
    const title = at === 0 ? 'against' : ''
    const names = hosts.map(({ name, attempt }) => (attempt > 1 ? `${name} (attempt ${attempt})` : name))
    const who = hosts.length === 1 ? names[0]! : `${count(hosts.length, 'host')}, ${some(names, alikeShown)},`
    return wrap(`${title.padEnd(8)} ${who} ${words}`, columns, 5, ' '.repeat(9)).map((line, row) =>
      row === 0 ? paint(title, 'red', colour) + line.slice(title.length) : line,
    )
  })
  const more = against.length - againstShown
  const out = [
    ...named('for', among('HEALTHY', 'NOOP'), 'green'),
    ...lines,
    ...(more > 0 ? [`${' '.repeat(9)}and ${count(more, 'other way')} of failing`] : []),
    ...named('open', among('APPLYING', 'APPLIED', 'WAIT'), 'blue'),
  ]
  return out.length > 0 ? out : ['no evidence yet']
}

/** What an operator may do about a release that goes on no further by itself. */
function nextOf(rollout: RolloutView, columns: number, colour: boolean): string[] {
  const failed = rollout.evidence.filter(each => each.state === 'FAILED').map(each => each.name)
  const [first] = failed.sort((a, b) => (nameKey(a) < nameKey(b) ? -1 : 1))
  const isStuck = decisionOf(rollout).kind !== 'go' && first !== undefined
  const ways =
    rollout.halts.length > 0
      ? ['fleet resume lets it go on']
      : isStuck
        ? [`fleet retry ${first} tries again there`, 'fleet promote goes on all the same']
        : []
  if (ways.length === 0) return []
  const words = [...ways, 'fleet rollback N takes it back'].map(each => inOnePiece(harmless(each))).join(', ')
  return wrap(`next     ${words}`, columns, 4, ' '.repeat(9)).map((line, at) =>
    at === 0 ? paint('next', 'bold', colour) + line.slice('next'.length) : line,
  )
}
