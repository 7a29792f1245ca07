// `fleet status`: this host, in a screen.
import type { StatusView } from '../../node/control.ts'
import { ask, stateOption } from '../client.ts'
import type { CommandSpec } from '../command.ts'
import { count, duration, paint, short, size } from '../render.ts'

export const spec: CommandSpec = {
  options: [stateOption],
  examples: ['fleet status', 'fleet status --json'],
  json: true,
  async run(_args, options, io) {
    const view = await ask<StatusView>(options, io, { ask: 'status' })
    return { json: view, text: () => render(view, Date.now(), io.colour) }
  },
}

function render(view: StatusView, nowMs: number, colour: boolean): string {
  const { steps, drift, trust, release, paused } = view
  const notKept = steps.notKept > 0 ? paint(`${steps.notKept} not kept`, 'red', colour) : '0 not kept'
  const lines: [string, string][] = [
    ['host', `${view.host.name ?? 'not on the roster'}  ${view.host.peer}`],
    ['fleet', `${short(view.fleet)}  agent ${view.agent}, up ${duration(view.upMs)}`],
    [
      'release',
      release === null ? 'none yet' : `${release.sequence}  ${release.subject}  (${short(release.id)})`,
    ],
    [
      'state',
      `${paint(view.state, view.state === 'FAILED' ? 'red' : 'green', colour)}${view.why ? `  ${view.why}` : ''}`,
    ],
    ['steps', `${steps.declared} declared: ${steps.kept} kept, ${steps.repaired} repaired, ${notKept}`],
    [
      'drift',
      `${count(drift.repairs, 'repair')}, ${count(drift.kept, 'kept edit')}, ${drift.contested} contested`,
    ],
    ['log', view.head === null ? 'empty' : `head ${view.head.sequence} (${short(view.head.id)})`],
    [
      'trust',
      trust === null
        ? 'none yet'
        : `entry ${trust.sequence}: ${count(trust.hosts, 'host')}, ${count(trust.operators, 'operator')}`,
    ],
    ['peers', `${view.peers} connected, listening on ${view.addresses.join(' ') || 'nothing'}`],
  ]
  if (view.flags.length > 0) lines.push(['flags', paint(view.flags.join(' '), 'yellow', colour)])
  if (paused !== null)
    lines.push(['paused', `for ${duration(paused.untilMs - nowMs)}: ${paused.reason}  (fleet unpause)`])
  if (view.trial !== null) {
    const { id, commit, state, untilMs, why } = view.trial
    const until = untilMs === null ? '' : ` for ${duration(untilMs - nowMs)}`
    lines.push([
      'trial',
      `${short(id)} of ${short(commit)} ${state}${until}${why === null ? '' : `: ${why}`}`,
    ])
  }
  for (const each of view.pausedPaths)
    lines.push(['paused', `${each.path} for ${duration(each.untilMs - nowMs)}: ${each.reason}`])
  for (const { name, from, to } of view.changedFacts)
    lines.push([
      'facts',
      `${paint('FACTS CHANGED', 'yellow', colour)} ${name}: ${from || '(none)'} -> ${to || '(none)'}; counts from the next release, or: fleet apply --agent`,
    ])
  if (view.upgrade) lines.push(['upgrade', paint(view.upgrade, 'yellow', colour)])
  for (const each of view.deaf) lines.push(['deaf', `${each.source}: ${each.why}; looked at by audits only`])
  for (const each of view.fetching)
    lines.push(['fetching', `${short(each.pack)}  ${size(each.offset)} of ${size(each.size)}`])
  for (const each of view.notKept) lines.push(['not kept', `${each.step}  ${each.reason}  (${each.origin})`])
  return lines.map(([name, text]) => `${paint(name.padEnd(9), 'dim', colour)} ${text}`).join('\n')
}
