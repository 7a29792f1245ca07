// Core: takes entries and orders from gossip, from a neighbour's sync and from this machine, and says what follows: what to keep,
// whom to ask for what lies between, whether neighbours pass it on. Who may say what is the log's and orders.ts's.
import type { PeerId, Verdict } from '../gossip/carrier.ts'
import { limits } from '../gossip/limits.ts'
import type { Codec, Heads, Malformed, Message } from '../gossip/message.ts'
import { equal } from '../signing/bytes.ts'
import type { Admissions } from './admission.ts'
import { type Effect, log } from './effects.ts'
import type { EntryLog, LogEntry, Taken } from './log.ts'
import type { Orders, TakenOrder } from './orders.ts'
import type { Reporter } from './report.ts'

export interface IntakeOptions {
  readonly log: EntryLog
  readonly orders: Orders
  readonly reporter: Reporter
  readonly admissions: Admissions
  readonly codec: Codec
  readonly send: (to: PeerId, message: Message) => Effect[]
  /** Says to neighbours that the head, or the orders, have changed. */
  readonly changed: (what: 'changed' | 'orders', nowMs: number) => Effect[]
  /** What a peer last said that it holds. */
  readonly headsOf: (peer: PeerId) => Heads | undefined
  /** An entry was accepted; `from` is whom its pack is asked of first. */
  readonly accepted: (entry: LogEntry, from: PeerId | undefined) => void
  /** The same of an order. */
  readonly ordered: (id: string, from: PeerId | undefined) => void
}

/** ms until what no peer has brought is jumped across: two syncs, as each peer is asked when it connects. */
const lacksMs = 2 * limits.syncMs

export class Intake {
  readonly #options: IntakeOptions
  readonly #log: EntryLog
  readonly #orders: Orders
  /** An order came before its entry: orders are asked for again when there are more entries. */
  #waits = false
  /** Since when peers have left out what follows our head. */
  #lacksSinceMs: number | undefined

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#log = options.log
    this.#orders = options.orders
  }

  /** Gossip carries entries and orders; its answer decides whether neighbours pass it on. */
  gossiped(from: PeerId, message: Message | Malformed, nowMs: number): Effect[] {
    const verdict = (each: Verdict): Effect => ({ kind: 'verdict', verdict: each })
    if (message.t === 'order') {
      const taken = this.#orders.take(message.order)
      const spreads = taken.kind === 'new' ? 'accept' : isHostile(taken) ? 'reject' : 'ignore'
      return [verdict(spreads), ...this.#ordered(taken, from, nowMs)]
    }
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

  /** An order made on this machine, or brought by a file. */
  submitOrder(envelope: Uint8Array, nowMs: number): Effect[] {
    const taken = this.#orders.take(envelope)
    const effects = this.#ordered(taken, undefined, nowMs)
    if (taken.kind !== 'new') return effects
    const bytes = this.#options.codec.encode({ t: 'order', order: taken.held.envelope })
    return bytes.length <= limits.gossipBytes ? [...effects, { kind: 'publish', bytes }] : effects
  }

  /** Orders that a neighbour sent; asked for again while that brings more and the neighbour holds others. */
  orders(from: PeerId, envelopes: readonly Uint8Array[], nowMs: number): Effect[] {
    const effects: Effect[] = []
    let isNew = false
    for (const envelope of envelopes) {
      const taken = this.#orders.take(envelope)
      effects.push(...this.#ordered(taken, from, nowMs, false))
      isNew ||= taken.kind === 'new'
      // Who passes on one that is not good has checked none.
      if (isHostile(taken)) break
    }
    if (!isNew) return effects
    effects.push(...this.#options.changed('orders', nowMs))
    const theirs = this.#options.headsOf(from)?.orders
    if (theirs !== undefined && !equal(theirs, this.#orders.root())) effects.push(...this.#askOrders(from))
    return effects
  }

  #askOrders(from: PeerId): Effect[] {
    return this.#options.send(from, { t: 'want-orders', have: this.#orders.ids() })
  }

  #ordered(taken: TakenOrder, from: PeerId | undefined, nowMs: number, tells = true): Effect[] {
    switch (taken.kind) {
      case 'new': {
        const { id, order, envelope } = taken.held
        this.#options.reporter.changed()
        this.#options.ordered(id, from)
        return [
          { kind: 'keep-order', id, envelope },
          ...(taken.dropped.length > 0 ? [{ kind: 'drop-orders', ids: taken.dropped } as const] : []),
          log('info', 'order accepted', { order: order.order, id, entry: order.entry, signer: taken.signer }),
          ...(tells ? this.#options.changed('orders', nowMs) : []),
        ]
      }
      case 'waits':
        this.#waits = true
        return [log('debug', 'order waits for its entry', { entry: taken.entry, from })]
      case 'refused': {
        const { code, detail, id } = taken
        // Newer trust may know the signer.
        if (code === 'SIGNER_UNKNOWN' || code === 'THRESHOLD_NOT_MET') this.#waits = true
        return [log('warn', 'order refused', { code, detail, id, from })]
      }
      case 'known':
        return []
    }
  }

  /** A part of a neighbour's log: the next part is asked for, or the one before where it is of another branch. */
  entries(from: PeerId, { entries, whole }: Extract<Message, { t: 'entries' }>, nowMs: number): Effect[] {
    const before = this.#log.head()?.sequence ?? 0
    const effects: Effect[] = []
    const gap = !whole && this.#mayJump(nowMs)
    for (const [at, envelope] of entries.entries()) {
      const taken = this.#log.take(envelope, { gap })
      // What was dropped may stand before what both sides must see.
      if (taken.kind === 'refused' && taken.code === 'DROPPED') continue
      if (taken.kind !== 'ahead') effects.push(...this.#taken(taken, from, nowMs))
      if (at === 0 && whole) effects.push(...this.#askBefore(from, taken))
      if (taken.kind === 'ahead' && !whole) this.#lacksSinceMs ??= nowMs
      if (taken.kind === 'refused' || taken.kind === 'ahead') break
    }
    const head = this.#log.head()?.sequence ?? 0
    if (head > before && (this.#options.headsOf(from)?.head[0] ?? 0) > head)
      effects.push(...this.#options.send(from, { t: 'want', after: head }))
    return effects
  }

  /**
   * Across a gap nobody sees on which branch an entry stands, so a log with releases asks others first. Perhaps nobody has what
   * lies between.
   */
  #mayJump(nowMs: number): boolean {
    if (this.#log.release() === undefined) return true
    return this.#lacksSinceMs !== undefined && nowMs >= this.#lacksSinceMs + lacksMs
  }

  /**
   * The first entry of a part is of another branch: where the branches part lies what both sides must see, and perhaps the entry
   * that ends the fork. Goes back 1, 3, 7 … entries from our head: always below the part before, so this ends.
   */
  #askBefore(from: PeerId, first: Taken): Effect[] {
    const sequence = placeBeside(first)
    if (sequence === undefined) return []
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
        this.#lacksSinceMs = undefined
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
        const gone = this.#orders.settle()
        if (gone.length > 0) effects.push({ kind: 'drop-orders', ids: gone })
        this.#options.accepted(entry, from)
        reporter.changed()
        effects.push(...this.#options.changed('changed', nowMs))
        if (this.#waits && from !== undefined) {
          this.#waits = false
          effects.push(...this.#askOrders(from))
        }
        return effects
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

/** The sequence of an entry that is not, or not yet, of our branch. */
function placeBeside(taken: Taken): number | undefined {
  switch (taken.kind) {
    case 'ahead':
      return taken.sequence
    case 'fork':
      return taken.entry.sequence
    case 'known':
      return taken.beside
    default:
      return undefined
  }
}

function isHostile(taken: TakenOrder): boolean {
  return taken.kind === 'refused' && taken.hostile
}
