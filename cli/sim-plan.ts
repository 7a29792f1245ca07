// `fleet sim --repo`: an operator's repository -> what is to be simulated. The roster is made larger or smaller in its own
// proportions; of the files are made the releases: as they are, with one file changed, with a step more that breaks hosts.
import { resolve } from 'node:path'
import { parse as parseToml, stringify } from 'smol-toml'
import { inventoryHost } from '../node/inventory.ts'
import type { SourceFile } from '../node/publish.ts'
import { type RolloutTerms, soakSecondsOf } from '../node/release.ts'
import { text, utf8 } from '../signing/bytes.ts'
import type { Host } from '../signing/roster.ts'
import type { Scenario } from '../sim/faults.ts'
import { drawRehearsal, type Plan, type PlannedHost, type PlannedRelease } from '../sim/plan.ts'
import { type Answer, exits, type Io } from './command.ts'
import { checkTree } from './commands/check.ts'
import { TreeDeclaration } from './declaration.ts'
import { findProject, readTree, type Tree, trustOf } from './project.ts'
import { count } from './render.ts'
import type { OneAsk, RepositoryAsk } from './sim-options.ts'
import { type TreeFile, treeFile } from './worktree.ts'

export interface Planned {
  readonly scenario: Scenario
  readonly plan: Plan
}

/** Below this there is no neighbourhood to speak of. */
const hostsMin = 3
const varsFile = 'vars.toml'
const siteFile = 'site.steps'
/** What the step of the bad release makes: nobody declares it, and every host has to. */
const addedPath = '/etc/fleet-sim'

/** What there is to simulate, or the problems of the repository as `fleet check` answers them. */
export async function planFor(
  { folder, rev, breaks }: RepositoryAsk,
  { seed, terms }: Pick<OneAsk, 'seed' | 'terms'>,
  io: Io,
): Promise<Planned | Answer> {
  const project = findProject(resolve(io.cwd, folder))
  const tree = await readTree(project, rev === undefined ? 'worktree' : { rev })
  const checked = checkTree(tree)
  if (checked.exit !== exits.ok) return checked
  const { roster } = trustOf(tree)
  const size = terms.hosts ?? Math.max(hostsMin, roster.length)
  const sized = resized(roster, size)
  const files = withVars(tree.files, sized)
  const hosts = sized.map(each => each.host)
  const found = look({ ...tree, files }, hosts)

  const what = rev ?? 'the files as they are'
  const changed = changedIn(files, hosts, found.payloads)
  const broken = brokenIn(changed.files)
  const bad = breaks === undefined ? 0 : Math.max(1, Math.round((size * breaks) / 10_000))
  const releases: PlannedRelease[] = [
    { subject: what, files },
    { subject: `${changed.path} changed`, files: changed.files },
  ]
  if (bad > 0) {
    releases.push({ subject: `breaks ${count(bad, 'host')}`, files: broken, breaks: bad })
    releases.push({ subject: 'taken back', files: changed.files, takesBack: true })
  }
  const rollout = rolloutOf(project.settings.rollout, size)
  const scenario = drawRehearsal(seed, {
    hosts: size,
    releases: releases.length,
    ...(terms.classes && { classes: terms.classes }),
  })
  return {
    scenario,
    plan: {
      title: titleOf(project.settings.name, what, roster.length, size),
      hosts: found.hosts,
      terms: rollout,
      releases,
    },
  }
}

function titleOf(name: string, what: string, roster: number, size: number): string {
  const hosts =
    roster === size
      ? `the ${count(roster, 'host')} of its roster`
      : roster === 0
        ? `${count(size, 'host')} (its roster is empty)`
        : roster < size
          ? `its roster of ${roster} repeated to ${count(size, 'host')}`
          : `${size} of its ${count(roster, 'host')}`
  return `${name}: ${what}, on ${hosts}`
}

/** As `fleet publish` puts in what the file leaves open. */
const rolloutOf = (terms: RolloutTerms, hosts: number): RolloutTerms => ({
  ...terms,
  soakSeconds: soakSecondsOf(terms, hosts),
})

interface Sized {
  readonly host: Pick<Host, 'name' | 'labels' | 'addresses'>
  /** The name of the host of the roster that it is a copy of. */
  readonly of: string | undefined
}

/** Larger: the roster again and again, under other names. Smaller: an even choice from it, ordered by labels. */
function resized(roster: readonly Host[], size: number): readonly Sized[] {
  if (roster.length === 0)
    return Array.from({ length: size }, (_, at) => ({
      host: { name: `host-${at + 1}`, labels: {}, addresses: [addressOf(at)] },
      of: undefined,
    }))
  const names = new Set(roster.map(each => each.name))
  if (size >= roster.length)
    return Array.from({ length: size }, (_, at) => {
      const { name, labels } = roster[at % roster.length]!
      const round = Math.floor(at / roster.length)
      return {
        host: {
          name: round === 0 ? name : copyName(name, round + 1, names),
          labels,
          addresses: [addressOf(at)],
        },
        of: name,
      }
    })
  const kind = ({ labels }: Host) => JSON.stringify(Object.entries(labels).sort())
  const order = [...roster].sort((a, b) => (kind(a) < kind(b) ? -1 : kind(a) > kind(b) ? 1 : 0))
  return Array.from({ length: size }, (_, at) => {
    const { name, labels } = order[Math.floor(((at + 0.5) * order.length) / size)]!
    return { host: { name, labels, addresses: [addressOf(at)] }, of: name }
  })
}

/** Names have at most 253 characters, and each is there once. */
function copyName(name: string, round: number, taken: Set<string>): string {
  for (let more = ''; ; more += 'x') {
    const found = `${name.slice(0, 230)}-${round}${more}`
    if (taken.has(found)) continue
    taken.add(found)
    return found
  }
}

/** In the simulated network, where real addresses mean nothing. */
const addressOf = (at: number) => `10.${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255}:4747`

/** A copy has the variables of its original: `[host.NAME]` for each. */
function withVars(
  files: ReadonlyMap<string, TreeFile>,
  sized: readonly Sized[],
): ReadonlyMap<string, TreeFile> {
  const vars = files.get(varsFile)
  if (vars === undefined) return files
  const values = parseToml(text(vars.bytes) ?? '') as { host?: Record<string, unknown> }
  const own = values.host
  const copies = sized.filter(
    ({ host, of }) => of !== undefined && host.name !== of && own?.[of] !== undefined,
  )
  if (own === undefined || copies.length === 0) return files
  for (const { host, of } of copies) own[host.name] = own[of!]
  return new Map(files).set(varsFile, treeFile('100644', utf8(stringify(values))))
}

interface Looked {
  readonly hosts: readonly PlannedHost[]
  /** Path of a payload -> how many hosts get it. */
  readonly payloads: ReadonlyMap<string, number>
}

/** What the files mean for each of the hosts. Fails with the problems that they have only in this number. */
function look(tree: Tree, hosts: readonly Sized['host'][]): Looked {
  const declaration = new TreeDeclaration(tree, hosts as readonly Host[])
  const payloads = new Map<string, number>()
  return {
    payloads,
    hosts: hosts.map(host => {
      const { steps } = declaration.steps(inventoryHost(host as Host))
      for (const path of new Set(steps.flatMap(each => each.payload?.path ?? [])))
        payloads.set(path, (payloads.get(path) ?? 0) + 1)
      const made = new Set(steps.filter(each => !takesForGiven.has(each.verb)).map(each => each.args[0]))
      const given = steps
        .filter(each => takesForGiven.has(each.verb))
        .flatMap(each => each.args[0] ?? [])
        .filter(path => !made.has(path))
      return {
        name: host.name,
        labels: host.labels,
        checks: steps.some(each => each.verb === 'CHECK'),
        given: [...new Set(given)],
      }
    }),
  }
}

/** Verbs whose path has to be there. */
const takesForGiven: ReadonlySet<string> = new Set(['LINE', 'MODE'])

/** The payload that most hosts get, with a line more; where there is none, a comment in site.steps, which changes no host. */
function changedIn(
  files: ReadonlyMap<string, TreeFile>,
  hosts: readonly Sized['host'][],
  payloads: ReadonlyMap<string, number>,
): { readonly path: string; readonly files: ReadonlyMap<string, TreeFile> } {
  const texts = [...payloads].filter(([path]) => {
    const file = files.get(path)
    return file !== undefined && file.mode !== '120000' && text(file.bytes) !== undefined
  })
  const [best] = texts.sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
  if (best !== undefined) {
    const changed = appended(files, best[0], '# one line more\n')
    try {
      look({ files: changed }, hosts)
      return { path: best[0], files: changed }
    } catch {
      // A template or an archive that cannot bear it.
    }
  }
  return { path: siteFile, files: appended(files, siteFile, '# one line more\n') }
}

/** A step more for every host: the machines that it is to break fail at that. */
const brokenIn = (files: ReadonlyMap<string, TreeFile>): ReadonlyMap<string, SourceFile> =>
  appended(files, siteFile, `MKDIR ${addedPath}\n`)

function appended(
  files: ReadonlyMap<string, TreeFile>,
  path: string,
  line: string,
): ReadonlyMap<string, TreeFile> {
  const file = files.get(path)
  const before = text(file?.bytes ?? new Uint8Array()) ?? ''
  const gap = before === '' || before.endsWith('\n') ? '' : '\n'
  return new Map(files).set(path, treeFile(file?.mode ?? '100644', utf8(`${before}${gap}${line}`)))
}
