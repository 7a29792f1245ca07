// TIMER: a command on a schedule, as a systemd timer with its service. Two unit files and the state of one unit; when
// it runs, and what came of it, is systemd's.
import type { Act, Answer, Look } from '../act.ts'
import { sha256 } from '../digest.ts'
import { resourceId, type States } from '../resource.ts'
import type { Step } from '../steps/step.ts'
import { adjust, ownershipOf, wrongType } from './observe.ts'
import { argvOf, checkCommands } from './run.ts'
import { readDuration, shown } from './values.ts'
import type { Declared, VerbSpec } from './verb.ts'

const schedules = ['calendar', 'every', 'boot'] as const

export const timer: VerbSpec = {
  name: 'TIMER',
  summary: 'Runs a command on a schedule, by a timer of systemd.',
  example: 'TIMER backup /usr/local/bin/backup --all calendar="Mon..Fri 02:30" user=backup persistent',
  about: [
    'It becomes `fleet-NAME.timer` and `fleet-NAME.service` in /etc/systemd/system: `systemctl list-timers` shows when it is due, `journalctl -u fleet-NAME` what it said. Exactly one of `calendar=`, `every=` and `boot=` says when.',
    'The command is executed as it stands, without a shell: several words are its arguments, one quoted word is split as a shell would. Neither `$` nor `%` means anything to systemd here. Its program is an absolute path, or a name that systemd finds in its own path.',
    '`calendar=` is a calendar event of systemd.time(7); the host has `systemd-analyze calendar` read it before anything is changed. A run that is still busy is not started a second time.',
  ],
  leaves:
    'The timer is stopped and disabled, and both files go, or become what they were; a command that runs at that moment ends by itself. The stamp of `persistent` stays in /var/lib/systemd/timers.',
  noticed: 'The files by inotify, the timer by signals of systemd, within milliseconds.',
  args: [
    { name: 'NAME', kind: 'text', doc: 'Letters a-z, digits, - and _; at most 64.' },
    { name: 'COMMAND', kind: 'command', rest: true },
  ],
  options: {
    calendar: { kind: 'text', doc: 'When the clock matches, such as daily or "Mon..Fri 02:30".' },
    every: { kind: 'duration', doc: 'So long after the timer started, then so long after each start of it.' },
    boot: { kind: 'duration', doc: 'Once, so long after the machine booted; at once where that is over.' },
    user: { kind: 'user', doc: 'Who runs it; default root.' },
    shell: { kind: 'flag', doc: 'Give the command, one quoted word, to /bin/sh -c.' },
    timeout: { kind: 'duration', doc: 'After which it is ended; default 1h.' },
    persistent: {
      kind: 'flag',
      doc: 'With calendar: what was due while the machine was off is made up for.',
    },
  },
  key: step => step.args[0]!,
  target: step => fileOf(step, 'timer'),
  makes: 'file',
  paths: step => [fileOf(step, 'timer'), fileOf(step, 'service')],
  resources: step => [resourceId('unit', unitOf(step, 'timer'))],
  // systemd reads the files when it first starts the timer; a later change has to be shown to it.
  owes: step => ({
    on: [fileOf(step, 'timer'), fileOf(step, 'service')],
    act: {
      kind: 'run',
      argv: [
        '/bin/sh',
        '-c',
        // As try-restart, which fails where a run that is taken back has left no such timer.
        'systemctl daemon-reload && if systemctl is-active -q "$0"; then exec systemctl restart "$0"; fi',
        unitOf(step, 'timer'),
      ],
      unless: [
        '/bin/sh',
        '-c',
        '[ "$FLEET_ROOT" != / ] || ! systemctl show --property=NeedDaemonReload "$0" "$1" | grep -q yes',
        unitOf(step, 'timer'),
        unitOf(step, 'service'),
      ],
      timeoutMs: 120_000,
    },
  }),
  undo: () => 'exact',
  check: step => {
    const { options } = step
    if (!/^[a-z0-9][a-z0-9_-]{0,63}$/.test(step.args[0]!))
      return `found ${shown(step.args[0]!)}; expected a name of a-z 0-9 _ -, at most 64 long`
    const said = schedules.filter(each => options[each] !== undefined)
    if (said.length !== 1)
      return `found ${said.join('=, ') || 'no time'}${said.length > 0 ? '=' : ''}; expected one of calendar=, every=, boot=`
    const { calendar } = options
    // What systemd.time(7) knows; a % would be a specifier.
    if (calendar !== undefined && !/^[A-Za-z0-9 .,:*/~_+-]{1,200}$/.test(calendar))
      return `found calendar=${shown(calendar)}; expected a calendar event such as daily or Mon..Fri 02:30`
    if (options['persistent'] !== undefined && calendar === undefined)
      return `found persistent beside ${said[0]}=; expected it with calendar=`
    if (options['user'] === 'keep') return 'found user=keep; expected a user'
    const command = commandOf(step)
    const message = checkCommands(command)
    if (message !== undefined) return message
    // Not even in quotes: systemd looks for its prefixes, and for a path, in the word that the quotes held.
    const [program = ''] = argvOf(command)
    if (/^[@:+!|-]|[$%\x00-\x1f\x7f]/.test(program) || (program.includes('/') && !program.startsWith('/')))
      return `found the program ${shown(program)}; expected an absolute path, or a name without @ : + ! | - before it`
    return undefined
  },
}

function commandOf({ args, options }: Declared): Declared {
  return { args: args.slice(1), options: options['shell'] === undefined ? {} : { shell: '' } }
}

function unitOf({ args }: Declared, type: 'timer' | 'service'): string {
  return `fleet-${args[0]}.${type}`
}

function fileOf(step: Declared, type: 'timer' | 'service'): string {
  return `/etc/systemd/system/${unitOf(step, type)}`
}

/** A word of ExecStart= that is taken as it is (systemd.service(5), "Command lines"; specifiers: systemd.unit(5)). */
export function quoteExec(word: string): string {
  const escaped = word
    .replace(/["\\]/g, '\\$&')
    .replace(/[%$]/g, '$&$&')
    .replace(/[\x00-\x1f\x7f]/g, char => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
  return `"${escaped}"`
}

const head = '# Made by fleet, which takes back what is changed here.\n'

/** The two unit files, as text. */
export function unitFiles(step: Declared): { readonly service: string; readonly timer: string } {
  const { calendar, every, boot, user, timeout = '1h', persistent } = step.options
  const ms = (value: string) => `${readDuration(value)}ms`
  const when = [
    calendar === undefined ? [] : [`OnCalendar=${calendar}`],
    every === undefined ? [] : [`OnActiveSec=${ms(every)}`, `OnUnitActiveSec=${ms(every)}`],
    boot === undefined ? [] : [`OnBootSec=${ms(boot)}`],
    persistent === undefined ? [] : ['Persistent=true'],
  ].flat()
  const service = [
    `[Unit]\nDescription=${step.args[0]}, on a timer of fleet\n`,
    '[Service]',
    'Type=oneshot',
    `ExecStart=${argvOf(commandOf(step)).map(quoteExec).join(' ')}`,
    ...(user === undefined ? [] : [`User=${user}`]),
    `TimeoutStartSec=${ms(timeout)}\n`,
  ]
  const timer = [
    `[Unit]\nDescription=When ${step.args[0]} runs\n`,
    '[Timer]',
    ...when,
    // Else systemd may be a minute late, which is long for every=10s.
    'AccuracySec=1s\n',
    '[Install]\nWantedBy=timers.target\n',
  ]
  return { service: head + service.join('\n'), timer: head + timer.join('\n') }
}

export function planTimer(step: Step, look: Look): Answer {
  const unit = unitOf(step, 'timer')
  const id = resourceId('unit', unit)
  const from = look.state(id) as States['unit'] | null | undefined
  if (from === undefined) return { code: 'TOOL_MISSING', path: id, detail: 'found no systemd; expected it' }
  const wanted = ownershipOf({ ...step, options: {} }, 0o644, look)
  if ('code' in wanted) return wanted
  const texts = unitFiles(step)
  const acts: Act[] = []
  for (const type of ['service', 'timer'] as const) {
    const path = fileOf(step, type)
    const bytes = new TextEncoder().encode(texts[type])
    const stat = look.stat(path)
    if (stat?.kind === 'directory' || stat?.kind === 'other')
      return wrongType(path, stat, 'a file or nothing')
    const { calendar } = step.options
    if (stat?.kind === 'file' && stat.size === bytes.length && look.digest(path) === sha256(bytes))
      acts.push(...adjust(path, stat, wanted))
    else
      acts.push({
        kind: 'put',
        path,
        content: { kind: 'bytes', bytes },
        ownership: wanted,
        ...(type === 'timer' && calendar !== undefined
          ? { validate: ['systemd-analyze', 'calendar', calendar] }
          : {}),
      })
  }
  // Where nothing runs (another root) it is enabled, for the boot to come.
  const running = from !== null && from.running === undefined ? undefined : true
  if (from === null || from.running !== running || from.enabled !== 'enabled')
    acts.push({ kind: 'set', id, from, to: { running, enabled: 'enabled' } })
  return acts
}
