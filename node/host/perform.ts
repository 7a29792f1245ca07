// How each act is prepared beside its target, done, and taken back, through System. Every function goes by what it
// finds, so that it may be called again after a crash. When to call which is left to apply.ts.
import type { Act } from './act.ts'
import { type Reason, StepError } from './errors.ts'
import type { Intent, Made, Sums } from './journal.ts'
import type { Planned, StepPlan } from './plan.ts'
import type { ResourceId, State } from './resource.ts'
import { damageOf } from './saved.ts'
import { basename, dirname, join, type Ownership, type Stat, type System } from './system.ts'

/** Removed trees above this are not copied to another file system (DESIGN section 3). Bytes. */
const copiedTreeBytesMax = 64 * 1024 * 1024

/** What acts need beside the machine. */
export interface Setting {
  readonly machine: System
  /** Part of temporary names: which state directory made them. */
  readonly tag: string
  /** Takes what was edited into the drift store (null: deleted); called just before `act` replaces it. */
  readonly keepEdit: (path: string, stat: Stat | null, act: Act['kind']) => void
  /** The same for a resource. */
  readonly keepState: (id: ResourceId, state: State | null) => void
}

/** Without a tag: of any state directory. */
export function temporaryPrefix(tag: string): string {
  return `.fleet-${tag && `${tag}-`}`
}

export interface Job {
  readonly plan: StepPlan
  readonly planned: Planned
  readonly intent: Intent
  readonly index: number
  /** It comes with its directory, or is the directory that others come with. */
  readonly along?: Arrival
}

/** Of a room that is to become a directory. */
interface Arrival {
  done: boolean
}

/** After the outcome is durable: what only the way back needed. `needed`: names of saved files still in force. */
export function sweep(
  machine: System,
  intents: readonly Pick<Intent, 'temp' | 'saved' | 'keeps' | 'states'>[],
  needed: ReadonlySet<string> = new Set(),
) {
  dropRooms(machine, intents)
  for (const { temp, saved, keeps, states } of intents) {
    if (temp !== undefined && !roomOf(temp) && statOf(machine, temp) !== undefined) machine.removeTree(temp)
    for (const name of [saved, keeps, states])
      if (name !== undefined && !needed.has(name) && statOf(machine, name) !== undefined)
        machine.removeTree(name)
  }
}

/** The folder of its own in which a temporary file waits, if its target's directory is not there yet. */
function roomOf(temp: string): string | undefined {
  const folder = dirname(temp)
  return basename(folder).startsWith(temporaryPrefix('')) ? folder : undefined
}

function roomsOf(intents: readonly Pick<Intent, 'temp'>[]): ReadonlySet<string> {
  return new Set(intents.flatMap(({ temp }) => (temp === undefined ? [] : (roomOf(temp) ?? []))))
}

/** Makes the folders that temporary files wait in; only the engine enters them, but for those of `open`. */
export function makeRooms(
  machine: System,
  intents: readonly Pick<Intent, 'temp'>[],
  open: ReadonlyMap<string, Ownership> = new Map(),
): void {
  for (const room of roomsOf(intents))
    machine.mkdir(room, open.get(room) ?? { mode: 0o700, uid: undefined, gid: undefined })
}

/**
 * A room in which nothing waits but what is new in one directory to come is that directory: it is made as the directory is to
 * be, its files have their names, and one rename in the place of hundreds brings them all. Not where others may write, and
 * not where the group would follow from a directory above that is not there yet.
 */
export function joinRooms(jobs: readonly Job[]): {
  readonly jobs: readonly Job[]
  /** How those rooms are to look. */
  readonly rooms: ReadonlyMap<string, Ownership>
} {
  const waiting = Map.groupBy(
    jobs.filter(({ intent: { temp } }) => temp !== undefined && roomOf(temp) !== undefined),
    ({ intent: { path } }) => dirname(path!),
  )
  const rooms = new Map<string, Ownership>()
  const directories = new Map<string, { readonly room: string; readonly along: Arrival }>()
  for (const { planned, index } of jobs) {
    const { act } = planned
    const inside = act.kind === 'mkdir' && planned.before === null && waiting.get(act.path)
    if (act.kind !== 'mkdir' || !inside) continue
    const room = roomOf(inside[0]!.intent.temp!)!
    const { mode = 0o777, gid } = act.ownership
    const inherits = gid === undefined && dirname(room) !== dirname(act.path)
    const whole = inside.every(
      ({ planned: { act, before, first }, index: at }) =>
        (act.kind === 'put' || act.kind === 'link') && first && before === null && at > index,
    )
    if (!whole || inherits || (mode & 0o022) !== 0) continue
    rooms.set(room, act.ownership)
    directories.set(act.path, { room, along: { done: false } })
  }
  const joined = jobs.map((job): Job => {
    const { path, temp } = job.intent
    if (path === undefined) return job
    const own = job.planned.act.kind === 'mkdir' ? directories.get(path) : undefined
    if (own) return { ...job, along: own.along, intent: { ...job.intent, temp: own.room } }
    const home = temp === undefined ? undefined : directories.get(dirname(path))
    if (!home) return job
    const intent = { ...job.intent, temp: join(home.room, basename(path)) }
    return { ...job, along: home.along, intent }
  })
  return { jobs: joined, rooms }
}

/** What waits for a step that has failed must not come along with its directory. */
export function discard(machine: System, { along, intent: { kind, temp } }: Job): void {
  if (along && !along.done && kind !== 'mkdir' && machine.lstat(temp!) !== undefined) machine.unlink(temp!)
}

/** Removes those that nothing waits in: a tree that left may have to come back while the run goes on. */
export function dropEmptyRooms(machine: System, intents: readonly Pick<Intent, 'temp'>[]): void {
  for (const room of roomsOf(intents))
    if (statOf(machine, room) !== undefined && machine.list(room).length === 0) machine.rmdir(room)
}

/** Removes those folders, with whatever still waits in them. */
function dropRooms(machine: System, intents: readonly Pick<Intent, 'temp'>[]): void {
  for (const room of roomsOf(intents)) if (statOf(machine, room) !== undefined) machine.removeTree(room)
}

/** `states`: where those of its kind are saved before, for what spreads. */
export function intentOf(
  planned: Planned,
  name: string,
  home: (path: string) => string,
  states?: string,
): Intent {
  const { act, before, first, saved, drifted, reload, keeps } = planned
  if (!('path' in act)) {
    if (act.kind === 'set') {
      const { id, from, to } = act
      return { kind: 'set', before: null, first: true, id, from, to, ...(states ? { states } : {}) }
    }
    if (act.kind !== 'run') return { kind: act.kind, before: null, first: false }
    return {
      kind: 'run',
      before: null,
      first: false,
      timeoutMs: act.timeoutMs,
      ...(act.undo ? { undo: act.undo } : {}),
      ...(reload ? { reload: act.argv } : {}),
    }
  }
  const temporary =
    act.kind === 'put' ||
    act.kind === 'link' ||
    act.kind === 'restore' ||
    act.kind === 'remove' ||
    act.kind === 'unpack'
  return {
    kind: act.kind,
    path: act.path,
    before,
    first,
    ...(saved === undefined ? {} : { saved }),
    ...(temporary ? { temp: join(home(act.path), name) } : {}),
    ...(act.kind === 'restore' ? { source: act.saved } : {}),
    ...(drifted ? { drifted } : {}),
    ...(keeps ? { keeps: keeps.saved } : {}),
  }
}

/** What is there, if it may be reached: behind a link that was swapped in lies nothing of ours. */
export function statOf(machine: System, path: string): Stat | undefined {
  try {
    return machine.lstat(path)
  } catch (error) {
    if (error instanceof StepError) return undefined
    throw error
  }
}

/** Whether a directory is there and may be reached. */
export function hasDirectory(machine: System, path: string): boolean {
  return statOf(machine, `${path}/.`) !== undefined
}

/** Makes what was done in the directories of these targets durable. */
export function flushHomes(machine: System, paths: readonly string[]) {
  const homes = [...new Set(paths.map(dirname))].filter(path => hasDirectory(machine, path))
  machine.flush(homes.map(path => `${path}/.`))
}

/**
 * Where a temporary file for a path can wait for its own: beside it, or, while its directory is not there, in the nearest one
 * that is and stays, in a folder named `room` and a number. One folder for each directory to come: file systems put
 * files of one directory close together, and thousands made in one place took twice the time (ext4).
 */
export function homeFinder(
  machine: System,
  plans: readonly StepPlan[],
  room: string,
): (path: string) => string {
  const rooms = new Map<string, string>()
  const going = new Set<string>()
  for (const plan of plans)
    for (const { act } of plan.acts) if (act.kind === 'remove' || act.kind === 'rmdir') going.add(act.path)
  const known = new Map<string, string>()
  const home = (directory: string): string => {
    const found = known.get(directory)
    if (found !== undefined) return found
    const stays = !going.has(directory) && hasDirectory(machine, directory)
    const above = directory === '/' ? '/' : home(dirname(directory))
    // Below a directory that goes, nothing stays.
    const clear = directory === '/' || above === dirname(directory)
    const answer = directory === '/' || (stays && clear) ? directory : above
    known.set(directory, answer)
    return answer
  }
  return path => {
    const directory = dirname(path)
    const there = home(directory)
    if (there === directory) return there
    const found = rooms.get(directory) ?? join(there, `${room}${rooms.size}`)
    rooms.set(directory, found)
    return found
  }
}

/**
 * Makes what will take the target's place, and saves what it replaces; changes no target. Answers how it looks, undefined where
 * nothing will. `bytes`: of a `put`.
 */
export function stage(machine: System, job: Job, bytes: Uint8Array | undefined): Stat | undefined {
  const { act, before, saved } = job.planned
  const { temp } = job.intent
  if (!('path' in act)) return undefined
  if (saved !== undefined && job.intent.saved !== undefined && before) {
    if (before.kind === 'directory') {
      if (before.dev !== machine.lstat('saved')!.dev) {
        copyTree(machine, act.path, saved)
      }
    } else if (!machine.link(act.path, saved)) machine.copy(act.path, saved)
  }
  const { keeps } = job.planned
  if (keeps) machine.create(keeps.saved, keeps.bytes, keeps.ownership)
  switch (act.kind) {
    case 'put':
      return machine.create(temp!, bytes!, act.ownership)
    case 'link':
      machine.symlink(temp!, act.target, act.ownership)
      return machine.lstat(temp!)!
    case 'unpack':
      return machine.lstat(temp!)!
    case 'restore': {
      const stat = machine.lstat(act.saved)
      if (stat?.kind !== act.stat.kind)
        throw new StepError('ORIGINAL_DAMAGED', act.path, `found no ${act.stat.kind} at ${act.saved}`)
      if (act.stat.kind === 'directory') {
        if (stat.dev !== machine.lstat(`${dirname(temp!)}/.`)!.dev) machine.copy(act.saved, temp!)
        return stat
      }
      if (!machine.link(act.saved, temp!)) machine.copy(act.saved, temp!)
      restoreAttributes(machine, temp!, act.stat)
      return machine.lstat(temp!)!
    }
    default:
      return undefined
  }
}

export const madeOf = (stat: Stat | undefined): Made => (stat ? [stat.ino, stat.mtimeMs] : null)

/** A path must still be what the planner saw. */
export function check(machine: System, { planned, along }: Job) {
  const { act, before, first } = planned
  if (!('path' in act) || !first || along?.done) return
  const now = machine.lstat(act.path)
  if (same(before, now ?? null)) return
  const found = now ? `another ${now.kind}` : 'nothing'
  throw new StepError(
    'CHANGED_MEANWHILE',
    act.path,
    `found ${found}; expected what was there when the run was planned`,
  )
}

/** The change time is left out: a second name for the same file changes it. */
function same(a: Stat | null, b: Stat | null): boolean {
  if (a === null || b === null) return a === b
  const alike =
    a.kind === b.kind && a.ino === b.ino && a.dev === b.dev && a.mode === b.mode && a.uid === b.uid
  return (
    alike && a.gid === b.gid && (a.kind === 'directory' || (a.size === b.size && a.mtimeMs === b.mtimeMs))
  )
}

export function commit(machine: System, { planned, intent, along }: Job): 'done' | 'left' {
  const { act, before } = planned
  if (along?.done) return 'done'
  switch (act.kind) {
    case 'put':
    case 'link':
    case 'unpack':
      machine.rename(intent.temp!, act.path)
      return 'done'
    case 'restore':
      if (act.stat.kind === 'directory' && machine.lstat(intent.temp!) === undefined) {
        machine.rename(act.saved, act.path)
        machine.settle()
      } else machine.rename(intent.temp!, act.path)
      return 'done'
    case 'mkdir':
      if (intent.temp === undefined) machine.mkdir(act.path, act.ownership)
      else {
        machine.rename(intent.temp, act.path)
        machine.settle()
        along!.done = true
      }
      return 'done'
    case 'modify':
      set(machine, act.path, before!, act.ownership)
      return 'done'
    case 'remove':
      if (before?.kind !== 'directory') machine.unlink(act.path)
      else {
        const copied = intent.saved === undefined || machine.lstat(intent.saved) !== undefined
        machine.rename(act.path, copied ? intent.temp! : intent.saved!)
        machine.settle()
      }
      return 'done'
    case 'rmdir':
      machine.settle()
      if (machine.list(act.path).length > 0) return 'left'
      machine.rmdir(act.path)
      return 'done'
    case 'set':
    case 'run':
    case 'check':
      return 'done'
  }
}

function set(machine: System, path: string, now: Stat, wanted: Ownership) {
  const uid = wanted.uid ?? now.uid
  const gid = wanted.gid ?? now.gid
  const owned = uid !== now.uid || gid !== now.gid
  if (owned) machine.chown(path, uid, gid)
  const mode = wanted.mode ?? now.mode
  // chown clears setuid and setgid.
  if (now.kind !== 'link' && (owned || mode !== now.mode)) machine.chmod(path, mode)
}

function restoreAttributes(machine: System, path: string, wanted: Stat) {
  const now = machine.lstat(path)
  if (now) set(machine, path, now, wanted)
}

/** Brings a path back to what was there before its act, whatever is found there now. */
export function comeBack(
  { machine, tag, keepEdit }: Setting,
  intent: Intent,
  isOurs: (path: string, stat: Stat) => boolean,
  sums: Sums = {},
): 'done' | 'left' {
  const { kind, before, saved, temp } = intent
  const path = intent.path!
  let now = machine.lstat(path)
  if (kind === 'modify') {
    if (now && before) set(machine, path, now, before)
    return 'done'
  }
  if (kind === 'mkdir') {
    if (now?.kind !== 'directory') return 'done'
    machine.settle()
    if (machine.list(path).some(name => !name.startsWith(temporaryPrefix(tag)))) return 'left'
    machine.rmdir(path)
    return 'done'
  }
  if (kind === 'rmdir') {
    if (before && !now) machine.mkdir(path, before)
    return 'done'
  }
  if (before && now && now.ino === before.ino && now.dev === before.dev) {
    restoreAttributes(machine, path, before)
    return 'done'
  }
  if (now && !isOurs(path, now)) {
    // Neither what was there before nor what the run put there: somebody's work.
    if (now.kind === 'directory') return 'left'
    keepEdit(path, now, 'put')
  } else if (now?.kind === 'directory' && kind !== 'restore') {
    // An archive was unpacked here, be it in the place of what is to come back.
    machine.settle()
    machine.removeTree(path)
    now = undefined
  } else if (now?.kind === 'directory') {
    // A saved directory that had returned goes back where it was kept, or its copy goes.
    machine.rename(path, machine.lstat(intent.source!) === undefined ? intent.source! : temp!)
    machine.settle()
    return 'done'
  }
  if (!before) {
    if (now) machine.unlink(path)
    return 'done'
  }
  if (before.kind === 'directory') {
    const aside = [temp, saved].find(each => each !== undefined && machine.lstat(each) !== undefined)
    if (aside === undefined) throw new StepError('ORIGINAL_DAMAGED', path, 'found nothing saved')
    machine.rename(aside, path)
    machine.settle()
    return 'done'
  }
  const damage =
    saved === undefined ? 'found nothing saved' : damageOf(machine, saved, before.kind, sums[saved])
  if (saved === undefined || damage !== undefined) throw new StepError('ORIGINAL_DAMAGED', path, damage!)
  const back = join(dirname(path), `${basename(temp!)}-b`)
  if (machine.lstat(back) !== undefined) machine.unlink(back)
  if (!machine.link(saved, back)) machine.copy(saved, back)
  restoreAttributes(machine, back, before)
  machine.rename(back, path)
  return 'done'
}

/** To another file system; ONE_WAY when it is too large for that. */
export function copyTree(machine: System, from: string, to: string) {
  measure(machine, from, copiedTreeBytesMax)
  machine.copy(from, to)
}

/** Bytes of all files below a directory; ONE_WAY above `bytesMax`. */
export function measure(machine: System, path: string, bytesMax: number): number {
  let sum = 0
  for (const name of machine.list(path)) {
    const stat = machine.lstat(join(path, name))
    sum += stat?.kind === 'directory' ? measure(machine, join(path, name), bytesMax - sum) : (stat?.size ?? 0)
    if (sum > bytesMax)
      throw new StepError('ONE_WAY', path, 'found more than 64 MiB on another file system; remove it by hand')
  }
  return sum
}

/** `path` stands in for a temporary name beside it. What is no StepError is thrown on. */
export function reasonFrom(error: unknown, path?: string): Reason {
  if (!(error instanceof StepError)) throw error
  const { reason } = error
  const temporary = reason.path?.includes(`/${temporaryPrefix('')}`)
  return temporary && path !== undefined ? { ...reason, path } : reason
}
