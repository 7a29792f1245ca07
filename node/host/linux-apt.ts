// Packages of Debian and its kin: what dpkg has is read from its own files, what is to change goes through apt-get, one
// transaction for all. Whether a transaction is what the steps say is decided in packages.ts.
import * as fs from 'node:fs'
import {
  compareVersions,
  conffilesOf,
  parseBlamed,
  parseGrowth,
  parseMadison,
  parseNotRemoved,
  parseSimulation,
} from './dpkg.ts'
import { StepError } from './errors.ts'
import { type Dpkg, openDpkg } from './linux-dpkg.ts'
import { openKeep } from './linux-keep.ts'
import { inside, runOutside, unasked, waitOutside } from './linux-outside.ts'
import { quietly, unmask } from './linux-quiet.ts'
import { run } from './linux-run.ts'
import {
  lastLines,
  type Marks,
  type Movement,
  marksOf,
  offences,
  type Request,
  requestOf,
  shortfall,
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
import type { Ran } from './system.ts'

/** For what only asks. Fetching may take as long as a transaction. */
const askMs = 2 * 60_000
const fetchMs = 30 * 60_000
/** Of a file system: the part that a transaction must leave free. */
const reserve = 0.05

const options = [
  ...['-y', '-q', '--allow-change-held-packages', '--allow-downgrades'],
  ...['-o', 'Dpkg::Options::=--force-confdef', '-o', 'Dpkg::Options::=--force-confold'],
  ...['-o', 'Dpkg::Use-Pty=0', '-o', 'DPkg::Lock::Timeout=60', '-o', 'APT::Get::AutomaticRemove=false'],
]
/** With these, apt names what nothing depends on any more, and what came along is only that. */
const sweeping = [
  ...['-o', 'APT::Get::AutomaticRemove=true'],
  ...['-o', 'APT::AutoRemove::RecommendsImportant=false', '-o', 'APT::AutoRemove::SuggestsImportant=false'],
]

/** A transaction that was simulated, downloaded and found right. */
interface Ready {
  readonly key: string
  readonly request: Request
  /** As apt-get wants them: `a=1.0`, `b-`, `/path/of/a.deb`. */
  readonly words: readonly string[]
  readonly movements: readonly Movement[]
  /** What came along and stays. */
  readonly needed: readonly string[]
}

/** Whether packages at `root` are dpkg's. */
export function hasDpkg(root: string): boolean {
  return fs.existsSync(`${root}/var/lib/dpkg/status`)
}

/** `state`: an existing directory of ours; package files that were replaced are kept in it. */
export function openApt(root: string, state: string): Provider {
  return new Apt(root, state)
}

class Apt implements Provider {
  readonly kind = 'package'
  readonly spreads = true
  readonly whole = true
  readonly #root: string
  readonly #dpkg: Dpkg
  readonly #folder: string
  readonly #keep: ReturnType<typeof openKeep>
  #ready: Ready | undefined
  #updatedMs = 0
  #working = false

  constructor(root: string, state: string) {
    this.#root = fs.realpathSync(root)
    this.#dpkg = openDpkg(this.#root)
    this.#folder = `${state}/packages`
    this.#keep = openKeep(this.#folder, 'deb')
  }

  async observe(names: readonly string[]): Promise<Snapshot> {
    const { packages } = this.#dpkg.look()
    const found = new Map<ResourceId, State | null>()
    for (const [name, each] of packages) found.set(resourceId('package', name), each)
    for (const name of names) found.set(resourceId('package', name), packages.get(this.#plain(name)) ?? null)
    return found
  }

  async prepare(asked: readonly Change[]): Promise<void> {
    this.#ready = await this.#make(this.#known(asked))
  }

  async change(asked: readonly Change[], { quiet }: Surroundings = { quiet: [] }): Promise<Changed> {
    const changes = this.#known(asked)
    const ready = this.#ready?.key === this.#keyOf(changes) ? this.#ready : await this.#make(changes)
    this.#ready = undefined
    const { text } = this.#dpkg.look()
    this.#working = true
    try {
      const output = ready.words.length > 0 ? await this.#transact(changes, ready, quiet) : ''
      await this.#mark(marksOf(changes, this.#dpkg.look().packages))
      const short = shortfall(changes, this.#dpkg.look().packages)
      if (short)
        throw new StepError('PACKAGE_FAILED', short.change.id, `${short.detail}\n${lastLines(output)}`)
      return { leftBehind: this.#leftBehind(ready, text, output) }
    } finally {
      this.#working = false
    }
  }

  async oneWay(asked: readonly Change[]): Promise<ReadonlyMap<ResourceId, string>> {
    const found = new Map<ResourceId, string>()
    const leaving: { id: ResourceId; name: string; version: string }[] = []
    for (const { id, to, purge } of asked) {
      const name = this.#plain(nameOf(id))
      const now = this.#dpkg.look().packages.get(name)
      const wanted = to as { version: string } | null
      if (!now || (wanted && (wanted.version === '' || wanted.version === now.version))) continue
      if (wanted === null && purge) found.set(id, 'its configuration and data go with it (undo=purge)')
      else leaving.push({ id, name, version: now.version })
    }
    const gone = leaving.filter(each => this.#fileOf(each.name, each.version) === undefined)
    const offered = await this.#offered(gone.map(each => each.name))
    for (const { id, name, version } of gone)
      if (!offered.get(name)?.includes(version))
        found.set(id, `version ${version} is in no source any more, and its package file is not kept`)
    return found
  }

  async recover(): Promise<void> {
    await waitOutside(this.#root, () => this.#dpkg.holder() !== undefined)
    await this.#finish()
    await unmask(this.#root, this.#maskedRecord)
  }

  hear(hint: (name: string | undefined) => void, deaf: (why: string) => void): () => void {
    return this.#dpkg.hear(() => hint(undefined), deaf)
  }

  busy(): boolean {
    return !this.#working && this.#dpkg.holder() !== undefined
  }

  owns(paths: readonly string[]): ReadonlySet<string> {
    return this.#dpkg.owns(paths)
  }

  close(): void {}

  /** `a:all`, and `a:amd64` of a machine of that kind, are what apt calls `a`. */
  #plain(name: string): string {
    const [plain = '', arch] = name.split(':')
    return arch === 'all' || arch === this.#dpkg.look().native ? plain : name
  }

  #known(changes: readonly Change[]): readonly Change[] {
    return changes.map(each => ({ ...each, id: resourceId('package', this.#plain(nameOf(each.id))) }))
  }

  /** Everything up to the transaction itself. Errors: PACKAGE_LOCKED, PACKAGE_UNKNOWN, PACKAGE_CONFLICT, DISK_FULL. */
  async #make(changes: readonly Change[]): Promise<Ready> {
    if (process.geteuid!() !== 0)
      throw new StepError(
        'NO_PERMISSION',
        undefined,
        'found an ordinary user; expected root to change packages',
      )
    fs.mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    const holder = this.#dpkg.holder()
    if (holder !== undefined)
      throw new StepError('PACKAGE_LOCKED', undefined, `found process ${holder} at work on packages`)
    await this.#finish()
    const key = this.#keyOf(changes)
    const asked = requestOf(changes, this.#dpkg.look().packages)
    const installs = await this.#resolve(asked)
    const { request, needed } = await this.#sweep(asked, installs)
    const words = [...installs, ...request.remove.map(name => `${name}-`)]
    if (words.length === 0) return { key, request, words, movements: [], needed }

    const movements = await this.#simulate(changes, words)
    if (request.install.length > 0) await this.#download(words)
    await this.#keepOld(movements)
    return { key, request, words, movements, needed }
  }

  #keyOf(changes: readonly Change[]): string {
    const asked = changes.map(({ id, to, purge, along }) => [id, to, purge, along])
    return `${this.#dpkg.signature()} ${JSON.stringify(asked)}`
  }

  /** apt-get's words for what is to be installed; fetches the lists where they may be too old to tell. */
  async #resolve({ install }: Request): Promise<readonly string[]> {
    if (install.length === 0) return []
    const names = install.map(each => each.name)
    let offered = await this.#offered(names)
    const find = ({ name, version }: { name: string; version: string }): string | undefined => {
      const versions = offered.get(name) ?? []
      if (version === '') return versions.length > 0 ? name : undefined
      if (versions.includes(version)) return `${name}=${version}`
      const file = this.#fileOf(name, version)
      return file && this.#intoCache(name, version, file)
    }
    let said = ''
    if (this.#sourcesChanged() || install.some(each => find(each) === undefined)) {
      said = await this.#update()
      offered = await this.#offered(names)
    }
    return install.map(each => {
      const word = find(each)
      if (word !== undefined) return word
      const versions = offered.get(each.name) ?? []
      const found =
        versions.length > 0
          ? `version ${each.version}; there are: ${versions.slice(0, 10).join(', ')}`
          : each.name
      const detail = `found ${found}; expected a package or version that the machine's sources offer`
      throw new StepError(
        'PACKAGE_UNKNOWN',
        resourceId('package', each.name),
        `${detail}${said && `\n${said}`}`,
      )
    })
  }

  /** Of what came along, only what nothing needs once the rest is done. */
  async #sweep(asked: Request, installs: readonly string[]): Promise<{ request: Request; needed: string[] }> {
    if (asked.along.length === 0) return { request: asked, needed: [] }
    const words = [...installs, ...asked.remove.map(name => `${name}-`)]
    const ran = await this.#ask(['apt-get', ...options, ...sweeping, '-s', 'install', ...words])
    const unneeded = new Set(
      parseSimulation(ran.output).flatMap(each => (each.to === undefined ? [each.name] : [])),
    )
    const remove = [...asked.remove, ...asked.along.filter(name => unneeded.has(name))]
    return { request: { ...asked, remove }, needed: asked.along.filter(name => !unneeded.has(name)) }
  }

  async #simulate(changes: readonly Change[], words: readonly string[]): Promise<readonly Movement[]> {
    const ran = await this.#ask(['apt-get', ...options, '-s', 'install', ...words])
    const blamed = changes.length === 1 ? changes[0]!.id : undefined
    if (ran.code !== 0) throw new StepError('PACKAGE_CONFLICT', blamed, lastLines(ran.output))
    const movements = parseSimulation(ran.output)
    const wrong = offences(changes, movements, this.#dpkg.look().packages, compareVersions)
    if (wrong.length > 0)
      throw new StepError(
        'PACKAGE_CONFLICT',
        blamed,
        `found that apt would ${wrong.slice(0, 20).join(', ')}; expected that a step says so`,
      )
    return movements
  }

  async #download(words: readonly string[]): Promise<void> {
    const ran = await this.#ask(['apt-get', ...options, '--download-only', 'install', ...words], fetchMs)
    if (ran.code !== 0) throw failed(ran, undefined, 'PACKAGE_FAILED')
    const { bavail, bsize, blocks } = fs.statfsSync(this.#dpkg.path('/usr'))
    const [free, growth] = [bavail * bsize, parseGrowth(ran.output)]
    if (growth > 0 && free - growth < blocks * bsize * reserve)
      throw new StepError(
        'DISK_FULL',
        undefined,
        `found ${mebibytes(free)} free in /usr; expected ${mebibytes(growth)} and a reserve of ${reserve * 100} %`,
      )
  }

  /** The files of versions that leave: from apt's cache, or from the sources as long as they have them. */
  async #keepOld(movements: readonly Movement[]): Promise<void> {
    const missing: { name: string; from: string }[] = []
    for (const { name, from } of movements) {
      if (from === undefined || this.#keep.find(name, from)) continue
      const cached = this.#cached(name, from)
      if (cached) this.#keep.put(name, from, cached)
      else missing.push({ name, from })
    }
    const offered = await this.#offered(missing.map(each => each.name))
    const fetched = missing.filter(each => offered.get(each.name)?.includes(each.from))
    if (fetched.length === 0) return
    const words = fetched.map(each => `${each.name}=${each.from}`)
    await this.#ask(
      ['sh', '-c', 'cd /var/cache/apt/archives && exec apt-get -q download "$@"', 'sh', ...words],
      fetchMs,
    )
    for (const { name, from } of fetched) {
      const cached = this.#cached(name, from)
      if (cached) this.#keep.put(name, from, cached)
    }
  }

  async #transact(
    changes: readonly Change[],
    { request, words, movements }: Ready,
    quiet: readonly string[],
  ) {
    const starting = movements.some(each => each.to !== undefined)
    const ran = await quietly(this.#root, starting ? quiet : [], this.#maskedRecord, async () => {
      const ran = await this.#outside(['apt-get', ...options, 'install', ...words])
      const purge = request.purge.filter(name => request.remove.includes(name))
      if (ran.code !== 0 || purge.length === 0) return ran
      const purged = await this.#outside(['dpkg', '--purge', ...purge])
      return { ...purged, output: `${ran.output}\n${purged.output}` }
    })
    if (ran.code === 0) return ran.output
    const blamed = parseBlamed(ran.output)
    const change = changes.find(each => nameOf(each.id) === blamed)
    throw failed(ran, change?.id, 'PACKAGE_FAILED')
  }

  async #mark(marks: Marks): Promise<void> {
    for (const [word, names] of Object.entries(marks)) {
      if (names.length === 0) continue
      const ran = await this.#ask(['apt-mark', word, ...names])
      if (ran.code !== 0) throw failed(ran, undefined, 'PACKAGE_FAILED')
    }
  }

  #leftBehind({ request, movements, needed }: Ready, before: string, output: string): readonly string[] {
    const now = this.#dpkg.look().packages
    const removed = movements
      .filter(each => each.to === undefined && !now.has(each.name) && !request.purge.includes(each.name))
      .map(each => each.name)
    const kept = removed
      .flatMap(name => conffilesOf(before, name))
      .filter(path => fs.existsSync(this.#dpkg.path(path)))
    const directories = parseNotRemoved(output).filter(path => fs.existsSync(this.#dpkg.path(path)))
    return [
      ...new Set([
        ...kept,
        ...this.#dpkg.left(removed),
        ...directories,
        ...needed.map(name => `package ${name}`),
      ]),
    ]
  }

  /** Ends what a crash or somebody's interrupt left in the middle. */
  async #finish(): Promise<void> {
    if (!this.#dpkg.interrupted()) return
    fs.mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    this.#working = true
    try {
      // What still fails shows in the states that are observed next.
      await this.#outside(['dpkg', '--force-confdef', '--force-confold', '--configure', '-a'])
    } finally {
      this.#working = false
    }
  }

  /** Somebody changed where packages come from since the lists were fetched. */
  #sourcesChanged(): boolean {
    const fetched = Math.max(
      this.#updatedMs,
      changedMs(`${this.#folder}/updated`),
      changedMs(this.#dpkg.path('/var/lib/apt/lists')),
    )
    return newestUnder(this.#dpkg.path('/etc/apt')) > fetched
  }

  /** Answers what went wrong. An unreachable mirror is no error as long as what is wanted is known. */
  async #update(): Promise<string> {
    const ran = await this.#ask(['apt-get', '-q', 'update'], fetchMs)
    if (isLocked(ran.output)) throw failed(ran, undefined, 'PACKAGE_LOCKED')
    this.#updatedMs = Date.now()
    if (ran.code === 0) fs.writeFileSync(`${this.#folder}/updated`, '')
    return lastLines(ran.output.replace(/^(?![EW]: ).*\n?/gm, ''), 4)
  }

  async #offered(names: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    if (names.length === 0) return new Map()
    return parseMadison((await this.#ask(['apt-cache', 'madison', ...names])).output)
  }

  /** A package file that we or apt have. */
  #fileOf(name: string, version: string): string | undefined {
    return this.#keep.find(name, version) ?? this.#cached(name, version)
  }

  #cached(name: string, version: string): string | undefined {
    const [plain = '', arch] = name.split(':')
    const directory = this.#dpkg.path(archives)
    if (!fs.existsSync(directory)) return undefined
    const head = `${plain}_${version.replaceAll(':', '%3a')}_`
    const file = fs
      .readdirSync(directory)
      .find(each => each.startsWith(head) && each.endsWith(arch ? `_${arch}.deb` : '.deb'))
    return file && `${directory}/${file}`
  }

  /** As seen from inside the root, which may not hold our own directory. */
  #intoCache(name: string, version: string, file: string): string {
    const cached = this.#cached(name, version)
    if (cached) return `${archives}/${cached.slice(cached.lastIndexOf('/') + 1)}`
    const [plain = '', arch = 'kept'] = name.split(':')
    const target = `${archives}/${plain}_${version.replaceAll(':', '%3a')}_${arch}.deb`
    fs.copyFileSync(file, this.#dpkg.path(target))
    return target
  }

  #ask(argv: readonly string[], timeoutMs = askMs): Promise<Ran> {
    return run(inside(this.#root, argv), { timeoutMs, env: unasked, outputMax: 4 * 1024 * 1024 })
  }

  #outside(argv: readonly string[]): Promise<Ran> {
    return runOutside(this.#root, inside(this.#root, argv), `${this.#folder}/log`)
  }

  get #maskedRecord(): string {
    return `${this.#folder}/masked`
  }
}

const archives = '/var/cache/apt/archives'

function changedMs(path: string): number {
  return fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

/** The newest change at or below a directory; ctime, since a file that is moved here keeps its mtime. */
function newestUnder(directory: string): number {
  if (!fs.existsSync(directory)) return 0
  const names = fs.readdirSync(directory, { recursive: true, encoding: 'utf8' })
  const times = names.map(
    name => fs.lstatSync(`${directory}/${name}`, { throwIfNoEntry: false })?.ctimeMs ?? 0,
  )
  return Math.max(fs.statSync(directory).ctimeMs, ...times)
}

const isLocked = (output: string) =>
  /Could not get lock|Unable to acquire the dpkg|Unable to lock/.test(output)

function failed(ran: Ran, id: ResourceId | undefined, code: 'PACKAGE_FAILED' | 'PACKAGE_LOCKED'): StepError {
  const detail = ran.timedOut ? 'found no end within half an hour' : lastLines(ran.output)
  if (/No space left on device|enough free space/.test(ran.output))
    return new StepError('DISK_FULL', id, detail)
  return new StepError(isLocked(ran.output) ? 'PACKAGE_LOCKED' : code, id, detail)
}

const mebibytes = (bytes: number) => `${Math.round(bytes / 1024 ** 2)} MiB`
