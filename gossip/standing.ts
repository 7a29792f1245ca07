// How a peer has behaved: how fast it sends and how much nonsense it passed on. Outlives connections, so that
// hanging up wins nothing.

import { Bucket } from './bucket.ts'
import type { PeerId, Verdict } from './carrier.ts'
import { limits } from './limits.ts'

class Standing {
  readonly #messages = new Bucket(limits.messagesPerSecond, limits.messagesBurst)
  readonly #work = new Bucket(limits.workMsPerSecond, limits.workMsBurst)
  readonly #gossip = new Bucket(limits.gossipPerSecond, limits.gossipBurst)
  readonly #blame = new Bucket(limits.blameForgivenPerSecond, limits.blame)

  /** How long to wait before the next direct message is handled, ms; 0 counts it. */
  pause(nowMs: number): number {
    return this.#work.wait(nowMs) || this.#messages.take(nowMs)
  }

  /** Handling a message has taken this long: old entries sent again cost little to send, and much to check. */
  spent(ms: number): void {
    this.#work.charge(ms)
  }

  /** Whether gossip from this peer is dropped unread. */
  isShutOut(nowMs: number): boolean {
    return this.#blame.wait(nowMs) > 0
  }

  /** The verdict of `ask`, which is spared what comes too often or from the shut out. */
  judge(bytes: Uint8Array, nowMs: number, ask: () => Verdict): Verdict {
    if (this.isShutOut(nowMs) || this.#gossip.take(nowMs) > 0) return 'ignore'
    const verdict = bytes.length > limits.gossipBytes ? 'reject' : ask()
    if (verdict === 'reject') this.#blame.take(nowMs)
    return verdict
  }
}

/** Of each peer heard lately, `limits.peersKnown` at most. */
export class Standings {
  readonly #of = new Map<PeerId, Standing>()

  of(peer: PeerId): Standing {
    let standing = this.#of.get(peer)
    if (!standing) {
      const [oldest] = this.#of.keys()
      if (oldest && this.#of.size >= limits.peersKnown) this.#of.delete(oldest)
      this.#of.set(peer, (standing = new Standing()))
    }
    return standing
  }
}
