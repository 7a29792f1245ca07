// `fleet apply`: brings this machine, or a directory, to the declared state by itself: no network, no agent, no signature.
import type { RunOutcome } from '../../node/host/main.ts'
import type { StepPlan } from '../../node/host/plan.ts'
import type { StepCounts } from '../../node/report.ts'
import { toldStep } from '../../node/told-plan.ts'
import { ask } from '../client.ts'
import { type Answer, CliError, type CommandSpec, exits, type Io, type Options } from '../command.ts'
import {
  changeHeading,
  changeRow,
  changeView,
  type Local,
  localOptions,
  notKeptLine,
  openLocal,
  readLocal,
} from '../local.ts'
import { count, paint, short, table } from '../render.ts'

export const spec: CommandSpec = {
  args: [['[rev]', 'a commit, branch or tag (default: the files as they are now)']],
  options: [
    ...localOptions,
    [
      '--agent',
      'ask the agent of this host instead: look at all that is in force, repair it, retry what failed',
    ],
    ['--keep-failed', 'leave what could be done when a step fails (default: take all of it back)'],
  ],
  about:
    'All or nothing: a step that fails takes back the steps before it. What stood at a target is saved, and comes back when its step leaves the declaration. Changes this machine itself only if it is on the roster or you say --root /. Where an agent runs, publish instead.',
  examples: [
    'fleet apply --root /tmp/try',
    'fleet apply HEAD~1 --root /tmp/try --keep-failed',
    'fleet apply --agent',
  ],
  json: true,
  async run([rev], options, io) {
    if (options['agent'] === true) return askAgent(rev, options, io)
    const local = await readLocal(rev, options, io, { change: true })
    const engine = openLocal(local, options)
    try {
      const recovered = await engine.recover()
      if (recovered.undone) io.progress('a run that was cut short has been taken back')
      const about = { id: local.tree.source ?? 'worktree', label: labelOf(local), facts: local.facts }
      const outcome = await engine.run(
        local.steps,
        about,
        { read: local.payload },
        { keepFailed: options['keepFailed'] === true },
      )
      const failed = outcome.notKept.length > 0 || outcome.dirty.length > 0
      return {
        exit: failed ? exits.failed : exits.ok,
        json: view(local, outcome),
        text: () => render(outcome, io),
      }
    } finally {
      engine.close()
    }
  },
}

/** What is in force there is what was published: it can be looked at again, not replaced. */
async function askAgent(rev: string | undefined, options: Options, io: Io): Promise<Answer> {
  if (rev !== undefined || options['root'] !== undefined)
    throw new CliError('found --agent beside a revision or --root, expected it alone', {
      exit: exits.badInput,
      hint: 'an agent applies what is published: fleet publish',
    })
  const { declared, kept, repaired, notKept } = await ask<StepCounts>(options, io, { ask: 'apply' })
  return {
    exit: notKept > 0 ? exits.failed : exits.ok,
    json: { declared, kept, repaired, notKept },
    text: () =>
      `${count(declared, 'step')} in force: ${kept} kept, ${repaired} repaired, ${notKept} not kept${notKept > 0 ? ' (fleet status says which)' : ''}`,
  }
}

const labelOf = ({ tree }: Local) =>
  tree.source === undefined ? 'uncommitted files' : `commit ${short(tree.source)}`

/** Steps that the run changed; one that took several legs counts once. */
function changed({ plans, repaired }: RunOutcome): readonly StepPlan[] {
  const byId = new Map(plans.filter(each => each.kind !== 'kept').map(each => [each.step.id, each]))
  return repaired.flatMap(step => byId.get(step.id) ?? [])
}

/** Stable. */
function view(local: Local, outcome: RunOutcome) {
  return {
    host: local.host,
    root: local.root,
    outcome: outcome.kind,
    kept: outcome.kept.length,
    changes: changed(outcome).map(changeView),
    notKept: outcome.notKept.map(({ step, reason }) => ({
      step: step.id,
      file: step.origin.file,
      line: step.origin.line,
      reason,
    })),
    undone: outcome.undone.map(step => step.id),
    leftBehind: outcome.leftBehind,
    dirty: outcome.dirty,
  }
}

function render(outcome: RunOutcome, io: Io): string {
  const lines: string[] = []
  const changes = changed(outcome)
  if (changes.length > 0)
    lines.push(
      table(
        changeHeading,
        changes.map(each => changeRow(toldStep(each), io.colour)),
        io.columns,
      ),
    )
  for (const { step, reason } of outcome.notKept)
    lines.push(paint(`not kept: ${notKeptLine(step, reason)}`, 'red', io.colour))
  for (const what of outcome.leftBehind)
    lines.push(`left behind${what.startsWith('/') ? ', since something else is in it' : ''}: ${what}`)
  for (const { code, path, detail } of outcome.dirty)
    lines.push(paint(`could not be taken back: ${path ?? ''} ${code}: ${detail}`, 'red', io.colour))
  lines.push(sentence(outcome, changes.length))
  return lines.join('\n')
}

function sentence({ kind, kept, notKept, undone, dirty }: RunOutcome, changed: number): string {
  switch (kind) {
    case 'unchanged':
      return `nothing to do: ${count(kept.length, 'step')} kept`
    case 'applied':
      return `${count(changed, 'step')} changed, ${kept.length} kept${notKept.length > 0 ? `, ${notKept.length} not kept` : ''}`
    case 'wait':
      return 'nothing was changed'
    case 'failed':
    case 'inconclusive':
      return `${count(undone.length, 'step')} taken back${dirty.length > 0 ? '' : ': all is as it was before'}`
  }
}
