// The files of dpkg and apt, read and watched: what is installed, which package a path belongs to, who is at work.
// Changes nothing; transactions are left to linux-apt.ts.
import * as fs from 'node:fs'
import { nativeOf, parseStatus } from './dpkg.ts'
import { StepError } from './errors.ts'
import { lockHolder } from './linux-outside.ts'
import type { Packages } from './packages.ts'

/** A hundred times the status file of a machine with a desktop on it. Bytes. */
const statusBytesMax = 256 * 1024 * 1024

export interface Dpkg {
  /** As it is now; read again only when a file changed. `text`: the status file. */
  look(): { readonly text: string; readonly packages: Packages; readonly native: string }
  /** Changes whenever the status file does. */
  signature(): string
  /** A transaction broke off. */
  interrupted(): boolean
  /** The process that holds dpkg's locks. */
  holder(): number | undefined
  owns(paths: readonly string[], except?: readonly string[]): ReadonlySet<string>
  /** Directories of removed packages in which something is that is not theirs. */
  left(names: readonly string[]): readonly string[]
  hear(hint: () => void, deaf: (why: string) => void): () => void
  /** The real path of one inside the root. */
  path(path: string): string
}

/** `root`: a real path. */
export function openDpkg(root: string): Dpkg {
  const path = (inner: string) => (root === '/' ? inner : `${root}${inner}`)
  const status = path('/var/lib/dpkg/status')
  const marks = path('/var/lib/apt/extended_states')
  const info = path('/var/lib/dpkg/info')
  const locks = [path('/var/lib/dpkg/lock-frontend'), path('/var/lib/dpkg/lock')]
  let seen: (ReturnType<Dpkg['look']> & { readonly of: string }) | undefined

  const look = () => {
    const of = `${signature(status)} ${signature(marks)}`
    if (seen?.of !== of) {
      const text = readLatin1(status)
      seen = { of, text, packages: parseStatus(text, readLatin1(marks)), native: nativeOf(text) }
    }
    return seen
  }

  const owns: Dpkg['owns'] = (paths, except = []) => {
    // Where /usr is merged, packages name either side.
    const merged = (each: string) => (each.startsWith('/usr/') ? each.slice(4) : each)
    const wanted = Map.groupBy(paths, merged)
    const found = new Set<string>()
    for (const file of paths.length > 0 ? fs.readdirSync(info) : []) {
      if (!file.endsWith('.list') || except.includes(file.slice(0, -5))) continue
      for (const line of fs.readFileSync(`${info}/${file}`, 'utf8').split('\n'))
        for (const each of wanted.get(merged(line)) ?? []) found.add(each)
    }
    return found
  }

  return {
    look,
    path,
    signature: () => signature(status),
    interrupted: () => {
      const updates = path('/var/lib/dpkg/updates')
      if (fs.existsSync(updates) && fs.readdirSync(updates).some(name => /^\d+$/.test(name))) return true
      return [...look().packages.values()].some(each => each.version.includes(' '))
    },
    holder: () => lockHolder(locks),
    owns,
    left: names => {
      // Of what still has configuration, dpkg goes on listing what is there.
      const lists = names.map(name => `${info}/${name}.list`).filter(file => fs.existsSync(file))
      const there = new Set(lists.flatMap(file => fs.readFileSync(file, 'utf8').trim().split('\n')))
      const directories = [...there].filter(each =>
        fs.lstatSync(path(each), { throwIfNoEntry: false })?.isDirectory(),
      )
      const shared = owns(directories, names)
      return directories.filter(
        each => !shared.has(each) && fs.readdirSync(path(each)).some(name => !there.has(`${each}/${name}`)),
      )
    },
    hear: (hint, deaf) => {
      // Both files are replaced by rename, so their directories tell.
      const watchers = [status, marks].flatMap(file => {
        const at = file.lastIndexOf('/')
        const [directory, name] = [file.slice(0, at), file.slice(at + 1)]
        if (!fs.existsSync(directory)) return []
        try {
          const watcher = fs.watch(directory, (_, changed) => {
            if (changed === name || changed === null) hint()
          })
          watcher.on('error', error => deaf(`${directory}: ${error.message}`))
          return [watcher]
        } catch (error) {
          deaf(`${directory}: ${(error as Error).message}`)
          return []
        }
      })
      return () => {
        for (const each of watchers) each.close()
      }
    },
  }
}

function signature(path: string): string {
  const stat = fs.lstatSync(path, { throwIfNoEntry: false })
  return stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}` : '-'
}

function readLatin1(path: string): string {
  const size = fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size > statusBytesMax)
    throw new StepError('TOO_LARGE', path, `found ${size} bytes; expected at most ${statusBytesMax}`)
  return size === 0 ? '' : fs.readFileSync(path, 'latin1')
}
