// A terminal for tests: a command under a real pseudo-terminal (`script` of util-linux), what it wrote so far, and the screen
// that this makes. Knows the few sequences that live.ts writes, and fails at any other.
import { type ChildProcess, spawn } from 'node:child_process'
import { until } from '../../cli/demo-stage.ts'

export class Terminal {
  readonly #child: ChildProcess
  readonly #columns: number
  #output = ''
  #exit: number | undefined

  /** `command` is a line for the shell. */
  constructor(command: string, columns: number, rows: number, env: NodeJS.ProcessEnv) {
    this.#columns = columns
    const line = `stty cols ${columns} rows ${rows}; ${command}`
    this.#child = spawn('script', ['-qec', line, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child.stdout?.setEncoding('utf8').on('data', text => {
      this.#output += text
    })
    this.#child.once('close', code => {
      this.#exit = code ?? 1
    })
  }

  get output(): string {
    return this.#output
  }
  get exit(): number | undefined {
    return this.#exit
  }
  get screen(): Screen {
    return screenOf(this.#output, this.#columns)
  }

  type(keys: string): void {
    this.#child.stdin?.write(keys)
  }

  /** Waits until the screen is so. */
  async shows(what: string, isSo: (screen: Screen) => boolean): Promise<Screen> {
    try {
      return await until(`the screen to show ${what}`, () => (isSo(this.screen) ? this.screen : undefined))
    } catch (error) {
      throw new Error(`${(error as Error).message}; it shows:\n${this.screen.lines.join('\n')}`)
    }
  }

  ended(): Promise<number> {
    return until('the command to end', () => this.#exit)
  }

  close(): void {
    this.#child.kill('SIGKILL')
  }
}

export interface Screen {
  /** Without blanks at their ends; empty ones at the end left out. */
  readonly lines: readonly string[]
  readonly isAlternate: boolean
  readonly hasCursor: boolean
  readonly wraps: boolean
}

export function screenOf(output: string, columns: number): Screen {
  const main: string[] = []
  let lines = main
  let [row, column] = [0, 0]
  let saved: readonly [number, number] = [0, 0]
  const modes = { '1049': false, '25': true, '7': true }
  const words = output.match(/\u001b\[[?0-9;]*[A-Za-z]|\u001b.|[\s\S]/gu) ?? []
  for (const word of words) {
    const [, mode, on] = /^\u001b\[\?(1049|25|7)([hl])$/.exec(word) ?? []
    const [, down, right] = /^\u001b\[([0-9]+);([0-9]+)H$/.exec(word) ?? []
    if (mode !== undefined) {
      modes[mode as keyof typeof modes] = on === 'h'
      // Entering it keeps the place of the cursor, leaving it goes back there.
      if (mode === '1049' && on === 'h') {
        saved = [row, column]
        lines = []
      } else if (mode === '1049') {
        ;[row, column] = saved
        lines = main
      }
    } else if (down !== undefined) [row, column] = [Number(down) - 1, Number(right) - 1]
    else if (word === '\u001b[2J') lines.length = 0
    else if (word === '\u001b[K') lines[row] = (lines[row] ?? '').slice(0, column)
    else if (/^\u001b\[[0-9;]*m$/.test(word) || word === '\r') column = word === '\r' ? 0 : column
    else if (word === '\n') row++
    else if (word.startsWith('\u001b'))
      throw new Error(`a sequence that is not known here: ${JSON.stringify(word)}`)
    else {
      const line = (lines[row] ?? '').padEnd(column)
      lines[row] = line.slice(0, column) + word + line.slice(column + 1)
      // Behind the last column there is no place: the cursor stays on it.
      column = Math.min(column + 1, columns - 1)
    }
  }
  const trimmed = Array.from(lines, each => (each ?? '').trimEnd())
  return {
    lines: trimmed.slice(0, trimmed.findLastIndex(Boolean) + 1),
    ...{ isAlternate: modes['1049'], hasCursor: modes['25'], wraps: modes['7'] },
  }
}
