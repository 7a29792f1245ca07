// Ten agents as processes: from `fleet publish` to the end of the last host's run, by the agents' own logs; then what they
// take when nothing happens.
import { Bed, idleCost, type Line } from './bed.ts'
import { type Measured, median } from './figures.ts'

const hosts = 10
const files = 100
const rounds = 5

export async function measureFleet(note: (line: string) => void): Promise<Measured> {
  const bed = await Bed.make(hosts, files)
  try {
    for (const host of bed.hosts) await bed.start(host)
    const first = await bed.publish()
    for (const host of bed.hosts) await bed.ran(host, first)
    const whole: number[] = []
    const signed: number[] = []
    const command: number[] = []
    for (let round = 0; round < rounds; round++) {
      bed.write(files)
      bed.commit(`round ${round}`)
      const began = Date.now()
      const sequence = await bed.publish()
      command.push(Date.now() - began)
      const ends: number[] = []
      for (const host of bed.hosts) ends.push(Date.parse((await bed.ran(host, sequence)).time))
      const last = Math.max(...ends)
      const accepted = bed.hosts.flatMap(host =>
        bed.lines(host).filter((each: Line) => each.event === 'entry accepted' && each.sequence === sequence),
      )
      // The first host's word that it has the entry: a few ms after the laptop signed it.
      const known = Math.min(...accepted.map(each => Date.parse(each.time)))
      whole.push(last - began)
      signed.push(last - known)
      note(`round ${round + 1}: ${last - began} ms, of which ${last - known} ms since the entry was out`)
    }
    const idle = await idleCost(bed, note)
    return {
      idle_rss_mb: idle.rssMb,
      idle_cpu_pct: idle.cpuPct,
      publish_to_last_ms: median(whole),
      signed_to_last_ms: median(signed),
      publish_command_ms: median(command),
    }
  } finally {
    await bed.close()
  }
}
