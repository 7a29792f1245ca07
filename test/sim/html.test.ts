// Pages of runs, opened in a real browser: what they drew, and that they ask nobody for anything.
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { htmlReport } from '../../sim/html.ts'
import type { Report } from '../../sim/report.ts'
import { madeUp } from './reports.ts'

const browser = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync)
if (!browser) console.log('skipped: pages are not opened, since there is no chromium (apt install chromium)')
const dir = mkdtempSync(join(tmpdir(), 'fleet-page-'))
afterAll(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))

const flags = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  ...[
    '--virtual-time-budget=5000',
    '--enable-logging=stderr',
    '--v=0',
    '--window-size=1280,2000',
    '--dump-dom',
  ],
]
let pages = 0

/** The page after its scripts ran, and what they said on the console. */
async function open(html: string) {
  const name = join(dir, `${pages++}`)
  writeFileSync(`${name}.html`, html)
  const args = [...flags, `--user-data-dir=${name}`, `file://${name}.html#ink`]
  const options = { maxBuffer: 64 * 1024 * 1024, timeout: 50_000 }
  const { stdout, stderr } = await promisify(execFile)(browser!, args, options)
  const said = stderr.split('\n').filter(line => /CONSOLE|Refused to|Content Security Policy/.test(line))
  return { dom: stdout, said }
}

const attribute = (tag: string, name: string) => tag.match(new RegExp(`\\b${name}="([^"]*)"`))?.[1]
const tagOf = (dom: string, id: string) =>
  dom.match(new RegExp(`<[a-z]+[^>]* id="${id}"[^>]*>|<[a-z]+ id="${id}"[^>]*>`))?.[0] ?? ''
const drawn = (dom: string, id: string) => attribute(tagOf(dom, id), 'data-drawn')

const runs: Record<string, Report> = {
  '20 hosts, staged': madeUp({ hosts: 20 }),
  '500 hosts, with violations': madeUp({ hosts: 500, violations: 12, pending: 9 }),
  '2,500 hosts, all at once': madeUp({ hosts: 2500, stages: false }),
}

describe.skipIf(!browser)('in a browser', () => {
  for (const [name, report] of Object.entries(runs))
    test(name, { timeout: 60_000 }, async () => {
      const { dom, said } = await open(htmlReport(report))
      expect(said).toEqual([])
      expect(attribute(dom.match(/<html[^>]*>/)?.[0] ?? '', 'data-requests')).toBe('0')
      const rows = Math.ceil(report.hosts.length / Math.ceil(report.hosts.length / 1000))
      expect(drawn(dom, 'curve')).toBe(`${report.curve.series.length} series, 401 points`)
      expect(drawn(dom, 'heat')).toBe(`${rows} rows, 401 samples`)
      expect(drawn(dom, 'stages')).toMatch(report.releases[0]!.stages.length > 0 ? /^6 lanes/ : /^3 lanes/)
      const moments = report.faults.length + report.violations.length
      expect(drawn(dom, 'faults')).toMatch(new RegExp(` lanes, ${moments} items$`))
      const canvases = dom.match(/<canvas[^>]*>/g) ?? []
      expect(canvases).toHaveLength(4)
      for (const canvas of canvases) {
        expect(Number(attribute(canvas, 'data-ink')), canvas).toBeGreaterThan(2000)
        expect(Number(attribute(canvas, 'data-shades')), canvas).toBeGreaterThan(4)
      }
    })

  test('a run in which nothing happened', { timeout: 60_000 }, async () => {
    const curve = { everyMs: 1000, series: ['down', 'cut off'], counts: [[], []] }
    const nothing = { ...madeUp({ hosts: 1 }), releases: [], faults: [], heat: [''], curve, simulatedMs: 0 }
    const { dom, said } = await open(htmlReport(nothing))
    expect(said).toEqual([])
    expect(drawn(dom, 'heat')).toBe('1 rows, 0 samples')
  })

  test('the policy stops what is not ours', { timeout: 60_000 }, async () => {
    const html = htmlReport(runs['20 hosts, staged']!)
    const { dom, said } = await open(
      html.replace('</main>', '<script>document.title = "taken"</script></main>'),
    )
    expect(dom).not.toContain('<title>taken')
    expect(said.join('\n')).toContain('Content Security Policy')
  })
})

test('nothing in a page is fetched, and names stay text', () => {
  const evil = '</script><script>alert(1)</script><img src="http://127.0.0.1/x">'
  const base = madeUp({ hosts: 3, violations: 3, pending: 2 })
  const html = htmlReport({
    ...base,
    hosts: [evil, 'b', 'c'],
    pending: [evil],
    again: evil,
    violations: [{ checker: evil, host: evil, atMs: 1, text: evil }],
    releases: base.releases.map(each => ({ ...each, subject: evil })),
    marks: { [evil]: 1 },
  })
  expect(html.match(/<script[ >]/g)).toHaveLength(3)
  expect(html).not.toMatch(/<(img|link|iframe|object|base)\b/)
  // What scripts and report hold is no markup; its way into the document is textContent.
  const markup = html.replace(/<(script|style)[^>]*>[\s\S]*?<\/\1>/g, '')
  expect(markup).not.toMatch(/\b(src|href|style|on[a-z]+)=(?!&)/)
  expect(html).toContain(`content="default-src 'none'; script-src 'sha256-`)
})
