// A live screen: takes the terminal over, draws what it is given, and gives it back, whatever happens. Only lines that changed
// are written, so that a slow line stays calm. What is drawn is the caller's.
import { CliError, exits, type Io } from './command.ts'

export type Key = 'quit' | 'up' | 'down' | 'page up' | 'page down' | 'top' | 'end'

export interface Show {
  /** Looks at the world again; what fails must be told by `draw`. */
  look(): Promise<void>
  /** At most `rows` lines of at most `columns`. */
  draw(columns: number, rows: number): readonly string[]
  /** Any key but `quit`. */
  press(key: Key): void
}

/** ms between two looks. */
const lookMs = 1_000
const alternate = { enter: '\u001b[?1049h\u001b[?25l\u001b[?7l', leave: '\u001b[?7h\u001b[?25h\u001b[?1049l' }
const keys: Readonly<Record<string, Key>> = {
  q: 'quit',
  Q: 'quit',
  '\u0003': 'quit',
  j: 'down',
  '\u001b[B': 'down',
  '\u001bOB': 'down',
  '\r': 'down',
  k: 'up',
  '\u001b[A': 'up',
  '\u001bOA': 'up',
  ' ': 'page down',
  '\u001b[6~': 'page down',
  b: 'page up',
  '\u001b[5~': 'page up',
  g: 'top',
  '\u001b[H': 'top',
  '\u001b[1~': 'top',
  G: 'end',
  '\u001b[F': 'end',
  '\u001b[4~': 'end',
}

/** The keys in what a terminal sent; what means nothing is left out. */
export function keysOf(typed: string): Key[] {
  const words = typed.match(/\u001b\[[0-9;]*[A-Za-z~]|\u001bO[A-Z]|[\s\S]/g) ?? []
  return words.flatMap(each => keys[each] ?? [])
}

/** What to write so that a screen that shows `before` shows `after`: the lines that differ, each at its place. */
export function changes(before: readonly string[], after: readonly string[]): string {
  const lines = Math.max(before.length, after.length)
  const out: string[] = []
  for (let at = 0; at < lines; at++) {
    const line = after[at] ?? ''
    // Cleared first: after a line that fills the screen, the cursor stands on its last character, which would go.
    if (line !== (before[at] ?? '')) out.push(`\u001b[${at + 1};1H\u001b[K${line}`)
  }
  return out.join('')
}

/** Fails where nothing can be drawn over. */
export function requireTerminal(io: Io): void {
  const why =
    process.stdout.isTTY !== true || process.stdin.isTTY !== true
      ? 'this is none'
      : io.env['TERM'] === undefined || io.env['TERM'] === 'dumb'
        ? `TERM=${io.env['TERM'] ?? ''} cannot move the cursor`
        : undefined
  if (why !== undefined)
    throw new CliError(`--watch needs a terminal, and ${why}`, {
      exit: exits.badInput,
      hint: 'without it the state of now is printed; scripts take --json, or --wait converged',
    })
}

/** Shows until `q`, Ctrl-C or a signal. */
export async function live(show: Show): Promise<void> {
  const { stdin, stdout } = process
  let drawn: readonly string[] = []
  let isOpen = false
  let isOver = false
  let wake = () => {}
  let again: NodeJS.Timeout | undefined

  const redraw = () => {
    if (!isOpen) return
    const lines = show.draw(stdout.columns || 80, stdout.rows || 24)
    const text = changes(drawn, lines)
    drawn = lines
    if (text !== '') stdout.write(text)
  }
  const open = () => {
    isOpen = true
    stdin.setRawMode(true)
    stdin.resume()
    stdout.write(`${alternate.enter}\u001b[2J`)
    drawn = []
  }
  const leave = () => {
    if (!isOpen) return
    isOpen = false
    // A terminal is written to at once, so this works while the process ends, too.
    stdout.write(alternate.leave)
    stdin.setRawMode(false)
  }
  const end = () => {
    isOver = true
    wake()
  }
  const typed = (bytes: Buffer) => {
    for (const key of keysOf(bytes.toString('utf8'))) {
      if (key === 'quit') return end()
      show.press(key)
    }
    redraw()
  }
  const resized = () => {
    stdout.write('\u001b[2J')
    drawn = []
    redraw()
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  process.on('exit', leave)
  for (const signal of signals) process.on(signal, end)
  stdin.on('data', typed)
  stdin.on('end', end)
  stdout.on('resize', resized)
  try {
    open()
    const over = new Promise<void>(resolve => {
      wake = resolve
    })
    while (!isOver) {
      await Promise.race([show.look(), over])
      if (isOver) break
      redraw()
      const later = new Promise<void>(resolve => {
        again = setTimeout(resolve, lookMs)
      })
      await Promise.race([later, over])
      clearTimeout(again)
    }
  } finally {
    leave()
    process.off('exit', leave)
    for (const signal of signals) process.off(signal, end)
    stdin.off('data', typed)
    stdin.off('end', end)
    stdin.pause()
    stdout.off('resize', resized)
  }
}
