// How often a run of one release was begun and not ended, over deaths of the agent: on the disk before the run begins. A
// release that kills the agent must not be begun at each start for ever. What follows from the number is os-host.ts's.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { replaceFile, syncPath } from './os.ts'

export interface Attempts {
  /** Runs of this entry that were begun and never ended. */
  cut(entry: string): number
  /** Durable when it returns. */
  begin(entry: string): void
  /** Never fails: a run is reported, whatever its disk does. */
  end(): void
}

/** Begun and not ended this often: a third time would end like the first two. */
export const cutMax = 2

export function openAttempts(folder: string): Attempts {
  const file = join(folder, 'attempts')
  return attemptsIn({
    read: () => (existsSync(file) ? readFileSync(file, 'utf8') : ''),
    replace: bytes => replaceFile(file, [bytes]),
    remove: () => {
      if (!existsSync(file)) return
      rmSync(file)
      syncPath(dirname(file))
    },
  })
}

/** A small file; changes are durable when they return. */
export interface AttemptsFile {
  /** '' when there is none. */
  read(): string
  replace(bytes: Uint8Array): void
  remove(): void
}

export function attemptsIn({ read, replace, remove }: AttemptsFile): Attempts {
  const cut = (entry: string) => {
    const [, count = '0', of] = /^(\d{1,6}) (.*)\n$/.exec(read()) ?? []
    return of === entry ? Number(count) : 0
  }
  return {
    cut,
    begin: entry => replace(new TextEncoder().encode(`${cut(entry) + 1} ${entry}\n`)),
    end: () => {
      try {
        remove()
      } catch {
        // A disk that fails says so elsewhere. What stays counts as cut short: too careful by one.
      }
    },
  }
}
