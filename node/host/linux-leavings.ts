// What dpkg leaves when it is cut off while it unpacks. Until it has unpacked all of a package it has no list of its files,
// so nothing would take them back, ever. What it is about to unpack is noted before, durably, with what was there already;
// afterwards dpkg.ts says what of it may go, and here it goes.
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { setImmediate as breathe } from 'node:timers/promises'
import {
  infoFilesOf,
  leavingsOf,
  mentionedIn,
  parseListing,
  pathOf,
  scratchOf,
  type Unpacking,
  wholeOf,
} from './dpkg.ts'
import type { Dpkg } from './linux-dpkg.ts'
import { inside } from './linux-outside.ts'
import { run } from './linux-run.ts'

/** As long as dpkg itself takes to read all of it, and far more. */
const readMs = 30 * 60_000
/** A name a file; packages of a million files. Bytes. */
const listingBytesMax = 128 * 1024 * 1024
const outputMax = 4 * 1024 * 1024
/** What a command line holds for sure. */
const wordsMax = 500
const info = '/var/lib/dpkg/info'

/** `//FILE`, then its members, a line each: dpkg refuses names with a newline in them. */
const list = `for each in "$@"; do
  echo "//$each"
  dpkg-deb --fsys-tarfile "$each" | tar -t -f - --quoting-style=literal
done`
/** Says a line for each member that is there in another way. */
const compare = `file=$1; shift
dpkg-deb --fsys-tarfile "$file" | tar -d -C / -f - --quoting-style=literal -- "$@"`

export interface Leavings {
  /** A transaction was cut off, or failed, and what it left may still be there. */
  left(): boolean
  /** To be called just before a transaction. `file`: of a package that is to be unpacked, inside the root. */
  note(packages: readonly { name: string; version: string; file: string | undefined }[]): Promise<void>
  /** Removes what is left of packages that are not in the middle any more. What fails is tried again another time. */
  sweep(): Promise<void>
  /** The transaction went well: there is nothing to remove. */
  forget(): void
}

/** `root`: a real path. `folder`: ours. */
export function openLeavings(root: string, folder: string, dpkg: Dpkg): Leavings {
  const path = `${folder}/unpacking`

  const read = (): readonly Unpacking[] => {
    try {
      return JSON.parse(fs.readFileSync(path, 'utf8')) as readonly Unpacking[]
    } catch {
      // None, or not ours: nothing may go on its word.
      return []
    }
  }
  const write = (noted: readonly Unpacking[]) => {
    fs.writeFileSync(`${path}.new`, JSON.stringify(noted), { mode: 0o600, flush: true })
    fs.renameSync(`${path}.new`, path)
    flush(folder)
  }
  const forget = () => {
    if (!fs.existsSync(path)) return
    fs.rmSync(path)
    // One that came back would speak of a machine that is no more.
    flush(folder)
  }

  /** Of these paths, those that exist. What leads out of the root is never looked at. */
  const existing = (paths: Iterable<string>): string[] => {
    const names = new Map<string, ReadonlySet<string>>()
    const namesIn = (directory: string): ReadonlySet<string> => {
      const known = names.get(directory)
      if (known) return known
      const found = new Set<string>()
      names.set(directory, found)
      try {
        const real = fs.realpathSync(dpkg.path(directory))
        if (root === '/' || real === root || real.startsWith(`${root}/`))
          for (const name of fs.readdirSync(real)) found.add(name)
      } catch {
        // Nothing there.
      }
      return found
    }
    return [...paths].filter(each => namesIn(dirname(each)).has(each.slice(each.lastIndexOf('/') + 1)))
  }
  const infoNames = () => fs.readdirSync(dpkg.path(info))

  const sameAsIn = async ({ file }: Unpacking, members: readonly string[]): Promise<readonly string[]> => {
    const same: string[] = []
    for (let at = 0; at < members.length; at += wordsMax) {
      const some = members.slice(at, at + wordsMax)
      const argv = inside(root, ['sh', '-c', compare, 'sh', file, ...some])
      const { code, output } = await run(argv, { timeoutMs: readMs, outputMax })
      // 1: some differ; more: it could not read all.
      if (code !== 0 && code !== 1) continue
      const lines = output.split('\n')
      same.push(...some.filter(member => !lines.some(line => line.includes(member))))
    }
    return same.map(pathOf)
  }

  const sweep = async () => {
    const noted = read()
    if (noted.length === 0) return forget()
    if (dpkg.holder() !== undefined) return
    const { packages, text } = dpkg.look()
    const due = noted.filter(each => !packages.get(each.name)?.version.includes(' '))
    const failed: unknown[] = []
    const attempt = (work: () => void, ...fine: readonly string[]) => {
      try {
        work()
      } catch (error) {
        if (!['ENOENT', ...fine].includes((error as NodeJS.ErrnoException).code ?? '')) failed.push(error)
      }
    }
    const homes = new Set<string>()
    const unlink = (each: string) => {
      homes.add(dirname(each))
      attempt(() => fs.unlinkSync(dpkg.path(each)))
    }

    attempt(() => fs.rmSync(dpkg.path('/var/lib/dpkg/tmp.ci'), { recursive: true, force: true }))
    // Before it is asked who owns what: a list of files of a package that dpkg does not know means nothing.
    const mentioned = mentionedIn(text)
    for (const each of due)
      for (const name of infoFilesOf(each, infoNames(), mentioned)) unlink(`${info}/${name}`)

    const kinds = new Map<string, 'directory' | 'other'>()
    for (const each of due) {
      for (const found of existing(scratchOf(each))) {
        const isDirectory = fs.lstatSync(dpkg.path(found), { throwIfNoEntry: false })?.isDirectory()
        kinds.set(found, isDirectory ? 'directory' : 'other')
      }
      await breathe()
    }
    const owned = dpkg.owns(
      due.flatMap(scratchOf).filter(each => kinds.has(each) || kinds.has(`${each}.dpkg-tmp`)),
    )
    const now = { kinds, owned, same: new Set<string>() }
    for (const each of due) for (const same of await sameAsIn(each, wholeOf(each, now))) now.same.add(same)
    const { remove, restore, directories } = leavingsOf(due, now)
    for (const each of restore) {
      homes.add(dirname(each))
      attempt(() => fs.renameSync(dpkg.path(`${each}.dpkg-tmp`), dpkg.path(each)))
    }
    for (const each of remove) unlink(each)
    for (const each of directories) {
      homes.add(dirname(each))
      attempt(() => fs.rmdirSync(dpkg.path(each)), 'ENOTEMPTY', 'EEXIST', 'EBUSY')
    }
    for (const each of homes) attempt(() => flush(dpkg.path(each)))
    const rest = noted.filter(each => failed.length > 0 || !due.includes(each))
    if (rest.length > 0) write(rest)
    else forget()
  }

  return {
    left: () => fs.existsSync(path),
    forget,
    sweep,
    note: async packages => {
      const files = packages.flatMap(({ file }) => file ?? [])
      for (const each of new Set([...files, ...files.map(dirname)])) flush(dpkg.path(each))
      const listing = `${folder}/listing`
      const asked = inside(root, ['sh', '-c', list, 'sh', ...files])
      await run(['sh', '-c', 'to=$1; shift; exec "$@" >"$to"', 'sh', listing, ...asked], {
        timeoutMs: readMs,
      })
      const { size } = fs.statSync(listing)
      const members = parseListing(size > listingBytesMax ? '' : fs.readFileSync(listing, 'utf8'))
      fs.rmSync(listing)
      const older = read()
      const noted: Unpacking[] = [...older]
      for (const { name, version, file = '' } of packages) {
        // What was there before the first attempt counts.
        if (older.some(each => each.name === name && each.version === version && each.file === file)) continue
        const bare = { name, version, file, members: members.get(file) ?? [], there: [] }
        const infos = infoFilesOf(bare, infoNames(), new Set()).map(each => `${info}/${each}`)
        noted.push({ ...bare, there: [...existing(scratchOf(bare)), ...infos] })
        await breathe()
      }
      write(noted)
    },
  }
}

/** Of a file or a directory: it outlives a power cut. */
function flush(path: string): void {
  const fd = fs.openSync(path, 'r')
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}
