// Short commands as a person meets them: whole processes, bin/fleet's shell included.
import { Bed } from './bed.ts'
import { type Measured, median } from './figures.ts'

const rounds = 11

export async function measureCommands(): Promise<Measured> {
  const bed = await Bed.make(1, 100)
  try {
    const host = bed.hosts[0]!
    await bed.start(host)
    await bed.ran(host, await bed.publish())
    const state = ['--state', host.state]
    const time = async (args: readonly string[], exits: readonly number[]) => {
      const all: number[] = []
      for (let round = 0; round < rounds; round++) {
        const began = performance.now()
        await bed.stage.fleet(args, { exits })
        all.push(performance.now() - began)
      }
      return median(all)
    }
    return {
      peers_ms: await time(['peers', ...state], [0]),
      status_ms: await time(['status', ...state], [0]),
      plan_ms: await time(['plan', '--root', bed.stage.folder, '--host', host.name], [0, 4]),
      check_ms: await time(['check'], [0]),
    }
  } finally {
    await bed.close()
  }
}
