// One host of a simulated fleet: a disk that survives, a clock, and lives of the real agent on them, one after another. Knows
// how to start, kill and hang it; what happens to it when is strike.ts's.
import type { Carrier, PeerId } from '../gossip/carrier.ts'
import { limits } from '../gossip/limits.ts'
import type { StatusPair } from '../gossip/message.ts'
import type { RunTerms } from '../node/driver-ports.ts'
import { StepError } from '../node/host/errors.ts'
import type { LogEntry } from '../node/log.ts'
import type { Log } from '../node/os-log.ts'
import type { Peer } from '../node/peer.ts'
import { equal, hex, utf8 } from '../signing/bytes.ts'
import { publicKeyOf, sha256 } from '../signing/crypto.ts'
import type { FleetId } from '../signing/entry.ts'
import { peerIdOf } from '../signing/keys.ts'
import type { Host as Rostered } from '../signing/roster.ts'
import { Machine, stateFolder } from './ailments.ts'
import type { Wires } from './carrier.ts'
import { SimClock } from './clock.ts'
import { type DiskCopy, SimDisk } from './disk.ts'
import type { Side } from './engine.ts'
import type { SimEvent, Watched } from './events.ts'
import { simDurable, simRepository } from './files.ts'
import { type Filter, filtered } from './hostile.ts'
import { Killed, Life } from './life.ts'
import type { Memory } from './memory.ts'
import type { Breakage } from './plan.ts'
import { Process } from './process.ts'
import { simStore } from './store.ts'
import type { Time } from './world.ts'

/** ms until systemd starts an agent again that ended by itself, and until a machine is up again after a power cut. */
const againMs = 2_000
const bootMs = 20_000
/** Statuses that a host remembers having said. */
const pastMax = 50

export interface HostWorld {
  readonly world: Time
  readonly network: Wires
  readonly memory: Memory
  readonly fleet: FleetId
  readonly emit: (event: SimEvent) => void
  /** Statuses are handed to observers, instead of spread. */
  readonly handsOver: boolean
  /** An exception of our own code. */
  readonly crashed: (where: string, error: unknown) => void
  /** How a release does not work on the host of that index. */
  readonly breaks: (entry: LogEntry, index: number) => Breakage | undefined
}

export interface HostOptions {
  readonly index: number
  readonly seed: Uint8Array
  readonly rostered: Rostered
  /** Asked first, besides the roster. */
  readonly seeds: readonly string[]
  readonly core: boolean
  /** Files that its machine has before fleet comes. */
  readonly given?: readonly string[]
  /** Keeps the whole board. */
  readonly observes: boolean
  /** Runs the whole engine. */
  readonly whole: boolean
}

export class SimHost implements Watched {
  readonly name: string
  readonly index: number
  readonly key: string
  readonly self: PeerId
  readonly address: string
  readonly core: boolean
  readonly observes: boolean
  readonly whole: boolean
  readonly clock: SimClock
  readonly disk: SimDisk
  readonly machine: Machine
  readonly given: readonly string[]
  honest = true
  cloned = false
  disks = 0
  peer: Peer | undefined
  /** ms that each durable write takes besides. */
  slowMs = 0
  /** What becomes of what it sends; none on an honest host. */
  readonly filters = new Set<Filter>()
  /** Statuses that it said, the newest last: what a hostile host repeats. */
  readonly past: StatusPair[] = []
  carrier: Carrier | undefined
  /** A power cut loses what was not flushed, instead of keeping it by luck. */
  losesUnflushed = false
  readonly #world: HostWorld
  readonly #options: HostOptions
  #life: Life | undefined
  #running: Process | undefined
  #side: Side | undefined
  #bootedMs = 0
  #boots = 0
  #told: StatusPair | undefined
  /** Number of the newest status that left in this life. */
  #left = 0
  /** Beginnings of the signatures of statuses that have left it. */
  readonly #toldOnce = new Set<string>()
  #twins = 0
  /** Wanted: it is to run. A start that failed is tried again only then. */
  #on = false

  constructor(world: HostWorld, options: HostOptions) {
    this.#world = world
    this.#options = options
    const { index, rostered, core } = options
    this.index = index
    this.name = rostered.name
    this.core = core
    this.observes = options.observes
    this.whole = options.whole
    this.address = rostered.addresses[0] ?? `${rostered.name}:4747`
    const key = publicKeyOf(options.seed)
    this.key = hex(key)
    this.self = peerIdOf(key) as string as PeerId
    this.clock = new SimClock(world.world)
    this.disk = new SimDisk(() => this.clock.now(), world.world.chance(this.name, 'disk'))
    this.given = options.given ?? []
    this.machine = new Machine(world.world, this)
  }

  /** Its process runs, and its peer listens. */
  get up(): boolean {
    return this.peer !== undefined
  }

  get cutOff(): boolean {
    return this.machine.cutOff
  }

  get agentLife(): Life | undefined {
    return this.#life
  }

  /** Starts the agent, after `ms`; again and again until it is up, as systemd does. */
  start(ms = 0): void {
    this.#on = true
    this.#world.world.after(ms, () => {
      if (this.#on && this.#life === undefined) this.#begin().catch(error => this.#failed(error))
    })
  }

  /** The process is gone, as by SIGKILL or with the whole machine; starts again only when asked. */
  end(how: 'kill' | 'power' | 'exit'): void {
    this.#on = false
    this.#over(how)
  }

  /** Ends it and starts it again: the agent at once, the machine after its boot. */
  restart(how: 'kill' | 'power'): void {
    this.end(how)
    this.start(how === 'power' ? bootMs : againMs)
  }

  hang(): void {
    this.#running?.hang()
    this.#world.network.freeze(this.address)
  }

  goOn(): void {
    // What its release has cut off stays so.
    if (!this.cutOff) this.#world.network.thaw(this.address)
    this.#running?.goOn()
  }

  readonly breaks = (entry: LogEntry): Breakage | undefined => this.#world.breaks(entry, this.index)

  /** An operator at this host says: fleet apply --agent. */
  retry(): void {
    this.#side?.host.retry()
    this.peer?.driver.feed({ kind: 'retry' })
  }

  get memory(): Memory {
    return this.#world.memory
  }

  get seed(): Uint8Array {
    return this.#options.seed
  }

  /** Whether a status leaves it for the first time; it counts as told from now on. */
  isNews([, signature]: StatusPair): boolean {
    const name = hex(signature.subarray(0, 12))
    if (this.#toldOnce.has(name)) return false
    this.#toldOnce.add(name)
    return true
  }

  remember(pair: StatusPair): void {
    this.past.push(pair)
    if (this.past.length > pastMax) this.past.shift()
  }

  /** The disk is new: the key, and what the host was told when it joined, are all that is left. */
  wipe(): void {
    this.disks++
    this.machine.forget()
    this.disk.wipe()
  }

  /** The disk is an older copy of itself. */
  putBack(copy: DiskCopy): void {
    this.disks++
    this.disk.restore(copy)
  }

  /** The store of its log is an older copy of itself, and the floor beside it is gone; the other floor is as it was. */
  putBackLog({ rows }: DiskCopy): void {
    this.disk.restore({ ...this.disk.snapshot(), rows })
    this.disk.find(stateFolder)?.entries.delete('log')
  }

  /** A second machine runs with this one's key and a copy of its disk; answers with what switches it off for good. */
  double(): () => void {
    const { rostered } = this.#options
    const name = `${this.name}-twin${++this.#twins}`
    const twin = new SimHost(this.#world, {
      ...this.#options,
      core: false,
      rostered: { ...rostered, name, addresses: [`${name}.example:4747`] },
    })
    twin.disk.restore(this.disk.snapshot())
    twin.cloned = true
    twin.honest = this.honest
    this.cloned = true
    twin.start()
    return () => twin.end('power')
  }

  /** A bit of one of the agent's own files flips while it does not run. */
  flip(): void {
    const files = ['floor', 'log/floor', 'counter', 'failed']
    const chance = this.#world.world.chance(this.name, `flip ${this.#world.world.nowMs}`)
    this.end('kill')
    this.disk.flip(`${stateFolder}/${files[Math.floor(chance() * files.length)]}`, chance)
    this.disks++
    this.start(againMs)
  }

  /** Nothing ails it any more, and it runs. */
  heal(): void {
    const { full, errors } = this.disk.faults
    this.disk.faults.full = false
    this.disk.faults.errors = 0
    this.disk.faults.immutable.clear()
    this.losesUnflushed = false
    this.slowMs = 0
    this.clock.mend()
    this.machine.heal()
    this.goOn()
    // Whoever took this key for a cloned one, and what a bad disk left half done, needs somebody to look after it.
    if (this.peer?.reporter.cloned || full || errors > 0) this.restart('kill')
    else if (!this.up) this.start()
    this.#world.world.after(10_000, () => this.retry())
  }

  /** Its agent says something. */
  readonly log: Log = (_, event, data = {}) => {
    this.#world.emit({ kind: 'logged', host: this, event, data })
  }

  audit(): void {
    this.#side?.host.audit().catch(error => this.#failed(error))
  }

  state(): ReturnType<Watched['state']> {
    return this.#life === undefined ? undefined : this.machine.state()
  }

  async #begin(): Promise<void> {
    const life = new Life(this.disk, () => this.#fell())
    this.#life = life
    this.#left = 0
    if (this.#bootedMs === 0) this.#boot()
    try {
      const process = this.#process(life)
      this.#running = process
      const peer = await process.start()
      if (!life.alive) return
      this.peer = peer
      this.#side?.host.begin()
      this.#world.emit({ kind: 'started', host: this })
    } catch (error) {
      if (life.alive) this.#failed(error)
    }
  }

  /** Opens what lies on the disk: throws what the disk says. */
  #process(life: Life): Process {
    const { world, network, memory, fleet, emit } = this.#world
    return new Process({
      ...{ world, network, memory, life, fleet, self: this.self, name: this.name, address: this.address },
      ...{ seeds: this.#options.seeds, clock: this.clock, key: this.#options.seed, role: 'host' },
      statuses: this.#world.handsOver ? (this.observes ? 'kept' : 'own') : 'spread',
      store: simStore(life, true),
      durable: simDurable(life, stateFolder),
      repository: () => simRepository(life, `${stateFolder}/repo.git`, this.clock, { tags: this.whole }),
      checkpoint: { sequence: 1, id: fleet as string as never },
      boot: sha256(utf8(`${this.name} ${this.#boots}`)).subarray(0, 16),
      bootMs: this.#bootedMs,
      slowMs: () => this.slowMs,
      wrap: carrier => {
        this.carrier = filtered(carrier, this, (status, pair) => {
          if (!life.alive) return
          this.#left = status.n
          this.remember(pair)
          emit({ kind: 'spoke', host: this, status, pair })
        })
        return this.carrier
      },
      observe: (input, effects) => {
        if (!life.alive) return
        emit({ kind: 'decided', host: this, input, effects })
        if (this.#world.handsOver) this.#listen(life)
      },
      log: (...words) => {
        if (life.alive) this.log(...words)
      },
      // The process goes on for a moment before it ends.
      fatal: error => world.after(1, () => life.alive && this.#failed(error)),
      host: async ports => {
        const side = await this.machine.open(life, ports)
        this.#side = side
        const { inForce, dirty, paused } = side
        return { inForce, dirty, paused, runner: this.#runner(side, life), close: () => side.close() }
      },
    })
  }

  #runner(side: Side, life: Life) {
    const { emit } = this.#world
    return {
      ...side.runner,
      run: async (entry: LogEntry, terms?: RunTerms) => {
        emit({ kind: 'run', host: this, entry })
        const report = await side.runner.run(entry, terms)
        if (!life.alive) return new Promise<never>(() => {})
        this.machine.ran(report.kind)
        emit({ kind: 'ran', host: this, entry, report })
        return report
      },
    }
  }

  /** Where statuses do not leave by the carrier: those of its own are handed over (handover.ts). */
  #listen(life: Life): void {
    const row = this.peer?.reporter.board.row(this.key)
    if (row === undefined || row.pair === this.#told) return
    this.#told = row.pair
    // One from its store was said in an earlier life.
    if (this.past.some(([body]) => equal(body, row.pair[0]))) return
    const { world, emit } = this.#world
    // As on the way to neighbours: with the next batch, and after its number is durable.
    world.after(limits.statusBatchMs, async () => {
      await this.peer?.driver.settled()
      // Evidence leaves at once, by gossip, and overtakes what waits; who was asked for it has said it already.
      if (!life.alive || row.status.n <= this.#left || !this.isNews(row.pair)) return
      this.#left = row.status.n
      this.remember(row.pair)
      emit({ kind: 'spoke', host: this, status: row.status, pair: row.pair })
    })
  }

  /** A failure of the world (its code says so) ends the agent, and systemd starts it again; all else is a bug of ours. */
  #failed(error: unknown): void {
    if (error instanceof Killed) return
    const { code } = error as { code?: string }
    const isOfDisk = error instanceof StepError && error.reason.code === 'IO_FAILED'
    if (code === undefined && !isOfDisk) this.#world.crashed(this.name, error)
    this.#died('exit')
  }

  #died(how: 'kill' | 'exit'): void {
    const on = this.#on
    this.#over(how)
    if (on) this.start(againMs)
  }

  /** In the middle of a run the agent is killed, or the power fails: then what was not flushed is lost. */
  #fell(): void {
    const { world } = this.#world
    const on = this.#on
    const isPower = world.chance(this.name, `fall ${world.nowMs}`)() < 0.5
    this.#over(isPower ? 'power' : 'kill', isPower)
    if (on) this.start(isPower ? bootMs : againMs)
  }

  #over(how: 'kill' | 'power' | 'exit', losesUnflushed = this.losesUnflushed): void {
    const { network, emit, world } = this.#world
    if (this.#life === undefined) return
    this.#life.end()
    this.#life = undefined
    this.peer = undefined
    this.#side = undefined
    this.#running = undefined
    if (how === 'power') network.cut(this.address)
    // The kernel closes what a dead process had open.
    else void this.carrier?.stop()
    this.carrier = undefined
    if (how === 'power') {
      this.disk.crash(losesUnflushed ? world.chance(this.name, `crash ${world.nowMs}`) : () => 1)
      this.#bootedMs = 0
    }
    emit({ kind: 'ended', host: this, how })
  }

  #boot(): void {
    this.#boots++
    this.#bootedMs = this.#world.world.nowMs + 1
  }
}
