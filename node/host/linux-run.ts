// Running a command to its end, with a bound on time and on what is kept of its output. What is run, and what an exit
// code means, is left to whoever calls.
import { spawn } from 'node:child_process'
import { StepError } from './errors.ts'
import type { Ran } from './system.ts'

/** The end of the output that is kept, in bytes. */
const outputBytesMax = 4096

export interface RunOptions {
  readonly timeoutMs: number
  /** Default `/`. */
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** How much of the end of the output is kept, in bytes. Default 4,096. */
  readonly outputMax?: number
}

/**
 * In a process group of its own, so that a timeout ends its children too; no input, a clean environment. Throws
 * TOOL_MISSING, COMMAND_FAILED (it could not be started); a code other than 0 is an answer.
 */
export function run(argv: readonly string[], options: RunOptions): Promise<Ran> {
  const { timeoutMs, cwd = '/', env = {}, outputMax = outputBytesMax } = options
  return new Promise((done, fail) => {
    const child = spawn(argv[0]!, argv.slice(1), {
      cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        HOME: '/root',
        LC_ALL: 'C.UTF-8',
        ...env,
      },
    })
    let output = Buffer.alloc(0)
    let timedOut = false
    const take = (chunk: Buffer) => {
      output = Buffer.concat([output, chunk]).subarray(-outputMax)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    const end = (code: number | null) => {
      clearTimeout(timer)
      clearTimeout(late)
      child.stdout.destroy()
      child.stderr.destroy()
      done({ code: code ?? undefined, timedOut, output: output.toString() })
    }
    const timer = setTimeout(() => {
      timedOut = true
      try {
        process.kill(-child.pid!, 'SIGKILL')
      } catch {
        child.kill('SIGKILL')
      }
    }, timeoutMs)
    child.on('error', error => {
      clearTimeout(timer)
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
      fail(
        new StepError(missing ? 'TOOL_MISSING' : 'COMMAND_FAILED', undefined, `${argv[0]}: ${error.message}`),
      )
    })
    // 'close' comes when all output is here, but waits for a daemon that kept our pipe: not longer than this.
    let late: NodeJS.Timeout | undefined
    child.on('exit', code => {
      late = setTimeout(end, 200, code)
    })
    child.on('close', end)
  })
}
