// What ails the machine of a simulated host: how runs and checks go there, what its users edit, and whether what is on its disk
// is what its journal says. The machine itself is engine.ts's.
import { createHash } from 'node:crypto'
import type { Probing } from '../node/host/system.ts'
import type { LogEntry } from '../node/log.ts'
import type { Log } from '../node/os-log.ts'
import type { HostPorts } from '../node/peer.ts'
import type { Clock } from '../node/ports.ts'
import type { RunReport } from '../node/report.ts'
import { openBriefMachine } from './brief.ts'
import type { Node, SimDisk } from './disk.ts'
import { openSimEngine, type Side, type Trial } from './engine.ts'
import type { Watched } from './events.ts'
import type { Life } from './life.ts'
import type { Breakage } from './plan.ts'
import { networkCommand } from './role.ts'
import type { Time } from './world.ts'

/** The agent's folder on a host. */
export const stateFolder = '/var/lib/fleet'

/** Whose machine it is. */
export interface Patient {
  readonly name: string
  readonly key: string
  readonly clock: Clock
  readonly disk: SimDisk
  readonly slowMs: number
  readonly log: Log
  /** Files that are there before fleet comes, besides those of any Debian. */
  readonly given: readonly string[]
  /** How a release does not work here. */
  readonly breaks: (entry: LogEntry) => Breakage | undefined
  /** Its engine is a whole one. */
  readonly whole: boolean
}

/** All that may be wrong with one machine at a time. */
export interface Trouble {
  /** A step of each run fails. */
  readonly fails?: boolean
  readonly hangsMs?: number
  /** A check fails from a while after each run on. */
  readonly sickens?: boolean
  /** Checks fail. */
  readonly sick?: boolean
  /** The agent dies in each run. */
  readonly kills?: boolean
  /** Each run that touches the network cuts the host off; `back` is what its undo does. */
  readonly cutsOff?: () => void
  readonly back?: () => void
}

/** ms of a run on a machine of the simulated kind. */
const runMs = [200, 4_000] as const
const auditMs = 3_600_000
/** Acts and changes of the disk until a run fails or dies: within what a small role does. */
const actsMax = 12
const changesMax = 120

export class Machine {
  readonly #world: Time
  readonly #host: Patient
  readonly #troubles = new Set<Trouble>()
  readonly #chance: () => number
  #engine: Side | undefined
  /** Entry in force ('' before any) -> what the targets looked like when it came into force. */
  readonly #looks = new Map<string, string>()
  #edited = false
  /** The network is next brought up to date by a run that cuts the host off. */
  #cutting = false
  #cutOff = false
  /** A run, or what it brought, whose checks fail. */
  #bad: string | undefined

  constructor(world: Time, host: Patient) {
    this.#world = world
    this.#host = host
    this.#chance = world.chance(host.name, 'ailments')
  }

  async open(life: Life, ports: HostPorts): Promise<Side> {
    const { name, key, clock } = this.#host
    this.#cutting = false
    if (!this.#host.whole) {
      // What an agent that died has left is taken back at its start.
      this.#back()
      const common = { world: this.#world, life, name, state: stateFolder, runMs, probe: this.#probe }
      const outcomes = { slowMs: () => this.#host.slowMs, trial: (entry: LogEntry) => this.#trial(entry) }
      this.#engine = await openBriefMachine({ ...common, ...outcomes }, ports)
      return this.#engine
    }
    const engine = await openSimEngine(
      {
        ...{ world: this.#world, life, name, key, state: stateFolder, auditMs, runMs },
        now: () => clock.now(),
        log: (level, event, data) => this.#host.log(level, event, data),
        slowMs: () => this.#host.slowMs,
        trial: entry => {
          const trial = this.#trial(entry)
          // A run puts in order what somebody edited; what is spoilt after it waits for a repair.
          this.#edited = trial?.kind === 'later'
          return trial
        },
        probe: this.#probe,
        command: argv => {
          if (argv.join(' ') !== networkCommand) return undefined
          if (this.#cutting) this.#cut()
          else this.#back()
          return { code: 0, ms: 20 }
        },
      },
      ports,
    )
    this.#engine = engine
    this.#furnish(engine)
    return engine
  }

  /** What there is on any Debian before fleet comes. */
  #furnish(engine: Side): void {
    const { disk, name, given } = this.#host
    const files = {
      '/etc/hosts': `127.0.0.1 localhost\n127.0.1.1 ${name}\n`,
      '/etc/issue': 'Debian\n',
      '/etc/motd': 'hello\n',
    }
    const missing = engine.inForce === undefined && disk.find('/etc/hosts') === undefined
    if (!missing) return
    for (const path of given) makeFolders(disk, path)
    const texts = { ...Object.fromEntries(given.map(path => [path, ''])), ...files }
    for (const [path, text] of Object.entries(texts)) engine.edit(path, new TextEncoder().encode(text))
    disk.flush()
  }

  /** Begins; answers with what ends it. */
  trouble(trouble: Trouble): () => void {
    this.#troubles.add(trouble)
    return () => {
      if (trouble.back) this.#back()
      this.#troubles.delete(trouble)
    }
  }

  heal(): void {
    this.#back()
    this.#troubles.clear()
  }

  /** By a run, and not back yet. */
  get cutOff(): boolean {
    // What did it may be over.
    return this.#cutOff && [...this.#troubles].some(each => each.cutsOff)
  }

  /** Somebody edits a managed file, or removes it. */
  drift(): void {
    const paths = ['/etc/app/app.conf', '/etc/app/large', '/etc/motd']
    const path = paths[Math.floor(this.#chance() * paths.length)]!
    const bytes = this.#chance() < 0.3 ? undefined : new TextEncoder().encode('edited by hand\n')
    // Where nothing is in force, nothing is managed: such an edit is the machine's own new state.
    if (this.#engine?.inForce !== undefined && this.#engine.edit(path, bytes)) this.#edited = true
  }

  /** The disk is new. */
  forget(): void {
    this.#looks.clear()
    this.#edited = false
    this.#cutOff = false
  }

  /** Compares the targets with what they were when the entry in force came. */
  state(): ReturnType<Watched['state']> {
    const engine = this.#engine
    if (!this.#host.whole) return undefined
    const { full, errors, immutable } = this.#host.disk.faults
    // A disk that refuses may also refuse to take something back: the next run or start does it.
    const refuses = full || errors > 0 || immutable.size > 0
    if (engine === undefined || engine.dirty || this.#edited || refuses) return undefined
    const inForce = engine.inForce?.entry
    const look = lookOf(this.#host.disk.root)
    const known = this.#looks.get(inForce ?? '')
    if (known === undefined) this.#looks.set(inForce ?? '', look)
    const differs = known === undefined || known === look ? undefined : difference(known, look)
    return { inForce, differs }
  }

  /** The run of a release is over, and this is what it came to. */
  ran(kind: RunReport['kind']): void {
    this.#cutting = false
    if (kind !== 'applied') this.#bad = undefined
  }

  #trial(entry: LogEntry): Trial | undefined {
    const breakage = this.#host.breaks(entry)
    this.#bad = breakage === 'check' ? entry.id : undefined
    if (breakage === 'step') return { kind: 'fails', at: 0 }
    const all = [...this.#troubles]
    if (all.some(each => each.kills)) return { kind: 'kills', at: Math.floor(this.#chance() * changesMax) }
    if (all.some(each => each.fails)) return { kind: 'fails', at: Math.floor(this.#chance() * actsMax) }
    const hang = all.find(each => each.hangsMs !== undefined)
    if (hang?.hangsMs !== undefined) return { kind: 'hangs', ms: hang.hangsMs }
    this.#cutting = all.some(each => each.cutsOff)
    if (this.#cutting && !this.#host.whole)
      return { kind: 'cutsOff', cut: () => this.#cut(), back: () => this.#back() }
    if (all.some(each => each.sickens)) return { kind: 'later', ms: 1_000 + this.#chance() * 10_000 }
    return undefined
  }

  #cut(): void {
    this.#cutting = false
    // What was to do it may be over since the run began.
    for (const { cutsOff } of this.#troubles) {
      if (cutsOff === undefined) continue
      this.#cutOff = true
      cutsOff()
    }
  }

  #back(): void {
    this.#cutOff = false
    for (const each of this.#troubles) each.back?.()
  }

  readonly #probe: Probing = async () => {
    if (this.#bad !== undefined) return sick
    return [...this.#troubles].some(each => each.sick) ? sick : undefined
  }
}

/** What a check finds that fails. */
const sick = 'found status 500; expected 200'

function makeFolders(disk: SimDisk, path: string): void {
  let at = disk.root
  for (const name of path.split('/').slice(1, -1)) {
    const next = at.entries.get(name) ?? disk.add(at, name, 'directory', { mode: 0o755, uid: 0, gid: 0 })
    if (next.kind !== 'directory') return
    at = next
  }
}

/** All that a user of the machine could see but times and inode numbers, a line each, without the agent's own folder. */
function lookOf(root: Node): string {
  const lines: string[] = []
  const walk = (node: Node, path: string) => {
    if (path === stateFolder) return
    const digest = node.kind === 'file' ? createHash('sha256') : undefined
    for (const chunk of node.chunks) digest?.update(chunk)
    lines.push(
      `${path} ${node.kind} ${node.mode.toString(8)} ${node.uid}:${node.gid} ${digest?.digest('hex') ?? node.target}`,
    )
    for (const name of [...node.entries.keys()].sort()) walk(node.entries.get(name)!, `${path}/${name}`)
  }
  walk(root, '')
  return lines.join('\n')
}

function difference(before: string, after: string): string {
  const [old, now] = [new Set(before.split('\n')), new Set(after.split('\n'))]
  const gone = [...old].filter(line => !now.has(line)).map(line => `- ${line}`)
  const come = [...now].filter(line => !old.has(line)).map(line => `+ ${line}`)
  return `on the machine differs: ${[...gone, ...come].slice(0, 6).join(' | ')}`
}
