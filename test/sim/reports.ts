// Reports as a run might give them, made up: enough like the real ones to judge how they are shown. Same seed, same report.
import type { Curve, FaultStory, Report, StageStory, Violation } from '../../sim/report.ts'

interface Wish {
  readonly hosts: number
  readonly seed?: number
  readonly violations?: number
  readonly stages?: boolean
  readonly pending?: number
}

function chance(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const subjects = [
  'Serve the site by nginx',
  'Open port 443, close port 80',
  'Rotate the backup key',
  'Keep logs 30 days',
]
const minute = 60_000

export function madeUp({ hosts: n, seed = 4711, violations = 0, stages = true, pending = 0 }: Wish): Report {
  const draw = chance(seed)
  const roles = ['web', 'db', 'cache', 'edge', 'build']
  const hosts = Array.from(
    { length: n },
    (_, i) => `${roles[i % 5]}-${String(Math.floor(i / 5) + 1).padStart(2, '0')}`,
  )
  const simulatedMs = n > 100 ? 124 * minute : 42 * minute
  const everyMs = simulatedMs / 400
  const samples = 401
  const published = [0.03, 0.36, 0.68].map(share => share * simulatedMs)

  // When each host is off; and for each release when it was let through, came to apply it, and how that ended.
  const kills = hosts.map(() => {
    if (draw() > 0.12) return undefined
    const atMs = draw() * simulatedMs * 0.7
    return [atMs, atMs + (1 + draw() * 9) * minute] as const
  })
  const shares = stages ? [0.05, 0.25, 1] : [1]
  const spread = 0.05 * simulatedMs
  const paths = published.map((publishedMs, r) => {
    const order = hosts.map((_, i) => [draw(), i] as const).sort((a, b) => a[0] - b[0])
    const at: { opened: number; applied: number; healthy: number; failed: boolean }[] = []
    for (const [place, [, i]] of order.entries()) {
      const stage = shares.findIndex(share => place < Math.max(1, share * n))
      const opened = publishedMs + stage * spread + 2000 + draw() * 9000
      const applied = opened + 3000 + -Math.log(1 - draw() * 0.99) * 25_000
      at[i] = {
        opened,
        applied,
        healthy: applied + 45_000 + draw() * 20_000,
        failed: r === 1 && draw() < 0.03,
      }
    }
    return at
  })
  const heat = hosts.map((_, i) =>
    Array.from({ length: samples }, (_, s) => {
      const ms = s * everyMs
      const off = kills[i]
      if (off && ms >= off[0] && ms < off[1]) return 'd'
      const r = published.findLastIndex((each, k) => ms >= each && (k === 0 || ms >= paths[k]![i]!.opened))
      if (r < 0) return 'b'
      const path = paths[r]![i]!
      if (ms < path.opened) return 'w'
      if (ms < path.applied - 2500) return 'f'
      if (ms < path.applied) return 'a'
      if (path.failed) return ms < path.healthy ? 'x' : 'o'
      return ms < path.healthy ? 's' : 'h'
    }).join(''),
  )
  const inForce = (r: number, i: number, ms: number) => {
    const path = paths[r]![i]!
    const next = paths[r + 1]?.[i]
    return !path.failed && ms >= path.applied && (!next || next.failed || ms < next.applied)
  }
  const isolated = Array.from({ length: Math.max(1, n / 12) }, (_, i) => i)
  const cut = [0.42 * simulatedMs, 0.5 * simulatedMs] as const
  const number = (yes: (i: number) => boolean) => hosts.reduce((sum, _, i) => sum + (yes(i) ? 1 : 0), 0)
  const along = (of: (ms: number, s: number) => number) =>
    Array.from({ length: samples }, (_, s) => of(s * everyMs, s))
  const curve: Curve = {
    everyMs,
    series: [...published.map((_, r) => `release ${r + 3}`), 'down', 'cut off'],
    counts: [
      ...published.map((_, r) => along(ms => number(i => inForce(r, i, ms)))),
      along((_, s) => number(i => heat[i]![s] === 'd')),
      along(ms => (ms >= cut[0] && ms < cut[1] ? isolated.length : 0)),
    ],
  }
  const releases = published.map((publishedMs, r) => {
    const good = paths[r]!.filter(path => !path.failed).map(path => path.applied - publishedMs)
    const sorted = good.sort((a, b) => a - b)
    const reached = (share: number) => sorted[Math.ceil(share * n) - 1]
    const failed = n - sorted.length
    const [p50Ms, p90Ms, p99Ms, lastMs] = [0.5, 0.9, 0.99, 1].map(reached)
    const story = (share: number, k: number): StageStory => {
      const [upto, last] = [Math.max(1, Math.ceil(share * n)), k === shares.length - 1]
      const bad = Math.round(failed * share)
      const decision = bad
        ? `HOLD: ${bad} of ${upto} failed, ${last ? 'below the limit of 5 %' : 'waits for the soak of 5 min'}`
        : `GO: ${upto} of ${upto} healthy after ${last ? '3 min' : '5 min'}`
      return { hosts: upto, openedMs: publishedMs + k * spread, healthy: upto - bad, failed: bad, decision }
    }
    return {
      sequence: r + 3,
      id: `${'0123456789abcdef'.repeat(4)}`.slice(r, r + 40),
      subject: subjects[r]!,
      publishedMs,
      inForce: number(i => inForce(r, i, simulatedMs)),
      tried: n,
      failed,
      ...(p50Ms === undefined ? {} : { p50Ms }),
      ...(p90Ms === undefined ? {} : { p90Ms }),
      ...(p99Ms === undefined ? {} : { p99Ms }),
      ...(lastMs === undefined ? {} : { lastMs }),
      stages: stages ? shares.map(story) : [],
    }
  })
  const fault = (
    kind: string,
    from: number,
    to: number | undefined,
    struck: readonly number[],
    text: string,
  ) => ({
    kind,
    atMs: from * simulatedMs,
    ...(to === undefined ? {} : { untilMs: to * simulatedMs }),
    hosts: struck,
    text,
  })
  const faults: FaultStory[] = [
    fault('loss', 0.05, 0.2, [], '8 % of gossip is lost'),
    fault('loss', 0.5, 0.58, [], '15 % of gossip is lost'),
    fault('rate', 0.3, 0.45, [1, 2, 3], '64 KiB a second'),
    fault('minority', 0.42, 0.5, isolated, 'a third is cut off'),
    fault('step', 0.25, undefined, [4], 'the clock jumps by 40 s'),
    fault('step', 0.61, undefined, [0], 'the clock jumps by -3 min'),
    fault('restart', 0.18, undefined, [2], 'the agent is killed and starts again'),
    fault('full', 0.37, 0.41, [3], 'the disk is full'),
    fault('applyFails', 0.36, 0.68, [5, 6], 'a step fails'),
    fault('falseHealthy', 0.1, 0.7, [7], 'it says HEALTHY whatever is so'),
    ...kills.flatMap((off, i) =>
      off ? [fault('kill', off[0] / simulatedMs, off[1] / simulatedMs, [i], 'power is cut')] : [],
    ),
  ]
  const broken: Violation[] = [
    {
      checker: 'floor',
      host: hosts[7]!,
      atMs: 0.44 * simulatedMs,
      text: 'the floor never sinks: it stood at 4, and after the restart at 3 <b>& "so"</b>',
    },
    {
      checker: 'budget',
      host: hosts[3]!,
      atMs: 0.47 * simulatedMs,
      text: 'at most 2 hosts of db fail before HALT: 3 failed',
    },
    {
      checker: 'chain',
      atMs: 0.52 * simulatedMs,
      text: 'nobody runs what the chain does not allow: two hosts ran entry 5 of the fork',
    },
    ...Array.from({ length: 20 }, (_, i) => ({
      checker: 'journal',
      host: hosts[i % n]!,
      atMs: (0.6 + i / 100) * simulatedMs,
      text: 'after a restart a host is in the old state or the new one: found a file of neither',
    })),
  ].slice(0, violations)
  return {
    format: 1,
    seed,
    version: '0.1.0',
    ending: broken.length > 0 ? 'safety' : pending > 0 ? 'liveness' : 'ok',
    violations: broken,
    pending: hosts
      .slice(0, pending)
      .map(host => `${host}: release 5 has arrived and waits for 2 of 3 neighbours`),
    traceHash: 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c',
    hosts,
    observers: Math.min(n, 50),
    engines: Math.min(n, 8),
    simulatedMs,
    events: n * 2731,
    wallMs: n * 82,
    releases,
    traffic: {
      messagesIn: 1204.4,
      messagesOut: 1190.2,
      bytesIn: 2_411_022,
      bytesOut: 2_398_114,
      gossipIn: 611.3,
      gossipBytesIn: 402_118,
      verifications: 318.2,
      cpuMs: 41.7,
    },
    curve,
    heat,
    faults,
    marks: {
      'a gap was jumped': 12,
      'a floor was restored': 2,
      'a fork was seen': 0,
      'a pack came in parts': n * 3,
    },
    queues: { 'messages of a peer': [41, 256], 'entries that wait': [3, 64], 'parts in flight': [8, 8] },
    again: `fleet sim --seed ${seed} --hosts ${n}`,
  }
}
