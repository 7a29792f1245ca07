// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the language's own variables
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Item, parse, type StepItem } from '../../../../node/host/steps/parse.ts'
import { insertAfter, type Patch, removeStep, rewriteStep } from '../../../../node/host/steps/rewrite.ts'

const file = `# top
WHEN label.role=web
  COPY  "files/a"\t/etc/a   mode="0640" owner=web   # why "so"
  LINK /etc/b -> ../c
END
MKDIR /srv \\
    mode=0750 \\
    exclusive
LINE /etc/d "x 1" match="^x\\\\b"
COPY files/\${var.x} /etc/e mode=\${var.m} owner=root
#@ gen.ts:1:1
ABSENT /etc/f`
const at = (line: number, verb: string) => ({ file: 's', line, verb })
const rewrite = (line: number, verb: string, patch: Patch) => rewriteStep(file, at(line, verb), patch)
const lines = (from: string, to: string) => ({ kind: 'text', text: file.replace(from, () => to) })

test.each<[string, number, string, Patch, string, string]>([
  ['an option', 3, 'COPY', { options: { mode: '0600' } }, 'mode="0640"', 'mode=0600'],
  ['one more', 3, 'COPY', { options: { validate: 'a %s' } }, 'owner=web', 'owner=web validate="a %s"'],
  ['one less', 3, 'COPY', { options: { mode: undefined } }, '   mode="0640"', ''],
  [
    'several',
    3,
    'COPY',
    { options: { mode: undefined, owner: 'x' } },
    '   mode="0640" owner=web',
    ' owner=x',
  ],
  ['a target', 4, 'LINK', { args: { 1: '->' } }, '../c', '"->"'],
  ['a continued line', 6, 'MKDIR', { options: { mode: undefined } }, ' \\\n    mode=0750', ''],
  ['a flag less', 6, 'MKDIR', { options: { exclusive: undefined } }, ' \\\n    exclusive', ''],
  ['a text', 9, 'LINE', { args: { 1: 'x ${y}' } }, '"x 1"', '"x $${y}"'],
  ['beside a variable', 10, 'COPY', { options: { owner: 'me' } }, 'owner=root', 'owner=me'],
])('%s', (_, line, verb, patch, from, to) => {
  const expected = lines(from, to)
  expect(rewrite(line, verb, patch)).toEqual(expected)
})

test.each<[number, string, Patch, string]>([
  [10, 'COPY', { options: { mode: '0600' } }, 'made from a variable'],
  [10, 'COPY', { args: { 0: 'files/x' } }, 'made from a variable'],
  [3, 'LINK', {}, 'comes from the COPY at s:3'],
  [5, 'COPY', {}, 'holds no step now'],
  [12, 'ABSENT', {}, 'generated from gen.ts:1:1'],
  [9, 'LINE', { args: { 1: 'y' } }, 'would not parse'],
])('line %i by hand', (line, verb, patch, why) => {
  expect(rewrite(line, verb, patch)).toMatchObject({ kind: 'by-hand', why: expect.stringContaining(why) })
})

test('steps go and come', () => {
  expect(removeStep(file, at(6, 'MKDIR'))).toEqual(
    lines('MKDIR /srv \\\n    mode=0750 \\\n    exclusive\n', ''),
  )
  expect(insertAfter(file, at(4, 'LINK'), 'ABSENT /x')).toEqual(lines('END', '  ABSENT /x\nEND'))
  expect(insertAfter('ABSENT /a', at(1, 'ABSENT'), 'ABSENT /b')).toEqual({
    kind: 'text',
    text: 'ABSENT /a\nABSENT /b',
  })
  expect(removeStep('ABSENT /a \\\n', at(1, 'ABSENT'))).toEqual({ kind: 'text', text: '' })
})

const word = fc.string({ unit: fc.constantFrom(...'a1\\"# \t=-é😀$%'), minLength: 1, maxLength: 6 })
const spelled = (text: string) =>
  fc.constantFrom(
    `"${text.replace(/["\\#]/g, '\\$&').replaceAll('\t', '\\t')}"`,
    text.replace(/["\\# ]/g, '\\$&').replaceAll('\t', '\\t'),
  )
const gap = fc.constantFrom(' ', '  ', '\t', ' \\\n  ')

test('only what was asked for differs, and other bytes stay', () => {
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 3 }).chain(words => fc.tuple(...words.map(spelled))),
      fc.array(gap, { minLength: 6, maxLength: 6 }),
      word,
      fc.option(word, { nil: undefined }),
      (words, gaps, text, match) => {
        const head = `# one\nRUN "first" ${words.join(gaps[0])}${gaps[1]}timeout=5s${gaps[2]}id=x # end\n`
        const before = parse('s', head)
        fc.pre(before.problems.length === 0)
        const patch: Patch = { args: { 0: text }, options: { id: match ?? undefined, timeout: '6s' } }
        const done = rewriteStep(`${head}ABSENT /z`, at(2, 'RUN'), patch)
        if (done.kind !== 'text') return
        expect(done.text.startsWith('# one\nRUN ') && done.text.endsWith(' # end\nABSENT /z')).toBe(true)
        const [was, is] = [before.items, parse('s', done.text).items].map(step)
        expect(is!.args).toEqual([text, ...was!.args.slice(1)])
        expect(is!.options).toEqual({ timeout: '6s', ...(match === undefined ? {} : { id: match }) })
      },
    ),
  )
})

function step(items: readonly Item[]) {
  const { args, options } = items.find(each => each.kind === 'step') as StepItem
  return {
    args: args.map(each => each.text),
    options: Object.fromEntries(options.map(each => [each.name, each.value])),
  }
}
