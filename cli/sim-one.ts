// `fleet sim` for one scenario: drawn or read, run (twice), shown, shrunk. The simulator is handed in.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Scenario } from '../sim/faults.ts'
import { drawn, type Simulator, signature, twice } from '../sim/outcome.ts'
import { exitCodes, type Report } from '../sim/report.ts'
import { readScenario, writeScenario } from '../sim/scenario.ts'
import { shrink } from '../sim/shrink.ts'
import type { Progress } from './bar.ts'
import { type Answer, CliError, exits, type Io } from './command.ts'
import { count } from './render.ts'
import { againFor, type OneAsk } from './sim-options.ts'
import type { Planned } from './sim-plan.ts'

/** Runs of a shrinking: a drawn scenario takes about a hundred; what takes more is not going to be small. */
const shrinkRunsMax = 400

export interface Parts extends Simulator {
  renderReport(report: Report, options: { readonly columns: number; readonly colour: boolean }): string
  htmlReport(report: Report): string
}

export async function simulateOne(
  ask: OneAsk,
  parts: Parts,
  progress: Progress,
  io: Io,
  planned?: Planned,
): Promise<Answer> {
  const scenario =
    planned?.scenario ??
    (ask.replay === undefined ? drawn(parts, ask.seed, ask.terms) : readFile(ask.replay, io))
  const again =
    ask.replay === undefined ? againFor(ask.seed, ask.terms, ask.repository) : replayCommand(ask.replay, ask)
  // Before the run: whoever ends it, or waits, knows which one it was.
  if (ask.isRandom) io.progress(again)
  if (ask.write !== undefined) writeFileSync(resolve(io.cwd, ask.write), writeScenario(scenario))
  let report: Report
  try {
    report = { ...(await run(ask, scenario, parts, progress.show, planned)), again }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    throw new CliError(`the simulator broke: ${error.stack}`, { exit: exitCodes.crash, hint: again })
  } finally {
    progress.end()
  }
  if (ask.html !== undefined) writeFileSync(resolve(io.cwd, ask.html), parts.htmlReport(report))
  const shrunk =
    ask.shrink !== undefined && report.ending !== 'ok'
      ? await shrinkTo(ask.shrink, ask, scenario, report, parts, progress, io)
      : undefined
  return {
    exit: exitCodes[report.ending],
    json: { ...report, ...(shrunk && { shrunk: shrunk.json }) },
    text: () =>
      [parts.renderReport(report, { columns: io.columns, colour: io.colour }), ...(shrunk?.lines ?? [])].join(
        '\n',
      ),
  }
}

function replayCommand(file: string, { terms }: OneAsk): string {
  const flags = [terms.realCrypto && ' --real-crypto', terms.twice && ' --check-determinism']
  return `fleet sim --replay ${file}${flags.filter(Boolean).join('')}`
}

function readFile(file: string, io: Io): Scenario {
  const path = resolve(io.cwd, file)
  if (!existsSync(path)) throw new CliError(`there is no file ${file}`, { exit: exits.badInput })
  const { scenario, problems } = readScenario(readFileSync(path, 'utf8'), file)
  if (problems === undefined) return scenario
  throw new CliError(problems.join('\n'), {
    exit: exits.badInput,
    hint: `${count(problems.length, 'problem')}; docs/simulator.md says what a scenario holds`,
  })
}

function run(
  { terms }: OneAsk,
  scenario: Scenario,
  parts: Parts,
  onProgress: (share: number, line: string) => void,
  planned?: Planned,
): Promise<Report> {
  const plan = planned && { plan: planned.plan }
  const once = () => parts.simulate(scenario, { realCrypto: terms.realCrypto === true, onProgress, ...plan })
  return terms.twice ? twice(once) : once()
}

interface ShrunkTo {
  readonly json: {
    file: string
    hosts: number
    releases: number
    faults: number
    runs: number
    again: string
  }
  readonly lines: readonly string[]
}

/** Ctrl-C ends the search, and the smallest one so far is written. */
async function shrinkTo(
  file: string,
  ask: OneAsk,
  scenario: Scenario,
  { ending, violations }: Report,
  parts: Parts,
  progress: Progress,
  io: Io,
): Promise<ShrunkTo> {
  const wanted = signature({ ending, violations })
  let runs = 0
  let best = scenario
  let isStopped = false
  void io.stopped().then(() => {
    isStopped = true
  })
  const fails = async (candidate: Scenario) => {
    if (isStopped) return false
    runs++
    const size = `${count(best.hosts, 'host')}, ${count(best.faults.length, 'fault')}`
    progress.show(runs / shrinkRunsMax, `shrinking, run ${runs} of at most ${shrinkRunsMax}: ${size}`)
    let found: string
    try {
      found = signature(await run(ask, candidate, parts, () => {}))
    } catch {
      return false // what breaks the simulator is not what was looked for
    }
    if (found !== wanted) return false
    best = candidate
    return true
  }
  await shrink(scenario, fails, { runsMax: shrinkRunsMax })
  progress.end()
  writeFileSync(resolve(io.cwd, file), writeScenario(best))
  const again = replayCommand(file, ask)
  const { hosts, releases, faults } = best
  const sizes = [count(hosts, 'host'), count(releases.length, 'release'), count(faults.length, 'fault')]
  return {
    json: { file, hosts, releases: releases.length, faults: faults.length, runs, again },
    lines: [
      `shrunk in ${count(runs, 'run')} to ${sizes.join(', ')}${isStopped ? ' (stopped)' : ''}:`,
      `  ${again}`,
    ],
  }
}
