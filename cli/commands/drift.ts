// `fleet drift`: the hand edits that were undone here, none of them lost. `adopt` turns one into a change of the
// operator's repository, to be read and committed there.
import { readFileSync } from 'node:fs'
import type { DriftEdit, DriftView } from '../../node/control.ts'
import { adoptInto, commitAdopted } from '../adopted.ts'
import { ask, stateOption } from '../client.ts'
import { CliError, type CommandSpec, exits, type Io, type Options } from '../command.ts'
import { diffText } from '../diff.ts'
import { findProject } from '../project.ts'
import { duration, size, table } from '../render.ts'

const actions = ['list', 'show', 'adopt', 'drop'] as const

export const spec: CommandSpec = {
  about: [
    'list       what was kept',
    'show ID    how the edit differs from what is declared',
    'adopt ID   put it into the repository here: the file that the step copies, or the step itself',
    'drop ID    forget it',
    'With the agent on another machine:',
    '  ssh web1 fleet drift show ID --json | fleet drift adopt -',
  ].join('\n'),
  args: [
    ['[action]', 'list, show, adopt or drop (default: list)'],
    ['[id]', 'which one; - reads what `show --json` printed'],
  ],
  options: [
    stateOption,
    ['--whole', 'show: the edited file itself instead of the difference'],
    ['--commit', 'adopt: commit what it changes, and nothing else'],
    ['--yes', 'adopt: also where a step goes with it'],
  ],
  examples: ['fleet drift', 'fleet drift show 3', 'fleet drift adopt 3', 'fleet drift --json'],
  json: true,
  async run([action = 'list', id], options, io) {
    if (action === 'list') return list(options, io)
    if (!(actions as readonly string[]).includes(action))
      throw new CliError(`found '${action}', expected ${actions.join(', ')}`, { exit: exits.badInput })
    if (id === undefined)
      throw new CliError(`fleet drift ${action} needs an id`, {
        exit: exits.badInput,
        hint: 'fleet drift lists them',
      })
    if (action === 'drop') {
      await ask(options, io, { ask: 'drift-drop', id })
      return { json: { dropped: id }, text: () => `kept edit ${id} is forgotten` }
    }
    const edit =
      id === '-'
        ? parse(readFileSync(0, 'utf8'))
        : await ask<DriftEdit>(options, io, { ask: 'drift-read', id })
    if (action === 'show')
      return {
        json: edit,
        text: () =>
          options['whole'] === true
            ? content(edit).toString('utf8')
            : stateText(edit) || difference(edit, io) || `${edit.path}: ${edit.what}; no content was changed`,
      }
    const project = findProject(io.cwd)
    const done = adoptInto(project, edit, options['yes'] === true)
    const commit = options['commit'] === true ? await commitAdopted(project, edit, done, io) : undefined
    return {
      json: {
        adopted: edit.id,
        path: done.paths.at(-1),
        paths: done.paths,
        said: done.said,
        ...(commit && { commit }),
      },
      text: () =>
        `${done.said}\nnext: ${commit === undefined ? "git diff; git commit -am '…'" : 'git show'}; fleet publish`,
    }
  },
}

async function list(options: Options, io: Io) {
  const edits = await ask<readonly DriftView[]>(options, io, { ask: 'drift' })
  return {
    json: edits,
    text: () => {
      if (edits.length === 0) return 'nothing drifted here, or all of it was adopted or dropped'
      const rows = edits.map(each => [
        each.id,
        duration(Date.now() - each.atMs),
        each.path,
        each.what,
        each.size === null ? '-' : size(each.size),
      ])
      return `${table(['ID', 'AGO', 'PATH', 'DRIFT', 'KEPT'], rows, io.columns)}\nkeep one: fleet drift adopt ID   look: fleet drift show ID`
    },
  }
}

const difference = ({ path, what, declared, base64, found }: DriftEdit, io: Io) =>
  what === 'attributes' || (declared ?? base64) === null || found?.type === 'link'
    ? linkText(found, base64)
    : diffText(path, bytesOf(declared), bytesOf(base64), io.colour)

const stateText = ({ path, what, base64, step }: DriftEdit) =>
  what !== 'state'
    ? ''
    : `${path} was: ${Buffer.from(base64 ?? '', 'base64')
        .toString('utf8')
        .trim()}${step === null ? '' : `\ndeclared: ${step.file}:${step.line}`}`

const linkText = (found: DriftEdit['found'], base64: string | null) =>
  found?.type === 'link' && base64 !== null
    ? `a link to ${Buffer.from(base64, 'base64').toString('utf8')}`
    : ''

const bytesOf = (base64: string | null) => (base64 === null ? undefined : Buffer.from(base64, 'base64'))
const content = (edit: DriftEdit) => bytesOf(edit.base64) ?? Buffer.alloc(0)

function parse(text: string): DriftEdit {
  try {
    const value = JSON.parse(text) as DriftEdit
    // An agent of an earlier version says less.
    if (typeof value.id === 'string' && typeof value.path === 'string')
      return { ...value, found: value.found ?? null, step: value.step ?? null }
  } catch {
    // Falls through to the same answer.
  }
  throw new CliError('standard input: found no kept edit, expected what fleet drift show ID --json prints', {
    exit: exits.badInput,
  })
}
