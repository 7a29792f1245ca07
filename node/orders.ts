// Core: the orders of the entries in the log, as a set that merges in any order, and what they say together: who halted a release,
// which stages are promoted, who may try again, until when it is fresh, which trials run. Carrying that out is the agent's.
import { limits } from '../gossip/limits.ts'
import { compare, concat, hex, unhex } from '../signing/bytes.ts'
import { decodeMap, encode } from '../signing/cbor.ts'
import type { TrustVersion } from '../signing/chain.ts'
import { sha256 } from '../signing/crypto.ts'
import type { FleetId } from '../signing/entry.ts'
import { blames, isRefusal, type Refusal, type RefusalCode, refused } from '../signing/errors.ts'
import { timeMs } from '../signing/fields.ts'
import { maySign } from '../signing/operators.ts'
import {
  checkOrder,
  type OpenedOrder,
  type Order,
  type OrderEnvelope,
  type OrderId,
  type OrderKind,
  openOrder,
  orderEnvelopeOf,
  orderMap,
  takesThreshold,
} from '../signing/order.ts'
import type { Namespace } from '../signing/sshsig.ts'
import { nodeErrors } from './errors.ts'
import type { EntryLog, ReleaseEntry } from './log.ts'

/** An order that is held. */
export interface HeldOrder {
  readonly id: OrderId
  readonly order: Order
  /** As it came, and as it is passed on. */
  readonly envelope: Uint8Array
}

export type TakenOrder =
  /** `dropped`: those that it took the place of, since there is a bound. */
  | {
      readonly kind: 'new'
      readonly held: HeldOrder
      readonly signer: string
      readonly dropped: readonly OrderId[]
    }
  | { readonly kind: 'known' }
  /** Its entry, or any trust, is not here yet; not kept: sync brings it again. */
  | { readonly kind: 'waits'; readonly entry: string }
  | {
      readonly kind: 'refused'
      readonly code: RefusalCode | 'ORDERS_FULL'
      readonly detail: string
      readonly id?: OrderId
      /** The bytes alone show the fault: whoever passed them on is to blame. */
      readonly hostile: boolean
    }

export interface Halt {
  readonly id: OrderId
  /** Principal. */
  readonly signer: string
  readonly reason: string | undefined
  readonly issuedMs: number
  /** The same, as it is written in the order. */
  readonly issued: string
}

/** What the orders of one release say together. */
export interface OrdersOf {
  /** Those that no `resume` names, the earliest first. */
  readonly halts: readonly Halt[]
  /** Stages up to this one are opened by `promote`; 0: none. */
  readonly promoted: number
  /** Host keys in hex whose evidence a `promote` leaves out. */
  readonly without: ReadonlySet<string>
  /** Until when it may start though it has expired. */
  readonly freshUntilMs: number | undefined
  /** The highest attempt that a signed `retry` allows a host (its key in hex); 1 without one. */
  readonly attemptOf: (host: string) => number
}

type TrialOrder = Extract<Order, { order: 'trial' }>

export interface Trial {
  readonly id: OrderId
  readonly order: TrialOrder
  /** Principal. */
  readonly signer: string
  /** Keys in hex of the hosts for which it is the newest trial. */
  readonly hosts: readonly string[]
  readonly untilMs: number
}

/** How bytes are read, by themselves: the simulator remembers the answers. */
export type ReadOrder = (envelope: Uint8Array) => (OrderEnvelope & { readonly opened: OpenedOrder }) | Refusal

export const readOrderEnvelope: ReadOrder = bytes => {
  const envelope = orderEnvelopeOf(decodeMap(bytes))
  if (isRefusal(envelope)) return envelope
  const opened = openOrder(envelope.order)
  return isRefusal(opened) ? opened : { ...envelope, opened }
}

interface Held extends HeldOrder {
  readonly signer: string
  readonly opened: OpenedOrder
  readonly cosigs: readonly Uint8Array[]
  readonly sequence: number
}

/** Kinds in the order in which they are kept when there are too many in all: what stops and loosens a release first. */
const kinds: readonly OrderKind[] = ['halt', 'resume', 'promote', 'fresh', 'trial', 'retry']

const nothing: OrdersOf = {
  halts: [],
  promoted: 0,
  without: new Set(),
  freshUntilMs: undefined,
  attemptOf: () => 1,
}

export class Orders {
  readonly #log: EntryLog
  readonly #read: ReadOrder
  #held = new Map<OrderId, Held>()
  /** Made again when the set has changed: asked for at every decision. */
  #answers = new Map<string, OrdersOf>()
  /** The newest trial of each host. */
  #trials: ReadonlyMap<string, Held> | undefined
  #root: Uint8Array | undefined
  #trust: TrustVersion | undefined
  #head: string | undefined

  constructor(options: { readonly log: EntryLog; readonly read?: ReadOrder | undefined }) {
    this.#log = options.log
    this.#read = options.read ?? readOrderEnvelope
  }

  /** Whether an order that is not to be kept is good now: one that asks for a plan. In words why not. */
  check(envelope: Uint8Array): { readonly id: OrderId; readonly order: Order } | { readonly wrong: string } {
    const read = this.#read(envelope)
    if (isRefusal(read)) return { wrong: read.detail }
    const { order, id } = read.opened
    const trust = this.#log.trust()
    if (trust === undefined) return { wrong: 'no trust has arrived here yet' }
    const wrong =
      order.fleet === hex(this.#log.fleet)
        ? checkOrder(read.opened, read.cosigs, trust, order.fleet)
        : wrongFleet(order)
    return wrong === undefined ? { id, order } : { wrong: wrong.detail }
  }

  /** `kept`: from this host's own store, checked before. */
  take(envelope: Uint8Array, kept = false): TakenOrder {
    const read = this.#read(envelope)
    if (isRefusal(read)) return refusalOf(read)
    const { opened, cosigs } = read
    const { id, order } = opened
    if (this.#held.has(id)) return { kind: 'known' }
    const trust = this.#log.trust()
    const entry = this.#log.byId(order.entry)
    if (order.fleet !== hex(this.#log.fleet)) return refusalOf(wrongFleet(order), id)
    if (trust === undefined || entry === undefined) return { kind: 'waits', entry: order.entry }
    if (entry.kind !== 'release' && order.order !== 'trial')
      return refusalOf(
        refused('NOT_ALLOWED', `${order.order} names entry ${entry.sequence}, which is no release`),
        id,
      )
    const wrong = checkOrder(opened, cosigs, trust, order.fleet, !kept)
    if (wrong !== undefined) return refusalOf(wrong, id)
    const signer = signerIn(trust, opened) ?? ''
    const { sequence } = entry
    const one = { id, order, signer, opened, sequence }
    // Where one signer is enough, what anybody on the way has put beside the order is not kept.
    const held = takesThreshold(order.order)
      ? { ...one, envelope, cosigs }
      : { ...one, envelope: cosigs.length === 0 ? envelope : plain(read.order), cosigs: [] }
    const next = this.#hasRoom(order)
      ? new Map([...this.#held, [id, held]])
      : within([...this.#held.values(), held])
    const found = next.get(id)
    if (found === undefined)
      return { kind: 'refused', code: 'ORDERS_FULL', detail: fullText(order), id, hostile: false }
    const dropped = [...this.#held.keys()].filter(each => !next.has(each))
    this.#become(next)
    this.#settledAt(trust)
    return { kind: 'new', held: found, signer, dropped }
  }

  /**
   * The log has changed: orders go whose entry left it, and, when there is a new trust version, those whose signers may not give
   * them any more. So what is held follows from the log and from what was ever heard, on every host alike. Answers what went.
   */
  settle(): readonly OrderId[] {
    const trust = this.#log.trust()
    if (this.#held.size === 0 || (trust === this.#trust && this.#log.head()?.id === this.#head)) return []
    const changed = trust !== this.#trust && !sameSigners(trust, this.#trust)
    const stays = (each: Held) =>
      this.#log.byId(each.order.entry) !== undefined && (!changed || mayStill(each, trust))
    const gone = [...this.#held.values()].filter(each => !stays(each)).map(each => each.id)
    if (gone.length > 0) this.#become(new Map([...this.#held].filter(([id]) => !gone.includes(id))))
    this.#settledAt(trust)
    return gone
  }

  has(id: OrderId): boolean {
    return this.#held.has(id)
  }

  get size(): number {
    return this.#held.size
  }

  /** Sorted by id. */
  all(): readonly HeldOrder[] {
    return [...this.#held.values()].sort((a, b) => compareText(a.id, b.id))
  }

  /** SHA-256 over the sorted ids (docs/formats.md section 11). */
  root(): Uint8Array {
    this.#root ??= sha256(concat(...this.all().map(each => idBytes(each.id))))
    return this.#root
  }

  /** 32 bytes each. */
  ids(): readonly Uint8Array[] {
    return this.all().map(each => idBytes(each.id))
  }

  /** The envelopes of those that are not listed. */
  missingIn(have: readonly Uint8Array[]): readonly Uint8Array[] {
    const known = new Set(have.map(hex))
    return this.all()
      .filter(each => !known.has(each.id))
      .map(each => each.envelope)
  }

  /** What is said of a release, by its entry id. */
  of(entry: string): OrdersOf {
    let answer = this.#answers.get(entry)
    if (answer === undefined) {
      const about = [...this.#held.values()].filter(each => each.order.entry === entry)
      answer = about.length === 0 ? nothing : answerOf(about)
      // Bounded by the log: of whatever else is asked for, nothing is remembered.
      if (this.#log.byId(entry) !== undefined) this.#answers.set(entry, answer)
    }
    return answer
  }

  /** Until when a release is valid, extended where an operator has said so. */
  endsMs({ id, release }: ReleaseEntry): number {
    return Math.max(release.expiresMs, this.of(id).freshUntilMs ?? 0)
  }

  /**
   * The trials that go on, sorted by id. For each host only the trial counts that was issued last (of two of one time, that with
   * the higher id), so an operator ends one by another for the same hosts whose `Until` is over. One that only asks for a plan
   * counts for none: it is answered to whoever asks (plans.ts).
   */
  trials(nowMs: number): readonly Trial[] {
    const newest = this.#newestTrials()
    return [...new Set(newest.values())]
      .map(each => trialOf(each, newest))
      .filter(each => nowMs < each.untilMs)
      .sort((a, b) => compareText(a.id, b.id))
  }

  /** The trial that goes on at one host, by its key in hex. */
  trialOn(host: string, nowMs: number): Trial | undefined {
    if (this.#held.size === 0) return undefined
    const newest = this.#newestTrials()
    const found = newest.get(host)
    const trial = found && trialOf(found, newest)
    return trial !== undefined && nowMs < trial.untilMs ? trial : undefined
  }

  #newestTrials(): ReadonlyMap<string, Held> {
    if (this.#trials !== undefined) return this.#trials
    const newest = new Map<string, Held>()
    const trials = this.all().filter((each): each is Held => runs(each.order))
    trials.sort((a, b) => compareText(a.order.issued, b.order.issued) || compareText(a.id, b.id))
    for (const each of trials) for (const host of (each.order as TrialOrder).hosts) newest.set(host, each)
    this.#trials = newest
    return newest
  }

  /** Whether an order takes nobody's place. */
  #hasRoom({ entry, order: kind }: Order): boolean {
    const alike = [...this.#held.values()].filter(
      ({ order }) => order.entry === entry && order.order === kind,
    )
    return this.#held.size < limits.orders && alike.length < limits.ordersPerKind[kind]
  }

  #become(held: ReadonlyMap<OrderId, Held>): void {
    this.#held = new Map(held)
    this.#root = undefined
    this.#answers = new Map()
    this.#trials = undefined
  }

  #settledAt(trust: TrustVersion | undefined): void {
    this.#trust = trust
    this.#head = this.#log.head()?.id
  }
}

const runs = (order: Order) => order.order === 'trial' && order.mode === 'run'

function trialOf(held: Held, newest: ReadonlyMap<string, Held>): Trial {
  const order = held.order as TrialOrder
  const hosts = order.hosts.filter(host => newest.get(host) === held)
  return { id: held.id, order, signer: held.signer, hosts, untilMs: timeMs(order.until) }
}

function answerOf(about: readonly Held[]): OrdersOf {
  const cleared = new Set<string>()
  const without = new Set<string>()
  const attempts = new Map<string, number>()
  const halts: Halt[] = []
  let promoted = 0
  let freshUntilMs: number | undefined
  for (const { order } of about) if (order.order === 'resume') for (const id of order.halts) cleared.add(id)
  for (const { id, order, signer } of about) {
    switch (order.order) {
      case 'halt':
        if (!cleared.has(id)) {
          const { issued, reason } = order
          halts.push({ id, signer, reason, issued, issuedMs: timeMs(issued) })
        }
        break
      case 'promote':
        promoted = Math.max(promoted, order.stage)
        for (const host of order.without ?? []) without.add(host)
        break
      case 'fresh':
        freshUntilMs = Math.max(freshUntilMs ?? 0, timeMs(order.until))
        break
      case 'retry':
        attempts.set(order.host, Math.max(attempts.get(order.host) ?? 1, order.attempt))
        break
    }
  }
  halts.sort((a, b) => a.issuedMs - b.issuedMs || compareText(a.id, b.id))
  return { halts, promoted, without, freshUntilMs, attemptOf: host => attempts.get(host) ?? 1 }
}

/**
 * The orders that are kept of these: of each entry and kind the first ones, then of all. Since both are the first of one order of
 * things, it does not matter in which order, or through whom, orders were heard.
 */
function within(orders: readonly Held[]): ReadonlyMap<OrderId, Held> {
  const sorted = [...orders].sort(compareHeld)
  const counts = new Map<string, number>()
  const kept = sorted.filter(({ order }) => {
    const name = `${order.entry} ${order.order}`
    const count = (counts.get(name) ?? 0) + 1
    counts.set(name, count)
    return count <= limits.ordersPerKind[order.order]
  })
  return new Map(kept.slice(0, limits.orders).map(each => [each.id, each]))
}

/** Of newer entries first; by kind; those that say the most; by id. */
function compareHeld(a: Held, b: Held): number {
  return (
    b.sequence - a.sequence ||
    compareText(a.order.entry, b.order.entry) ||
    kinds.indexOf(a.order.order) - kinds.indexOf(b.order.order) ||
    weightOf(b.order) - weightOf(a.order) ||
    compareText(a.id, b.id)
  )
}

/** Among orders of one kind, what makes others of it say nothing more. */
function weightOf(order: Order): number {
  switch (order.order) {
    case 'promote':
      return order.stage
    case 'fresh':
      return timeMs(order.until)
    case 'retry':
      return order.attempt
    case 'trial':
      return timeMs(order.issued)
    default:
      return 0
  }
}

function mayStill({ opened, cosigs }: Held, trust: TrustVersion | undefined): boolean {
  if (trust === undefined) return false
  const { order } = opened
  // Signatures were found good; only those of cosigners may be of keys that were not asked about then.
  if (takesThreshold(order.order)) return checkOrder(opened, cosigs, trust, order.fleet, false) === undefined
  return signerIn(trust, opened) !== undefined
}

function signerIn({ operators }: TrustVersion, { signature }: OpenedOrder): string | undefined {
  return maySign(operators, signature.key, signature.namespace as Namespace)?.principal
}

/** Most trust versions only change the roster. */
function sameSigners(a: TrustVersion | undefined, b: TrustVersion | undefined): boolean {
  if (a === undefined || b === undefined) return false
  return compare(a.files.operators, b.files.operators) === 0 && compare(a.files.policy, b.files.policy) === 0
}

function refusalOf({ code, detail }: Refusal, id?: OrderId): TakenOrder {
  return { kind: 'refused', code, detail, hostile: blames(code), ...(id !== undefined && { id }) }
}

function wrongFleet({ fleet }: { readonly fleet: FleetId }): Refusal {
  return refused('WRONG_FLEET', `found ${fleet}`)
}

function fullText({ order, entry }: Order): string {
  return `${nodeErrors.ORDERS_FULL}: ${limits.ordersPerKind[order]} orders ${order} of entry ${entry}, ${limits.orders} in all`
}

const plain = (order: Uint8Array) => encode(orderMap({ order, cosigs: [] }))
const idBytes = (id: OrderId) => unhex(id, 32) as Uint8Array

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
