// How often a run of one release was begun and not ended, over deaths of the agent: on the disk before the run begins. A
// release that kills the agent must not be begun at each start for ever. What follows from the number is os-host.ts's.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { replaceFile, syncPath } from './os.ts'

export interface Attempts {
  /** Runs of this entry at this attempt (default: the first) that were begun and never ended. */
  cut(entry: string, attempt?: number): number
  /** Durable when it returns. */
  begin(entry: string, attempt?: number): void
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
  const nameOf = (entry: string, attempt = 1) => (attempt === 1 ? entry : `${entry} ${attempt}`)
  const cut = (entry: string, attempt?: number) => {
    const [, count = '0', of] = /^(\d{1,6}) (.*)\n$/.exec(read()) ?? []
    return of === nameOf(entry, attempt) ? Number(count) : 0
  }
  return {
    cut,
    begin: (entry, attempt) => {
      const line = `${cut(entry, attempt) + 1} ${nameOf(entry, attempt)}\n`
      replace(new TextEncoder().encode(line))
    },
    end: () => {
      try {
        remove()
      } catch {
        // A disk that fails says so elsewhere. What stays counts as cut short: too careful by one.
      }
    },
  }
}
