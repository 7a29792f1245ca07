// What is measured, in which unit, and what each figure may be at most; medians, percentiles and the table. Measures
// nothing: bench/main.ts calls the files that do.

export interface Figure {
  /** As the group's function names it, and `--json` where it is one of `jsonKeys`. */
  readonly name: string
  readonly what: string
  readonly unit: 's' | 'ms' | 'MB' | '%' | 'x' | ''
  /** The budget (DESIGN of the host engine and the agent); none where the figure only explains another. */
  readonly most?: number
  /** The other way round: a budget that must be reached. */
  readonly least?: number
}

/** What a group answers: figures by name. */
export type Measured = Readonly<Record<string, number>>

/** Keys of the last line of `npm run bench -- --json`, in this order. Stable. */
export const jsonKeys = [
  'publish_to_last_ms',
  'fresh_5000_vs_cp',
  'audit_5000_ms',
  'repair_p50_ms',
  'repair_p99_ms',
  'start_ms',
  'idle_rss_mb',
  'idle_cpu_pct',
  'peak_rss_mb',
] as const

/** Names of the group `peers`, whose rows differ with what is installed. */
export const peersPrefix = 'peers.'

/** Groups in the order in which they run; each group's figures in the order in which they are shown. */
export const groups: Readonly<Record<string, readonly Figure[]>> = {
  fleet: [
    { name: 'publish_to_last_ms', what: 'publish -> last of 10 hosts applied', unit: 'ms', most: 2000 },
    { name: 'signed_to_last_ms', what: '  of that, since the entry was signed', unit: 'ms' },
    { name: 'publish_command_ms', what: '  fleet publish, start to exit', unit: 'ms' },
    { name: 'idle_rss_mb', what: 'resident memory of one in ten, idle', unit: 'MB', most: 100 },
    { name: 'idle_cpu_pct', what: 'share of a core, idle, over 30 s', unit: '%', most: 0.3 },
  ],
  agent: [
    { name: 'fresh_5000_vs_cp', what: 'fresh apply of 5,000 files / cp -a', unit: 'x', most: 3 },
    { name: 'fresh_5000_ms', what: '  the run in the agent', unit: 'ms' },
    { name: 'cp_5000_ms', what: '  cp -a of the same', unit: 'ms' },
    { name: 'audit_5000_ms', what: 'full audit of 5,000 files', unit: 'ms', most: 100 },
    { name: 'repair_p50_ms', what: 'hand edit -> restored, p50 of 200', unit: 'ms', most: 5 },
    { name: 'repair_p99_ms', what: 'hand edit -> restored, p99', unit: 'ms', most: 50 },
    { name: 'start_ms', what: 'start -> listening, 5,000 files managed', unit: 'ms', most: 300 },
    { name: 'start_new_ms', what: '  a host that has nothing yet', unit: 'ms' },
    { name: 'idle_5000_rss_mb', what: 'idle with 5,000 files: resident memory', unit: 'MB' },
    { name: 'idle_5000_cpu_pct', what: '  share of a core, the same', unit: '%' },
    { name: 'peak_rss_mb', what: 'peak memory, fresh apply of 5,000', unit: 'MB', most: 250 },
  ],
  commands: [
    { name: 'peers_ms', what: 'fleet peers, as a process', unit: 'ms', most: 150 },
    { name: 'status_ms', what: 'fleet status', unit: 'ms', most: 150 },
    { name: 'plan_ms', what: 'fleet plan, 100 files', unit: 'ms', most: 150 },
    { name: 'check_ms', what: 'fleet check, 100 files', unit: 'ms', most: 150 },
  ],
  host: [
    { name: 'bare_fresh_vs_cp', what: 'the engine alone: fresh apply / cp -a', unit: 'x', most: 3 },
    { name: 'bare_audit_ms', what: '  full audit', unit: 'ms', most: 100 },
    { name: 'bare_repair_p50_ms', what: '  hand edit -> restored, p50', unit: 'ms', most: 5 },
    { name: 'bare_repair_p99_ms', what: '  hand edit -> restored, p99', unit: 'ms', most: 50 },
  ],
  peers: [
    {
      name: 'peers.ratio_fresh_1000',
      what: 'fresh, 1,000 files: fastest other / fleet',
      unit: 'x',
      least: 1.5,
    },
    { name: 'peers.ratio_fresh_5000', what: 'fresh, 5,000 files', unit: 'x', least: 1.5 },
    { name: 'peers.ratio_noop_1000', what: 'no-op, 1,000 files', unit: 'x', least: 2 },
    { name: 'peers.ratio_noop_5000', what: 'no-op, 5,000 files', unit: 'x', least: 2 },
    { name: 'peers.ratio_drift_1000', what: 'drift repair, 1,000 files', unit: 'x' },
    { name: 'peers.ratio_drift_5000', what: 'drift repair, 5,000 files', unit: 'x' },
    { name: 'peers.fleet_fresh_100_ms', what: 'fleet apply, 100 files: fresh', unit: 'ms', most: 150 },
    { name: 'peers.fleet_noop_100_ms', what: '  no-op', unit: 'ms', most: 150 },
    { name: 'peers.fleet_drift_100_ms', what: '  drift repair', unit: 'ms', most: 150 },
    { name: 'peers.fleet_role_noop_ms', what: 'fleet apply, role of 30 steps: no-op', unit: 'ms', most: 150 },
  ],
  sim: [
    {
      name: 'sim_events_per_s',
      what: 'simulator: events/s, 1,000 hosts gossiping',
      unit: '',
      least: 1_000_000,
    },
    { name: 'sim_100k_s', what: '  100,000 hosts, one announcement', unit: 's', most: 120 },
    { name: 'sim_100k_rss_mb', what: '  resident memory of that', unit: 'MB', most: 4_000 },
    { name: 'sim_1000_s', what: '  1,000 agents, one release, all faults', unit: 's', most: 20 },
    { name: 'sim_seed_s', what: '  a seed of a campaign, mean of twenty', unit: 's', most: 1.5 },
    { name: 'sim_seed_max_s', what: '  the slowest of them', unit: 's' },
  ],
  staged: [
    { name: 'staged_1000_s', what: 'simulator: 1,000 agents, one release in stages', unit: 's' },
    { name: 'staged_10k_s', what: '  10,000 agents', unit: 's', most: 120 },
    { name: 'staged_10k_gossip', what: '  messages of the log topic for a host', unit: '' },
    { name: 'staged_10k_verifications', what: '  signatures that a host checks', unit: '' },
    { name: 'staged_gossip_ratio', what: '  messages, 10,000 to 1,000 hosts', unit: 'x', most: 1.2 },
    { name: 'staged_gossip_bytes_ratio', what: '  bytes of them, 10,000 to 1,000', unit: 'x', most: 1.2 },
  ],
}

/** The value below which `share` (0 to 1) of all lie: the smallest that is at least that far up. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const found = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
  if (found === undefined) throw new RangeError('no values')
  return found
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)]
  if (upper === undefined) throw new RangeError('no values')
  return sorted.length % 2 === 1 ? upper : (upper + sorted[sorted.length / 2 - 1]!) / 2
}

/** Three digits that matter: 0.123, 1.23, 12.3, 123, 1234. */
export const rounded = (value: number): number =>
  Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))

/**
 * The object of `--json`: exactly `jsonKeys`, null where that group was not run, or failed; and under `peers`, if that
 * group was run, ms and ratios of every tool that took part, by name.
 */
export function jsonOf(measured: Measured): Record<string, unknown> {
  const entries = jsonKeys.map(key => [key, measured[key] === undefined ? null : rounded(measured[key])])
  const peers = Object.entries(measured).filter(([name]) => name.startsWith(peersPrefix))
  if (peers.length === 0) return Object.fromEntries(entries)
  const found = peers.map(([name, value]) => [name.slice(peersPrefix.length), rounded(value)])
  return { ...Object.fromEntries(entries), peers: Object.fromEntries(found) }
}

/** Lines of at most 80 columns: figure, value, budget, and whether it is met. */
export function table(figures: readonly Figure[], measured: Measured): string {
  const row = (what: string, value: string, most: string, verdict: string) =>
    `${what.padEnd(42)}${value.padStart(12)}${most.padStart(14)}  ${verdict}`.trimEnd()
  const withUnit = (value: number, unit: string) => `${value} ${unit}`.trimEnd()
  const rows = figures.map(({ name, what, unit, most, least }) => {
    const value = measured[name]
    const bound = most ?? least
    const budget = bound === undefined ? '' : `${least === undefined ? '' : '>= '}${withUnit(bound, unit)}`
    if (value === undefined) return row(what, '-', budget, '')
    const met = value <= (most ?? Infinity) && value >= (least ?? -Infinity)
    return row(
      what,
      withUnit(rounded(value), unit),
      budget,
      bound === undefined ? '' : met ? 'met' : 'MISSED',
    )
  })
  return [row('', 'MEASURED', 'AT MOST', ''), ...rows].join('\n')
}
