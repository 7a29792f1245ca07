// Core: what the agent knows, as the answers that `fleet status`, `peers` and `log` print. Stable structs of their own, so
// that inner types may change.
import type { PeerId } from '../gossip/carrier.ts'
import { limits } from '../gossip/limits.ts'
import { hex } from '../signing/bytes.ts'
import type { Agent } from './agent.ts'
import type { EvidenceView, LogView, PeerView, ReleaseView, RolloutView, StatusView } from './control.ts'
import type { EntryLog, ReleaseEntry } from './log.ts'
import type { Orders } from './orders.ts'
import type { Reporter } from './report.ts'
import type { Decision } from './rollout.ts'
import { heartbeatMs, type Row } from './status.ts'

export interface ViewPorts {
  readonly agent: Agent
  readonly log: EntryLog
  readonly reporter: Reporter
  readonly orders: Orders
  /** This host's key in hex. */
  readonly host: string
  readonly self: PeerId
  readonly version: string
  readonly connected: () => readonly PeerId[]
  readonly addresses: () => readonly string[]
  readonly startedMs: number
  /** Steps not kept, of the last run and the audits since. */
  readonly notKept: () => StatusView['notKept']
  readonly pauses: () => StatusView['pausedPaths']
  readonly changedFacts: () => StatusView['changedFacts']
  readonly deaf: () => StatusView['deaf']
  readonly upgrade: () => string | null
  readonly queues: () => StatusView['queues']
  /** What the machine's clock shows beyond the steady one. */
  readonly aheadMs: () => number
}

type Hold = Extract<Decision, { kind: 'hold' }>

export function statusView(ports: ViewPorts, nowMs: number): StatusView {
  const { agent, log, reporter } = ports
  const head = log.head()
  const trust = log.trust()
  const paused = agent.paused
  const own = reporter.board.row(ports.host)?.status
  const [repairs, kept, contested] = reporter.drift
  const hold = agent.decision?.kind === 'hold' ? agent.decision : undefined
  return {
    fleet: hex(log.fleet),
    host: { name: log.host(ports.host)?.name ?? null, key: ports.host, peer: ports.self },
    agent: ports.version,
    head: head === undefined ? null : { sequence: head.sequence, id: head.id },
    trust:
      trust === undefined
        ? null
        : { sequence: trust.sequence, hosts: trust.roster.length, operators: trust.operators.length },
    release: releaseView(log, agent.inForce),
    state: reporter.state ?? 'BLANK',
    why:
      reporter.why ??
      (hold === undefined || hold.gate === 'release' ? null : `newest release held: ${hold.reason}`),
    steps: reporter.steps,
    notKept: ports.notKept(),
    drift: { repairs, kept, contested },
    flags: own?.flags ?? [],
    paused: paused === undefined ? null : paused,
    trial: trialView(agent),
    pausedPaths: ports.pauses(),
    changedFacts: ports.changedFacts(),
    deaf: ports.deaf(),
    peers: ports.connected().length,
    addresses: ports.addresses(),
    fetching: agent.fetching(),
    upMs: nowMs - ports.startedMs,
    held: hold === undefined ? null : heldView(hold, ports.aheadMs()),
    queues: ports.queues(),
    upgrade: ports.upgrade(),
  }
}

function trialView({ sideline }: Agent): StatusView['trial'] {
  const trial = sideline.trials.standing
  return trial === undefined ? null : { ...trial, untilMs: trial.untilMs ?? null, why: trial.why ?? null }
}

function heldView({ gate, reason, untilMs }: Hold, aheadMs: number): StatusView['held'] {
  return { gate, reason, untilMs: untilMs === undefined ? null : untilMs + aheadMs }
}

function releaseView(log: EntryLog, id: string | undefined): ReleaseView | null {
  if (id === undefined) return null
  const entry = log.byId(id)
  return { sequence: entry?.sequence ?? 0, id, subject: entry?.subject ?? 'no longer in the log' }
}

/** What a look at the whole fleet needs: an agent has it, and a laptop that has joined. */
export type FleetPorts = Pick<ViewPorts, 'agent' | 'log' | 'reporter' | 'orders' | 'host' | 'connected'>

/** Heartbeats that may be missed before a host is called silent. */
const missedMax = 3

/**
 * Every host of the roster, by name. `nowMs` by the machine's clock, which is `aheadMs` beyond the steady one. What shows
 * no life, since it may be old, was said when the host's own clock says so, and never later than it came.
 */
export function peersView(ports: FleetPorts, nowMs: number, aheadMs: number): PeerView[] {
  const { agent, log, reporter, host, connected } = ports
  const up = new Set<string>(connected())
  const roster = log.roster()
  const silentMs = missedMax * heartbeatMs(roster.length)
  const heard = (row: Row | undefined) => {
    if (row === undefined) return null
    if (row.newsMs !== undefined) return row.newsMs + aheadMs
    return Math.min((row.heardMs ?? Number.POSITIVE_INFINITY) + aheadMs, row.status.at)
  }
  return [...roster]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(each => {
      const key = hex(each.key)
      const row = reporter.board.row(key)
      const said = row?.status
      const refused = said?.refused
      const heardMs = heard(row)
      const [, kept = 0, repaired = 0, notKept = 0] = said?.steps ?? []
      const [repairs = 0, edits = 0, contested = 0] = said?.drift ?? []
      return {
        name: each.name,
        key,
        labels: each.labels,
        you: key === host,
        connected: up.has(each.peer),
        heardMs,
        silent: key !== host && (heardMs === null || nowMs - heardMs > silentMs),
        release: said?.entry?.[0] ?? null,
        head: said?.head[0] ?? agent.headOf(each.peer as PeerId) ?? null,
        state: said === undefined ? 'SILENT' : (said.state ?? 'BLANK'),
        why: said?.why ?? null,
        ...{ kept, repaired, notKept, repairs, edits, contested },
        flags: [...(said?.flags ?? []), ...(row?.twins ? ['TWINS'] : [])],
        refused: refused === undefined ? null : { sequence: refused[0], code: refused[2] },
        agent: said?.agent ?? null,
      }
    })
}

/** The newest release on its way; null before the first. `aheadMs` as for `peersView`. */
export function rolloutView(ports: FleetPorts, aheadMs: number): RolloutView | null {
  const { agent, log, orders, reporter } = ports
  const target = log.release()
  if (target === undefined) return null
  const progress = agent.progress()
  const of = {
    ...{ sequence: target.sequence, id: target.id, subject: target.subject, issuedMs: target.issuedMs },
    signer: target.signer ?? null,
    source: target.release.source ?? null,
    halts: orders.of(target.id).halts.map(({ id, signer, issuedMs, reason }) => {
      return { id, signer, issuedMs, reason: reason ?? null }
    }),
  }
  if (progress === undefined) return { ...of, ...flatView(target, ports) }
  const names = new Map(log.roster().map(({ key, name }) => [hex(key), name]))
  const { kind, reason, untilMs } = progress.decision
  return {
    ...of,
    stages: progress.stages.map(each => ({
      ...each,
      openedMs: each.openedMs === undefined ? null : each.openedMs + aheadMs,
    })),
    decision: { kind, reason, untilMs: untilMs === undefined ? null : untilMs + aheadMs },
    evidence: shown(
      progress.evidence.map(({ host, claim }) => {
        const said = reporter.board.row(host)?.status
        const isOf = said?.entry !== undefined && hex(said.entry[1]) === target.id
        return {
          ...{ host, name: names.get(host) ?? host.slice(0, 10), state: claim.state, attempt: claim.attempt },
          why: (isOf && said.why) || null,
        }
      }),
    ),
  }
}

/** Where nobody knows yet whom the release concerns, as on a laptop: all hosts as one stage. */
function flatView(
  target: ReleaseEntry,
  { log, reporter }: FleetPorts,
): Pick<RolloutView, 'stages' | 'decision' | 'evidence'> {
  const roster = log.roster()
  const evidence = roster.flatMap(({ key, name }): EvidenceView[] => {
    const host = hex(key)
    const said = reporter.board.row(host)?.status
    if (said?.entry === undefined || said.state === undefined || hex(said.entry[1]) !== target.id) return []
    return [{ host, name, state: said.state, attempt: said.attempt ?? 1, why: said.why ?? null }]
  })
  const among = (...states: string[]) => evidence.filter(each => states.includes(each.state)).length
  const [healthy, failed] = [among('HEALTHY', 'NOOP'), among('FAILED')]
  const running = among('APPLYING', 'APPLIED', 'INCONCLUSIVE')
  const hosts = roster.length
  const waiting = hosts - healthy - failed - running
  const isStaged = target.release.stages.length > 1
  return {
    stages: [
      {
        ...{
          stage: 1,
          hosts,
          granted: hosts,
          healthy,
          failed,
          running,
          waiting,
        },
        ...{ absent: 0, timedOut: 0, openedMs: target.issuedMs },
      },
    ],
    decision:
      isStaged && healthy < hosts
        ? {
            kind: 'hold',
            reason: `it goes in ${target.release.stages.length} stages, and who is in which is not known here: fleet rollout on a host knows`,
            untilMs: null,
          }
        : { kind: 'go', reason: `all ${hosts} hosts may start`, untilMs: null },
    evidence: shown(evidence),
  }
}

/** What speaks against it first, by name, and no more than is read. */
function shown(evidence: readonly EvidenceView[]): readonly EvidenceView[] {
  const rank = ({ state }: EvidenceView) => (state === 'FAILED' || state === 'INCONCLUSIVE' ? 0 : 1)
  return evidence
    .toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))
    .slice(0, limits.evidenceShown)
}

/** The log as held here, ascending; forks and refused entries among them. */
export function logView({ agent, log }: ViewPorts): LogView[] {
  const head = log.head()?.id
  const ours: LogView[] = log.entries().map(each => ({
    sequence: each.sequence,
    id: each.id,
    kind: each.kind,
    subject: each.subject,
    signer: each.signer ?? null,
    issuedMs: each.issuedMs,
    mark: [each.id === head ? 'head' : '', each.id === agent.inForce ? 'in force' : '']
      .filter(Boolean)
      .join(', '),
    refusal: log.refusalOf(each.id) ?? null,
  }))
  const held = new Set(ours.map(each => each.id))
  const refused: LogView[] = log
    .refused()
    .filter(each => !held.has(each.id))
    .map(({ sequence, id, kind, subject, issuedMs, code, detail }) => ({
      ...{ sequence, id, kind, subject, issuedMs, signer: null, mark: 'refused', refusal: { code, detail } },
    }))
  const forks: LogView[] = log.forks().map(each => {
    const entry = log.fork(each.theirs)
    return {
      sequence: each.sequence,
      id: each.theirs,
      kind: entry?.kind ?? 'entry',
      subject: entry?.subject ?? '',
      signer: each.signers.theirs || null,
      issuedMs: entry?.issuedMs ?? 0,
      mark: 'fork',
      refusal: null,
    }
  })
  return [...ours, ...refused, ...forks].sort((a, b) => a.sequence - b.sequence)
}
