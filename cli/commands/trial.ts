// `fleet trial`: a few hosts run the commit of any branch until a time; which do, and the end of it.

import { formatRosterProblem } from '../../node/host/steps/check-roster.ts'
import { hex } from '../../signing/bytes.ts'
import { type Time, timeMs, timeOf } from '../../signing/fields.ts'
import type { Trust } from '../../signing/trust.ts'
import { offerBranch } from '../branch.ts'
import {
  type Answer,
  CliError,
  type CommandSpec,
  exits,
  type Io,
  type Options,
  textOption,
} from '../command.ts'
import { TreeDeclaration } from '../declaration.ts'
import { authorOf } from '../operator.ts'
import { giveOrders, heldText, orderOptions } from '../order.ts'
import { badInput, findProject, inOrder, readTree, trustOf } from '../project.ts'
import { count, short, size } from '../render.ts'
import { listTrials, liveTrials, type TrialHost, waitForHosts } from '../trials.ts'
import { period } from './pause.ts'

export const spec: CommandSpec = {
  about:
    'Signs an order by which the hosts that are named run the commit of any branch until a time, and keep it as they would a release; then they go back to their release by themselves. It is no release: it is no evidence, no other host takes it, and a newer release waits on these hosts until it is over. A trial that fails is undone, and the release stays. One operator is enough. The hosts fetch it from this laptop, so the command waits until they have. Without arguments: the trials that go on.',
  args: [['[branch]', "a commit, branch or tag; or 'end': they go back now"]],
  options: [
    ['--on <hosts>', 'names, as on the roster, with commas between'],
    ['--label <label=value>', 'all hosts with this label'],
    ['--until <time>', 'how long: 2h, 1d (at most 30d); or a time such as 2026-12-31T12:00:00Z'],
    ...orderOptions,
  ],
  examples: [
    'fleet trial --on web1 new-nginx --until 2h',
    'fleet trial --label role=web HEAD --until 30m',
    'fleet trial end --on web1',
    'fleet trial',
  ],
  json: true,
  async run([what], options, io) {
    if (what === undefined) return await list(options, io)
    return what === 'end' ? await end(options, io) : await begin(what, options, io)
  },
}

async function list(options: Options, io: Io): Promise<Answer> {
  for (const name of ['on', 'label', 'until'])
    if (options[name] !== undefined)
      throw new CliError(`--${name} needs a branch, or 'end'`, {
        exit: exits.badInput,
        hint: 'fleet trial --on web1 BRANCH --until 2h',
      })
  const { json, text } = await listTrials(options, io)
  return { json, text }
}

async function begin(rev: string, options: Options, io: Io): Promise<Answer> {
  const until = untilOf(textOption(options, 'until'))
  const chosen = choiceOf(options)
  if (chosen === undefined) throw needsHosts()
  const project = findProject(io.cwd)
  const tree = await readTree(project, { rev })
  // Checked for the roster of this clone before anything is asked; each host checks it again.
  const problems = new TreeDeclaration(tree, trustOf(await readTree(project, { rev: 'HEAD' })).roster).check()
  if (problems.length > 0) throw badInput(problems, inOrder(problems).map(formatRosterProblem))
  let states: readonly TrialHost[] = []
  let commit = ''
  const given = await giveOrders(
    'trial',
    options,
    io,
    async ({ trust }, laptop) => {
      const hosts = pick(chosen, trust)
      const author = authorOf(project.root, io)
      const made = await offerBranch(laptop, tree, author, `trial of ${rev}`.slice(0, 100))
      commit = made.commit
      const live = liveTrials(laptop)
      const keys = new Set(hosts.map(each => hex(each.key)))
      const replaced = live.filter(each => each.hosts.some(host => keys.has(host)))
      return {
        wishes: [{ order: 'trial', commit, pack: made.pack, hosts: [...keys].sort(), until, mode: 'run' }],
        afterMs: lastIssued(laptop),
        lines: [
          `trial of ${rev} (${tree.source?.slice(0, 10)}): ${count(made.files, 'file')}, ${size(made.pack.size)}`,
          `on ${namesOf(hosts)} until ${until}, then back to the release`,
          ...replaced.map(each => `ends the trial ${short(each.id)} there, by ${each.signer}`),
        ],
        question: 'run it there?',
        leave: async ids => {
          states = await waitForHosts(laptop, hosts, ids[0] ?? '', options, io)
        },
      }
    },
    trust => nearOf(chosen, trust),
  )
  const late = states.filter(each => each.state !== 'running')
  return {
    exit: late.length === 0 ? exits.ok : exits.failed,
    json: { ...given, trial: { commit, until, hosts: states } },
    text: () =>
      [
        ...states.map(each => `${each.name}: ${each.state}${each.why ? `: ${each.why}` : ''}`),
        `${heldText(given)}; sooner than ${until}: fleet trial end`,
        ...(late.some(each => each.state === 'not begun')
          ? ['who has not begun can fetch it from those that have; else give the trial again']
          : []),
      ].join('\n'),
  }
}

async function end(options: Options, io: Io): Promise<Answer> {
  if (options['until'] !== undefined)
    throw new CliError('--until: a trial ends now; expected none', { exit: exits.badInput })
  const chosen = choiceOf(options)
  let states: readonly TrialHost[] = []
  const given = await giveOrders(
    'trial',
    options,
    io,
    ({ trust }, laptop) => {
      const keys = chosen && new Set(pick(chosen, trust).map(each => hex(each.key)))
      const ends = liveTrials(laptop)
        .map(each => ({ ...each, hosts: each.hosts.filter(host => keys?.has(host) ?? true) }))
        .filter(each => each.hosts.length > 0)
      if (ends.length === 0)
        throw new CliError(`no trial goes on ${keys ? 'there' : 'anywhere'}; nothing was ordered`)
      const known = new Map(trust.roster.map(each => [hex(each.key), each]))
      const hosts = ends.flatMap(each => each.hosts.flatMap(host => known.get(host) ?? []))
      return {
        // One whose time is over ends those before it, also where a clock is slow.
        wishes: ends.map(({ order: { commit, pack }, hosts }) => ({
          ...{ order: 'trial', commit, pack, hosts: [...hosts].sort(), until: longOver, mode: 'run' },
        })),
        afterMs: lastIssued(laptop),
        lines: ends.map(each => {
          const names = each.hosts.map(host => known.get(host)?.name ?? host.slice(0, 10))
          return `trial ${short(each.id)} by ${each.signer}, until ${each.order.until}, ends on ${names.join(', ')}`
        }),
        question: 'end it?',
        leave: async () => {
          states = await waitForHosts(laptop, hosts, undefined, options, io)
        },
      }
    },
    trust => (chosen === undefined ? [] : nearOf(chosen, trust)),
  )
  return {
    json: { ...given, hosts: states },
    text: () => [...states.map(each => `${each.name}: ${each.state}`), heldText(given)].join('\n'),
  }
}

const longOver = '1970-01-01T00:00:00Z' as Time

interface Choice {
  readonly names: readonly string[]
  readonly label?: readonly [name: string, value: string]
}

function choiceOf(options: Options): Choice | undefined {
  const on = textOption(options, 'on')
  const label = textOption(options, 'label')
  if (on !== undefined && label !== undefined)
    throw new CliError('--on and --label exclude each other', { exit: exits.badInput })
  if (on !== undefined) {
    const names = on.split(',').map(each => each.trim())
    if (names.some(each => each === '')) throw needsHosts()
    return { names: [...new Set(names)] }
  }
  if (label === undefined) return undefined
  const match = /^([^=]+)=(.+)$/.exec(label)
  if (match === null)
    throw new CliError(`--label: found '${label}', expected LABEL=VALUE, such as role=web`, {
      exit: exits.badInput,
    })
  return { names: [], label: [match[1]!, match[2]!] }
}

const needsHosts = () =>
  new CliError('expected the hosts that are meant: --on or --label', {
    exit: exits.badInput,
    hint: 'fleet trial --on web1 BRANCH --until 2h',
  })

/** As many hosts as one order may name. */
const hostsMax = 500

function pick(choice: Choice, trust: Trust): Trust['roster'] {
  const { names, label } = choice
  const found = trust.roster.filter(each =>
    label === undefined ? names.includes(each.name) : each.labels[label[0]] === label[1],
  )
  const missing = names.filter(name => !found.some(each => each.name === name))
  if (missing.length > 0 || found.length === 0) {
    const what = label === undefined ? missing.join(', ') : `a host with ${label.join('=')}`
    throw new CliError(`${what} is not on the roster that the fleet goes by; nothing was ordered`, {
      exit: exits.badInput,
    })
  }
  if (found.length > hostsMax)
    throw new CliError(`found ${found.length} hosts; an order names at most ${hostsMax}`, {
      exit: exits.badInput,
      hint: 'what is for so many is a release: fleet publish',
    })
  return found
}

/** Of the first ones: the others hear it from these. */
function nearOf({ names, label }: Choice, { roster }: Trust): readonly string[] {
  const meant = roster.filter(each =>
    label === undefined ? names.includes(each.name) : each.labels[label[0]] === label[1],
  )
  return meant.slice(0, 16).flatMap(each => each.addresses)
}

const namesOf = (hosts: Trust['roster']) => {
  const first = hosts.slice(0, 8).map(each => each.name)
  return `${first.join(', ')}${hosts.length > 8 ? ` and ${hosts.length - 8} more` : ''}`
}

function lastIssued({ peer }: Parameters<typeof liveTrials>[0]): number {
  const times = peer.orders.all().map(({ order }) => (order.order === 'trial' ? timeMs(order.issued) : 0))
  return Math.max(0, ...times)
}

function untilOf(text: string | undefined): Time {
  if (text === undefined)
    throw new CliError('expected --until: a trial has an end', {
      exit: exits.badInput,
      hint: 'fleet trial --on web1 BRANCH --until 2h',
    })
  if (/^[0-9]+[smhd]$/.test(text)) return timeOf(Date.now() + period(text, '--until'))
  const ms = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$/.test(text) ? Date.parse(text) : Number.NaN
  if (ms > Date.now()) return timeOf(ms)
  throw new CliError(
    `--until: found '${text}', expected a time to come, such as 2h, 1d or 2026-12-31T12:00:00Z`,
    { exit: exits.badInput },
  )
}
