// The stage of the demo: temporary folders, agents as processes, commands run as a user would type them. Ends every
// process that it started, also when the demo fails or is interrupted.
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CliError } from './command.ts'

export interface Ran {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

export interface DemoHost {
  readonly name: string
  readonly state: string
  readonly root: string
  readonly port: number
}

/** What a person types for `fleet`. */
export const fleetBin = fileURLToPath(new URL('../bin/fleet', import.meta.url))

export class Stage {
  readonly folder: string
  readonly operator: string
  readonly #agents = new Map<string, ChildProcess>()
  readonly #env: NodeJS.ProcessEnv

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'fleet-demo-'))
    this.operator = join(this.folder, 'operator')
    // A home of its own: the demo touches no key of the person who runs it.
    const home = join(this.folder, 'home')
    mkdirSync(home)
    this.#env = { ...process.env, HOME: home, XDG_CONFIG_HOME: join(home, '.config'), NO_COLOR: '1' }
  }

  async host(name: string): Promise<DemoHost> {
    const root = join(this.folder, name, 'root')
    mkdirSync(root, { recursive: true })
    return { name, root, state: join(this.folder, name, 'state'), port: await freePort() }
  }

  /** Runs `fleet …` to its end. Fails with the command's own words unless it exits with one of `exits`. */
  async fleet(
    args: readonly string[],
    options: { cwd?: string; exits?: readonly number[] } = {},
  ): Promise<Ran> {
    const child = spawn(fleetBin, args, {
      cwd: options.cwd ?? this.operator,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
    const exit = await ended(child)
    const ran = { exit, stdout: await stdout, stderr: await stderr }
    if (!(options.exits ?? [0]).includes(exit))
      throw new CliError(`fleet ${args.join(' ')} ended with ${exit}:\n${ran.stderr || ran.stdout}`)
    return ran
  }

  /** Starts an agent; it listens when its control socket answers. Its log lies beside its state. */
  start(host: DemoHost, extra: readonly string[] = []): void {
    const log = openSync(join(this.folder, host.name, 'agent.log'), 'a')
    const child = spawn(fleetBin, ['agent', '--state', host.state, ...extra], {
      env: this.#env,
      stdio: ['ignore', log, log],
    })
    this.#agents.set(host.name, child)
  }

  async stop(name: string, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#agents.get(name)
    this.#agents.delete(name)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    const late = setTimeout(() => child.kill('SIGKILL'), 5_000)
    await ended(child)
    clearTimeout(late)
  }

  pid(name: string): number | undefined {
    return this.#agents.get(name)?.pid
  }

  log(name: string): string {
    return readFileSync(join(this.folder, name, 'agent.log'), 'utf8')
  }

  /** Ends all agents; with `remove`, the folder goes too. */
  async close(remove: boolean): Promise<void> {
    await Promise.all([...this.#agents.keys()].map(name => this.stop(name)))
    if (remove) rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Calls `look` until it answers something; fails after `ms` in the words of `what`. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  ms = 30_000,
  everyMs = 50,
): Promise<T> {
  const end = performance.now() + ms
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > end) throw new CliError(`waited ${Math.round(ms / 1000)} s in vain: ${what}`)
    await new Promise(resolve => setTimeout(resolve, everyMs))
  }
}

/** One digest of a whole tree: paths, types, modes, owners, contents, link targets. */
export function fingerprint(root: string): string {
  const hash = createHash('sha256')
  const walk = (path: string) => {
    const stat = lstatSync(path)
    hash.update(`${relative(root, path)}\0${stat.mode.toString(8)} ${stat.uid} ${stat.gid}\0`)
    if (stat.isSymbolicLink()) hash.update(readlinkSync(path))
    else if (stat.isDirectory()) for (const name of readdirSync(path).sort()) walk(join(path, name))
    else hash.update(createHash('sha256').update(readFileSync(path)).digest())
  }
  walk(root)
  return hash.digest('hex')
}

/** Number of files below a folder. */
export function countFiles(root: string): number {
  return readdirSync(root, { recursive: true, withFileTypes: true }).filter(each => !each.isDirectory())
    .length
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

async function collect(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += chunk
  return text
}

function ended(child: ChildProcess): Promise<number> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode)
  if (child.signalCode !== null) return Promise.resolve(1)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => resolve(code ?? 1))
  })
}
