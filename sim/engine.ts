// A host of a simulation: the real engine, and the real way from a release to its steps, on a simulated machine. Runs take time
// by the world's clock, and come to what a trial says where the release is to go wrong here. Draws no fault itself.

import type { RunTerms } from '../node/driver-ports.ts'
import type { Ears } from '../node/host/driver.ts'
import { engineOn } from '../node/host/main.ts'
import { targetOf } from '../node/host/plan.ts'
import type { ResourceId, State } from '../node/host/resource.ts'
import { baseDirectories } from '../node/host/steps/base.ts'
import { type Facts, facts as known } from '../node/host/steps/facts.ts'
import { basename, dirname, type Probing, type Ran } from '../node/host/system.ts'
import type { LogEntry } from '../node/log.ts'
import { hostOn, type RunningHost } from '../node/os-host.ts'
import type { Log } from '../node/os-log.ts'
import type { HostPorts, HostSide } from '../node/peer.ts'
import type { RunReport } from '../node/report.ts'
import type { SimDisk } from './disk.ts'
import { simAttempts } from './files.ts'
import type { Life } from './life.ts'
import { openSimMachine } from './machine.ts'
import { openSimProviders } from './providers.ts'
import type { World } from './world.ts'

/** How the run of a release goes wrong on this host. Counts begin with 0 and are of what is changed. */
export type Trial =
  /** The act of that number fails; a run of fewer acts fails nowhere. */
  | { readonly kind: 'fails'; readonly at: number }
  /** A command hangs for so long; the run goes on then. */
  | { readonly kind: 'hangs'; readonly ms: number }
  /** The agent dies before the change of that number; the life's onDeath is called. */
  | { readonly kind: 'kills'; readonly at: number }
  /** The host is cut off by it; `back`: it is taken back. Only of machines in brief: whole ones have a command for that. */
  | { readonly kind: 'cutsOff'; readonly cut: () => void; readonly back: () => void }
  /** It works; so much later a file that it brought is spoilt and cannot be put back. */
  | { readonly kind: 'later'; readonly ms: number }

export interface Command {
  readonly code: number
  readonly ms: number
  readonly output?: string
}

export interface SimEngineOptions {
  readonly world: Pick<World, 'nowMs' | 'after' | 'chance'> & { unsettled?(): void }
  /** A new one for each start. */
  readonly life: Life
  /** Whose chance it is, in the world's streams. */
  readonly name: string
  /** This host's key in hex. */
  readonly key: string
  /** The agent's folder on the disk, such as /var/lib/fleet. */
  readonly state: string
  /** ms since 1970 by this host's clock. */
  readonly now: () => number
  readonly auditMs: number
  readonly log: Log
  /** Least and most ms of a run. */
  readonly runMs: readonly [number, number]
  /** ms that each change of the disk takes now. Default: none. */
  readonly slowMs?: () => number
  readonly facts?: Facts
  readonly trial?: (entry: LogEntry) => Trial | undefined
  /** What CHECK finds; default: all is well. */
  readonly probe?: Probing
  /** What a command comes to; default: code 0 after 20 ms. One that takes longer than it may is killed. */
  readonly command?: (argv: readonly string[]) => Command | undefined
}

/** What a simulated host has besides its peer: a whole engine, or a machine in brief (brief.ts). */
export interface Side extends HostSide {
  readonly host: Pick<RunningHost, 'begin' | 'audit' | 'retry'>
  /** Somebody writes a file in place, or removes it (undefined); who listens hears of it. False: the disk would not. */
  edit(path: string, bytes: Uint8Array | undefined): boolean
  /** Spoils a managed file for good, until `disk.faults.immutable` is cleared; answers which. */
  spoil(): string | undefined
}

export interface SimEngine extends Side {
  readonly host: RunningHost
  /** Somebody changes a resource. */
  set(id: ResourceId, state: State | null): void
}

/** Of a small virtual machine. */
export const simFacts: Facts = {
  ...Object.fromEntries(Object.keys(known).map(fact => [fact, ''])),
  'os.id': 'debian',
  'os.version': '12',
  'os.codename': 'bookworm',
  arch: 'x86_64',
  virtualisation: 'kvm',
  cpus: '2',
  memory: '2048',
}

/** Opens the engine and takes back what a crash cut short; `host.begin` begins to watch. Errors: those of openEngine. */
export async function openSimEngine(options: SimEngineOptions, ports: HostPorts): Promise<SimEngine> {
  const { world, life, name, key, now, auditMs, trial, slowMs = () => 0 } = options
  const { disk } = life
  const state = `${options.state}/host`
  const chance = world.chance(name, 'machine')
  const timers = {
    after: (ms: number, action: () => void) => world.after(ms, () => life.alive && action()),
  }
  /** A life that is over waits for ever. */
  const wait = (ms: number) =>
    new Promise<void>(resolve => {
      timers.after(ms, () => {
        world.unsettled?.()
        resolve()
      })
    })
  const log: Log = (...said) => life.alive && options.log(...said)

  layBase(disk)
  const fake = openSimProviders(life)
  const machine = openSimMachine(life, {
    state,
    run: async (argv, timeoutMs): Promise<Ran> => {
      const { code, ms, output = '' } = options.command?.(argv) ?? { code: 0, ms: 20 }
      await wait(Math.min(ms, timeoutMs))
      return ms > timeoutMs ? { code: undefined, timedOut: true, output } : { code, timedOut: false, output }
    },
  })
  const ears = openEars(timers.after)
  const engine = engineOn({
    ...{ machine, now, ears, where: machine.where, providers: fake.providers },
    random: chance,
    log: line => log('info', 'engine', { line }),
    probe: options.probe ?? (async () => undefined),
    timing: { now: () => world.nowMs, wait },
    close: () => life.end(),
  })
  const facts = () => options.facts ?? simFacts
  const settings = { root: '/', key, auditMs, log, random: chance, now, facts }
  const host = await hostOn(settings, ports, { engine, attempts: simAttempts(life, state), timers })

  const run = async (entry: LogEntry, terms?: RunTerms): Promise<RunReport> => {
    const wrong = trial?.(entry)
    const [least, most] = options.runMs
    await wait(least + (most - least) * chance() + (wrong?.kind === 'hangs' ? wrong.ms : 0))
    if (wrong?.kind === 'kills') life.dieAt(wrong.at)
    if (wrong?.kind === 'fails') {
      machine.failAt(wrong.at)
      fake.failAt(wrong.at)
    }
    const before = disk.changes
    const report = await host.runner.run(entry, terms).catch(error => {
      if (life.alive) throw error
      return undefined
    })
    if (report === undefined || !life.alive) return new Promise<never>(() => {})
    life.dieAt(Number.POSITIVE_INFINITY)
    machine.failAt(Number.POSITIVE_INFINITY)
    fake.failAt(Number.POSITIVE_INFINITY)
    const costMs = (disk.changes - before) * slowMs()
    if (costMs > 0) await wait(costMs)
    if (wrong?.kind === 'later' && report.kind === 'applied') timers.after(wrong.ms, spoil)
    return report
  }

  const edit = (path: string, bytes: Uint8Array | undefined): boolean => {
    // Somebody else's change is none of the agent's.
    const { before } = disk
    disk.before = undefined
    try {
      const above = disk.find(`${dirname(path)}/.`)
      if (above === undefined) return false
      const there = above.entries.get(basename(path))
      if (bytes === undefined) disk.remove(above, basename(path))
      else if (there?.kind === 'file') disk.overwrite(there, bytes)
      else if (there) return false
      else disk.add(above, basename(path), 'file', { mode: 0o644, uid: 0, gid: 0 }, bytes)
    } catch {
      return false
    } finally {
      disk.before = before
    }
    ears.tell(path)
    return true
  }
  const spoil = (): string | undefined => {
    const steps = engine.inForce()?.steps ?? []
    const path = steps.map(targetOf).find(each => each !== undefined && disk.find(each)?.kind === 'file')
    if (path === undefined) return undefined
    disk.faults.immutable.add(path)
    edit(path, new TextEncoder().encode('spoilt\n'))
    return path
  }

  return {
    host,
    runner: { ...host.runner, run },
    get inForce() {
      return host.inForce
    },
    get dirty() {
      return host.dirty
    },
    get paused() {
      return host.paused
    },
    close: () => host.close(),
    edit,
    set: fake.set,
    spoil,
  }
}

/** The directories of a base system, where there are none. */
function layBase(disk: SimDisk): void {
  if (disk.root.entries.has('etc')) return
  for (const [path, { mode }] of [...baseDirectories].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const above = disk.find(dirname(path))
    if (above && !above.entries.has(basename(path)))
      disk.add(above, basename(path), 'directory', { mode, uid: 0, gid: 0 })
  }
  disk.flush([])
}

/** inotify, as far as edits by hand go: who listens to a directory hears the names that change in it. */
function openEars(after: Ears['after']): Ears & { tell(path: string): void } {
  const open = new Set<(directory: string, name: string) => void>()
  return {
    after,
    queuedMax: 16_384,
    listen: ({ event }) => {
      const directories = new Set<string>()
      const hear = (directory: string, name: string) => {
        if (directories.has(directory)) event(directory, name)
      }
      open.add(hear)
      return {
        listen: directory => directories.add(directory),
        stale: () => [],
        close: () => open.delete(hear),
      }
    },
    tell: path => {
      for (const hear of open) hear(dirname(path), basename(path))
    },
  }
}
