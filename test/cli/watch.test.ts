// `fleet peers --watch` on a real pseudo-terminal, as a process: takes it over, shows news, and gives it back.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Picture } from '../../cli/census.ts'
import { fleetBin } from '../../cli/demo-stage.ts'
import type { PeerView } from '../../node/control.ts'
import { serveControl } from '../../node/os-socket.ts'
import { fiveHundred, six } from './pictures.ts'
import { Terminal } from './terminal.ts'

let folder = ''
let picture: Picture = six
let server: { close(): Promise<void> } | undefined
let terminal: Terminal | undefined

const serve = async () => {
  server = await serveControl(join(folder, 'control.sock'), async ({ ask }) => ({
    ok: ask === 'peers' ? picture.peers : picture.rollout,
  }))
}
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fleet-watch-'))
  picture = six
  await serve()
})
afterEach(async () => {
  terminal?.close()
  await server?.close()
  rmSync(folder, { recursive: true, force: true })
})

const env = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  ...process.env,
  TERM: 'xterm',
  NO_COLOR: '1',
  ...more,
})
const watch = (columns: number, rows: number, more = '', vars: NodeJS.ProcessEnv = {}) => {
  terminal = new Terminal(
    `${fleetBin} peers --watch --state ${folder} ${more}; echo "ended with $?"`,
    columns,
    rows,
    env(vars),
  )
  return terminal
}
const given = (after: Terminal) => {
  const { isAlternate, hasCursor, wraps, lines } = after.screen
  expect({ isAlternate, hasCursor, wraps }).toEqual({ isAlternate: false, hasCursor: true, wraps: true })
  return lines
}

test('a first screen, a change, and q gives the terminal back as it was', { timeout: 60_000 }, async () => {
  const at = watch(80, 24)
  const first = await at.shows('the fleet', ({ lines }) => lines[0] === 'release 42  nginx: longer timeouts')
  expect(first).toMatchObject({ isAlternate: true, hasCursor: false })
  expect(first.lines.length).toBe(24)
  expect(first.lines.some(each => /^web2 +42 +FAILED/.test(each))).toBe(true)

  const written = at.output.length
  picture = { ...six, peers: six.peers.map(each => (each.name === 'db1' ? { ...each, release: 42 } : each)) }
  await at.shows('db1 at release 42', ({ lines }) => lines.some(each => /^db1 +42 +HEALTHY/.test(each)))
  // Only lines that changed were written: the title is none of them.
  expect(at.output.slice(written)).not.toContain('nginx: longer timeouts')

  at.type('q')
  expect(await at.ended()).toBe(0)
  expect(given(at)).toEqual(['ended with 0'])
})

test('five hundred hosts in 80 × 24: those that need somebody first, the rest summed up, and all within reach', {
  timeout: 60_000,
}, async () => {
  picture = fiveHundred
  const at = watch(80, 24)
  const first = await at.shows('the sum', ({ lines }) => lines[22]?.includes('more below') === true)
  // A line that fills the screen keeps its last character.
  expect(first.lines[0]).toMatch(/^.{79}…$/)
  expect(first.lines.find(each => each.startsWith('host'))).toMatch(/^host18\.rack6.* FAILED/)
  at.type('G')
  const last = await at.shows('the end', ({ lines }) => /^5\d\d above$|^4\d\d above$/.test(lines[22] ?? ''))
  expect(last.lines[21]).toMatch(/^host\d+\.rack.* HEALTHY/)
  at.type('\u001b[H')
  await at.shows('the top', ({ lines }) => lines.some(each => each.startsWith('host18.rack6')))
  at.type('jj')
  await at.shows('two lines down', ({ lines }) => lines[22]?.startsWith('1 above') === true)
  at.type('\u0003')
  expect(await at.ended()).toBe(0)
  given(at)
})

test('an agent that goes and comes back is told, and does not end the screen', {
  timeout: 60_000,
}, async () => {
  const at = watch(100, 30)
  await at.shows('the fleet', ({ lines }) => lines[0]?.startsWith('release 42') === true)
  await server?.close()
  const old = await at.shows(
    'that it is old',
    ({ lines }) => lines[29]?.includes('not fresh: no agent runs') === true,
  )
  expect(old.lines[0]).toBe('release 42  nginx: longer timeouts')
  await serve()
  await at.shows('that it is fresh', ({ lines }) => lines[29]?.includes('scroll') === true)
  at.type('q')
  expect(await at.ended()).toBe(0)
  given(at)
})

test('a signal gives the terminal back', async () => {
  const file = join(folder, 'pid')
  terminal = new Terminal(
    `sh -c 'echo $$ > ${file}; exec ${fleetBin} peers --watch --state ${folder}'`,
    80,
    24,
    env(),
  )
  await terminal.shows('the fleet', ({ lines }) => lines[0]?.startsWith('release 42') === true)
  process.kill(Number(readFileSync(file, 'utf8')), 'SIGTERM')
  expect(await terminal.ended()).toBe(0)
  expect(given(terminal)).toEqual([])
})

test('a bug gives the terminal back, and its words are seen', async () => {
  const at = watch(80, 24)
  await at.shows('the fleet', ({ lines }) => lines[0]?.startsWith('release 42') === true)
  picture = { ...six, peers: [{ name: 'web1' } as PeerView] }
  await at.ended()
  expect(given(at)[0]).toBe('fleet: this is a bug in fleet, please report it with these lines:')
})

test('where nothing can be drawn over, it says so', async () => {
  const at = watch(80, 24, '', { TERM: 'dumb' })
  await at.ended()
  expect(at.output).toContain('fleet: --watch needs a terminal, and TERM=dumb cannot move the cursor')
  expect(at.output).toContain('ended with 2')
  expect(() =>
    execFileSync(fleetBin, ['peers', '--watch', '--state', folder], { env: env(), stdio: 'pipe' }),
  ).toThrow('--watch needs a terminal, and this is none')
})
