// The reference of the language: what each verb says of itself, as a page for docs/verbs/ and for a terminal. Says
// nothing of its own but the headings.
import { usage } from '../node/host/steps/parse.ts'
import { type SyntaxSpec, syntax } from '../node/host/steps/syntax.ts'
import { specs } from '../node/host/verbs/index.ts'
import type { UndoClass, VerbSpec } from '../node/host/verbs/verb.ts'

type Block =
  | { readonly kind: 'heading'; readonly text: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'code'; readonly lines: readonly string[] }
  | { readonly kind: 'list'; readonly items: readonly (readonly [term: string, doc: string])[] }

export interface Page {
  readonly name: string
  readonly summary: string
  readonly blocks: readonly Block[]
}

/** Verbs in the order of the reference, then the words that are no steps. */
export function pages(): readonly Page[] {
  return [...[...specs.values()].map(pageOf), ...syntax.map(pageOfSyntax)]
}

function pageOf(spec: VerbSpec): Page {
  const args = spec.args.flatMap(({ name, doc, values }) =>
    doc || values ? [[name, said(doc, values)] as const] : [],
  )
  const options = Object.entries(spec.options).map(
    ([name, { kind, doc, values }]) => [kind === 'flag' ? name : `${name}=`, said(doc, values)] as const,
  )
  const ways = [...undoClasses(spec)].map(each => undoWords[each])
  return {
    name: spec.name,
    summary: spec.summary,
    blocks: [
      { kind: 'code', lines: [usage(spec)] },
      ...(spec.about ?? []).map(text => ({ kind: 'text' as const, text })),
      { kind: 'heading', text: 'Example' },
      { kind: 'code', lines: [spec.example] },
      ...listed('Arguments', args),
      ...listed('Options', options),
      ...told('When the step leaves', [spec.leaves, `Undo: ${ways.join(', or ')}.`]),
      ...told('When something else changes it', [spec.noticed]),
    ],
  }
}

const said = (doc: string | undefined, values: readonly string[] | undefined) =>
  [doc, values && `One of: ${values.join(', ')}.`].filter(Boolean).join(' ')

const undoWords: Readonly<Record<UndoClass, string>> = {
  exact: 'exact',
  compensating: 'compensating (by a counter-measure, not bit by bit)',
  'one-way': 'none, one-way (a rollback needs --past-one-way)',
}

/** Those that some combination of options gives. */
function undoClasses({ undo, options, args }: VerbSpec): ReadonlySet<UndoClass> {
  const words = args.map(() => '')
  const tries = [{}, ...Object.keys(options).map(name => ({ [name]: '' }))]
  return new Set(tries.map(each => undo({ args: words, options: each })))
}

function listed(heading: string, items: readonly (readonly [string, string])[]): readonly Block[] {
  if (items.length === 0) return []
  return [
    { kind: 'heading', text: heading },
    { kind: 'list', items },
  ]
}

function told(heading: string, texts: readonly (string | undefined)[]): readonly Block[] {
  const [first] = texts
  if (first === undefined) return []
  return [
    { kind: 'heading', text: heading },
    { kind: 'text', text: texts.join(' ') },
  ]
}

function pageOfSyntax(spec: SyntaxSpec): Page {
  return {
    name: spec.name,
    summary: spec.summary,
    blocks: [
      { kind: 'code', lines: [spec.usage] },
      ...spec.about.map(text => ({ kind: 'text' as const, text })),
      { kind: 'heading', text: 'Example' },
      { kind: 'code', lines: spec.example },
    ],
  }
}

const generated = '<!-- Made by `npm run docs` from what the verb says of itself; edit it there. -->'

export function markdown({ name, summary, blocks }: Page): string {
  return `${[generated, `# ${name}`, escaped(summary), ...blocks.map(markdownBlock)].join('\n\n')}\n`
}

function markdownBlock(block: Block): string {
  switch (block.kind) {
    case 'heading':
      return `## ${block.text}`
    case 'text':
      return escaped(block.text)
    case 'code':
      return ['```', ...block.lines, '```'].join('\n')
    case 'list':
      return block.items.map(([term, doc]) => `- \`${term}\` ${escaped(doc)}`).join('\n')
  }
}

/** What Markdown would take for its own, outside of code. */
function escaped(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part, index) => (index % 2 === 1 ? part : part.replace(/[*_<>[\]\\]/g, '\\$&')))
    .join('')
}

/** docs/verbs/README.md: every page in a line. */
export function indexPage(all: readonly Page[]): string {
  const rows = all.map(({ name, summary }) => `| [${name}](${name}.md) | ${escaped(summary)} |`)
  const head = [
    '# The verbs',
    '',
    '`fleet help VERB` prints these pages. The language around them: [steps.md](../steps.md).',
  ]
  return `${[generated, '', ...head, '', '| | |', '|---|---|', ...rows].join('\n')}\n`
}

/** For a terminal: at most `columns` wide, save for lines of code. */
export function terminal({ name, summary, blocks }: Page, columns: number): string {
  return [
    wrap(`${name}: ${plain(summary)}`, columns),
    ...blocks.map((block, index) => {
      const text = terminalBlock(block, columns)
      return blocks[index - 1]?.kind === 'heading' ? text : `\n${text}`
    }),
  ].join('\n')
}

function terminalBlock(block: Block, columns: number): string {
  switch (block.kind) {
    case 'heading':
      return `${block.text}:`
    case 'text':
      return wrap(plain(block.text), columns)
    case 'code':
      return block.lines.map(line => `  ${line}`).join('\n')
    case 'list':
      return block.items.map(item => entry(item, columns)).join('\n')
  }
}

const plain = (text: string) => text.replaceAll('`', '')

function entry([term, doc]: readonly [string, string], columns: number): string {
  const indent = ' '.repeat(14)
  const lines = wrap(plain(doc), columns - indent.length).split('\n')
  const head = `  ${term}`.padEnd(indent.length)
  const first = head.length > indent.length ? `${head}\n${indent}${lines[0]}` : `${head}${lines[0]}`
  return [first, ...lines.slice(1).map(line => indent + line)].join('\n')
}

function wrap(text: string, columns: number): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].join('\n')
}
