// One host's agent, whole: peer, host engine and control socket put together. Answers questions; decides nothing.
import { join } from 'node:path'
import { hex, unbase64 } from '../signing/bytes.ts'
import { publicKeyOf } from '../signing/crypto.ts'
import { isRefusal } from '../signing/errors.ts'
import type { Join } from '../signing/join.ts'
import { type Config, version } from './config.ts'
import type { Ask, Reply } from './control.ts'
import { openPeer } from './main.ts'
import { readOrderEnvelope } from './orders.ts'
import { systemClock, systemRandom } from './os.ts'
import { openHost, type RunningHost } from './os-host.ts'
import type { Log } from './os-log.ts'
import { type Launched, loadSlots, proveLife } from './os-slots.ts'
import { serveControl } from './os-socket.ts'
import type { Peer } from './peer.ts'
import { logView, peersView, rolloutView, statusView, type ViewPorts } from './views.ts'

export interface AgentOptions {
  readonly state: string
  readonly joined: Join
  /** Ed25519 seed of the host's key. */
  readonly seed: Uint8Array
  readonly config: Config
  readonly log: Log
  /** Started in a slot. */
  readonly launched?: Launched
}

export interface RunningAgent {
  /** Settles when another slot is to take over. */
  readonly handedOver: Promise<void>
  /** Settles when the agent cannot go on. */
  readonly failed: Promise<Error>
  stop(): Promise<void>
}

/** Name of the control socket in the state folder. */
export const socketFile = 'control.sock'

/** Starts everything; resolves when the agent listens. Errors: those of openPeer and openHost. */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const { state, joined, seed, config, log, launched } = options
  const handover = Promise.withResolvers<void>()
  const failed = Promise.withResolvers<Error>()
  const key = hex(publicKeyOf(seed))
  const startedMs = systemClock.now()
  let host: RunningHost | undefined
  const peer = await openPeer({
    state,
    fleet: joined.fleet,
    checkpoint: joined.checkpoint,
    key: seed,
    role: 'host',
    network: {
      listen: [config.listen],
      seeds: [...config.seeds, ...joined.addresses],
      mdns: config.mdns,
      dht: config.dht,
    },
    log,
    fatal: error => failed.resolve(error instanceof Error ? error : new Error(String(error))),
    host: async ports => {
      const { root, auditMs, terminals } = config
      const random = () => systemRandom.number()
      host = await openHost(
        { root, state: join(state, 'host'), key, auditMs, terminals, log, random, now: systemClock.now },
        ports,
      )
      return host
    },
  })
  const running = host
  if (running === undefined) throw new Error('the host engine was not opened')
  const control = await serveControl(join(state, socketFile), ask =>
    ask.ask === 'handover'
      ? handOver(launched, () => setImmediate(handover.resolve))
      : answer(ask, peer, running, startedMs, launched),
  )
  log('info', 'listening', {
    addresses: peer.carrier.addresses(),
    peer: peer.carrier.self,
    root: config.root,
    version,
  })
  running.begin()
  const giveUp = launched && onTrial(launched, peer, running, log)
  return {
    failed: failed.promise,
    handedOver: handover.promise,
    async stop() {
      giveUp?.()
      await control.close()
      await peer.stop()
      log('info', 'stopped')
    },
  }
}

/** Proves that this agent lives, if that is in question; says why the one before it was taken back. */
function onTrial(launched: Launched, peer: Peer, host: RunningHost, log: Log): () => void {
  const fell = loadSlots(launched.home)?.fell
  if (fell !== undefined) log('warn', 'an upgrade of the agent was taken back', { why: fell })
  if (launched.trial === '') return () => {}
  let planned: boolean | undefined
  let again: NodeJS.Timeout | undefined
  const rehearse = () => {
    host.rehearse().then(
      () => {
        planned = true
      },
      error => {
        planned = false
        log('error', 'what is in force cannot be planned', { message: (error as Error).message })
        again = setTimeout(rehearse, rehearseMs)
      },
    )
  }
  rehearse()
  const stop = proveLife(launched, () => ({ planned, heard: peer.agent.neighbours.heard().length }), log)
  return () => {
    clearTimeout(again)
    stop()
  }
}

/** Between tries to plan what is in force. Milliseconds. */
const rehearseMs = 10_000

async function handOver(launched: Launched | undefined, end: () => void): Promise<Reply> {
  const next = launched && loadSlots(launched.home)?.trial
  if (next === undefined || next.slot === launched?.slot)
    return {
      error: { code: 'NO_SLOTS', message: 'this agent was not started from a slot that may hand over' },
    }
  end()
  return { ok: null }
}

function upgradeText(launched: Launched | undefined): string | null {
  const slots = launched && loadSlots(launched.home)
  if (slots?.trial !== undefined) return `on trial: ${slots.trial.version} in slot ${slots.trial.slot}`
  return slots?.fell === undefined ? null : `taken back: ${slots.fell}`
}

async function answer(
  ask: Exclude<Ask, { ask: 'handover' }>,
  peer: Peer,
  host: RunningHost,
  startedMs: number,
  launched: Launched | undefined,
): Promise<Reply> {
  const now = systemClock.now()
  const ports: ViewPorts = {
    agent: peer.agent,
    log: peer.entries,
    reporter: peer.reporter,
    orders: peer.orders,
    host: peer.key,
    self: peer.carrier.self,
    version,
    connected: () => peer.carrier.peers(),
    addresses: () => peer.carrier.addresses(),
    startedMs,
    notKept: () => host.notKept(),
    pauses: () => host.pauses(),
    changedFacts: () => host.changedFacts(),
    deaf: () => host.deaf(),
    upgrade: () => upgradeText(launched),
    queues: () => peer.driver.queues(),
    aheadMs: () => systemClock.now() - systemClock.steady(),
  }
  try {
    switch (ask.ask) {
      case 'status':
        return { ok: statusView(ports, now) }
      case 'peers':
        return { ok: peersView(ports, now, now - systemClock.steady()) }
      case 'rollout':
        return { ok: rolloutView(ports, now - systemClock.steady()) }
      case 'log':
        return { ok: logView(ports) }
      case 'why':
        return { ok: host.why(ask.path) }
      case 'drift':
        return { ok: host.drift() }
      case 'drift-read': {
        const edit = await host.driftRead(ask.id)
        return edit === undefined ? unknownEdit(ask.id) : { ok: edit }
      }
      case 'draft': {
        const draft = await host.draft(ask.path)
        return draft === undefined ? unmanaged(ask.path, host) : { ok: draft }
      }
      case 'drift-drop':
        if (!host.drift().some(each => each.id === ask.id)) return unknownEdit(ask.id)
        host.driftDrop(ask.id)
        return { ok: null }
      case 'pause': {
        if (ask.path !== undefined && host.unmanaged(ask.path)) return unmanaged(ask.path, host)
        const untilMs = now + ask.forMs
        host.pause(ask.path, untilMs, ask.reason)
        if (ask.path === undefined) peer.driver.feed({ kind: 'pause', untilMs, reason: ask.reason })
        return { ok: null }
      }
      case 'unpause':
        host.unpause(ask.path)
        peer.driver.feed({ kind: 'unpause', ...(ask.path !== undefined && { path: ask.path }) })
        // What drifted meanwhile was seen and let be; no event tells of it again.
        await host.audit()
        return { ok: null }
      case 'order':
        return await order(ask.base64, peer)
      case 'apply': {
        host.retry()
        peer.driver.feed({ kind: 'retry' })
        return { ok: await host.apply() }
      }
    }
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    return { error: { code: code ?? 'FAILED', message } }
  }
}

async function order(base64: string, { driver, orders }: Peer): Promise<Reply> {
  const envelope = unbase64(base64)
  const read = envelope && readOrderEnvelope(envelope)
  if (envelope === undefined || read === undefined)
    return { error: { code: 'BAD_REQUEST', message: 'expected the envelope of an order in Base64' } }
  driver.feed({ kind: 'order', envelope })
  await driver.settled()
  if (!isRefusal(read) && orders.has(read.opened.id)) return { ok: { id: read.opened.id } }
  const taken = orders.take(envelope)
  return taken.kind === 'refused'
    ? { error: { code: taken.code, message: taken.detail } }
    : { error: { code: 'BAD_REQUEST', message: 'the entry that the order names is not in the log here' } }
}

function unmanaged(path: string, host: RunningHost): Reply {
  const near = host.unmanaged(path) ?? []
  const hint = near.length > 0 ? `; the nearest that are: ${near.join(', ')}` : ''
  return { error: { code: 'NOT_MANAGED', message: `${path} is not managed${hint}` } }
}

const unknownEdit = (id: string): Reply => ({
  error: { code: 'BAD_REQUEST', message: `there is no kept edit ${id}` },
})
