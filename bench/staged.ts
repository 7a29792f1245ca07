// A release in stages through large simulated fleets, while some hosts lie, lose gossip, pass nothing on or cannot be dialled: how
// long that takes, and whether what a host hears of it grows with the fleet. Each fleet in a process of its own, as `fleet sim`
// starts it.
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Fault, Scenario } from '../sim/faults.ts'
import type { Report } from '../sim/report.ts'
import { writeScenario } from '../sim/scenario.ts'
import type { Measured } from './figures.ts'

const fleet = new URL('../bin/fleet', import.meta.url).pathname
const [few, many] = [1_000, 10_000] as const
/** Bytes of one report. */
const reportMax = 64 << 20

export async function measureStaged(note: (line: string) => void): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), 'fleet-bench-'))
  try {
    const [small, large] = [await run(folder, few, note), await run(folder, many, note)]
    return {
      staged_1000_s: small.wallMs / 1000,
      staged_10k_s: large.wallMs / 1000,
      staged_10k_gossip: large.traffic.gossipIn,
      staged_10k_verifications: large.traffic.verifications,
      staged_gossip_ratio: large.traffic.gossipIn / small.traffic.gossipIn,
      staged_gossip_bytes_ratio: large.traffic.gossipBytesIn / small.traffic.gossipBytesIn,
    }
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function run(folder: string, hosts: number, note: (line: string) => void): Promise<Report> {
  const file = join(folder, `${hosts}.json`)
  await writeFile(file, writeScenario(scenarioOf(hosts)))
  const { stdout } = await promisify(execFile)(fleet, ['sim', '--replay', file, '--json'], {
    maxBuffer: reportMax,
  })
  const report = JSON.parse(stdout) as Report
  const { ending, wallMs, simulatedMs, traffic } = report
  const each = Object.entries(traffic).map(([name, value]) => `${name} ${Math.round(value)}`)
  note(`${hosts} hosts: ${ending}, ${Math.round(wallMs / 1000)} s for ${Math.round(simulatedMs / 1000)} s`)
  note(`  each: ${each.join(', ')}`)
  if (ending !== 'ok') throw new Error(`${hosts} hosts: ${ending}`)
  return report
}

/**
 * One host in fifty is not well, and stays so; a minute after the start a release goes through its stages. None is off: by then a
 * fleet of 10,000 waits 50 minutes for each such member of a panel, which costs a simulation more than all the rest.
 */
function scenarioOf(hosts: number): Scenario {
  const faultsMs = 60_000
  const unwell = Array.from({ length: hosts / 50 }, (_, at) => 50 * at + 25)
  const part = (of: number) => unwell.filter((_, at) => at % 4 === of)
  const core = Array.from({ length: hosts }, (_, at) => at).filter(at => at % 50 !== 25)
  const faults: Fault[] = [
    { kind: 'undialable', atMs: 5_000, untilMs: faultsMs, hosts: part(0) },
    { kind: 'falseHealthy', atMs: 5_000, untilMs: faultsMs, hosts: part(1) },
    { kind: 'loss', atMs: 5_000, untilMs: faultsMs, hosts: part(2), amount: 0.3 },
    { kind: 'withhold', atMs: 5_000, untilMs: faultsMs, hosts: part(3) },
  ]
  const stages = { stages: 'auto', soakSeconds: 60 } as const
  return { format: 1, seed: 7, hosts, faultsMs, healMs: 7_200_000, releases: [], core, ...stages, faults }
}
