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
  end(): void
}

/** Begun and not ended this often: a third time would end like the first two. */
export const cutMax = 2

export function openAttempts(folder: string): Attempts {
  const file = join(folder, 'attempts')
  const read = (): readonly [count: number, entry: string] => {
    const match = existsSync(file) ? /^(\d{1,6}) (.*)\n$/.exec(readFileSync(file, 'utf8')) : null
    return [Number(match?.[1] ?? 0), match?.[2] ?? '']
  }
  const cut = (entry: string) => {
    const [count, of] = read()
    return of === entry ? count : 0
  }
  return {
    cut,
    begin: entry => replaceFile(file, [new TextEncoder().encode(`${cut(entry) + 1} ${entry}\n`)]),
    end: () => {
      if (!existsSync(file)) return
      rmSync(file)
      syncPath(dirname(file))
    },
  }
}
