// SERVICE: whether a unit of systemd runs, and whether it is enabled.
import type { Answer, Look } from '../act.ts'
import { resourceId, type State, type States } from '../resource.ts'
import type { Step } from '../steps/step.ts'
import { isUnitFile, missingDetail, unitDirectories, unitName } from './unit.ts'
import { readList } from './values.ts'
import type { Owed, VerbSpec } from './verb.ts'

const runs = ['running', 'stopped'] as const
const enabling = ['enabled', 'disabled', 'masked'] as const

export const service: VerbSpec = {
  name: 'SERVICE',
  summary: 'Keeps a unit of systemd running or stopped, and enabled, disabled or masked.',
  example: 'SERVICE nginx running enabled reload-on=/etc/nginx',
  about: [
    'UNIT is a name with its type, such as `nginx.service`, `backup.timer` or `x@1.service`; `.service` is added where no type is given. On what is not said there is no opinion.',
    'A unit runs when it is active, becoming so, or waiting to be restarted by systemd itself. One that failed is started again. A oneshot unit without RemainAfterExit is started once after each boot; when it has done its work it counts as kept (until systemd forgets it: give it RemainAfterExit=yes).',
    'Starting waits until systemd calls the unit started, at most 90 s beyond its own TimeoutStartSec and 15 minutes in all; one that does not come up fails the step, and the reason shows the end of its log. systemd reads changed unit files again before it starts anything.',
    '`reload-on=` and `restart-on=` are acted on once, after all other steps, if something at or below one of the paths changed, also by a repair or an undo, and only while the unit runs. A step takes one of the two: `RUN "systemctl restart UNIT" on=PATHS` does the other.',
    'In a directory that is not the root of the machine (`--root`), units are enabled, disabled and masked, and nothing is started.',
  ],
  leaves:
    'The unit runs, or not, as before the step, and is enabled, disabled or masked as before; a unit that came with another step goes with that one.',
  noticed: 'By signals of systemd, within milliseconds.',
  args: [{ name: 'UNIT', kind: 'unit' }],
  options: {
    running: { kind: 'flag', doc: 'Start it if it does not run.' },
    stopped: { kind: 'flag', doc: 'Stop it if it runs.' },
    enabled: { kind: 'flag', doc: 'Have it started at boot.' },
    disabled: { kind: 'flag', doc: 'Do not have it started at boot.' },
    masked: { kind: 'flag', doc: 'Let nothing start it.' },
    'reload-on': { kind: 'paths', doc: 'Reload it (or restart it, where it cannot) when these change.' },
    'restart-on': { kind: 'paths', doc: 'Restart it when these change.' },
  },
  key: step => unitName(step.args[0]!),
  resources: step => [resourceId('unit', unitName(step.args[0]!))],
  owes: step => {
    const { 'reload-on': reload, 'restart-on': restart } = step.options
    const on = reload ?? restart
    return on === undefined
      ? undefined
      : owed(readList(on), unitName(step.args[0]!), reload === undefined ? 'restart' : 'reload-or-restart')
  },
  undo: () => 'compensating',
  check: ({ options }) => {
    const said = (words: readonly string[]) => words.filter(word => options[word] !== undefined)
    for (const words of [runs, enabling])
      if (said(words).length > 1)
        return `found ${said(words).join(' and ')}; expected at most one of ${words.join(', ')}`
    if (options['masked'] !== undefined && options['running'] !== undefined)
      return 'found running and masked; expected a masked unit to be stopped, or nothing said'
    const acted = said(['reload-on', 'restart-on'])
    if (acted.length > 1)
      return 'found reload-on= and restart-on=; expected one of them, and RUN "systemctl …" on= for the other'
    if (acted.length > 0 && options['stopped'] !== undefined)
      return `found ${acted[0]}= and stopped; expected ${acted[0]}= with a unit that runs`
    if (said([...runs, ...enabling, ...acted]).length === 0)
      return `found nothing said of the unit; expected one of ${[...runs, ...enabling].join(', ')}`
    return undefined
  },
}

/** Longer than any unit should take to restart. Milliseconds. */
const owedTimeoutMs = 15 * 60_000

/** Once per run, unless the unit does not run, or the machine of another directory is being made. */
function owed(on: readonly string[], unit: string, verb: 'restart' | 'reload-or-restart'): Owed {
  const files = on.some(path => isUnitFile(`${path}/`))
  const argv = ['systemctl', verb, unit]
  return {
    on,
    act: {
      kind: 'run',
      argv: files ? ['/bin/sh', '-c', `systemctl daemon-reload && exec systemctl ${verb} "$0"`, unit] : argv,
      unless: ['/bin/sh', '-c', '[ "$FLEET_ROOT" != / ] || ! systemctl is-active --quiet "$0"', unit],
      timeoutMs: owedTimeoutMs,
    },
    spares: ({ id, from, to }) => id === resourceId('unit', unit) && isRunning(to) && !isRunning(from),
  }
}

function isRunning(state: State | null): boolean {
  return (state as States['unit'] | null)?.running === true
}

/** Whether `enabled` says what is wanted already; undefined: it never can. */
function satisfies(enabled: string, wanted: (typeof enabling)[number]): boolean | undefined {
  if (enabled === wanted) return true
  if (wanted === 'masked' || enabled === 'indirect') return wanted !== 'masked'
  if (enabled === 'generated' || enabled === 'alias') return wanted === 'enabled' ? true : undefined
  if (enabled === 'static' || enabled === 'transient') return wanted === 'disabled' ? true : undefined
  return wanted === 'disabled' && enabled.startsWith('linked')
}

export function planService(step: Step, look: Look): Answer {
  const unit = unitName(step.args[0]!)
  const id = resourceId('unit', unit)
  const from = look.state(id) as States['unit'] | null | undefined
  const running = runs.find(word => step.options[word] !== undefined)
  const enabled = enabling.find(word => step.options[word] !== undefined)
  if (from === undefined) return { code: 'TOOL_MISSING', path: id, detail: 'found no systemd; expected it' }
  if (from === null) {
    const needed = running === 'running' || enabled === 'enabled'
    if (needed && !brought(unit, look)) return { code: 'UNIT_MISSING', path: id, detail: missingDetail(unit) }
    if (!needed && enabled !== 'masked') return []
    return [{ kind: 'set', id, from, to: { running: running === 'running', enabled: enabled ?? 'disabled' } }]
  }
  const fits = enabled === undefined || satisfies(from.enabled, enabled)
  if (fits === undefined)
    return {
      code: 'UNIT_STATIC',
      path: id,
      detail: `found ${from.enabled}; expected a unit that can be ${enabled}`,
    }
  const runsSo =
    running === undefined || from.running === undefined || from.running === (running === 'running')
  if (fits && runsSo) return []
  const to = {
    running: running === undefined || from.running === undefined ? from.running : running === 'running',
    enabled: fits || enabled === undefined ? from.enabled : enabled,
  }
  return [{ kind: 'set', id, from, to }]
}

/** The unit, or the template that it is an instance of, comes with an earlier step of this run. */
function brought(unit: string, look: Look): boolean {
  const names = [unit, unit.replace(/@.*(?=\.[a-z]+$)/, '@')]
  return unitDirectories.some(each => names.some(name => look.stat(`${each}/${name}`) !== undefined))
}
