// `fleet check`: the declaration of every host of a roster, each problem once, with the hosts that have it.

import { triggersOf, unmetTriggers } from './check.ts'
import { type Declaration, type Declared, declareFor } from './declare.ts'
import { formatProblem, Problems, problemAt } from './problem.ts'
import type { Host, RosterHost } from './scope.ts'
import type { Problem } from './step.ts'

export interface RosterProblem extends Problem {
  /** In the order of the roster. */
  readonly hosts: readonly string[]
  /** Every host has it: it is one of the text. */
  readonly everywhere: boolean
}

/**
 * Facts are open. An empty roster is checked as one host without labels. Load the `needs`, read the declaration
 * again, and call again, until there are none.
 */
export function checkRoster(
  declaration: Declaration,
  roster: readonly RosterHost[],
): { readonly problems: readonly RosterProblem[]; readonly needs: readonly string[] } {
  const hosts = roster.length > 0 ? roster : [{ name: 'host', labels: {}, address: '127.0.0.1' }]
  const needs = new Set<string>()
  /** By labels: a large roster has few kinds of hosts. */
  const shared = new Map<string, Declared>()
  const found = new Map<string, { problem: Problem; hosts: string[] }>()
  /** By step and path: on how many of the hosts that have the step nothing can trigger it. */
  const triggers = new Map<string, { problem: Problem; unmet: number }>()
  const having = new Map<string, number>()
  for (const each of hosts) {
    const alike = JSON.stringify(Object.entries(each.labels).sort())
    const own = declaration.vars.hosts.has(each.name)
    const host: Host = { name: each.name, labels: each.labels, addresses: [each.address] }
    const declared = (own ? undefined : shared.get(alike)) ?? declareFor(declaration, host, roster)
    if (!own && !declared.personal) shared.set(alike, declared)
    for (const path of declared.needs) needs.add(path)
    for (const problem of declared.problems) {
      const key = formatProblem(problem)
      const seen = found.get(key)
      if (!seen) found.set(key, { problem, hosts: [each.name] })
      else if (seen.hosts.at(-1) !== each.name) seen.hosts.push(each.name)
    }
    for (const step of declared.steps)
      if (triggersOf(step).length > 0)
        having.set(placeKey(step.origin), (having.get(placeKey(step.origin)) ?? 0) + 1)
    for (const { step, option, path } of unmetTriggers(declared.steps)) {
      const message = `found ${option}=${path}, but no step changes it; expected the path of a step, or of its directory`
      const key = `${placeKey(step.origin)}:${path}`
      const seen = triggers.get(key)
      if (seen) seen.unmet++
      else triggers.set(key, { problem: problemAt(step.origin, message), unmet: 1 })
    }
  }
  const problems = [...found.values()].map(each => ({
    ...each.problem,
    hosts: each.hosts,
    everywhere: each.hosts.length === hosts.length,
  }))
  const { vars } = declaration
  const strangers = new Problems(vars.file)
  if (roster.length > 0)
    for (const [name, place] of vars.hostPlaces)
      if (!roster.some(each => each.name === name))
        strangers.add(place, `found [host.${name}]; expected a host of the roster`)
  const idle = [...triggers.values()].filter(each => each.unmet === having.get(placeKey(each.problem)))
  const general = [...idle.map(each => each.problem), ...strangers.list]
  const unknown = general.map(problem => ({ ...problem, hosts: [], everywhere: true }))
  return { problems: [...problems, ...unknown], needs: [...needs] }
}

const placeKey = ({ file, line, column }: Pick<Problem, 'file' | 'line' | 'column'>) =>
  `${file}:${line}:${column}`

/** As formatProblem, with up to three of the hosts behind it unless it is one of all. */
export function formatRosterProblem(problem: RosterProblem): string {
  const { hosts, everywhere } = problem
  const more = hosts.length > 3 ? ` and ${hosts.length - 3} more` : ''
  return `${formatProblem(problem)}${everywhere ? '' : ` (on ${hosts.slice(0, 3).join(', ')}${more})`}`
}
