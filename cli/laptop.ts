// The operator's laptop as a peer: joins the fleet under a session key that the operator's key delegates, learns the
// head, hands entries over, and leaves. Its log and packs lie in .git/fleet of the repository; nothing there is secret.
import type { PeerId } from '../gossip/carrier.ts'
import { noBoard } from '../gossip/spread.ts'
import { openPeer } from '../node/main.ts'
import { systemClock, systemRandom } from '../node/os.ts'
import { createLog } from '../node/os-log.ts'
import type { Peer } from '../node/peer.ts'
import type { Release } from '../node/ports.ts'
import type { MadeEntry } from '../node/release.ts'
import { equal, hex } from '../signing/bytes.ts'
import { publicKeyOf } from '../signing/crypto.ts'
import { sealDelegation, writeDelegation } from '../signing/delegation.ts'
import type { FleetId } from '../signing/entry.ts'
import type { Time } from '../signing/fields.ts'
import { peerIdOf } from '../signing/keys.ts'
import type { OrderId } from '../signing/order.ts'
import { type Signer, signSshsig } from '../signing/sshsig.ts'
import type { Trust } from '../signing/trust.ts'
import { CliError, type Io } from './command.ts'
import { readGenesis } from './genesis.ts'
import { fleetFolder, type Project } from './project.ts'

/** ms that a laptop is let in for. */
const sessionMs = 3_600_000
/** ms that it waits at most for the board. */
const boardMs = 2_000
/** ms between looks at what has changed; a laptop's wait is short and rare. */
const lookMs = 25

export interface Laptop {
  readonly peer: Peer
  /** Hosts that were reached: up, and their heads heard. */
  reached(): readonly PeerId[]
  /**
   * Waits until somebody is reached, then until this log is as high as the highest head heard. False: nobody within `ms`.
   */
  catchUp(ms: number): Promise<boolean>
  /** Waits until the board here is that of a host that was reached, but not long: where there is always news, it is near enough. */
  boardQuiet(): Promise<void>
  /**
   * Submits an entry of one's own; fails with the reason when the log refuses it. `installed`: its release's pack, which
   * lies in this laptop's repository already, and is offered to the hosts.
   */
  submit(entry: MadeEntry, installed?: { readonly pack: string; readonly release: Release }): Promise<void>
  /** Waits until `wanted` hosts hold the entry, its pack too for a release; answers how many do at the end. */
  handOver(
    sequence: number,
    release: boolean,
    wanted: number,
    ms: number,
    show: (count: number) => void,
  ): Promise<number>
  /** Waits until this laptop holds what some host holds of orders, at most `ms`. */
  learnOrders(ms: number): Promise<void>
  /** Submits an order of one's own; fails with the reason when it is refused here. */
  order(envelope: Uint8Array, id: OrderId): Promise<void>
  /** Waits until `wanted` hosts hold the orders that are held here; answers how many do at the end. */
  handOverOrders(wanted: number, ms: number): Promise<number>
  /** Waits for anything else; false: not within `ms`. */
  until(ms: number, done: () => boolean): Promise<boolean>
  close(): Promise<void>
}

export interface LaptopOptions {
  readonly project: Project
  /** trust/ of the working copy: its hosts are let in too, before they are published. */
  readonly trust: Trust
  readonly signer: Signer
  readonly io: Io
  /** Folder of its log and packs; default: .git/fleet of the repository. */
  readonly state?: string
  /** Default: `operator`. */
  readonly role?: 'operator' | 'onlooker'
  /** Addresses of hosts that are to be reached before others. */
  readonly near?: readonly string[]
}

/** Opens the laptop's log and joins. Fails when this clone does not know its fleet. */
export async function openLaptop(options: LaptopOptions): Promise<Laptop> {
  const { project, trust, signer, io, state = fleetFolder(project), role = 'operator', near = [] } = options
  const { fleet, envelope } = readGenesis(project)
  const session = systemRandom.bytes(32)
  const failures: unknown[] = []
  const peer = await openPeer({
    state,
    fleet,
    checkpoint: { sequence: 1, id: fleet as string as never },
    key: session,
    role,
    delegation: delegate(fleet, session, signer),
    network: { listen: [], seeds: [...near, ...project.settings.seeds] },
    log: createLog(io.env['FLEET_LOG'] === 'debug' ? 'debug' : 'error', systemClock.now, line =>
      io.progress(line.trimEnd()),
    ),
    alsoAdmitted: new Set(trust.roster.map(host => hex(host.key))),
    first: [envelope],
    fatal: error => failures.push(error),
  })
  for (const host of trust.roster) peer.carrier.learn(peerIdOf(host.key), host.addresses)

  const until = async (ms: number, done: () => boolean): Promise<boolean> => {
    const end = performance.now() + ms
    while (!done()) {
      if (failures.length > 0) throw failures[0]
      if (performance.now() > end) return false
      await new Promise(resolve => setTimeout(resolve, lookMs))
    }
    return true
  }
  const names = new Map(trust.roster.map(host => [peerIdOf(host.key) as string, host.name]))
  const nameOf = (each: PeerId) => names.get(each) ?? each
  const reached = () => peer.agent.heard()
  return {
    peer,
    reached,
    async catchUp(ms) {
      if (!(await until(ms, () => reached().length > 0))) return false
      // Whoever is connecting at this moment may know a newer head: half a second for those, not more.
      await until(500, () => reached().length >= Math.min(3, trust.roster.length))
      const said = (each: PeerId) => peer.agent.headOf(each) ?? 0
      const beyond = () => reached().filter(each => said(each) > (peer.entries.head()?.sequence ?? 0))
      if (await until(ms, () => beyond().length === 0)) return true
      const [first] = beyond()
      if (first === undefined) return true
      if (peer.entries.frozen() || beyond().length === reached().length)
        throw new CliError(
          `the fleet is at entry ${said(first)}, but its entries did not arrive or were refused here`,
          { hint: 'fleet log on a host, or FLEET_LOG=debug fleet publish, says more' },
        )
      // One that says more than it hands over must not keep operators from publishing, least of all from withdrawing it.
      for (const each of beyond())
        io.progress(
          `${nameOf(each)} says that it is at entry ${said(each)}, and hands nothing over: passed over`,
        )
      return true
    },
    async boardQuiet() {
      const ours = () => peer.reporter.board.root()
      await until(boardMs, () => reached().some(each => equal(peer.agent.boardOf(each) ?? noBoard, ours())))
    },
    async submit({ envelope, id }, installed) {
      peer.driver.feed({ kind: 'submit', envelope })
      if (installed !== undefined) {
        const { pack, release } = installed
        peer.driver.feed({ kind: 'installed', entry: id, pack, result: { kind: 'installed', release } })
      }
      await peer.driver.settled()
      const refused = peer.entries.refused().find(each => each.id === id)
      if (refused !== undefined)
        throw new CliError(`the entry is refused: ${refused.detail}`, { code: refused.code })
    },
    async handOver(sequence, release, wanted, ms, show) {
      let shown = -1
      const count = () => {
        const holders = peer.agent.holders(sequence)
        const now = (release ? holders.pack : holders.entry).length
        if (now !== shown) show((shown = now))
        return now
      }
      await until(ms, () => count() >= wanted || peer.entries.frozen())
      const [fork] = peer.entries.forks()
      if (fork === undefined || !peer.entries.frozen()) return count()
      const { ours, theirs, signers } = fork
      throw new CliError(
        `two operators published entry ${fork.sequence} at once: ${ours} by ${signers.ours}, ${theirs} by ${signers.theirs}; hosts start nothing new`,
        {
          code: 'FROZEN',
          hint: `agree on one; then, where that one is the log's: fleet publish --drops ID-OF-THE-OTHER\n  to keep ours: fleet publish --drops ${theirs}`,
        },
      )
    },
    async learnOrders(ms) {
      await until(ms, () => peer.agent.orderHolders().length > 0)
    },
    async order(envelope, id) {
      peer.driver.feed({ kind: 'order', envelope })
      await peer.driver.settled()
      if (peer.orders.has(id)) return
      const taken = peer.orders.take(envelope)
      const why = taken.kind === 'refused' ? taken.detail : 'its entry is not in the log here'
      throw new CliError(`the order is refused: ${why}`, taken.kind === 'refused' ? { code: taken.code } : {})
    },
    async handOverOrders(wanted, ms) {
      await until(ms, () => peer.agent.orderHolders().length >= wanted)
      return peer.agent.orderHolders().length
    },
    until,
    close: () => peer.stop(),
  }
}

function delegate(fleet: FleetId, session: Uint8Array, signer: Signer): Uint8Array {
  // A minute back: hosts whose clocks are slow must not find it from the future.
  const time = (ms: number) => new Date(ms).toISOString().replace(/\.[0-9]+Z$/, 'Z') as Time
  const now = systemClock.now()
  const payload = writeDelegation({
    fleet,
    session: publicKeyOf(session),
    issued: time(now - 60_000),
    until: time(now + sessionMs),
  })
  return sealDelegation(payload, signSshsig(signer, 'fleet', payload))
}
