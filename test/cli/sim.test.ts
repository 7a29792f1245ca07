import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { barText, progressOn } from '../../cli/bar.ts'
import { CliError, type Io, type Options } from '../../cli/command.ts'
import { type CampaignParts, simulateMany, statusText } from '../../cli/sim-campaign.ts'
import { codeDigest } from '../../cli/sim-code.ts'
import { type Parts, simulateOne } from '../../cli/sim-one.ts'
import { againFor, type CampaignAsk, type OneAsk, readAsk } from '../../cli/sim-options.ts'
import { simulateTable } from '../../cli/sim-table.ts'
import { type Fault, faultClasses, type Scenario } from '../../sim/faults.ts'
import { readScenario, writeScenario } from '../../sim/scenario.ts'
import type { TableOptions } from '../../sim/table.ts'
import { outcome, report } from '../sim/outcomes.ts'
import { testIo } from './io.ts'

let folder: string
let said: string[]
let io: Io
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fleet-sim-'))
  said = []
  io = { ...testIo(folder), progress: line => void said.push(line) }
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const one = (options: Options) => readAsk(options) as OneAsk
const many = (options: Options) => readAsk(options) as CampaignAsk
const silent = { show: () => {}, line: (text: string) => void said.push(text), end: () => {} }
const file = (name: string) => readFileSync(join(folder, name), 'utf8')

describe('options', () => {
  test('a random seed, unless one is given', () => {
    expect(one({}).isRandom).toBe(true)
    expect(one({}).seed).not.toBe(one({}).seed)
    expect(one({ seed: '17' })).toEqual({ kind: 'one', seed: 17, isRandom: false, terms: {} })
  })
  test('classes of faults, in one order', () => {
    expect(one({ faults: 'all' }).terms.classes).toEqual(faultClasses)
    expect(one({ faults: 'none' }).terms.classes).toEqual([])
    expect(one({ faults: 'clock,network' }).terms.classes).toEqual(['network', 'clock'])
  })
  test('a campaign', () => {
    expect(many({ seeds: '3..9', jobs: '2', resume: 'x', checkDeterminism: true })).toEqual({
      kind: 'campaign',
      first: 3,
      last: 9,
      jobs: 2,
      terms: { twice: true },
      patienceMs: 300_000,
      resume: 'x',
    })
    expect(many({ seeds: '3..3' }).jobs).toBeGreaterThan(0)
    expect(many({ seeds: '3..3', patience: '20' }).patienceMs).toBe(20_000)
  })
  test.each<[Options, RegExp]>([
    [{ seeds: '9..3' }, /^--seeds: found '9\.\.3', expected A\.\.B/],
    [{ seeds: '1..4294967296' }, /^--seeds/],
    [{ seeds: '5' }, /^--seeds/],
    [{ seed: 'x' }, /^--seed: found 'x'/],
    [{ hosts: '0' }, /^--hosts/],
    [{ releases: '0' }, /^--releases/],
    [{ repo: '.', releases: '1' }, /^--repo and --releases do not go together/],
    [{ faults: 'network,weather' }, /^--faults: found 'weather', expected all, none, or some of network,/],
    [{ replay: 'f', seed: '1' }, /^--replay and --seed do not go together/],
    [{ seeds: '1..2', shrink: 'f' }, /^--seeds and --shrink do not go together/],
    [{ resume: 'f' }, /^--resume is for campaigns/],
    [{ jobs: '2' }, /^--jobs is for campaigns/],
    [{ repo: '.', seeds: '1..2' }, /^--repo and --seeds do not go together/],
    [{ rev: 'HEAD' }, /^--rev is for a repository/],
    [{ repo: '.', break: '101%' }, /^--break: found '101%'/],
  ])('%j', (options, message) => {
    expect(() => readAsk(options)).toThrow(message)
    expect(() => readAsk(options)).toThrow(expect.objectContaining({ exit: 2 }))
  })
  test('the command that runs a seed again is read as the same terms', () => {
    expect(againFor(7, {})).toBe('fleet sim --seed 7')
    expect(againFor(7, { hosts: 5, classes: ['host', 'disk'], realCrypto: true, twice: true })).toBe(
      'fleet sim --seed 7 --hosts 5 --faults host,disk --real-crypto --check-determinism',
    )
    const { repository } = one({ repo: "/tmp/anna's fleet", rev: 'HEAD~2', break: '0.5%' })
    expect(againFor(7, { hosts: 5 }, repository)).toBe(
      `fleet sim --seed 7 --repo '/tmp/anna'\\''s fleet' --rev HEAD~2 --break 0.5% --hosts 5`,
    )
    expect(againFor(7, { releases: 1 })).toBe('fleet sim --seed 7 --releases 1')
    expect(againFor(7, { classes: [] })).toBe('fleet sim --seed 7 --faults none')
    expect(againFor(7, { classes: faultClasses })).toBe('fleet sim --seed 7 --faults all')
  })
})

const faults: Fault[] = [
  { kind: 'clog', atMs: 1_000, untilMs: 9_000, hosts: [1, 2] },
  { kind: 'kill', atMs: 2_000, untilMs: 9_000, hosts: [3] },
  { kind: 'restart', atMs: 3_000, hosts: [4] },
]
const scenario = (seed: number): Scenario => ({
  format: 1,
  seed,
  hosts: 6,
  faultsMs: 10_000,
  healMs: 10_000,
  releases: [],
  core: [0, 1, 2, 3],
  faults,
})

/** Breaks a promise when a host is killed, unless the seed is even. */
const parts: Parts = {
  drawScenario: scenario,
  simulate: async ({ seed, faults }) => {
    if (seed === 13) throw new Error('unlucky')
    const isBad = seed % 2 === 1 && faults.some(each => each.kind === 'kill')
    return report({
      seed,
      ...(isBad && { ending: 'safety', violations: [{ checker: 'floor', atMs: 1, text: 'sank' }] }),
    })
  },
  renderReport: ({ seed, ending, again }) => `${seed} ${ending}: ${again}`,
  htmlReport: ({ seed }) => `<p>${seed}</p>`,
}

describe('one run', () => {
  test('its report, its exit code, and the files that were asked for', async () => {
    const answer = await simulateOne(one({ seed: '2', html: 'r.html', write: 's.json' }), parts, silent, io)
    expect([answer.exit, answer.text()]).toEqual([0, '2 ok: fleet sim --seed 2'])
    expect(answer.json).toEqual(report({ seed: 2, again: 'fleet sim --seed 2' }))
    expect(file('r.html')).toBe('<p>2</p>')
    expect(file('s.json')).toBe(writeScenario(scenario(2)))
    expect(said).toEqual([])
  })
  test('a random seed is said before the run', async () => {
    const ask = one({})
    await simulateOne({ ...ask, seed: 4 }, parts, silent, io)
    expect(said).toEqual(['fleet sim --seed 4'])
  })
  test('a broken promise is shrunk, and what was written fails when it is replayed', async () => {
    const answer = await simulateOne(one({ seed: '3', shrink: 'small.json' }), parts, silent, io)
    expect(answer.exit).toBe(129)
    expect(answer.text()).toMatch(
      /^3 safety: fleet sim --seed 3\nshrunk in \d+ runs to 1 host, 0 releases, 1 fault:\n {2}fleet sim --replay small\.json$/,
    )
    const { scenario: small } = readScenario(file('small.json'), 'small.json')
    expect(small?.faults.map(each => each.kind)).toEqual(['kill'])
    const again = await simulateOne(one({ replay: 'small.json' }), parts, silent, io)
    expect([again.exit, again.text()]).toEqual([129, '3 safety: fleet sim --replay small.json'])
  })
  test('stopped while it shrinks: the smallest so far is written', async () => {
    const stopped = { ...io, stopped: () => Promise.resolve() }
    const answer = await simulateOne(one({ seed: '3', shrink: 'small.json' }), parts, silent, stopped)
    expect(answer.text()).toContain('(stopped)')
    expect(readScenario(file('small.json'), 'x').problems).toBeUndefined()
  })
  test('nothing is shrunk when nothing failed', async () => {
    const answer = await simulateOne(one({ seed: '2', shrink: 'small.json' }), parts, silent, io)
    expect(answer.text()).toBe('2 ok: fleet sim --seed 2')
    expect(() => file('small.json')).toThrow('ENOENT')
  })
  test('two traces', async () => {
    let run = 0
    const simulate = async () => report({ traceHash: String(run++) })
    const ask = one({ seed: '2', checkDeterminism: true })
    const answer = await simulateOne(ask, { ...parts, simulate }, silent, io)
    expect([answer.exit, run]).toEqual([130, 2])
  })
  test('a simulator that breaks is a crash, with the command', async () => {
    const failed = simulateOne(one({ seed: '13' }), parts, silent, io)
    await expect(failed).rejects.toThrow(/^the simulator broke: Error: unlucky/)
    await expect(failed).rejects.toMatchObject({ exit: 127, hint: 'fleet sim --seed 13' })
  })
  test('a scenario file with problems', async () => {
    writeFileSync(join(folder, 'bad.json'), writeScenario({ ...scenario(1), hosts: 0, core: [] }))
    const failed = simulateOne(one({ replay: 'bad.json' }), parts, silent, io)
    await expect(failed).rejects.toBeInstanceOf(CliError)
    await expect(failed).rejects.toThrow(
      /^bad\.json: hosts: found 0; [^\n]+\nbad\.json: core: found an empty list/,
    )
    await expect(failed).rejects.toMatchObject({ exit: 2 })
  })
})

/** Odd seeds break a promise; all light one mark of two. */
function campaignParts(ran: number[]): CampaignParts {
  const run = async (seed: number) => {
    ran.push(seed)
    const isBad = seed % 2 === 1
    return outcome({
      seed,
      marks: { lit: 1 },
      ...(isBad && { ending: 'safety', violations: [{ checker: 'floor', atMs: 1, text: 'sank' }] }),
    })
  }
  return { code: 'c0de', marks: ['lit', 'dark'], start: () => ({ run, end: () => {} }) }
}

describe('a campaign', () => {
  test('a summary, a few failures as they come, the exit code of the worst', async () => {
    const answer = await simulateMany(many({ seeds: '1..10', jobs: '1' }), campaignParts([]), silent, io)
    expect(answer.exit).toBe(129)
    expect(answer.text().replace(/ in \d+ ms/, ' in 5 ms')).toBe(`10 seeds in 5 ms: 5 ok, 5 safety

ENDING  CHECKER  SEEDS  FIRST      WHAT THE FIRST SAID
safety  floor    5      1 3 5 7 9  sank
  fleet sim --seed 1

MARK  SEEDS THAT REACHED IT
lit   10

never reached, so nothing was tried there: dark

slowest: 1 (10 ms), 2 (10 ms), 3 (10 ms), 4 (10 ms), 5 (10 ms)`)
    expect(said).toEqual([1, 3, 5].map(seed => `safety: sank\n  fleet sim --seed ${seed}`))
  })
  test('dark marks fail it, unless terms left out what they need', async () => {
    const all = await simulateMany(many({ seeds: '2..2' }), campaignParts([]), silent, io)
    expect(all.exit).toBe(1)
    const some = await simulateMany(many({ seeds: '2..2', faults: 'disk' }), campaignParts([]), silent, io)
    expect(some.exit).toBe(0)
    expect(some.text()).toContain('marks were not judged')
  })
  test('goes on from its file: what is done is counted and not run, also after a torn line', async () => {
    const ask = (seeds: string, more: Options = {}) => many({ seeds, jobs: '1', resume: 'c.jsonl', ...more })
    const ran: number[] = []
    await simulateMany(ask('1..3'), campaignParts(ran), silent, io)
    appendFileSync(join(folder, 'c.jsonl'), '{"seed":4,"end')
    const answer = await simulateMany(ask('2..5'), campaignParts(ran), silent, io)
    expect(ran).toEqual([1, 2, 3, 4, 5])
    expect(answer.text()).toMatch(/^4 seeds in [^:]+: 2 ok, 2 safety\n/)
    expect(said).toContain('2 of 4 seeds were done before, by the same code')
    await simulateMany(ask('1..5'), campaignParts(ran), silent, io)
    expect(ran.length).toBe(5)
    await simulateMany(ask('1..2'), { ...campaignParts(ran), code: 'other' }, silent, io)
    await simulateMany(ask('1..1', { hosts: '5' }), campaignParts(ran), silent, io)
    expect(ran.slice(5)).toEqual([1, 2, 1])
  })
  test('stopped: what was run, and how to go on', async () => {
    const stop = Promise.withResolvers<void>()
    const hangs = () => {
      stop.resolve()
      return new Promise<never>(() => {})
    }
    const start = () => ({ run: hangs, end: () => {} })
    const stopped = { ...io, stopped: () => stop.promise }
    const ask = many({ seeds: '2..9', jobs: '1', resume: 'c.jsonl' })
    const answer = await simulateMany(ask, { ...campaignParts([]), start }, silent, stopped)
    expect(answer.exit).toBe(1)
    expect(answer.text()).toContain('stopped: 8 were not run; the same command goes on from c.jsonl')
  })
  test('what took too long is a crash, but not kept: whoever goes on runs it again', async () => {
    const ask = { ...many({ seeds: '2..2', jobs: '1', resume: 'c.jsonl' }), patienceMs: 1 }
    const start = () => ({ run: () => new Promise<never>(() => {}), end: () => {} })
    const late = await simulateMany(ask, { ...campaignParts([]), start }, silent, io)
    expect(late.exit).toBe(127)
    const ran: number[] = []
    await simulateMany({ ...ask, patienceMs: 60_000 }, campaignParts(ran), silent, io)
    expect(ran).toEqual([2])
  })
  test('how far it is', () => {
    expect(statusText({ seeds: 450, failed: 2 }, 1_000, 50, 200_000)).toBe(
      '450 of 1000, 2 failing, 2.0 seeds/s, 5 min left',
    )
  })
})

test('the digest of the code is one', () => {
  expect(codeDigest()).toMatch(/^[0-9a-f]{12}$/)
  expect(codeDigest()).toBe(codeDigest())
})

describe('progress', () => {
  const stage = (isTTY: boolean, quiet: boolean) => {
    const written: string[] = []
    const clock = { nowMs: 0 }
    const stream = { isTTY, columns: 60, write: (text: string) => void written.push(text) }
    return { written, clock, progress: progressOn(stream, io, quiet, () => clock.nowMs) }
  }
  test('a bar of the width it has', () => {
    expect(barText(0.5, 'halfway', 60, false)).toBe('━━━━━─────   50%  halfway')
    expect(barText(1, 'x'.repeat(99), 60, false).length).toBe(60)
    expect(barText(7, '', 10, false).length).toBeLessThanOrEqual(13)
  })
  test('on a terminal it is drawn over, ten times a second, and goes', () => {
    const { written, clock, progress } = stage(true, false)
    progress.show(0, 'a')
    progress.show(0.1, 'b')
    clock.nowMs = 100
    progress.show(1, 'c')
    progress.line('stays')
    progress.end()
    expect(written.map(each => each.replace(/[━─]+ +/, '').trim())).toEqual([
      '0%  a\u001b[K',
      '100%  c\u001b[K',
      '\u001b[K',
      '\u001b[K',
    ])
    expect(said).toEqual(['stays'])
  })
  test('elsewhere a plain line every ten seconds', () => {
    const { written, clock, progress } = stage(false, false)
    progress.show(0.1, 'a')
    clock.nowMs = 10_000
    progress.show(0.2, 'b')
    progress.show(0.3, 'c')
    progress.end()
    expect([written, said]).toEqual([[], [' 20%  b']])
  })
  test('nothing at all with --json', () => {
    const { written, clock, progress } = stage(true, true)
    clock.nowMs = 99_000
    progress.show(0.2, 'b')
    progress.line('x')
    progress.end()
    expect([written, said]).toEqual([[], []])
  })
})

test('the table of releases: shares of a row, sizes and odds as they are said', () => {
  const row = { n: 1_000, p: 0.005, done: 0.993, halted: 0, waiting: 0.007 }
  const more = { damageMean: 0.0048, damageP95: 0.009, openings: 5.04 }
  const asked: TableOptions[] = []
  const table = (options: TableOptions) => {
    asked.push(options)
    return [{ ...row, ...more, n: options.ns[0]! }]
  }
  const answer = simulateTable({ seed: '9', json: true }, table, io)
  expect(asked.map(({ ns, seed }) => [ns, seed])).toEqual([5, 10, 30, 100, 1_000, 10_000].map(n => [[n], 9]))
  expect(answer.json).toMatchObject({ seed: 9, rows: [{ n: 5 }, {}, {}, {}, {}, { n: 10_000, ...more }] })
  expect(answer.text()).toMatch(/^1,000 +0\.5 % +99\.3 % +0 % +0\.7 % +0\.48 % +0\.9 % +5\.0$/m)
  expect(() => simulateTable({ repo: '.' }, table, io)).toThrow(/^sim table and --repo do not go together/)
})
