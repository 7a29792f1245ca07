// `fleet publish`: sign what is committed, hand it to the fleet, leave.

import { limits } from '../../gossip/limits.ts'
import { dirtyPaths, isAncestor } from '../../node/git-read.ts'
import { formatRosterProblem } from '../../node/host/steps/check-roster.ts'
import type { Trust } from '../../signing/trust.ts'
import {
  CliError,
  type CommandSpec,
  exits,
  type Io,
  numberOption,
  type Options,
  textOption,
} from '../command.ts'
import { TreeDeclaration } from '../declaration.ts'
import type { Laptop } from '../laptop.ts'
import { authorOf, keyOption, operatorOf, passphraseOption } from '../operator.ts'
import { badInput, findProject, inOrder, type Project, readTree, type Tree, trustOf } from '../project.ts'
import { type Published, pendingSince, publish } from '../publish.ts'
import { count } from '../render.ts'

export const publishOptions = [
  ['-m, --message <text>', "first line: the subject; then the operator's words"],
  [
    '--peers <n>',
    `hosts that must hold it before this command ends, at most ${limits.connectionsWanted} (default: 3, or all that are reached)`,
  ],
  ['--now', 'all hosts at once, without stages, whatever the risk; needs the threshold of operators'],
  ['--yes', 'do not ask; with --json, and where there is no terminal, nobody is asked anyway'],
  ['--wait <seconds>', 'how long to look for hosts', '10'],
  keyOption,
  passphraseOption,
] as const

export const spec: CommandSpec = {
  about:
    'Publishes the commit HEAD, and trust/ before it when that has changed. Works from a laptop with no agent: it joins the fleet, asks for the head, refuses when behind, shows the stages in which the hosts that it concerns will take the release, asks, signs, waits until hosts hold it, and leaves. The stages are those of [rollout] in fleet.toml.',
  options: [
    ...publishOptions,
    ['--trust', 'publish only trust/: hosts and operators, no release'],
    ['--allow', 'publish content that a rollback took back'],
    ['--force', 'also when behind'],
    ['--drops <id>', 'end a fork: declare this sibling entry dead (fleet log shows its id; --json in full)'],
  ],
  examples: [
    'fleet publish -m "nginx: longer timeouts"',
    'fleet publish --yes --peers 5',
    'fleet publish --now',
  ],
  json: true,
  async run(_args, options, io) {
    const project = findProject(io.cwd)
    const dirty = await dirtyPaths(project.root)
    if (dirty.length > 0)
      throw new CliError(`${count(dirty.length, 'path')} not committed: ${dirty.slice(0, 5).join(', ')}`, {
        exit: exits.badInput,
        hint: 'fleet publishes commits: git add -A && git commit, or git stash',
      })
    const tree = await readTree(project, { rev: 'HEAD' })
    const trust = trustOf(tree)
    const problems = new TreeDeclaration(tree, trust.roster).check()
    if (problems.length > 0) throw badInput(problems, inOrder(problems).map(formatRosterProblem))
    const since = pendingSince(project)
    if (since !== undefined) io.progress(`a publication was kept since ${since}; it is signed anew now`)
    const words = wordsOf(options, `commit ${tree.source?.slice(0, 10)}`)
    const published = await publish({
      ...(await common(project, tree, options, io)),
      wish: async laptop => {
        if (options['trust'] === true) return undefined
        if (options['force'] !== true) await refuseWhenBehind(project, laptop, tree)
        const never = laptop.peer.entries.terms()?.never ?? []
        const allow = options['allow'] === true ? never : []
        return {
          files: tree.files,
          source: tree.source,
          never: [],
          allow,
          terms: project.settings.rollout,
          ...words,
        }
      },
    })
    return { json: published, text: () => render(published) }
  },
}

/** What publish and rollback share. */
export async function common(project: Project, tree: Tree, options: Options, io: Io) {
  const trust = trustOf(tree)
  return {
    project,
    trust,
    signer: await operatorOf(project, trust, options, io),
    author: authorOf(project.root, io),
    drops: dropsOf(options),
    peers: numberOption(options, 'peers', 1, limits.connectionsWanted),
    now: nowOf(options, trust),
    isSure: options['yes'] === true || options['json'] === true,
    waitMs: (numberOption(options, 'wait', 1, 3_600) ?? 10) * 1000,
    io,
  }
}

function nowOf(options: Options, { policy }: Trust): boolean {
  if (options['now'] !== true) return false
  if (policy.threshold <= 1) return true
  throw new CliError(
    `--now needs the signatures of ${policy.threshold} operators (trust/policy), and fleet cannot collect them yet`,
    { exit: exits.badInput, hint: 'publish in stages: without --now' },
  )
}

function dropsOf(options: Options): string | undefined {
  const id = textOption(options, 'drops')
  if (id === undefined || /^[0-9a-f]{64}$/.test(id)) return id
  throw new CliError(`--drops: found '${id}', expected an entry id of 64 hex digits`, {
    exit: exits.badInput,
    hint: 'fleet log --json shows them in full',
  })
}

/** The message's first line, and the rest; else `subject`. */
export function wordsOf(
  options: Options,
  subject: string,
): { readonly subject: string; readonly words: string } {
  const [first = '', ...rest] = (textOption(options, 'message') ?? subject).trim().split('\n')
  if (first === '' || Buffer.byteLength(first) > 200)
    throw new CliError(
      `--message: found a first line of ${Buffer.byteLength(first)} bytes, expected 1 to 200`,
      { exit: exits.badInput },
    )
  return {
    subject: first,
    words: rest
      .join('\n')
      .trim()
      .replace(/\n{3,}/g, '\n\n'),
  }
}

/** Another operator's newest release is not part of this history: publishing would silently undo it. */
async function refuseWhenBehind(project: Project, laptop: Laptop, tree: Tree): Promise<void> {
  const newest = laptop.peer.entries.terms()
  const release = laptop.peer.entries.release()
  if (newest?.source === undefined || tree.source === undefined) return
  if (await isAncestor(project.root, newest.source, tree.source)) return
  throw new CliError(
    `behind: release ${newest.sequence} (${newest.subject}) by ${release?.signer ?? 'another operator'} was made from commit ${newest.source.slice(0, 10)}, which is not part of HEAD`,
    {
      exit: exits.badInput,
      hint: 'git pull, then publish again; or undo that release knowingly: fleet publish --force',
    },
  )
}

function releaseWords({ sequence, hosts, stages }: NonNullable<Published['release']>): string {
  const steps = stages.length > 1 ? ` in ${stages.length} stages` : ''
  return `release ${sequence} for ${count(hosts, 'host')}${steps}`
}

export function render({ trust, release, held, reached }: Published): string {
  if (release === null && trust === null)
    return `nothing to publish: the fleet (${count(reached, 'host')} reached) has this already`
  const what = [
    trust === null ? '' : `trust as entry ${trust.sequence}`,
    release === null ? '' : releaseWords(release),
  ]
  return `published ${what.filter(Boolean).join(' and ')}; ${count(held, 'host')} hold${held === 1 ? 's' : ''} it, and pass it on\nwatch it on any host: fleet peers`
}
