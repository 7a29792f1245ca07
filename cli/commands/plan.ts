// `fleet plan`: what `fleet apply` would do here, step by step; or, by `--on`, on a host, as the host says itself. Looks only.
import { readFileSync } from 'node:fs'
import type { Content } from '../../node/host/act.ts'
import { describe } from '../../node/host/describe.ts'
import type { Engine } from '../../node/host/main.ts'
import { ordered, type StepPlan } from '../../node/host/plan.ts'
import { isChange, isImpossible, keptOf, tellPlan } from '../../node/told-plan.ts'
import { CliError, type CommandSpec, exits, type Io, textOption } from '../command.ts'
import { diffText } from '../diff.ts'
import { changeView, type Local, localOptions, lookLocal, readLocal } from '../local.ts'
import { keyOption, passphraseOption } from '../operator.ts'
import { planText } from '../plan-text.ts'

export const spec: CommandSpec = {
  args: [['[rev]', 'a commit, branch or tag (default: the files as they are now)']],
  options: [
    ...localOptions,
    ['--acts', 'show what is done to each path'],
    ['--diff', 'show how contents would change'],
    ['--on <host>', "ask this host of the fleet for its own plan, by the operator's key"],
    ['--wait <seconds>', 'with --on: how long to look for the host', '10'],
    keyOption,
    passphraseOption,
  ],
  about:
    'Compares what is declared with this machine, or the directory that --root names, and with what was applied before. Changes nothing and needs no agent. With --on, the agent of a host compares it with the real state of that host, and answers this machine, which must reach it directly; nothing is published, and nothing is kept there. Exit 0: nothing to do; 4: something would change; 1: something cannot be done.',
  examples: [
    'fleet plan --root /tmp/try',
    'fleet plan --diff --root /tmp/try',
    'fleet plan HEAD~1 --host web1 --acts',
    'fleet plan --on web1',
  ],
  json: true,
  async run([rev], options, io) {
    const acts = options['acts'] === true
    const style = { acts, columns: io.columns, colour: io.colour }
    const on = textOption(options, 'on')
    if (on !== undefined) {
      const local = ['root', 'host', 'state', 'diff', 'withoutXattrs'].find(
        each => options[each] !== undefined,
      )
      if (local !== undefined)
        throw new CliError(`--on and --${local} exclude each other`, { exit: exits.badInput })
      // What speaks to the fleet is large, and most plans do without it.
      const { askPlan } = await import('../remote-plan.ts')
      const { commit, plan } = await askPlan(on, rev, options, io)
      return { exit: exitOf(plan), json: { host: on, commit, ...plan }, text: () => planText(plan, style) }
    }
    const local = await readLocal(rev, options, io)
    const wantsDiffs = options['diff'] === true
    const { plans, diffs } = await lookLocal(local, options, async engine => {
      const found = await engine.plan(local.steps)
      return { plans: found, diffs: wantsDiffs ? await diffsOf(engine, found, local, io) : [] }
    })
    const changes = plans.filter(isChange)
    const impossible = plans.filter(isImpossible)
    return {
      exit: exitOf({ changes, impossible }),
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
      text: () => [...diffs, planText(tellPlan(plans), style)].join('\n'),
    }
  },
}

function exitOf({ changes, impossible }: Readonly<Record<'changes' | 'impossible', readonly unknown[]>>) {
  return impossible.length > 0 ? exits.failed : changes.length > 0 ? exits.wouldChange : exits.ok
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
