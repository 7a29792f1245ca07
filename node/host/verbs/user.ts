// USER: an account of /etc/passwd, its groups, and the keys that open it. Homes are made, never removed.
import { bringsHome } from '../accounts.ts'
import { type Act, type Answer, isReason, type Look } from '../act.ts'
import type { Reason } from '../errors.ts'
import { resourceId, type States, sameState } from '../resource.ts'
import { baseUsers } from '../steps/base.ts'
import type { Step } from '../steps/step.ts'
import { planCopy } from './copy.ts'
import { checkAbsent, checkId, chooseId, noAccounts } from './ids.ts'
import { checkKeys } from './keys.ts'
import { planMkdir } from './mkdir.ts'
import { checkValue, readList, shown } from './values.ts'
import type { Declared, VerbSpec } from './verb.ts'

type User = States['user']

export const user: VerbSpec = {
  name: 'USER',
  summary: 'Keeps a user, with its groups and authorized keys.',
  example: 'USER deploy uid=2001 group=deploy groups=adm,docker keys=files/deploy.keys',
  about: [
    'A new user has no password: keys open it, or another user may become it. Its home is made with what is in /etc/skel if it is not there; with system no home is made.',
    'Without uid= a user that is there keeps its number; a new one gets that of the owner of its home if nobody has it, else the lowest free number of 1000–59999, with system the highest free one of 100–999. Without group= a new user gets a group of its own name, made if need be.',
    'A uid that changes takes along the files in the home; files elsewhere keep the old number. A home= that changes moves nothing. Neither can be changed while processes of the user run: BUSY.',
    'keys= decides ~/.ssh/authorized_keys as a whole; each line is checked before anything is signed. A file without keys takes all away; without keys= the file is left alone.',
    'A user of the base system, such as www-data or root, needs home= and shell= said, or keep.',
  ],
  leaves:
    'A user that the step made is removed; its home is left behind, with all that is in it. While processes of it run, it is locked and expired instead, and left behind too. Of a user that was there before, what the step changed is changed back. One that was removed comes back without its password.',
  noticed: 'At once, by inotify on /etc/passwd, group and shadow, and on the home for keys.',
  args: [{ name: 'NAME', kind: 'account' }],
  options: {
    uid: { kind: 'number', doc: 'Its number; default: as it is, for a new user a free one.' },
    group: { kind: 'group', doc: 'Primary group; default: as it is, for a new user a group of its name.' },
    groups: { kind: 'accounts', doc: 'All other groups, with commas between; default keep: no opinion.' },
    home: { kind: 'text', doc: 'Home directory; default /home/NAME; keep: no opinion.' },
    shell: {
      kind: 'text',
      doc: 'Login shell; default /bin/bash, with system /usr/sbin/nologin; keep: no opinion.',
    },
    keys: { kind: 'source', doc: 'File of the repository with the public keys that may log in.' },
    locked: { kind: 'flag', doc: 'No password opens it; default: no opinion.' },
    system: {
      kind: 'flag',
      doc: 'The user of a service: a number below 1000, no home made, no login shell.',
    },
    absent: { kind: 'flag', doc: 'There is no such user; its home stays.' },
  },
  key: step => step.args[0]!,
  resources: ({ args: [name], options }) => [
    resourceId('user', name!),
    resourceId('group', primary(name!, options['group'])),
    ...groupsOf(options['groups']).map(each => resourceId('group', each)),
  ],
  paths: step => {
    const ssh = `${homeOf(step)}/.ssh`
    return step.options['keys'] === undefined ? [] : [`${ssh}/authorized_keys`, ssh]
  },
  brings: step => {
    const { absent, system } = step.options
    const home = absent === undefined && system === undefined ? homeOf(step) : undefined
    return home === undefined ? [] : [home]
  },
  undo: () => 'compensating',
  check: step => checkAbsent(step.options) ?? checkId(step.options, 'uid') ?? checkHome(step),
  checkSource: checkKeys,
}

/** The group whose state decides the primary one; a number or keep is about the user's own. */
function primary(name: string, group: string | undefined): string {
  return group === undefined || /^(\d+|keep)$/.test(group) ? name : group
}

const groupsOf = (groups = 'keep') => (groups === 'keep' ? [] : [...new Set(readList(groups))].sort())

/** Undefined: no opinion. */
function homeOf({ args, options }: Declared): string | undefined {
  return options['home'] === 'keep' ? undefined : (options['home'] ?? `/home/${args[0]}`)
}

function checkHome(step: Declared): string | undefined {
  const { args, options } = step
  const { home, shell, keys } = options
  if (baseUsers.has(args[0]!)) {
    if (options['absent'] !== undefined || options['uid'] !== undefined)
      return `found ${options['uid'] === undefined ? 'absent' : 'uid='} on ${args[0]}, a user of the base system; expected it to stay as it is`
    if (home === undefined || shell === undefined)
      return `found ${args[0]}, a user of the base system, without ${home === undefined ? 'home=' : 'shell='}; expected it, or keep`
  }
  if (home === 'keep' && keys !== undefined)
    return 'found keys= beside home=keep; expected home= to say where they are'
  for (const [name, value = 'keep'] of [
    ['home', home],
    ['shell', shell],
  ] as const) {
    const message = value === 'keep' ? undefined : checkValue('path', value)
    if (message) return message
    if (value.includes(':')) return `found ${name}=${shown(value)}; expected a path without :`
  }
  return undefined
}

export function planUser(step: Step, look: Look): Answer {
  const name = step.args[0]!
  const id = resourceId('user', name)
  const now = look.state(id) as User | null | undefined
  if (now === undefined) return noAccounts(id)
  if (step.options['absent'] !== undefined)
    return now === null ? [] : [{ kind: 'set', id, from: now, to: null }]
  const acts: Act[] = []
  const to = stateOf(step, now, look, acts)
  if ('code' in to) return to
  if (!sameState(now, to)) acts.push({ kind: 'set', id, from: now, to })
  if (step.payload === undefined) return acts
  const keys = planKeys(step, to, now === null, look)
  return isReason(keys) ? keys : [...acts, ...keys]
}

/** What the user is to be; `acts` gets the making of its own group, if that is needed. */
function stateOf(step: Step, now: User | null, look: Look, acts: Act[]): User | Reason {
  const name = step.args[0]!
  const { options } = step
  const system = options['system'] !== undefined
  const home = homeOf(step) ?? now?.home ?? `/home/${name}`
  const old = look.stat(home)
  const owner = old?.kind === 'directory' ? old : undefined
  const declared = options['uid'] === undefined ? now?.uid : Number(options['uid'])
  const uid =
    now !== null && declared === now.uid
      ? declared
      : chooseId('user', { name, id: declared, rather: [owner?.uid], system }, look)
  if (typeof uid !== 'number') return uid

  const groups = options['groups'] === undefined ? 'keep' : options['groups']
  for (const group of groupsOf(groups)) if (look.groupId(group) === undefined) return noGroup(name, group)
  let gid = now?.gid
  const group = options['group']
  if (group !== undefined && group !== 'keep') {
    gid = /^\d+$/.test(group) ? Number(group) : look.groupId(group)
    if (gid === undefined) return noGroup(name, group)
  } else if (gid === undefined) {
    gid = look.groupId(name)
    if (gid === undefined) {
      const made = chooseId('group', { name, id: undefined, rather: [owner?.gid, uid], system }, look)
      if (typeof made !== 'number') return made
      gid = made
      acts.push({ kind: 'set', id: resourceId('group', name), from: null, to: { gid } })
    }
  }
  const shell = options['shell'] ?? (system ? '/usr/sbin/nologin' : '/bin/bash')
  return {
    uid,
    gid,
    groups: groups === 'keep' ? (now?.groups ?? []) : groupsOf(groups),
    home,
    shell: shell === 'keep' ? (now?.shell ?? '/usr/sbin/nologin') : shell,
    locked: options['locked'] !== undefined || (now?.locked ?? true),
  }
}

/** The home is there, or comes with the account; else it is made, since keys without it open nothing. */
function planKeys(step: Step, to: User, created: boolean, look: Look): Answer {
  const ssh = `${to.home}/.ssh`
  const of = (args: readonly string[], mode: string): Step => ({
    ...step,
    args,
    options: { mode, owner: String(to.uid), group: String(to.gid) },
  })
  const home =
    look.stat(to.home) !== undefined || (created && bringsHome(to))
      ? []
      : planMkdir(of([to.home], '0755'), look)
  const parts = [
    home,
    planMkdir(of([ssh], '0700'), look),
    planCopy(of([step.options['keys']!, `${ssh}/authorized_keys`], '0600'), look),
  ]
  return parts.find(isReason) ?? (parts as (readonly Act[])[]).flat()
}

function noGroup(name: string, group: string): Reason {
  return {
    code: 'UNKNOWN_OWNER',
    path: resourceId('user', name),
    detail: `found no group ${group}; expected one that exists`,
  }
}
