// Acts in words, for plans and logs. Decides nothing.
import type { Act, Probe, SetAct } from './act.ts'
import { kindOf, nameOf, type State } from './resource.ts'
import type { Ownership } from './system.ts'

/** One line for a plan, such as `write /etc/motd mode=0644` or `install package nginx 1.22.1-9`. */
export function describe(act: Act): string {
  switch (act.kind) {
    case 'put':
      return `write ${act.path}${ownershipWords(act.ownership)}`
    case 'link':
      return `link ${act.path} -> ${act.target}`
    case 'mkdir':
      return `make directory ${act.path}${ownershipWords(act.ownership)}`
    case 'modify':
      return `set ${act.path}${ownershipWords(act.ownership)}`
    case 'remove':
      return `remove ${act.path}`
    case 'rmdir':
      return `remove directory ${act.path}`
    case 'restore':
      return `restore ${act.path}`
    case 'unpack':
      return `unpack ${act.payload.path} to ${act.path}`
    case 'set':
      return setWords(act)
    case 'run':
      return `run ${act.argv.join(' ')}`
    case 'check':
      return `check ${probeWords(act.probe)}`
  }
}

export function probeWords(probe: Probe): string {
  switch (probe.kind) {
    case 'http':
      return `http ${probe.url}`
    case 'tcp':
      return `tcp ${probe.host}:${probe.port}`
    case 'command':
      return `command ${probe.argv.join(' ')}`
    case 'unit':
      return `unit ${probe.unit}`
  }
}

function setWords({ id, from, to, purge }: SetAct): string {
  const kind = kindOf(id)
  const name = nameOf(id)
  const field = (state: State | null, key: string) => (state as Record<string, unknown> | null)?.[key]
  switch (kind) {
    case 'package': {
      if (to === null) return `${purge ? 'purge' : 'remove'} package ${name}`
      const version = field(to, 'version')
      const words = [from === null ? 'install' : version === field(from, 'version') ? '' : 'change']
      if (field(to, 'held') !== (field(from, 'held') ?? false))
        words.push(field(to, 'held') ? 'hold' : 'release')
      const verb = words.filter(word => word !== '').join(' and ') || 'mark'
      return [verb, 'package', name, version].filter(word => word !== '').join(' ')
    }
    case 'unit': {
      const words: string[] = []
      const enabled = field(to, 'enabled')
      if (enabled !== field(from, 'enabled') && enabled !== undefined) words.push(enableWord(String(enabled)))
      const running = field(to, 'running') ?? false
      if (running !== (field(from, 'running') ?? false)) words.push(running ? 'start' : 'stop')
      return `${words.join(' and ') || 'change'} unit ${name}`
    }
    case 'sysctl':
      return `set sysctl ${name} ${field(to, 'value') ?? ''}`.trimEnd()
    case 'user':
    case 'group': {
      const number = kind === 'user' ? 'uid' : 'gid'
      if (to === null) return `remove ${kind} ${name}`
      if (from === null) return `create ${kind} ${name} ${number}=${field(to, number)}`
      const old = field(from, number)
      const files = kind === 'user' ? 'files outside its home' : 'files'
      const kept = old === field(to, number) ? '' : ` (${files} keep ${number} ${old})`
      return `change ${kind} ${name}${changes(from, to)}${kept}`
    }
  }
}

/** The word of systemctl that leads there. */
function enableWord(enabled: string): string {
  return { enabled: 'enable', disabled: 'disable', masked: 'mask' }[enabled] ?? `make ${enabled}`
}

function changes(from: State, to: State): string {
  return Object.entries(to)
    .filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(from[key as keyof State]))
    .map(([key, value]) => ` ${key}=${Array.isArray(value) ? value.join(',') : value}`)
    .join('')
}

function ownershipWords({ mode, uid, gid }: Ownership): string {
  const parts = [
    mode === undefined ? '' : ` mode=${mode.toString(8).padStart(4, '0')}`,
    uid === undefined ? '' : ` owner=${uid}`,
    gid === undefined ? '' : ` group=${gid}`,
  ]
  return parts.join('')
}
