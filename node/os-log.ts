// The agent's log: one JSON object a line. Decides only what is loud enough; never given secrets, since values of
// files and keys do not come here.
import { type LogLevel, logLevels } from './config.ts'

export type Log = (level: LogLevel, event: string, data?: Readonly<Record<string, unknown>>) => void

/** Texts longer than this are cut: a peer's words must not fill a disk. */
const textMax = 1024

/** `write` gets whole lines. `now` in ms since 1970. */
export function createLog(level: LogLevel, now: () => number, write: (line: string) => void): Log {
  const loudest = logLevels.indexOf(level)
  return (each, event, data = {}) => {
    if (logLevels.indexOf(each) > loudest) return
    const cut = (_: string, value: unknown) =>
      typeof value === 'string' && value.length > textMax ? `${value.slice(0, textMax)}…` : value
    write(`${JSON.stringify({ time: new Date(now()).toISOString(), level: each, event, ...data }, cut)}\n`)
  }
}
