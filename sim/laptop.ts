// An operator's laptop in a simulated fleet: the real peer in the role `operator`, on a machine that never fails, for the
// minutes of one publication. What it publishes is decided by operators.ts.
import type { PeerId } from '../gossip/carrier.ts'
import type { Peer } from '../node/peer.ts'
import type { Release } from '../node/ports.ts'
import type { MadeEntry } from '../node/release.ts'
import { equal } from '../signing/bytes.ts'
import { publicKeyOf } from '../signing/crypto.ts'
import type { FleetId } from '../signing/entry.ts'
import { peerIdOf } from '../signing/keys.ts'
import type { Wires } from './carrier.ts'
import { SimClock } from './clock.ts'
import { SimDisk } from './disk.ts'
import { simDurable, simRepository } from './files.ts'
import { Life } from './life.ts'
import type { Memory } from './memory.ts'
import { Process } from './process.ts'
import { simStore } from './store.ts'
import type { Time } from './world.ts'

/** What a laptop finds itself in. */
export interface LaptopWorld {
  readonly world: Time
  readonly network: Wires
  readonly memory: Memory
  readonly crashed: (where: string, error: unknown) => void
}

interface LaptopOptions {
  readonly name: string
  readonly key: Uint8Array
  readonly fleet: FleetId
  readonly first: readonly Uint8Array[]
  readonly delegation: Uint8Array
  readonly seeds: readonly string[]
}

/** ms between looks at what has changed. */
const lookMs = 100
/** Hosts that a laptop waits to hear, and to hand over to. */
const hostsWanted = 3

export class Laptop {
  readonly peer: Peer
  readonly #world: Time
  readonly #life: Life

  private constructor(peer: Peer, world: Time, life: Life) {
    this.peer = peer
    this.#world = world
    this.#life = life
  }

  static async open(
    { world, network, memory, crashed }: LaptopWorld,
    options: LaptopOptions,
  ): Promise<Laptop> {
    const clock = new SimClock(world)
    const disk = new SimDisk(() => clock.now())
    const life = new Life(disk)
    const { name, key, fleet, first, delegation, seeds } = options
    const self = peerIdOf(publicKeyOf(key)) as string as PeerId
    const process = new Process({
      ...{ world, network, life, self, name, key, fleet, first, delegation, seeds, clock, memory },
      store: simStore(life),
      durable: simDurable(life, '/fleet'),
      repository: () => simRepository(life, '/fleet/repo.git', clock),
      checkpoint: { sequence: 1, id: fleet as string as never },
      role: 'operator',
      address: `${name}:1`,
      boot: new Uint8Array(16),
      bootMs: world.nowMs,
      slowMs: () => 0,
      log: () => {},
      fatal: error => crashed(name, error),
    })
    return new Laptop(await process.start(), world, life)
  }

  /** Waits until a few hosts are heard and this log is as high as theirs. False: nobody within `ms`. */
  async catchUp(ms: number): Promise<boolean> {
    const heard = () => this.peer.agent.neighbours.heard()
    if (!(await this.#until(ms, () => heard().length > 0))) return false
    await this.#until(2_000, () => heard().length >= hostsWanted)
    const head = () => this.peer.entries.head()?.sequence ?? 0
    await this.#until(ms, () =>
      heard().every(each => (this.peer.agent.neighbours.headOf(each) ?? 0) <= head()),
    )
    return true
  }

  submit(
    { envelope, id }: MadeEntry,
    installed?: { readonly pack: string; readonly release: Release },
  ): void {
    const { driver } = this.peer
    driver.feed({ kind: 'submit', envelope })
    if (installed === undefined) return
    const { pack, release } = installed
    driver.feed({ kind: 'installed', entry: id, pack, result: { kind: 'installed', release } })
  }

  /** Until a few hosts hold the entry, and its pack if it is a release, but at most `ms`. */
  async stay(sequence: number, ms: number): Promise<void> {
    const release = this.peer.entries.entries().some(each => each.sequence === sequence && each.release)
    const holders = () => {
      const { entry, pack } = this.peer.agent.neighbours.holders(sequence)
      return (release ? pack : entry).length
    }
    await this.#until(ms, () => holders() >= hostsWanted)
  }

  /** Until its board is that of a host that is heard, but at most `ms`. */
  async boardQuiet(ms: number): Promise<void> {
    const { agent, reporter } = this.peer
    await this.#until(ms, () => {
      const ours = reporter.board.root()
      return agent.neighbours
        .heard()
        .some(each => equal(agent.neighbours.boardOf(each) ?? new Uint8Array(), ours))
    })
  }

  /** Until what a host holds of orders is known here, but at most `ms`. */
  async learnOrders(ms: number): Promise<void> {
    await this.#until(ms, () => this.peer.agent.neighbours.orderHolders().length > 0)
  }

  /** Hands an order over: until a few hosts hold all that is held here, but at most `ms`. */
  async order(envelope: Uint8Array, ms: number): Promise<void> {
    this.peer.driver.feed({ kind: 'order', envelope })
    await this.#until(ms, () => this.peer.agent.neighbours.orderHolders().length >= hostsWanted)
  }

  async close(): Promise<void> {
    await this.peer.stop()
    this.#life.end()
  }

  async #until(ms: number, done: () => boolean): Promise<boolean> {
    const endMs = this.#world.nowMs + ms
    while (!done()) {
      if (this.#world.nowMs > endMs) return false
      await new Promise<void>(resolve =>
        this.#world.after(lookMs, () => {
          this.#world.unsettled()
          resolve()
        }),
      )
    }
    return true
  }
}
