// One process at a time may hold a state directory. The lock is a file that names its holder; a holder that is gone
// (no such process, or another one under its number) does not count.
import * as fs from 'node:fs'
import { HostError } from './errors.ts'

interface Holder {
  readonly pid: number
  /** Start time of the process in clock ticks since boot (proc(5), stat field 22). */
  readonly started: string
}

/** Answers how to let go. STATE_LOCKED names the process that holds it. */
export function lock(state: string): () => void {
  const path = `${state}/lock`
  const mine = JSON.stringify({ pid: process.pid, started: startOf(process.pid) ?? '' } satisfies Holder)
  const own = `${path}.${process.pid}`
  fs.writeFileSync(own, mine, { mode: 0o600 })
  try {
    for (let tries = 0; tries < 3; tries++) {
      try {
        fs.linkSync(own, path)
        return () => fs.rmSync(path, { force: true })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const found = readHolder(path)
      if (found && startOf(found.pid) === found.started)
        throw new HostError(
          'STATE_LOCKED',
          `process ${found.pid} holds ${state}; end it, or ask it instead`,
          {
            pid: found.pid,
            path: state,
          },
        )
      // Only what was judged is removed: another process may have taken the lock since.
      const aside = `${own}.stale`
      try {
        fs.renameSync(path, aside)
      } catch {
        continue
      }
      const moved = readHolder(aside)
      if (moved?.pid !== found?.pid || moved?.started !== found?.started) fs.linkSync(aside, path)
      fs.rmSync(aside, { force: true })
    }
    throw new HostError('STATE_LOCKED', `several processes want ${state} at once`, { path: state })
  } finally {
    fs.rmSync(own, { force: true })
  }
}

function readHolder(path: string): Holder | undefined {
  try {
    return JSON.parse(fs.readFileSync(path, 'utf8')) as Holder
  } catch {
    return undefined
  }
}

function startOf(pid: number): string | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}
