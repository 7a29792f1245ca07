// Fleets to be looked at: six hosts in the middle of a release, and five hundred. Times count back from `nowMs`.
import type { Picture } from '../../cli/census.ts'
import type { PeerView, RolloutView } from '../../node/control.ts'

export const nowMs = Date.UTC(2026, 4, 3, 12, 31, 5)

export function peer(name: string, more: Partial<PeerView> = {}): PeerView {
  return {
    name,
    key: Buffer.from(name.padEnd(32, '.')).toString('hex'),
    labels: {},
    you: false,
    connected: true,
    heardMs: nowMs - 12_000,
    silent: false,
    release: 42,
    head: 42,
    state: 'HEALTHY',
    why: null,
    ...{ kept: 11, repaired: 1, notKept: 0, repairs: 0, edits: 0, contested: 0 },
    flags: [],
    refused: null,
    agent: '0.1.0',
    ...more,
  }
}

export function rollout(more: Partial<RolloutView> = {}): RolloutView {
  return {
    sequence: 42,
    id: 'ab'.repeat(32),
    subject: 'nginx: longer timeouts',
    signer: 'alice@example.org',
    source: '3f2a91c0de'.repeat(4),
    issuedMs: nowMs - 12 * 60_000,
    stages: [stage(1, 6)],
    decision: { kind: 'go', reason: 'all 6 hosts may start', untilMs: null },
    evidence: [],
    halts: [],
    ...more,
  }
}

export function stage(number: number, hosts: number, more: Partial<RolloutView['stages'][number]> = {}) {
  const none = { healthy: 0, failed: 0, running: 0, waiting: hosts, absent: 0, timedOut: 0 }
  return { stage: number, hosts, granted: hosts, ...none, openedMs: nowMs - 11 * 60_000, ...more }
}

/** A ladder 1 3 6 that holds at a failure. */
export const six: Picture = {
  peers: [
    peer('web1', { you: true, labels: { role: 'web' } }),
    peer('web2', {
      labels: { role: 'web' },
      state: 'FAILED',
      why: 'site.steps:12 CHECK curl -fsS http://localhost/health exited with 22: The requested URL returned error: 502',
    }),
    peer('web10', { labels: { role: 'web' }, state: 'APPLIED', repairs: 3, contested: 1 }),
    peer('db1', { release: 41, state: 'HEALTHY', labels: { role: 'db' } }),
    peer('db2', { release: 41, silent: true, heardMs: nowMs - 5 * 3_600_000, connected: false }),
    peer('mail', { release: 41, flags: ['PAUSED'], why: 'disk swap' }),
  ],
  rollout: rollout({
    stages: [
      stage(1, 1, { healthy: 1, waiting: 0 }),
      stage(2, 2, { failed: 1, running: 1, waiting: 0, openedMs: nowMs - 5 * 60_000 }),
      stage(3, 3, { granted: 0, openedMs: null }),
    ],
    decision: {
      kind: 'hold',
      reason: 'stage 3 stays shut: 1 failed; below 40 hosts any failure holds',
      untilMs: nowMs + 55_000,
    },
    evidence: [
      { host: '01', name: 'web1', state: 'HEALTHY', attempt: 1, why: null },
      {
        host: '02',
        name: 'web2',
        state: 'FAILED',
        attempt: 2,
        why: 'site.steps:12 CHECK curl -fsS http://localhost/health exited with 22: The requested URL returned error: 502',
      },
      { host: '03', name: 'web10', state: 'APPLIED', attempt: 1, why: null },
    ],
  }),
}

/** 500 hosts in the middle of a ladder 1 6 30 150 500; some of each kind. */
export const fiveHundred: Picture = {
  peers: Array.from({ length: 500 }, (_, at): PeerView => {
    const name = `host${at + 1}.rack${(at % 12) + 1}.example.org`
    const labels = { role: at % 5 === 0 ? 'db' : 'web' }
    if (at === 17)
      return peer(name, {
        labels,
        state: 'FAILED',
        why: 'site.steps:12 SERVICE nginx running: did not start',
      })
    if (at === 230) return peer(name, { labels, notKept: 2, repairs: 14, contested: 1 })
    if (at % 60 === 7)
      return peer(name, { labels, silent: true, release: 41, heardMs: nowMs - 2 * 3_600_000 })
    if (at % 25 === 3) return peer(name, { labels, state: 'APPLYING', heardMs: nowMs - 2_000 })
    if (at % 10 === 1) return peer(name, { labels, state: 'APPLIED', heardMs: nowMs - 40_000 })
    if (at >= 150) return peer(name, { labels, release: 41 })
    return peer(name, { labels })
  }),
  rollout: rollout({
    subject:
      'nginx: longer timeouts for the upload of large files, as asked for by the people of the archive',
    stages: [
      stage(1, 1, { healthy: 1, waiting: 0 }),
      stage(2, 5, { healthy: 5, waiting: 0, openedMs: nowMs - 9 * 60_000 }),
      stage(3, 24, { healthy: 23, failed: 1, waiting: 0, openedMs: nowMs - 7 * 60_000 }),
      stage(4, 120, {
        granted: 80,
        healthy: 61,
        running: 14,
        absent: 2,
        timedOut: 1,
        waiting: 42,
        openedMs: nowMs - 60_000,
      }),
      stage(5, 350, { granted: 0, openedMs: null }),
    ],
    decision: {
      kind: 'hold',
      reason:
        'holds at stage 4: 90 healthy, 1 failed, 14 still run or soak (until 12:40:10 at the latest), 2 not heard of yet (until 12:33:05 at the latest)',
      untilMs: nowMs + 120_000,
    },
    evidence: [
      ...Array.from({ length: 90 }, (_, at) => ({
        ...{ host: String(at), name: `host${at + 1}.rack${(at % 12) + 1}.example.org` },
        ...{ state: at === 17 ? 'FAILED' : at > 75 ? 'APPLYING' : 'HEALTHY', attempt: 1 },
        why: at === 17 ? 'site.steps:12 SERVICE nginx running: did not start' : null,
      })),
    ],
  }),
}
