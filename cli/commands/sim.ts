// `fleet sim`: a fleet in one process under a virtual clock. Reads what is asked for, and loads only what that takes.
import { progressOn } from '../bar.ts'
import { type Answer, CliError, type CommandSpec, exits, type Io, type Options } from '../command.ts'
import { type OneAsk, type RepositoryAsk, readAsk } from '../sim-options.ts'
import type { Planned } from '../sim-plan.ts'

export const spec: CommandSpec = {
  about:
    "Runs the agent's own code for many hosts in one process, with a clock, a network and disks that obey a seed, and breaks things: first anything may fail, then a part of the fleet is healed and must converge. The same seed and code give the same run, byte for byte. docs/simulator.md says what is simulated, and how to read the report. Exit: 0 ok, 127 crash, 128 the healed part did not converge, 129 a promise was broken, 130 two runs differed; 1: a campaign was stopped, or never reached some mark.",
  args: [['[table]', 'the word table: how releases of every quality fare in fleets of 5 to 10,000 hosts']],
  options: [
    // What the scenario is.
    ['--seed <n>', 'draw the scenario from this seed (default: a random one, printed)'],
    ['--hosts <n>', 'so many hosts (default: drawn)'],
    [
      '--faults <classes>',
      'all, none, or some of network, partition, host, disk, clock, apply, content, hostile, operator, parted by commas (default: drawn)',
    ],
    ['--releases <n>', 'so many releases in the first phase (default: drawn)'],
    ['--replay <file>', 'run the scenario of this file'],
    ['--real-crypto', 'check each signature as often as hosts do, instead of once'],
    ['--check-determinism', 'run everything twice, and compare'],
    // An operator's own fleet.
    [
      '--repo <dir>',
      "release this repository's files to its own hosts, by its own terms, and see how long that takes; --hosts for more or fewer of the kind",
    ],
    ['--rev <rev>', 'of it, a commit, branch or tag (default: the files as they are now)'],
    ['--break <percent>', 'release at last what breaks that part of the hosts: 3%'],
    // What is kept of one run.
    ['--write <file>', 'write the scenario: to change it, and --replay it'],
    ['--shrink <file>', 'after a failure: write the smallest scenario that fails alike'],
    ['--html <file>', 'write the report as a page'],
    // Many.
    ['--seeds <range>', 'a campaign: all seeds from A to B, given as A..B'],
    ['-j, --jobs <n>', 'processes of a campaign (default: one for each processor)'],
    ['--patience <s>', 'wall clock for one run of a seed, before it counts as a crash (default: 300)'],
    ['--resume <file>', 'keep the outcome of each seed here, and leave out what is done'],
  ],
  examples: [
    'fleet sim',
    'fleet sim --seed 17 --hosts 30 --faults network,partition',
    'fleet sim --seed 17 --shrink /tmp/small.json --html /tmp/report.html',
    'fleet sim --replay /tmp/small.json',
    'fleet sim --repo . --hosts 500 --break 3%',
    'fleet sim --seeds 1..100 -j 2 --resume /tmp/campaign.jsonl',
    'fleet sim table',
  ],
  json: true,
  async run([what], options, io) {
    if (what !== undefined) return tabulate(what, options, io)
    const ask = readAsk(options)
    const progress = progressOn(process.stderr, io, options['json'] === true)
    if (ask.kind === 'one') {
      const planned = ask.repository && (await plan(ask.repository, ask, io))
      if (planned && 'text' in planned) return planned
      const [{ simulateOne }, { simulate }, { drawScenario }, { renderReport }, { htmlReport }] =
        await Promise.all([
          import('../sim-one.ts'),
          import('../../sim/main.ts'),
          import('../../sim/draw.ts'),
          import('../../sim/render.ts'),
          import('../../sim/html.ts'),
        ])
      return simulateOne(ask, { simulate, drawScenario, renderReport, htmlReport }, progress, io, planned)
    }
    const [{ simulateMany }, { codeDigest }, { marks }, { startWorker }] = await Promise.all([
      import('../sim-campaign.ts'),
      import('../sim-code.ts'),
      import('../../sim/marks.ts'),
      import('../../sim/processes.ts'),
    ])
    const start = () => startWorker(ask.terms)
    return simulateMany(ask, { code: codeDigest(), marks, start }, progress, io)
  },
}

/** The one thing that `fleet sim` has a word for. */
async function tabulate(what: string, options: Options, io: Io): Promise<Answer> {
  if (what !== 'table')
    throw new CliError(`sim: found '${what}', expected table, or only options`, {
      exit: exits.badInput,
      hint: 'fleet sim table',
    })
  const [{ simulateTable }, { table }] = await Promise.all([
    import('../sim-table.ts'),
    import('../../sim/table.ts'),
  ])
  return simulateTable(options, table, io)
}

/** The repository's problems as `fleet check` answers them, or what is to be simulated. */
async function plan(repository: RepositoryAsk, ask: OneAsk, io: Io): Promise<Planned | Answer> {
  const { planFor } = await import('../sim-plan.ts')
  return planFor(repository, ask, io)
}
