// A real fleet on the hosts of a lab: the agent as a systemd unit, an operator who publishes over the network. Says nothing
// of what is right; the tests do.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Ask, decodeReply, type StatusView } from '../../node/control.ts'
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

  /** A new lab of so many hosts, enrolled, agents running, without a release. */
  static async begin(name: string, count: number): Promise<LabFleet> {
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
      for (const [at, line] of lines.entries())
        await fleet.run(['enroll', line, `addr=${fleet.hosts[at]!.address}:4747`])
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
  run(words: readonly string[], { cwd = this.#operator } = {}): Promise<Ran> {
    return this.lab.inWire([join(project, 'bin/fleet'), ...words], { cwd, env: this.#env })
  }

  write(path: string, content: string | Uint8Array, mode = 0o644): void {
    const file = join(this.#operator, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
    chmodSync(file, mode)
  }

  async commit(message: string): Promise<void> {
    const git = ['git', '-c', 'user.name=alice', '-c', 'user.email=alice@example.org']
    const options = { cwd: this.#operator, env: this.#env }
    await command([...git, 'add', '-A'], options)
    await command([...git, 'commit', '-q', '--allow-empty', '-m', message], options)
  }

  /** Commits this declaration and publishes it; the release's sequence. Files stay from one release to the next. */
  async release(
    subject: string,
    steps: string,
    files: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    this.write('site.steps', steps)
    for (const [path, content] of Object.entries(files)) this.write(path, content)
    await this.commit(subject)
    const ran = await this.run(['publish', '-m', subject, '--now', '--peers', '1', '--json', '--force'])
    const { release } = JSON.parse(ran.stdout) as { release: { sequence: number } | null }
    if (release === null) throw new Error(`${subject}: nothing was published`)
    this.#published = release.sequence
    return release.sequence
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

  /** Waits until the newest release is in force on these hosts, every step kept. */
  async converged(hosts: readonly Host[] = this.hosts, ms = 90_000): Promise<void> {
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
          return settled && ['APPLIED', 'HEALTHY', 'NOOP'].includes(status.state) ? true : undefined
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
