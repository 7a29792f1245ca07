// Core: takes statuses, in batches from neighbours and singly by gossip: which are news for the board, which are evidence that
// the fleet waits for, and whether neighbours pass them on. What follows from them is stages.ts's.
import type { PeerId } from '../gossip/carrier.ts'
import { limits } from '../gossip/limits.ts'
import type { StatusPair } from '../gossip/message.ts'
import { hex } from '../signing/bytes.ts'
import { peerKey } from '../signing/keys.ts'
import { type Effect, log } from './effects.ts'
import type { Reporter } from './report.ts'
import type { Stages } from './stages.ts'

export class Hearing {
  readonly #reporter: Reporter
  readonly #stages: Stages
  readonly #passOn: (host: string, from: PeerId, nowMs: number) => void

  /** `passOn`: with the next batch, to others than it came from. */
  constructor(ports: {
    readonly reporter: Reporter
    readonly stages: Stages
    readonly passOn: (host: string, from: PeerId, nowMs: number) => void
  }) {
    this.#reporter = ports.reporter
    this.#stages = ports.stages
    this.#passOn = ports.passOn
  }

  /** A batch from a neighbour. */
  batch(from: PeerId, pairs: readonly StatusPair[], nowMs: number): Effect[] {
    const effects: Effect[] = []
    for (const pair of pairs) {
      const taken = this.#reporter.take(pair, nowMs)
      if (taken.kind === 'new') {
        const { host, status } = taken
        this.#stages.take(host, status, pair, nowMs)
        effects.push({ kind: 'board', host, pair })
        // A status is only noted: it goes out with the next batch.
        this.#passOn(host, from, nowMs)
      }
      if (taken.kind === 'twins') effects.push(this.#twins(taken.host))
      // Who passes on one that is not good has checked none: the rest is not looked at, nor told line by line.
      if (taken.kind === 'bad') {
        effects.push(log('warn', 'bad status', { from }))
        break
      }
    }
    return effects
  }

  /** Evidence by gossip: passed on while it says more than what is known here. */
  gossiped(from: PeerId, pairs: readonly StatusPair[], nowMs: number): Effect[] {
    const effects: Effect[] = []
    const reject = (why: string): Effect[] => [
      { kind: 'verdict', verdict: 'reject' },
      ...effects,
      log('warn', 'bad status', { from, why }),
    ]
    if (pairs.length > limits.statusesGossiped) return reject(`${pairs.length} in one message`)
    let isNews = false
    for (const pair of pairs) {
      const said = this.#reporter.board.read(pair)
      if (said === undefined) return reject('malformed, badly signed or of another fleet')
      const taken = this.#reporter.take(pair, nowMs, said)
      if (taken.kind === 'new') effects.push({ kind: 'board', host: taken.host, pair })
      if (taken.kind === 'twins') effects.push(this.#twins(taken.host))
      isNews = this.#stages.take(said.by, said.status, pair, nowMs) || isNews
    }
    return [{ kind: 'verdict', verdict: isNews ? 'accept' : 'ignore' }, ...effects]
  }

  #twins(host: string): Effect {
    this.#stages.doubt(host)
    return log('warn', 'two statuses under one counter', { host })
  }
}

/** Answers so far: the same few peers are asked about again and again. */
const keys = new Map<PeerId, string | undefined>()

/** In hex; undefined: it is no id of an Ed25519 key. */
export function keyOf(peer: PeerId): string | undefined {
  if (!keys.has(peer)) {
    if (keys.size >= limits.hosts) keys.clear()
    const key = peerKey(peer)
    keys.set(peer, key && hex(key))
  }
  return keys.get(peer)
}

/** Keys in hex. */
export function* keysOf(peers: Iterable<PeerId>): Iterable<string> {
  for (const peer of peers) {
    const key = keyOf(peer)
    if (key !== undefined) yield key
  }
}
