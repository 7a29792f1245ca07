// What is wrong with a list of steps although each line is right: two that claim one target, a directory that is
// missing, an owner whom nobody declares. Decides by the list alone; the host looks again before it acts.

import { specs } from '../verbs/index.ts'
import { readList, shown } from '../verbs/values.ts'
import type { ValueKind, VerbSpec } from '../verbs/verb.ts'
import { baseDirectories, baseGroups, baseUsers } from './base.ts'
import type { Test } from './parse.ts'
import { problemAt } from './problem.ts'
import { exclude } from './scope.ts'
import type { Problem, Step } from './step.ts'

/** Tests of facts that are not known here, on which a step depends. */
export type Open = ReadonlyMap<Step, readonly Test[]>

interface Claim {
  readonly step: Step
  readonly index: number
  readonly path: string
  /** `part`: a path that the step decides beside its target. */
  readonly makes: NonNullable<VerbSpec['makes']> | 'part'
}

/**
 * In the order of the steps; the file, line and column are those of the step's origin. Two steps whose open tests
 * exclude each other are never on one host, and may claim the same.
 */
export function check(steps: readonly Step[], open: Open = new Map()): readonly Problem[] {
  const problems: Problem[] = []
  const claims = claimsOf(steps)
  const ids = new Map<string, Step[]>()
  const accounts = { user: new Set(baseUsers), group: new Set(baseGroups), packaged: false }
  const brought = new Set<string>()
  /** By directory: what stands at it or above and lets nothing be below. */
  const blocking = new Map<string, readonly Claim[]>()
  const together = (a: Step, b: Step) => !exclude(open.get(a) ?? [], open.get(b) ?? [])

  for (const [index, step] of steps.entries()) {
    const fault = (found: string, expected: string) =>
      problems.push(problemAt(step.origin, `found ${found}; expected ${expected}`))
    const spec = specs.get(step.verb)
    if (!spec) continue

    for (const [name, text] of Object.entries(step.options)) {
      const named = spec.options[name]?.kind
      if (!namesAccounts(named) || text === 'keep' || text.includes('${')) continue
      const kind = named === 'user' || named === 'account' ? 'user' : 'group'
      // A package may bring users of its own; the host sees whether it did.
      for (const value of accounts.packaged ? [] : readList(text))
        if (!/^\d+$/.test(value) && !accounts[kind].has(value))
          fault(
            `${name}=${value}, a ${kind} that nobody declares`,
            `a ${kind} of the base system or of an earlier ${kind.toUpperCase()}, or its number`,
          )
    }
    accounts.packaged ||= step.verb === 'PACKAGE'
    if (step.options['absent'] === undefined && (step.verb === 'USER' || step.verb === 'GROUP')) {
      // A user without group= has a group of its own.
      if (step.options['group'] === undefined) accounts.group.add(step.args[0]!)
      if (step.verb === 'USER') accounts.user.add(step.args[0]!)
    }

    for (const path of spec.brings?.(step) ?? []) brought.add(path)
    for (const path of partsOf(step)) {
      brought.add(path)
      const rival = claims.get(path)?.find(each => each.index < index && together(each.step, step))
      if (rival && !shares(rival.makes))
        fault(`${path} of ${step.verb}, declared ${at(rival.step)} already`, 'one step for a path')
    }

    const own = spec.resources?.(step).find(id => ownUnit.test(id))
    if (own) fault(own.replace(':', ' '), 'another unit: the agent looks after its own')

    const target = spec.target?.(step)
    let same: Step | undefined
    if (target === undefined || (spec.makes && shares(spec.makes))) {
      const key = `${step.verb} ${spec.key(step)}`
      same = ids.get(key)?.find(each => together(each, step))
      ids.set(key, [...(ids.get(key) ?? []), step])
    }
    if (target === undefined || spec.makes === undefined) {
      if (same)
        fault(
          `${shown(`${step.verb} ${spec.key(step)}`)} again, first ${at(same)}`,
          spec.options['id'] ? 'it once, or id= on each to tell them apart' : 'it once',
        )
      continue
    }

    const { makes } = spec
    const base = baseDirectories.get(target)
    if (base && makes !== 'directory' && makes !== 'attributes')
      fault(`${step.verb} ${target}, a directory of the base system`, 'a path that it does not need')
    else if (base?.shared && step.options['exclusive'] !== undefined)
      fault(`exclusive on ${target}, which the base system fills`, 'a directory that can be declared whole')

    const rival = claims
      .get(target)
      ?.find(
        each =>
          each.index < index &&
          (!shares(makes) || !shares(each.makes) || (makes === each.makes && each.step === same)) &&
          together(each.step, step),
      )
    if (rival)
      fault(
        makes !== rival.makes && (shares(makes) || shares(rival.makes))
          ? `${step.verb} on ${target} beside ${rival.step.verb} ${at(rival.step)}`
          : `${target} declared again, first ${at(rival.step)}`,
        'one step for a path (and lines only in files that nothing else writes)',
      )

    if (makes === 'nothing') continue
    const parent = target.slice(0, target.lastIndexOf('/')) || '/'
    let above = blocking.get(parent)
    if (above === undefined) {
      above = parentsOf(target).flatMap(each => (claims.get(each) ?? []).filter(blocks))
      blocking.set(parent, above)
    }
    const block = above.find(each => together(each.step, step))
    if (block)
      fault(`${target} below ${outcome(block)} ${at(block.step)}`, 'a path whose parents are directories')
    else if (!shares(makes) && !baseDirectories.has(parent) && !brought.has(parent) && !accounts.packaged) {
      const mkdirs = (claims.get(parent) ?? []).filter(each => each.makes === 'directory')
      if (mkdirs.length === 0) fault(`${target}, but nothing makes ${parent}`, `MKDIR ${parent} before it`)
      else if (mkdirs.every(each => each.index > index))
        fault(`${target} before its directory, which comes ${at(mkdirs[0]!.step)}`, 'the directory first')
    }
  }
  return problems
}

/**
 * The paths in `on=` and its like that no step of the list is at or below: on one host perhaps a guard's doing, on all hosts a slip
 * of the pen.
 */
export function unmetTriggers(
  steps: readonly Step[],
): readonly { readonly step: Step; readonly option: string; readonly path: string }[] {
  const watching = steps.filter(step => triggersOf(step).length > 0)
  if (watching.length === 0) return []
  const met = new Set([...claimsOf(steps).keys()].flatMap(path => [path, ...parentsOf(path)]))
  return watching.flatMap(step =>
    triggersOf(step)
      .filter(({ path }) => !met.has(path))
      .map(each => ({ step, ...each })),
  )
}

/** The paths whose changes a step waits for, and the option that names each. */
export function triggersOf({
  verb,
  options,
}: Step): readonly { readonly option: string; readonly path: string }[] {
  const spec = specs.get(verb)
  return Object.entries(options).flatMap(([option, value]) =>
    spec?.options[option]?.kind === 'paths' ? readList(value).map(path => ({ option, path })) : [],
  )
}

/** All claims on each path, in the order of the steps. */
function claimsOf(steps: readonly Step[]): ReadonlyMap<string, readonly Claim[]> {
  const claims = new Map<string, Claim[]>()
  const claim = (made: Claim) => {
    const there = claims.get(made.path)
    if (there) there.push(made)
    else claims.set(made.path, [made])
  }
  for (const [index, step] of steps.entries()) {
    const spec = specs.get(step.verb)
    const path = spec?.target?.(step)
    if (path !== undefined && spec?.makes !== undefined) claim({ step, index, path, makes: spec.makes })
    for (const part of partsOf(step)) claim({ step, index, path: part, makes: 'part' })
  }
  return claims
}

const none: readonly never[] = []

/** What a step decides beside its target: of most, nothing. */
function partsOf(step: Step): readonly string[] {
  const spec = specs.get(step.verb)
  if (!spec?.paths) return none
  const target = spec.target?.(step)
  return spec.paths(step).filter(path => path !== target)
}

/** Whether nothing of others can be below it: what is no directory, or one that belongs to its step whole. */
function blocks({ step, makes }: Claim): boolean {
  if (makes === 'part') return specs.get(step.verb)?.deep === true
  return makes !== 'directory' && makes !== 'attributes'
}

/** Nearest first; without `/`. */
function parentsOf(path: string): readonly string[] {
  const parents: string[] = []
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
    parents.push(path.slice(0, end))
  return parents
}

/** LINE and MODE leave the rest of what they find to others. */
const shares = (makes: Claim['makes']) => makes === 'line' || makes === 'attributes'

/** The units that the agent lives in; PACKAGE refuses its package by itself. */
const ownUnit = /^unit:fleet[.@]/

const namesAccounts = (kind: ValueKind | undefined) =>
  kind === 'user' || kind === 'group' || kind === 'accounts' || kind === 'account'

const at = ({ origin }: Step) => `at ${origin.file}:${origin.line}:${origin.column}`

function outcome({ step, path, makes }: Claim): string {
  if (makes === 'nothing') return `${path}, which is to be absent`
  if (makes === 'part') return `${path}, which belongs to ${step.verb}`
  return `${path}, which is a ${makes === 'link' ? 'link' : 'file'} by ${step.verb}`
}
