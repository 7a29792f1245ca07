// Draws all charts of a page, keeps them together under the pointer, and says what was drawn.

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
