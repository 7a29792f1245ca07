// When to take part in mDNS: every host on duty answers every query of every other, so of a large segment only about
// `limits.onDuty` may be at it. Nobody counts the segment: a host that hears too many others takes fewer turns.

import type { PeerId } from './carrier.ts'
import { limits } from './limits.ts'

export type DutyInput =
  /** Peers that are up now. */
  | { kind: 'peers'; count: number }
  /** Somebody else on duty answered. */
  | { kind: 'heard'; peer: PeerId }
  /** The first one starts it all. */
  | { kind: 'wake' }

export type DutyEffect =
  | { kind: 'on' }
  | { kind: 'off' }
  /** Replaces the one before. */
  | { kind: 'wake'; atMs: number }

/** Those heard in the last ms of a slot were on duty at one time: two rounds of queries. */
const lastlyMs = 20_000

export class Duty {
  readonly #random: () => number
  #started = false
  #on = false
  /** The chance to be on duty in a slot, in (0, 1]. */
  #share = 1
  #peers = 0
  #heardMs = new Map<PeerId, number>()

  constructor(random: () => number) {
    this.#random = random
  }

  handle(input: DutyInput, nowMs: number): DutyEffect[] {
    switch (input.kind) {
      case 'peers':
        this.#peers = input.count
        return this.#started && !this.#on && this.#isAlone() ? this.#slot(nowMs) : []
      case 'heard':
        if (this.#heardMs.size < limits.peersKnown) this.#heardMs.set(input.peer, nowMs)
        return []
      case 'wake':
        this.#started = true
        if (this.#on) this.#learn(nowMs)
        return this.#slot(nowMs)
    }
  }

  #isAlone(): boolean {
    return this.#peers < limits.peersTooFew
  }

  /** All shares of a segment shrink or grow by the same factor, until as many as meant are on duty. */
  #learn(nowMs: number): void {
    const heard = [...this.#heardMs.values()].filter(atMs => nowMs - atMs <= lastlyMs).length
    const factor = Math.min(2, limits.onDuty / (heard + 1))
    this.#share = Math.min(1, Math.max(1 / limits.peersKnown, this.#share * factor))
  }

  #slot(nowMs: number): DutyEffect[] {
    const on = this.#isAlone() || this.#random() < this.#share
    const effects: DutyEffect[] = on === this.#on ? [] : [{ kind: on ? 'on' : 'off' }]
    this.#on = on
    this.#heardMs = new Map()
    const slotMs = Math.round(limits.dutySlotMs * (0.5 + this.#random()))
    return [...effects, { kind: 'wake', atMs: nowMs + slotMs }]
  }
}
