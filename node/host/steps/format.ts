// `fleet fmt`: the canonical text of a steps file. One blank between words, two of indentation for each WHEN, quotes
// only where needed, at most one blank line in a row. Keeps comments, provenance, the order of options, and the places
// where the author broke a line.

import { type Item, parse, readsAsSyntax, type StepItem } from './parse.ts'
import type { Problem } from './step.ts'
import { quote } from './words.ts'

export type Formatted =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'problems'; readonly problems: readonly Problem[] }

/** A text with problems is not formatted. The result means the same, and formatting it again changes nothing. */
export function format(file: string, text: string): Formatted {
  const { items, problems } = parse(file, text)
  return problems.length > 0 ? { kind: 'problems', problems } : { kind: 'text', text: formatItems(items) }
}

/** Of items without problems. */
export function formatItems(items: readonly Item[]): string {
  const lines: string[] = []
  let depth = 0
  for (const item of items) {
    if (item.kind === 'blank') {
      if (lines.length > 0 && lines.at(-1) !== '') lines.push('')
      continue
    }
    if (item.kind === 'end') depth--
    const indent = '  '.repeat(depth)
    const comment = item.comment === undefined ? '' : `#${item.comment}`
    const words = wordsOf(item)
    const body = words.reduce(
      (out, { text, line }, index) =>
        index === 0 ? text : `${out}${line > words[index - 1]!.line ? ` \\\n${indent}    ` : ' '}${text}`,
      '',
    )
    lines.push(indent + [body, comment].filter(part => part !== '').join('  '))
    if (item.kind === 'when') depth++
  }
  if (lines.at(-1) === '') lines.pop()
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

interface Written {
  readonly text: string
  readonly line: number
}

function wordsOf(item: Exclude<Item, { kind: 'blank' }>): readonly Written[] {
  const { line } = item
  switch (item.kind) {
    case 'comment':
      return []
    case 'end':
      return [{ text: 'END', line }]
    case 'include':
      return [
        { text: 'INCLUDE', line },
        { text: quote(item.path.text), line: item.path.line },
      ]
    case 'when':
      return [
        { text: 'WHEN', line },
        ...item.tests.map(test => ({
          text: `${test.source}${test.negated ? '!=' : '='}${quote(test.values.join(','))}`,
          line: test.line,
        })),
      ]
    case 'step':
      return stepWords(item)
  }
}

function stepWords({ spec, line, args, options }: StepItem): readonly Written[] {
  return [
    { text: spec.name, line },
    ...args.flatMap((word, index) => {
      const after = spec.args[index]?.after
      const text = quote(word.text, readsAsSyntax(spec, word.text))
      return [...(after === undefined ? [] : [{ text: after, line: word.line }]), { text, line: word.line }]
    }),
    ...options.map(({ name, value, line }) => ({
      text: spec.options[name]?.kind === 'flag' ? name : `${name}=${quote(value)}`,
      line,
    })),
  ]
}
