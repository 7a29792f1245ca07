// Rows of words -> items: steps, guards, includes, comments. Checks all that can be said of one file alone; who the
// host is, what a variable holds and which files there are is left to declare.ts.

import { specs } from '../verbs/index.ts'
import { checkValue, shown } from '../verbs/values.ts'
import type { VerbSpec } from '../verbs/verb.ts'
import { lex, type Row, type Word } from './lex.ts'
import { nestingMax } from './limits.ts'
import { nearest, type Place, Problems } from './problem.ts'
import type { Problem } from './step.ts'
import { checkFact, compile, hasHoles, type Reference, readReference } from './template.ts'

export interface Option extends Place {
  readonly name: string
  /** '' for a flag. */
  readonly value: string
}

/** `label.role=web,db` or `fact.os.id!=debian`. */
export interface Test extends Place {
  /** The left side as it was written. */
  readonly source: string
  readonly subject: Reference
  readonly negated: boolean
  /** One of these, or none of these; at least one. */
  readonly values: readonly string[]
}

interface Common extends Place {
  readonly comment?: string
  /** The provenance in force. */
  readonly made?: string
}

export interface StepItem extends Common {
  readonly kind: 'step'
  readonly spec: VerbSpec
  readonly args: readonly Word[]
  readonly options: readonly Option[]
  /** It, or its options, hold `${`. */
  readonly holes: boolean
}

export type Item =
  | StepItem
  | (Common & { readonly kind: 'when'; readonly tests: readonly Test[] })
  | (Common & { readonly kind: 'end' })
  | (Common & { readonly kind: 'include'; readonly path: Word })
  | (Common & { readonly kind: 'comment' })
  | (Common & { readonly kind: 'blank' })

export interface Document {
  readonly file: string
  /** WHEN and END nest properly if there are no problems. */
  readonly items: readonly Item[]
  readonly problems: readonly Problem[]
}

/** Never throws. Reports all problems of the text, in the order of its lines. */
export function parse(file: string, text: string): Document {
  const lexed = lex(file, text)
  const problems = new Problems(file)
  const items: Item[] = []
  const open: Row[] = []
  let made: string | undefined

  for (const row of lexed.rows) {
    const [verb, ...rest] = row.words
    const common = {
      line: row.line,
      column: row.column,
      ...(row.comment === undefined ? {} : { comment: row.comment }),
      ...(made === undefined ? {} : { made }),
    }
    const fault = (place: Place, message: string) => problems.add(place, message, made)
    if (verb === undefined) {
      items.push({ kind: row.comment === undefined ? 'blank' : 'comment', ...common })
      if (row.comment?.startsWith('@')) made = row.comment.slice(1).trim() || undefined
    } else if (verb.text === 'WHEN') {
      open.push(row)
      if (open.length === nestingMax + 1) fault(row, `found more than ${nestingMax} WHEN inside each other`)
      items.push({ kind: 'when', ...common, tests: readTests(row, rest, fault) })
    } else if (verb.text === 'END') {
      if (rest[0]) fault(rest[0], `found ${shown(rest[0].text)} after END; expected nothing`)
      if (!open.pop()) fault(row, 'found END; expected a WHEN before it')
      items.push({ kind: 'end', ...common })
    } else if (verb.text === 'INCLUDE') {
      const [path, extra] = rest
      if (path === undefined) fault(row, 'found INCLUDE alone; expected the path of a steps file')
      else if (extra) fault(extra, `found ${shown(extra.text)}; expected one path alone`)
      else if (hasHoles(path.text)) fault(path, 'found a variable in INCLUDE; expected WHEN around it')
      else {
        const message = checkValue('source', path.text)
        if (message) fault(path, message)
        else items.push({ kind: 'include', ...common, path })
      }
    } else {
      const spec = specs.get(verb.text)
      if (spec) {
        const item = readStep(spec, row, rest, common, fault)
        if (item) items.push(item)
      } else {
        const guess = nearest(verb.text.toUpperCase(), [...specs.keys(), 'WHEN', 'END', 'INCLUDE'])
        fault(
          verb,
          `found ${shown(verb.text)}; expected ${guess ? `a verb: ${guess}?` : 'a verb in capitals; fleet help lists them'}`,
        )
      }
    }
  }
  for (const row of open) problems.add(row, 'found WHEN without END; expected END before the file ends')
  const all = [...lexed.problems, ...problems.list].sort((a, b) => a.line - b.line || a.column - b.column)
  return { file, items, problems: all }
}

type Fault = (place: Place, message: string) => void

const optionPattern = /^([a-z][a-z0-9-]*)=/

/** `key` if the word was written as `key=…`, the key and the sign without quotes. */
function optionName(word: Word): string | undefined {
  const match = optionPattern.exec(word.text)
  return match && match[0].length <= word.bare ? match[1] : undefined
}

const isBare = (word: Word) => word.bare === word.text.length

/** Whether a bare word in this place would be read as an option or as syntax: format.ts has to quote it then. */
export function readsAsSyntax(spec: VerbSpec, text: string): boolean {
  return optionPattern.test(text) || text === '->' || spec.options[text]?.kind === 'flag'
}

/** `COPY FILE PATH [mode= owner= …]` */
export function usage(spec: VerbSpec): string {
  const args = spec.args.flatMap(arg => [
    ...(arg.after ? [arg.after] : []),
    arg.rest ? `${arg.name}…` : arg.name,
  ])
  const options = Object.entries(spec.options).map(([name, { kind }]) =>
    kind === 'flag' ? name : `${name}=`,
  )
  return [spec.name, ...args, ...(options.length ? [`[${options.join(' ')}]`] : [])].join(' ')
}

function readStep(
  spec: VerbSpec,
  row: Row,
  words: readonly Word[],
  common: Common,
  report: Fault,
): StepItem | undefined {
  const args: Word[] = []
  const options: Option[] = []
  let fine = true
  const fault: Fault = (place, message) => {
    fine = false
    report(place, message)
  }
  const last = spec.args.at(-1)
  let after: Word | undefined
  for (const word of words) {
    const name = optionName(word)
    if (name !== undefined) {
      if (!Object.hasOwn(spec.options, name)) fault(word, unknownOption(spec, name))
      else if (spec.options[name]!.kind === 'flag')
        fault(word, `found ${name} with a value; expected the bare word ${name}`)
      else if (options.some(each => each.name === name)) fault(word, `found ${name}= twice; expected it once`)
      else {
        const value = word.text.slice(name.length + 1)
        options.push({ line: word.line, column: word.column, name, value })
      }
    } else if (isBare(word) && spec.options[word.text]?.kind === 'flag') {
      if (options.some(each => each.name === word.text))
        fault(word, `found ${word.text} twice; expected it once`)
      else options.push({ line: word.line, column: word.column, name: word.text, value: '' })
    } else if (options.length > 0) {
      fault(word, `found ${shown(word.text)} after an option; expected arguments before options`)
      return undefined
    } else {
      const arg = spec.args[args.length]
      if (arg?.after !== undefined && !after && isBare(word) && word.text === arg.after) after = word
      else if (arg?.after !== undefined && !after) {
        fault(word, `found ${shown(word.text)}; expected ${arg.after}: ${usage(spec)}`)
        return undefined
      } else if (arg || last?.rest) {
        args.push(word)
        after = undefined
      } else fault(word, `found ${shown(word.text)}; expected no more arguments: ${usage(spec)}`)
    }
  }
  const missing = spec.args.slice(args.length).map(each => each.name)
  if (missing.length > 0 && fine)
    fault(row, `found ${spec.name} without ${missing.join(' and ')}; expected ${usage(spec)}`)

  const all = [
    ...args.map((word, index) => ({
      place: word as Place,
      spec: (spec.args[index] ?? last)!,
      value: word.text,
      // The later words of a command may be empty.
      skip: index >= spec.args.length,
    })),
    ...options.map(each => ({
      place: each as Place,
      spec: spec.options[each.name]!,
      value: each.value,
      skip: false,
    })),
  ]
  for (const { place, spec, value, skip } of all) {
    if (skip && !hasHoles(value)) continue
    const message = hasHoles(value)
      ? compile(value).faults[0]?.message
      : checkValue(spec.kind, value, spec.values)
    if (message) fault(place, message)
  }
  const holes = all.some(({ value }) => hasHoles(value))
  if (fine && !holes) {
    const step = { args: args.map(word => word.text), options: optionsOf(options) }
    const message = spec.check?.(step)
    if (message) fault(row, message)
  }
  return fine ? { kind: 'step', ...common, spec, args, options, holes } : undefined
}

function unknownOption(spec: VerbSpec, name: string): string {
  const known = Object.keys(spec.options)
  const guess = nearest(name, known)
  const expected = guess ? `${guess}=` : known.length > 0 ? `one of: ${known.join(' ')}` : 'none'
  const quotes = spec.args.at(-1)?.rest ? ', or double quotes around a word of the command' : ''
  return `found the option ${name}=, which ${spec.name} does not have; expected ${expected}${quotes}`
}

/** As a Step has them. */
export function optionsOf(options: readonly Option[]): Readonly<Record<string, string>> {
  return Object.fromEntries(options.map(each => [each.name, each.value]))
}

function readTests(row: Row, words: readonly Word[], fault: Fault): readonly Test[] {
  if (words.length === 0)
    fault(row, 'found WHEN alone; expected a test such as label.role=web or fact.os.id!=debian,ubuntu')
  return words.flatMap(word => {
    const match = /^([^=!]+)(!?=)(.*)$/s.exec(word.text)
    const subject = match ? readReference(match[1]!) : undefined
    if (!match || !subject || subject.kind === 'hosts' || word.bare < match[1]!.length + match[2]!.length) {
      fault(
        word,
        `found ${shown(word.text)}; expected a test such as label.role=web, fact.os.id!=debian,ubuntu, host.name=web1 or var.x=on`,
      )
      return []
    }
    const unknown = checkFact(subject)
    if (unknown) fault(word, unknown)
    const values = match[3]!.split(',')
    if (values.includes(''))
      fault(word, `found an empty value in ${shown(word.text)}; expected values with commas between`)
    if (hasHoles(match[3]!))
      fault(word, `found a variable in ${shown(word.text)}; expected values as they are`)
    const place = { line: word.line, column: word.column }
    return [{ ...place, source: match[1]!, subject, negated: match[2] === '!=', values }]
  })
}
