// `npm run bench [-- GROUP] [-- --json]`: runs the groups one after another and prints each figure beside its budget.
import { cpus, release, totalmem } from 'node:os'
import { measureAgent } from './agent.ts'
import { measureCommands } from './commands.ts'
import { groups, jsonOf, type Measured, table } from './figures.ts'
import { measureFleet } from './fleet.ts'
import { auditAll, freshApply, repairLatency } from './host.ts'
import { measurePeers } from './peers.ts'
import { measureSim } from './sim.ts'
import { measureStaged } from './staged.ts'

const measures: Readonly<Record<string, (note: (line: string) => void) => Promise<Measured>>> = {
  fleet: measureFleet,
  agent: measureAgent,
  commands: measureCommands,
  host: async () => {
    const { ratio } = await freshApply()
    const { ms } = await auditAll()
    const { p50Ms, p99Ms } = await repairLatency()
    return {
      bare_fresh_vs_cp: ratio,
      bare_audit_ms: ms,
      bare_repair_p50_ms: p50Ms,
      bare_repair_p99_ms: p99Ms,
    }
  },
  peers: measurePeers,
  sim: measureSim,
  staged: measureStaged,
}

async function main(args: readonly string[]): Promise<number> {
  const wanted = args.filter(each => each !== '--json')
  const unknown = wanted.find(each => groups[each] === undefined)
  if (unknown !== undefined) {
    console.error(`bench: there is no group '${unknown}', expected one of: ${Object.keys(groups).join(', ')}`)
    return 2
  }
  const names = wanted.length > 0 ? wanted : Object.keys(groups)
  const [cpu] = cpus()
  console.log(
    `${cpus().length} x ${cpu?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}\n`,
  )
  let measured: Measured = {}
  let failed = false
  for (const name of names) {
    const began = performance.now()
    try {
      const note = (line: string) => console.error(`  ${name}: ${line}`)
      measured = { ...measured, ...(await measures[name]!(note)) }
    } catch (error) {
      failed = true
      console.error(`bench: ${name}: ${(error as Error).message}`)
    }
    console.error(`  ${name}: took ${((performance.now() - began) / 1000).toFixed(0)} s`)
  }
  console.log(
    table(
      names.flatMap(name => groups[name]!),
      measured,
    ),
  )
  if (args.includes('--json')) console.log(JSON.stringify(jsonOf(measured)))
  return failed ? 1 : 0
}

process.exitCode = await main(process.argv.slice(2))
