// Control groups: every process of a lab lives in one group, so that all of them end together and nothing has to be
// remembered: no process numbers, no names. Survives a crash of the test, since the group is found by its name.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from './command.ts'

/** Where cgroup2 is mounted; undefined: nowhere, or not to be written to. */
export function cgroup2(): string | undefined {
  const [found] = mounts('cgroup2')
  if (found === undefined) return undefined
  try {
    const probe = join(found, `fleet-lab-probe-${process.pid}`)
    mkdirSync(probe)
    rmdirSync(probe)
    return found
  } catch {
    return undefined
  }
}

const mounts = (type: string, option = '') =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map(line => line.split(' '))
    .filter(([, , each, options]) => each === type && (option === '' || options!.split(',').includes(option)))
    .map(([, path]) => path!)

/** A group, and all below it. */
export class Group {
  readonly path: string
  /** The same below each hierarchy: systemd-nspawn mirrors its group in that of a machine on version 1. */
  readonly #twins: readonly string[]

  constructor(name: string) {
    this.#twins = [...mounts('cgroup2').slice(0, 1), ...mounts('cgroup', 'name=systemd')].map(root =>
      join(root, name),
    )
    this.path = this.#twins[0]!
  }

  /** Words that start a command in this group: put before its own. */
  get entering(): readonly string[] {
    mkdirSync(this.path, { recursive: true })
    return ['sh', '-c', 'echo $$ >"$0/cgroup.procs" && exec "$@"', this.path]
  }

  get populated(): boolean {
    return this.#read('cgroup.events').startsWith('populated 1')
  }

  /** Process numbers of a group below, as the machine counts. */
  pids(below: string): readonly number[] {
    return this.#read(join(below, 'cgroup.procs')).split('\n').filter(Boolean).map(Number)
  }

  freeze(on: boolean): void {
    if (existsSync(this.path)) writeFileSync(join(this.path, 'cgroup.freeze'), on ? '1' : '0')
  }

  emptied(ms: number): Promise<true> {
    return until(`the end of all in ${this.path}`, () => (this.populated ? undefined : true), ms, 5)
  }

  /** Ends every process, and the group. */
  async end(): Promise<void> {
    if (existsSync(this.path)) {
      writeFileSync(join(this.path, 'cgroup.kill'), '1')
      await this.emptied(20_000)
    }
    for (const each of this.#twins) removeGroups(each)
  }

  #read(name: string): string {
    try {
      return readFileSync(join(this.path, name), 'utf8')
    } catch {
      return ''
    }
  }
}

function removeGroups(path: string): void {
  if (!existsSync(path)) return
  for (const each of readdirSync(path, { withFileTypes: true }))
    if (each.isDirectory()) removeGroups(join(path, each.name))
  rmdirSync(path)
}
