// Core: whom a release concerns. What differs between two contents for each host of a roster, labels resolved and facts left
// open, so that everybody who has both finds the same. In which order these hosts go is turns.ts's.
import { hex, utf8 } from '../signing/bytes.ts'
import { digest } from '../signing/crypto.ts'
import type { Host } from '../signing/roster.ts'
import { type Declaration, type Declared, declareFor, readDeclaration } from './host/steps/declare.ts'
import { leaving } from './host/steps/diff.ts'
import { formatProblem } from './host/steps/problem.ts'
import type { RosterHost } from './host/steps/scope.ts'
import type { SourceFiles } from './host/steps/sources.ts'
import type { Step } from './host/steps/step.ts'
import { specs } from './host/verbs/index.ts'
import { inventoryHost, inventoryRoster } from './inventory.ts'

/** What a release holds, and the roster of the trust version that it names. */
export interface Content {
  /** Without trust/. */
  readonly files: SourceFiles
  /** The text of a file; undefined while it is not loaded: it is then among the `needs`. */
  readonly text: (path: string) => string | undefined
  readonly roster: readonly Host[]
}

/** Hosts for which the same differs: a stratum. */
export interface ChangeList {
  /** Lowercase hex; equal for equal lists, whatever the machine. */
  readonly digest: string
  /** Keys in hex, in the order of the roster. */
  readonly hosts: readonly string[]
  /** Steps that leave, in the reverse of their order. */
  readonly undo: readonly Step[]
  /** Steps that are new or other than before, in their order. */
  readonly apply: readonly Step[]
}

export type Survey =
  | {
      readonly kind: 'surveyed'
      /** For each host of the release's roster, by key in hex: the digest of its list; undefined: nothing changes for it. */
      readonly changes: ReadonlyMap<string, string | undefined>
      readonly lists: readonly ChangeList[]
    }
  /** Files to load before the next call. */
  | { readonly kind: 'needs'; readonly stable: readonly string[]; readonly release: readonly string[] }

/**
 * What differs for each host of the release's roster. A host has been declared Stable by the line of Stable's roster, so that
 * a new label is a change too; one that was not there yet, by its line of today. Without Stable, all steps are new.
 *
 * Where a step was declared does not count, nor the path of its source, nor its place among others: moving lines and files
 * changes nothing. Two lists are equal if the same steps leave and come in the same order, from the same state before. Names
 * and addresses of hosts stay open in texts, as long as the roster keeps them: else a file with the host's name in it would
 * make each host a stratum of its own, of which nothing could be learned.
 */
export function changesOf(stable: Content | undefined, release: Content): Survey {
  const before = stable && new Side(stable)
  const after = new Side(release)
  const lines = new Map((stable?.roster ?? []).map(host => [hex(host.key), host]))
  const pairs = new Map<string, Difference>()
  const changes = new Map<string, string | undefined>()
  const lists = new Map<string, ChangeList & { readonly hosts: string[] }>()
  for (const host of release.roster) {
    const key = hex(host.key)
    const line = lines.get(key) ?? host
    const alike = line.name === host.name && line.addresses[0] === host.addresses[0]
    const [old, now] = [before?.stepsOf(line, alike), after.stepsOf(host, alike)]
    const pair = `${old?.number} ${now.number}`
    let found = pairs.get(pair)
    if (found === undefined) {
      found = difference(old, now)
      pairs.set(pair, found)
    }
    changes.set(key, found.digest)
    if (found.digest === undefined) continue
    const list = lists.get(found.digest)
    if (list === undefined) lists.set(found.digest, { ...found, digest: found.digest, hosts: [key] })
    else list.hosts.push(key)
  }
  const needs = { stable: [...(before?.needs ?? [])], release: [...after.needs] }
  if (needs.stable.length + needs.release.length > 0) return { kind: 'needs', ...needs }
  return { kind: 'surveyed', changes, lists: [...lists.values()] }
}

/** A step that cannot be taken back once it has run, and the hosts (keys in hex) that would run it. */
export interface OneWay {
  readonly step: Step
  readonly hosts: readonly string[]
}

/** In the order in which they come up; steps of one text at one place are one. */
export function oneWaySteps(lists: readonly ChangeList[]): readonly OneWay[] {
  const found = new Map<string, { readonly step: Step; readonly hosts: string[] }>()
  for (const { apply, hosts } of lists)
    for (const step of apply) {
      if (specs.get(step.verb)?.undo(step) !== 'one-way') continue
      const { file, line, column } = step.origin
      const name = `${file}:${line}:${column} ${textOf(step)}`
      const seen = found.get(name)
      if (seen === undefined) found.set(name, { step, hosts: [...hosts] })
      else seen.hosts.push(...hosts)
    }
  return [...found.values()]
}

interface Numbered {
  /** One number for all hosts that share these steps. */
  readonly number: number
  readonly declared: Declared
}

/** One content, declared once for all hosts that it cannot tell apart. */
class Side {
  readonly needs = new Set<string>()
  readonly #declaration: Declaration
  readonly #roster: readonly RosterHost[]
  readonly #shared = new Map<string, Numbered>()
  /** Labels that were asked for so far; others cannot have mattered. */
  readonly #labels = new Set<string>()
  #count = 0

  constructor({ files, text, roster }: Content) {
    this.#declaration = readDeclaration({ files, text })
    this.#roster = inventoryRoster(roster)
    for (const path of this.#declaration.needs) this.needs.add(path)
  }

  stepsOf(host: Host, alike: boolean): Numbered {
    const own = [host.name, host.addresses[0]]
    const known =
      this.#shared.get(this.#seenOf(host, alike)) ?? this.#shared.get(this.#seenOf(host, alike, own))
    if (known !== undefined) return known
    const declared = declareFor(this.#declaration, inventoryHost(host), this.#roster, { alike })
    for (const path of declared.needs) this.needs.add(path)
    for (const label of declared.labels) this.#labels.add(label)
    const numbered = { number: ++this.#count, declared }
    // With all that has been asked for by now: whoever differs in none of that would be declared the same.
    this.#shared.set(this.#seenOf(host, alike, declared.personal ? own : []), numbered)
    return numbered
  }

  /** What the declaration can see of a host. */
  #seenOf({ name, labels }: Host, alike: boolean, own: readonly unknown[] = []): string {
    const { vars } = this.#declaration
    const seen = Object.entries(labels)
      .filter(([label, value]) => this.#labels.has(label) || vars.labels.get(label)?.has(value))
      .sort(([a], [b]) => (a < b ? -1 : 1))
    return JSON.stringify([alike, seen, vars.hosts.has(name) ? name : '', ...own])
  }
}

interface Difference {
  readonly digest: string | undefined
  readonly undo: readonly Step[]
  readonly apply: readonly Step[]
}

/** What cannot be declared leaves nothing behind, and concerns every host that is to take it: it fails there. */
function difference(before: Numbered | undefined, { declared }: Numbered): Difference {
  const old = before?.declared.steps ?? []
  const known = new Map(old.map(step => [step.id, textOf(step)]))
  const undo = leaving(old, declared.steps)
  const apply = declared.steps.filter(step => known.get(step.id) !== textOf(step))
  const problems = declared.problems.map(formatProblem)
  if (undo.length + apply.length + problems.length === 0) return { digest: undefined, undo, apply }
  const words = [
    problems,
    undo.map(step => [step.id, textOf(step)]),
    apply.map(step => [step.id, known.get(step.id) ?? '', textOf(step)]),
  ]
  return { digest: hex(digest('fleet/changes/1', utf8(JSON.stringify(words)))), undo, apply }
}

/** What a step asks for: equal texts, equal wishes. The path of a source is left out, since its bytes are in. */
function textOf({ verb, args, options, payload }: Step): string {
  const spec = specs.get(verb)
  const source = (kind: string | undefined) => kind === 'source' && payload !== undefined
  return JSON.stringify([
    verb,
    args.map((arg, index) => (source(spec?.args[index]?.kind) ? '' : arg)),
    Object.entries(options)
      .map(([name, value]) => [name, source(spec?.options[name]?.kind) ? '' : value] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
    payload?.sha256,
    payload?.executable,
  ])
}
