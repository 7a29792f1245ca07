// What each host was doing, a line for each; several hosts a line where there are more than can be told apart.

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
const order = 'name'

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
