// One run on one screen: what broke first, then how releases spread, what it cost, and the command that runs it again.
// What is left out when there is too much is counted; all of it is in --json and on the page (html.ts).
import type { ReleaseStory, Report, StageStory } from './report.ts'
import { bytes, count, endings, figure, span } from './words.ts'

export interface Screen {
  readonly columns: number
  readonly colour: boolean
}

/** Lines of a terminal, less one for the prompt. */
const linesMax = 23

const codes = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 } as const

/** Text without a line break or a control character, cut to the width. */
function fit(text: string, columns: number): string {
  const line = text.replace(/\p{Cc}/gu, ' ')
  return line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1)).trimEnd()}…`
}

/** Two lines at most: what was promised seldom fits into one. */
function wrap(text: string, columns: number): string[] {
  const line = fit(text, Infinity)
  const at = line.length <= columns ? -1 : line.lastIndexOf(' ', columns)
  return at < columns / 2
    ? [fit(line, columns)]
    : [line.slice(0, at), fit(`    ${line.slice(at + 1)}`, columns)]
}

export function renderReport(report: Report, { columns, colour }: Screen): string {
  const paint = (text: string, ...styles: (keyof typeof codes)[]) =>
    colour ? styles.reduce((inner, each) => `\u001b[${codes[each]}m${inner}\u001b[0m`, text) : text
  const well = report.ending === 'ok'

  const head = [
    paint(
      fit(`${well ? 'ok' : report.ending.toUpperCase()}: ${endings[report.ending]}`, columns),
      well ? 'green' : 'red',
      'bold',
    ),
    ...(report.title === undefined ? [] : [fit(report.title, columns)]),
    paint(fit(world(report), columns), 'dim'),
  ]
  const broken = report.violations.map(({ checker, host, atMs, text }) =>
    wrap(`  ${checker}, ${host === undefined ? '' : `${host}, `}${span(atMs)}: ${text}`, columns)
      .map(line => paint(line, 'red'))
      .join('\n'),
  )
  const pending = report.pending.map(each => paint(fit(`  pending: ${each}`, columns), 'yellow'))
  const foot = [
    '',
    ...cost(report).map(line => fit(line, columns)),
    ...struck(report, columns),
    fit(`again     ${report.again}`, Infinity),
  ]
  // What the run is about gets its lines first; the newest releases are shown, the stages of as many as there is room for.
  let room = linesMax - head.length - foot.length
  const shown = [...cap(broken, 4, 'violation'), ...cap(pending, 3, 'pending', true)].flatMap(each =>
    each.split('\n'),
  )
  room -= shown.length
  const table = releases(report.releases, columns, room)
  return [
    ...head,
    ...shown,
    ...table.map(({ text, bad }) => (bad ? paint(text, 'yellow') : text)),
    ...foot,
  ].join('\n')
}

function world(report: Report): string {
  const hosts = [
    count(report.hosts.length, 'host'),
    ...(report.observers < report.hosts.length ? [`${figure(report.observers)} whole boards`] : []),
    ...(report.engines > 0 ? [`${figure(report.engines)} whole engines`] : []),
  ]
  return `seed ${report.seed}, ${hosts.join(', ')}, ${span(report.simulatedMs)} in ${span(report.wallMs)}`
}

function cap(lines: readonly string[], most: number, noun: string, plain = false): string[] {
  if (lines.length <= most) return [...lines]
  const rest = lines.length - most + 1
  return [
    ...lines.slice(0, most - 1),
    `  … and ${plain ? `${figure(rest)} more ${noun}` : count(rest, `more ${noun}`)}`,
  ]
}

interface Line {
  readonly text: string
  readonly bad: boolean
}

/** Two lines a release, and its stages where there is room: one line for each of those that failed somewhere, the newest first. */
function releases(all: readonly ReleaseStory[], columns: number, room: number): Line[] {
  const extra = all.flatMap(troubles).length
  const newest = all.slice(-Math.max(1, Math.floor((room - 2 - extra) / 2)))
  const rest = all.length - newest.length
  let left = room - 1 - 2 * newest.length - extra - (rest > 0 ? 1 : 0)
  const staged = new Set<ReleaseStory>()
  // Where a release was stopped is what is asked about; others tell their stages on one line where there is no room for more.
  const brief = new Set<ReleaseStory>()
  const first = newest.toReversed().sort((a, b) => Number(b.failed > 0) - Number(a.failed > 0))
  for (const each of first) {
    if (each.stages.length === 0 || left === 0 || waitedForNone(each)) continue
    const isWhole = each.stages.length <= left && (each.failed > 0 || all.length === 1)
    left -= isWhole ? each.stages.length : 1
    ;(isWhole ? staged : brief).add(each)
  }
  const lines: Line[] = [{ text: '', bad: false }]
  for (const each of newest) {
    const bad = each.failed > 0
    const ends = `: in force on ${figure(each.inForce)}, tried by ${figure(each.tried)}, failed on ${figure(each.failed)}`
    const name = fit(`release ${each.sequence}, ${each.subject}`, columns - ends.length)
    lines.push({ text: name + ends, bad }, { text: fit(reach(each), columns), bad })
    for (const line of troubles(each)) lines.push({ text: fit(line, columns), bad })
    if (brief.has(each)) lines.push({ text: fit(briefly(each), columns), bad })
    if (staged.has(each)) for (const stage of each.stages) lines.push(stageLine(stage, each, columns))
  }
  if (rest > 0) lines.push({ text: `… and ${count(rest, 'older release')}`, bad: false })
  return lines
}

/** Hosts took it, though none of its stages opened: what it brings back was healthy on them before. */
function waitedForNone({ stages, tried }: ReleaseStory): boolean {
  return tried > 0 && stages.every(each => each.openedMs === undefined)
}

/** How far a bad release came, and what was wrong with one that was to be good. */
function troubles({ breaks, failed, tried, why }: ReleaseStory): string[] {
  const damage =
    breaks === undefined
      ? []
      : [`    it reached ${count(tried, 'host')}; ${figure(failed)} failed, ${figure(breaks)} of all would`]
  return why === undefined ? damage : [...damage, `    failed first on ${why}`]
}

function reach({ p50Ms, p90Ms, p99Ms, lastMs }: ReleaseStory): string {
  const shares = { '50 %': p50Ms, '90 %': p90Ms, '99 %': p99Ms, '100 %': lastMs }
  const words = Object.entries(shares).map(
    ([share, ms]) => `${share} ${ms === undefined ? 'never' : span(ms)}`,
  )
  return `    ${words
    .map(each => each.padEnd(18))
    .join('')
    .trimEnd()}`
}

const afterwards = (ms: number) => (ms < 1 ? 'at once' : `after ${span(ms)}`)

function stageLine(stage: StageStory, { publishedMs }: ReleaseStory, columns: number): Line {
  const when = stage.openedMs === undefined ? 'never opened' : afterwards(stage.openedMs - publishedMs)
  const bad = /^(HALT|HOLD)/.test(stage.decision)
  return { text: fit(`    ${count(stage.hosts, 'host')} ${when}. ${stage.decision}`, columns), bad }
}

/** Hosts of each stage, and when it opened. */
function briefly({ stages, publishedMs }: ReleaseStory): string {
  const words = stages.map(({ hosts, openedMs }) =>
    openedMs === undefined ? `${figure(hosts)} never` : `${figure(hosts)} ${span(openedMs - publishedMs)}`,
  )
  return `    stages  ${words.join(', ')}`
}

function cost({ traffic }: Report): string[] {
  const both = (way: string, messages: number, size: number) =>
    `${figure(messages)} messages, ${bytes(size)} ${way}`
  return [
    `per host  ${both('in', traffic.messagesIn, traffic.bytesIn)}; ${both('out', traffic.messagesOut, traffic.bytesOut)}`,
    `          of it on the log topic ${figure(traffic.gossipIn)} messages, ${bytes(traffic.gossipBytesIn)} in`,
    `          ${figure(traffic.verifications)} signatures checked, ${span(traffic.cpuMs)} of processor time`,
  ]
}

function struck({ faults }: Report, columns: number): string[] {
  if (faults.length === 0) return ['faults    none']
  const counts = new Map<string, number>()
  for (const { kind } of faults) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  const words = [...counts]
    .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    .map(([kind, n]) => (n > 1 ? `${kind} ×${figure(n)}` : kind))
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length + 3 <= columns - 10)
      lines[lines.length - 1] = `${last}, ${word}`
    else lines.push(word)
  }
  // Two lines: rare kinds come last and go first.
  const [first, ...more] = lines
  const second = more.length > 0 ? [fit(`          ${more.join(', ')}`, columns)] : []
  return [fit(`faults    ${first}${second.length > 0 ? ',' : ''}`, columns), ...second]
}
