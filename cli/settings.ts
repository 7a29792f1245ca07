// fleet.toml: what an operator settled for the whole fleet, checked strictly. Every problem at once, each at its place;
// terms that are not said are left to `fleet publish`, which knows the number of hosts.
import { parse, TomlError } from 'smol-toml'
import { nearest, type Place, Problems } from '../node/host/steps/problem.ts'
import type { Problem } from '../node/host/steps/step.ts'
import type { RolloutTerms } from '../node/release.ts'
import { parseAddress } from '../signing/roster.ts'

export const settingsFile = 'fleet.toml'

export interface Settings {
  readonly name: string
  readonly rollout: RolloutTerms
  /** `host:port` of hosts to ask first, at most 16. */
  readonly seeds: readonly string[]
  /** Path of the operator's private key as written; `~/` is not yet put in. */
  readonly operatorKey: string | undefined
}

const day = 86_400

/** Also what a file that says nothing means; `name` has no default. */
export const settingsDefault: Settings = {
  name: '',
  rollout: {
    soakSeconds: undefined,
    windowSeconds: undefined,
    deadlineSeconds: 1800,
    expiresSeconds: 30 * day,
    riskBasisPoints: 500,
    liarsBasisPoints: 0,
    stages: 'auto',
    serial: undefined,
  },
  seeds: [],
  operatorKey: undefined,
}

/** The value, or what was expected instead. */
type Read<T> = (value: unknown) => T | { readonly expected: string }

const text: Read<string> = value =>
  typeof value === 'string' && value !== '' && !/[\0\n]/.test(value) ? value : { expected: 'a text' }

const fleetName: Read<string> = value =>
  typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(value)
    ? value
    : { expected: '1 to 63 characters of A-Z a-z 0-9 . _ -' }

/** `90s`, `30m`, `12h`, `30d` -> seconds. */
function seconds(least: number, most: number): Read<number> {
  const unit = { s: 1, m: 60, h: 3600, d: day }
  return value => {
    const match = typeof value === 'string' ? /^(\d{1,8})([smhd])$/.exec(value) : null
    const found = match ? Number(match[1]) * unit[match[2] as keyof typeof unit] : -1
    if (found >= least && found <= most) return found
    return { expected: `a time such as "90s", "30m", "12h" or "30d", at most ${most / day} days` }
  }
}

/** `5%`, `0.25%` -> basis points. */
const percent: Read<number> = value => {
  const match = typeof value === 'string' ? /^(\d{1,3}(?:\.\d{1,2})?)%$/.exec(value) : null
  const found = match ? Math.round(Number(match[1]) * 100) : -1
  return found >= 0 && found <= 10_000 ? found : { expected: 'a percentage such as "5%" or "0.25%"' }
}

/** `auto`, or stages in order, as node/ladder.ts reads them; how the counts fit the hosts is found out when publishing. */
const stages: Read<string> = value => {
  if (value === 'auto') return value
  const sizes = Array.isArray(value) ? value.map(stageSize) : []
  const rise = (list: readonly (number | undefined)[]) =>
    list.every((each, at) => at === 0 || (each ?? 0) > (list[at - 1] ?? 0))
  const counts = sizes.filter(each => each?.unit === 'hosts').map(each => each?.size)
  const shares = sizes.filter(each => each?.unit === '%').map(each => each?.size)
  const isFine = sizes.length > 0 && sizes.length <= 64 && !sizes.includes(undefined)
  return isFine && rise(counts) && rise(shares)
    ? (value as readonly unknown[]).join(',')
    : { expected: '"auto", or up to 64 host counts and percentages that rise, such as [1, "10%", "100%"]' }
}

function stageSize(each: unknown): { readonly unit: 'hosts' | '%'; readonly size: number } | undefined {
  if (typeof each === 'number')
    return Number.isInteger(each) && each >= 1 && each <= 1_000_000
      ? { unit: 'hosts', size: each }
      : undefined
  const found = percent(each)
  return typeof found === 'number' && found > 0 ? { unit: '%', size: found } : undefined
}

const label: Read<string> = value =>
  typeof value === 'string' && /^[a-z][a-z0-9_-]{0,62}$/.test(value)
    ? value
    : { expected: 'a label\'s name, such as "rack"' }

const addresses: Read<readonly string[]> = value =>
  Array.isArray(value) &&
  value.length <= 16 &&
  value.every(each => typeof each === 'string' && parseAddress(each) !== undefined)
    ? (value as string[])
    : { expected: 'up to 16 texts "host:port"' }

/** Table -> key -> how it is read; '' is the top of the file. */
const known: Readonly<Record<string, Readonly<Record<string, Read<unknown>>>>> = {
  '': { name: fleetName },
  rollout: {
    soak: seconds(0, 30 * day),
    window: seconds(0, 30 * day),
    deadline: seconds(0, 30 * day),
    expires: seconds(60, 365 * day),
    risk: percent,
    liars: percent,
    stages,
    serial: label,
  },
  network: { seeds: addresses },
  keys: { operator: text },
}

/** Never throws. With any problem the settings are not to be used. */
export function parseSettings(toml: string): {
  readonly settings: Settings
  readonly problems: readonly Problem[]
} {
  const problems = new Problems(settingsFile)
  const values = new Map<string, unknown>()
  const tables = readToml(toml, problems)
  for (const [key, value] of Object.entries(tables)) {
    const inner = known[key]
    if (inner === undefined || key === '') readKey('', key, value)
    else if (typeof value !== 'object' || value === null || Array.isArray(value))
      problems.add(placeOf(toml, '', key), `found ${key} as a value; expected the table [${key}]`)
    else for (const [name, each] of Object.entries(value)) readKey(key, name, each)
  }
  if (!('name' in tables) && problems.list.length === 0)
    problems.add({ line: 1, column: 1 }, 'found no name; expected name = "…" before the first table')

  function readKey(table: string, key: string, value: unknown): void {
    const place = placeOf(toml, table, key)
    const path = table === '' ? key : `${table}.${key}`
    const read = known[table]![key]
    if (read === undefined) {
      const names = table === '' ? ['name', 'rollout', 'network', 'keys'] : Object.keys(known[table]!)
      const expected = nearest(key, names) ?? `one of ${names.join(' ')}`
      problems.add(place, `found ${path}, which means nothing; expected ${expected}`)
      return
    }
    const found = read(value)
    if (typeof found === 'object' && found !== null && 'expected' in found)
      problems.add(place, `found ${path} = ${JSON.stringify(value)}; expected ${found.expected}`)
    else values.set(path, found)
  }

  const say = <T>(path: string, standard: T): T => (values.has(path) ? (values.get(path) as T) : standard)
  const standard = settingsDefault.rollout
  const settings: Settings = {
    name: say('name', ''),
    rollout: {
      soakSeconds: say('rollout.soak', standard.soakSeconds),
      windowSeconds: say('rollout.window', standard.windowSeconds),
      deadlineSeconds: say('rollout.deadline', standard.deadlineSeconds),
      expiresSeconds: say('rollout.expires', standard.expiresSeconds),
      riskBasisPoints: say('rollout.risk', standard.riskBasisPoints),
      liarsBasisPoints: say('rollout.liars', standard.liarsBasisPoints),
      stages: say('rollout.stages', standard.stages),
      serial: say('rollout.serial', standard.serial),
    },
    seeds: say('network.seeds', settingsDefault.seeds),
    operatorKey: say('keys.operator', undefined),
  }
  return { settings, problems: problems.list }
}

function readToml(toml: string, problems: Problems): Record<string, unknown> {
  try {
    return parse(toml, { maxDepth: 8 })
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const why = error.message.split('\n')[0]?.replace('Invalid TOML document: ', '')
    problems.add(
      { line: Math.max(1, error.line), column: Math.max(1, error.column) },
      `found text that is not TOML; expected otherwise: ${why}`,
    )
    return {}
  }
}

/** Where a key stands; the library tells it of faults in the syntax only. */
function placeOf(toml: string, table: string, key: string): Place {
  let now = ''
  for (const [index, line] of toml.split('\n').entries()) {
    const header = /^\s*\[+\s*"?([^\]"]*?)"?\s*\]/.exec(line)
    if (header) now = header[1]!
    const name = header ? now : /^\s*"?([A-Za-z0-9_-]+)"?\s*[.=]/.exec(line)?.[1]
    const here = header ? table === '' && now === key : now === table && name === key
    if (here) return { line: index + 1, column: line.search(/\S/) + 1 }
  }
  return { line: 1, column: 1 }
}
