// What is to be asked of a package manager so that changes come true, and whether what it would do is what the steps
// say. Pure, and the same for apt and dnf; their own words are left to dpkg.ts and rpm.ts.
import { type Change, nameOf, type States } from './resource.ts'

export type PackageState = States['package']
/** What is installed, by name. */
export type Packages = ReadonlyMap<string, PackageState>

/** One package that a transaction installs, replaces (`from` and `to`) or removes (no `to`). */
export interface Movement {
  readonly name: string
  readonly from?: string
  readonly to?: string
}

/** What a transaction is asked for. */
export interface Request {
  /** Version '': any. */
  readonly install: readonly { readonly name: string; readonly version: string }[]
  readonly remove: readonly string[]
  /** Of those that are removed. */
  readonly purge: readonly string[]
  /** Removed only if nothing else needs them. */
  readonly along: readonly string[]
}

/** Marks that differ from what is wanted, once the packages are there. */
export interface Marks {
  readonly hold: readonly string[]
  readonly unhold: readonly string[]
  readonly auto: readonly string[]
  readonly manual: readonly string[]
}

const wanted = ({ to }: Change) => to as PackageState | null

/** What is left to do where `now` is installed. */
export function requestOf(changes: readonly Change[], now: Packages): Request {
  const install: { name: string; version: string }[] = []
  const remove: string[] = []
  const purge: string[] = []
  const along: string[] = []
  for (const change of changes) {
    const name = nameOf(change.id)
    const [to, is] = [wanted(change), now.get(name)]
    if (to === null) {
      if (is === undefined) continue
      if (change.along) along.push(name)
      else remove.push(name)
      if (change.purge) purge.push(name)
    } else if (is === undefined || (to.version === '' ? is.version.includes(' ') : is.version !== to.version))
      install.push({ name, version: to.version })
  }
  return { install, remove, purge, along }
}

export function marksOf(changes: readonly Change[], now: Packages): Marks {
  const differ = (key: 'held' | 'automatic', value: boolean) =>
    changes.flatMap(change => {
      const name = nameOf(change.id)
      const [to, is] = [wanted(change), now.get(name)]
      return to && is && to[key] === value && is[key] !== value ? [name] : []
    })
  return {
    hold: differ('held', true),
    unhold: differ('held', false),
    auto: differ('automatic', true),
    manual: differ('automatic', false),
  }
}

/** What a transaction would do although no step names it, in words; empty: nothing. */
export function offences(
  changes: readonly Change[],
  movements: readonly Movement[],
  now: Packages,
  compare: (a: string, b: string) => number,
): readonly string[] {
  const named = new Set(changes.map(({ id }) => nameOf(id)))
  return movements.flatMap(({ name, from, to }) => {
    if (named.has(name)) return []
    if (to === undefined) return [`remove ${name}`]
    if (from !== undefined && compare(to, from) < 0) return [`put ${name} back from ${from} to ${to}`]
    return from !== undefined && now.get(name)?.held ? [`change ${name}, which is held`] : []
  })
}

/** The first change that is not so, with what was found; undefined: all are. */
export function shortfall(
  changes: readonly Change[],
  now: Packages,
): { readonly change: Change; readonly detail: string } | undefined {
  for (const change of changes) {
    if (change.along) continue
    const [to, is] = [wanted(change), now.get(nameOf(change.id))]
    const found = is === undefined ? 'no package' : `version ${is.version}`
    const right =
      to === null
        ? is === undefined
        : is !== undefined && (to.version === '' ? !is.version.includes(' ') : is.version === to.version)
    if (right) continue
    const expected = to === null ? 'none' : to.version === '' ? 'any version' : `version ${to.version}`
    return { change, detail: `found ${found} after the transaction; expected ${expected}` }
  }
  return undefined
}

/** The end of what a command said, fit for a reason. */
export function lastLines(output: string, linesMax = 12): string {
  return output.trim().split('\n').slice(-linesMax).join('\n').slice(-2000)
}

/** What a package manager is asked for at once, in its own words. */
export interface Asked {
  /** `a=1.0`, `/path/of/a.deb`. */
  readonly install: readonly string[]
  /** Names. */
  readonly remove: readonly string[]
}

/** With what it would do. */
export interface Transaction extends Asked {
  readonly movements: readonly Movement[]
}

/** Port: a package manager and its database, as linux-packages.ts drives them. Every promise may fail with a StepError. */
export interface Manager {
  /** For messages. */
  readonly name: 'apt' | 'dnf'
  /** Directories that say where packages come from, and the one that is written when that is read; inside the root. */
  readonly sources: { readonly said: readonly string[]; readonly read: string }
  /** Changes whenever the database does. */
  signature(): string
  look(): Promise<Packages>
  /** The name by which `look` knows a package. */
  plain(name: string): string
  /** The process that is at work on packages. */
  holder(): number | undefined
  /** A transaction broke off. */
  interrupted(): boolean
  finish(): Promise<void>
  compare(a: string, b: string): number
  /** The versions on offer, newest first, by name. */
  offered(names: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>
  /** Asks the sources what they have; answers what went wrong. */
  refresh(): Promise<{ readonly ok: boolean; readonly said: string }>
  /** The word for a package on offer; version '': any. */
  word(name: string, version: string): string
  /** The word for a package file. */
  fileWord(name: string, version: string, file: string): string
  /** What it would do; PACKAGE_CONFLICT. `sweep`: as if it removed what nothing depends on any more, too. */
  simulate(asked: Asked, sweep: boolean): Promise<readonly Movement[]>
  /** Downloads what it needs; answers by how many bytes the disk would fill. */
  fetch(transaction: Transaction): Promise<number>
  /** A package file that it has. */
  cached(name: string, version: string): string | undefined
  /** Downloads package files, so that `cached` has them; those that it cannot have are left out. */
  fetchFiles(packages: readonly { readonly name: string; readonly version: string }[]): Promise<void>
  /**
   * `quiet`: units that are not to be started by it. PACKAGE_FAILED names the package as `path`, where one is to blame.
   * Answers what was said.
   */
  transact(transaction: Transaction, purge: readonly string[], quiet: readonly string[]): Promise<string>
  mark(marks: Marks): Promise<void>
  /** To be called before a transaction that removes these; what it answers tells afterwards what they left. */
  remains(removed: readonly string[]): Promise<(said: string) => Promise<readonly string[]>>
  owns(paths: readonly string[]): ReadonlySet<string>
  hear(hint: () => void, deaf: (why: string) => void): () => void
}
