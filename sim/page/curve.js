// How many hosts have which release in force (uPlot), and whatever else is counted over time.

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
