// Running a command to its end, with a bound on time and on what is kept of its output. What is run, and what an exit
// code means, is left to whoever calls.
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { StepError } from './errors.ts'
import type { Ran } from './system.ts'

/** The end of the output that is kept, in bytes. */
const outputBytesMax = 4096
/** A daemon may keep our pipe: its output is not waited for longer than this. */
const lateMs = 200

export interface RunOptions {
  readonly timeoutMs: number
  /** Default `/`. */
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** How much of the end of the output is kept, in bytes. Default 4,096. */
  readonly outputMax?: number
}

const cleanEnv = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LC_ALL: 'C.UTF-8',
}

/**
 * In a process group of its own, so that a timeout ends its children too; no input, a clean environment, and one pipe
 * for both streams, so that their order stays. Throws TOOL_MISSING, COMMAND_FAILED (it could not be started); a code
 * other than 0 is an answer.
 */
export function run(argv: readonly string[], options: RunOptions): Promise<Ran> {
  const { timeoutMs, cwd = '/', outputMax = outputBytesMax } = options
  const env = { ...cleanEnv, ...options.env }
  const tool = argv[0]!
  if (!isThere(tool, cwd, env.PATH))
    return Promise.reject(new StepError('TOOL_MISSING', undefined, `${tool}: found no such program`))
  return new Promise((done, fail) => {
    // Node cannot give one pipe to two streams; the shell can, and is gone before the command begins.
    const child = spawn('/bin/sh', ['-c', 'exec "$@" 2>&1', 'sh', ...argv], {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let output = Buffer.alloc(0)
    let timedOut = false
    let late: NodeJS.Timeout | undefined
    child.stdout.on('data', (chunk: Buffer) => {
      output = Buffer.concat([output, chunk]).subarray(-outputMax)
    })
    const timer = setTimeout(() => {
      timedOut = true
      endGroup(child.pid)
    }, timeoutMs)
    const end = (code: number | null) => {
      clearTimeout(timer)
      clearTimeout(late)
      child.stdout.destroy()
      done({ code: code ?? undefined, timedOut, output: wholeCharacters(output) })
    }
    child.on('error', error => {
      clearTimeout(timer)
      fail(new StepError('COMMAND_FAILED', undefined, `${tool}: ${error.message}`))
    })
    child.on('exit', code => {
      late = setTimeout(end, lateMs, code)
    })
    child.on('close', end)
  })
}

/** SIGKILL, since what hangs may well ignore anything else. */
function endGroup(pid: number | undefined) {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch (error) {
    // It has just ended by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function isThere(tool: string, cwd: string, path: string): boolean {
  const places = tool.includes('/')
    ? [tool.startsWith('/') ? '' : `${cwd}/`]
    : path.split(':').map(each => `${each}/`)
  return places.some(place => {
    try {
      fs.accessSync(place + tool, fs.constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Output that was cut may begin within a character. */
function wholeCharacters(bytes: Buffer): string {
  let from = 0
  while (from < 3 && (bytes[from] ?? 0) >> 6 === 2) from++
  return bytes.subarray(from).toString()
}
