// Scenario files: text <-> Scenario, strictly. Names every problem of a file at once, by the path of its field. Whether a
// scenario is worth running is draw.ts's and its author's business.
import { nearest } from '../node/host/steps/problem.ts'
import { ladderOf } from '../node/ladder.ts'
import { type Fault, type FaultKind, type FaultKindSpec, faultKinds, type Scenario } from './faults.ts'

const dayMs = 86_400_000
/** Ranges of numbers in a scenario; times in ms, others are counts. */
export const scenarioLimits = {
  /** Streams of chance are made of 32 bits. */
  seedMax: 2 ** 32 - 1,
  hostsMax: 100_000,
  /** A month: the longest soak and the longest life of a release fit in. */
  phaseMsMax: 31 * dayMs,
  releasesMax: 10_000,
  faultsMax: 10_000,
  /** The longest that can be signed (docs/formats.md section 4). */
  soakSecondsMax: 30 * 86_400,
  /** Above any rate, delay and age that a kind has a use for. */
  amountMax: 1e12,
} as const

export type ReadScenario =
  | { readonly scenario: Scenario; readonly problems?: never }
  | { readonly scenario?: never; readonly problems: readonly string[] }

/** `file` is only for the words of problems: `file: faults[3].kind: found …; expected …`. */
export function readScenario(text: string, file: string): ReadScenario {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return { problems: [`${file}: found no JSON (${(error as Error).message}); expected a scenario`] }
  }
  const problems = scenarioProblems(value).map(each => `${file}: ${each}`)
  return problems.length > 0 ? { problems } : { scenario: value as Scenario }
}

/** The fields in one order, one fault a line, so that a diff of two scenarios shows what differs. */
export function writeScenario(scenario: Scenario): string {
  const rows = (values: readonly object[]) =>
    values.length === 0 ? '[]' : `[\n${values.map(each => `    ${row(each)}`).join(',\n')}\n  ]`
  const releases = scenario.releases.map(({ atMs, at }) => ({ atMs, at }))
  const fields: readonly (readonly [keyof Scenario, string])[] = [
    ['format', String(scenario.format)],
    ['seed', String(scenario.seed)],
    ['hosts', String(scenario.hosts)],
    ['faultsMs', String(scenario.faultsMs)],
    ['healMs', String(scenario.healMs)],
    ['releases', rows(releases)],
    ['core', list(scenario.core)],
    ...(scenario.stages === undefined ? [] : [['stages', JSON.stringify(scenario.stages)] as const]),
    ...(scenario.soakSeconds === undefined ? [] : [['soakSeconds', String(scenario.soakSeconds)] as const]),
    ['faults', rows(scenario.faults.map(ordered))],
  ]
  return `{\n${fields.map(([name, json]) => `  "${name}": ${json}`).join(',\n')}\n}\n`
}

function ordered({ kind, atMs, untilMs, hosts, amount, mode }: Fault): Fault {
  return {
    kind,
    atMs,
    ...(untilMs !== undefined && { untilMs }),
    hosts,
    ...(amount !== undefined && { amount }),
    ...(mode !== undefined && { mode }),
  }
}

const list = (values: readonly number[]) => `[${values.join(', ')}]`
const row = (value: object) =>
  `{ ${Object.entries(value)
    .map(([name, each]) => `"${name}": ${Array.isArray(each) ? list(each) : JSON.stringify(each)}`)
    .join(', ')} }`

/** All that is wrong with it, each as `path: found …; expected …`. */
export function scenarioProblems(value: unknown): string[] {
  const look = new Look()
  const names = [
    'format',
    'seed',
    'hosts',
    'faultsMs',
    'healMs',
    'releases',
    'core',
    'stages',
    'soakSeconds',
    'faults',
  ]
  const top = look.fields('', value, names, ['stages', 'soakSeconds'])
  if (top === undefined) return look.problems
  if (top['format'] !== 1) look.wrong('format', top['format'], '1, the only format there is')
  look.whole('seed', top['seed'], 0, scenarioLimits.seedMax)
  // What names hosts and times is held to the widest range when hosts or times are wrong themselves: one cause, one line.
  const hosts = look.whole('hosts', top['hosts'], 1, scenarioLimits.hostsMax) ?? scenarioLimits.hostsMax
  const faultsMs =
    look.whole('faultsMs', top['faultsMs'], 0, scenarioLimits.phaseMsMax) ?? scenarioLimits.phaseMsMax
  const healMs = look.whole('healMs', top['healMs'], 1, scenarioLimits.phaseMsMax) ?? 0
  for (const [i, each] of look.array('releases', top['releases'], scenarioLimits.releasesMax)) {
    const release = look.fields(`releases[${i}]`, each, ['atMs', 'at'])
    if (release === undefined) continue
    look.whole(`releases[${i}].atMs`, release['atMs'], 0, faultsMs + healMs)
    look.whole(`releases[${i}].at`, release['at'], 0, hosts - 1)
  }
  const core = look.hosts('core', top['core'], hosts)
  if (core === 0) look.wrong('core', [], 'at least one host: nobody would be left to converge')
  const { stages, soakSeconds } = top
  if (
    stages !== undefined &&
    (typeof stages !== 'string' || ladderOf(stages, hosts, { risk: 500, liars: 0 }).kind === 'refused')
  )
    look.wrong('stages', stages, 'auto, or stages such as 1%,10%,100% that do not stand still')
  if (soakSeconds !== undefined) look.whole('soakSeconds', soakSeconds, 1, scenarioLimits.soakSecondsMax)
  for (const [i, each] of look.array('faults', top['faults'], scenarioLimits.faultsMax))
    checkFault(look, `faults[${i}]`, each, hosts, faultsMs)
  return look.problems
}

function checkFault(look: Look, path: string, value: unknown, hosts: number, faultsMs: number): void {
  const fault = look.fields(
    path,
    value,
    ['kind', 'atMs', 'untilMs', 'hosts', 'amount', 'mode'],
    ['untilMs', 'amount', 'mode'],
  )
  if (fault === undefined) return
  const { kind } = fault
  const atMs = look.whole(`${path}.atMs`, fault['atMs'], 0, faultsMs) ?? 0
  look.hosts(`${path}.hosts`, fault['hosts'], hosts)
  if (typeof kind !== 'string' || !Object.hasOwn(faultKinds, kind)) {
    look.wrong(`${path}.kind`, kind, `a kind of fault${near(kind)}`)
    return
  }
  const spec: FaultKindSpec = faultKinds[kind as FaultKind]
  const lastsUntil = fault['untilMs']
  if (spec.lasts) look.whole(`${path}.untilMs`, lastsUntil, atMs, faultsMs)
  else if (lastsUntil !== undefined) look.wrong(`${path}.untilMs`, lastsUntil, `none: ${kind} is a moment`)
  const amount = fault['amount']
  if (spec.amount !== undefined) {
    const { min, max } = amountRange(kind as FaultKind)
    if (typeof amount !== 'number' || !(amount >= min && amount <= max))
      look.wrong(`${path}.amount`, amount, `${spec.amount}, from ${min} to ${max}`)
  } else if (amount !== undefined) look.wrong(`${path}.amount`, amount, `none: ${kind} has no amount`)
  const mode = fault['mode']
  if (spec.modes !== undefined) {
    if (!spec.modes.includes(mode as string)) look.wrong(`${path}.mode`, mode, spec.modes.join(', '))
  } else if (mode !== undefined) look.wrong(`${path}.mode`, mode, `none: ${kind} has no mode`)
}

/** Clocks go wrong both ways, and share means a part of one. */
const bothWays: ReadonlySet<FaultKind> = new Set(['offset', 'drift', 'step'])

export function amountRange(kind: FaultKind): { readonly min: number; readonly max: number } {
  const { amount = '' }: FaultKindSpec = faultKinds[kind]
  if (amount.startsWith('share')) return { min: 0, max: 1 }
  const max = scenarioLimits.amountMax
  return { min: bothWays.has(kind) ? -max : 0, max }
}

function near(found: unknown): string {
  const guess = typeof found === 'string' ? nearest(found, Object.keys(faultKinds)) : undefined
  return guess === undefined ? ' (docs/simulator.md lists them)' : `: ${guess}?`
}

class Look {
  readonly problems: string[] = []

  wrong(path: string, found: unknown, expected: string): void {
    const at = path === '' ? '' : `${path}: `
    this.problems.push(`${at}found ${shown(found)}; expected ${expected}`)
  }

  /** The object's fields, when it is one. What is missing or unknown is a problem each. */
  fields(
    path: string,
    value: unknown,
    names: readonly string[],
    optional: readonly string[] = [],
  ): Record<string, unknown> | undefined {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.wrong(path, value, `an object with ${names.join(', ')}`)
      return undefined
    }
    const dot = path === '' ? '' : `${path}.`
    for (const name of Object.keys(value))
      if (!names.includes(name))
        this.problems.push(`${dot}${name}: found an unknown field; expected one of ${names.join(', ')}`)
    const fields = value as Record<string, unknown>
    // What is missing and required is said where its value is looked at, as `found nothing`.
    return Object.fromEntries(
      names
        .filter(name => !optional.includes(name) || Object.hasOwn(value, name))
        .map(name => [name, Object.hasOwn(value, name) ? fields[name] : undefined]),
    )
  }

  whole(path: string, value: unknown, min: number, max: number): number | undefined {
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max)
      return value as number
    this.wrong(path, value, `a whole number from ${min} to ${max}`)
    return undefined
  }

  array(path: string, value: unknown, max: number): [number, unknown][] {
    if (Array.isArray(value) && value.length <= max) return [...value.entries()]
    this.wrong(path, value, `a list of at most ${max}`)
    return []
  }

  /** Indexes of hosts, each once. Answers how many there are; undefined when it is no list. */
  hosts(path: string, value: unknown, hosts: number): number | undefined {
    if (!Array.isArray(value)) {
      this.wrong(path, value, 'a list of host indexes')
      return undefined
    }
    const seen = new Set<unknown>()
    for (const [i, each] of value.entries()) {
      if (this.whole(`${path}[${i}]`, each, 0, hosts - 1) === undefined) continue
      if (seen.has(each)) this.wrong(`${path}[${i}]`, each, 'each host once')
      seen.add(each)
    }
    return value.length
  }
}

/** Short enough for one line. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  const json = JSON.stringify(value)
  return json.length > 60 ? `${json.slice(0, 59)}…` : json
}
