// GROUP: a group of /etc/group and its number. Who is in it is said by its users: USER groups=.
import type { Answer, Look } from '../act.ts'
import { resourceId, type States } from '../resource.ts'
import { baseGroups } from '../steps/base.ts'
import type { Step } from '../steps/step.ts'
import { checkAbsent, checkId, chooseId, noAccounts } from './ids.ts'
import type { VerbSpec } from './verb.ts'

export const group: VerbSpec = {
  name: 'GROUP',
  summary: 'Keeps a group.',
  example: 'GROUP deploy gid=2001',
  about: [
    'Without gid= a group that is there keeps its number, and a new one gets the lowest free number of 1000–59999, with system the highest free one of 100–999. Say gid= where hosts share files.',
    'A gid that changes takes along the users whose primary group it is. Files keep the old number.',
    'Members are declared with the users: USER NAME groups=….',
  ],
  leaves:
    'A group that the step made is removed, unless it is the primary group of somebody: then it is left behind. A group that was there before gets its old number back; one that was removed comes back without members.',
  noticed: 'At once, by inotify on /etc/group.',
  args: [{ name: 'NAME', kind: 'account' }],
  options: {
    gid: { kind: 'number', doc: 'Its number; default: as it is, for a new group a free one.' },
    system: { kind: 'flag', doc: 'A new group gets a number below 1000.' },
    absent: { kind: 'flag', doc: 'There is no such group.' },
  },
  key: step => step.args[0]!,
  resources: step => [resourceId('group', step.args[0]!)],
  undo: () => 'compensating',
  check: ({ args: [name], options }) =>
    options['absent'] !== undefined && baseGroups.has(name!)
      ? `found absent on ${name}, a group of the base system; expected one that it does not need`
      : (checkAbsent(options) ?? checkId(options, 'gid')),
}

export function planGroup({ args, options }: Step, look: Look): Answer {
  const name = args[0]!
  const id = resourceId('group', name)
  const now = look.state(id) as States['group'] | null | undefined
  if (now === undefined) return noAccounts(id)
  if (options['absent'] !== undefined) return now === null ? [] : [{ kind: 'set', id, from: now, to: null }]
  const declared = options['gid'] === undefined ? now?.gid : Number(options['gid'])
  if (now !== null && declared === now.gid) return []
  const wish = { name, id: declared, rather: [], system: options['system'] !== undefined }
  const gid = chooseId('group', wish, look)
  return typeof gid === 'number' ? [{ kind: 'set', id, from: now, to: { gid } }] : gid
}
