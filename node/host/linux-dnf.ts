// dnf and rpm as a package manager: their words, options and answers. What is to be done is decided by
// linux-packages.ts. dnf itself runs outside the root that it works on, and can do without one inside.
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { StepError } from './errors.ts'
import { lockHolder, runOutside, unasked } from './linux-outside.ts'
import { run } from './linux-run.ts'
import { type Asked, lastLines, type Manager, type Packages } from './packages.ts'
import {
  compareEvr,
  installedFormat,
  offeredFormat,
  parseExcluded,
  parseFault,
  parseInstalled,
  parseOffered,
  parseSaved,
  parseSize,
  parseTable,
  plainName,
  withExcluded,
} from './rpm.ts'
import type { Ran } from './system.ts'

/** For what only asks. Fetching may take as long as a transaction. */
const askMs = 5 * 60_000
const fetchMs = 30 * 60_000
/** The paths of a million files fit into it. Bytes. */
const outputMax = 128 * 1024 * 1024
/** Not -qf, which looks for the paths outside of --root. */
const allFiles = ['-qa', '--qf', '[%{FILENAMES}\n]']
const configBytesMax = 1024 * 1024

const rpmEnv = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LC_ALL: 'C.UTF-8' }

/** Where databases of rpm are: of today's and of older systems, and of the rpm that Debian packages. */
const databases = ['/usr/lib/sysimage/rpm', '/var/lib/rpm', '/root/.rpmdb']
const databaseFiles = ['rpmdb.sqlite', 'rpmdb.sqlite-wal', 'Packages', 'Packages.db']

/** Whether packages at `root` are rpm's. */
export function hasRpm(root: string): boolean {
  return databases.some(path => databaseFiles.some(file => fs.existsSync(`${root}${path}/${file}`)))
}

/** `root`: a real path. `folder`: ours, for the output of transactions and what is downloaded. */
export function openDnf(root: string, folder: string): Manager {
  const inner = (path: string) => (root === '/' ? path : `${root}${path}`)
  const elsewhere = root === '/' ? [] : [`--installroot=${root}`]
  const database = inner(
    databases.find(path => databaseFiles.some(file => fs.existsSync(inner(`${path}/${file}`))))!,
  )
  const rpm = ['rpm', ...(root === '/' ? [] : ['--root', root])]
  const native = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch
  const config = inner('/etc/dnf/dnf.conf')
  const fetched = `${folder}/fetched`
  const watched = [
    ...databaseFiles.map(file => `${database}/${file}`),
    inner('/var/lib/dnf/history.sqlite'),
    config,
  ]
  let seen: { readonly of: string; readonly packages: Packages } | undefined

  const dnf = (...words: readonly string[]) => [
    ...['dnf', '-y', ...elsewhere, '--best', '--setopt=clean_requirements_on_remove=False'],
    ...words,
  ]
  const ask = (argv: readonly string[], timeoutMs = askMs) =>
    run(argv, { timeoutMs, env: unasked, outputMax })
  const query = async (...words: readonly string[]) => {
    const ran = await ask(dnf('-q', '--disableexcludes=all', 'repoquery', ...words))
    if (ran.code !== 0) throw failure(ran)
    return ran.output
  }

  const signature = () =>
    watched
      .map(path => fs.statSync(path, { throwIfNoEntry: false }))
      .map(stat => (stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : '-'))
      .join(' ')

  const readConfig = () => {
    const size = fs.statSync(config, { throwIfNoEntry: false })?.size ?? 0
    if (size > configBytesMax)
      throw new StepError('TOO_LARGE', config, `found ${size} bytes; expected at most ${configBytesMax}`)
    return size === 0 ? '' : fs.readFileSync(config, 'utf8')
  }
  const held = () => new Set(parseExcluded(readConfig()))

  const look = async (): Promise<Packages> => {
    const of = signature()
    if (seen?.of !== of) {
      const output = await query('-C', '--disablerepo=*', '--installed', '--qf', installedFormat)
      seen = { of, packages: parseInstalled(output, native, held()) }
    }
    return seen.packages
  }

  /** One transaction for all, as a script of dnf's shell. */
  const shell = (transaction: Asked, ...more: readonly string[]) => {
    const lines = [
      ...transaction.install.map(word => `install ${word}`),
      ...transaction.remove.map(name => `remove ${wordOf(name, '')}`),
      'run',
    ]
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
    fs.writeFileSync(`${folder}/script`, `${lines.join('\n')}\n`)
    // Whoever names a held package may change it; others are judged by what the table says.
    const names = [...held()]
    const touches = transaction.install.some(word =>
      names.some(name => word === name || word.startsWith(`${name}-`) || word.startsWith('/')),
    )
    return dnf(...(touches ? ['--disableexcludes=main'] : []), ...more, 'shell', `${folder}/script`)
  }

  return {
    name: 'dnf',
    sources: { said: ['/etc/yum.repos.d', '/etc/dnf'], read: '/var/cache/dnf' },
    signature,
    look,
    plain: name => plainName(name, native),
    holder: () => lockHolder([`${database}/.rpm.lock`]) ?? pidIn(inner('/var/lib/dnf/rpmdb_lock.pid')),
    // rpm's database is one of transactions: what broke off shows as packages that are there or not.
    interrupted: () => false,
    finish: async () => {},
    compare: compareEvr,
    offered: async names =>
      parseOffered(
        await query('--showduplicates', '--qf', offeredFormat, ...names.map(name => wordOf(name, ''))),
        native,
      ),
    refresh: async () => {
      const ran = await ask(dnf('-q', 'makecache', '--refresh'), fetchMs)
      return { ok: ran.code === 0, said: ran.code === 0 ? '' : lastLines(ran.output, 4) }
    },
    word: wordOf,
    fileWord: (_name, _version, file) => file,
    simulate: async (transaction, sweep) => {
      const more = sweep ? ['--setopt=clean_requirements_on_remove=True'] : []
      const ran = await ask(shell(transaction, ...more, '--assumeno'))
      const fault = parseFault(ran.output)
      if (fault !== undefined && !sweep) throw new StepError('PACKAGE_CONFLICT', undefined, lastLines(fault))
      return parseTable(ran.output, await look(), native)
    },
    fetch: async transaction => {
      const ran = await ask(shell(transaction, '--downloadonly'), fetchMs)
      if (parseFault(ran.output) !== undefined) throw failure(ran)
      return parseSize(ran.output)
    },
    cached: (name, version) => {
      const path = `${fetched}/${encodeURIComponent(`${name}-${version}`)}.rpm`
      return fs.existsSync(path) ? path : undefined
    },
    fetchFiles: async packages => {
      fs.rmSync(fetched, { recursive: true, force: true })
      fs.mkdirSync(fetched, { recursive: true, mode: 0o700 })
      for (const { name, version } of packages) {
        const word = wordOf(name, version)
        const target = `${fetched}/${encodeURIComponent(`${name}-${version}`)}.rpm`
        const [place = ''] = (await query('--location', word)).trim().split('\n')
        if (place.startsWith('file:')) {
          if (fs.existsSync(fileURLToPath(place))) fs.copyFileSync(fileURLToPath(place), target)
          continue
        }
        const aside = `${fetched}/new`
        await ask(dnf('--downloadonly', `--downloaddir=${aside}`, 'reinstall', word), fetchMs)
        const file = fs.existsSync(aside)
          ? fs.readdirSync(aside).find(each => each.endsWith('.rpm'))
          : undefined
        if (file !== undefined) fs.renameSync(`${aside}/${file}`, target)
        fs.rmSync(aside, { recursive: true, force: true })
      }
    },
    // Packages of rpm start nothing when they are installed.
    transact: async (transaction, purge, _quiet) => {
      const ran = await runOutside(root, shell(transaction), `${folder}/log`)
      if (ran.code !== 0 || parseFault(ran.output) !== undefined) throw failure(ran)
      fs.rmSync(fetched, { recursive: true, force: true })
      if (purge.length > 0) for (const path of parseSaved(ran.output)) fs.rmSync(inner(path), { force: true })
      return ran.output
    },
    mark: async ({ hold, unhold, auto, manual }) => {
      if (hold.length + unhold.length > 0) {
        const text = withExcluded(readConfig(), hold, unhold)
        fs.mkdirSync(inner('/etc/dnf'), { recursive: true })
        fs.writeFileSync(`${config}.fleet`, text, { flush: true })
        fs.renameSync(`${config}.fleet`, config)
      }
      for (const [word, names] of [
        ['remove', auto],
        ['install', manual],
      ] as const) {
        if (names.length === 0) continue
        const ran = await ask(dnf('mark', word, ...names.map(name => wordOf(name, ''))))
        if (ran.code !== 0) throw failure(ran)
      }
    },
    remains: async removed => {
      const words = removed.map(name => wordOf(name, ''))
      const listed = removed.length > 0 ? await ask([...rpm, '-ql', ...words]) : undefined
      const paths = (listed?.output ?? '').split('\n').filter(path => path.startsWith('/'))
      return async said => {
        const there = [...paths, ...parseSaved(said)].filter(path => fs.existsSync(inner(path)))
        if (there.length === 0) return []
        const owned = new Set((await ask([...rpm, ...allFiles])).output.split('\n'))
        return [...new Set(there)].filter(path => !owned.has(path))
      }
    },
    owns: paths => {
      const [tool, ...words] = [...rpm, ...allFiles] as [string, ...string[]]
      const { stdout } = spawnSync(tool, words, { env: rpmEnv, maxBuffer: outputMax })
      const owned = new Set(stdout.toString().split('\n'))
      return new Set(paths.filter(path => owned.has(path)))
    },
    hear: (hint, deaf) => {
      try {
        const watcher = fs.watch(database, (_, file) => {
          if (file === null || databaseFiles.includes(file)) hint()
        })
        watcher.on('error', error => deaf(`${database}: ${error.message}`))
        return () => watcher.close()
      } catch (error) {
        deaf(`${database}: ${(error as Error).message}`)
        return () => {}
      }
    },
  }
}

/** `name`, `name.arch`, `name-version` or `name-version.arch`. */
function wordOf(name: string, version: string): string {
  const [plain, arch] = name.split(':')
  return `${plain}${version && `-${version}`}${arch === undefined ? '' : `.${arch}`}`
}

/** The process of a pid file, if there is one. */
function pidIn(path: string): number | undefined {
  if (!fs.existsSync(path)) return undefined
  const pid = Number(fs.readFileSync(path, 'utf8'))
  return pid > 0 && fs.existsSync(`/proc/${pid}`) ? pid : undefined
}

function failure({ output, timedOut }: Ran): StepError {
  const detail = timedOut ? 'found no end within half an hour' : lastLines(parseFault(output) ?? output)
  if (/No space left on device|needs? \d+\w* more space/i.test(output))
    return new StepError('DISK_FULL', undefined, detail)
  return new StepError('PACKAGE_FAILED', undefined, detail)
}
