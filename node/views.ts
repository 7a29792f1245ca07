// Core: what the agent knows, as the answers that `fleet status`, `peers` and `log` print. Stable structs of their own, so
// that inner types may change.
import type { PeerId } from '../gossip/carrier.ts'
import { limits } from '../gossip/limits.ts'
import { hex } from '../signing/bytes.ts'
import type { Agent } from './agent.ts'
import type { EvidenceView, LogView, PeerView, ReleaseView, RolloutView, StatusView } from './control.ts'
import type { EntryLog } from './log.ts'
import type { Reporter } from './report.ts'
import type { Decision } from './rollout.ts'
import { heartbeatMs, type Row } from './status.ts'

export interface ViewPorts {
  readonly agent: Agent
  readonly log: EntryLog
  readonly reporter: Reporter
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
export type FleetPorts = Pick<ViewPorts, 'agent' | 'log' | 'reporter' | 'host' | 'connected'>

/** Heartbeats that may be missed before a host is called silent. */
const missedMax = 3

/**
 * Every host of the roster, by name. `nowMs` by the machine's clock, which is `aheadMs` beyond the steady one. `told`: of
 * which hosts (keys in hex) others told what they had heard long ago, perhaps, so that the host's own clock says best when it spoke.
 */
export function peersView(
  ports: FleetPorts,
  nowMs: number,
  aheadMs: number,
  told = (_host: string) => false,
): PeerView[] {
  const { agent, log, reporter, host, connected } = ports
  const up = new Set<string>(connected())
  const roster = log.roster()
  const silentMs = missedMax * heartbeatMs(roster.length)
  const heard = (each: string, row: Row | undefined) => {
    if (row?.heardMs === undefined) return null
    const arrivedMs = row.heardMs + aheadMs
    return told(each) ? Math.min(arrivedMs, row.status.at) : arrivedMs
  }
  return [...roster]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(each => {
      const key = hex(each.key)
      const row = reporter.board.row(key)
      const said = row?.status
      const refused = said?.refused
      const heardMs = heard(key, row)
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

/** The newest release on its way; null before the first. `aheadMs` as in peersView. */
export function rolloutView(ports: FleetPorts, aheadMs: number): RolloutView | null {
  const { agent, log } = ports
  const target = log.release()
  if (target === undefined) return null
  const progress = agent.progress()
  const { id, sequence, subject, issuedMs, signer, release } = target
  const story = { sequence, id, subject, issuedMs, signer: signer ?? null, source: release.source ?? null }
  const halts = agent.haltsOf(id).map(each => ({ ...each, reason: each.reason ?? null }))
  if (progress === undefined) return { ...story, ...oneStage(ports, id, issuedMs), halts }
  const { kind, reason, untilMs } = progress.decision
  const evidence = progress.evidence.map(({ host, claim, why }) => ({
    ...{ host, name: log.host(host)?.name ?? host.slice(0, 10), why: why ?? null },
    ...{ state: claim.state, attempt: claim.attempt },
  }))
  return {
    ...story,
    stages: progress.stages.map(({ openedMs, ...each }) => ({
      ...each,
      openedMs: openedMs === undefined ? null : openedMs + aheadMs,
    })),
    decision: { kind, reason, untilMs: untilMs === undefined ? null : untilMs + aheadMs },
    evidence: worstFirst(evidence),
    halts,
  }
}

/** What speaks against a release first. */
function worstFirst(evidence: readonly EvidenceView[]): EvidenceView[] {
  const [against, rest] = [true, false].map(bad => evidence.filter(each => (each.state === 'FAILED') === bad))
  return [...against!, ...rest!].slice(0, limits.evidenceShown)
}

/** By the board alone, where its pack is not held, so that nobody here can say whom the release concerns. */
function oneStage(
  { log, reporter }: FleetPorts,
  id: string,
  issuedMs: number,
): Pick<RolloutView, 'stages' | 'decision' | 'evidence'> {
  const roster = log.roster()
  const evidence: EvidenceView[] = roster.flatMap(({ key, name }) => {
    const host = hex(key)
    const said = reporter.board.row(host)?.status
    if (said?.entry === undefined || said.state === undefined || hex(said.entry[1]) !== id) return []
    return [{ host, name, state: said.state, attempt: said.attempt ?? 1, why: said.why ?? null }]
  })
  const among = (...states: string[]) => evidence.filter(each => states.includes(each.state))
  const [healthy, failed] = [among('HEALTHY', 'NOOP').length, among('FAILED').length]
  const running = among('APPLYING', 'APPLIED', 'INCONCLUSIVE').length
  const hosts = roster.length
  return {
    stages: [
      {
        ...{ stage: 1, hosts, granted: hosts, healthy, failed, running },
        waiting: hosts - healthy - failed - running,
        ...{ absent: 0, timedOut: 0, openedMs: issuedMs },
      },
    ],
    decision: { kind: 'go', reason: `all ${hosts} hosts may start`, untilMs: null },
    evidence: worstFirst(evidence),
  }
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
