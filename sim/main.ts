// `simulate`: one scenario, one report. The simulator runs the production cores, loop and host engine; what is simulated is
// the world around them (docs/simulator.md).
import { version } from '../node/config.ts'
import { memoiseVerification } from '../signing/crypto.ts'
import type { Scenario } from './faults.ts'
import { faultKinds } from './faults.ts'
import { SimFleet } from './fleet.ts'
import { memory } from './memory.ts'
import type { Plan } from './plan.ts'
import type { FaultStory, Report } from './report.ts'
import { trafficOf } from './story.ts'

export interface SimulateOptions {
  /** Check every signature anew, as real hosts do, instead of once for all. */
  readonly realCrypto?: boolean
  /** An operator's own fleet; the scenario is then one of drawRehearsal for it. */
  readonly plan?: Plan
  readonly onProgress?: (share: number, line: string) => void
}

/** Never fails for what happens in the fleet: that is in the report. One run at a time in a process. */
export async function simulate(scenario: Scenario, options: SimulateOptions = {}): Promise<Report> {
  const memo = options.realCrypto === true ? undefined : memoiseVerification()
  const began = process.hrtime.bigint()
  const cpu = process.cpuUsage()
  try {
    const { plan } = options
    const fleet = new SimFleet(scenario, memo && memory(), plan)
    const pending = await fleet.run(options.onProgress ?? (() => {}))
    const { world, story, marks, network } = fleet
    const { user, system } = process.cpuUsage(cpu)
    return {
      format: 1,
      seed: scenario.seed,
      ...(plan && { title: plan.title }),
      version,
      ending: fleet.ending(pending),
      violations: fleet.violations,
      pending,
      traceHash: world.traceHash(),
      hosts: fleet.hosts.map(each => each.name),
      observers: fleet.observers.length,
      engines: fleet.observers.length,
      simulatedMs: world.nowMs,
      events: world.events,
      wallMs: Number((process.hrtime.bigint() - began) / 1_000_000n),
      releases: story.releases(),
      traffic: trafficOf(
        fleet.hosts.map(each => network.traffic(each.self)),
        memo?.asked() ?? 0,
        (user + system) / 1000,
      ),
      curve: story.curve(),
      heat: story.heat(),
      faults: scenario.faults.map(faultStory),
      marks: marks.counts,
      queues: Object.fromEntries(fleet.queues),
      again: `fleet sim --seed ${scenario.seed} --hosts ${scenario.hosts}`,
    }
  } finally {
    memo?.stop()
  }
}

function faultStory({ kind, atMs, untilMs, hosts, amount, mode }: Scenario['faults'][number]): FaultStory {
  const spec = faultKinds[kind]
  const unit = 'amount' in spec ? spec.amount : undefined
  const more = [mode, amount !== undefined && unit !== undefined ? `${amount} ${unit}` : undefined]
  const detail = more.filter(each => each !== undefined).join(', ')
  const text = detail === '' ? spec.text : `${spec.text} (${detail})`
  return { kind, atMs, hosts, text, ...(untilMs !== undefined && { untilMs }) }
}
