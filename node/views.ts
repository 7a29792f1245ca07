// Core: what the agent knows, as the answers that `fleet status`, `peers` and `log` print. Stable structs of their own, so
// that inner types may change.
import type { PeerId } from '../gossip/carrier.ts'
import { hex } from '../signing/bytes.ts'
import type { Agent } from './agent.ts'
import type { LogView, PeerView, ReleaseView, StatusView } from './control.ts'
import type { EntryLog } from './log.ts'
import type { Reporter } from './report.ts'

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
}

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
    upgrade: ports.upgrade(),
  }
}

function trialView({ trial }: Agent): StatusView['trial'] {
  return trial === undefined ? null : { ...trial, untilMs: trial.untilMs ?? null, why: trial.why ?? null }
}

function releaseView(log: EntryLog, id: string | undefined): ReleaseView | null {
  if (id === undefined) return null
  const entry = log.byId(id)
  return { sequence: entry?.sequence ?? 0, id, subject: entry?.subject ?? 'no longer in the log' }
}

/** Every host of the roster, by name. `aheadMs`: what the machine's clock shows beyond the steady one. */
export function peersView({ agent, log, reporter, host, connected }: ViewPorts, aheadMs: number): PeerView[] {
  const up = new Set<string>(connected())
  return [...log.roster()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(each => {
      const key = hex(each.key)
      const row = reporter.board.row(key)
      const said = row?.status
      const refused = said?.refused
      return {
        name: each.name,
        key,
        you: key === host,
        connected: up.has(each.peer),
        heardMs: row === undefined ? null : row.heardMs + aheadMs,
        release: said?.entry?.[0] ?? null,
        head: said?.head[0] ?? agent.headOf(each.peer as PeerId) ?? null,
        state: said === undefined ? 'SILENT' : (said.state ?? 'BLANK'),
        why: said?.why ?? null,
        notKept: said?.steps?.[3] ?? 0,
        repairs: said?.drift?.[0] ?? 0,
        flags: [...(said?.flags ?? []), ...(row?.twins ? ['TWINS'] : [])],
        refused: refused === undefined ? null : { sequence: refused[0], code: refused[2] },
      }
    })
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
