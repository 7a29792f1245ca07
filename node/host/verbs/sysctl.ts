// SYSCTL: a parameter of the kernel, as it runs and as it will be after the next boot.
import type { Act, Answer, Look } from '../act.ts'
import { resourceId, type States } from '../resource.ts'
import type { Step } from '../steps/step.ts'
import { adjust, inherit, ownershipOf, wrongType } from './observe.ts'
import { shown } from './values.ts'
import type { Declared, VerbSpec } from './verb.ts'

export const sysctl: VerbSpec = {
  name: 'SYSCTL',
  summary: 'Sets a parameter of the kernel, now and for every boot.',
  example: 'SYSCTL net.core.somaxconn 4096',
  about: [
    'The value is written to the running kernel and to /etc/sysctl.d/60-fleet-NAME.conf. Blanks in values count as one: "4096 87380 6291456".',
    'A name may be written with dots or with slashes: net.ipv4.conf.eth0/1.forwarding and net/ipv4/conf/eth0.1/forwarding are the interface eth0.1, as in sysctl.d(5).',
    'What another file sets later during boot (a later name in sysctl.d, or /etc/sysctl.conf) is put right by the first audit after it.',
    'Below another root (fleet apply --root) only the file is kept. In a container most parameters are read-only: READ_ONLY.',
  ],
  leaves: 'The value that the kernel had before returns, and the file goes, or what it was before returns.',
  noticed: 'The file at once, by inotify; the running value by the audit, since the kernel tells nobody.',
  args: [
    { name: 'NAME', kind: 'sysctl' },
    { name: 'VALUE', kind: 'text' },
  ],
  options: {},
  key: sysctlName,
  target: sysctlFile,
  makes: 'file',
  resources: step => [resourceId('sysctl', sysctlName(step))],
  undo: () => 'exact',
  check: ({ args: [name] }) =>
    name!.includes('*') ? `found ${shown(name!)}; expected the name of one parameter` : undefined,
}

/** With dots between the parts, and slashes for the dots in names of interfaces: sysctl.d(5). */
function sysctlName({ args: [name] }: Declared): string {
  return /^[^./]*\//.test(name!) ? swapped(name!) : name!
}

/** `/` cannot be in a file name, and `@` in no parameter. */
function sysctlFile(step: Declared): string {
  return `/etc/sysctl.d/60-fleet-${sysctlName(step).replaceAll('/', '@')}.conf`
}

/** Dots become slashes and slashes dots: between a name with dots and its path below /proc/sys. */
export function swapped(name: string): string {
  return name.replace(/[./]/g, each => (each === '.' ? '/' : '.'))
}

/** As it is compared: the kernel separates by tabs what people separate by blanks. */
export function folded(value: string): string {
  return value.trim().replace(/\s+/g, ' ')
}

export function planSysctl(step: Step, look: Look): Answer {
  const name = sysctlName(step)
  const value = folded(step.args[1]!)
  const id = resourceId('sysctl', name)
  const now = look.state(id) as States['sysctl'] | null | undefined
  if (now === null)
    return {
      code: 'SYSCTL_UNKNOWN',
      path: id,
      detail: `found no /proc/sys/${swapped(name)}; expected a parameter of this kernel and its modules`,
    }
  const file = planFile(sysctlFile(step), `${name} = ${value}\n`, step, look)
  if (!Array.isArray(file) || now === undefined || now.value === value) return file
  return [...file, { kind: 'set', id, from: now, to: { value } }]
}

function planFile(path: string, text: string, step: Step, look: Look): Answer {
  const wanted = ownershipOf(step, 0o644, look)
  if ('code' in wanted) return wanted
  const bytes = new TextEncoder().encode(text)
  const stat = look.stat(path)
  if (stat?.kind === 'directory' || stat?.kind === 'other') return wrongType(path, stat, 'a file or nothing')
  if (
    stat?.kind === 'file' &&
    stat.size === bytes.length &&
    new TextDecoder().decode(look.read(path, stat.size)) === text
  )
    return adjust(path, stat, wanted)
  const act: Act = {
    kind: 'put',
    path,
    content: { kind: 'bytes', bytes },
    ownership: inherit(stat, wanted, 0o644),
  }
  return [act]
}
