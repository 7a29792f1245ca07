// Port: what a machine has besides paths. A resource is known as `kind:name` (`user:deploy`) and has a small document
// as its state; null: there is none. Planner, journal and undo know only documents; what a kind means is known to
// its verb, which wants them, and to its provider, which reads and changes them.

/** The state of each kind. A provider gives every field; a verb copies the fields on which its step has no opinion. */
export interface States {
  group: { readonly gid: number }
  user: {
    readonly uid: number
    /** Of the primary group. */
    readonly gid: number
    /** Names of the supplementary groups, sorted. */
    readonly groups: readonly string[]
    readonly home: string
    readonly shell: string
    /** No password opens it (`!` or `*` in /etc/shadow). */
    readonly locked: boolean
    /** It was to go while processes of it ran: shut out since then. Never wanted, and nobody's original. */
    readonly leaving?: true
  }
  package: {
    /**
     * As the package manager writes it; where a transaction broke off, its word for that follows after a blank: `1.0
     * half-configured`. Wanted, '' is whichever version the machine's sources offer; what was got is what `observe` says.
     */
    readonly version: string
    /** The package manager must not change it by itself. */
    readonly held: boolean
    /** Came along with another one, and may go with it. */
    readonly automatic: boolean
  }
  unit: {
    /** Undefined: neither; a oneshot unit has done its work, or nothing can run in this root. It suits every step. */
    readonly running: boolean | undefined
    /** As `systemctl is-enabled` says it: enabled, disabled, masked, static, indirect … */
    readonly enabled: string
  }
  /** As /proc/sys shows it, tabs as single spaces. */
  sysctl: { readonly value: string }
}

export type Kind = keyof States
export type State = States[Kind]
export type ResourceId = `${Kind}:${string}`

/** What is known of a machine's resources at one moment. A resource that is not in it was not asked for. */
export type Snapshot = ReadonlyMap<ResourceId, State | null>

export interface Change {
  readonly id: ResourceId
  /** What the planner saw. */
  readonly from: State | null
  readonly to: State | null
  /** Only where the step says so: configuration and data go with it. */
  readonly purge?: boolean
  /**
   * Undo of what came along with another one: it goes only if nothing else needs it by now; else it stays, which is
   * no failure.
   */
  readonly along?: boolean
}

/** What a transaction must know of the rest of the run. */
export interface Surroundings {
  /**
   * Units that have a SERVICE step, in force or declared. Those that do not run are not started by package scripts, so
   * that none runs before it is configured.
   */
  readonly quiet: readonly string[]
}

/** What a transaction did. */
export interface Changed {
  /** Paths and things that stay although what they belong to is gone. */
  readonly leftBehind: readonly string[]
}

/** One kind of resource on one machine. Errors are StepErrors; one that concerns a single change has its id as `path`. */
export interface Provider {
  readonly kind: Kind
  /**
   * A change may touch more resources of its kind than it names (packages bring others). The engine then observes all
   * of them before and after, so that what came along can be taken back.
   */
  readonly spreads: boolean
  /** At least these, which may be more than there are; [] asks for all there are, if `whole`. */
  observe(names: readonly string[]): Promise<Snapshot>
  /** `observe` answers with everything there is of the kind, whatever is asked. */
  readonly whole: boolean
  /**
   * Directories that say what there is to fetch. Where the run itself changes something in them, PACKAGE_UNKNOWN is no
   * reason to wait: it may be known by then.
   */
  readonly sources?: readonly string[]
  /** All that can fail without anything being changed: fetch, space, locks. What it throws makes the run wait. */
  prepare(changes: readonly Change[]): Promise<void>
  /**
   * Makes all of them so, in one transaction where the kind has such. Called only with changes whose `from` differs
   * from `to`; reads again what it needs, since it is also the way back after a crash: a change that is already made
   * is no error.
   */
  change(changes: readonly Change[], surroundings?: Surroundings): Promise<Changed>
  /** Which of these changes cannot be taken back, each with the reason in words: shown in a plan as one-way. */
  oneWay(changes: readonly Change[]): Promise<ReadonlyMap<ResourceId, string>>
  /**
   * After a start that follows a crash, before anything is observed. `reverts`: changes of the kind are about to be taken
   * back, so whoever else is at work is waited for.
   */
  recover(reverts: boolean): Promise<void>
  /**
   * Calls `hint` when the resource of that name (undefined: any of the kind) may have changed, until what it answers is
   * called; `deaf` when it cannot hear (again), so that audits must do. A hint too many costs little, one too few an hour.
   */
  hear(hint: (name: string | undefined) => void, deaf: (why: string) => void): () => void
  /** Somebody else is changing resources of this kind right now (a package manager at work): repairs wait. */
  busy(): boolean
  /** Those of `paths` that belong to a resource of the kind: files of packages. Slow; asked only while it is busy. */
  owns?(paths: readonly string[]): ReadonlySet<string>
  close(): void
}

export type Providers = ReadonlyMap<Kind, Provider>

export function resourceId(kind: Kind, name: string): ResourceId {
  return `${kind}:${name}`
}

export function kindOf(id: ResourceId): Kind {
  return id.slice(0, id.indexOf(':')) as Kind
}

export function nameOf(id: ResourceId): string {
  return id.slice(id.indexOf(':') + 1)
}

/** Equal documents; the order of keys does not count. */
export function sameState(a: State | null, b: State | null): boolean {
  if (a === null || b === null) return a === b
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])] as (keyof State)[]
  return keys.every(key => JSON.stringify(a[key]) === JSON.stringify(b[key]))
}

/**
 * What a step that leaves must bring about: the fields that it changed return to `before`, all others stay as they
 * are `now`. Undefined: nothing.
 */
export function withdrawn(
  before: State | null,
  after: State | null,
  now: State | null,
): { readonly to: State | null } | undefined {
  if (before === null || now === null || after === null)
    return sameState(before, now) || (before !== null && after !== null) ? undefined : { to: before }
  const fields = (state: State) => Object.entries(state)
  const changed = fields(before).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(after[key as keyof State]),
  )
  const stayed = fields(now).filter(([key]) => key in before || !(key in after))
  const to = Object.fromEntries([...stayed, ...changed]) as unknown as State
  return sameState(to, now) ? undefined : { to }
}
