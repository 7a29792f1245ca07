// vars.toml: [default], [label.KEY.VALUE] and [host.NAME]. Decides which value a variable has on a host: its own
// table beats those of its labels, those beat the default; two labels that disagree are a problem.

import { parse, TomlError } from 'smol-toml'
import { fileBytesMax, nestingMax, valueCharsMax } from './limits.ts'
import { type Place, Problems } from './problem.ts'
import type { Problem } from './step.ts'

interface Variable {
  readonly value: string
  readonly place: Place
}

type Table = ReadonlyMap<string, Variable>

export interface Vars {
  readonly file: string
  readonly defaults: Table
  /** By label, then by its value. */
  readonly labels: ReadonlyMap<string, ReadonlyMap<string, Table>>
  readonly hosts: ReadonlyMap<string, Table>
  /** All names that have a value somewhere. */
  readonly names: ReadonlySet<string>
  /** Where each [host.NAME] begins. */
  readonly hostPlaces: ReadonlyMap<string, Place>
}

/** Never throws. TOML that does not parse gives its first problem; all that parses, but means nothing, is reported. */
export function parseVars(file: string, text: string): { vars: Vars; problems: readonly Problem[] } {
  const problems = new Problems(file)
  const start: Place = { line: 1, column: 1 }
  const places = placesOf(text)
  const placeOf = (path: readonly string[]): Place => {
    for (let length = path.length; length > 0; length--) {
      const place = places.get(path.slice(0, length).join('\n'))
      if (place) return place
    }
    return start
  }
  const names = new Set<string>()

  /** Nested tables become names with dots. */
  const flatten = (
    value: unknown,
    path: readonly string[],
    depth: number,
    into = new Map<string, Variable>(),
  ) => {
    for (const [key, each] of tableEntries(value)) {
      const at = [...path, key]
      const name = at.slice(depth).join('.')
      const place = placeOf(at)
      if (at.length > nestingMax)
        problems.add(place, `found tables ${at.length} deep; expected at most ${nestingMax}`)
      else if (!/^[A-Za-z0-9_][A-Za-z0-9_./-]*$/.test(name))
        problems.add(place, `found the name ${JSON.stringify(name)}; expected letters, digits and _ . / -`)
      else if (isTable(each)) flatten(each, at, depth, into)
      else if (typeof each === 'string' && each.length > valueCharsMax)
        problems.add(place, `found ${each.length} characters; expected at most ${valueCharsMax}`)
      else if (['string', 'boolean', 'bigint'].includes(typeof each) || Number.isInteger(each)) {
        into.set(name, { value: String(each), place })
        names.add(name)
      } else {
        const kind =
          typeof each === 'number' ? 'a number with a point' : Array.isArray(each) ? 'a list' : 'a time'
        problems.add(place, `found ${kind} in ${name}; expected a string, a whole number, true or false`)
      }
    }
    return into
  }

  /** The tables below `path`, by key. */
  const tables = (value: unknown, path: readonly string[], depth: number) => {
    const found = new Map<string, Table>()
    for (const [key, each] of tableEntries(value))
      if (isTable(each)) found.set(key, flatten(each, [...path, key], depth))
      else problems.add(placeOf([...path, key]), `found a value in [${path.join('.')}]; expected a table`)
    return found
  }

  const labels = new Map<string, Map<string, Table>>()
  let defaults: Table = new Map()
  let hosts: ReadonlyMap<string, Table> = new Map()
  for (const [key, value] of tableEntries(readToml(text, problems)))
    if (key === 'default' && isTable(value)) defaults = flatten(value, ['default'], 1)
    else if (key === 'host' && isTable(value)) hosts = tables(value, ['host'], 2)
    else if (key === 'label' && isTable(value))
      for (const [label, values] of tableEntries(value))
        if (isTable(values)) labels.set(label, tables(values, ['label', label], 3))
        else problems.add(placeOf(['label', label]), 'found a value in [label]; expected [label.KEY.VALUE]')
    else problems.add(placeOf([key]), `found ${key}; expected [default], [label.KEY.VALUE] or [host.NAME]`)
  const hostPlaces = new Map([...hosts.keys()].map(name => [name, placeOf(['host', name])]))
  return { vars: { file, defaults, labels, hosts, names, hostPlaces }, problems: problems.list }
}

/** The variables of one host, and the labels that disagree about one. */
export function variablesOf(
  vars: Vars,
  host: { readonly name: string; readonly labels: Readonly<Record<string, string>> },
): { values: ReadonlyMap<string, string>; problems: readonly Problem[] } {
  const problems = new Problems(vars.file)
  const values = new Map([...vars.defaults].map(([name, { value }]) => [name, value]))
  const own = vars.hosts.get(host.name) ?? new Map<string, Variable>()
  const said = new Map<string, Variable & { table: string }>()
  for (const [label, value] of Object.entries(host.labels))
    for (const [name, variable] of vars.labels.get(label)?.get(value) ?? []) {
      const table = `[label.${label}.${value}]`
      const other = said.get(name)
      if (other && other.value !== variable.value && !own.has(name))
        problems.add(
          variable.place,
          `found ${name} in ${table} and, with another value, in ${other.table}; expected one value for hosts with both, or one in [host.NAME]`,
        )
      said.set(name, { ...variable, table })
      values.set(name, variable.value)
    }
  for (const [name, { value }] of own) values.set(name, value)
  return { values, problems: problems.list }
}

function readToml(text: string, problems: Problems): unknown {
  if (text.length > fileBytesMax) {
    problems.add({ line: 1, column: 1 }, `found ${text.length} characters; expected at most ${fileBytesMax}`)
    return {}
  }
  try {
    return parse(text, { integersAsBigInt: 'asNeeded', unsafeKeyBehaviour: 'throw', maxDepth: nestingMax })
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const [message = ''] = error.message.replace('Invalid TOML document: ', '').split('\n')
    problems.add(
      { line: Math.max(1, error.line), column: Math.max(1, error.column) },
      `found text that is not TOML; expected otherwise: ${message}`,
    )
    return {}
  }
}

const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' &&
  value !== null &&
  [Object.prototype, null].includes(Object.getPrototypeOf(value))

const tableEntries = (value: unknown) => (isTable(value) ? Object.entries(value) : [])

/**
 * Where tables and keys stand: the library tells it of faults in the syntax only. Keys of inline tables are not
 * found; their table's place serves.
 */
function placesOf(text: string): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>()
  const keys = (source: string) =>
    [...source.matchAll(/"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+)/g)].map(
      each => each[1] ?? each[2] ?? each[3] ?? '',
    )
  let table: string[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[{1,2}([^[\]]*)\]/.exec(line)
    const equals = line.indexOf('=')
    if (header) table = keys(header[1]!)
    else if (equals < 0) continue
    const path = header ? table : [...table, ...keys(line.slice(0, equals))]
    if (path.length > nestingMax) continue
    const place = { line: index + 1, column: line.search(/\S/) + 1 }
    for (let length = 1; length <= path.length; length++) {
      const name = path.slice(0, length).join('\n')
      if (!places.has(name)) places.set(name, place)
    }
  }
  return places
}
