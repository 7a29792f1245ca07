// How fast the simulator is, in this process: announcements among routers alone, and fleets of real agents. All but the largest
// announcement goes by processor time, of which the rest of the machine takes the least.
import { announce } from '../sim/announce.ts'
import { drawScenario } from '../sim/draw.ts'
import type { Scenario } from '../sim/faults.ts'
import { simulate } from '../sim/main.ts'
import type { Measured } from './figures.ts'

const rounds = 5
const seeds = 20

function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

export async function measureSim(note: (line: string) => void): Promise<Measured> {
  let eventsPerSecond = 0
  for (let seed = 1; seed <= rounds; seed++) {
    const run = announce({ hosts: 1_000, seed, announcements: 60, stopwatch: processorMs })
    note(`1,000 hosts: ${run.events} events, ${Math.round(run.wallMs)} ms, p99 ${run.p99Ms} ms`)
    eventsPerSecond = Math.max(eventsPerSecond, run.eventsPerSecond)
  }
  const large = announce({ hosts: 100_000, seed: 1 })
  const rssMb = process.resourceUsage().maxRSS / 1000
  note(`100,000 hosts: ${large.events} events, p50 ${large.p50Ms} ms, p99 ${large.p99Ms} ms`)
  return {
    ...{ sim_events_per_s: eventsPerSecond, sim_100k_s: large.wallMs / 1000, sim_100k_rss_mb: rssMb },
    ...(await measureFleets(note)),
  }
}

async function measureFleets(note: (line: string) => void): Promise<Measured> {
  const seconds: number[] = []
  for (let seed = 1; seed <= seeds; seed++) seconds.push(await runFleet(drawScenario(seed), note))
  const drawn = drawScenario(7, { hosts: 1_000, everything: true })
  const largest = await runFleet({ ...drawn, releases: drawn.releases.slice(0, 1) }, note)
  return {
    sim_1000_s: largest,
    sim_seed_s: seconds.reduce((sum, each) => sum + each, 0) / seconds.length,
    sim_seed_max_s: Math.max(...seconds),
  }
}

/** Seconds of processor time. */
async function runFleet(scenario: Scenario, note: (line: string) => void): Promise<number> {
  const beganMs = processorMs()
  const { ending, events } = await simulate(scenario)
  const seconds = (processorMs() - beganMs) / 1000
  note(
    `seed ${scenario.seed}, ${scenario.hosts} agents: ${ending}, ${events} events, ${seconds.toFixed(1)} s`,
  )
  return seconds
}
