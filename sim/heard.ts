// What each host has heard of releases, from outside: every status that its core took in, with when. For checkers that say again
// what should follow from it; never what the core made of it.
import type { StatusPair } from '../gossip/message.ts'
import { hex } from '../signing/bytes.ts'
import { isRefusal } from '../signing/errors.ts'
import type { State, Status } from '../signing/status.ts'
import type { Scene, SimEvent, Watched } from './events.ts'

/** A word of one host about one release. */
export interface Word {
  readonly state: Exclude<State, 'WAIT'>
  readonly attempt: number
  readonly atMs: number
  /** Heard since the listener's agent started; the others it may have lost. */
  readonly fresh: boolean
}

/** By the key in hex of who said it, in the order of hearing; one for each state and attempt. */
export type Words = ReadonlyMap<string, readonly Word[]>

interface Listener {
  /** Release -> who -> words. */
  readonly words: Map<string, Map<string, readonly Word[]>>
  isBegun: boolean
  /** Bodies of statuses that were taken in, in this life. */
  seen: WeakSet<Uint8Array>
}

/** One of a run, whoever asks: each event is taken in once. */
const known = new WeakMap<Scene, Heard>()

export function heardIn(scene: Scene): Heard {
  let heard = known.get(scene)
  if (heard === undefined) known.set(scene, (heard = new Heard(scene)))
  return heard
}

export class Heard {
  readonly #scene: Scene
  readonly #listeners = new Map<string, Listener>()
  #last: SimEvent | undefined

  constructor(scene: Scene) {
    this.#scene = scene
  }

  /** To be called with every `decided` and `ended`, by each that asks. */
  event(event: SimEvent): void {
    if (event === this.#last) return
    this.#last = event
    if (event.kind === 'ended') this.#ended(event.host)
    if (event.kind === 'decided' && event.host.observes) this.#decided(event)
  }

  of({ name }: Watched, release: string): Words {
    return this.#listeners.get(name)?.words.get(release) ?? new Map()
  }

  #ended({ name }: Watched): void {
    const listener = this.#listeners.get(name)
    if (listener === undefined) return
    listener.isBegun = false
    listener.seen = new WeakSet()
    for (const words of listener.words.values()) stale(words)
  }

  #decided({ host, input, effects }: Extract<SimEvent, { kind: 'decided' }>): void {
    const listener = this.#listenerOf(host)
    // What it finds in its store, and what it says itself, are no inputs.
    if (!listener.isBegun && host.peer !== undefined) {
      listener.isBegun = true
      for (const { pair } of host.peer.reporter.board.rows()) this.#take(listener, pair)
    }
    // What was heard before it is known whom a release concerns is lost, but for what the board holds then.
    if (input.kind === 'surveyed' && host.peer !== undefined) {
      stale(listener.words.get(input.entry))
      for (const { status } of host.peer.reporter.board.rows()) this.#hear(listener, status)
    }
    const own = host.peer?.reporter.board.row(host.key)
    if (own !== undefined) this.#take(listener, own.pair)
    for (const effect of effects) if (effect.kind === 'board') this.#take(listener, effect.pair)
    if (input.kind !== 'message' || !input.gossip) return
    const message = this.#scene.memory.codec.decode(input.bytes)
    if (message.t === 'statuses') for (const pair of message.statuses) this.#take(listener, pair)
  }

  #listenerOf({ name }: Watched): Listener {
    let listener = this.#listeners.get(name)
    if (listener === undefined) {
      listener = { words: new Map(), isBegun: false, seen: new WeakSet() }
      this.#listeners.set(name, listener)
    }
    return listener
  }

  #take(listener: Listener, pair: StatusPair): void {
    if (listener.seen.has(pair[0])) return
    listener.seen.add(pair[0])
    const read = this.#scene.memory.readStatus(pair)
    if (!isRefusal(read)) this.#hear(listener, read.status)
  }

  #hear({ words }: Listener, { entry, host, state, attempt = 1 }: Status): void {
    if (entry === undefined || state === undefined || state === 'WAIT') return
    const id = hex(entry[1])
    const about = words.get(id) ?? new Map<string, readonly Word[]>()
    words.set(id, about)
    const key = hex(host)
    const said = about.get(key) ?? []
    const isSame = (each: Word) => each.state === state && each.attempt === attempt
    if (said.some(each => isSame(each) && each.fresh)) return
    const word = { state, attempt, atMs: this.#scene.nowMs(), fresh: true }
    about.set(key, [...said.filter(each => !isSame(each)), word])
  }
}

function stale(words: Map<string, readonly Word[]> | undefined): void {
  for (const [host, each] of words ?? [])
    words?.set(
      host,
      each.map(word => ({ ...word, fresh: false })),
    )
}
