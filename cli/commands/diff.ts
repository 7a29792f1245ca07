// `fleet diff`: what going from one revision to another would do to the hosts, and how well it can be taken back. Hosts
// to which the same would happen are shown together.
import { diff } from '../../node/host/steps/diff.ts'
import type { Step } from '../../node/host/steps/step.ts'
import { specs } from '../../node/host/verbs/index.ts'
import type { UndoClass } from '../../node/host/verbs/verb.ts'
import { inventoryHost } from '../../node/inventory.ts'
import { CliError, type CommandSpec, exits, textOption } from '../command.ts'
import { TreeDeclaration } from '../declaration.ts'
import { findProject, readTree, type Tree, trustOf } from '../project.ts'
import { count, paint, table } from '../render.ts'

export const spec: CommandSpec = {
  args: [
    ['<from>', 'a commit, branch or tag'],
    ['[to]', 'another one (default: the files as they are now)'],
  ],
  options: [['--host <name>', 'this host only (default: every host of the roster)']],
  about:
    'For each step: what happens on the way there, what on the way back, and how well its verb can be undone: exact, compensating, or one-way. Hosts are compared as declared; nothing is asked of them.',
  examples: ['fleet diff HEAD', 'fleet diff HEAD~1 HEAD --host web1'],
  json: true,
  async run([from = '', to], options, io) {
    const project = findProject(io.cwd)
    const a = sideOf(await readTree(project, { rev: from }))
    const b = sideOf(await readTree(project, to === undefined ? 'worktree' : { rev: to }))
    const only = textOption(options, 'host')
    const names = [...new Set([...a.names, ...b.names])].sort()
    if (only !== undefined && !names.includes(only))
      throw new CliError(`there is no host '${only}' on the roster of either`, {
        exit: exits.badInput,
        hint: names.length > 0 ? `those are: ${names.slice(0, 10).join(', ')}` : 'fleet enroll adds one',
      })
    // With an empty roster, as one host without labels.
    const hosts = only !== undefined ? [only] : names.length > 0 ? names : [undefined]
    const groups = new Map<string, Group>()
    for (const name of hosts) {
      const changes = changesOf(a.steps(name), b.steps(name))
      const key = JSON.stringify(changes)
      const group = groups.get(key) ?? { hosts: [], changes }
      groups.set(key, { hosts: [...group.hosts, name ?? '(any)'], changes })
    }
    const json = [...groups.values()]
    return { json, text: () => json.map(group => render(group, io.columns, io.colour)).join('\n\n') }
  },
}

interface Side {
  readonly names: readonly string[]
  /** Of a host that the roster does not have: none. Undefined: a host without labels. */
  steps(name: string | undefined): readonly Step[]
}

function sideOf(tree: Tree): Side {
  const { roster } = trustOf(tree)
  const declaration = new TreeDeclaration(tree, roster)
  return {
    names: roster.map(each => each.name),
    steps: name => {
      if (name === undefined) return declaration.steps({ name: 'host', labels: {}, addresses: [] }).steps
      const host = roster.find(each => each.name === name)
      return host ? declaration.steps(inventoryHost(host)).steps : []
    },
  }
}

interface Group {
  readonly hosts: readonly string[]
  readonly changes: readonly Change[]
}

/** Stable: what `--json` prints of a step. */
interface Change {
  readonly step: string
  readonly there: 'apply' | 'change' | 'undo'
  readonly back: 'apply' | 'change' | 'undo'
  readonly undo: UndoClass
  readonly file: string
  readonly line: number
}

function changesOf(a: readonly Step[], b: readonly Step[]): readonly Change[] {
  const before = new Set(a.map(step => step.id))
  const { undo, apply } = diff(a, b)
  const view = (step: Step, there: Change['there'], back: Change['back']): Change => ({
    step: step.id,
    there,
    back,
    undo: specs.get(step.verb)!.undo(step),
    file: step.origin.file,
    line: step.origin.line,
  })
  return [
    ...undo.map(step => view(step, 'undo', 'apply')),
    ...apply.map(step =>
      before.has(step.id) ? view(step, 'change', 'change') : view(step, 'apply', 'undo'),
    ),
  ]
}

function render({ hosts, changes }: Group, columns: number, colour: boolean): string {
  const more = hosts.length > 5 ? ` and ${hosts.length - 5} more` : ''
  const who = `${count(hosts.length, 'host')}: ${hosts.slice(0, 5).join(', ')}${more}`
  if (changes.length === 0) return `${who}\n  nothing changes`
  const rows = changes.map(each => {
    const red = (text: string) => (each.undo === 'one-way' ? paint(text, 'red', colour) : text)
    return [each.there, each.back, red(each.undo), red(each.step), `${each.file}:${each.line}`]
  })
  return `${who}\n${table(['there', 'back', 'undo', 'step', 'from'], rows, columns)}`
}
