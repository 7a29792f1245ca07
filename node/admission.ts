// Core: whom to let in. The roster says which hosts; a delegation says which laptops; before there is a roster, whoever
// says the fleet's id, since nothing is believed without a signature.
import type { Admission, PeerId } from '../gossip/carrier.ts'
import { type Codec, plainCodec } from '../gossip/message.ts'
import { equal } from '../signing/bytes.ts'
import type { EntryLog } from './log.ts'

export interface AdmissionPorts {
  readonly log: EntryLog
  /** The key (hex) of a peer id; undefined when it is no Ed25519 peer id. */
  readonly keyOf: (peer: PeerId) => string | undefined
  /** Default: the plain one. */
  readonly decode?: Codec['decode']
  /** Until when an operator's delegation lets this peer in, if it is good now. */
  readonly checkDelegation: (peer: PeerId, delegation: Uint8Array, nowMs: number) => number | undefined
}

export class Admissions {
  readonly #ports: AdmissionPorts
  /** Laptops, and until when they are let in. Each publication brings a new one. */
  readonly #sessions = new Map<PeerId, number>()

  constructor(ports: AdmissionPorts) {
    this.#ports = ports
  }

  /** `hello` is undefined while the connection is made (gossip/carrier.ts). */
  admit(peer: PeerId, hello: Uint8Array | undefined, nowMs: number): Admission {
    const { checkDelegation, decode = plainCodec.decode, keyOf, log } = this.#ports
    const key = keyOf(peer)
    if (key === undefined) return 'denied'
    const standing = log.standing(key)
    if (standing === 'withdrawn') return 'denied'
    for (const [laptop, untilMs] of this.#sessions) if (untilMs <= nowMs) this.#sessions.delete(laptop)
    if (hello === undefined) return standing === 'rostered' || this.#sessions.has(peer) ? 'member' : 'unknown'
    const said = decode(hello)
    if (said.t !== 'hello' || !equal(said.fleet, log.fleet)) return 'denied'
    if (standing !== 'unknown') return 'member'
    const untilMs = said.delegation && checkDelegation(peer, said.delegation, nowMs)
    if (untilMs === undefined) return 'denied'
    this.#sessions.set(peer, untilMs)
    return 'member'
  }

  /** Whether a connected peer is an operator's laptop, let in by its delegation. */
  isLaptop(peer: PeerId, nowMs: number): boolean {
    return nowMs < (this.#sessions.get(peer) ?? 0)
  }

  /** The operators have changed: all laptops must show their delegations again. */
  forget(): void {
    this.#sessions.clear()
  }
}
