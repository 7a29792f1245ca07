// `fleet plan`: what `fleet apply` would do here, step by step. Looks only.
import { readFileSync } from 'node:fs'
import type { Content } from '../../node/host/act.ts'
import { describe } from '../../node/host/describe.ts'
import type { Engine } from '../../node/host/main.ts'
import { changes as changesAnything, ordered, type StepPlan } from '../../node/host/plan.ts'
import { type CommandSpec, exits, type Io } from '../command.ts'
import { diffText } from '../diff.ts'
import {
  changeHeading,
  changeRow,
  changeView,
  type Local,
  localOptions,
  lookLocal,
  notKeptLine,
  readLocal,
} from '../local.ts'
import { count, paint, table } from '../render.ts'

export const spec: CommandSpec = {
  args: [['[rev]', 'a commit, branch or tag (default: the files as they are now)']],
  options: [
    ...localOptions,
    ['--acts', 'show what is done to each path'],
    ['--diff', 'show how contents would change'],
  ],
  about:
    'Compares what is declared with this machine, or the directory that --root names, and with what was applied before. Changes nothing and needs no agent. Exit 0: nothing to do; 4: something would change; 1: something cannot be done.',
  examples: [
    'fleet plan --root /tmp/try',
    'fleet plan --diff --root /tmp/try',
    'fleet plan HEAD~1 --host web1 --acts',
  ],
  json: true,
  async run([rev], options, io) {
    const local = await readLocal(rev, options, io)
    const wantsDiffs = options['diff'] === true
    const { plans, diffs } = await lookLocal(local, options, async engine => {
      const found = await engine.plan(local.steps)
      return { plans: found, diffs: wantsDiffs ? await diffsOf(engine, found, local, io) : [] }
    })
    const changes = plans.filter(isChange)
    const impossible = plans.filter(isImpossible)
    return {
      exit: impossible.length > 0 ? exits.failed : changes.length > 0 ? exits.wouldChange : exits.ok,
      json: {
        host: local.host,
        root: local.root,
        kept: keptOf(plans),
        changes: changes.map(each => ({
          ...changeView(each),
          acts: each.acts.map(({ act }) => describe(act)),
        })),
        ...(wantsDiffs && { diffs }),
        impossible: impossible.map(each => ({ ...changeView(each), reason: each.reason })),
      },
      text: () => [...diffs, render(plans, changes, options['acts'] === true, io)].join('\n'),
    }
  },
}

/** Of what is only foreseen, what stands in its way now may be gone by then. */
const isImpossible = ({ reason, tentative }: StepPlan) => reason !== undefined && !tentative
const isChange = (plan: StepPlan) => changesAnything(plan) || (plan.tentative && plan.reason !== undefined)

/** A step may have several plans; one that leaves is not kept, even if nothing comes of it. */
function keptOf(plans: readonly StepPlan[]): number {
  const isOther = (each: StepPlan) => isChange(each) || isImpossible(each) || each.kind === 'undo'
  const others = new Set(plans.filter(isOther).map(each => each.step.id))
  return new Set(plans.map(each => each.step.id)).size - others.size
}

/** How the contents of files would change, in the order of the acts. */
async function diffsOf(engine: Engine, plans: readonly StepPlan[], local: Local, io: Io): Promise<string[]> {
  const diffs: string[] = []
  for (const { planned } of ordered(plans)) {
    const { act } = planned
    if (act.kind !== 'put' && act.kind !== 'remove') continue
    const before = planned.before?.kind === 'file' ? read(engine.where(act.path)) : undefined
    const after = act.kind === 'remove' ? undefined : await contentOf(act.content, local)
    if (before !== undefined || after !== undefined) diffs.push(diffText(act.path, before, after, io.colour))
  }
  return diffs.filter(diff => diff !== '')
}

const contentOf = async (content: Content, local: Local) =>
  content.kind === 'bytes' ? content.bytes : local.payload(content.payload)

function read(path: string): Uint8Array | undefined {
  try {
    return new Uint8Array(readFileSync(path))
  } catch {
    return undefined // gone since the look, or not ours to read: the plan says what is to be said
  }
}

function render(plans: readonly StepPlan[], changes: readonly StepPlan[], acts: boolean, io: Io): string {
  const impossible = plans.filter(isImpossible)
  const kept = keptOf(plans)
  const lines: string[] = []
  if (acts)
    lines.push(
      ...ordered(plans).map(({ plan, planned }) => `${plan.undoClass.padEnd(12)}  ${describe(planned.act)}`),
    )
  else if (changes.length > 0)
    lines.push(
      table(
        changeHeading,
        changes.map(each => changeRow(each, io.colour)),
        io.columns,
      ),
    )
  for (const { step, reason } of impossible)
    if (reason) lines.push(paint(`cannot: ${notKeptLine(step, reason)}`, 'red', io.colour))
  const oneWay = changes.filter(each => each.undoClass === 'one-way')
  if (oneWay.length > 0)
    lines.push(
      paint(
        `${count(oneWay.length, 'step')} cannot be taken back: ${oneWay.map(each => each.step.id).join(', ')}`,
        'red',
        io.colour,
      ),
    )
  if (changes.some(each => each.tentative))
    lines.push('* foreseen: planned again when the steps before it are done')
  const parts = [`${count(changes.length, 'step')} to change`, `${kept} kept`]
  if (impossible.length > 0) parts.push(`${impossible.length} impossible`)
  return [
    ...lines,
    changes.length + impossible.length === 0
      ? `nothing to do: ${count(kept, 'step')} kept`
      : parts.join(', '),
  ].join('\n')
}
