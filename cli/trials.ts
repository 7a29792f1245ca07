// What hosts say of trials, as a laptop that has joined hears it: which go on, who runs them, who does not and why.
import type { Trial } from '../node/orders.ts'
import { hex } from '../signing/bytes.ts'
import type { Trust } from '../signing/trust.ts'
import { CliError, type Io, numberOption, type Options } from './command.ts'
import { type Laptop, openLaptop } from './laptop.ts'
import { operatorOf } from './operator.ts'
import { findProject, readTree, trustOf } from './project.ts'
import { count, duration, short, table } from './render.ts'

export interface TrialHost {
  readonly name: string
  readonly state: 'running' | 'failed' | 'not begun' | 'back'
  readonly why: string | null
}

type Host = Trust['roster'][number]

/** ms for a host to fetch a trial and to run it, or to go back. */
const patienceMs = 60_000
/** ms for the board of the hosts that were reached to arrive. */
const boardMs = 2_000

export function liveTrials({ peer }: Laptop): readonly Trial[] {
  return peer.orders.trials(Date.now())
}

/** What a host last said of the trial `id`; undefined: of any. */
function stateOf({ peer }: Laptop, { name, key }: Host, id: string | undefined): TrialHost {
  const said = peer.reporter.board.row(hex(key))?.status
  const isOf = said?.trial !== undefined && (id === undefined || hex(said.trial) === id)
  const has = (flag: string) => isOf && (said?.flags?.includes(flag) ?? false)
  const why = isOf && said?.why !== undefined ? firstLine(said.why) : null
  if (has('TRIAL_FAILED')) return { name, state: 'failed', why }
  if (has('TRIAL')) return { name, state: 'running', why: null }
  if (said !== undefined && id === undefined) return { name, state: 'back', why: null }
  return { name, state: 'not begun', why: said === undefined ? 'nothing was heard of it' : why }
}

/** Waits until the hosts say that they run the trial, or that it failed; without an id: until they are back. */
export async function waitForHosts(
  laptop: Laptop,
  hosts: readonly Host[],
  id: string | undefined,
  options: Options,
  io: Io,
): Promise<readonly TrialHost[]> {
  const states = () => hosts.map(each => stateOf(laptop, each, id))
  const done = (state: TrialHost['state']) =>
    id === undefined ? state !== 'running' : state === 'running' || state === 'failed'
  let shown = -1
  const waitMs = Math.max(patienceMs, (numberOption(options, 'wait', 1, 3_600) ?? 0) * 1000)
  await laptop.until(waitMs, () => {
    const now = states().filter(each => done(each.state)).length
    const what = id === undefined ? 'back' : 'begun'
    if (now !== shown) io.progress(`${what} on ${(shown = now)} of ${count(hosts.length, 'host')}`)
    return now === hosts.length
  })
  return states()
}

/** `fleet trial --json`: stable. */
interface ListedTrial {
  readonly id: string
  readonly commit: string
  readonly by: string
  readonly until: string
  readonly hosts: readonly TrialHost[]
}

/** The trials that go on, asked of the fleet. */
export async function listTrials(
  options: Options,
  io: Io,
): Promise<{ readonly json: readonly ListedTrial[]; readonly text: () => string }> {
  const project = findProject(io.cwd)
  const trust = trustOf(await readTree(project, { rev: 'HEAD' }))
  const signer = await operatorOf(project, trust, options, io, 'fleet')
  const waitMs = (numberOption(options, 'wait', 1, 3_600) ?? 10) * 1000
  const laptop = await openLaptop({ project, trust, signer, io })
  try {
    if (!(await laptop.catchUp(waitMs)))
      throw new CliError(`no host was reached within ${duration(waitMs)}`, {
        hint: 'is a host up, and does its line in trust/hosts have an addr= that this machine reaches?',
      })
    await laptop.learnOrders(waitMs)
    const known = new Map((laptop.peer.entries.trust()?.roster ?? []).map(each => [hex(each.key), each]))
    const hostsOf = (each: Trial) => each.hosts.flatMap(host => known.get(host) ?? [])
    const heard = () =>
      liveTrials(laptop).every(each =>
        each.hosts.every(host => laptop.peer.reporter.board.row(host) !== undefined),
      )
    await laptop.until(boardMs, heard)
    const json = liveTrials(laptop).map(each => ({
      ...{ id: each.id, commit: each.order.commit, by: each.signer, until: each.order.until },
      hosts: hostsOf(each).map(host => stateOf(laptop, host, each.id)),
    }))
    return { json, text: () => textOf(json, io.columns) }
  } finally {
    await laptop.close()
  }
}

function textOf(trials: readonly ListedTrial[], columns: number): string {
  if (trials.length === 0) return 'no trial goes on'
  const rows = trials.flatMap(each =>
    each.hosts.map(host => [host.name, host.state, short(each.id), each.until, each.by, host.why ?? '']),
  )
  return table(['HOST', 'STATE', 'TRIAL', 'UNTIL', 'BY', 'NOTES'], rows, columns)
}

/** What a host says is anybody's text: no more than a line of it, and nothing that a terminal obeys. */
function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').replace(/\p{Cc}/gu, '?').slice(0, 200)
}
