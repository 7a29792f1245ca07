// `fleet drift`: the hand edits that were undone here, none of them lost. `adopt` turns one into a change of the
// operator's repository, to be read and committed there.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DriftEdit, DriftView } from '../../node/control.ts'
import { replaceFile } from '../../node/os.ts'
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
    'adopt ID   put it into the repository here, over the file that the step copies',
    'drop ID    forget it',
    'With the agent on another machine:',
    '  ssh web1 fleet drift show ID --json | fleet drift adopt -',
  ].join('\n'),
  args: [
    ['[action]', 'list, show, adopt or drop (default: list)'],
    ['[id]', 'which one; - reads what `show --json` printed'],
  ],
  options: [stateOption, ['--whole', 'show: the edited file itself instead of the difference']],
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
            : difference(edit, io) || `${edit.path}: ${edit.what}; no content was changed`,
      }
    return adopt(edit, io)
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

const difference = ({ path, what, declared, base64 }: DriftEdit, io: Io) =>
  what === 'attributes' || (declared ?? base64) === null
    ? ''
    : diffText(path, bytesOf(declared), bytesOf(base64), io.colour)

function adopt(edit: DriftEdit, io: Io) {
  const project = findProject(io.cwd)
  if (edit.base64 === null)
    throw new CliError(`kept edit ${edit.id} of ${edit.path} (${edit.what}) left no file to adopt`, {
      hint: `change its step by hand: ${edit.origin}`,
    })
  if (edit.what === 'foreign')
    throw new CliError(`${edit.path} is not declared, so there is no file that it could change`, {
      hint: `to declare it: fleet drift show ${edit.id} --whole > files/NAME; then COPY files/NAME ${edit.path}`,
    })
  if (edit.source === null)
    throw new CliError(
      `${edit.path} is made from a template or a line, so an edited copy cannot replace it`,
      {
        hint: `look at it with: fleet drift show ${edit.id}; then change ${edit.origin}`,
      },
    )
  const path = join(project.root, edit.source)
  replaceFile(path, [content(edit)])
  return {
    json: { adopted: edit.id, path: edit.source },
    text: () =>
      `${edit.source} now has the edit of ${edit.path}\nnext: git diff; git commit -am '…'; fleet publish`,
  }
}

const bytesOf = (base64: string | null) => (base64 === null ? undefined : Buffer.from(base64, 'base64'))
const content = (edit: DriftEdit) => bytesOf(edit.base64) ?? Buffer.alloc(0)

function parse(text: string): DriftEdit {
  try {
    const value = JSON.parse(text) as DriftEdit
    if (typeof value.id === 'string' && typeof value.path === 'string') return value
  } catch {
    // Falls through to the same answer.
  }
  throw new CliError('standard input: found no kept edit, expected what fleet drift show ID --json prints', {
    exit: exits.badInput,
  })
}
