// What a run is told as: samples of every host for the curve and the heat map, the way of each release, traffic. Looks on;
// changes nothing.

import type { SimEvent } from './events.ts'
import type { SimHost } from './host.ts'
import type { Ledger } from './ledger.ts'
import type { Curve, Phase, ReleaseStory, StageStory, Traffic } from './report.ts'
import type { Traffic as NetworkTraffic } from './traffic.ts'

/** Samples of a run, whatever its length. */
const samplesWanted = 240

interface Way {
  readonly tried: Set<number>
  readonly failed: Set<number>
  /** Host -> when it came into force first. */
  readonly inForceMs: Map<number, number>
  /** The first failure on a host that the release was not to break. */
  why?: string
  /** As the first host that told it saw it; the newest of what was seen. */
  stages: StageStory[]
  /** Stage -> when some host first opened it. */
  readonly openedMs: Map<number, number>
}

export class Story {
  readonly #hosts: readonly SimHost[]
  readonly #ledger: Ledger
  readonly everyMs: number
  readonly #heat: string[]
  readonly #samples: Map<string, number[]> = new Map()
  readonly #ways = new Map<string, Way>()
  #count = 0

  constructor(hosts: readonly SimHost[], ledger: Ledger, lengthMs: number) {
    this.#hosts = hosts
    this.#ledger = ledger
    this.everyMs = Math.max(1_000, Math.ceil(lengthMs / samplesWanted / 1_000) * 1_000)
    this.#heat = hosts.map(() => '')
  }

  event(event: SimEvent, nowMs: number): void {
    if (event.kind === 'decided') this.#opened(event, nowMs)
    if (event.kind !== 'run' && event.kind !== 'ran') return
    const { id } = event.entry
    const way = this.#wayOf(id)
    const { index } = event.host
    if (event.kind === 'run') way.tried.add(index)
    else if (event.report.kind === 'failed') {
      way.failed.add(index)
      if (this.#ledger.byId(id)?.breaks?.has(index) !== true)
        way.why ??= `${event.host.name}: ${event.report.why ?? 'no reason given'}`
    } else if (event.report.kind === 'applied' && !way.inForceMs.has(index)) way.inForceMs.set(index, nowMs)
  }

  #wayOf(id: string): Way {
    const way = this.#ways.get(id) ?? {
      ...{ tried: new Set<number>(), failed: new Set<number>(), inForceMs: new Map<number, number>() },
      ...{ stages: [], openedMs: new Map<number, number>() },
    }
    this.#ways.set(id, way)
    return way
  }

  /** When stages opened, on whichever host that was first. */
  #opened({ host }: Extract<SimEvent, { kind: 'decided' }>, nowMs: number): void {
    const { entry, opened = [] } = host.peer?.agent.noted() ?? {}
    const stage = opened.at(-1)?.stage
    if (entry === undefined || stage === undefined) return
    const { openedMs } = this.#wayOf(entry)
    if (openedMs.has(stage)) return
    for (const each of opened) if (!openedMs.has(each.stage)) openedMs.set(each.stage, nowMs)
    this.#look()
  }

  /** How far the newest release has come, as a host of the core sees it that is well informed. */
  #look(): void {
    const watcher = this.#hosts.find(
      each => each.core && each.observes && each.honest && each.peer !== undefined,
    )
    const id = watcher?.peer?.entries.release()?.id
    const progress = id === undefined ? undefined : watcher?.peer?.agent.progress()
    if (id === undefined || progress === undefined) return
    const way = this.#wayOf(id)
    let upTo = 0
    const { kind, reason } = progress.decision
    const now = progress.stages.findIndex(each => each.granted < each.hosts)
    way.stages = progress.stages.map(({ stage, hosts, granted, healthy, failed, timedOut }, at) => {
      upTo += hosts
      const openedMs = way.openedMs.get(stage)
      const isDone = granted === hosts && (now < 0 ? at < progress.stages.length : at < now)
      const decision = isDone ? 'GO' : at === now ? `${kind.toUpperCase()}: ${reason}` : 'shut'
      return {
        ...{ hosts: upTo, healthy, failed: failed + timedOut, decision },
        ...(openedMs !== undefined && { openedMs }),
      }
    })
  }

  sample(): void {
    this.#look()
    const counts = new Map<string, number>([['down', 0]])
    for (const { kind, sequence } of this.#ledger.entries())
      if (kind === 'release') counts.set(`release ${sequence}`, 0)
    for (const [at, host] of this.#hosts.entries()) {
      const phase = phaseOf(host)
      this.#heat[at] += phase
      const series = phase === 'd' ? 'down' : inForceOf(host)
      if (series !== undefined) counts.set(series, (counts.get(series) ?? 0) + 1)
    }
    for (const [series, count] of counts) {
      const samples = this.#samples.get(series) ?? Array.from<number>({ length: this.#count }).fill(0)
      samples.push(count)
      this.#samples.set(series, samples)
    }
    this.#count++
    for (const samples of this.#samples.values()) while (samples.length < this.#count) samples.push(0)
  }

  curve(): Curve {
    return {
      everyMs: this.everyMs,
      series: [...this.#samples.keys()],
      counts: [...this.#samples.values()],
    }
  }

  heat(): readonly string[] {
    return this.#heat
  }

  releases(): ReleaseStory[] {
    return this.#ledger
      .entries()
      .filter(each => each.kind === 'release')
      .map(({ sequence, id, subject, atMs, breaks }) => {
        const way = this.#ways.get(id)
        const times = [...(way?.inForceMs.values() ?? [])].map(each => each - atMs).sort((a, b) => a - b)
        const share = (part: number) => times[Math.ceil(part * this.#hosts.length) - 1]
        const [p50Ms, p90Ms, p99Ms, lastMs] = [share(0.5), share(0.9), share(0.99), share(1)]
        const inForce = this.#hosts.filter(each => each.peer?.agent.inForce === id).length
        return {
          ...{
            sequence,
            id,
            subject,
            publishedMs: atMs,
            inForce,
            stages: way === undefined ? [] : stagesOf(way),
          },
          ...{ tried: way?.tried.size ?? 0, failed: way?.failed.size ?? 0 },
          ...(breaks && { breaks: breaks.size }),
          ...(way?.why !== undefined && { why: way.why }),
          ...(p50Ms !== undefined && { p50Ms }),
          ...(p90Ms !== undefined && { p90Ms }),
          ...(p99Ms !== undefined && { p99Ms }),
          ...(lastMs !== undefined && { lastMs }),
        }
      })
  }
}

/** What was opened after it was looked at last is known, too. */
function stagesOf({ stages, openedMs }: Way): readonly StageStory[] {
  const last = Math.max(0, ...openedMs.keys())
  return stages.map((stage, at) => {
    const atMs = openedMs.get(at + 1)
    const told = atMs === undefined ? stage : { ...stage, openedMs: atMs }
    return at + 1 < last ? { ...told, decision: 'GO' } : told
  })
}

function inForceOf({ peer }: SimHost): string | undefined {
  const id = peer?.agent.inForce
  const entry = id === undefined ? undefined : peer?.entries.byId(id)
  return entry && `release ${entry.sequence}`
}

function phaseOf({ peer }: SimHost): Phase {
  if (peer === undefined) return 'd'
  const { agent, entries, reporter } = peer
  const release = entries.release()
  if (release === undefined) return agent.inForce === undefined ? 'b' : 'o'
  if (agent.decision?.kind === 'hold' && agent.decision.gate === 'running') return 'a'
  if (agent.inForce === release.id) return reporter.state === 'HEALTHY' ? 'h' : 's'
  if (agent.fetching().length > 0) return 'f'
  if (reporter.state === 'FAILED') return 'x'
  return agent.inForce === undefined ? 'w' : 'o'
}

/** Means of what all hosts sent and took. */
export function trafficOf(of: readonly NetworkTraffic[], verifications: number, cpuMs: number): Traffic {
  const mean = (total: number) => Math.round((total / Math.max(1, of.length)) * 10) / 10
  const all = (pick: (each: NetworkTraffic) => number) => mean(of.reduce((sum, each) => sum + pick(each), 0))
  return {
    messagesIn: all(each => each.messagesIn),
    messagesOut: all(each => each.messagesOut),
    bytesIn: all(each => each.bytesIn),
    bytesOut: all(each => each.bytesOut),
    gossipIn: all(each => each.gossipIn),
    gossipBytesIn: all(each => each.gossipBytesIn),
    verifications: mean(verifications),
    cpuMs: mean(cpuMs),
  }
}
