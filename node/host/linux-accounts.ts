// Users and groups of a root directory: read from /etc/passwd, group and shadow, changed by the shadow tools, which
// know about locks, gshadow and subordinate ids. Which number or home somebody gets is left to the verbs.
import { readdirSync, readFileSync, statSync, watch } from 'node:fs'
import { lstat, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Accounts, bringsHome, leavingDay, readAccounts } from './accounts.ts'
import { type ReasonCode, StepError } from './errors.ts'
import { run } from './linux-run.ts'
import {
  type Change,
  type Changed,
  nameOf,
  type Provider,
  type ResourceId,
  resourceId,
  type State,
  type States,
} from './resource.ts'
import type { Ran } from './system.ts'

type User = States['user']
type Group = States['group']

const files = ['passwd', 'group', 'shadow', 'gshadow']

/** 100,000 accounts take about 8 MB. */
const fileBytesMax = 64 * 1024 * 1024

/** They wait up to 15 s for each other's locks; usermod -u walks through a home. */
const toolTimeoutMs = 10 * 60_000

const tools = {
  group: ['groupadd', 'groupmod', 'groupdel'],
  user: ['useradd', 'usermod', 'userdel', 'groupadd'],
} as const

/** Exit codes of the shadow tools (useradd(8), groupdel(8)). */
const exit = { done: 0, inUse: 8 }

/** The providers of both kinds. `root`: an existing directory; `/` for the machine itself. */
export function openAccounts(root: string): readonly Provider[] {
  return [new AccountProvider('group', root), new AccountProvider('user', root)]
}

class AccountProvider implements Provider {
  readonly kind: 'group' | 'user'
  readonly spreads = false
  readonly whole = true
  readonly #root: string

  constructor(kind: 'group' | 'user', root: string) {
    this.kind = kind
    this.#root = root
  }

  async observe(names: readonly string[]): Promise<ReadonlyMap<ResourceId, State | null>> {
    const { users, groups } = await this.#read()
    const known: ReadonlyMap<string, State> = this.kind === 'user' ? users : groups
    const all = [...names.map(name => [name, null] as const), ...known]
    return new Map(all.map(([name, state]) => [resourceId(this.kind, name), state]))
  }

  async prepare(changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return
    if (process.getuid?.() !== 0)
      throw new StepError('NO_PERMISSION', changes[0]!.id, 'only root changes users and groups')
    for (const tool of tools[this.kind])
      if (!paths.some(path => isThere(join(path, tool))))
        throw new StepError(
          'TOOL_MISSING',
          tool,
          'install the package passwd (Debian) or shadow-utils (RHEL)',
        )
    if (this.busy())
      throw new StepError('ACCOUNTS_LOCKED', join(this.#root, 'etc'), 'another program is changing accounts')
  }

  async change(changes: readonly Change[]): Promise<Changed> {
    const leftBehind: string[] = []
    for (const { id, to } of changes) {
      const name = nameOf(id)
      const known = await this.#read()
      if (this.kind === 'group')
        leftBehind.push(...(await this.#changeGroup(name, known.groups.get(name), to as Group | null)))
      else leftBehind.push(...(await this.#changeUser(name, known, to as User | null)))
    }
    return { leftBehind }
  }

  async oneWay(changes: readonly Change[]): Promise<ReadonlyMap<ResourceId, string>> {
    const lost = changes.filter(
      ({ from, to }) => to === null && from !== null && 'locked' in from && !from.locked,
    )
    return new Map(lost.map(({ id }) => [id, 'its password cannot be brought back']))
  }

  /** The tools replace each file whole, and take over a lock whose owner is gone. */
  /** The tools leave what they lock and write with when they are killed: `group.397`, `group.lock`, `passwd+`. */
  async recover(): Promise<void> {
    const etc = join(this.#root, 'etc')
    if (isLocked(etc)) return
    const scratch = /^(passwd|group|shadow|gshadow|subuid|subgid)(\.\d+|\.lock|\+)$/
    for (const name of readdirSync(etc)) if (scratch.test(name)) await rm(join(etc, name), { force: true })
  }

  hear(hint: (name: string | undefined) => void, deaf: (why: string) => void): () => void {
    try {
      const watcher = watch(join(this.#root, 'etc'), (_, name) => {
        if (name === null || files.includes(name)) hint(undefined)
      })
      watcher.on('error', error => deaf(error.message))
      return () => watcher.close()
    } catch (error) {
      deaf((error as Error).message)
      return () => {}
    }
  }

  busy(): boolean {
    return isLocked(join(this.#root, 'etc'))
  }

  close(): void {}

  async #read(): Promise<Accounts> {
    const [passwd, group] = await Promise.all([this.#text('passwd'), this.#text('group')])
    const shadow = process.getuid?.() === 0 ? await this.#text('shadow') : undefined
    return readAccounts({ passwd, group, ...(shadow === undefined ? {} : { shadow }) })
  }

  /** A root that has no accounts yet has empty files. */
  async #text(name: string): Promise<string> {
    const path = join(this.#root, 'etc', name)
    try {
      const { size } = await stat(path)
      if (size > fileBytesMax)
        throw new StepError('TOO_LARGE', path, `found ${size} bytes; expected at most ${fileBytesMax}`)
      return await readFile(path, 'utf8')
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') return ''
      throw error instanceof StepError ? error : new StepError('IO_FAILED', path, (error as Error).message)
    }
  }

  async #changeGroup(name: string, now: Group | undefined, to: Group | null): Promise<readonly string[]> {
    if (to === null) {
      if (now === undefined) return []
      const ran = await this.#tool(name, ['groupdel'], [exit.done, exit.inUse])
      return ran.code === exit.done ? [] : [`group ${name}: it is the primary group of a user`]
    }
    if (now === undefined) await this.#tool(name, ['groupadd', '-g', String(to.gid)])
    else if (now.gid !== to.gid) await this.#tool(name, ['groupmod', '-g', String(to.gid)])
    return []
  }

  async #changeUser(name: string, known: Accounts, to: User | null): Promise<readonly string[]> {
    const now = known.users.get(name)
    if (to === null) return now === undefined ? [] : this.#removeUser(name, now, known)
    if (now === undefined) await this.#createUser(name, to, known)
    else {
      const changes = modification(now, to, known)
      if (changes.length > 0) await this.#tool(name, ['usermod', ...changes])
    }
    return []
  }

  async #createUser(name: string, to: User, known: Accounts): Promise<void> {
    const { uid, gid, groups, home, shell } = to
    // userdel took the group of its name along, and whoever called it was cut short before that came back.
    if (!known.groups.has(name) && ![...known.groups.values()].some(each => each.gid === gid))
      await this.#tool(name, ['groupadd', '-g', String(gid)])
    const fresh = bringsHome({ uid, home }) && !(await this.#owner(home))
    const spools = ['/var/mail', '/var/spool/mail'].map(each => `${each}/${name}`)
    const old = await Promise.all(spools.map(path => this.#owner(path)))
    await this.#tool(name, [
      ...[
        'useradd',
        '-N',
        fresh ? '-m' : '-M',
        '-u',
        String(uid),
        '-g',
        String(gid),
        '-d',
        home,
        '-s',
        shell,
      ],
      ...(groups.length > 0 ? ['-G', groups.join(',')] : []),
      // `*` is no password, and unlike `!` it does not keep sshd from taking keys where PAM is off.
      ...['-p', '*'],
      ...(bringsHome({ uid, home: '/home' }) ? [] : ['-r']),
    ])
    // RHEL makes a spool along with a home (CREATE_MAIL_SPOOL), which would outlive the user.
    for (const [index, path] of spools.entries())
      if (!old[index]) await rm(join(this.#root, path), { force: true })
  }

  async #removeUser(
    name: string,
    { uid, home, shell, leaving }: User,
    known: Accounts,
  ): Promise<readonly string[]> {
    const { code } = await this.#tool(name, ['userdel'], [exit.done, exit.inUse])
    if (code === exit.inUse) {
      // Another shell than it had, so that a step that wants the user back finds something to change.
      const closed = shell === '/usr/sbin/nologin' ? '/bin/false' : '/usr/sbin/nologin'
      if (!leaving) await this.#tool(name, ['usermod', '-L', '-e', leavingDay, '-s', closed])
      return [`user ${name}: locked, since processes of it run`]
    }
    // With USERGROUPS_ENAB userdel takes the group of the same name along, which is not its step's to decide.
    const group = known.groups.get(name)
    if (group && !(await this.#read()).groups.has(name))
      await this.#tool(name, ['groupadd', '-g', String(group.gid)])
    const paths = [home, `/var/mail/${name}`, `/var/spool/cron/crontabs/${name}`]
    const owners = await Promise.all(paths.map(path => this.#owner(path)))
    return paths.filter((_, index) => owners[index]?.uid === uid)
  }

  /** Undefined: nothing is there. */
  async #owner(path: string): Promise<{ readonly uid: number } | undefined> {
    return lstat(join(this.#root, path)).catch(() => undefined)
  }

  async #tool(name: string, argv: readonly string[], fine: readonly number[] = [exit.done]): Promise<Ran> {
    const [tool, ...options] = argv
    const root = this.#root === '/' ? [] : ['-R', this.#root]
    const ran = await run([tool!, ...root, ...options, name], { timeoutMs: toolTimeoutMs })
    if (ran.code !== undefined && fine.includes(ran.code)) return ran
    const code: ReasonCode = ran.timedOut
      ? 'COMMAND_TIMEOUT'
      : /cannot lock|try again later/.test(ran.output)
        ? 'ACCOUNTS_LOCKED'
        : ran.code === exit.inUse
          ? 'BUSY'
          : 'COMMAND_FAILED'
    const ended = ran.code === undefined ? 'a signal' : `exit code ${ran.code}`
    throw new StepError(
      code,
      resourceId(this.kind, name),
      `${argv.join(' ')}: ${ended}: ${ran.output.trim()}`,
    )
  }
}

/** The options of usermod for what differs. */
function modification(now: User, to: User, { groups }: Accounts): readonly string[] {
  // A gid that no group has yet: the change of the group's own number takes its users along.
  const gid = [...groups.values()].some(group => group.gid === to.gid) ? to.gid : now.gid
  return [
    ...(now.uid === to.uid ? [] : ['-u', String(to.uid)]),
    ...(now.gid === gid ? [] : ['-g', String(gid)]),
    ...(now.groups.join() === to.groups.join() ? [] : ['-G', to.groups.join()]),
    ...(now.home === to.home ? [] : ['-d', to.home]),
    ...(now.shell === to.shell ? [] : ['-s', to.shell]),
    ...(now.locked === to.locked ? [] : [to.locked ? '-L' : '-U']),
    // One that could not be removed, and is wanted again.
    ...(now.leaving && !to.leaving ? ['-e', ''] : []),
  ]
}

/** As linux-run.ts has them. */
const paths = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

/**
 * Whether a program holds the lock of lckpwdf(3), as passwd and vipw do, or those that the shadow tools lay beside the
 * files. One whose owner is gone is not held. Nobody else's record locks can be asked for but through /proc/locks.
 */
function isLocked(etc: string): boolean {
  if (!isThere(etc)) return false
  const names = readdirSync(etc).filter(name => files.some(file => name === `${file}.lock`))
  const alive = (name: string) =>
    /^\d+/.test(text(join(etc, name))) && isThere(`/proc/${Number.parseInt(text(join(etc, name)), 10)}`)
  if (names.some(alive)) return true
  const lock = statSync(join(etc, '.pwd.lock'), { throwIfNoEntry: false })
  if (!lock) return false
  // On overlayfs a file may show the device of its layer, and the lock that of the whole.
  const devices = [lock.dev, statSync(etc).dev].map(dev => {
    const hex = (part: number) => part.toString(16).padStart(2, '0')
    return `${hex((dev >> 8) & 0xfff)}:${hex((dev & 0xff) | ((dev >> 12) & 0xfff00))}:${lock.ino}`
  })
  return text('/proc/locks')
    .split('\n')
    .some(line => devices.includes(line.trim().split(/\s+/)[5] ?? ''))
}

/** Empty when it cannot be read (any more). */
function text(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}
