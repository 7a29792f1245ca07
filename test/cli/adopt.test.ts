// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the language's own variables
// What becomes of a kept edit, verb by verb: which bytes of which file, or why a person has to.
import { expect, test } from 'vitest'
import { adoptionOf } from '../../cli/adopt.ts'
import type { DriftEdit, FoundView, StepView } from '../../node/control.ts'
import { parse } from '../../node/host/steps/parse.ts'

const utf8 = (text: string) => new TextEncoder().encode(text)
const base64 = (text: string) => Buffer.from(text).toString('base64')
const file: FoundView = { type: 'file', mode: '0644', owner: 'root', group: 'root' }

/** A kept edit of the one step in `steps`; `source` is the file of the repository that it draws from. */
function adopt(
  steps: string,
  edit: Partial<DriftEdit> & { after?: string },
  files: Record<string, string> = {},
) {
  const item = parse('site.steps', steps).items.find(each => each.kind === 'step')!
  if (item.kind !== 'step') throw new Error('no step')
  const step: StepView = {
    verb: item.spec.name,
    args: item.args.map(each => each.text),
    options: Object.fromEntries(item.options.map(each => [each.name, each.value])),
    ...{ executable: false, file: 'site.steps', line: item.line, made: null },
  }
  const { after, ...rest } = edit
  const whole: DriftEdit = {
    ...{ id: '7', path: '/etc/x', what: 'content', declared: null, source: null, origin: 'site.steps:1' },
    ...{ base64: after === undefined ? null : base64(after), found: file, step, ...rest },
  }
  const all: Record<string, string> = { 'site.steps': steps, ...files }
  const done = adoptionOf(whole, path => (all[path] === undefined ? undefined : utf8(all[path])))
  if (done.kind === 'by-hand') return `by hand: ${done.why}`
  const [first] = done.files.toReversed()
  return (done.loses ? 'loses: ' : '') + new TextDecoder().decode(first!.bytes)
}

const state = (path: string, found: object | null) => ({
  what: 'state',
  path,
  found: null,
  after: JSON.stringify(found),
})

test.each<[string, Parameters<typeof adopt>[1], string]>([
  ['COPY files/x /etc/x', { after: 'new', source: 'files/x' }, 'new'],
  ['LINK /etc/x -> a # c', { after: 'b c', found: { ...file, type: 'link' } }, 'LINK /etc/x -> "b c" # c'],
  ['LINE /etc/x "a 1" match=^a', { after: 'z\na 2\n' }, 'LINE /etc/x "a 2" match=^a'],
  [
    'LINE /etc/x "a 1"',
    { after: 'z\na 2\n' },
    'by hand: /etc/x: without match= the edited line cannot be told from the others',
  ],
  [
    'COPY files/x /etc/x',
    { what: 'attributes', found: { ...file, mode: '0600' } },
    'COPY files/x /etc/x mode=0600',
  ],
  [
    'COPY files/x /etc/x mode=644',
    { what: 'attributes' },
    'by hand: /etc/x: the step says nothing of what was changed',
  ],
  ['MODE /etc/x mode=0600', { what: 'attributes', found: { ...file, owner: 'me' } }, 'MODE /etc/x mode=0644'],
  [
    'MKDIR /etc/x',
    { what: 'attributes', found: { ...file, mode: '0755', group: 'adm' } },
    'MKDIR /etc/x group=adm',
  ],
  ['ABSENT /etc/x\n', { what: 'foreign', after: 'x' }, 'loses: '],
  [
    'MKDIR /etc/d exclusive\n',
    { what: 'foreign', path: '/etc/d/x', after: 'x', found: { ...file, mode: '0700', owner: 'me' } },
    'MKDIR /etc/d exclusive\nCOPY files/etc/d/x /etc/d/x mode=0700 owner=me\n',
  ],
  ['TREE tree /etc/d exclusive', { what: 'foreign', path: '/etc/d/a/x', after: 'x' }, 'x'],
  ['TREE tree /etc/x', { what: 'missing' }, 'by hand: /etc/x: it was removed, which no step says by itself'],
  [
    'USER u groups=b,a',
    state('user:u', { uid: 1, gid: 1, groups: ['a', 'c'], home: '/home/u', shell: '/bin/sh', locked: false }),
    'USER u groups=a,c shell=/bin/sh',
  ],
  ['USER u uid=5', state('user:u', null), 'USER u absent'],
  ['GROUP g gid=5', state('group:g', { gid: 6 }), 'GROUP g gid=6'],
  ['SYSCTL a.b 1', state('sysctl:a.b', { value: '1 2' }), 'SYSCTL a.b "1 2"'],
  [
    'PACKAGE pp version=1 hold',
    state('package:pp', { version: '2', held: false, automatic: false }),
    'PACKAGE pp version=2',
  ],
  ['PACKAGE pp absent\n', state('package:pp', { version: '2', held: false, automatic: false }), 'loses: '],
  [
    'SERVICE s running enabled',
    state('unit:s.service', { running: false, enabled: 'disabled' }),
    'SERVICE s stopped disabled',
  ],
  [
    'SERVICE s running reload-on=/a',
    state('unit:s.service', { running: false, enabled: 'static' }),
    'by hand: /etc/x',
  ],
])('%s', (steps, edit, expected) => {
  const found = adopt(steps, edit)
  if (expected.startsWith('by hand')) expect(found).toContain('by hand: ')
  else expect(found).toBe(expected)
})

test('a template takes edits of lines that hold no variable', () => {
  const steps = 'TEMPLATE t /etc/x'
  const [source, rendered] = ['a\nport ${var.p}\ncost $${x}\nb\n', 'a\nport 80\ncost ${x}\nb\n']
  const take = (after: string) => adopt(steps, { after, declared: base64(rendered) }, { t: source })
  expect(take('A\nport 80\ncost ${x}\nb\n${c}\n')).toBe('A\nport ${var.p}\ncost $${x}\nb\n$${c}\n')
  expect(take('a\nport 81\ncost ${x}\nb\n')).toContain('changes a line with a variable')
})
