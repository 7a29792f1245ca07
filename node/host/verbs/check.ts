// CHECK: a question to the finished host. It changes nothing; a run or a release stands only if the answer is yes.
import type { Answer, Probe } from '../act.ts'
import type { Step } from '../steps/step.ts'
import { quote } from '../steps/words.ts'
import { argvOf, checkCommands } from './run.ts'
import { unitName } from './unit.ts'
import { checkValue, readDuration, shown } from './values.ts'
import type { Declared, VerbSpec } from './verb.ts'

export const checkSpec: VerbSpec = {
  name: 'CHECK',
  summary: 'Asks the finished host whether it works; the run fails if it does not.',
  example: 'CHECK http http://127.0.0.1/healthz status=200 within=30s',
  about: [
    '`CHECK http URL` asks once, with GET, and follows no redirect: `status=` and `body=` are about the very answer. A certificate must be one that the host trusts (the system’s authorities). `CHECK tcp HOST:PORT` only connects. `CHECK command COMMAND…` wants exit code 0; one quoted word is split as a shell would, without one. `CHECK unit UNIT` wants it active.',
    'Checks come after all other steps and after the commands that these owe, in declared order. Each is tried again until it passes or `within=` is over. In a release a failed check undoes the run. Through the soak checks are asked every ten seconds: one that fails begins the soak anew, and if it still fails after `within=`, the release goes. Afterwards they only report.',
  ],
  leaves: 'Nothing: it changed nothing.',
  noticed: 'Asked in each run, and all through the soak of a release.',
  args: [
    { name: 'KIND', kind: 'oneof', values: ['http', 'tcp', 'command', 'unit'] },
    { name: 'WHAT', kind: 'command', rest: true, doc: 'A URL, HOST:PORT, a command, or a unit.' },
  ],
  options: {
    within: { kind: 'duration', doc: 'How long it is tried; default 30s.' },
    status: { kind: 'number', doc: 'For http: the status wanted; default 200.' },
    body: { kind: 'text', doc: 'For http: text that the answer must hold, in its first MiB; default: any.' },
    timeout: { kind: 'duration', doc: 'For command: of one try; default 10s.' },
    shell: { kind: 'flag', doc: 'For command: give it to /bin/sh -c.' },
  },
  key: step => `${step.args[0]} ${whatOf(step)}`,
  undo: () => 'exact',
  check: step => {
    const [kind] = step.args
    for (const [option, owner] of Object.entries(owners))
      if (step.options[option] !== undefined && kind !== owner)
        return `found ${option} beside CHECK ${kind}; expected it with CHECK ${owner}`
    if (kind === 'command') return checkCommands(commandOf(step))
    if (step.args.length > 2) return `found several words after CHECK ${kind}; expected one`
    if (kind === 'unit') return checkValue('unit', step.args[1]!)
    const { status } = step.options
    if (status !== undefined && (Number(status) < 100 || Number(status) > 599))
      return `found status=${status}; expected 100 to 599`
    return probeOf(step) === undefined
      ? `found ${shown(step.args[1]!)}; expected ${kind === 'http' ? 'a URL such as http://127.0.0.1:8080/healthz' : 'HOST:PORT such as 127.0.0.1:5432 or [::1]:5432'}`
      : undefined
  },
}

/** Whose option it is. */
const owners = { status: 'http', body: 'http', timeout: 'command', shell: 'command' }

/** Milliseconds. */
const withinDefaultMs = 30_000
const timeoutDefaultMs = 10_000

function commandOf({ args, options }: Declared): Declared {
  return { args: args.slice(1), options }
}

function whatOf(step: Declared): string {
  const [kind, ...words] = step.args
  return kind === 'unit' ? unitName(words[0]!) : words.map(word => quote(word)).join(' ')
}

/** Undefined: the URL or address cannot be read. */
function probeOf(step: Declared): Probe | undefined {
  const [kind, what] = step.args as [Probe['kind'], string]
  switch (kind) {
    case 'http': {
      const url = URL.canParse(what) ? new URL(what) : undefined
      if (url?.protocol !== 'http:' && url?.protocol !== 'https:') return undefined
      const { status = '200', body } = step.options
      return { kind, url: what, status: Number(status), ...(body === undefined ? {} : { body }) }
    }
    case 'tcp': {
      const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(what)
      const port = Number(match?.[3])
      return match && port >= 1 && port <= 65_535 ? { kind, host: (match[1] ?? match[2])!, port } : undefined
    }
    case 'command': {
      const timeoutMs = readDuration(step.options['timeout'] ?? '') ?? timeoutDefaultMs
      return { kind, argv: argvOf(commandOf(step)), timeoutMs }
    }
    case 'unit':
      return { kind, unit: unitName(what) }
  }
}

export function planCheck(step: Step): Answer {
  const withinMs = readDuration(step.options['within'] ?? '') ?? withinDefaultMs
  return [{ kind: 'check', probe: probeOf(step)!, withinMs }]
}
