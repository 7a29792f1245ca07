// A kept edit -> the change of the operator's repository that declares it. Pure: what to write where, or why a person
// has to; drift.ts and edit.ts read and write.
import { diffArrays } from 'diff'
import type { DriftEdit, StepView } from '../node/control.ts'
import { parse } from '../node/host/steps/parse.ts'
import {
  escapeHoles,
  insertAfter,
  type Patch,
  type Rewritten,
  removeStep,
  rewriteStep,
  type Spot,
} from '../node/host/steps/rewrite.ts'
import { quote } from '../node/host/steps/words.ts'
import { specs } from '../node/host/verbs/index.ts'
import { checkValue } from '../node/host/verbs/values.ts'
import { text } from '../signing/bytes.ts'
import { statePatch } from './adopt-state.ts'

export interface FileChange {
  /** Path in the repository. */
  readonly path: string
  readonly bytes: Uint8Array
  /** For a new file. */
  readonly executable: boolean
}

export type Adoption =
  /** `loses`: a step goes with it, in words; it is for a person to agree. */
  | {
      readonly kind: 'change'
      readonly files: readonly FileChange[]
      readonly said: string
      readonly loses?: string
    }
  /** `hint`: what to do by hand. */
  | { readonly kind: 'by-hand'; readonly why: string; readonly hint: string }

/** A file of the repository; undefined: there is none. */
export type ReadFile = (path: string) => Uint8Array | undefined

export function adoptionOf(edit: DriftEdit, read: ReadFile): Adoption {
  const step = edit.step ?? null
  if (step === null) return copied(edit) ?? byHand(edit, 'no step of the release in force is about it')
  switch (edit.what) {
    case 'content':
      return content(edit, step, read)
    case 'attributes':
      return rewritten(edit, step, read, { options: attributes(edit, step) })
    case 'foreign':
      return step.verb === 'ABSENT' ? withdrawn(edit, step, read) : foreign(edit, step, read)
    case 'state': {
      const patch = statePatch(edit, step)
      if (patch === 'remove') return withdrawn(edit, step, read)
      return typeof patch === 'string' ? byHand(edit, patch) : rewritten(edit, step, read, patch)
    }
    default:
      return byHand(
        edit,
        'it was removed, which no step says by itself',
        `to keep it away: ABSENT ${quote(edit.path)}`,
      )
  }
}

function content(edit: DriftEdit, step: StepView, read: ReadFile): Adoption {
  const bytes = bytesOf(edit.base64)
  if (edit.found?.type === 'link' && bytes !== undefined) {
    if (step.verb === 'LINK') return rewritten(edit, step, read, { args: { 1: text(bytes) ?? '' } })
    return byHand(
      edit,
      'a symbolic link stood there',
      `to declare it: LINK ${quote(edit.path)} -> ${quote(text(bytes) ?? '')}`,
    )
  }
  if (bytes === undefined) return byHand(edit, `a ${edit.found?.type ?? 'thing'} stood there, not a file`)
  if (step.verb === 'LINE') return line(edit, step, read, bytes)
  if (step.verb === 'TEMPLATE') return template(edit, step, read, bytes)
  return copied(edit) ?? byHand(edit, `a file stood there, and ${step.verb} makes none of the repository's`)
}

function copied(edit: DriftEdit): Adoption | undefined {
  const bytes = bytesOf(edit.base64)
  if (edit.source === null || bytes === undefined) return undefined
  const file = { path: edit.source, bytes, executable: false }
  return { kind: 'change', files: [file], said: `${edit.source} now has the edit of ${edit.path}` }
}

/** The line that match= finds in the edited file. */
function line(edit: DriftEdit, step: StepView, read: ReadFile, bytes: Uint8Array): Adoption {
  const match = step.options['match']
  if (match === undefined)
    return byHand(edit, 'without match= the edited line cannot be told from the others')
  if (checkValue('regex', match) !== undefined) return byHand(edit, 'its match= is no regular expression')
  const pattern = new RegExp(match, 'u')
  const found = (text(bytes) ?? '').split('\n').find(each => pattern.test(each))
  if (found === undefined) return byHand(edit, 'no line of the edited file is found by match=')
  if (found === step.args[1]) return byHand(edit, 'the line itself was not edited')
  return rewritten(edit, step, read, { args: { 1: found } })
}

/** Lines of a template without a variable are what they look like: edits of those alone can be carried over. */
function template(edit: DriftEdit, step: StepView, read: ReadFile, bytes: Uint8Array): Adoption {
  const path = step.args[0] ?? ''
  const why = 'it is made from a template, and the edit'
  const [source, rendered, edited] = [read(path), bytesOf(edit.declared), bytes].map(
    each => each && text(each),
  )
  if (source === undefined || rendered === undefined || edited === undefined)
    return byHand(edit, `${why} cannot be compared with it`)
  const lines = source.split('\n')
  const made = rendered.split('\n')
  if (lines.length !== made.length) return byHand(edit, `${why} cannot be compared with it`)
  const next: string[] = []
  let at = 0
  for (const { value, added, removed } of diffArrays(made, edited.split('\n'))) {
    if (added) next.push(...value.map(escapeHoles))
    else {
      const own = lines.slice(at, at + value.length)
      if (removed && own.some((each, index) => each !== escapeHoles(value[index]!)))
        return byHand(edit, `${why} changes a line with a variable`)
      if (!removed) next.push(...own)
      at += value.length
    }
  }
  const file = { path, bytes: utf8(next.join('\n')), executable: false }
  return { kind: 'change', files: [file], said: `${path} now has the edit of ${edit.path}` }
}

/** Mode and owner, where the step has an opinion about them. */
function attributes({ found }: DriftEdit, step: StepView): NonNullable<Patch['options']> {
  const { verb, options, executable } = step
  if (found === null) return {}
  const quiet = verb === 'MODE' || verb === 'LINK'
  const standard = { mode: verb === 'MKDIR' || executable ? '0755' : '0644', owner: 'root', group: 'root' }
  const patch: Record<string, string> = {}
  for (const name of ['mode', 'owner', 'group'] as const) {
    const wanted = options[name] ?? (quiet && (name === 'mode' || verb === 'MODE') ? 'keep' : standard[name])
    const is = found[name]
    if (is !== null && wanted !== 'keep' && is !== (name === 'mode' ? wanted.padStart(4, '0') : wanted))
      patch[name] = is
  }
  return patch
}

/** Something new in a directory that holds only what is declared: a file or a link more is declared. */
function foreign(edit: DriftEdit, step: StepView, read: ReadFile): Adoption {
  const { found, path } = edit
  const bytes = bytesOf(edit.base64)
  if (found === null || bytes === undefined || (found.type !== 'file' && found.type !== 'link'))
    return byHand(
      edit,
      'it is neither a file nor a link',
      `to declare it: a step such as MKDIR ${quote(path)}`,
    )
  const executable = found.type === 'file' && (Number.parseInt(found.mode, 8) & 0o100) !== 0
  const spot = spotOf(step)
  const tree = treeAt(spot, read)
  if (tree !== undefined && path.startsWith(`${tree.target}/`) && found.type === 'file') {
    const file = `${tree.folder}${path.slice(tree.target.length)}`
    return {
      kind: 'change',
      files: [{ path: file, bytes, executable }],
      said: `${file} is ${path}, by the TREE at ${originOf(step)}`,
    }
  }
  const steps = read(step.file)
  const source = `files${path}`
  if (found.type === 'file' && read(source) !== undefined) return byHand(edit, `${source} exists already`)
  const mode = found.mode === (executable ? '0755' : '0644') ? '' : ` mode=${found.mode}`
  const owners = (['owner', 'group'] as const)
    .filter(name => found[name] !== null && found[name] !== 'root')
    .map(name => ` ${name}=${found[name]}`)
  const written =
    found.type === 'link'
      ? `LINK ${quote(path)} -> ${quote(escapeHoles(text(bytes) ?? ''), true)}${owners.join('')}`
      : `COPY ${quote(source)} ${quote(path)}${mode}${owners.join('')}`
  const done = steps && insertAfter(text(steps) ?? '', spot, written)
  if (done?.kind !== 'text') return byHand(edit, done?.why ?? `there is no ${step.file} here`)
  const more = found.type === 'file' ? [{ path: source, bytes, executable }] : []
  return {
    kind: 'change',
    files: [...more, { path: step.file, bytes: utf8(done.text), executable: false }],
    said: `${step.file} now declares: ${written}`,
  }
}

/** The step goes, and what is there stays as somebody made it. */
function withdrawn(edit: DriftEdit, step: StepView, read: ReadFile): Adoption {
  const done = change(edit, step, read, (steps, spot) => removeStep(steps, spot))
  return done.kind === 'change'
    ? {
        ...done,
        said: `${originOf(step)} is gone: ${wordsOf(step)}`,
        loses: `the step ${wordsOf(step)} (${originOf(step)}) goes`,
      }
    : done
}

function rewritten(edit: DriftEdit, step: StepView, read: ReadFile, patch: Patch): Adoption {
  const said = [
    ...Object.entries(patch.args ?? {}).map(([, value]) => quote(value)),
    ...Object.entries(patch.options ?? {}).map(([name, value]) => saidOf(step.verb, name, value)),
  ]
  if (said.length === 0) return byHand(edit, 'the step says nothing of what was changed')
  const done = change(edit, step, read, (steps, spot) => rewriteStep(steps, spot, patch))
  return done.kind === 'change' ? { ...done, said: `${originOf(step)} now says ${said.join(', ')}` } : done
}

function saidOf(verb: string, name: string, value: string | undefined): string {
  const word = specs.get(verb)?.options[name]?.kind === 'flag' ? name : `${name}=`
  return value === undefined ? `no ${word}` : word === name ? name : `${word}${quote(value)}`
}

function change(
  edit: DriftEdit,
  step: StepView,
  read: ReadFile,
  rewrite: (steps: string, spot: Spot) => Rewritten,
): Adoption {
  const steps = read(step.file)
  if (steps === undefined) return byHand(edit, `there is no ${step.file} here`)
  const done = rewrite(text(steps) ?? '', spotOf(step))
  if (done.kind === 'by-hand') return byHand(edit, done.why)
  return { kind: 'change', files: [{ path: step.file, bytes: utf8(done.text), executable: false }], said: '' }
}

function byHand(edit: DriftEdit, why: string, hint?: string): Adoption {
  const look = edit.id === '' ? '' : `look at it with: fleet drift show ${edit.id}; then `
  return {
    kind: 'by-hand',
    why: `${edit.path}: ${why}`,
    hint: hint ?? `${look}change its step by hand: ${edit.origin}`,
  }
}

function treeAt({ file, line }: Spot, read: ReadFile): { folder: string; target: string } | undefined {
  const steps = read(file)
  const item = parse(file, steps === undefined ? '' : (text(steps) ?? '')).items.find(
    each => each.kind === 'step' && each.line === line,
  )
  if (item?.kind !== 'step' || item.spec.name !== 'TREE' || item.holes) return undefined
  return { folder: item.args[0]!.text, target: item.args[1]!.text }
}

const spotOf = ({ file, line, made, verb }: StepView): Spot => ({
  file,
  line,
  verb,
  ...(made !== null && { made }),
})
const originOf = ({ file, line }: StepView) => `${file}:${line}`
const wordsOf = ({ verb, args }: StepView) => [verb, ...args.map(each => quote(each))].join(' ')
const utf8 = (value: string) => new TextEncoder().encode(value)
const bytesOf = (base64: string | null) =>
  base64 === null ? undefined : new Uint8Array(Buffer.from(base64, 'base64'))
