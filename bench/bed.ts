// A fleet to measure: ten hosts on loopback as processes of their own, an operator's repository, and the agents' own
// logs, whose times (ms) say when something happened. Measures nothing itself.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type DemoHost, Stage, until } from '../cli/demo-stage.ts'
import { median } from './figures.ts'

/** A line of an agent's log. */
export interface Line {
  readonly time: string
  readonly event: string
  readonly sequence?: number
  readonly outcome?: string
}

const filesPerFolder = 100

export class Bed {
  readonly stage = new Stage()
  readonly hosts: DemoHost[] = []

  /** Makes repository and hosts, enrolls all; starts nothing. */
  static async make(hosts: number, files: number): Promise<Bed> {
    const bed = new Bed()
    const { stage } = bed
    try {
      await stage.fleet(['init', stage.operator], { cwd: stage.folder })
      bed.write(files)
      const joinString = (await stage.fleet(['key', 'join'])).stdout.trim()
      for (let i = 1; i <= hosts; i++) await bed.#enroll(await stage.host(`h${i}`), joinString)
      bed.commit('enroll')
      return bed
    } catch (error) {
      await bed.close()
      throw error
    }
  }

  async #enroll(host: DemoHost, joinString: string): Promise<void> {
    const { stage } = this
    const listen = `127.0.0.1:${host.port}`
    const where = ['--state', host.state, '--root', host.root, '--listen', listen, '--name', host.name]
    const answer = await stage.fleet(['join', joinString, ...where, '--no-mdns', '--json'], {
      cwd: stage.folder,
    })
    const { line } = JSON.parse(answer.stdout) as { line: string }
    await stage.fleet(['enroll', line, `addr=${listen}`])
    this.hosts.push(host)
  }

  /** The folder of the payloads, and where they are declared to be on a host. */
  get source(): string {
    return join(this.stage.operator, 'files', 'data')
  }
  target(host: DemoHost): string {
    return join(host.root, 'srv/data')
  }

  /** Declares `files` files of 1 KiB with new random contents. */
  write(files: number): void {
    for (let i = 0; i < files; i++) {
      const folder = join(this.source, `d${Math.floor(i / filesPerFolder)}`)
      if (i % filesPerFolder === 0) mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, `f${i}`), randomBytes(1024))
    }
    writeFileSync(join(this.stage.operator, 'site.steps'), 'TREE files/data /srv/data\n')
  }

  commit(message: string): void {
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=bench', '-c', 'user.email=bench@example.org', ...args], {
        cwd: this.stage.operator,
      })
    git('add', '-A')
    git('commit', '-q', '--no-gpg-sign', '-m', message)
  }

  lines(host: DemoHost): Line[] {
    const text = this.stage.log(host.name)
    // The last line may be half written.
    return text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as Line)
  }

  /** Starts an agent; answers ms until it listens, shell and all. */
  async start(host: DemoHost): Promise<number> {
    const listening = () => this.lines(host).filter(each => each.event === 'listening')
    const before = started(host, this.stage) ? listening().length : 0
    const began = Date.now()
    this.stage.start(host)
    const line = await until(`${host.name} to listen`, () => listening()[before])
    return Date.parse(line.time) - began
  }

  /** The log's line that says how a release ended on a host. Fails when it did not end well. */
  async ran(host: DemoHost, sequence: number): Promise<Line> {
    const end = await until(
      `release ${sequence} on ${host.name}`,
      () => this.lines(host).find(each => each.event === 'run ended' && each.sequence === sequence),
      120_000,
    )
    if (end.outcome !== 'applied') throw new Error(`${host.name}: release ${sequence} ended ${end.outcome}`)
    return end
  }

  /** `sequence` of what `fleet publish` published. */
  async publish(...args: string[]): Promise<number> {
    const { stdout } = await this.stage.fleet(['publish', '--now', ...args, '--json'])
    const { release } = JSON.parse(stdout) as { release: { sequence: number } }
    return release.sequence
  }

  close(): Promise<void> {
    return this.stage.close(true)
  }
}

function started(host: DemoHost, stage: Stage): boolean {
  try {
    stage.log(host.name)
    return true
  } catch {
    return false
  }
}

/** Of a running process: resident memory now and at most (MB of 10^6 bytes), processor time so far (s). */
export function usage(pid: number): { rssMb: number; peakMb: number; cpuS: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mb = (field: string) =>
    (Number(new RegExp(`^${field}:\\s+([0-9]+) kB$`, 'm').exec(status)?.[1]) * 1024) / 1e6
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // proc(5): utime and stime are fields 14 and 15, in ticks of 10 ms.
  const cpuS = (Number(fields[11]) + Number(fields[12])) / 100
  return { rssMb: mb('VmRSS'), peakMb: mb('VmHWM'), cpuS }
}

const idleS = 30
/** After the last run: connections, statuses and the collector come to rest. */
const settleS = 20

/** What all agents of a bed take when nothing happens: median of the memory, mean of the processor time (ticks are coarse). */
export async function idleCost(
  bed: Bed,
  note: (line: string) => void,
): Promise<{ readonly rssMb: number; readonly cpuPct: number }> {
  const wait = (s: number) => new Promise(resolve => setTimeout(resolve, s * 1000))
  const look = () => bed.hosts.map(host => usage(bed.stage.pid(host.name)!))
  note(`idle: ${settleS} s to settle, ${idleS} s measured`)
  await wait(settleS)
  const before = look()
  const began = performance.now()
  await wait(idleS)
  const after = look()
  const s = (performance.now() - began) / 1000
  const spent = after.reduce((sum, each, i) => sum + each.cpuS - before[i]!.cpuS, 0)
  return { rssMb: median(after.map(each => each.rssMb)), cpuPct: (100 * spent) / s / bed.hosts.length }
}
