// Commands of the machine that the lab stands on, run to their end. Says nothing of what they are for.
import { type ChildProcess, spawn } from 'node:child_process'

export interface Ran {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly input?: string | Uint8Array
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** Exit codes that are no failure; default 0 alone, `any` for all. */
  readonly exits?: readonly number[] | 'any'
}

/** Throws with the command's own words when it ends otherwise than expected. */
export async function command(argv: readonly string[], options: CommandOptions = {}): Promise<Ran> {
  const { input, cwd, env, exits = [0] } = options
  const child = spawn(argv[0]!, argv.slice(1), {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(cwd !== undefined && { cwd }),
    ...(env !== undefined && { env }),
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input ?? '')
  const [stdout, stderr, exit] = await Promise.all([text(child.stdout), text(child.stderr), ended(child)])
  if (exits !== 'any' && !exits.includes(exit))
    throw new Error(`${argv.join(' ')} ended with ${exit}:\n${stderr || stdout}`)
  return { exit, stdout, stderr }
}

/** Calls `look` until it answers something other than undefined; fails after `ms` in the words of `what`. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  ms = 60_000,
  everyMs = 20,
): Promise<T> {
  const end = performance.now() + ms
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > end) throw new Error(`waited ${Math.round(ms / 1000)} s in vain for ${what}`)
    await new Promise(resolve => setTimeout(resolve, everyMs))
  }
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

/** The exit code; as a shell says it, when a signal ended the process. */
function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => resolve(code ?? 128))
  })
}
