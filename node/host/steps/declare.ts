// The declaration of one host: site.steps with what it includes, guards decided, trees expanded, variables put in.
// Pure: the caller loads the files that are asked for and calls again. Doing is left to the engine.

import { sha256 } from '../digest.ts'
import { specs } from '../verbs/index.ts'
import { checkValue, shown } from '../verbs/values.ts'
import type { OptionSpec, VerbSpec } from '../verbs/verb.ts'
import { check, type Open } from './check.ts'
import { type Draft, expandTree, payloadOf } from './expand.ts'
import { includesMax, nestingMax, stepsMax, templateBytesMax, valueCharsMax } from './limits.ts'
import { type Document, type Item, optionsOf, parse, type StepItem, type Test } from './parse.ts'
import { type Place, Problems, placeOf } from './problem.ts'
import { type Host, holds, type RosterHost, scopeOf } from './scope.ts'
import { type SourceFiles, type Sources, sourcesOf } from './sources.ts'
import type { Origin, Problem, Step } from './step.ts'
import { compile, hasHoles, render, type Scope, type Template } from './template.ts'
import { parseVars, type Vars, variablesOf } from './vars.ts'

/** Where a declaration begins, and where its variables are; the second may be missing. */
export const entryFile = 'site.steps'
export const varsFile = 'vars.toml'

export interface Repository {
  /** All files of the release, by path. */
  readonly files: SourceFiles
  /** The text of a file, see decodeText; undefined while it is not loaded: it is then among the `needs`. */
  readonly text: (path: string) => string | undefined
}

export interface Declared {
  /** Empty while there are problems or needs. Ids are unique. */
  readonly steps: readonly Step[]
  /** The bytes of rendered templates, by digest. */
  readonly rendered: ReadonlyMap<string, Uint8Array>
  readonly problems: readonly Problem[]
  /** Files to load before the next call. */
  readonly needs: readonly string[]
  /** With open facts: the tests that are left to the host. Such steps carry them in their ids too. */
  readonly open: Open
  /** It asks for the host's name or address; if not, hosts with equal labels, variables and facts share it. */
  readonly personal: boolean
  /** Names of the facts that it asks for, as its guards stand. */
  readonly facts: ReadonlySet<string>
  /** Names of the labels that it asks for, those of the tables of variables left out. */
  readonly labels: ReadonlySet<string>
}

/** What is the same for all hosts: the parsed files. */
export interface Declaration {
  readonly repository: Repository
  readonly sources: Sources
  readonly documents: ReadonlyMap<string, Document>
  readonly vars: Vars
  readonly problems: readonly Problem[]
  readonly needs: readonly string[]
  /** Templates that have been compiled, by path. */
  readonly templates: Map<string, Template>
}

/** For one host; see readDeclaration and declareFor for many. */
export function declare(
  input: Repository & { readonly host: Host; readonly roster: readonly RosterHost[] },
): Declared {
  return declareFor(readDeclaration(input), input.host, input.roster)
}

/** Parses vars.toml and every steps file that can be reached, whatever the guards say. */
export function readDeclaration(repository: Repository): Declaration {
  const documents = new Map<string, Document>()
  const problems: Problem[] = []
  const needs = new Set<string>()

  const load = (path: string, trail: readonly string[]) => {
    const text = repository.text(path)
    if (text === undefined) {
      needs.add(path)
      return
    }
    const document = parse(path, text)
    documents.set(path, document)
    problems.push(...document.problems)
    const found = new Problems(path)
    const open = [...trail, path]
    for (const item of document.items) {
      if (item.kind !== 'include') continue
      const file = repository.files.get(item.path.text)
      if (file === undefined || file.mode === '120000')
        found.add(
          item.path,
          `found ${shown(item.path.text)}; expected a steps file of the repository`,
          item.made,
        )
      else if (open.includes(item.path.text))
        found.add(
          item.path,
          `found a circle: ${[...open, item.path.text].join(' -> ')}; expected files that do not include themselves`,
          item.made,
        )
      else if (open.length >= nestingMax)
        found.add(item.path, `found INCLUDE ${nestingMax} deep; expected less`, item.made)
      else if (!documents.has(item.path.text)) load(item.path.text, open)
    }
    problems.push(...found.list)
  }

  if (repository.files.has(entryFile)) load(entryFile, [])
  else
    problems.push({
      file: entryFile,
      line: 1,
      column: 1,
      message: 'found no such file; expected it at the top of the repository',
    })
  const toml = repository.files.has(varsFile) ? repository.text(varsFile) : ''
  if (toml === undefined) needs.add(varsFile)
  const vars = parseVars(varsFile, toml ?? '')
  return {
    repository,
    sources: sourcesOf(repository.files),
    documents,
    vars: vars.vars,
    problems: [...problems, ...vars.problems],
    needs: [...needs],
    templates: new Map(),
  }
}

/**
 * Never throws. Problems of single lines are reported at once; those of the list when each line is right. `alike`: the host's
 * name and address stay open in texts, as facts do, so that hosts that differ in nothing else have equal steps; guards know them.
 */
export function declareFor(
  declaration: Declaration,
  host: Host,
  roster: readonly RosterHost[],
  { alike = false } = {},
): Declared {
  const vars = variablesOf(declaration.vars, host)
  const problems = [...declaration.problems, ...vars.problems]
  const scope = scopeOf(host, roster, declaration.vars, vars.values)
  let personal = false
  const facts = new Set<string>()
  const labels = new Set<string>()
  const asked: Scope = reference => {
    personal ||= reference.kind === 'host'
    if (reference.kind === 'fact') facts.add(reference.name)
    if (reference.kind === 'label') labels.add(reference.name)
    return scope(reference)
  }
  const inTexts: Scope = reference => (reference.kind === 'host' ? { kind: 'open' } : asked(reference))
  const maker = new Maker(declaration, asked, alike ? inTexts : asked)
  if (declaration.documents.has(entryFile)) maker.walk(entryFile, [], 0)
  const needs = [...new Set([...declaration.needs, ...maker.needs])]
  for (const found of maker.problems.values()) problems.push(...found.list)
  if (problems.length === 0 && needs.length === 0) problems.push(...check(maker.steps, maker.open))
  const steps = problems.length === 0 && needs.length === 0 ? maker.steps : []
  return { steps, rendered: maker.rendered, problems, needs, open: maker.open, personal, facts, labels }
}

/** One walk over the documents, for one host. */
class Maker {
  readonly steps: Step[] = []
  readonly open = new Map<Step, readonly Test[]>()
  readonly rendered = new Map<string, Uint8Array>()
  readonly needs = new Set<string>()
  readonly problems = new Map<string, Problems>()
  /** Directories made so far: by MKDIR (undefined), or by a TREE with these options. */
  readonly #directories = new Map<string, string | undefined>()
  #includes = 0
  readonly #declaration: Declaration
  /** Of guards, and of arguments, options and templates. */
  readonly #guards: Scope
  readonly #texts: Scope

  constructor(declaration: Declaration, guards: Scope, texts: Scope) {
    this.#declaration = declaration
    this.#guards = guards
    this.#texts = texts
  }

  walk(path: string, outer: readonly Test[], depth: number): void {
    const guards: { active: boolean; tests: readonly Test[] }[] = [{ active: true, tests: outer }]
    for (const item of this.#declaration.documents.get(path)?.items ?? []) {
      const guard = guards.at(-1)!
      if (item.kind === 'when') {
        const outcomes = guard.active ? item.tests.map(test => this.#test(path, item, test)) : ['no']
        const left = item.tests.filter((_, index) => outcomes[index] === 'open')
        guards.push({ active: !outcomes.includes('no'), tests: [...guard.tests, ...left] })
      } else if (item.kind === 'end') {
        if (guards.length > 1) guards.pop()
      } else if (guard.active && item.kind === 'include') {
        if (++this.#includes === includesMax + 1)
          this.#fault(path, item, `found more than ${includesMax} INCLUDE; expected fewer`)
        if (this.#includes <= includesMax && depth < nestingMax)
          this.walk(item.path.text, guard.tests, depth + 1)
      } else if (guard.active && item.kind === 'step') this.#step(path, item, guard.tests)
    }
  }

  #fault(file: string, place: Place & { readonly made?: string }, message: string): void {
    let found = this.problems.get(file)
    if (!found) this.problems.set(file, (found = new Problems(file)))
    found.add(place, message, place.made)
  }

  #test(file: string, item: Item, test: Test): 'yes' | 'no' | 'open' {
    const { subject } = test
    const { names } = this.#declaration.vars
    if (subject.kind === 'var' && !names.has(subject.name))
      this.#fault(
        file,
        { ...item, ...place(test) },
        `found ${test.source}; expected a variable of ${varsFile}`,
      )
    return holds(test, this.#guards)
  }

  #step(file: string, item: StepItem, tests: readonly Test[]): void {
    const { spec, made } = item
    const origin: Origin = { file, ...place(item), ...(made === undefined ? {} : { made }) }
    const fault = (at: Place, message: string) => this.#fault(file, { ...origin, ...place(at) }, message)
    let draft: Pick<Draft, 'args' | 'options'> | undefined = {
      args: item.args.map(word => word.text),
      options: optionsOf(item.options),
    }
    if (item.holes) draft = this.#fill(item, fault)
    if (draft === undefined) return

    const { args, options } = draft
    const source = sourceOf(item)
    const path = source && ('name' in source ? options[source.name] : args[item.args.indexOf(source)])
    if (spec.name === 'TREE') {
      const from = item.args[0]!
      if (this.#declaration.sources.below(args[0]!).length === 0)
        fault(from, `found ${shown(args[0]!)}; expected ${this.#instead(args[0]!, 'a folder')}`)
      else
        for (const each of expandTree(draft, this.#declaration.sources, link =>
          this.#link(link, from, fault),
        ))
          this.#addFromTree(each, origin, tests)
    } else if (source === undefined || path === undefined) {
      if (spec.makes === 'directory') this.#directories.set(spec.key(draft), undefined)
      this.#add({ verb: spec.name, args, options }, origin, tests)
    } else {
      const found = this.#declaration.sources.files.get(path)
      if (found === undefined || found.mode === '120000')
        fault(source, `found ${shown(path)}; expected ${this.#instead(path, 'a file')}`)
      else {
        const payload = spec.name === 'TEMPLATE' ? this.#render(path, source, fault) : payloadOf(path, found)
        if (payload && this.#sound(spec, path))
          this.#add({ verb: spec.name, args, options, payload }, origin, tests)
      }
    }
  }

  /** Puts variables into arguments and options, and checks what came out. */
  #fill({ spec, args, options, ...item }: StepItem, fault: (at: Place, message: string) => void) {
    let fine = true
    let open = false
    const fill = (at: Place, { kind, values }: Pick<OptionSpec, 'kind' | 'values'>, text: string): string => {
      if (!hasHoles(text)) return text
      const filled = render(compile(text), this.#texts)
      const message =
        filled.faults[0]?.message ??
        (filled.text.length > valueCharsMax
          ? `found ${filled.text.length} characters; expected at most ${valueCharsMax}`
          : /[\0\n]/.test(filled.text)
            ? `found a value with a newline in ${shown(text)}; expected one line`
            : filled.open
              ? undefined
              : checkValue(kind, filled.text, values))
      if (message) {
        fine = false
        fault(at, message)
      }
      open ||= filled.open
      return filled.text
    }
    const last = spec.args.at(-1)!
    const filled = {
      args: args.map((word, index) => fill(word, spec.args[index] ?? last, word.text)),
      options: Object.fromEntries(
        options.map(each => [each.name, fill(each, spec.options[each.name]!, each.value)]),
      ),
    }
    const message = fine && !open ? spec.check?.(filled) : undefined
    if (message) fault(item, message)
    return fine && !message ? filled : undefined
  }

  /** The payload of a template; undefined when it is not loaded or has problems of its own. */
  #render(path: string, from: Place, fault: (at: Place, message: string) => void) {
    const { repository, sources, templates } = this.#declaration
    const file = sources.files.get(path)!
    if (file.size > templateBytesMax) {
      fault(from, `found a template of ${file.size} bytes; expected at most ${templateBytesMax}`)
      return undefined
    }
    const text = repository.text(path)
    if (text === undefined) {
      this.needs.add(path)
      return undefined
    }
    let template = templates.get(path)
    if (!template) templates.set(path, (template = compile(text)))
    const filled = render(template, this.#texts)
    for (const { offset, message } of filled.faults) this.#fault(path, placeOf(text, offset), message)
    const bytes = new TextEncoder().encode(filled.text)
    if (bytes.length > templateBytesMax) {
      fault(from, `found ${bytes.length} bytes once rendered; expected at most ${templateBytesMax}`)
      return undefined
    }
    if (filled.faults.length > 0) return undefined
    const digest = sha256(bytes)
    this.rendered.set(digest, bytes)
    return payloadOf(path, { mode: file.mode, sha256: digest, size: bytes.length })
  }

  /** Whether what the verb can check of the text of its source is right, or is still to be loaded. */
  #sound({ checkSource }: VerbSpec, path: string): boolean {
    if (!checkSource) return true
    const text = this.#declaration.repository.text(path)
    if (text === undefined) this.needs.add(path)
    const faults = text === undefined ? [] : checkSource(text)
    for (const { offset, message } of faults) this.#fault(path, placeOf(text!, offset), message)
    return faults.length === 0
  }

  #link(path: string, from: Place, fault: (at: Place, message: string) => void): string | undefined {
    const target = this.#declaration.repository.text(path)
    if (target === undefined) this.needs.add(path)
    else if (target !== '' && !/[\0\n]/.test(target)) return target
    else fault(from, `found the symbolic link ${shown(path)} to ${shown(target)}; expected a path`)
    return undefined
  }

  /** What might have been meant where a file or folder is not there. */
  #instead(path: string, expected: string): string {
    const { files, below } = this.#declaration.sources
    const mode = files.get(path)?.mode
    if (mode === '120000') return `${expected}; it is a symbolic link: LINK or TREE`
    if (mode !== undefined) return `${expected}; it is a file: COPY`
    return below(path).length > 0
      ? `${expected}; it is a folder: TREE`
      : `${expected} of the repository, and there is none`
  }

  /** A directory that is made already is left to the step that makes it, unless two trees want it different. */
  #addFromTree(draft: Draft, origin: Origin, tests: readonly Test[]): void {
    if (draft.verb === 'MKDIR') {
      const path = draft.args[0]!
      const wish = JSON.stringify(draft.options)
      if (this.#directories.has(path) && [undefined, wish].includes(this.#directories.get(path))) return
      this.#directories.set(path, wish)
    }
    this.#add(draft, origin, tests)
  }

  #add(draft: Draft, origin: Origin, tests: readonly Test[]): void {
    if (this.steps.length === stepsMax)
      this.#fault(origin.file, origin, `found more than ${stepsMax} steps; expected fewer`)
    if (this.steps.length >= stepsMax) return
    const { verb, args, options, payload } = draft
    const guard = tests.map(test => ` ${test.source}${test.negated ? '!=' : '='}${test.values.join(',')}`)
    const id = `${verb} ${specs.get(verb)!.key(draft)}${guard.length > 0 ? ` WHEN${guard.join('')}` : ''}`
    const step: Step = { verb, args, options, id, origin, ...(payload === undefined ? {} : { payload }) }
    this.steps.push(step)
    if (tests.length > 0) this.open.set(step, tests)
  }
}

/** The argument or option that names a file of the repository. */
function sourceOf({ spec, args, options }: StepItem) {
  return (
    args.find((_, index) => spec.args[index]?.kind === 'source') ??
    options.find(each => spec.options[each.name]?.kind === 'source')
  )
}

const place = ({ line, column }: Place): Place => ({ line, column })
