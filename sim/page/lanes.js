// Lanes: things that last and moments, with a name on the left. Releases with their stages, and faults.

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
