// `fleet sim table`: what the gates make of releases of every quality in fleets of every size, on one screen.
import type { TableOptions, TableRow } from '../sim/table.ts'
import { type Answer, CliError, exits, type Io, numberOption, type Options } from './command.ts'
import { paint, table as printTable } from './render.ts'

const ns = [5, 10, 30, 100, 1_000, 10_000] as const
const ps = [0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1] as const
/** Releases of each row: what happens to one in a hundred of them shows; some ten seconds of processor time for all. */
const runs = 1_000
/** What the table has, besides the seed of its dice. */
const taken = new Set(['seed', 'json'])

/** `table`: the simulation (sim/table.ts), handed in. */
export function simulateTable(
  options: Options,
  table: (options: TableOptions) => readonly TableRow[],
  io: Pick<Io, 'columns' | 'colour'>,
): Answer {
  for (const name of Object.keys(options))
    if (!taken.has(name))
      throw new CliError(
        `sim table and --${name.replace(/[A-Z]/g, each => `-${each.toLowerCase()}`)} do not go together`,
        {
          exit: exits.badInput,
          hint: 'fleet sim table --json',
        },
      )
  const seed = numberOption(options, 'seed', 0, 2 ** 32 - 1) ?? 1
  const rows = ns.flatMap(n => table({ ns: [n], ps, runs, seed }))
  return { json: { seed, runs, rows }, text: () => tableText(rows, seed, io) }
}

function tableText(rows: readonly TableRow[], seed: number, io: Pick<Io, 'columns' | 'colour'>): string {
  const lines = rows.map(({ n, p, done, halted, waiting, damageMean, damageP95, openings }) => [
    ...[n.toLocaleString('en-US'), percent(p)],
    ...[done, halted, waiting, damageMean, damageP95].map(percent),
    openings.toFixed(1),
  ])
  const heading = ['HOSTS', 'FAILS ON', 'DONE', 'HALTED', 'WAITING', 'BROKEN', 'BROKEN P95', 'OPENINGS']
  return [
    paint(
      `${runs.toLocaleString('en-US')} releases a row, seed ${seed}: stages auto, risk 5 %, 3 % of the hosts switched off`,
      'bold',
      io.colour,
    ),
    '',
    printTable(heading, lines, io.columns),
    '',
    'DONE: every host may start. HALTED: signed failures that are no accident. WAITING: until an operator',
    'promotes, or publishes another release. BROKEN: share of all hosts, mean and in 95 of 100 releases.',
  ].join('\n')
}

/** Two digits that count, `0.5 %`, `0.01 %`; near all of them three, so that all is all. */
function percent(share: number): string {
  const value = 100 * share
  return `${Number.isInteger(value) ? value : Number(value.toPrecision(value > 99 ? 3 : 2))} %`
}
