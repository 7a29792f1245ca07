// The loop around witness.ts: its inputs from the carrier and the agent, its effects through the carrier, its waits by the
// host's timers. Answers the host engine's questions (host/guard.ts); decides nothing itself.
import type { Carrier, PeerId } from '../gossip/carrier.ts'
import { limits } from '../gossip/limits.ts'
import { type Codec, plainCodec, type WantKnock } from '../gossip/message.ts'
import { hex, unhex } from '../signing/bytes.ts'
import { confirmWithinMs, type Witness } from './host/guard.ts'
import type { Log } from './os-log.ts'
import type { Clock, Timers } from './ports.ts'
import { type WitnessEffect, Witnesses, type WitnessInput } from './witness.ts'

/** A witness that is told when the run is over. */
export interface RunWitness extends Witness {
  over(): void
}

export interface WitnessPorts {
  readonly carrier: Pick<Carrier, 'send' | 'knock'>
  readonly clock: Clock
  readonly timers: Timers
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Log
  readonly codec?: Codec | undefined
  /** Whether it is a host of the roster. */
  readonly isHost: (peer: PeerId) => boolean
  /** Whether the roster names a host besides this one. */
  readonly hasOthers: () => boolean
}

export class PeerWitness implements RunWitness {
  readonly #ports: WitnessPorts
  readonly #codec: Codec
  readonly #core: Witnesses
  #found: ((found: 'none' | { readonly token: unknown }) => void) | undefined
  #proven: ((proven: boolean) => void) | undefined
  #cancelTick: () => void = () => {}
  #stopped = false

  constructor(ports: WitnessPorts) {
    this.#ports = ports
    this.#codec = ports.codec ?? plainCodec
    this.#core = new Witnesses({ isHost: ports.isHost, random: ports.random })
  }

  // What the host engine asks.

  async before(): Promise<'none' | { readonly token: unknown }> {
    if (!this.#ports.hasOthers()) {
      // Who is alone has nobody to be cut off from, and would never run anything that is guarded.
      this.#ports.log('warn', 'the cut-off guard is off: the roster names no other host')
      return { token: 'alone' }
    }
    const { promise, resolve } = Promise.withResolvers<'none' | { readonly token: unknown }>()
    this.#found = resolve
    const bytes = Uint8Array.from({ length: limits.nonceBytes }, () => Math.floor(this.#ports.random() * 256))
    this.#feed({ kind: 'find', nonce: hex(bytes) })
    return promise
  }

  async confirm(token: unknown, withinMs: number): Promise<'confirmed' | 'silent'> {
    if (token === 'alone') return 'confirmed'
    const { log } = this.#ports
    if (await this.#prove(withinMs)) {
      log('info', 'still reached after the run')
      return 'confirmed'
    }
    log('error', 'no peer reaches this host after the run, which is taken back')
    return 'silent'
  }

  async heard(): Promise<boolean> {
    const heard = await this.#prove(confirmWithinMs)
    this.#ports.log('warn', heard ? 'reached again since the run was taken back' : 'still not reached')
    return heard
  }

  over(): void {
    this.#feed({ kind: 'over' })
  }

  // What the driver tells.

  up(peer: PeerId): void {
    this.#feed({ kind: 'up', peer })
  }

  down(peer: PeerId): void {
    this.#feed({ kind: 'down', peer })
  }

  wanted(from: PeerId, { nonce, ms }: WantKnock): void {
    this.#feed({ kind: 'wanted', from, nonce: hex(nonce), ms })
  }

  /** Answers with what goes back. */
  knocked(from: PeerId, bytes: Uint8Array, ageMs: number): Uint8Array | undefined {
    const message = this.#codec.decode(bytes)
    if (message.t !== 'knock') return undefined
    const effects = this.#feed({ kind: 'knocked', from, nonce: hex(message.nonce), ageMs })
    return effects.some(each => each.kind === 'answer') ? bytes : undefined
  }

  stop(): void {
    this.#stopped = true
    this.#cancelTick()
  }

  #prove(withinMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    this.#proven = resolve
    this.#feed({ kind: 'prove', withinMs })
    return promise
  }

  #feed(input: WitnessInput): readonly WitnessEffect[] {
    const { clock, timers } = this.#ports
    const nowMs = clock.steady()
    const effects = this.#core.handle(input, nowMs)
    for (const effect of effects) this.#do(effect)
    this.#cancelTick()
    const wakeMs = this.#core.wakeMs()
    this.#cancelTick =
      this.#stopped || wakeMs === Number.POSITIVE_INFINITY
        ? () => {}
        : timers.after(Math.max(0, wakeMs - nowMs), () => this.#feed({ kind: 'tick' }))
    return effects
  }

  #do(effect: WitnessEffect): void {
    const { carrier, log } = this.#ports
    switch (effect.kind) {
      case 'want': {
        const { peer, ms } = effect
        const want = this.#codec.encode({ t: 'want-knock', nonce: unhex(effect.nonce)!, ms: Math.round(ms) })
        void carrier.send(peer, want)
        return
      }
      case 'knock':
        void this.#knock(effect.peer, effect.nonce)
        return
      case 'found':
        log('info', 'witnesses of a run', { side: effect.side, peers: effect.peers })
        this.#found?.(effect.peers.length === 0 ? 'none' : { token: effect.peers })
        return
      case 'proven':
        this.#proven?.(effect.proven)
        return
      case 'answer':
    }
  }

  async #knock(peer: PeerId, nonce: string): Promise<void> {
    const said = this.#codec.encode({ t: 'knock', nonce: unhex(nonce)! })
    const answer = await this.#ports.carrier.knock(peer, said)
    const message = answer && this.#codec.decode(answer)
    const answered = message?.t === 'knock' && hex(message.nonce) === nonce
    this.#feed({ kind: 'tried', peer, nonce, answered })
  }
}
