// Core: what to tell whom, and what to ask for: heads at each connect and every half minute, entries a neighbour lacks,
// batches of changed statuses, a few known peers. Decides nothing about trust: it only ever passes on what its
// caller has checked and holds.
import { equal } from '../signing/bytes.ts'
import type { PeerId } from './carrier.ts'
import { limits } from './limits.ts'
import type { Heads, Message, StatusPair } from './message.ts'

/** What this host holds, all checked. Ids and roots are 32 bytes. */
export interface Holdings {
  head(): readonly [sequence: number, id: Uint8Array]
  /** The id of our branch at a sequence, as far as it is known. */
  idAt(sequence: number): Uint8Array | undefined
  trustSequence(): number
  /** Sequence of the newest release whose pack is installed; 0: none. */
  held(): number
  /** Entries above a sequence, ascending; `whole` false when releases between are left out. */
  after(sequence: number): { readonly entries: readonly Uint8Array[]; readonly whole: boolean }
  ordersRoot(): Uint8Array
  orderIds(): readonly Uint8Array[]
  /** Orders held that are not listed. */
  orders(have: readonly Uint8Array[]): readonly Uint8Array[]
  boardRoot(): Uint8Array
  /** `[host key, counter]` of each status held. */
  have(): readonly (readonly [Uint8Array, number])[]
  /** Statuses held that are newer than those listed, or not listed at all. */
  newer(than: readonly (readonly [Uint8Array, number])[]): readonly StatusPair[]
  /** True when the list names a status newer than the one held. */
  lacks(list: readonly (readonly [Uint8Array, number])[]): boolean
  /** The status of a host, by its key in hex. */
  status(host: string): StatusPair | undefined
  /** A few peers worth knowing, at most `limits.peersPerMessage`. */
  peersToShare(): readonly (readonly [string, readonly string[]])[]
}

/** The root that a peer names that exchanges no board. */
export const noBoard = new Uint8Array(32)

export type SpreadInput =
  | { readonly kind: 'up'; readonly peer: PeerId }
  | { readonly kind: 'down'; readonly peer: PeerId }
  | { readonly kind: 'message'; readonly from: PeerId; readonly message: Message }
  /** The head or the installed pack changed here. */
  | { readonly kind: 'changed' }
  /** Orders came here: neighbours that hold others are told. */
  | { readonly kind: 'orders' }
  /** A status changed here; `host` is its key in hex; `from` need not hear it again. */
  | { readonly kind: 'status'; readonly host: string; readonly from?: PeerId }
  | { readonly kind: 'tick' }

export interface Send {
  readonly kind: 'send'
  readonly to: PeerId
  readonly message: Message
}

interface Neighbour {
  /** The last heads heard; undefined before the first. */
  heads: Heads | undefined
  /** What its board holds is here too, or comes: it said so since it is connected, or exchanges no board. */
  compared: boolean
  /** Statuses (host keys in hex) that wait for the next batch. */
  readonly news: Set<string>
}

export interface Spread {
  handle(input: SpreadInput, nowMs: number): Send[]
  wakeMs(): number
  /** Connected peers that say they hold the pack of release `sequence`. */
  holders(sequence: number): PeerId[]
  /** What a peer last said of its head. */
  headsOf(peer: PeerId): Heads | undefined
  /** Connected peers whose boards were compared with ours. */
  compared(): PeerId[]
}

/**
 * `guest`: a laptop that stays for seconds, and wants to see the hosts take what it brought: it syncs with all of them, often.
 */
export function createSpread(holdings: Holdings, random: () => number, nowMs: number, guest = false): Spread {
  const neighbours = new Map<PeerId, Neighbour>()
  const nextSync = () => (guest ? limits.guestSyncMs : limits.syncMs * (0.5 + random()))
  let syncMs = nowMs + nextSync()
  let batchMs = Number.POSITIVE_INFINITY
  let heldTold = 0

  const send = (to: PeerId, message: Message): Send => ({ kind: 'send', to, message })

  /** The last ones, asking and answering: while nothing changes, the very same for all neighbours. */
  const last: [Heads | undefined, Heads | undefined] = [undefined, undefined]
  const heads = (answer: boolean): Heads => {
    const at = answer ? 1 : 0
    const now: Heads = {
      t: 'heads',
      head: holdings.head(),
      trust: holdings.trustSequence(),
      held: holdings.held(),
      orders: holdings.ordersRoot(),
      board: holdings.boardRoot(),
      answer,
    }
    const before = last[at]
    if (before !== undefined && sameHeads(before, now)) return before
    last[at] = now
    return now
  }

  function onHeads(from: PeerId, theirs: Heads): Send[] {
    const neighbour = neighbours.get(from)
    if (neighbour === undefined) return []
    neighbour.heads = theirs
    const board = holdings.boardRoot()
    // One that exchanges no board names none in its questions; answers are without one also for other reasons.
    const hasNone = same(board, noBoard) || (!theirs.answer && same(theirs.board, noBoard))
    neighbour.compared ||= hasNone || same(theirs.board, board)
    const sends: Send[] = theirs.answer ? [] : [send(from, heads(true))]
    const [ours] = holdings.head()
    const [their, theirId] = theirs.head
    const id = holdings.idAt(their)
    if (their > ours) sends.push(send(from, { t: 'want', after: ours }))
    // Another id at one height is a fork: the sibling is asked for, so that both sides see it, and what may end it.
    else if (id !== undefined && !same(id, theirId)) sends.push(send(from, { t: 'want', after: their - 1 }))
    if (!same(theirs.orders, holdings.ordersRoot()))
      sends.push(send(from, { t: 'want-orders', have: holdings.orderIds() }))
    // Both sides see the difference; the one that answers opens, so that digests cross only once.
    if (theirs.answer && boardsDiffer(theirs.board, board))
      sends.push(send(from, { t: 'digest', have: holdings.have(), answer: false }))
    return sends
  }

  function onDigest(from: PeerId, have: readonly (readonly [Uint8Array, number])[], answer: boolean): Send[] {
    const lacks = holdings.lacks(have)
    const neighbour = neighbours.get(from)
    if (neighbour !== undefined && !lacks) neighbour.compared = true
    const sends = batches(holdings.newer(have)).map(statuses => send(from, { t: 'statuses', statuses }))
    if (!answer && lacks) sends.push(send(from, { t: 'digest', have: holdings.have(), answer: true }))
    return sends
  }

  function onMessage(from: PeerId, message: Message): Send[] {
    switch (message.t) {
      case 'heads':
        return onHeads(from, message)
      case 'want': {
        const { entries, whole } = holdings.after(message.after)
        if (entries.length === 0) return []
        const some = cut(entries, limits.entriesPerMessage, limits.entriesBytes)
        return [send(from, { t: 'entries', entries: some, whole })]
      }
      case 'want-orders': {
        const orders = cut(holdings.orders(message.have ?? []), limits.ordersPerMessage, limits.ordersBytes)
        return orders.length === 0 ? [] : [send(from, { t: 'orders', orders })]
      }
      case 'digest':
        return onDigest(from, message.have, message.answer)
      case 'statuses': {
        // What we lacked, or news of one that knows what we hold; either way the caller has it now.
        const neighbour = neighbours.get(from)
        if (neighbour !== undefined) neighbour.compared = true
        return []
      }
      default:
        return []
    }
  }

  /** At most one batch a second to each of a few neighbours; who is left out gets it at its next turn or by sync. */
  function flush(nowMs: number): Send[] {
    const waiting = shuffled(
      [...neighbours].filter(([, each]) => each.news.size > 0),
      random,
    ).slice(0, limits.statusFanout)
    const sends = waiting.flatMap(([peer, { news }]) => {
      const pairs = [...news].map(host => holdings.status(host)).filter(pair => pair !== undefined)
      news.clear()
      return batches(pairs)
        .slice(0, 1)
        .map(statuses => send(peer, { t: 'statuses', statuses }))
    })
    const left = [...neighbours.values()].some(each => each.news.size > 0)
    batchMs = left ? nowMs + limits.statusBatchMs : Number.POSITIVE_INFINITY
    return sends
  }

  function handle(input: SpreadInput, nowMs: number): Send[] {
    switch (input.kind) {
      case 'up': {
        neighbours.set(input.peer, { heads: undefined, compared: false, news: new Set() })
        const peers = holdings.peersToShare()
        return [
          send(input.peer, heads(false)),
          ...(peers.length > 0 ? [send(input.peer, { t: 'peers', peers })] : []),
        ]
      }
      case 'down':
        neighbours.delete(input.peer)
        return []
      case 'message':
        return onMessage(input.from, input.message)
      case 'changed': {
        const [ours] = holdings.head()
        const held = holdings.held()
        // Entries come by gossip too, but who holds a pack is said by heads alone: whoever waits for it is told.
        if (held > heldTold) {
          heldTold = held
          // To be known, not to be answered: with all neighbours at once, boards would be compared for nothing.
          const told: Heads = { ...heads(true), board: noBoard }
          return [...neighbours]
            .filter(([, each]) => (each.heads?.held ?? 0) < held)
            .map(([peer]) => send(peer, told))
        }
        // Those known to be behind first: gossip has most likely reached the others.
        const order = shuffled([...neighbours], random).sort(
          ([, a], [, b]) => (a.heads?.head[0] ?? 0) - (b.heads?.head[0] ?? 0),
        )
        return order
          .filter(([, each]) => (each.heads?.head[0] ?? 0) <= ours)
          .slice(0, limits.headsFanout)
          .map(([peer]) => send(peer, heads(false)))
      }
      case 'orders': {
        const root = holdings.ordersRoot()
        const others = [...neighbours].filter(([, { heads }]) => !heads || !same(heads.orders, root))
        return shuffled(others, random)
          .slice(0, limits.headsFanout)
          .map(([peer]) => send(peer, heads(false)))
      }
      case 'status':
        for (const [peer, each] of neighbours) if (peer !== input.from) each.news.add(input.host)
        if (neighbours.size > 0) batchMs = Math.min(batchMs, nowMs + limits.statusBatchMs)
        return []
      case 'tick': {
        const sends = nowMs >= batchMs ? flush(nowMs) : []
        if (nowMs >= syncMs) {
          syncMs = nowMs + nextSync()
          const peers = shuffled([...neighbours.keys()], random).slice(0, guest ? limits.connectionsMax : 1)
          sends.push(...peers.map(peer => send(peer, heads(false))))
        }
        return sends
      }
    }
  }

  return {
    handle,
    wakeMs: () => Math.min(syncMs, batchMs),
    holders: sequence =>
      [...neighbours].filter(([, each]) => (each.heads?.held ?? 0) >= sequence).map(([peer]) => peer),
    headsOf: peer => neighbours.get(peer)?.heads,
    compared: () => [...neighbours].filter(([, each]) => each.compared).map(([peer]) => peer),
  }
}

function boardsDiffer(theirs: Uint8Array, ours: Uint8Array): boolean {
  return !same(theirs, ours) && !same(theirs, noBoard) && !same(ours, noBoard)
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || equal(a, b)
}

function sameHeads(a: Heads, b: Heads): boolean {
  return (
    a.trust === b.trust &&
    a.held === b.held &&
    a.head[0] === b.head[0] &&
    same(a.head[1], b.head[1]) &&
    same(a.orders, b.orders) &&
    same(a.board, b.board)
  )
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const out = [...items]
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[out[i], out[j]] = [out[j] as T, out[i] as T]
  }
  return out
}

/** Cuts an answer at its bounds; the asker sees that it still lacks something and asks again. */
function cut(envelopes: readonly Uint8Array[], most: number, bytesMax: number): Uint8Array[] {
  let bytes = 0
  const out: Uint8Array[] = []
  for (const each of envelopes.slice(0, most)) {
    bytes += each.length
    if (out.length > 0 && bytes > bytesMax) break
    out.push(each)
  }
  return out
}

function batches(pairs: readonly StatusPair[]): StatusPair[][] {
  const out: StatusPair[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const pair of pairs) {
    const size = pair[0].length + pair[1].length
    const last = out.at(-1)
    if (
      last === undefined ||
      bytes + size > limits.statusesBytes ||
      last.length === limits.statusesPerMessage
    ) {
      out.push([pair])
      bytes = size
    } else {
      last.push(pair)
      bytes += size
    }
  }
  return out
}
