// What somebody made of a resource by hand -> the options by which its step would ask for that. One function for each
// kind; a field on which the step has no opinion stays out.
import type { DriftEdit, StepView } from '../node/control.ts'
import { kindOf, nameOf, type ResourceId, type State, type States } from '../node/host/resource.ts'
import type { Patch } from '../node/host/steps/rewrite.ts'
import { specs } from '../node/host/verbs/index.ts'

type Options = Record<string, string | undefined>

/** `remove`: the step has nothing more to say; any other text: why a person has to change it. */
export function statePatch({ path, base64 }: DriftEdit, step: StepView): Patch | string {
  const id = path as ResourceId
  const state = JSON.parse(Buffer.from(base64 ?? '', 'base64').toString('utf8') || 'null') as State | null
  const { options } = step
  if (state === null) {
    if (specs.get(step.verb)?.options['absent'] === undefined) return 'remove'
    const gone = Object.keys(options).map(name => [name, undefined] as const)
    return { options: { ...Object.fromEntries(gone), absent: '' } }
  }
  if (options['absent'] !== undefined) return 'remove'
  switch (kindOf(id)) {
    case 'group':
      return { options: said(options, { gid: String((state as States['group']).gid) }) }
    case 'user':
      return { options: user(state as States['user'], nameOf(id), options) }
    case 'package':
      return { options: packaged(state as States['package'], options) }
    case 'unit':
      return unit(state as States['unit'], options)
    case 'sysctl':
      return { args: { 1: (state as States['sysctl']).value } }
  }
}

/** Of these, those that the step gives another value. */
function said(options: Readonly<Record<string, string>>, found: Options): Options {
  return Object.fromEntries(
    Object.entries(found).filter(([name, value]) => options[name] !== undefined && options[name] !== value),
  )
}

function user(state: States['user'], name: string, options: Readonly<Record<string, string>>): Options {
  // What a step asks for that says nothing (verbs/user.ts).
  const shell = options['system'] === undefined ? '/bin/bash' : '/usr/sbin/nologin'
  const wanted = { shell, home: `/home/${name}`, ...options }
  const groups = options['groups']?.split(',').sort().join(',')
  return {
    ...said(options, { uid: String(state.uid) }),
    ...(groups !== undefined &&
      groups !== 'keep' &&
      groups !== state.groups.join(',') && { groups: state.groups.join(',') || undefined }),
    ...(wanted.shell !== 'keep' && wanted.shell !== state.shell && { shell: state.shell }),
    ...(wanted.home !== 'keep' &&
      wanted.home !== state.home &&
      options['system'] === undefined && { home: state.home }),
    ...(options['locked'] !== undefined && !state.locked && { locked: undefined }),
  }
}

function packaged({ version, held }: States['package'], options: Readonly<Record<string, string>>): Options {
  return {
    ...(!version.includes(' ') && said(options, { version })),
    ...(options['hold'] !== undefined && !held && { hold: undefined }),
  }
}

const enabling: readonly string[] = ['enabled', 'disabled', 'masked']

function unit(
  { running, enabled }: States['unit'],
  options: Readonly<Record<string, string>>,
): Patch | string {
  const patch: Options = {}
  const was = enabling.find(word => options[word] !== undefined)
  if (was !== undefined && was !== enabled && enabling.includes(enabled))
    Object.assign(patch, { [was]: undefined, [enabled]: '' })
  // Reloading is for a unit that runs (verbs/service.ts).
  if (options['running'] !== undefined && running === false)
    Object.assign(patch, { running: undefined, stopped: '' })
  if (options['stopped'] !== undefined && running === true)
    Object.assign(patch, { stopped: undefined, running: '' })
  return Object.keys(patch).length > 0 ? { options: patch } : `nothing of '${enabled}' can be declared`
}
