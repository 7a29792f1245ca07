// What passwd(5), group(5) and shadow(5) say, and how numbers are given out. Reading and changing the files is left to
// linux-accounts.ts, what should be in them to the verbs.
import { type Change, kindOf, nameOf, type ResourceId, type Snapshot, type States } from './resource.ts'

type User = States['user']
type Group = States['group']

/** Defaults of /etc/login.defs: UID_MIN to UID_MAX and SYS_UID_MIN to SYS_UID_MAX; the same for groups. */
const idsRegular = { min: 1000, max: 59_999 }
const idsSystem = { min: 100, max: 999 }

/** Homes that say that there is none. */
const homeless = new Set(['/', '/dev/null', '/nonexistent'])

/** Whether creating this user makes its home, with what is in /etc/skel: not for the users of services. */
export function bringsHome({ uid, home }: Pick<User, 'uid' | 'home'>): boolean {
  return uid >= idsRegular.min && !homeless.has(home)
}

/** The lowest free number, or the highest of the system's; undefined: all are taken. */
export function freeId(taken: ReadonlySet<number>, system: boolean): number | undefined {
  if (system) {
    for (let id = idsSystem.max; id >= idsSystem.min; id--) if (!taken.has(id)) return id
  } else for (let id = idsRegular.min; id <= idsRegular.max; id++) if (!taken.has(id)) return id
  return undefined
}

/**
 * The users as they are after a change of a group: one that gets another number takes along those whose primary group
 * it is, and one that goes lets its members go.
 */
export function carriedAlong(
  { id, from, to }: Change,
  known: Snapshot,
): readonly (readonly [ResourceId, User])[] {
  if (kindOf(id) !== 'group' || from === null) return []
  const { gid } = from as Group
  const next = (to as Group | null)?.gid
  return [...known].flatMap(([userId, state]) => {
    if (state === null || kindOf(userId) !== 'user') return []
    const user = state as User
    if (next !== undefined) return user.gid === gid ? [[userId, { ...user, gid: next }] as const] : []
    const groups = user.groups.filter(each => each !== nameOf(id))
    return groups.length < user.groups.length ? [[userId, { ...user, groups }] as const] : []
  })
}

/**
 * The day on which users expire that could not be removed, in days since 1970: a mark, since operators who shut somebody
 * out by hand say 1, as usermod(8) tells them to.
 */
export const leavingDay = '2'

/** The files as text; `shadow` only for root. */
export interface AccountFiles {
  readonly passwd: string
  readonly group: string
  readonly shadow?: string
}

export interface Accounts {
  readonly users: ReadonlyMap<string, User>
  readonly groups: ReadonlyMap<string, Group>
}

/**
 * Of several lines with one name the first counts, as in libc. Lines that are no accounts (NIS, comments, torn ones) are
 * passed over. Without `shadow` every account that keeps its password there counts as locked.
 */
export function readAccounts({ passwd, group, shadow }: AccountFiles): Accounts {
  const groups = new Map<string, Group>()
  const memberships = new Map<string, Set<string>>()
  for (const [name, , id, members] of rows(group, 4)) {
    const gid = readId(id)
    if (gid === undefined || groups.has(name!)) continue
    groups.set(name!, { gid })
    for (const member of members!.split(',')) {
      const of = memberships.get(member)
      if (of) of.add(name!)
      else memberships.set(member, new Set([name!]))
    }
  }
  const passwords = new Map<string, string>()
  const leaving = new Set<string>()
  for (const [name, password, , , , , , expires] of rows(shadow ?? '', 9)) {
    if (passwords.has(name!)) continue
    passwords.set(name!, password!)
    if (expires === leavingDay) leaving.add(name!)
  }
  const users = new Map<string, User>()
  for (const [name, password, id, groupId, , home, shell] of rows(passwd, 7)) {
    const [uid, gid] = [readId(id), readId(groupId)]
    if (uid === undefined || gid === undefined || users.has(name!)) continue
    const secret = password === 'x' ? (passwords.get(name!) ?? '*') : password!
    users.set(name!, {
      uid,
      gid,
      groups: [...(memberships.get(name!) ?? [])].sort(),
      home: home!,
      // An empty field means /bin/sh (passwd(5)).
      shell: shell === '' ? '/bin/sh' : shell!,
      locked: /^[!*]/.test(secret),
      ...(leaving.has(name!) ? { leaving: true } : {}),
    })
  }
  return { users, groups }
}

function rows(text: string, fields: number): string[][] {
  return text.split('\n').flatMap(line => {
    const row = line.split(':')
    return row.length >= fields && /^[A-Za-z0-9_]/.test(line) ? [row] : []
  })
}

function readId(text: string | undefined): number | undefined {
  return /^\d{1,10}$/.test(text ?? '') ? Number(text) : undefined
}
