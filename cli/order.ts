// Giving orders, step by step, for halt, resume, promote, retry, fresh and trial: join, learn the newest release and the orders about it,
// show what will be done, ask, sign, hand over, leave.
import { limits } from '../gossip/limits.ts'
import type { ReleaseEntry } from '../node/log.ts'
import type { OrdersOf } from '../node/orders.ts'
import type { Row } from '../node/status.ts'
import { hex } from '../signing/bytes.ts'
import { encode } from '../signing/cbor.ts'
import type { TrustVersion } from '../signing/chain.ts'
import type { EntryId, FleetId } from '../signing/entry.ts'
import { timeOf } from '../signing/fields.ts'
import {
  type Order,
  type OrderId,
  type OrderKind,
  orderIdOf,
  orderMap,
  sealOrder,
  takesThreshold,
  writeOrder,
} from '../signing/order.ts'
import { signSshsig } from '../signing/sshsig.ts'
import type { Trust } from '../signing/trust.ts'
import { CliError, exits, type Io, numberOption, type Options } from './command.ts'
import { confirm, needAnswer, yesOption } from './confirm.ts'
import { type Laptop, openLaptop } from './laptop.ts'
import { keyOption, operatorOf, passphraseOption } from './operator.ts'
import { findProject, readTree, trustOf } from './project.ts'
import { count, duration, short } from './render.ts'

/** What all commands that give orders take. */
export const orderOptions = [
  yesOption,
  [
    '--peers <n>',
    `hosts that must hold it before this command ends, at most ${limits.connectionsWanted} (default: 3, or all that are reached)`,
  ],
  ['--wait <seconds>', 'how long to look for hosts', '10'],
  keyOption,
  passphraseOption,
] as const

/** What is known when an order is made. */
export interface Found {
  readonly release: ReleaseEntry
  /** Host counts of its stages. */
  readonly stages: readonly number[]
  readonly orders: OrdersOf
  /** In force in the fleet. */
  readonly trust: TrustVersion
  /** What a host last said, by its key in hex. */
  readonly said: (host: string) => Row['status'] | undefined
}

/** One kind of order without the lines that all have. */
export type Wish = {
  readonly [K in OrderKind]: Omit<Extract<Order, { order: K }>, 'fleet' | 'entry' | 'issued'>
}[OrderKind]

export interface Plan {
  readonly wishes: readonly Wish[]
  /** What will be done, for people. */
  readonly lines: readonly string[]
  readonly question: string
  /** ms since 1970: Issued must be later, since of some orders the one issued last counts. */
  readonly afterMs?: number
  /** What is waited for before the laptop leaves, when the orders are handed over. */
  readonly leave?: (ids: readonly OrderId[]) => Promise<void>
}

/** What `--json` prints of these commands. Stable. */
export interface Given {
  readonly order: OrderKind
  readonly release: { readonly sequence: number; readonly id: string }
  readonly ids: readonly string[]
  /** Hosts that hold the orders. */
  readonly held: number
  readonly reached: number
}

/** Fails with the reason; nothing was ordered then, or fewer hosts than wanted hold it, which the words say. */
export async function giveOrders(
  kind: OrderKind,
  options: Options,
  io: Io,
  plan: (found: Found, laptop: Laptop) => Plan | Promise<Plan>,
  near: (trust: Trust) => readonly string[] = () => [],
): Promise<Given> {
  const command = `fleet ${kind}`
  needAnswer(options, io, command)
  const project = findProject(io.cwd)
  const trust = trustOf(await readTree(project, { rev: 'HEAD' }))
  const signer = await operatorOf(project, trust, options, io, 'fleet')
  const waitMs = (numberOption(options, 'wait', 1, 3_600) ?? 10) * 1000
  const laptop = await openLaptop({ project, trust, signer, io, near: near(trust) })
  try {
    if (!(await laptop.catchUp(waitMs)))
      throw new CliError(`no host was reached within ${duration(waitMs)}; nothing was ordered`, {
        hint: 'is a host up, and does its line in trust/hosts have an addr= that this machine reaches?',
      })
    await laptop.learnOrders(waitMs)
    // These two go by what hosts have said; a halt is not to wait for that.
    if (kind === 'retry' || kind === 'promote') await laptop.boardQuiet()
    const found = foundBy(laptop)
    refuseAlone(kind, found.trust.policy.threshold)
    const { wishes, lines, question, afterMs = 0, leave } = await plan(found, laptop)
    await confirm(options, io, [releaseText(found.release), ...lines.map(line => `  ${line}`)], question)
    const ids: OrderId[] = []
    for (const wish of wishes) {
      const order = {
        ...wish,
        fleet: hex(laptop.peer.entries.fleet) as FleetId,
        entry: found.release.id as EntryId,
        issued: timeOf(Math.max(Date.now(), afterMs + 1000)),
      } as Order
      const payload = writeOrder(order)
      const bytes = sealOrder(payload, signSshsig(signer, 'fleet', payload))
      await laptop.order(encode(orderMap({ order: bytes, cosigs: [] })), orderIdOf(payload))
      ids.push(orderIdOf(payload))
    }
    const held = await handOver(laptop, options, io, command, waitMs)
    await leave?.(ids)
    const { sequence, id } = found.release
    return { order: kind, release: { sequence, id }, ids, held, reached: laptop.reached().length }
  } finally {
    await laptop.close()
  }
}

/** Fails when one operator cannot give such orders, since nothing collects the signatures of several yet. */
export function refuseAlone(kind: OrderKind, threshold: number): void {
  if (threshold <= 1 || !takesThreshold(kind)) return
  throw new CliError(
    `fleet ${kind} needs the signatures of ${threshold} operators (threshold in trust/policy), and collecting them is not possible yet; nothing was ordered`,
    { code: 'THRESHOLD_NOT_MET' },
  )
}

function foundBy({ peer }: Laptop): Found {
  const { entries, orders, reporter } = peer
  const [release, trust] = [entries.release(), entries.trust()]
  if (release === undefined || trust === undefined)
    throw new CliError('there is no release yet; nothing was ordered', { hint: 'fleet publish makes one' })
  return {
    release,
    stages: entries.terms()?.stages ?? [],
    orders: orders.of(release.id),
    trust,
    said: host => reporter.board.row(host)?.status,
  }
}

async function handOver(
  laptop: Laptop,
  options: Options,
  io: Io,
  command: string,
  waitMs: number,
): Promise<number> {
  const asked = numberOption(options, 'peers', 1, limits.connectionsWanted)
  const wanted = asked ?? Math.min(3, laptop.reached().length)
  const held = await laptop.handOverOrders(wanted, Math.max(waitMs, 30_000))
  if (held < wanted)
    throw new CliError(
      held === 0
        ? `no host has said in time that it holds the order; it was offered to ${count(laptop.reached().length, 'host')}`
        : `only ${count(held, 'host')} of ${wanted} took the order in time; it is given, and spreads from those`,
      { hint: `${command} again hands it to more; FLEET_LOG=debug says more` },
    )
  io.progress(`held by ${count(held, 'host')}`)
  return held
}

function releaseText({ sequence, id, subject, signer }: ReleaseEntry): string {
  return `release ${sequence} (${subject}) by ${signer ?? 'an operator of before'}  ${short(id)}`
}

/** What the operators' words end with: who has it. */
export function heldText({ held }: Given): string {
  return `${count(held, 'host')} hold${held === 1 ? 's' : ''} the order, and pass${held === 1 ? 'es' : ''} it on`
}

/** The keys in hex of hosts by name; fails on a name that the fleet's roster does not have. */
export function hostsNamed(names: readonly string[], { trust }: Found): ReadonlyMap<string, Uint8Array> {
  const known = new Map(trust.roster.map(each => [each.name, each.key]))
  const found = new Map<string, Uint8Array>()
  for (const name of names) {
    const key = known.get(name)
    if (key === undefined)
      throw new CliError(`${name} is not on the roster that the fleet goes by; nothing was ordered`, {
        exit: exits.badInput,
        hint: `it has ${[...known.keys()].slice(0, 8).join(', ')}${known.size > 8 ? ' …' : ''}`,
      })
    found.set(name, key)
  }
  return found
}
