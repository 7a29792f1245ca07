// mDNS under the fleet's own service tag, on and off as duty.ts says. Sees only the segment of the default route, and
// only hosts with private addresses.

import type { PeerDiscovery, PeerInfo, Startable } from '@libp2p/interface'
import { type MulticastDNSComponents, mdns } from '@libp2p/mdns'
import { fromMultiaddr } from './address.ts'
import type { PeerId } from './carrier.ts'
import { Duty, type DutyInput } from './duty.ts'
import { steadyMs } from './libp2p-time.ts'

/** ms between queries while on duty. */
const queryMs = 10_000

export class Segment {
  readonly #duty = new Duty(Math.random)
  readonly #service: PeerDiscovery & Partial<Startable>
  #wake: NodeJS.Timeout | undefined
  #stopped = false

  /** `found` is told of every answer. */
  constructor(
    components: MulticastDNSComponents,
    fleet: string,
    found: (peer: PeerId, addresses: readonly string[]) => void,
  ) {
    this.#service = mdns({ serviceTag: `_fleet-${fleet.slice(0, 16)}._udp.local`, interval: queryMs })(
      components,
    )
    this.#service.addEventListener('peer', ({ detail }: CustomEvent<PeerInfo>) => {
      const peer = detail.id.toString() as PeerId
      this.#feed({ kind: 'heard', peer })
      found(
        peer,
        detail.multiaddrs.map(each => fromMultiaddr(String(each))),
      )
    })
    this.#feed({ kind: 'wake' })
  }

  /** How many peers are up. */
  peers(count: number): void {
    this.#feed({ kind: 'peers', count })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#wake)
    await this.#service.stop?.()
  }

  #feed(input: DutyInput): void {
    if (this.#stopped) return
    for (const effect of this.#duty.handle(input, steadyMs()))
      switch (effect.kind) {
        case 'on':
          void this.#service.start?.()
          break
        case 'off':
          void this.#service.stop?.()
          break
        case 'wake':
          clearTimeout(this.#wake)
          this.#wake = setTimeout(() => this.#feed({ kind: 'wake' }), effect.atMs - steadyMs()).unref()
      }
  }
}
