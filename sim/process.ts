// One process of fleet on a simulated machine, from its start to its end: the ports that the real peer stands on, with the
// time that they take. A process that is over does nothing more, whatever it was waiting for; one that hangs does it later.
import type { Carrier, Contact, PeerId } from '../gossip/carrier.ts'
import type { LogLevel } from '../node/config.ts'
import { type Peer, type PeerOptions, type PeerPorts, startPeer } from '../node/peer.ts'
import type { Clock, Durable, Opened, Repository, Store, Timers } from '../node/ports.ts'
import type { Wires } from './carrier.ts'
import type { Life } from './life.ts'
import type { Memory } from './memory.ts'
import type { Time } from './world.ts'

/** ms that a durable write takes on a healthy disk. */
const flushMs = 4

export interface ProcessOptions extends PeerOptions {
  readonly world: Time
  readonly network: Wires
  readonly life: Life
  readonly store: Store
  readonly durable: Durable
  readonly repository: () => Promise<Opened<Repository>>
  readonly self: PeerId
  readonly name: string
  readonly address: string
  readonly seeds: readonly string[]
  readonly clock: Clock
  readonly boot: Uint8Array
  readonly bootMs: number
  /** ms that each durable write takes besides. */
  readonly slowMs: () => number
  readonly wrap?: (carrier: Carrier) => Carrier
  readonly observe?: PeerPorts['observe']
  readonly memory: Memory
  readonly log: (level: LogLevel, event: string, data?: Readonly<Record<string, unknown>>) => void
  readonly fatal: (error: unknown) => void
}

export class Process {
  readonly #options: ProcessOptions
  /** What came due while it hung, in order; undefined: it does not hang. */
  #held: (() => void)[] | undefined

  constructor(options: ProcessOptions) {
    this.#options = options
  }

  /** Resolves when the peer listens. */
  async start(): Promise<Peer> {
    const { world, network, life, self, address, seeds, wrap = same, ...rest } = this.#options
    const { store, durable, repository, clock, log, boot, bootMs, fatal, name, observe, memory } = rest
    const { port, note } = await repository()
    if (note !== undefined) log('error', 'repository rebuilt', { note })
    return startPeer(
      {
        store: {
          ...store,
          batch: async (ops, how) => {
            if (how.durable) await this.#write()
            return store.batch(ops, how)
          },
        },
        durable: {
          read: each => durable.read(each),
          write: async (each, bytes) => {
            await this.#write()
            return durable.write(each, bytes)
          },
        },
        repository: port,
        clock,
        timers: this.timers,
        random: world.chance(name, 'agent'),
        log,
        carrier: async (book: readonly Contact[]) =>
          wrap(await network.carrier({ self, key: this.#options.key, address, seeds, book })),
        boot,
        uptime: () => Math.floor((world.nowMs - bootMs) / 1000),
        fatal: error => {
          if (life.alive) fatal(error)
        },
        ...memory,
        ...(observe && { observe }),
      },
      this.#options,
    )
  }

  readonly timers: Timers = {
    after: (ms, action) => {
      const { world } = this.#options
      return world.after(ms, () => this.#perform(action))
    },
  }

  hang(): void {
    this.#held ??= []
  }

  goOn(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const action of held) this.#perform(action)
  }

  #perform(action: () => void): void {
    const { life, world } = this.#options
    if (!life.alive) return
    if (this.#held !== undefined) {
      this.#held.push(action)
      return
    }
    world.unsettled()
    action()
  }

  #write(): Promise<void> {
    return new Promise(resolve => this.timers.after(flushMs + this.#options.slowMs(), resolve))
  }
}

const same = (carrier: Carrier) => carrier
