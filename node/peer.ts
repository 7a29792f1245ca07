// A peer, put together from its ports: restores what its store and durable files say, builds the cores and the driver, and
// starts. What the ports are made of is main.ts's (a real machine) and sim/'s (a machine in memory).
import type { Carrier, Contact } from '../gossip/carrier.ts'
import { limits } from '../gossip/limits.ts'
import { type Codec, plainCodec, sparing } from '../gossip/message.ts'
import { equal, hex, text, unhex } from '../signing/bytes.ts'
import { decode } from '../signing/cbor.ts'
import type { Point } from '../signing/chain.ts'
import { publicKeyOf, signing } from '../signing/crypto.ts'
import { openDelegation } from '../signing/delegation.ts'
import type { FleetId } from '../signing/entry.ts'
import { isRefusal } from '../signing/errors.ts'
import { higherFloor, readFloor } from '../signing/floor.ts'
import { readStatus, type Status, signStatus } from '../signing/status.ts'
import { Admissions } from './admission.ts'
import { readSaid } from './aftermath.ts'
import { Agent } from './agent.ts'
import type { Role, Statuses } from './agent-options.ts'
import { decodeBook } from './book.ts'
import { language, version } from './config.ts'
import { Driver, files, keys } from './driver.ts'
import type { DriverPorts, Runner } from './driver-ports.ts'
import { keyOf } from './hearing.ts'
import { EntryLog, type Reading } from './log.ts'
import { Orders, type ReadOrder } from './orders.ts'
import type { Log } from './os-log.ts'
import { PeerWitness, type RunWitness } from './os-witness.ts'
import type { Clock, Durable, Repository, Store, StoreOp, Timers } from './ports.ts'
import { Reporter } from './report.ts'
import type { TurnsMaker } from './stages.ts'
import { Board, Counter } from './status.ts'
import { openSurvey, type SurveyMemo } from './survey.ts'
import type { TrialInForce } from './trial-about.ts'

/** What a peer stands on. */
export interface PeerPorts {
  readonly store: Store
  readonly durable: Durable
  readonly repository: Repository
  readonly clock: Clock
  readonly timers: Timers
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Log
  /** With the address book of the last life. */
  readonly carrier: (book: readonly Contact[]) => Promise<Carrier>
  /** 16 bytes, new at each boot of the machine. */
  readonly boot: Uint8Array
  /** Seconds since the machine was booted. */
  readonly uptime: () => number
  /** The world failed where the agent cannot go on (its own disk): the process ends, and starts from its journal. */
  readonly fatal: (error: unknown) => void
  /** Told of every decision (driver.ts). */
  readonly observe?: DriverPorts['observe']
  /** Default: the plain ones. */
  readonly codec?: Codec
  readonly readStatus?: typeof readStatus
  readonly reading?: Reading
  /** Who knows turns that others have made of the same; default: nobody. */
  readonly turns?: TurnsMaker
  /** What surveys have found out; default: this peer's own. */
  readonly surveys?: SurveyMemo
  readonly readOrder?: ReadOrder
}

export interface PeerOptions {
  readonly fleet: FleetId
  /** From the join string: what counts as the floor until there is one. */
  readonly checkpoint: Point | undefined
  /** Ed25519 seed: the host's key, or a laptop's session key. */
  readonly key: Uint8Array
  readonly role: Role
  /** Default: `spread`. */
  readonly statuses?: Statuses
  readonly delegation?: Uint8Array
  /** Keys (hex) to let in besides the roster's. */
  readonly alsoAdmitted?: ReadonlySet<string>
  /** Envelopes to begin the log with, when the store has none: a laptop's own genesis. */
  readonly first?: readonly Uint8Array[]
  /** Runs releases here; made when the repository is open. Answers too what is in force. */
  readonly host?: (ports: HostPorts) => Promise<HostSide>
}

export interface HostPorts {
  readonly repository: Repository
  readonly entries: EntryLog
  /** Feeds what drift repair found. */
  readonly report: (drift: { repairs: number; kept: number; contested: number }, notKept: number) => void
  /** Whom to ask whether a run has cut this host off. Absent: nothing is guarded. */
  readonly witness?: RunWitness
}

export interface HostSide {
  readonly runner: Runner
  /** A trial whose steps are in force; `inForce` names the entry before it then, with what the trial's run came to. */
  readonly trial?: TrialInForce | undefined
  /** Id of the entry in force, with what its run came to. */
  readonly inForce:
    | { readonly entry: string; readonly declared: number; readonly notKept: number }
    | undefined
  readonly dirty: boolean
  /** The whole host is paused, since before the agent started. */
  readonly paused: { readonly untilMs: number; readonly reason: string } | undefined
  close(): Promise<void>
}

export interface Peer {
  readonly agent: Agent
  readonly driver: Driver
  readonly entries: EntryLog
  readonly orders: Orders
  readonly reporter: Reporter
  readonly carrier: Carrier
  readonly repository: Repository
  readonly durable: Durable
  readonly store: Store
  /** This peer's key in hex. */
  readonly key: string
  stop(): Promise<void>
}

/** Peers to be heard when the floor is lost in both places (DESIGN section 4). */
const peersToHear = 3

/** Restores, builds and starts to listen. Errors: LISTEN_FAILED, and those of the ports. */
export async function startPeer(ports: PeerPorts, options: PeerOptions): Promise<Peer> {
  const { clock, durable, log, random, repository, store } = ports
  const { fleet, role, statuses = 'spread' } = options
  const floor = await findFloor(durable, options.checkpoint, log)
  const entries = new EntryLog({
    fleet,
    language,
    ...(floor.point && { floor: floor.point }),
    ...(options.alsoAdmitted && { alsoAdmitted: options.alsoAdmitted }),
    reading: ports.reading,
  })
  const restored = await restore(entries, store, options.first ?? [], log)
  const orders = new Orders({ log: entries, read: ports.readOrder })
  await restoreOrders(orders, store, log)

  const key = publicKeyOf(options.key)
  const host = hex(key)
  const sign = signing(options.key)
  const { boot, readStatus: open = readStatus } = ports
  const board = new Board({
    open: pair => {
      const signed = open(pair)
      return isRefusal(signed) || !equal(signed.status.fleet, entries.fleet) ? undefined : signed
    },
    rostered: each => (statuses !== 'own' || each === host) && entries.host(each) !== undefined,
  })
  const carrier = await ports.carrier(decodeBook(await store.get(keys.book)))
  const codec = sparing(ports.codec ?? plainCodec)
  const witness = new PeerWitness({
    ...{ carrier, clock, timers: ports.timers, random, log, codec },
    isHost: peer => entries.host(keyOf(peer) ?? '') !== undefined,
    hasOthers: () => entries.roster().some(each => hex(each.key) !== host),
  })
  let driver: Driver | undefined
  const side = await options.host?.({
    repository,
    entries,
    witness,
    report: (drift, notKept) => driver?.feed({ kind: 'host', drift, notKept }),
  })
  const reporter = new Reporter({
    board,
    counter: new Counter(await readNumber(durable, files.counter)),
    host,
    facts: () => factsOf(entries, ports.uptime()),
    refused: () => entries.hasRefused,
    make: rest => {
      const status = { fleet: entries.fleet, host: key, boot, agent: version, ...rest }
      const { body, signature } = signStatus(status, sign)
      return [body, signature]
    },
    idOf: id => pointOf(entries.byId(id)),
    soakMs: id => entries.byId(id)?.release?.soakMs,
    hosts: () => entries.roster().length,
    rostered: () => role === 'host' && entries.host(host) !== undefined,
    random,
    checks: side?.runner.check !== undefined,
  })
  for (const [, value] of await store.range({ from: 'board/', before: 'board0', limit: limits.hosts })) {
    const signed = open(decode(value))
    // By the reporter, which must speak above what this host has said, also when the counter's file was damaged.
    if (!isRefusal(signed)) reporter.take([signed.body, signed.signature], undefined, signed)
  }
  if (side?.inForce !== undefined) {
    const { entry, declared, notKept } = side.inForce
    const steps = { declared, kept: declared - notKept, repaired: 0, notKept }
    const attempt = orders.of(entry).attemptOf(host)
    reporter.inForce(entry, steps, side.dirty, clock.steady(), attempt)
  }
  const said = readSaid(await store.get(keys.said))
  const failed = await readLines(durable, files.failed)
  const isCurrent = said !== undefined && reporter.resume(said.said, equal(said.boot, boot), clock.steady())
  const admissions = new Admissions({
    log: entries,
    keyOf,
    decode: codec.decode,
    checkDelegation: (peer, delegation, nowMs) => {
      const operators = entries.trust()?.operators ?? []
      const found = openDelegation(delegation, { fleet, operators, now: nowMs })
      return isRefusal(found) || hex(found.session) !== keyOf(peer) ? undefined : found.untilMs
    },
  })
  const agent = new Agent(
    {
      log: entries,
      orders,
      reporter,
      self: host,
      random,
      role,
      statuses,
      inForce: side?.inForce?.entry,
      trial: side?.trial,
      paused: side?.paused,
      failed,
      boot,
      stages: (await store.range({ from: 'stages/', before: 'stages0', limit: 1 }))[0]?.[1],
      // Of an earlier release: to what was before that no way leads back any more.
      said: isCurrent ? said : said && { ...said, before: undefined },
      turns: ports.turns,
      held: new Set(repository.held()),
      // A new host has no floor either, but nothing else: it goes by the checkpoint of its join string.
      peersToHear: floor.lost && (restored > 0 || side?.inForce !== undefined) ? peersToHear : 0,
      admissions,
      hello: () => ({
        t: 'hello',
        v: 1,
        fleet: entries.fleet,
        agent: version,
        ...(options.delegation && { delegation: options.delegation }),
        addrs: carrier.addresses().slice(0, limits.addressesPerPeer),
      }),
      peersToShare: () =>
        carrier
          .book()
          .slice(0, limits.peersPerMessage)
          .map(each => [each.peer, each.addresses] as const),
      quarantined: pack => repository.quarantined(pack),
      codec,
    },
    clock.steady(),
  )
  driver = new Driver({
    agent,
    admissions,
    carrier,
    store,
    durable,
    repository,
    runner: side?.runner,
    survey: openSurvey({ entries, repository, memo: ports.surveys }),
    witness,
    clock,
    timers: ports.timers,
    log,
    fatal: ports.fatal,
    codec,
    observe: ports.observe,
  })
  carrier.enrol(entries.directory())
  await driver.retag(entries.entries())
  await driver.start()
  const running = driver
  return {
    ...{ agent, driver, entries, orders, reporter, carrier, repository, durable, store, key: host },
    async stop() {
      await running.stop()
      await side?.close()
      await repository.close()
      await store.close()
    },
  }
}

const pointOf = (point: { readonly sequence: number; readonly id: string } | undefined) => {
  const id = point && unhex(point.id, 32)
  return point && id ? ([point.sequence, id] as const) : undefined
}

function factsOf(entries: EntryLog, uptime: number): Pick<Status, 'up' | 'head' | 'trust' | 'refused'> {
  const refused = entries.refused().at(-1)
  const id = refused && unhex(refused.id, 32)
  return {
    up: Math.floor(uptime),
    head: pointOf(entries.head()) ?? [0, new Uint8Array(32)],
    trust: entries.trustSequence(),
    ...(refused && id && { refused: [refused.sequence, id, refused.code] as const }),
  }
}

/** The higher of the two floors; `lost` when neither can be read. */
async function findFloor(
  durable: Durable,
  checkpoint: Point | undefined,
  log: Log,
): Promise<{ readonly point: Point | undefined; readonly lost: boolean }> {
  let best: Point | undefined
  for (const name of [files.floor, files.secondFloor]) {
    const kept = await durable.read(name)
    if (kept.kind === 'damaged') log('error', 'floor damaged', { detail: kept.detail })
    if (kept.kind === 'present') best = higherFloor(best, readFloor(kept.bytes))
  }
  return best === undefined ? { point: checkpoint, lost: true } : { point: best, lost: false }
}

/** Entries from the store, oldest first, and how many; what does not follow is left out, peers have it. */
async function restore(
  entries: EntryLog,
  store: Store,
  first: readonly Uint8Array[],
  log: Log,
): Promise<number> {
  for (const envelope of first) entries.take(envelope, { gap: false })
  let count = 0
  for await (const [key, envelope] of rows(store, 'entry/', 'entry0')) {
    count++
    const { kind } = entries.take(envelope, { gap: true, kept: true })
    if (kind === 'refused' || kind === 'ahead') log('warn', 'stored entry left out', { key, answer: kind })
  }
  // A host that was frozen stays so: what ended a fork is among the entries.
  const beside: Uint8Array[] = []
  for await (const [, envelope] of rows(store, 'fork/', 'fork0')) beside.push(envelope)
  entries.takeBeside(beside)
  return count
}

/** Those that may not be there any more go; peers have the others. */
async function restoreOrders(orders: Orders, store: Store, log: Log): Promise<void> {
  const gone: StoreOp[] = []
  for await (const [key, envelope] of rows(store, 'order/', 'order0')) {
    const taken = orders.take(envelope, true)
    if (taken.kind === 'new') {
      gone.push(...taken.dropped.map(id => ({ type: 'del', key: keys.order(id) }) as const))
      continue
    }
    gone.push({ type: 'del', key })
    log('warn', 'stored order left out', { key, answer: taken.kind })
  }
  if (gone.length > 0) await store.batch(gone, { durable: false })
}

/** The rows of the store from a key on, in pages: entries are large. */
async function* rows(
  store: Store,
  first: string,
  before: string,
): AsyncGenerator<readonly [string, Uint8Array]> {
  for (let from = first; ; ) {
    const page = await store.range({ from, before, limit: 256 })
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < 256) return
    from = `${last[0]} `
  }
}

async function readNumber(durable: Durable, name: string): Promise<number> {
  const [line] = await readLines(durable, name)
  return Number(line ?? 0) || 0
}

async function readLines(durable: Durable, name: string): Promise<string[]> {
  const kept = await durable.read(name)
  return kept.kind === 'present' ? (text(kept.bytes) ?? '').split('\n').filter(line => line !== '') : []
}
