// Draws the charts of one run, all on one time axis: curve (uPlot), stages and faults (lanes), hosts (heat map). The
// words around them are html.ts's, which also puts `span` and the report in front of this.
/* global uPlot, span */

const report = JSON.parse(document.getElementById('report').textContent)
const find = id => document.getElementById(id)
const stack = find('stack')
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
/** CSS pixels on both sides of the time axis, the same in every chart. */
const gutter = { left: 148, right: 32 }
const font = size => `${size}px ${getComputedStyle(document.body).fontFamily}`
const view = { from: 0, to: Math.max(1, report.simulatedMs) }
const wide = () => Math.max(320, stack.clientWidth)
const inner = () => wide() - gutter.left - gutter.right
const xOf = ms => gutter.left + ((ms - view.from) / (view.to - view.from)) * inner()
const msOf = x => view.from + ((x - gutter.left) / inner()) * (view.to - view.from)

/** Where the time axis has its marks: steps that people count in. */
function ticks() {
  const [second, minute, hour] = [1000, 60_000, 3_600_000]
  const steps = [
    ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
    ...[1, 2, 5, 10, 15, 30].map(n => n * second),
    ...[1, 2, 5, 10, 15, 30].map(n => n * minute),
    ...[1, 2, 3, 6, 12].map(n => n * hour),
    ...[1, 2, 7, 14, 28, 91, 182, 364].map(n => n * 24 * hour),
  ]
  const most = Math.max(2, inner() / 90)
  const step = steps.find(each => (view.to - view.from) / each <= most) ?? steps.at(-1)
  const all = []
  for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) all.push(at)
  return all
}

/** Canvas of that height, in step with the screen's own pixels; and what draws on it in CSS pixels. */
function prepare(canvas, height) {
  const scale = window.devicePixelRatio || 1
  canvas.width = Math.round(wide() * scale)
  canvas.height = Math.round(height * scale)
  canvas.style.width = `${wide()}px`
  canvas.style.height = `${height}px`
  const pen = canvas.getContext('2d')
  pen.setTransform(scale, 0, 0, scale, 0, 0)
  pen.clearRect(0, 0, wide(), height)
  return pen
}

function axis(pen, top, height, labels) {
  pen.font = font(12)
  pen.textAlign = 'center'
  pen.textBaseline = 'top'
  for (const ms of ticks()) {
    pen.fillStyle = colour('line')
    pen.fillRect(Math.round(xOf(ms)), top, 1, height)
    pen.fillStyle = colour('muted')
    if (labels) pen.fillText(span(ms), xOf(ms), top + height + 6)
  }
}

/** Cut with an ellipsis to that many pixels. */
function fit(pen, text, width) {
  if (pen.measureText(text).width <= width) return text
  let [low, high] = [0, text.length]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (pen.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle
    else high = middle - 1
  }
  return low < 2 ? '' : `${text.slice(0, low).trimEnd()}…`
}

// Curve

const seriesColour = i => {
  const name = report.curve.series[i]
  if (name === 'down') return colour('down')
  if (name === 'cut off') return colour('cut')
  // The colour that the release has in its lane, wherever its curve stands.
  const at = report.releases.findIndex(({ sequence }) => name === `release ${sequence}`)
  return colour(`series-${(at < 0 ? i : at) % 6}`)
}

/** Without the stretches at zero, where all lines would lie on each other. */
const quiet = line => line.map((n, s) => (n === 0 && !line[s - 1] && !line[s + 1] ? null : n))

function drawCurve() {
  const { everyMs, series, counts } = report.curve
  const times = Array.from({ length: counts[0]?.length ?? 0 }, (_, s) => s * everyMs)
  const stroke = () => colour('muted')
  const lines = { stroke: () => colour('line'), width: 1 }
  const plot = new uPlot(
    {
      width: wide(),
      height: 320,
      padding: [10, gutter.right, 0, gutter.left - 76],
      cursor: { drag: { x: true, y: false } },
      scales: {
        x: { time: false, range: (_, min, max) => [min ?? 0, max ?? view.to] },
        y: { range: [0, Math.max(1, report.hosts.length) * 1.03] },
      },
      axes: [
        {
          stroke,
          grid: lines,
          ticks: lines,
          font: font(12),
          splits: ticks,
          values: (_, all) => all.map(span),
          size: 30,
          gap: 3,
        },
        {
          stroke,
          grid: lines,
          ticks: lines,
          font: font(12),
          size: 52,
          label: 'hosts',
          labelFont: font(12),
          labelSize: 24,
          incrs: [1, 2, 5].flatMap(n => [1, 10, 100, 1000, 10_000].map(by => n * by)).sort((a, b) => a - b),
        },
      ],
      series: [
        { label: 'at', value: (_, ms) => (ms == null ? '' : span(ms)) },
        ...series.map((label, i) => ({
          label,
          stroke: () => seriesColour(i),
          width: label.startsWith('release') ? 2 : 1.5,
          dash: label.startsWith('release') ? [] : [5, 4],
          paths: uPlot.paths.stepped({ align: 1 }),
          points: { show: false },
          value: (_, n, __, at) => (at == null ? '' : `${n ?? 0}`),
        })),
      ],
      hooks: {
        setScale: [
          (u, key) => {
            if (key !== 'x') return
            const { min, max } = u.scales.x
            if (min === view.from && max === view.to) return
            Object.assign(view, { from: min, to: max })
            // The first time comes before the plot is there.
            if (charts.plot) drawOthers()
          },
        ],
        draw: [violationLines],
      },
    },
    [times, ...counts.map(quiet)],
    find('curve'),
  )
  plot.over.addEventListener('dblclick', () =>
    plot.setScale('x', { min: 0, max: Math.max(1, report.simulatedMs) }),
  )
  return plot
}

function violationLines(u) {
  const pen = u.ctx
  pen.save()
  pen.strokeStyle = colour('bad')
  pen.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio])
  for (const { atMs } of report.violations) {
    const x = Math.round(u.valToPos(atMs, 'x', true))
    if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue
    pen.beginPath()
    pen.moveTo(x, u.bbox.top)
    pen.lineTo(x, u.bbox.top + u.bbox.height)
    pen.stroke()
  }
  pen.restore()
}

// Lanes: things that last and moments, with a name on the left

/** Lane: name, note, height, and items `{from, to?, fill, labels?, tip}`; without `to` it is a moment. Of labels the first that fits. */
function drawLanes(canvas, lanes) {
  const gap = 5
  const height = lanes.reduce((sum, each) => sum + each.height + gap, gap)
  const pen = prepare(canvas, height + 26)
  const spots = []
  axis(pen, 0, height, true)
  let top = gap
  let drawn = 0
  for (const lane of lanes) {
    const middle = top + lane.height / 2
    pen.textBaseline = 'middle'
    pen.textAlign = 'right'
    pen.font = font(13)
    pen.fillStyle = colour(lane.fill ?? 'text')
    pen.fillText(fit(pen, lane.name, gutter.left - 14), gutter.left - 10, middle)
    pen.save()
    pen.beginPath()
    pen.rect(gutter.left - 5, 0, inner() + 10, height)
    pen.clip()
    for (const item of lane.items) {
      const [left, right] = [xOf(item.from), xOf(item.to ?? item.from)]
      if (right < gutter.left - 5 || left > gutter.left + inner() + 5) continue
      drawn++
      pen.fillStyle = colour(item.fill)
      if (item.to === undefined) {
        const half = Math.min(6, lane.height / 2)
        pen.beginPath()
        pen.moveTo(left, middle - half)
        pen.lineTo(left + half * 0.8, middle)
        pen.lineTo(left, middle + half)
        pen.lineTo(left - half * 0.8, middle)
        pen.fill()
        spots.push({ left: left - 5, right: left + 5, top, bottom: top + lane.height, tip: item.tip })
        continue
      }
      const [seenLeft, seenRight] = [Math.max(left, gutter.left), Math.min(right, gutter.left + inner())]
      if (seenRight < seenLeft) continue
      // Overlapping ones add up, as what they stand for does.
      pen.globalAlpha = item.alpha ?? 1
      pen.beginPath()
      pen.roundRect(
        seenLeft,
        top,
        Math.max(2, seenRight - seenLeft),
        lane.height,
        Math.min(3, (right - left) / 2),
      )
      pen.fill()
      pen.globalAlpha = 1
      spots.push({ left, right: Math.max(left + 2, right), top, bottom: top + lane.height, tip: item.tip })
      if (item.labels) {
        pen.font = font(12)
        pen.textAlign = 'left'
        pen.fillStyle = colour('ground')
        const words = item.labels.find(each => pen.measureText(each).width <= seenRight - seenLeft - 10)
        pen.fillText(words ?? '', seenLeft + 5, middle + 0.5)
      }
    }
    pen.restore()
    top += lane.height + gap
  }
  canvas.spots = spots
  canvas.dataset.drawn = `${lanes.length} lanes, ${drawn} items`
}

const decisions = { GO: 'good', HOLD: 'warn', HALT: 'bad' }

function stageLanes() {
  return report.releases.flatMap((release, r) => {
    const { sequence, subject, publishedMs, stages } = release
    const fill = `series-${r % 6}`
    const marks = {
      '50 %': release.p50Ms,
      '90 %': release.p90Ms,
      '99 %': release.p99Ms,
      '100 %': release.lastMs,
    }
    const reached = Object.entries(marks).filter(([, ms]) => ms !== undefined)
    const last = reached.at(-1)?.[1] ?? 0
    const next = report.releases[r + 1]?.publishedMs ?? report.simulatedMs
    const words =
      reached.map(([share, ms]) => `${share} after ${span(ms)}`).join('\n') || 'reached less than half'
    const tip = `release ${sequence}, ${subject}\npublished at ${span(publishedMs)}\n${words}`
    const spread = {
      name: `release ${sequence}`,
      fill,
      height: 20,
      items: [
        {
          from: publishedMs,
          to: publishedMs + (release.lastMs ?? next - publishedMs),
          fill,
          alpha: 0.3,
          tip,
        },
        ...reached.map(([, ms]) => ({ from: publishedMs, to: publishedMs + ms, fill, alpha: 0.35, tip })),
        ...reached.map(([share, ms]) => ({
          from: publishedMs + ms,
          fill: 'text',
          tip: `${share} after ${span(ms)}`,
        })),
      ],
    }
    if (stages.length === 0) return [spread]
    const staged = {
      name: 'stages',
      fill: 'muted',
      height: 20,
      items: stages.flatMap((stage, k) => {
        if (stage.openedMs === undefined) return []
        const to = stages[k + 1]?.openedMs ?? Math.max(stage.openedMs, publishedMs + last)
        const word = stage.decision.match(/^[A-Z]+/)?.[0] ?? ''
        const hosts = `${stage.hosts} ${stage.hosts === 1 ? 'host' : 'hosts'}`
        const told = `stage ${k + 1} of release ${sequence}: ${hosts}, opened at ${span(stage.openedMs)}\n${stage.healthy} healthy, ${stage.failed} failed\n${stage.decision}`
        return [
          {
            from: stage.openedMs,
            to: Math.max(to, stage.openedMs),
            fill: decisions[word] ?? 'muted',
            labels: [`${word} ${hosts}`, hosts, `${stage.hosts}`],
            tip: told,
          },
        ]
      }),
    }
    // One line of ground between two stages, so that equal decisions do not run together.
    for (const item of staged.items)
      item.to -= Math.min(item.to - item.from, (1.5 / inner()) * (view.to - view.from))
    return [spread, staged]
  })
}

function faultLanes() {
  const kinds = Map.groupBy(report.faults, each => each.kind)
  const whom = hosts => {
    if (hosts.length === 0) return 'all hosts'
    const names = hosts.slice(0, 4).map(each => report.hosts[each] ?? `host ${each}`)
    return names.join(', ') + (hosts.length > 4 ? ` and ${hosts.length - 4} more` : '')
  }
  const lanes = [...kinds].map(([kind, faults]) => ({
    name: faults.length > 1 ? `${kind} ×${faults.length}` : kind,
    height: 14,
    items: faults.map(({ atMs, untilMs, hosts, text }) => ({
      from: atMs,
      to: untilMs,
      fill: 'fault',
      alpha: Math.max(0.08, Math.min(0.65, 1.3 / Math.sqrt(faults.length))),
      tip: `${kind}: ${text}\n${whom(hosts)}\n${untilMs === undefined ? `at ${span(atMs)}` : `${span(atMs)} to ${span(untilMs)}`}`,
    })),
  }))
  if (report.violations.length === 0) return lanes
  const items = report.violations.map(({ checker, host, atMs, text }) => ({
    from: atMs,
    fill: 'bad',
    tip: `${checker}${host === undefined ? '' : ` on ${host}`} at ${span(atMs)}\n${text}`,
  }))
  return [{ name: 'violations', fill: 'bad', height: 14, items }, ...lanes]
}

// Heat map

const names = {
  b: 'blank',
  w: 'waiting',
  f: 'fetching',
  a: 'applying',
  s: 'soaking',
  h: 'healthy',
  x: 'failed',
  o: 'older',
  d: 'down',
}
const letters = Object.keys(names)
const failed = letters.indexOf('x')
const samples = report.curve.counts[0]?.length ?? 0
/** Of each host: index of its phase for each sample. */
const heat = report.heat.map(line => {
  const row = new Uint8Array(Math.max(samples, 1))
  let at = 0
  for (const [, letter, n] of line.matchAll(/(\D)(\d+)/g)) {
    row.fill(Math.max(0, letters.indexOf(letter)), at, at + Number(n))
    at += Number(n)
  }
  return row
})
const rowsMax = 1000
const perRow = Math.max(1, Math.ceil(heat.length / rowsMax))
let order = 'name'

function ordered() {
  const all = heat.map((_, i) => i)
  if (order === 'name') return all
  const healthy = letters.indexOf('h')
  const since = heat.map(row => {
    if (row.at(-1) !== healthy) return Infinity
    return row.findLastIndex(each => each !== healthy)
  })
  return all.sort((a, b) => (since[a] === since[b] ? a - b : since[a] - since[b]))
}

function rgb(name) {
  const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  pen.fillStyle = colour(name)
  pen.fillRect(0, 0, 1, 1)
  return pen.getImageData(0, 0, 1, 1).data
}

function drawHeat() {
  const canvas = find('heat')
  const hosts = ordered()
  const rows = Math.ceil(hosts.length / perRow)
  const rowHeight = Math.min(18, Math.max(1, Math.floor(520 / Math.max(1, rows))))
  const height = rows * rowHeight
  const pen = prepare(canvas, height + 26)
  axis(pen, 0, height, true)
  const palette = letters.map(each => rgb(names[each]))
  const across = Math.max(1, Math.round(inner() * (window.devicePixelRatio || 1)))
  const picture = new ImageData(across, Math.max(1, rows))
  const votes = new Uint32Array(letters.length)
  for (let row = 0; row < rows; row++) {
    const of = hosts.slice(row * perRow, (row + 1) * perRow)
    for (let x = 0; x < across; x++) {
      const from = (view.from + (x / across) * (view.to - view.from)) / report.curve.everyMs
      const to = (view.from + ((x + 1) / across) * (view.to - view.from)) / report.curve.everyMs
      const first = Math.min(samples - 1, Math.floor(from))
      const end = Math.min(samples, Math.max(first + 1, Math.floor(to)))
      votes.fill(0)
      for (const host of of) for (let s = first; s < end; s++) votes[heat[host][s]]++
      // A pixel is what most were doing; but one failure is enough, since it is what is looked for.
      const phase = votes[failed] > 0 ? failed : votes.indexOf(Math.max(...votes))
      picture.data.set(palette[phase], (row * across + x) * 4)
    }
  }
  const sheet = document.createElement('canvas')
  sheet.width = across
  sheet.height = picture.height
  sheet.getContext('2d').putImageData(picture, 0, 0)
  pen.imageSmoothingEnabled = false
  pen.drawImage(sheet, gutter.left, 0, inner(), height)
  pen.textAlign = 'right'
  pen.textBaseline = 'middle'
  pen.font = font(Math.min(13, Math.max(11, rowHeight - 3)))
  // Names where a line of text has room, the first at the top.
  const every = Math.max(1, Math.ceil(14 / rowHeight))
  for (let row = 0; row < rows; row += every) {
    pen.fillStyle = colour('muted')
    const y = every === 1 ? row * rowHeight + rowHeight / 2 : row * rowHeight + 6
    if (every > 1 && y > height - 4) break
    pen.fillText(fit(pen, report.hosts[hosts[row * perRow]] ?? '', gutter.left - 16), gutter.left - 10, y)
    if (every === 1 && row > 0) {
      pen.fillStyle = colour('ground')
      pen.fillRect(gutter.left, row * rowHeight, inner(), 1)
    }
  }
  find('grain').textContent = perRow > 1 ? `a line is ${perRow} hosts: what most do, red if any failed` : ''
  canvas.dataset.drawn = `${rows} rows, ${samples} samples`
  canvas.at = (x, y) => {
    const row = Math.floor(y / rowHeight)
    const sample = Math.floor(msOf(x) / report.curve.everyMs)
    if (row < 0 || row >= rows || sample < 0 || sample >= samples) return undefined
    const of = hosts.slice(row * perRow, (row + 1) * perRow)
    const doing = Map.groupBy(of, host => report.phases[letters[heat[host][sample]]])
    const who = of.length === 1 ? report.hosts[of[0]] : `${of.length} hosts from ${report.hosts[of[0]]}`
    const what =
      of.length === 1 ? [...doing.keys()] : [...doing].map(([phase, some]) => `${some.length} ${phase}`)
    return `${who} at ${span(msOf(x))}\n${what.join(', ')}`
  }
}

// All together

const charts = { plot: undefined }

function drawOthers() {
  drawLanes(find('stages'), stageLanes())
  drawLanes(find('faults'), faultLanes())
  drawHeat()
}

function point(event) {
  const frame = stack.getBoundingClientRect()
  const [x, y] = [event.clientX - frame.left, event.clientY - frame.top]
  const [hair, tip] = [find('hair'), find('tip')]
  hair.hidden = x < gutter.left || x > gutter.left + inner()
  hair.style.left = `${x}px`
  const canvas = event.target
  const inside = canvas.getBoundingClientRect()
  const at = [event.clientX - inside.left, event.clientY - inside.top]
  const under = ({ left, right, top, bottom }) =>
    at[0] >= left && at[0] <= right && at[1] >= top && at[1] <= bottom
  const text = canvas.at?.(...at) ?? canvas.spots?.findLast(under)?.tip
  tip.hidden = text === undefined || hair.hidden
  if (text !== undefined) tip.textContent = text
  // On the side where there is room.
  tip.style.left = x > wide() / 2 ? '' : `${x + 14}px`
  tip.style.right = x > wide() / 2 ? `${wide() - x + 14}px` : ''
  tip.style.top = `${y + 14}px`
  if (canvas.tagName === 'CANVAS') charts.plot?.setCursor({ left: x - gutter.left, top: -10 })
}

charts.plot = drawCurve()
drawOthers()
stack.addEventListener('mousemove', point)
stack.addEventListener('mouseleave', () => {
  find('hair').hidden = find('tip').hidden = true
})
find('order').addEventListener('click', ({ target }) => {
  if (!target.dataset.order) return
  order = target.dataset.order
  for (const each of find('order').children) each.setAttribute('aria-pressed', String(each === target))
  drawHeat()
})
for (const id of ['stages', 'faults'])
  if (find(id).spots.length === 0) find(id).closest('section').hidden = true
window.addEventListener('resize', () => {
  charts.plot.setSize({ width: wide(), height: 320 })
  drawOthers()
})
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  charts.plot.redraw(false)
  drawOthers()
})

// What was drawn, for whoever checks pages by machine: counting ink takes a while, so only where it is asked for.
find('curve').dataset.drawn = `${charts.plot.series.length - 1} series, ${charts.plot.data[0].length} points`
document.documentElement.dataset.requests = String(performance.getEntriesByType('resource').length)
if (location.hash === '#ink')
  queueMicrotask(() => {
    for (const canvas of stack.querySelectorAll('canvas')) {
      const { data } = canvas
        .getContext('2d')
        .getImageData(0, 0, Math.max(1, canvas.width), Math.max(1, canvas.height))
      const shades = new Set()
      let ink = 0
      for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] === 0) continue
        ink++
        shades.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2])
      }
      canvas.dataset.ink = String(ink)
      canvas.dataset.shades = String(shades.size)
    }
  })
