// apt-get and dpkg as a package manager: their words, options and answers. What dpkg has is read by linux-dpkg.ts; what
// is to be done is decided by linux-packages.ts.
import * as fs from 'node:fs'
import {
  compareVersions,
  condemnedOf,
  conffilesOf,
  parseBlamed,
  parseGrowth,
  parseMadison,
  parseNotRemoved,
  parseSimulation,
} from './dpkg.ts'
import { StepError } from './errors.ts'
import { openDpkg } from './linux-dpkg.ts'
import { openLeavings } from './linux-leavings.ts'
import { inside, runOutside, unasked } from './linux-outside.ts'
import { openPolicy } from './linux-quiet.ts'
import { run } from './linux-run.ts'
import { type Asked, lastLines, type Manager, type Transaction } from './packages.ts'
import { resourceId } from './resource.ts'
import type { Ran } from './system.ts'

/** For what only asks. Fetching may take as long as a transaction. */
const askMs = 2 * 60_000
const fetchMs = 30 * 60_000
/** What a simulation of thousands of packages says fits into it. Bytes. */
const outputMax = 4 * 1024 * 1024
const archives = '/var/cache/apt/archives'

/** Downgrades and held packages are judged before; recommended packages come as apt is configured. */
const options = [
  ...['-y', '-q', '--allow-change-held-packages', '--allow-downgrades'],
  ...['-o', 'Dpkg::Options::=--force-confdef', '-o', 'Dpkg::Options::=--force-confold'],
  ...['-o', 'Dpkg::Use-Pty=0', '-o', 'DPkg::Lock::Timeout=60', '-o', 'APT::Get::AutomaticRemove=false'],
]
/** What is only recommended or suggested is not needed. */
const sweeping = [
  ...['-o', 'APT::Get::AutomaticRemove=true'],
  ...['-o', 'APT::AutoRemove::RecommendsImportant=false', '-o', 'APT::AutoRemove::SuggestsImportant=false'],
]

/** Whether packages at `root` are dpkg's. */
export function hasDpkg(root: string): boolean {
  return fs.existsSync(`${root}/var/lib/dpkg/status`)
}

/** `root`: a real path; apt runs inside it. `folder`: ours, for the output of transactions. */
export function openApt(root: string, folder: string): Manager {
  const dpkg = openDpkg(root)
  const policy = openPolicy(root)
  const leavings = openLeavings(root, folder, dpkg)
  const ask = (argv: readonly string[], timeoutMs = askMs) =>
    run(inside(root, argv), { timeoutMs, env: unasked, outputMax })
  const outside = (argv: readonly string[]) => runOutside(root, inside(root, argv), `${folder}/log`)
  const words = ({ install, remove }: Asked) => [...install, ...remove.map(name => `${name}-`)]

  /**
   * A transaction that was cut short leaves a package that apt takes for whole, and that dpkg removes only when forced:
   * this brings its files back, or makes them go.
   */
  const again = () =>
    [...dpkg.look().packages.values()].some(each => / (half-installed|unpacked)$/.test(each.version))
      ? ['--reinstall', '-o', 'Dpkg::Options::=--force-remove-reinstreq']
      : []

  const cached = (name: string, version: string): string | undefined => {
    const [plain = '', arch] = name.split(':')
    const directory = dpkg.path(archives)
    if (!fs.existsSync(directory)) return undefined
    const head = `${plain}_${version.replaceAll(':', '%3a')}_`
    const tail = arch === undefined ? '.deb' : `_${arch}.deb`
    const file = fs.readdirSync(directory).find(each => each.startsWith(head) && each.endsWith(tail))
    return file && `${directory}/${file}`
  }

  const fetchFiles: Manager['fetchFiles'] = async packages => {
    const wanted = packages.map(({ name, version }) => `${name}=${version}`)
    const script = `cd ${archives} && exec apt-get -q download "$@"`
    await ask(['sh', '-c', script, 'sh', ...wanted], fetchMs)
  }
  /** What it is about to touch; a package file as dpkg sees it. */
  const touchedBy = ({ movements }: Transaction) =>
    movements.map(({ name, from = '', to }) => {
      const file = to === undefined ? undefined : cached(name, to)
      return {
        name,
        version: to ?? from,
        file: file && `${archives}/${file.slice(file.lastIndexOf('/') + 1)}`,
      }
    })

  const isThere = (path: string) => fs.lstatSync(dpkg.path(path), { throwIfNoEntry: false }) !== undefined
  /** Where the units of packages may be enabled: Debian's scripts take such links away only when a package is purged. */
  const unitLinks = (names: readonly string[]): string[] => {
    const lists = names.map(name => dpkg.path(`/var/lib/dpkg/info/${name}.list`)).filter(fs.existsSync)
    const files = lists.flatMap(file => fs.readFileSync(file, 'utf8').split('\n'))
    const units = files.flatMap(file => /\/systemd\/system\/([^/]+\.[a-z]+)$/.exec(file)?.[1] ?? [])
    const places = fs.globSync('etc/systemd/system/*.{wants,requires}', { cwd: dpkg.path('/') })
    return places.flatMap(place => units.map(unit => `/${place}/${unit}`))
  }
  /** Of a script of System V's init: its links stay as long as it does, which is until the package is purged, too. */
  const initLinks = (path: string): string[] => {
    const script = /^\/etc\/init\.d\/([^/*?[]+)$/.exec(path)?.[1]
    if (script === undefined) return []
    return fs.globSync(`etc/rc?.d/[SK][0-9][0-9]${script}`, { cwd: dpkg.path('/') }).map(each => `/${each}`)
  }

  return {
    name: 'apt',
    sources: { said: ['/etc/apt'], read: '/var/lib/apt/lists' },
    signature: dpkg.signature,
    look: async () => dpkg.look().packages,
    plain: name => {
      const [plain = '', arch] = name.split(':')
      return arch === 'all' || arch === dpkg.look().native ? plain : name
    },
    holder: dpkg.holder,
    interrupted: () =>
      dpkg.interrupted() || policy.left() || leavings.left() || condemnedOf(dpkg.look().text).length > 0,
    finish: async () => {
      policy.remove()
      const configure = () => outside(['dpkg', '--force-confdef', '--force-confold', '--configure', '-a'])
      await configure()
      const condemned = condemnedOf(dpkg.look().text)
      const wanted = `printf '%s install\\n' "$@" | dpkg --set-selections`
      if (condemned.length > 0) {
        await ask(['sh', '-c', wanted, 'sh', ...condemned])
        await configure()
      }
      await leavings.sweep()
    },
    compare: compareVersions,
    offered: async names => parseMadison((await ask(['apt-cache', 'madison', ...names])).output),
    refresh: async () => {
      const ran = await ask(['apt-get', '-q', 'update'], fetchMs)
      if (isLocked(ran.output)) throw failure(ran)
      return { ok: ran.code === 0, said: lastLines(ran.output.replace(/^(?![EW]: ).*\n?/gm, ''), 4) }
    },
    word: (name, version) => (version === '' ? name : `${name}=${version}`),
    // As seen from inside the root, which may not hold our own folder.
    fileWord: (name, version, file) => {
      const known = cached(name, version)
      if (known) return `${archives}/${known.slice(known.lastIndexOf('/') + 1)}`
      const [plain = '', arch = 'kept'] = name.split(':')
      const target = `${archives}/${plain}_${version.replaceAll(':', '%3a')}_${arch}.deb`
      fs.copyFileSync(file, dpkg.path(target))
      return target
    },
    simulate: async (transaction, sweep) => {
      const more = [...again(), ...(sweep ? sweeping : [])]
      const ran = await ask(['apt-get', ...options, ...more, '-s', 'install', ...words(transaction)])
      if (ran.code !== 0 && !sweep) throw new StepError('PACKAGE_CONFLICT', undefined, lastLines(ran.output))
      return parseSimulation(ran.output)
    },
    fetch: async transaction => {
      const ran = await ask(
        ['apt-get', ...options, ...again(), '--download-only', 'install', ...words(transaction)],
        fetchMs,
      )
      if (ran.code !== 0) throw failure(ran)
      // What lies on this machine apt does not copy, but it may be gone when it is needed.
      const missing = transaction.movements.flatMap(({ name, to }) =>
        to === undefined || cached(name, to) ? [] : [{ name, version: to }],
      )
      if (missing.length > 0) await fetchFiles(missing)
      return parseGrowth(ran.output)
    },
    cached,
    fetchFiles,
    transact: (transaction, purge, quiet) =>
      policy.around(quiet, async () => {
        const wasLeft = leavings.left()
        await leavings.note(touchedBy(transaction))
        const ran = await outside(['apt-get', ...options, ...again(), 'install', ...words(transaction)])
        if (ran.code !== 0) throw failure(ran)
        const purged =
          purge.length > 0 ? await outside(['dpkg', '--purge', ...purge]) : { ...ran, output: '' }
        if (purged.code !== 0) throw failure(purged)
        if (wasLeft) await leavings.sweep()
        else leavings.forget()
        return `${ran.output}\n${purged.output}`
      }),
    mark: async marks => {
      for (const [word, names] of Object.entries(marks) as [string, readonly string[]][]) {
        if (names.length === 0) continue
        const ran = await ask(['apt-mark', word, ...names])
        if (ran.code !== 0) throw failure(ran)
      }
    },
    remains: async removed => {
      const { text } = dpkg.look()
      const files = [...removed.flatMap(name => conffilesOf(text, name)), ...unitLinks(removed)]
      return async said => {
        const there = [...files, ...parseNotRemoved(said)].filter(isThere)
        return [...new Set([...there, ...there.flatMap(initLinks), ...dpkg.left(removed)])]
      }
    },
    owns: dpkg.owns,
    hear: dpkg.hear,
  }
}

const isLocked = (output: string) =>
  /Could not get lock|Unable to acquire the dpkg|Unable to lock/.test(output)

function failure({ output, timedOut }: Ran): StepError {
  const blamed = parseBlamed(output)
  const id = blamed === undefined ? undefined : resourceId('package', blamed)
  const detail = timedOut ? 'found no end within half an hour' : lastLines(output)
  if (/No space left on device|enough free space/.test(output)) return new StepError('DISK_FULL', id, detail)
  return new StepError(isLocked(output) ? 'PACKAGE_LOCKED' : 'PACKAGE_FAILED', id, detail)
}
