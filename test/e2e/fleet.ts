// A real fleet for tests: agents as processes on loopback, an operator's repository, stock git. Says nothing of what is
// right; the tests do. What it starts it ends, by id, and its folder goes.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll } from 'vitest'
import { type DemoHost, fingerprint, type Ran, Stage, until } from '../../cli/demo-stage.ts'
import { type Ask, decodeReply, type LogView, type PeerView, type StatusView } from '../../node/control.ts'
import { askControl } from '../../node/os-socket.ts'

export { type DemoHost as Host, fingerprint, until }

/** What `fleet publish --json` prints. */
export interface Published {
  readonly trust: { readonly sequence: number; readonly id: string } | null
  readonly release: { readonly sequence: number; readonly id: string; readonly hosts: number } | null
  readonly held: number
  readonly reached: number
}

/** A line of an agent's log. */
export type LogLine = { readonly level: string; readonly event: string } & Readonly<Record<string, unknown>>

// A fleet starts many processes: they share what was compiled.
const compiled = mkdtempSync(join(tmpdir(), 'fleet-e2e-compiled-'))
process.env['NODE_COMPILE_CACHE'] = compiled
afterAll(() => rmSync(compiled, { recursive: true, force: true }))

export class Fleet {
  readonly stage = new Stage()
  readonly hosts = new Map<string, DemoHost>()
  join = ''

  /** A fleet whose hosts are enrolled and up, and that has no release yet. */
  static async begin(names: readonly string[]): Promise<Fleet> {
    const fleet = new Fleet()
    try {
      await fleet.run(['init', fleet.stage.operator], { cwd: fleet.stage.folder })
      fleet.join = (await fleet.run(['key', 'join'])).stdout.trim()
      for (const name of names) await fleet.enroll(name)
      fleet.commit('Enroll hosts')
      await Promise.all(names.map(name => fleet.start(name)))
      return fleet
    } catch (error) {
      await fleet.close()
      throw error
    }
  }

  /** `fleet ARGS`, as typed in the operator's repository. */
  run(args: readonly string[], options: { cwd?: string; exits?: readonly number[] } = {}): Promise<Ran> {
    return this.stage.fleet(args, options)
  }

  /** The same, and what it is expected to end with. */
  async fails(exit: number, ...args: string[]): Promise<string> {
    return (await this.run(args, { exits: [exit] })).stderr
  }

  host(name: string): DemoHost {
    const host = this.hosts.get(name)
    if (host === undefined) throw new Error(`there is no host ${name}`)
    return host
  }

  /** Joins and enrolls a host; `more` are words of its roster line. */
  async enroll(name: string, ...more: string[]): Promise<DemoHost> {
    const host = await this.stage.host(name)
    const listen = `127.0.0.1:${host.port}`
    const where = ['--state', host.state, '--root', host.root, '--listen', listen, '--name', name]
    const joined = await this.run(['join', this.join, ...where, '--no-mdns', '--json'])
    await this.run(['enroll', (JSON.parse(joined.stdout) as { line: string }).line, ...more])
    this.hosts.set(name, host)
    return host
  }

  /** Starts the agent of a host, and waits until it listens. */
  async start(name: string): Promise<void> {
    this.stage.start(this.host(name))
    await until(`${name} to listen`, () => this.status(name))
  }

  stop(name: string): Promise<void> {
    return this.stage.stop(name)
  }
  kill(name: string): Promise<void> {
    return this.stage.stop(name, 'SIGKILL')
  }

  /** What the agent answers; undefined when none runs. */
  async ask<T>(name: string, ask: Ask): Promise<T | undefined> {
    const socket = join(this.host(name).state, 'control.sock')
    const line = await askControl(socket, ask).catch(() => undefined)
    const reply = line === undefined ? undefined : decodeReply(line)
    return reply !== undefined && 'ok' in reply ? (reply.ok as T) : undefined
  }
  status(name: string): Promise<StatusView | undefined> {
    return this.ask(name, { ask: 'status' })
  }
  log(name: string): Promise<readonly LogView[] | undefined> {
    return this.ask(name, { ask: 'log' })
  }
  peers(name: string): Promise<readonly PeerView[] | undefined> {
    return this.ask(name, { ask: 'peers' })
  }

  /** The lines that an agent has logged, of one event if it is given. */
  lines(name: string, event?: string): LogLine[] {
    const lines = this.stage
      .log(name)
      .split('\n')
      .filter(line => line.startsWith('{'))
    return lines
      .map(line => JSON.parse(line) as LogLine)
      .filter(each => event === undefined || each.event === event)
  }

  write(path: string, content: string | Uint8Array, mode = 0o644): void {
    const file = join(this.stage.operator, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
    chmodSync(file, mode)
  }
  read(path: string): string {
    return readFileSync(join(this.stage.operator, path), 'utf8')
  }

  /** Stock git, in the operator's repository. */
  git(...args: string[]): string {
    return git(this.stage.operator, ...args)
  }
  commit(message: string): void {
    this.git('add', '-A')
    this.git('commit', '-q', '--allow-empty', '-m', message)
  }

  /** Publishes what is committed, to all hosts at once; `held` hosts hold it then (default: one). */
  async publish(subject: string, held = 1, ...more: string[]): Promise<Published> {
    const ran = await this.run([
      ...['publish', '-m', subject, '--now', '--peers', String(held), '--json'],
      ...more,
    ])
    return JSON.parse(ran.stdout) as Published
  }

  /** Commits these files and publishes them; the release's sequence. */
  async release(subject: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<number> {
    for (const [path, content] of Object.entries(files)) this.write(path, content)
    this.commit(subject)
    const { release } = await this.publish(subject)
    if (release === null) throw new Error(`${subject}: nothing was published`)
    return release.sequence
  }

  /** Waits until the release is in force on these hosts, every step kept. */
  async converged(sequence: number, ...names: string[]): Promise<void> {
    for (const name of names)
      await until(
        `release ${sequence} on ${name}`,
        async () => {
          const status = await this.status(name)
          const done = status?.release?.sequence === sequence && status.head!.sequence >= sequence
          return done && ['APPLIED', 'HEALTHY', 'NOOP'].includes(status.state) ? true : undefined
        },
        45_000,
      )
  }

  fingerprint(name: string): string {
    return fingerprint(this.host(name).root)
  }
  at(name: string, path: string): string {
    return join(this.host(name).root, path)
  }
  cat(name: string, path: string): string | undefined {
    const file = this.at(name, path)
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined
  }

  /** Ends everything, without the courtesies of a stop. */
  async close(): Promise<void> {
    await Promise.all([...this.hosts.keys()].map(name => this.kill(name)))
    await this.stage.close(true)
  }
}

/** Stock git, without anybody's settings; what it printed. */
export function git(cwd: string, ...args: string[]): string {
  const who = ['-c', 'user.name=alice', '-c', 'user.email=alice@example.org', '-c', 'commit.gpgsign=false']
  const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1', LC_ALL: 'C' }
  return execFileSync('git', [...who, ...args], { cwd, env, encoding: 'utf8', stdio: 'pipe' })
}
