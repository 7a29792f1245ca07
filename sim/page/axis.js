// The time axis that all charts of a page share, and the canvas they draw on. html.ts puts `span` and the report in front.

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
