// Progress of what takes seconds to hours: one line that is drawn over on a terminal, a plain line now and then elsewhere.
// What it says is the caller's.
import type { Io } from './command.ts'
import { paint } from './render.ts'

/** ms between two drawings on a terminal: above ten a second nobody sees. */
const drawEveryMs = 100
/** ms between two plain lines: a log of an hour stays readable. */
const plainEveryMs = 10_000

export interface Progress {
  /** How much is done, from 0 to 1, and of what. */
  show(share: number, text: string): void
  /** A line that stays, above the bar. */
  line(text: string): void
  /** Leaves nothing of the bar. */
  end(): void
}

export interface Stream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** `quiet`: nothing at all, as with `--json`. */
export function progressOn(
  stream: Stream,
  io: Pick<Io, 'colour' | 'progress'>,
  quiet: boolean,
  nowMs: () => number = () => performance.now(),
): Progress {
  const isBar = stream.isTTY === true && !quiet
  let drawnMs = isBar ? -Infinity : nowMs()
  const clear = () => isBar && stream.write('\r\u001b[K')
  return {
    show(share, text) {
      if (nowMs() - drawnMs < (isBar ? drawEveryMs : plainEveryMs)) return
      drawnMs = nowMs()
      if (isBar) stream.write(`\r${barText(share, text, (stream.columns || 80) - 1, io.colour)}\u001b[K`)
      else if (!quiet) io.progress(`${percent(share)}  ${text}`)
    },
    line(text) {
      clear()
      if (!quiet) io.progress(text)
      // The bar comes back with the next thing there is to show.
      if (isBar) drawnMs = -Infinity
    },
    end: clear,
  }
}

const percent = (share: number) => `${Math.floor(Math.min(1, Math.max(0, share)) * 100)}%`.padStart(4)

/** `━━━━━─────  50%  text`, cut to `columns`: the text first of all. */
export function barText(share: number, text: string, columns: number, colour: boolean): string {
  const width = Math.max(5, Math.min(30, columns - 50))
  const done = Math.round(Math.min(1, Math.max(0, share)) * width)
  const room = Math.max(0, columns - width - 8)
  const said = text.length > room ? `${text.slice(0, Math.max(0, room - 1))}…` : text
  return `${paint('━'.repeat(done), 'green', colour)}${'─'.repeat(width - done)}  ${percent(share)}  ${said}`
}
