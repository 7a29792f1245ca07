// How fast the simulator is: announcements among routers alone, in this process. Events are counted by a second of
// processor time, the best of a few runs, since what else the machine does only ever slows it down.
import { announce } from '../sim/announce.ts'
import type { Measured } from './figures.ts'

const rounds = 5

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
  return { sim_events_per_s: eventsPerSecond, sim_100k_s: large.wallMs / 1000, sim_100k_rss_mb: rssMb }
}
