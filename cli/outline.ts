// What a release will do to the fleet, for people, before it is signed: the stages with their first hosts, what cannot be taken
// back, when it can be over. Decides nothing; node/course.ts has worked it out.
import { type ChangeList, oneWaySteps } from '../node/affected.ts'
import type { Basis, Charted } from '../node/course.ts'
import { earliestMs, stepsOf } from '../node/ladder.ts'
import { soakSecondsOf } from '../node/release.ts'
import { hex } from '../signing/bytes.ts'
import type { Host } from '../signing/roster.ts'
import { count, duration, paint, table } from './render.ts'

/** Stable: `fleet publish --json` prints it. */
export interface Outline {
  readonly sequence: number
  readonly subject: string
  /** Hosts of the roster. */
  readonly hosts: number
  /** Those that the stages count. */
  readonly affected: number
  /** Sequence of the release that it is compared with. */
  readonly stable: number | null
  /** Sequence of the unfinished release whose order its hosts go in. */
  readonly seed: number | null
  /** Sequence of the newest earlier release with the same content: hosts that were well with it do not wait. */
  readonly again: number | null
  /** The label whose values' hosts go one after another. */
  readonly serial: string | null
  readonly stages: readonly Stage[]
  readonly oneWay: readonly { readonly step: string; readonly from: string; readonly hosts: number }[]
  /** Hosts that follow with the last stage. */
  readonly follow: readonly string[]
  readonly soakSeconds: number
  readonly windowSeconds: number
  /** From publishing to the last healthy host, if all are. */
  readonly earliestSeconds: number
}

interface Stage {
  /** Open once it starts: cumulative. */
  readonly hosts: number
  /** In how many steps it opens while all are healthy. */
  readonly parts: number
  /** Names of its hosts, in order. */
  readonly names: readonly string[]
}

/** Names of a stage that are shown; more would not fit. */
const namesMax = 4

export function outlineOf(
  about: {
    readonly sequence: number
    readonly subject: string
    readonly id: string
    readonly again: number | undefined
  },
  roster: readonly Host[],
  lists: readonly ChangeList[],
  basis: Basis,
  { course, counted, terms, turns }: Extract<Charted, { kind: 'charted' }>,
): Outline {
  const names = new Map(roster.map(host => [hex(host.key), host.name]))
  const order = turns(about.id).hosts.map(key => names.get(key) ?? key)
  const all = { stages: course.stages, risk: terms.riskBasisPoints, liars: terms.liarsBasisPoints }
  const steps = stepsOf(all)
  const soakSeconds = soakSecondsOf(terms, course.stages.at(-1) ?? 0)
  const windowSeconds = terms.windowSeconds ?? 0
  const times = { windowMs: windowSeconds * 1000, soakMs: soakSeconds * 1000 }
  return {
    sequence: about.sequence,
    subject: about.subject,
    hosts: roster.length,
    affected: counted,
    stable: basis.stable?.sequence ?? null,
    seed: basis.seed?.sequence ?? null,
    again: about.again ?? null,
    serial: terms.serial ?? null,
    stages: course.stages.map((hosts, at) => ({
      hosts,
      parts: steps.filter(each => each.stage === at + 1).length,
      names: order.slice(course.stages[at - 1] ?? 0, Math.min(hosts, counted)),
    })),
    oneWay: oneWaySteps(lists).map(({ step, hosts }) => ({
      step: step.id,
      from: `${step.origin.file}:${step.origin.line}`,
      hosts: hosts.length,
    })),
    follow: order.slice(counted),
    soakSeconds,
    windowSeconds,
    earliestSeconds: earliestMs(all, times) / 1000,
  }
}

/**
 * `labels` of a host, by name. `missing`: the release last seen complete, whose content is not on this machine; `unfinished`: why the
 * newest one is not complete.
 */
export function screenOf(
  outline: Outline,
  labelsOf: (name: string) => Readonly<Record<string, string>>,
  {
    columns,
    colour,
    missing,
    unfinished,
  }: {
    readonly columns: number
    readonly colour: boolean
    readonly missing?: number | undefined
    readonly unfinished?: string | undefined
  },
): string {
  const { sequence, subject, hosts, affected, stable, seed, again, serial, follow } = outline
  const lines = [paint(`release ${sequence}: ${subject}`, 'bold', colour)]
  const seen = (each: number) => `release ${each}, the last one seen complete`
  if (affected === 0) lines.push(`nothing changes on any of ${count(hosts, 'host')}`)
  else if (stable !== null) lines.push(`changes ${affected} of ${count(hosts, 'host')}`)
  else lines.push(`all of it counts as new to ${count(affected, 'host')}`)
  lines.push(
    stable !== null
      ? `compared with ${seen(stable)}`
      : missing === undefined
        ? 'no release was seen complete yet'
        : `${seen(missing)}, is not on this machine: git fetch`,
  )
  if (seed !== null) lines.push(`goes on in the order of release ${seed}, which is not complete`)
  if (unfinished !== undefined) lines.push(unfinished)
  if (again !== null)
    lines.push(`hosts that were well with release ${again}, which holds the same, take it at once`)
  if (serial !== null) lines.push(`hosts with one value of ${serial}= go one after another`)
  if (affected > 0) lines.push('', stagesTable(outline, labelsOf, columns), '')
  if (follow.length > 0)
    lines.push(
      `${affected > 0 ? 'follow with the last stage' : 'follow at once'}: ${named(follow, columns - 28)}`,
    )
  for (const { step, from, hosts } of outline.oneWay)
    lines.push(
      `${paint('one-way', 'red', colour)}: ${step} (${from}) runs on ${count(hosts, 'host')}, and cannot be taken back`,
    )
  lines.push(finishOf(outline))
  return lines.join('\n')
}

function stagesTable(
  { stages, affected }: Outline,
  labelsOf: (name: string) => Readonly<Record<string, string>>,
  columns: number,
): string {
  const parts = stages.some(each => each.parts > 1)
  const mark = (name: string) => {
    const pinned = labelsOf(name)['rollout']
    return pinned === 'canary' || pinned === 'last' ? `${name} (${pinned})` : name
  }
  const rows = stages.map(({ hosts, names, ...each }, at) => [
    `${at + 1}`,
    `${hosts}`,
    `${Math.round((hosts / affected) * 1000) / 10} %`,
    ...(parts ? [each.parts > 1 ? `in ${each.parts} parts` : 'at once'] : []),
    named(names.map(mark), columns - (parts ? 40 : 26)),
  ])
  const heading = ['stage', 'hosts', 'share', ...(parts ? ['opens'] : []), 'first of them']
  return table(heading, rows, columns)
}

/** As many as fit, at least one, and how many more there are. */
function named(names: readonly string[], width: number): string {
  for (let shown = Math.min(names.length, namesMax); ; shown--) {
    const more = names.length - shown
    const text = `${names.slice(0, shown).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
    if (text.length <= width || shown <= 1) return text
  }
}

function finishOf({ stages, soakSeconds, windowSeconds, earliestSeconds }: Outline): string {
  const steps = stages.reduce((sum, each) => sum + each.parts, 0)
  if (earliestSeconds === 0) return 'done at the earliest when it has run everywhere: there is no soak'
  const each = [
    ...(windowSeconds > 0 ? [`${duration(windowSeconds * 1000)} of window`] : []),
    ...(soakSeconds > 0 ? [`${duration(soakSeconds * 1000)} of soak`] : []),
    'its run',
  ]
  return `done in ${duration(earliestSeconds * 1000)} at the earliest: ${count(steps, 'step')}, each ${each.slice(0, -1).join(', ')} and ${each.at(-1)}`
}
