// Packages as a resource: each transaction is simulated, judged (packages.ts), downloaded and made reversible before
// anything changes, whichever package manager does it (linux-apt.ts, linux-dnf.ts).
import * as fs from 'node:fs'
import { StepError } from './errors.ts'
import { hasDpkg, openApt } from './linux-apt.ts'
import { hasRpm, openDnf } from './linux-dnf.ts'
import { type Keep, openKeep } from './linux-keep.ts'
import { underSystemd, waitOutside } from './linux-outside.ts'
import { reloading } from './linux-quiet.ts'
import {
  lastLines,
  type Manager,
  type Movement,
  marksOf,
  offences,
  type PackageState,
  type Request,
  requestOf,
  shortfall,
  type Transaction,
} from './packages.ts'
import {
  type Change,
  type Changed,
  nameOf,
  type Provider,
  type ResourceId,
  resourceId,
  type Snapshot,
  type State,
  type Surroundings,
} from './resource.ts'

/** Of a file system: the part that a transaction must leave free. */
const reserve = 0.05

/** Found right, downloaded, and the way back is kept. */
interface Ready {
  readonly key: string
  readonly transaction: Transaction
  readonly purge: readonly string[]
  /** What came along and stays. */
  readonly needed: readonly string[]
}

/** Undefined where neither dpkg nor rpm is. `state`: a directory of ours, where replaced package files are kept. */
export function openPackages(root: string, state: string): Provider | undefined {
  const real = fs.realpathSync(root)
  const folder = `${state}/packages`
  if (hasDpkg(real)) return new Packages(real, folder, openApt(real, folder), openKeep(folder, 'deb'))
  if (hasRpm(real)) return new Packages(real, folder, openDnf(real, folder), openKeep(folder, 'rpm'))
  return undefined
}

class Packages implements Provider {
  readonly kind = 'package'
  readonly spreads = true
  readonly whole = true
  readonly sources: readonly string[]
  readonly #root: string
  readonly #folder: string
  readonly #manager: Manager
  readonly #keep: Keep
  #ready: Ready | undefined
  #refreshedMs = 0
  #working = false

  constructor(root: string, folder: string, manager: Manager, keep: Keep) {
    this.#root = root
    this.#folder = folder
    this.#manager = manager
    this.#keep = keep
    this.sources = manager.sources.said
  }

  async observe(names: readonly string[]): Promise<Snapshot> {
    const packages = await this.#manager.look()
    const found = new Map<ResourceId, State | null>()
    for (const [name, each] of packages) found.set(resourceId('package', name), each)
    for (const name of names)
      found.set(resourceId('package', name), packages.get(this.#manager.plain(name)) ?? null)
    return found
  }

  async prepare(changes: readonly Change[]): Promise<void> {
    this.#ready = await this.#make(this.#plain(changes))
  }

  async change(asked: readonly Change[], { quiet }: Surroundings = { quiet: [] }): Promise<Changed> {
    const manager = this.#manager
    const changes = this.#plain(asked)
    const ready = this.#ready?.key === this.#keyOf(changes) ? this.#ready : await this.#make(changes)
    this.#ready = undefined
    const { transaction, purge, needed } = ready
    const { movements } = transaction
    const leaving = movements.filter(each => each.to === undefined && !purge.includes(each.name))
    const remains = await manager.remains(leaving.map(each => each.name))
    return await this.#work(async () => {
      const said =
        movements.length === 0
          ? ''
          : await reloading(this.#root, () => manager.transact(transaction, purge, quiet))
      await manager.mark(marksOf(changes, await manager.look()))
      const now = await manager.look()
      const short = shortfall(changes, now)
      if (short) throw new StepError('PACKAGE_FAILED', short.change.id, `${short.detail}\n${lastLines(said)}`)
      return { leftBehind: [...(await remains(said)), ...needed.map(name => `package ${name}`)] }
    })
  }

  async oneWay(changes: readonly Change[]): Promise<ReadonlyMap<ResourceId, string>> {
    const manager = this.#manager
    const packages = await manager.look()
    const found = new Map<ResourceId, string>()
    const leaving: { id: ResourceId; name: string; version: string }[] = []
    for (const { id, to, purge } of changes) {
      const name = manager.plain(nameOf(id))
      const now = packages.get(name)
      const wanted = to as { version: string } | null
      if (!now || now.version.includes(' ')) continue
      if (wanted && (wanted.version === '' || wanted.version === now.version)) continue
      if (wanted === null && purge) found.set(id, 'its configuration and data go with it (undo=purge)')
      else if (this.#fileOf(name, now.version) === undefined) leaving.push({ id, name, version: now.version })
    }
    const offered = await this.#offered(leaving.map(each => each.name))
    for (const { id, name, version } of leaving)
      if (!offered.get(name)?.includes(version))
        found.set(id, `version ${version} is in no source any more, and its package file is not kept`)
    return found
  }

  async recover(reverts: boolean): Promise<void> {
    // Without systemd what the agent began cannot be told from what others do.
    const others = reverts || !underSystemd(this.#root)
    await waitOutside(this.#root, () => others && this.#manager.holder() !== undefined)
    await this.#finish()
  }

  hear(hint: (name: string | undefined) => void, deaf: (why: string) => void): () => void {
    return this.#manager.hear(() => hint(undefined), deaf)
  }

  busy(): boolean {
    return !this.#working && this.#manager.holder() !== undefined
  }

  owns(paths: readonly string[]): ReadonlySet<string> {
    return this.#manager.owns(paths)
  }

  close(): void {}

  /** The same changes by the names that the package manager uses. Nobody wants a package back that was in the middle. */
  #plain(changes: readonly Change[]): readonly Change[] {
    return changes.map(each => {
      const to = each.to as PackageState | null
      const id = resourceId('package', this.#manager.plain(nameOf(each.id)))
      return { ...each, id, to: to && { ...to, version: to.version.split(' ')[0]! } }
    })
  }

  /** A lock that is held meanwhile is our own. */
  async #work<T>(work: () => Promise<T>): Promise<T> {
    fs.mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    this.#working = true
    try {
      return await work()
    } finally {
      this.#working = false
    }
  }

  /** Everything up to the transaction itself. Errors: PACKAGE_LOCKED, PACKAGE_UNKNOWN, PACKAGE_CONFLICT, DISK_FULL. */
  async #make(changes: readonly Change[]): Promise<Ready> {
    const manager = this.#manager
    if (process.geteuid!() !== 0)
      throw new StepError('NO_PERMISSION', undefined, 'found an ordinary user; expected root, for packages')
    fs.mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    const holder = manager.holder()
    if (holder !== undefined)
      throw new StepError('PACKAGE_LOCKED', undefined, `found process ${holder} at work on packages`)
    await this.#finish()
    const key = this.#keyOf(changes)
    const asked = requestOf(changes, await manager.look())
    const install = await this.#resolve(asked)
    const { remove, needed } = await this.#sweep(asked, install)
    const purge = asked.purge.filter(name => remove.includes(name))
    const words = { install, remove }
    if (install.length + remove.length === 0)
      return { key, transaction: { ...words, movements: [] }, purge, needed }

    const movements = await manager.simulate(words, false)
    const transaction = { ...words, movements }
    const now = await manager.look()
    const come = new Set([...now.keys(), ...movements.map(each => each.name)])
    const skipped = asked.install.filter(each => !come.has(each.name)).map(each => `skip ${each.name}`)
    const wrong = [...skipped, ...offences(changes, movements, now, manager.compare)]
    if (wrong.length > 0)
      throw new StepError(
        'PACKAGE_CONFLICT',
        changes.length === 1 ? changes[0]!.id : undefined,
        `found that ${manager.name} would ${wrong.slice(0, 20).join(', ')}; expected that a step says so`,
      )
    if (install.length > 0) this.#room(await manager.fetch(transaction))
    await this.#keepOld(movements)
    return { key, transaction, purge, needed }
  }

  #keyOf(changes: readonly Change[]): string {
    const asked = changes.map(({ id, to, purge, along }) => [id, to, purge, along])
    return `${this.#manager.signature()} ${JSON.stringify(asked)}`
  }

  /** The words for what is to be installed; asks the sources anew where what is known may be too old to tell. */
  async #resolve({ install }: Request): Promise<readonly string[]> {
    if (install.length === 0) return []
    const manager = this.#manager
    const names = install.map(each => each.name)
    let offered = await this.#offered(names)
    const find = ({ name, version }: (typeof install)[number]): string | undefined => {
      const versions = offered.get(name) ?? []
      if (version === '' ? versions.length > 0 : versions.includes(version))
        return manager.word(name, version)
      const file = this.#fileOf(name, version)
      return file && manager.fileWord(name, version, file)
    }
    let said = ''
    if (this.#sourcesChanged() || install.some(each => find(each) === undefined)) {
      const refreshed = await manager.refresh()
      this.#refreshedMs = Date.now()
      if (refreshed.ok) fs.writeFileSync(`${this.#folder}/refreshed`, '')
      said = refreshed.said === '' ? '' : `\n${refreshed.said}`
      offered = await this.#offered(names)
    }
    return install.map(each => {
      const word = find(each)
      if (word !== undefined) return word
      const versions = offered.get(each.name) ?? []
      const some = `version ${each.version}; there are: ${versions.slice(0, 10).join(', ')}`
      const detail = `found ${versions.length > 0 ? some : `no ${each.name}`}; expected that a source of the machine offers it`
      throw new StepError('PACKAGE_UNKNOWN', resourceId('package', each.name), `${detail}${said}`)
    })
  }

  /** Somebody changed where packages come from since that was read. */
  #sourcesChanged(): boolean {
    const { said, read } = this.#manager.sources
    const readMs = Math.max(
      this.#refreshedMs,
      writtenMs(`${this.#folder}/refreshed`),
      writtenMs(this.#path(read)),
    )
    return said.some(directory => newestUnder(this.#path(directory)) > readMs)
  }

  #path(inner: string): string {
    return this.#root === '/' ? inner : `${this.#root}${inner}`
  }

  /** Of what came along, only what nothing needs once the rest is done. */
  async #sweep(
    { remove, along }: Request,
    install: readonly string[],
  ): Promise<{ remove: readonly string[]; needed: readonly string[] }> {
    if (along.length === 0) return { remove, needed: [] }
    const movements = await this.#manager.simulate({ install, remove }, true)
    const unneeded = new Set(movements.flatMap(each => (each.to === undefined ? [each.name] : [])))
    return {
      remove: [...remove, ...along.filter(name => unneeded.has(name))],
      needed: along.filter(name => !unneeded.has(name)),
    }
  }

  #room(growth: number): void {
    const { bavail, bsize, blocks } = fs.statfsSync(this.#path('/usr'))
    const free = bavail * bsize
    if (growth <= 0 || free - growth >= blocks * bsize * reserve) return
    const mebibytes = (bytes: number) => `${Math.round(bytes / 1024 ** 2)} MiB`
    const detail = `found ${mebibytes(free)} free in /usr; expected ${mebibytes(growth)} and a reserve of ${reserve * 100} %`
    throw new StepError('DISK_FULL', undefined, detail)
  }

  /** The files of versions that leave, as long as they can be had. */
  async #keepOld(movements: readonly Movement[]): Promise<void> {
    const manager = this.#manager
    const leaving = movements.flatMap(({ name, from }) =>
      from === undefined || this.#keep.find(name, from) ? [] : [{ name, version: from }],
    )
    const missing = leaving.filter(each => manager.cached(each.name, each.version) === undefined)
    const offered = await this.#offered(missing.map(each => each.name))
    const there = missing.filter(each => offered.get(each.name)?.includes(each.version))
    if (there.length > 0) await manager.fetchFiles(there)
    for (const { name, version } of leaving) {
      const file = manager.cached(name, version)
      if (file !== undefined) this.#keep.put(name, version, file)
    }
  }

  /** A package file that we or the package manager have. */
  #fileOf(name: string, version: string): string | undefined {
    return this.#keep.find(name, version) ?? this.#manager.cached(name, version)
  }

  async #offered(names: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    return names.length === 0 ? new Map() : await this.#manager.offered(names)
  }

  /** Ends what a crash or somebody's interrupt left in the middle. What still fails shows in what is observed next. */
  async #finish(): Promise<void> {
    if (this.#manager.interrupted()) await this.#work(() => this.#manager.finish())
  }
}

function writtenMs(path: string): number {
  return fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

/** The newest change at or below a directory; ctime, since a file that is moved there keeps its mtime. */
function newestUnder(directory: string): number {
  if (!fs.existsSync(directory)) return 0
  const names = fs.readdirSync(directory, { recursive: true, encoding: 'utf8' })
  const times = names.map(
    name => fs.lstatSync(`${directory}/${name}`, { throwIfNoEntry: false })?.ctimeMs ?? 0,
  )
  return Math.max(fs.statSync(directory).ctimeMs, ...times)
}
