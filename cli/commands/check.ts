// `fleet check`: is the declaration right for every host of the roster? Nothing is signed and nothing is asked of hosts.
import { formatRosterProblem, type RosterProblem } from '../../node/host/steps/check-roster.ts'
import { type Answer, type CommandSpec, exits } from '../command.ts'
import { TreeDeclaration } from '../declaration.ts'
import { findProject, inOrder, readTree, readTrustOf, type Tree } from '../project.ts'
import { count } from '../render.ts'

export const spec: CommandSpec = {
  args: [['[rev]', 'a commit, branch or tag (default: the files as they are now)']],
  about:
    'Looks at the files as they are, committed or not. Every problem is one line, file:line:column; exit 2 if there is any.',
  examples: ['fleet check', 'fleet check HEAD', 'fleet check --json'],
  json: true,
  async run([rev], _options, io) {
    const project = findProject(io.cwd)
    return checkTree(await readTree(project, rev === undefined ? 'worktree' : { rev }))
  },
}

/** What `fleet check` answers of a tree; its exit is 2 if there is any problem. */
export function checkTree(tree: Tree): Answer {
  const trust = readTrustOf(tree)
  const roster = trust.kind === 'ok' ? trust.value.roster : []
  const ofTrust = trust.kind === 'ok' ? [] : trust.problems
  const problems = inOrder<RosterProblem>([
    ...new TreeDeclaration(tree, roster).check(),
    ...ofTrust.map(each => ({ ...each, hosts: [], everywhere: true })),
  ])
  const hosts = roster.map(each => each.name)
  return {
    exit: problems.length > 0 ? exits.badInput : exits.ok,
    json: { hosts, problems: problems.map(problemView) },
    text: () =>
      problems.length > 0
        ? [...problems.map(formatRosterProblem), count(problems.length, 'problem')].join('\n')
        : `no problems in ${count(tree.files.size, 'file')}, for ${count(hosts.length, 'host')}`,
  }
}

/** Stable: what `--json` prints of a problem. */
function problemView({ file, line, column, made, message, hosts }: RosterProblem) {
  return { file, line, column, made: made ?? null, message, hosts }
}
