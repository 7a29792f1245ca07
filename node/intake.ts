// Core: takes entries from gossip, from a neighbour's sync and from this machine, and says what follows of the log's answer:
// what to keep, whom to ask for what lies between, whether neighbours pass it on. Who may say what is the log's.
import type { PeerId, Verdict } from '../gossip/carrier.ts'
import { limits } from '../gossip/limits.ts'
import type { Codec, Malformed, Message } from '../gossip/message.ts'
import type { Admissions } from './admission.ts'
import { type Effect, log } from './effects.ts'
import type { EntryLog, LogEntry, Taken } from './log.ts'
import type { Reporter } from './report.ts'

export interface IntakeOptions {
  readonly log: EntryLog
  readonly reporter: Reporter
  readonly admissions: Admissions
  readonly codec: Codec
  readonly send: (to: PeerId, message: Message) => Effect[]
  /** Says to neighbours that the head has changed. */
  readonly changed: (nowMs: number) => Effect[]
  /** What a peer last said of its head. */
  readonly headOf: (peer: PeerId) => number | undefined
  /** An entry was accepted; `from` is whom its pack is asked of first. */
  readonly accepted: (entry: LogEntry, from: PeerId | undefined) => void
}

export class Intake {
  readonly #options: IntakeOptions
  readonly #log: EntryLog

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#log = options.log
  }

  /** Gossip carries entries and orders; its answer decides whether neighbours pass it on. */
  gossiped(from: PeerId, message: Message | Malformed, nowMs: number): Effect[] {
    const verdict = (each: Verdict): Effect => ({ kind: 'verdict', verdict: each })
    if (message.t !== 'entry') return [verdict(message.t === 'malformed' ? 'reject' : 'ignore')]
    const taken = this.#log.take(message.entry, { gap: false })
    const effects = this.#taken(taken, from, nowMs)
    switch (taken.kind) {
      case 'accepted':
      case 'fork':
        return [verdict('accept'), ...effects]
      case 'refused':
        return [verdict(taken.hostile ? 'reject' : 'ignore'), ...effects]
      default:
        return [verdict('ignore'), ...effects]
    }
  }

  /** One entry that a neighbour sent. */
  entry(from: PeerId, envelope: Uint8Array, nowMs: number): Effect[] {
    return this.#taken(this.#log.take(envelope, { gap: false }), from, nowMs)
  }

  /** An entry made on this machine, or brought by a file. */
  submit(envelope: Uint8Array, nowMs: number): Effect[] {
    const taken = this.#log.take(envelope, { gap: false })
    const effects = this.#taken(taken, undefined, nowMs)
    const bytes = this.#options.codec.encode({ t: 'entry', entry: envelope })
    if (taken.kind === 'accepted' && bytes.length <= limits.gossipBytes)
      effects.push({ kind: 'publish', bytes })
    return effects
  }

  /** A part of a neighbour's log: the next part is asked for, or the one before where it is of another branch. */
  entries(from: PeerId, { entries, whole }: Extract<Message, { t: 'entries' }>, nowMs: number): Effect[] {
    const before = this.#log.head()?.sequence ?? 0
    const effects: Effect[] = []
    for (const [at, envelope] of entries.entries()) {
      const taken = this.#log.take(envelope, { gap: !whole })
      if (taken.kind !== 'ahead') effects.push(...this.#taken(taken, from, nowMs))
      if (at === 0 && whole) effects.push(...this.#askBefore(from, taken))
      if (taken.kind === 'refused' || taken.kind === 'ahead') break
    }
    const head = this.#log.head()?.sequence ?? 0
    if (head > before && (this.#options.headOf(from) ?? 0) > head)
      effects.push(...this.#options.send(from, { t: 'want', after: head }))
    return effects
  }

  /**
   * The first entry of a part is of another branch: where the branches part lies what both sides must see, and perhaps the entry
   * that ends the fork. Goes back 1, 3, 7 … entries from our head: always below the part before, so this ends.
   */
  #askBefore(from: PeerId, first: Taken): Effect[] {
    if (first.kind !== 'ahead' && first.kind !== 'fork') return []
    const sequence = first.kind === 'ahead' ? first.sequence : first.entry.sequence
    const head = this.#log.head()?.sequence ?? 0
    if (sequence < 2 || sequence > head + 1) return []
    return this.#options.send(from, { t: 'want', after: Math.max(0, 2 * sequence - 3 - head) })
  }

  /** What follows from the log's answer about one entry. */
  #taken(taken: Taken, from: PeerId | undefined, nowMs: number): Effect[] {
    const { reporter, admissions } = this.#options
    switch (taken.kind) {
      case 'accepted': {
        const { entry, floor } = taken
        const effects: Effect[] = [
          { kind: 'keep', entry, floor },
          log('info', 'entry accepted', {
            sequence: entry.sequence,
            id: entry.id,
            kind: entry.kind,
            signer: entry.signer,
          }),
        ]
        if (entry.kind === 'trust') {
          reporter.rosterChanged()
          admissions.forget()
          effects.push({ kind: 'recheck' }, { kind: 'enrol', roster: this.#log.directory() })
        }
        this.#options.accepted(entry, from)
        reporter.changed()
        return [...effects, ...this.#options.changed(nowMs)]
      }
      case 'ahead':
        // The parent is not here yet: ask for the chain, gossip will not offer this again.
        return from === undefined
          ? []
          : this.#options.send(from, {
              t: 'want',
              after: Math.max(0, Math.min(this.#log.head()?.sequence ?? 0, taken.sequence - 2)),
            })
      case 'fork':
        reporter.changed()
        return [
          { kind: 'keep-fork', entry: taken.entry },
          log('error', 'fork', {
            sequence: taken.entry.sequence,
            id: taken.entry.id,
            signer: taken.entry.signer,
            frozen: taken.frozen,
          }),
        ]
      case 'refused':
        reporter.changed()
        return [
          log('warn', 'entry refused', {
            code: taken.code,
            detail: taken.detail,
            from,
            sequence: taken.sequence,
            id: taken.id,
          }),
        ]
      case 'known':
        return []
    }
  }
}
