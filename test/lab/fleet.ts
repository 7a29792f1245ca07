// A real fleet on the hosts of a lab: the agent as a systemd unit, an operator who publishes over the network. Says nothing
// of what is right; the tests do.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Outline } from '../../cli/outline.ts'
import type { Published } from '../../cli/publish.ts'
import { type Ask, decodeReply, type PeerView, type StatusView } from '../../node/control.ts'
import { askControl } from '../../node/os-socket.ts'
import { command, type Ran, until } from './command.ts'
import { type Host, Lab, project } from './lab.ts'

/** A line of an agent's log. */
export type LogLine = {
  readonly level: string
  readonly event: string
  /** Wall time. */
  readonly time: string
} & Readonly<Record<string, unknown>>

type Files = Readonly<Record<string, string>>

export class LabFleet {
  readonly lab: Lab
  readonly hosts: readonly Host[]
  readonly #operator: string
  readonly #env: NodeJS.ProcessEnv
  #published = 0

  private constructor(lab: Lab, hosts: readonly Host[]) {
    this.lab = lab
    this.hosts = hosts
    this.#operator = join(lab.folder, 'operator')
    const home = join(lab.folder, 'home')
    mkdirSync(home, { recursive: true })
    this.#env = { ...process.env, HOME: home, XDG_CONFIG_HOME: join(home, '.config'), NO_COLOR: '1' }
  }

  /** A new lab of so many hosts, enrolled, agents running, without a release. `labels` of a host, by its name. */
  static async begin(
    name: string,
    count: number,
    labels: Readonly<Record<string, readonly string[]>> = {},
  ): Promise<LabFleet> {
    const lab = await Lab.open(name, { fresh: true })
    try {
      const fleet = new LabFleet(lab, await lab.up(count))
      await fleet.run(['init', fleet.#operator], { cwd: lab.folder })
      const joining = (await fleet.run(['key', 'join'])).stdout.trim()
      const lines = await Promise.all(
        fleet.hosts.map(async host => {
          const joined = await host.exec(['fleet', 'join', joining, '--name', host.name, '--json'])
          return (JSON.parse(joined.stdout) as { line: string }).line
        }),
      )
      for (const [at, line] of lines.entries()) {
        const { name, address } = fleet.hosts[at]!
        await fleet.run(['enroll', line, `addr=${address}:4747`, ...(labels[name] ?? [])])
      }
      await fleet.commit('Enroll hosts')
      await Promise.all(fleet.hosts.map(host => host.sh('systemctl enable -q --now fleet')))
      for (const host of fleet.hosts) await fleet.answers(host)
      return fleet
    } catch (error) {
      await lab.down()
      throw error
    }
  }

  host(name: string): Host {
    return this.hosts.find(each => each.name === name)!
  }

  /** `fleet …`, as typed by the operator, whose laptop hangs on the hosts' network. */
  run(
    words: readonly string[],
    { cwd = this.#operator, exits = [0] }: { cwd?: string; exits?: readonly number[] } = {},
  ): Promise<Ran> {
    return this.lab.inWire([join(project, 'bin/fleet'), ...words], { cwd, exits, env: this.#env })
  }

  write(path: string, content: string | Uint8Array, mode = 0o644): void {
    const file = join(this.#operator, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
    chmodSync(file, mode)
  }

  async commit(message: string): Promise<void> {
    await this.git('add', '-A')
    await this.git('commit', '-q', '--allow-empty', '-m', message)
  }

  /** Stock git, in the operator's repository. */
  git(...words: readonly string[]): Promise<Ran> {
    const who = ['-c', 'user.name=alice', '-c', 'user.email=alice@example.org']
    return command(['git', ...who, ...words], { cwd: this.#operator, env: this.#env })
  }

  /** Commits this declaration and publishes it to all hosts at once; its sequence. Files stay from one release to the next. */
  async release(subject: string, steps: string, files: Files = {}): Promise<number> {
    return (await this.#release(['--now', '--force'], subject, steps, files)).sequence
  }

  /** The same, in the stages that fleet.toml says. */
  staged(subject: string, steps: string, files: Files = {}): Promise<Outline> {
    return this.#release([], subject, steps, files)
  }

  async #release(how: readonly string[], subject: string, steps: string, files: Files): Promise<Outline> {
    this.write('site.steps', steps)
    for (const [path, content] of Object.entries(files)) this.write(path, content)
    await this.commit(subject)
    const ran = await this.run(['publish', '-m', subject, '--peers', '1', '--json', ...how])
    const { release } = JSON.parse(ran.stdout) as Published
    if (release === null) throw new Error(`${subject}: nothing was published`)
    this.#published = release.sequence
    return release
  }

  /** What the agent of a host answers; undefined when none runs. */
  async ask<T>(host: Host, ask: Ask): Promise<T | undefined> {
    const line = await askControl(host.at('/var/lib/fleet/control.sock'), ask).catch(() => undefined)
    const reply = line === undefined ? undefined : decodeReply(line)
    return reply !== undefined && 'ok' in reply ? (reply.ok as T) : undefined
  }

  status(host: Host): Promise<StatusView | undefined> {
    return this.ask(host, { ask: 'status' })
  }

  answers(host: Host): Promise<StatusView> {
    return until(`the agent of ${host.name} to answer`, () => this.status(host))
  }

  /** Waits until each host is connected to all others: what one of them has heard then reaches the rest at once. */
  async met(): Promise<void> {
    for (const host of this.hosts)
      await until(`the peers of ${host.name}`, async () => {
        const peers = (await this.status(host))?.peers ?? 0
        return peers >= this.hosts.length - 1 || undefined
      })
  }

  /** Waits until these hosts have soaked the newest release, too. */
  healthy(hosts: readonly Host[] = this.hosts, ms = 90_000): Promise<void> {
    return this.converged(hosts, ms, ['HEALTHY', 'NOOP'])
  }

  /** Waits until all hosts know of all that they have soaked it: what a laptop hears from whichever it reaches. */
  async complete(): Promise<void> {
    await this.healthy()
    const { length } = this.hosts
    for (const host of this.hosts)
      await until(`${host.name} to know that all are healthy`, async () => {
        const peers = await this.ask<readonly PeerView[]>(host, { ask: 'peers' })
        const done = peers?.filter(
          each => each.release === this.#published && ['HEALTHY', 'NOOP'].includes(each.state),
        )
        return done?.length === length || undefined
      })
  }

  /** Waits until the newest release is in force on these hosts, every step kept. */
  async converged(
    hosts: readonly Host[] = this.hosts,
    ms = 90_000,
    states = ['APPLIED', 'HEALTHY', 'NOOP'],
  ): Promise<void> {
    for (const host of hosts) {
      let last: StatusView | undefined
      let failed = 0
      await until(
        `release ${this.#published} on ${host.name}`,
        async () => {
          const status = (last = (await this.status(host)) ?? last)
          const settled = status?.release?.sequence === this.#published && status.notKept.length === 0
          // For a while it may still be the release before that failed.
          failed = status?.state === 'FAILED' ? failed + 1 : 0
          if (failed > 100) throw new Error(host.name)
          return settled && states.includes(status.state) ? true : undefined
        },
        ms,
        50,
      ).catch(error => {
        throw new Error(`${error.message}: ${last?.why ?? JSON.stringify(last?.notKept ?? 'no answer')}`)
      })
    }
  }

  /** Waits until a file of a host holds this again. */
  async repaired(host: Host, path: string, content: string): Promise<void> {
    await until(`${path} on ${host.name} to be repaired`, async () =>
      (await host.exec(['cat', path], { exits: 'any' })).stdout === content ? true : undefined,
    )
  }

  /** What the agent of a host has logged since it booted, of one event if it is given. */
  async lines(host: Host, event?: string): Promise<readonly LogLine[]> {
    const text = await host.sh('journalctl -u fleet -o cat --no-pager')
    return text
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as LogLine)
      .filter(each => event === undefined || each.event === event)
  }

  close(): Promise<void> {
    return this.lab.down()
  }
}

/** Node.js, as a host has it. */
export const inHostNode = '/opt/fleet/node_modules/.bin/node'

/** A script of this folder, as text: to be run in a host. */
export const scriptText = (name: string): string => readFileSync(join(project, 'test/lab', name), 'utf8')
