// inotify, one watch a directory, never recursive. What is there to hear and what follows is left to watch.ts; what
// cannot be listened to is named, so that audits do instead.
import * as fs from 'node:fs'
import { basename, dirname } from './system.ts'

export interface Hearing {
  /** The real path of a target. */
  readonly where: (path: string) => string
  /** The engine's own temporary files make no events. */
  readonly isTemporary: (name: string) => boolean
  readonly event: (directory: string, name: string | undefined) => void
  /** `remote`: by its nature (a network file system), not by mischance. Said once for each time it begins. */
  readonly deaf: (directory: string, why: string, remote: boolean) => void
  /** It can be heard after all. */
  readonly hears: (directory: string) => void
  /** statfs(2)'s f_type; for tests. */
  readonly typeOf?: (real: string) => number
}

export interface Listener {
  /** Makes the watch of this directory, again if there is one. While it is missing, what is to hold it is listened to. */
  listen(directory: string): void
  /** Those whose path leads to another directory than the one that is listened to: somebody moved one above it. */
  stale(): readonly string[]
  close(): void
}

/** File systems on which changes made elsewhere are not heard: statfs(2), linux/magic.h. */
const remote: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0x65735546, 'fuse'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x01021997, '9p'],
  [0x00c36400, 'ceph'],
  [0x5346414f, 'afs'],
])
/** When a watch cannot be made, such as for ENOSPC, it is tried again so much later. */
const retryMs = 60_000

interface Ear {
  readonly watcher: fs.FSWatcher
  /** Device and inode of what is listened to. */
  readonly identity: string
}

/** Needs no System: these are the paths of the directories, and nothing in them is read. */
export function openListener(hearing: Hearing): Listener {
  const { where, typeOf = real => fs.statfsSync(real).type } = hearing
  const ears = new Map<string, Ear>()
  /** Directory that is there -> names that are to appear in it -> directories that are missing below them. */
  const awaited = new Map<string, { readonly ear: Ear; readonly names: Map<string, Set<string>> }>()
  const deaf = new Map<string, string>()
  const timers = new Map<string, NodeJS.Timeout>()
  let closed = false

  const say = (directory: string, why: string | undefined, isRemote = false) => {
    if (deaf.get(directory) === why) return
    if (why === undefined) {
      deaf.delete(directory)
      hearing.hears(directory)
    } else {
      deaf.set(directory, why)
      hearing.deaf(directory, why, isRemote)
    }
  }
  const open = (
    directory: string,
    onEvent: (name: string | undefined) => void,
    onError: (error: Error) => void,
  ) => {
    const real = where(directory)
    const watcher = fs.watch(real, (_, name) => onEvent(name ?? undefined))
    watcher.on('error', onError)
    return { watcher, identity: identityOf(real)! }
  }
  const later = (directory: string) => {
    clearTimeout(timers.get(directory))
    const timer = setTimeout(() => listen(directory), retryMs)
    timer.unref()
    timers.set(directory, timer)
  }
  const forget = (directory: string) => {
    ears.get(directory)?.watcher.close()
    ears.delete(directory)
  }

  /** Waits for a directory that is missing, in the nearest one above it that is there. */
  const expect = (directory: string) => {
    let [child, above] = [directory, dirname(directory)]
    while (above !== '/' && identityOf(where(above)) === undefined) [child, above] = [above, dirname(above)]
    const place = awaited.get(above) ?? awaitIn(above)
    const name = basename(child)
    place.names.set(name, (place.names.get(name) ?? new Set()).add(directory))
    // It may have come between the two looks.
    if (identityOf(where(child)) !== undefined) appeared(above, name)
  }
  const awaitIn = (above: string) => {
    const onEvent = (name: string | undefined) => {
      if (name !== undefined && name !== basename(above)) return appeared(above, name)
      // The place itself was moved or removed.
      const names = awaited.get(above)?.names
      leave(above)
      for (const missing of names?.values() ?? []) for (const each of missing) listen(each)
    }
    const place = {
      ear: open(above, onEvent, () => onEvent(undefined)),
      names: new Map<string, Set<string>>(),
    }
    awaited.set(above, place)
    return place
  }
  const leave = (above: string) => {
    awaited.get(above)?.ear.watcher.close()
    awaited.delete(above)
  }
  const appeared = (above: string, name: string) => {
    const names = awaited.get(above)?.names
    const missing = names?.get(name)
    if (names === undefined || missing === undefined) return
    names.delete(name)
    if (names.size === 0) leave(above)
    for (const each of missing) {
      listen(each)
      hearing.event(each, undefined)
    }
  }

  const listen = (directory: string): void => {
    if (closed) return
    clearTimeout(timers.get(directory))
    const failed = (error: unknown) => {
      forget(directory)
      const errno = (error as NodeJS.ErrnoException).code ?? 'unknown'
      try {
        if (errno !== 'ENOENT') throw error
        expect(directory)
        say(directory, undefined)
      } catch (again) {
        say(directory, (again as NodeJS.ErrnoException).code ?? errno)
        later(directory)
      }
    }
    try {
      const type = typeOf(where(directory))
      const name = remote.get(type)
      if (name !== undefined) {
        forget(directory)
        say(directory, name, true)
        return
      }
      // The new before the old: on the same inode nothing is missed in between.
      const ear = open(
        directory,
        name => {
          if (name === undefined || !hearing.isTemporary(name)) hearing.event(directory, name)
        },
        failed,
      )
      forget(directory)
      ears.set(directory, ear)
      say(directory, undefined)
    } catch (error) {
      failed(error)
    }
  }

  return {
    listen,
    stale: () =>
      [...ears].flatMap(([directory, { identity }]) =>
        identityOf(where(directory)) === identity ? [] : [directory],
      ),
    close: () => {
      closed = true
      for (const { watcher } of ears.values()) watcher.close()
      for (const { ear } of awaited.values()) ear.watcher.close()
      for (const timer of timers.values()) clearTimeout(timer)
    },
  }
}

const queuedDefault = 16_384

/** Events that the kernel keeps for whoever is slow to hear them. */
export function queuedMax(): number {
  try {
    return Number(fs.readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8')) || queuedDefault
  } catch {
    return queuedDefault
  }
}

/** Undefined: nothing is there, or it cannot be reached. */
function identityOf(real: string): string | undefined {
  try {
    const stat = fs.statSync(real, { throwIfNoEntry: false })
    return stat && `${stat.dev}:${stat.ino}`
  } catch {
    return undefined
  }
}
