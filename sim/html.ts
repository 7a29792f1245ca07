// One run as one page that asks for nothing: words and tables are written here, charts are drawn by page/*.js from
// the report in the page. What may run or be styled is pinned by digest, since names and reasons come from anybody.
import { createHash } from 'node:crypto'
import { type Assets, readAssets } from './assets.ts'
import { faultClasses, faultKinds } from './faults.ts'
import { phases, type ReleaseStory, type Report, type StageStory } from './report.ts'
import { bytes, count, endings, figure, span } from './words.ts'

const plain = (text: string) =>
  text.replace(/[&<>"']/g, found => `&#${found.charCodeAt(0)};`).replace(/[^\P{Cc}\n\t]/gu, '\ufffd')
const pin = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
const when = (ms: number | undefined) => (ms === undefined ? '–' : span(ms))

/** A cell is escaped; the first column is text, the others are figures unless `words` says so. */
function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  words: readonly number[] = [0],
): string {
  const row = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell, i) => `<${tag}${words.includes(i) ? '' : ' class="figure"'}>${plain(cell)}</${tag}>`).join('')}</tr>`
  return `<div class="wide"><table><thead>${row(heading, 'th')}</thead><tbody>${rows.map(cells => row(cells, 'td')).join('\n')}</tbody></table></div>`
}

export function htmlReport(report: Report, assets: Assets = readAssets()): string {
  const style = `${assets.plotStyle}\n${assets.style}`
  const plot = `/*\n${assets.plotLicense.trim()}\n*/\n${assets.plotScript}`
  const script = `const span = ${span.toString()}\n${assets.script}`
  for (const each of [plot, script])
    if (/<\/script|<!--/i.test(each)) throw new Error('a script of the page would end early')
  const policy = [
    `default-src 'none'`,
    `script-src ${pin(plot)} ${pin(script)}`,
    `style-src ${pin(style)}`,
    `base-uri 'none'`,
    `form-action 'none'`,
  ].join('; ')
  const { seed, ending } = report
  return `<!doctype html>
<html lang="en" data-ending="${ending}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>fleet sim: seed ${seed}, ${count(report.hosts.length, 'host')}: ${endings[ending]}</title>
<style>${style}</style>
</head>
<body>
<main>
${head(report)}
${charts(report)}
<section><h2>Releases</h2>${releases(report.releases)}</section>
<section><h2>What it cost each host</h2>${traffic(report)}</section>
${extras(report)}
</main>
<script type="application/json" id="report">${JSON.stringify(drawn(report)).replaceAll('<', '\\u003c')}</script>
<script>${plot}</script>
<script>${script}</script>
</body>
</html>
`
}

function head(report: Report): string {
  const { hosts, observers, engines, violations, pending } = report
  const facts = [
    `seed ${report.seed}`,
    count(hosts.length, 'host'),
    ...(observers < hosts.length ? [`${figure(observers)} keep a whole board`] : []),
    ...(engines > 0 ? [`${figure(engines)} run the whole engine`] : []),
    `${span(report.simulatedMs)} simulated in ${span(report.wallMs)}`,
    count(report.events, 'event'),
    `fleet ${report.version}`,
  ]
  const broken = violations.map(
    each =>
      `<li><b>${plain(each.checker)}</b> ${each.host === undefined ? '' : `on <b>${plain(each.host)}</b> `}at ${span(each.atMs)}<br>${plain(each.text)}</li>`,
  )
  const waits = pending.map(each => `<li>${plain(each)}</li>`)
  const list = (name: string, title: string, items: readonly string[]) =>
    items.length === 0
      ? ''
      : `<section class="${name}"><h2>${title}</h2><ul>${items.slice(0, 5).join('\n')}</ul>${
          items.length > 5
            ? `<details><summary>${figure(items.length - 5)} more</summary><ul>${items.slice(5).join('\n')}</ul></details>`
            : ''
        }</section>`
  return `<header><h1><span class="verdict">${report.ending}</span> ${endings[report.ending]}</h1>
<p class="facts">${facts.map(plain).join(' · ')}</p>
<p class="again">Run it again: <code>${plain(report.again)}</code></p></header>
${list('violations', count(violations.length, 'violation'), broken)}
${list('pending', 'Still pending when time was up', waits)}`
}

function charts({ hosts, violations, releases }: Report): string {
  const staged = releases.some(each => each.stages.length > 0)
  const legend = Object.entries(phases).map(
    ([letter, name]) => `<li><i class="phase-${letter}"></i>${name}</li>`,
  )
  return `<div id="stack">
<section><h2>Hosts that have a release in force</h2><div id="curve"></div>
<p class="hint">Drag across the chart to look closer; double click shows all again.${violations.length > 0 ? ' Red lines are violations.' : ''}</p></section>
<section><h2>Releases and their stages</h2><canvas id="stages" role="img" aria-label="When each release was published, its stages, and how far it had come"></canvas>
<p class="hint">Marks: 50, 90, 99 and 100 % of the hosts had it in force.${staged ? ' Stages: hosts let through so far; green GO, amber HOLD, red HALT.' : ''}</p></section>
<section><h2>What went wrong</h2><canvas id="faults" role="img" aria-label="Faults by kind over time"></canvas></section>
<section><h2>${hosts.length === 1 ? 'The host' : `All ${count(hosts.length, 'host')}`}</h2>
<p class="tools"><span id="order"><button type="button" data-order="name" aria-pressed="true">in the order of the run</button><button type="button" data-order="arrival" aria-pressed="false">by arrival of the last release</button></span><span id="grain"></span></p>
<ul class="legend">${legend.join('')}</ul>
<canvas id="heat" role="img" aria-label="What each host was doing over time"></canvas></section>
<div id="hair" hidden></div><div id="tip" hidden></div>
</div>`
}

function releases(all: readonly ReleaseStory[]): string {
  if (all.length === 0) return '<p>None was published.</p>'
  const rows = all.map(each => [
    `${each.sequence}`,
    each.subject,
    span(each.publishedMs),
    ...[each.p50Ms, each.p90Ms, each.p99Ms, each.lastMs].map(when),
    ...[each.tried, each.failed, each.inForce].map(figure),
  ])
  const heading = ['', 'release', 'published', '50 %', '90 %', '99 %', '100 %', 'tried', 'failed', 'in force']
  const stages = all.flatMap(({ sequence, publishedMs, stages }) =>
    stages.map((stage, i) => [
      i === 0 ? `${sequence}` : '',
      `${i + 1}`,
      figure(stage.hosts),
      opened(stage, publishedMs),
      figure(stage.healthy),
      figure(stage.failed),
      stage.decision,
    ]),
  )
  const below = ['release', 'stage', 'hosts', 'opened', 'healthy', 'failed', 'decision']
  return `${table(heading, rows, [0, 1])}<p class="note">Time from the publication until that share of the hosts had the release in force; in force: at the end.</p>${
    stages.length > 0 ? `<h3>Stages</h3>${table(below, stages, [0, 6])}` : ''
  }`
}

/** As of its release's publication. */
const opened = ({ openedMs }: StageStory, publishedMs: number) =>
  openedMs === undefined
    ? 'never'
    : openedMs - publishedMs < 1
      ? 'at once'
      : `after ${span(openedMs - publishedMs)}`

function traffic({ traffic, simulatedMs }: Report): string {
  const hours = Math.max(simulatedMs, 1) / 3_600_000
  const line = (name: string, n: number, words: (n: number) => string) => [name, words(n), words(n / hours)]
  return table(
    ['mean of all hosts', 'whole run', 'an hour'],
    [
      line('messages in', traffic.messagesIn, figure),
      line('of these on the log topic', traffic.gossipIn, figure),
      line('messages out', traffic.messagesOut, figure),
      line('bytes in', traffic.bytesIn, bytes),
      line('of these on the log topic', traffic.gossipBytesIn, bytes),
      line('bytes out', traffic.bytesOut, bytes),
      line('signatures checked', traffic.verifications, figure),
      line('processor time', traffic.cpuMs, span),
    ],
  )
}

function extras({ marks, queues, traceHash }: Report): string {
  const reached = Object.entries(marks).sort(([, a], [, b]) => a - b)
  const largest = Object.entries(queues).sort(([, a], [, b]) => b[0] / b[1] - a[0] / a[1])
  const marked = table(
    ['mark', 'reached'],
    reached.map(([name, n]) => [name, n === 0 ? 'never' : figure(n)]),
  )
  const queued = table(
    ['queue', 'largest', 'bound'],
    largest.map(([name, [size, bound]]) => [name, figure(size), figure(bound)]),
  )
  const never = reached.filter(([, n]) => n === 0).length
  return `<section class="extras"><details><summary>${count(reached.length, 'mark')}, ${never} never reached</summary>${marked}</details>
<details><summary>${count(largest.length, 'bounded queue')}</summary>${queued}</details>
<p class="note">Trace <code>${plain(traceHash)}</code></p></section>`
}

/** What page/*.js reads. Hosts' lines are run lengths (`w12f3h200`), which is a tenth of the letters. */
function drawn(report: Report) {
  const { hosts, curve, heat, releases, violations, simulatedMs } = report
  const kinds = Object.keys(faultKinds)
  const place = (kind: string) => {
    const known = (faultKinds as Record<string, { class: (typeof faultClasses)[number] } | undefined>)[kind]
    return known ? faultClasses.indexOf(known.class) * 100 + kinds.indexOf(kind) : Infinity
  }
  return {
    simulatedMs,
    hosts,
    curve,
    releases,
    violations,
    phases,
    heat: heat.map(line => line.replace(/(.)\1*/gs, run => `${run[0]}${run.length}`)),
    faults: report.faults.toSorted((a, b) => place(a.kind) - place(b.kind) || a.atMs - b.atMs),
  }
}
