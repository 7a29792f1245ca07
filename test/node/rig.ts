// A fleet of agent cores on a virtual clock: effects are carried out at once or after a latency, nothing is real but
// the decisions and the signatures. The same seed gives the same story.
import type { PeerId } from '../../gossip/carrier.ts'
import { encodeMessage } from '../../gossip/message.ts'
import { Admissions } from '../../node/admission.ts'
import { readSaid } from '../../node/aftermath.ts'
import { Agent } from '../../node/agent.ts'
import type { Role } from '../../node/agent-options.ts'
import type { Effect, Input } from '../../node/effects.ts'
import { EntryLog, type LogEntry, type ReleaseEntry } from '../../node/log.ts'
import { Orders } from '../../node/orders.ts'
import type { Installed } from '../../node/ports.ts'
import { Reporter, type RunReport } from '../../node/report.ts'
import { Board, Counter } from '../../node/status.ts'
import { readTrialAbout, writeTrialAbout } from '../../node/trial-about.ts'
import { hex, unhex } from '../../signing/bytes.ts'
import type { Point } from '../../signing/chain.ts'
import { publicKeyOf, sha256 } from '../../signing/crypto.ts'
import { encodeEnvelope, type FleetId } from '../../signing/entry.ts'
import { isRefusal } from '../../signing/errors.ts'
import { peerIdOf, peerKey } from '../../signing/keys.ts'
import { readStatus, signStatus } from '../../signing/status.ts'
import { type Made, seedOf } from '../signing/fleet.ts'

const latencyMs = 5
const runMs = 20

export interface SimHost {
  readonly name: string
  readonly peer: PeerId
  readonly key: string
  agent: Agent
  log: EntryLog
  orders: Orders
  reporter: Reporter
  /** What survives a restart. */
  disk: {
    entries: Uint8Array[]
    orders: Map<string, Uint8Array>
    floor?: Point
    counter: number
    failed: string[]
    /** As a journal has it: an entry's id, or that of a trial. */
    inForce?: string
    held: Set<string>
    stages?: Uint8Array
    said?: Uint8Array
  }
  readonly packs: Map<string, Uint8Array>
  readonly quarantine: Map<string, Uint8Array>
  readonly logged: { level: string; event: string; data: Record<string, unknown> }[]
  /** What the next runs come to; empty: applied. */
  readonly outcomes: RunReport[]
  readonly applied: number[]
  /** Trials as they began, by commit, and `back`. */
  readonly tried: string[]
  up: boolean
  /** As it starts the next time; else a host. */
  role?: Role
  /** How long its runs prepare before they change anything. */
  prepareMs: number
  /** The disk takes no pack. */
  full: boolean
  /** Undefined: no CHECK is asked. Else what they say: undefined, that all pass. */
  check?: (entry: string) => string | undefined
  /** Sequences of the releases that it went back to; 0: to nothing. */
  readonly wentBack: number[]
  /** What its next ways back come to; empty: applied. */
  readonly backs: RunReport[]
}

/** Hosts of `entry`'s roster by what changes for them; each for itself, unless a test says otherwise. */
export type SurveyOf = (entry: LogEntry, host: string) => string | undefined

const kept = { declared: 3, kept: 3, repaired: 0, notKept: 0 }
export const failedRun: RunReport = {
  kind: 'failed',
  steps: { ...kept, kept: 2, notKept: 1 },
  why: 'EROFS: /etc/x',
  dirty: false,
}
export const waitRun: RunReport = {
  kind: 'wait',
  steps: { ...kept, kept: 0, notKept: 3 },
  why: 'no space',
  dirty: false,
}

export const unconfirmedRun: RunReport = {
  kind: 'inconclusive',
  steps: { ...kept, kept: 0, notKept: 3 },
  why: 'CUT_OFF: no peer reached the host',
  dirty: false,
}

export class Rig {
  nowMs = 1_700_000_000_000
  readonly hosts: SimHost[] = []
  survey: SurveyOf = (_, host) => host
  readonly #fleet: FleetId
  readonly #links = new Set<string>()
  #queue: { atMs: number; order: number; run: () => void }[] = []
  #order = 0
  #seed: number

  constructor(fleet: Made, seed = 1) {
    this.#fleet = fleet.id as string as FleetId
    this.#seed = seed
  }

  random = () => (this.#seed = (this.#seed * 16_807) % 2_147_483_647) / 2_147_483_647

  /** `index` counts the hosts of test/signing/fleet.ts's roster. */
  add(index: number, options: { checkpoint?: Point; packs?: Uint8Array[] } = {}): SimHost {
    const seed = seedOf(100 + index)
    const key = publicKeyOf(seed)
    const host = {
      name: `web${index + 1}`,
      peer: peerIdOf(key) as unknown as PeerId,
      key: hex(key),
      disk: {
        entries: [],
        orders: new Map(),
        counter: 0,
        failed: [],
        held: new Set<string>(),
        ...(options.checkpoint && { floor: options.checkpoint }),
      },
      packs: new Map((options.packs ?? []).map(pack => [hex(sha256(pack)), pack])),
      quarantine: new Map(),
      logged: [],
      outcomes: [],
      applied: [],
      tried: [],
      wentBack: [],
      backs: [],
      up: true,
      prepareMs: 1,
      full: false,
    } as unknown as SimHost
    this.#boot(host, 0)
    this.hosts.push(host)
    return host
  }

  /** Starts again from what was on disk. `peersToHear`: as after the loss of both floors. */
  restart(host: SimHost, peersToHear = 0): void {
    this.cut(host)
    this.#boot(host, peersToHear)
    host.up = true
    this.feed(host, { kind: 'tick' })
  }

  #boot(host: SimHost, peersToHear: number): void {
    const seed = seedOf(100 + Number(host.name.slice(3)) - 1)
    const { disk } = host
    host.log = new EntryLog({ fleet: this.#fleet, language: 1, ...(disk.floor && { floor: disk.floor }) })
    for (const envelope of disk.entries) host.log.take(envelope, { gap: true })
    host.orders = new Orders({ log: host.log })
    for (const envelope of disk.orders.values()) host.orders.take(envelope, true)
    const fleet = unhex(this.#fleet, 32)!
    const board = new Board({
      open: pair => {
        const signed = readStatus(pair)
        return isRefusal(signed) ? undefined : signed
      },
      rostered: key => host.log.host(key) !== undefined,
    })
    host.reporter = new Reporter({
      board,
      counter: new Counter(disk.counter),
      host: host.key,
      refused: () => host.log.hasRefused,
      facts: () => {
        const head = host.log.head()
        const refused = host.log.refused().at(-1)
        return {
          up: 1,
          head: head ? [head.sequence, unhex(head.id, 32)!] : [0, new Uint8Array(32)],
          trust: host.log.trustSequence(),
          ...(refused && { refused: [refused.sequence, unhex(refused.id, 32)!, refused.code] as const }),
        }
      },
      make: rest => {
        const status = { fleet, host: publicKeyOf(seed), boot: new Uint8Array(16), agent: 'test', ...rest }
        const { body, signature } = signStatus(status, seed)
        return [body, signature]
      },
      idOf: id => {
        const entry = host.log.byId(id)
        return entry && [entry.sequence, unhex(entry.id, 32)!]
      },
      soakMs: id => host.log.byId(id)?.release?.soakMs,
      hosts: () => host.log.roster().length,
      rostered: () => host.log.host(host.key) !== undefined,
      random: this.random,
      checks: host.check !== undefined,
    })
    const trial = readTrialAbout(disk.inForce ?? '')
    const entry = trial === undefined ? disk.inForce : trial.before
    if (entry !== undefined) host.reporter.inForce(entry, kept, false, this.nowMs)
    const said = readSaid(disk.said)
    const isCurrent = said !== undefined && host.reporter.resume(said.said, true, this.nowMs)
    host.agent = new Agent(
      {
        log: host.log,
        orders: host.orders,
        reporter: host.reporter,
        self: host.key,
        random: this.random,
        boot: new Uint8Array(16),
        stages: disk.stages,
        said: isCurrent ? said : said && { ...said, before: undefined },
        role: host.role ?? 'host',
        inForce: trial === undefined ? disk.inForce : trial.before,
        trial,
        failed: disk.failed,
        held: disk.held,
        peersToHear,
        admissions: new Admissions({
          log: host.log,
          keyOf: peer => {
            const key = peerKey(peer)
            return key && hex(key)
          },
          checkDelegation: () => undefined,
        }),
        hello: () => ({ t: 'hello', v: 1, fleet, agent: 'test', addrs: [] }),
        peersToShare: () => [],
        quarantined: pack => host.quarantine.get(pack)?.length ?? 0,
      },
      this.nowMs,
    )
  }

  /** Connects all pairs of the given hosts. */
  connect(...hosts: SimHost[]): void {
    for (const a of hosts)
      for (const b of hosts) {
        const link = [a.peer, b.peer].sort().join()
        if (a === b || !a.up || !b.up || this.#links.has(link)) continue
        this.#links.add(link)
        this.feed(a, { kind: 'up', peer: b.peer })
        this.feed(b, { kind: 'up', peer: a.peer })
      }
  }

  /** Cuts a host off from all others. */
  cut(host: SimHost): void {
    for (const other of this.hosts) {
      if (!this.#links.delete([host.peer, other.peer].sort().join())) continue
      this.feed(host, { kind: 'down', peer: other.peer })
      this.feed(other, { kind: 'down', peer: host.peer })
    }
  }

  /** An operator's entry enters at a host. */
  submit(host: SimHost, made: Made): void {
    this.feed(host, { kind: 'submit', envelope: encodeEnvelope(made.envelope) })
  }

  /** The operator's tool put the pack beside the entry: no fetch is needed here. */
  handed(host: SimHost, entry: string, pack: Uint8Array | undefined): void {
    const found = host.log.byId(entry)
    if (found === undefined || pack === undefined) return
    const digest = hex(sha256(pack))
    const result = this.#install(host, found, digest, pack)
    this.feed(host, { kind: 'installed', entry, pack: digest, result })
  }

  /** A peer sends an entry directly. */
  send(to: SimHost, from: SimHost, made: Made): void {
    const bytes = encodeMessage({ t: 'entry', entry: encodeEnvelope(made.envelope) })
    this.feed(to, { kind: 'message', from: from.peer, bytes, gossip: false })
  }

  feed(host: SimHost, input: Input): readonly Effect[] {
    if (!host.up) return []
    const effects = host.agent.handle(input, this.nowMs)
    for (const effect of effects) this.#perform(host, effect)
    return effects
  }

  /** Lets time pass; wakes every agent when it wants to be. */
  run(ms: number): void {
    const end = this.nowMs + ms
    for (;;) {
      this.#queue.sort((a, b) => a.atMs - b.atMs || a.order - b.order)
      const wakes = this.hosts
        .filter(host => host.up)
        .map(host => Math.max(host.agent.wakeMs(), this.nowMs + 1))
      const next = Math.min(this.#queue[0]?.atMs ?? Number.POSITIVE_INFINITY, ...wakes)
      if (next > end) break
      this.nowMs = Math.max(this.nowMs, next)
      const due = this.#queue.filter(each => each.atMs <= this.nowMs)
      this.#queue = this.#queue.filter(each => each.atMs > this.nowMs)
      for (const each of due) each.run()
      for (const host of this.hosts)
        if (host.up && host.agent.wakeMs() <= this.nowMs) this.feed(host, { kind: 'tick' })
    }
    this.nowMs = end
  }

  #later(ms: number, run: () => void): void {
    this.#queue.push({ atMs: this.nowMs + ms, order: this.#order++, run })
  }

  #linked(a: SimHost, b: SimHost): boolean {
    return this.#links.has([a.peer, b.peer].sort().join())
  }

  #perform(host: SimHost, effect: Effect): void {
    const { disk } = host
    switch (effect.kind) {
      case 'send':
      case 'publish':
        for (const to of this.hosts) {
          if (to === host || (effect.kind === 'send' && to.peer !== effect.to)) continue
          const gossip = effect.kind === 'publish'
          this.#later(latencyMs, () => {
            if (this.#linked(host, to))
              this.feed(to, { kind: 'message', from: host.peer, bytes: effect.bytes, gossip })
          })
        }
        return
      case 'keep':
        disk.entries.push(effect.entry.envelope)
        if (effect.floor.sequence < (disk.floor?.sequence ?? 0))
          host.logged.push({ level: 'error', event: 'floor sank', data: { ...effect.floor } })
        disk.floor = effect.floor
        return
      case 'keep-order':
        disk.orders.set(effect.id, effect.envelope)
        return
      case 'drop-orders':
        for (const id of effect.ids) disk.orders.delete(id)
        return
      case 'reserve':
        disk.counter = effect.counter
        return
      case 'remember':
        disk.failed = [...effect.failed]
        return
      case 'append':
        host.quarantine.set(
          effect.pack,
          Buffer.concat([host.quarantine.get(effect.pack) ?? new Uint8Array(), effect.bytes]),
        )
        return
      case 'discard':
        host.quarantine.delete(effect.pack)
        return
      case 'install': {
        if (host.full) {
          const why = 'ENOSPC: no space left on device'
          this.#later(1, () => this.feed(host, { kind: 'stuck', pack: effect.pack, why }))
          return
        }
        const bytes = effect.bytes ?? host.quarantine.get(effect.pack) ?? new Uint8Array()
        const result = this.#install(host, effect.entry, effect.pack, bytes)
        host.quarantine.delete(effect.pack)
        this.#later(1, () =>
          this.feed(host, { kind: 'installed', entry: effect.entry.id, pack: effect.pack, result }),
        )
        return
      }
      case 'serve': {
        const digest = hex(effect.want.pack)
        const bytes = host.packs.get(digest)
        const part = bytes?.subarray(effect.want.offset, effect.want.offset + effect.want.length)
        const answer =
          bytes && part && part.length > 0
            ? encodeMessage({
                t: 'part',
                pack: effect.want.pack,
                offset: effect.want.offset,
                size: bytes.length,
                bytes: part,
              })
            : encodeMessage({ t: 'no-pack', pack: effect.want.pack })
        this.#perform(host, { kind: 'send', to: effect.to, bytes: answer })
        return
      }
      case 'survey': {
        const { entry, stable } = effect
        const found = host.log.byId(entry) as ReleaseEntry
        const changes = new Map(
          host.log.rosterOf(found).map(({ key }) => [hex(key), this.survey(found, hex(key))]),
        )
        this.#later(1, () => this.feed(host, { kind: 'surveyed', entry, stable, changes }))
        return
      }
      case 'keep-stages':
        disk.stages = effect.record
        return
      case 'keep-said':
        disk.said = effect.record
        return
      case 'check':
        this.#later(runMs, () => {
          const why = host.check?.(effect.entry)
          const failing = why === undefined ? [] : [{ id: 'check', withinMs: 5_000, why }]
          this.feed(host, { kind: 'checked', entry: effect.entry, failing })
        })
        return
      case 'revert': {
        const { entry, to } = effect
        const report = host.backs.shift() ?? { kind: 'applied', steps: kept, dirty: false }
        this.#later(runMs, () => {
          if (report.kind === 'applied') {
            host.wentBack.push(to?.sequence ?? 0)
            if (to === undefined) delete disk.inForce
            else disk.inForce = to.id
          }
          this.feed(host, { kind: 'reverted', entry: entry.id, to: to?.id, report })
        })
        return
      }
      case 'apply': {
        let report = host.outcomes.shift() ?? { kind: 'applied', steps: kept, dirty: false }
        this.#later(host.prepareMs, () => {
          if (report.kind === 'wait' || report.empty) return
          const why = host.agent.shut(effect.entry.id)
          if (why !== undefined) report = { ...waitRun, why }
          else this.feed(host, { kind: 'acting', entry: effect.entry.id })
        })
        this.#later(host.prepareMs + runMs, () => {
          if (report.kind === 'applied') {
            host.applied.push(effect.entry.sequence)
            disk.inForce = effect.entry.id
          }
          this.feed(host, { kind: 'ran', entry: effect.entry.id, report })
        })
        return
      }
      case 'install-branch': {
        const { pack, commit } = effect
        if (host.full) {
          const why = 'ENOSPC: no space left on device'
          this.#later(1, () => this.feed(host, { kind: 'stuck', pack, why }))
          return
        }
        const result = this.#installBytes(host, { commit, content: '' }, pack, host.quarantine.get(pack)!)
        host.quarantine.delete(pack)
        this.#later(1, () => this.feed(host, { kind: 'branch-installed', commit, pack, result }))
        return
      }
      case 'prune':
        for (const commit of disk.held) if (!effect.keep.includes(commit)) disk.held.delete(commit)
        return
      case 'try': {
        const { run } = effect
        const report = host.outcomes.shift() ?? { kind: 'applied', steps: kept, dirty: false }
        this.#later(runMs, () => {
          if (report.kind === 'applied') {
            host.tried.push(run.kind === 'trial' ? run.commit : 'back')
            disk.inForce = run.kind === 'trial' ? writeTrialAbout(run) : (run.entry?.id as string)
          }
          this.feed(host, { kind: 'tried', run, report })
        })
        return
      }
      case 'plan': {
        const { id, commit } = effect
        const plan = { kept: 1, changes: [], acts: [['exact', commit] as const], impossible: [], left: 0 }
        this.#later(runMs, () => this.feed(host, { kind: 'planned', id, plan }))
        return
      }
      case 'log':
        host.logged.push({ level: effect.level, event: effect.event, data: { ...effect.data } })
        return
      default:
        return
    }
  }

  /** A pack is good when its digest is the one asked for and it does not begin with `bad`. */
  #install(host: SimHost, { release }: LogEntry, pack: string, bytes: Uint8Array): Installed {
    const about = { commit: release?.commit ?? '', content: release?.content ?? '' }
    return this.#installBytes(host, about, pack, bytes)
  }

  #installBytes(
    host: SimHost,
    about: { readonly commit: string; readonly content: string },
    pack: string,
    bytes: Uint8Array,
  ): Installed {
    const refused = (code: 'PACK_DIGEST' | 'PACK_FORM'): Installed => ({
      kind: 'refused',
      code,
      detail: 'as the test wants it',
    })
    if (hex(sha256(bytes)) !== pack) return refused('PACK_DIGEST')
    if (new TextDecoder().decode(bytes.subarray(0, 3)) === 'bad') return refused('PACK_FORM')
    host.disk.held.add(about.commit)
    host.packs.set(pack, bytes)
    return { kind: 'installed', release: { ...about, listing: new Map() } }
  }
}
