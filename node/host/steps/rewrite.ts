// One step of a steps file, changed in its text: an argument or option, a step more or less. Every other byte stays.
// What should change is for the caller to know; whether the text may be touched at all is decided here.
import { type Item, parse, readsAsSyntax, type StepItem } from './parse.ts'
import { formatProblem, type Place } from './problem.ts'
import type { Origin } from './step.ts'
import { hasHoles } from './template.ts'
import { quote } from './words.ts'

/** The step that a text is changed at: where it is written, and the verb that is expected there. */
export type Spot = Pick<Origin, 'file' | 'line' | 'made'> & { readonly verb: string }

/** New values, as the step is to have them (variables put in); an option of `undefined` goes, '' is a bare word. */
export interface Patch {
  readonly args?: Readonly<Record<number, string>>
  readonly options?: Readonly<Record<string, string | undefined>>
}

export type Rewritten =
  | { readonly kind: 'text'; readonly text: string }
  /** `why`: why it must be changed by hand, as half a sentence. */
  | { readonly kind: 'by-hand'; readonly why: string }

interface Span {
  readonly from: number
  readonly to: number
}

/** Changes arguments and options of one step. */
export function rewriteStep(text: string, spot: Spot, patch: Patch): Rewritten {
  return at(text, spot, (item, spans) => {
    const edits: Edit[] = []
    const { spec } = item
    const last = spans.at(-1)!
    for (const [index, value] of Object.entries(patch.args ?? {})) {
      const word = item.args[Number(index)]
      const span = word && find(spans, text, word)
      if (word === undefined || span === undefined) return byHand(`it has no argument ${Number(index) + 1}`)
      if (hasHoles(word.text)) return byHand(`${quote(word.text)} is made from a variable`)
      const literal = escapeHoles(value)
      edits.push({ ...span, by: quote(literal, readsAsSyntax(spec, literal)) })
    }
    for (const [name, value] of Object.entries(patch.options ?? {})) {
      const option = item.options.find(each => each.name === name)
      const span = option && find(spans, text, option)
      if (option && hasHoles(option.value)) return byHand(`${name}= is made from a variable`)
      const flag = spec.options[name]?.kind === 'flag'
      const by = value === undefined ? '' : flag ? name : `${name}=${quote(escapeHoles(value))}`
      if (span === undefined) {
        if (value !== undefined) edits.push({ from: last.to, to: last.to, by: ` ${by}` })
      } else if (value !== undefined) edits.push({ ...span, by })
      // The blanks before it go too, and a line that was continued for it alone.
      else edits.push({ from: spans[spans.indexOf(span) - 1]!.to, to: span.to, by })
    }
    return edits
  })
}

/** A step that is none any more; its whole line goes, comment included. */
export function removeStep(text: string, spot: Spot): Rewritten {
  return at(text, spot, (_, spans) => [{ ...lineOf(text, spans), by: '' }], -1)
}

/** A new step on a line of its own after another one, as deeply indented: `COPY files/x /etc/x`, canonical. */
export function insertAfter(text: string, spot: Spot, step: string): Rewritten {
  return at(
    text,
    spot,
    (_, spans) => {
      const { from, to } = lineOf(text, spans)
      const indent = text.slice(from, spans[0]!.from)
      const ended = text[to - 1] === '\n'
      return [{ from: to, to, by: ended ? `${indent}${step}\n` : `\n${indent}${step}` }]
    },
    1,
  )
}

const byHand = (why: string): Rewritten => ({ kind: 'by-hand', why })

/** The line of a step with its continuations and its newline. */
function lineOf(text: string, spans: readonly Span[]): Span {
  const from = text.lastIndexOf('\n', spans[0]!.from - 1) + 1
  const end = text.indexOf('\n', spans.at(-1)!.to)
  return { from, to: end < 0 ? text.length : end + 1 }
}

type Edit = Span & { readonly by: string }

/** Finds the step, makes the edits, and lets nothing through that changes what any other line says. */
function at(
  text: string,
  { file, line, made, verb }: Spot,
  edit: (item: StepItem, spans: readonly Span[]) => readonly Edit[] | Rewritten,
  more: -1 | 0 | 1 = 0,
): Rewritten {
  if (made !== undefined) return byHand(`its line is generated from ${made}`)
  const before = parse(file, text)
  if (before.problems[0]) return byHand(`the file does not parse: ${formatProblem(before.problems[0])}`)
  const index = before.items.findIndex(each => each.kind === 'step' && each.line === line)
  const item = before.items[index]
  if (item?.kind !== 'step') return byHand(`${file}:${line} holds no step now`)
  if (item.made !== undefined) return byHand(`its line is generated from ${item.made}`)
  if (item.spec.name !== verb) return byHand(`it comes from the ${item.spec.name} at ${file}:${line}`)
  const edits = edit(item, spansOf(text, item))
  if ('kind' in edits) return edits
  const next = [...edits]
    .sort((a, b) => b.from - a.from || b.to - a.to)
    .reduce((all, { from, to, by }) => all.slice(0, from) + by + all.slice(to), text)
  const after = parse(file, next)
  if (after.problems[0]) return byHand(`that would not parse: ${formatProblem(after.problems[0])}`)
  const others = [
    meaning(before.items, more === 1 ? -1 : index),
    meaning(after.items, more === -1 ? -1 : index + more),
  ]
  return others[0] === others[1] ? { kind: 'text', text: next } : byHand('the line is joined to another one')
}

/** What the items say, without their places and without one of them. */
function meaning(items: readonly Item[], without: number): string {
  return JSON.stringify(
    items.filter((_, index) => index !== without),
    (key, value) => (key === 'line' || key === 'column' || key === 'spec' ? undefined : value),
  )
}

/** In a text that has no other backslash before a blank or newline than an escape or a continued line. */
const wordPattern = /(?:"(?:\\[\s\S]|[^"\\])*"|\\(?![ \t]*\n)[\s\S]|[^ \t\n"\\])+/g

/** The words of a step as they stand in the text, its verb first. */
function spansOf(text: string, { line, column, spec, args, options }: StepItem): Span[] {
  const arrows = args.filter((_, index) => spec.args[index]?.after !== undefined).length
  const count = 1 + args.length + arrows + options.length
  wordPattern.lastIndex = offsetOf(text, line, column)
  return Array.from({ length: count }, () => {
    const { index, 0: word } = wordPattern.exec(text)!
    return { from: index, to: index + word.length }
  })
}

const find = (spans: readonly Span[], text: string, { line, column }: Place) =>
  spans.find(each => each.from === offsetOf(text, line, column))

/** In UTF-16 units; columns count characters. */
function offsetOf(text: string, line: number, column: number): number {
  let start = 0
  for (let at = 1; at < line; at++) start = text.indexOf('\n', start) + 1
  for (let at = 1; at < column; at++) start += text.codePointAt(start)! > 0xffff ? 2 : 1
  return start
}

/** The characters of a value that would be read as a variable. */
export function escapeHoles(value: string): string {
  return value.split('${').join('$${')
}
