// The second tier: the same hosts, operators and checkers on the real libp2p, in real time, in one process. Nothing of it can be
// replayed; it shows that what the simulated network promises is what the real one keeps. The transport is handed in.
import { libp2pCarrier } from '../gossip/libp2p.ts'
import type { TransportFactory } from '../gossip/libp2p-node.ts'
import { systemTimers } from '../node/os.ts'
import type { RolloutTerms } from '../node/release.ts'
import { hex } from '../signing/bytes.ts'
import { memoiseVerification, publicKeyOf } from '../signing/crypto.ts'
import type { SimOptions, Wires } from './carrier.ts'
import { checkers } from './checkers/index.ts'
import { shuffled } from './draw.ts'
import type { Scene, SimEvent } from './events.ts'
import type { FaultKind } from './faults.ts'
import { SimHost } from './host.ts'
import { hostile } from './hostile.ts'
import { Ledger } from './ledger.ts'
import { memory } from './memory.ts'
import { Operators, type Person, seedOf } from './operators.ts'
import type { Violation } from './report.ts'
import { roleFiles } from './role.ts'
import { type Time, World } from './world.ts'

export interface LiveOptions {
  readonly hosts: number
  readonly seed: number
  /** Of addresses `/memory/NAME`. */
  readonly transport: () => TransportFactory
  /** ms that each release may take. */
  readonly withinMs: number
  /** Check every signature anew, as real hosts do. */
  readonly realCrypto?: boolean
  readonly onProgress?: (line: string) => void
}

export interface LiveResult {
  readonly violations: readonly Violation[]
  /** What was still waited for at the end; empty: it converged. */
  readonly pending: readonly string[]
  /** ms from each publication until every host that runs had the release in force. */
  readonly arrivedMs: readonly number[]
  /** ms from the last publication until all hosts were well and saw each other so. */
  readonly convergedMs: number
  readonly restarts: number
  /** Hosts on which a run of a release failed. */
  readonly failed: number
  readonly elapsedMs: number
  /** Of this process, all hosts and checkers together: bytes resident, ms of processor time. */
  readonly residentBytes: number
  readonly cpuMs: number
}

/** ms between two looks, and over which hosts start. */
const lookMs = 50
const startsMs = 60
/** ms that a laptop stays until a few hosts hold what it brought. */
const stayMs = 120_000
/** Hosts that are killed and start again while the second release spreads: one in so many, at least one. */
const restartsOneIn = 12
/** What the hostile host does. Not a flood: all hosts share a processor here, which is to be had by a flood of its neighbours. */
const deeds: readonly FaultKind[] = ['forged', 'rewrapped', 'replayed', 'equivocate']
const violationsMax = 3

const terms: RolloutTerms = {
  soakSeconds: 2,
  windowSeconds: 0,
  deadlineSeconds: 300,
  expiresSeconds: 86_400,
  riskBasisPoints: 10_000,
  liarsBasisPoints: 0,
}

/** Real time; what is still to come ends with `stop`. */
class LiveTime implements Time {
  readonly #beganMs = performance.now()
  readonly #timers = new Set<() => void>()
  readonly #dice: World
  #over = false

  constructor(seed: number) {
    this.#dice = new World(seed)
  }

  get nowMs(): number {
    return Math.round(performance.now() - this.#beganMs)
  }

  after(ms: number, action: () => void): () => void {
    if (this.#over) return () => {}
    const cancel = systemTimers.after(Math.max(0, ms), () => {
      this.#timers.delete(cancel)
      action()
    })
    this.#timers.add(cancel)
    return () => {
      cancel()
      this.#timers.delete(cancel)
    }
  }

  chance(entity: string, purpose: string): () => number {
    return this.#dice.chance(entity, purpose)
  }

  unsettled(): void {}

  /** Whether `done` within `ms`. */
  async until(ms: number, done: () => boolean): Promise<boolean> {
    const endMs = this.nowMs + ms
    while (!done()) {
      if (this.nowMs > endMs) return false
      await new Promise<void>(resolve => this.after(lookMs, resolve))
    }
    return true
  }

  stop(): void {
    this.#over = true
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
  }
}

/** libp2p between processes that are none: nothing hangs, and power is not cut. */
class LiveWires implements Wires {
  readonly #transport: () => TransportFactory
  readonly #open = new Set<{ stop(): Promise<void> }>()
  fleet = ''

  constructor(transport: () => TransportFactory) {
    this.#transport = transport
  }

  async carrier({ key = new Uint8Array(32), address, seeds = [], book = [] }: SimOptions) {
    const carrier = await libp2pCarrier({
      fleet: this.fleet,
      key,
      listen: [placeOf(address)],
      seeds: seeds.map(placeOf),
      book,
      transport: this.#transport(),
    })
    this.#open.add(carrier)
    return carrier
  }

  freeze(): void {}
  thaw(): void {}
  cut(): void {}

  async stop(): Promise<void> {
    await Promise.all([...this.#open].map(each => each.stop()))
  }
}

const placeOf = (address: string) => `/memory/${address.replace(/:.*$/, '')}`

/** Three releases, a few restarts, one hostile host, one that joins late. Never fails for what happens in the fleet. */
export async function simulateLive(options: LiveOptions): Promise<LiveResult> {
  // Of many hosts in one process each would check what all others have checked: half of the time of a hundred hosts.
  const memo = options.realCrypto === true ? undefined : memoiseVerification()
  const fleet = new LiveFleet(options)
  try {
    return await fleet.run()
  } finally {
    await fleet.stop()
    memo?.stop()
  }
}

class LiveFleet {
  readonly #options: LiveOptions
  readonly #time: LiveTime
  readonly #wires: LiveWires
  readonly #ledger = new Ledger()
  readonly #memory = memory()
  readonly #operators: Operators
  readonly #hosts: readonly SimHost[]
  readonly #checkers = checkers(new Map())
  readonly #scene: Scene
  readonly #violations: Violation[] = []
  readonly #failed = new Set<string>()
  readonly #cpu = process.cpuUsage()
  #over = false

  constructor(options: LiveOptions) {
    this.#options = options
    const { hosts, seed, transport } = options
    const time = new LiveTime(seed)
    this.#time = time
    this.#wires = new LiveWires(transport)
    const roster = Array.from({ length: hosts }, (_, at) => {
      const name = `h${at + 1}`
      const labels = { role: at % 2 === 0 ? 'web' : 'db' }
      // A roster names no places in memory: peers learn them from each other.
      return { name, key: publicKeyOf(seedOf(seed, name)), addresses: [], labels }
    })
    const crashed = (where: string, error: unknown) => this.#crashed(where, error)
    const here = { world: time, network: this.#wires, memory: this.#memory, crashed }
    this.#operators = new Operators(seed, roster, here, this.#ledger)
    const { fleet } = this.#operators.genesis
    this.#wires.fleet = fleet
    const emit = (event: SimEvent) => this.#emit(event)
    const met = time.chance('fleet', 'met')
    this.#hosts = roster.map(
      (rostered, index) =>
        new SimHost(
          { ...here, fleet, emit, breaks: () => undefined, handsOver: false },
          {
            ...{ index, rostered, seed: seedOf(seed, rostered.name), core: index < hosts - 1 },
            ...{ observes: true, whole: true },
            seeds: shuffled(hosts, met)
              .slice(0, 3)
              .map(at => roster[at]!.name),
          },
        ),
    )
    this.#scene = {
      nowMs: () => time.nowMs,
      seed,
      hosts: this.#hosts,
      ledger: this.#ledger,
      memory: this.#memory,
      chance: purpose => time.chance('checkers', purpose),
    }
  }

  async run(): Promise<LiveResult> {
    const { hosts: count, withinMs, onProgress = () => {} } = this.#options
    const time = this.#time
    const [bad, late] = [this.#hosts[count - 1]!, this.#hosts[count - 2]!]
    const early = this.#hosts.filter(each => each !== late)
    const good = early.filter(each => each !== bad)
    for (const host of early) host.start(host.index * startsMs)
    await time.until(withinMs, () => early.every(each => each.up))
    const arrivedMs: number[] = []
    const release = async (person: Person, on: readonly SimHost[], meanwhile = () => {}) => {
      const beganMs = time.nowMs
      const number = arrivedMs.length + 1
      const files = roleFiles(number, time.chance(`release ${number}`, 'files'), number * 40_000)
      const near = on.filter(each => each.up).map(each => each.address)
      const wish = { files, subject: `release number ${number}`, terms, atOnce: true }
      const publish = () =>
        this.#operators
          .release(person, wish, near.slice(-3), stayMs)
          .catch(error => this.#crashed(`${person}'s laptop`, error))
      const publishing = publish()
      meanwhile()
      // Whoever found nobody tries again.
      let published = await publishing
      while (published === undefined && this.#violations.length === 0 && time.nowMs < beganMs + withinMs)
        published = await publish()
      const hasIt = ({ peer }: SimHost) => published !== undefined && peer?.agent.inForce === published.id
      await time.until(withinMs, () => this.#violations.length > 0 || on.every(hasIt))
      arrivedMs.push(time.nowMs - beganMs)
      onProgress(`release ${number}: in force on ${on.filter(hasIt).length} of ${on.length} hosts`)
    }

    await release('anna', good)
    for (const kind of deeds) hostile({ kind, atMs: 0, hosts: [bad.index] }, bad, { world: time })
    const restarted = good.slice(0, Math.max(1, Math.floor(count / restartsOneIn)))
    await release('bert', good, () => {
      for (const host of restarted) host.restart('kill')
    })
    this.#emit({ kind: 'healed' })
    late.start()
    const beganMs = time.nowMs
    await release('anna', [...good, late])
    await time.until(withinMs, () => this.#violations.length > 0 || this.#pending().length === 0)
    const convergedMs = time.nowMs - beganMs
    const pending = this.#pending()
    for (const [checker, each] of this.#checkers) {
      const wrong = each.end?.(this.#scene)
      if (wrong !== undefined) this.#violated({ checker, atMs: time.nowMs, text: wrong })
    }
    const { user, system } = process.cpuUsage(this.#cpu)
    return {
      violations: this.#violations,
      pending,
      ...{ arrivedMs, convergedMs, restarts: restarted.length, failed: this.#failed.size },
      elapsedMs: time.nowMs,
      residentBytes: process.memoryUsage().rss,
      cpuMs: Math.round((user + system) / 1000),
    }
  }

  async stop(): Promise<void> {
    this.#over = true
    for (const host of this.#hosts) host.end('kill')
    this.#time.stop()
    await this.#wires.stop()
  }

  #pending(): readonly string[] {
    return [...this.#checkers].flatMap(([name, each]) =>
      (each.pending?.(this.#scene) ?? []).map(line => `${name}: ${line}`),
    )
  }

  #emit(event: SimEvent): void {
    if (this.#over) return
    if (event.kind === 'spoke') this.#ledger.say(hex(event.pair[1]), event.status)
    if (event.kind === 'ran' && event.report.kind === 'failed') this.#failed.add(event.host.name)
    for (const [checker, each] of this.#checkers) {
      const text = each.event(event, this.#scene)
      const host = 'host' in event ? { host: event.host.name } : {}
      if (text !== undefined) this.#violated({ checker, ...host, atMs: this.#time.nowMs, text })
    }
  }

  #violated(violation: Violation): void {
    if (this.#violations.length < violationsMax) this.#violations.push(violation)
  }

  #crashed(where: string, error: unknown): undefined {
    if (this.#over) return undefined
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#violated({ checker: 'crash', host: where, atMs: this.#time.nowMs, text })
    return undefined
  }
}
