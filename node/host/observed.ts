// Words for drift that is only reported: what was found and what was expected, from the acts that would repair it.
import type { Act } from './act.ts'
import { describe } from './describe.ts'
import type { Reason } from './errors.ts'
import type { Planned, StepPlan } from './plan.ts'
import type { State } from './resource.ts'
import type { Step } from './steps/step.ts'
import type { Stat } from './system.ts'

/** Whether drift of the step is only reported. */
export function isObserved({ options }: Pick<Step, 'options'>): boolean {
  return options['observe'] !== undefined
}

/** In a run, too, such a step is put right only when it is new or changed. */
export function leaveObserved(plan: StepPlan): StepPlan {
  return plan.kind === 'repair' && isObserved(plan.step) ? { ...plan, kind: 'kept', acts: [] } : plan
}

/** `subject`: the path or resource that the step is about; `acts`: at least one. */
export function observedReason(subject: string, acts: readonly Planned[]): Reason {
  const [first, ...others] = acts
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  return { code: 'OBSERVED', path: subject, detail: first === undefined ? '' : `${words(first)}${more}` }
}

function words({ act, before }: Planned): string {
  switch (act.kind) {
    case 'put': {
      const size = act.content.kind === 'payload' ? act.content.payload.size : act.content.bytes.length
      return before?.kind === 'file'
        ? `found other content of ${before.size} bytes; expected the declared ${size} bytes`
        : `found ${thing(before)}; expected a file of ${size} bytes`
    }
    case 'link':
      return `found ${before?.kind === 'link' ? 'another link' : thing(before)}; expected a link to ${act.target}`
    case 'mkdir':
    case 'unpack':
      return `found ${thing(before)}; expected a directory`
    case 'modify': {
      const found = before && { mode: before.mode, uid: before.uid, gid: before.gid }
      return `found ${attributes(act, found)}; expected ${attributes(act, act.ownership)}`
    }
    case 'remove':
    case 'rmdir':
      return `found ${thing(before)} at ${act.path}; expected nothing`
    case 'set':
      return `found ${fields(act.from, act.to)}; expected ${fields(act.to, act.from)}`
    default:
      return `found that it is due; expected no need to ${describe(act)}`
  }
}

const thing = (stat: Stat | null) =>
  stat === null ? 'nothing' : stat.kind === 'other' ? 'a device, pipe or socket' : `a ${stat.kind}`

/** Of `values`, those on which the act has an opinion. */
function attributes(
  { ownership }: Extract<Act, { kind: 'modify' }>,
  values: Partial<Pick<Stat, 'mode' | 'uid' | 'gid'>> | Extract<Act, { kind: 'modify' }>['ownership'] | null,
): string {
  const parts = [
    ownership.mode === undefined ? '' : `mode=${values?.mode?.toString(8).padStart(4, '0')}`,
    ownership.uid === undefined ? '' : `owner=${values?.uid}`,
    ownership.gid === undefined ? '' : `group=${values?.gid}`,
  ]
  return parts.filter(part => part !== '').join(' ')
}

/** Those fields of a state in which it differs from the other. */
function fields(state: State | null, other: State | null): string {
  if (state === null) return 'nothing'
  const theirs: Readonly<Record<string, unknown>> = { ...other }
  return Object.entries(state)
    .filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(theirs[name]))
    .map(([name, value]) => `${name}=${Array.isArray(value) ? value.join(',') : value}`)
    .join(' ')
}
