// A laptop that only looks: joins the fleet as its operator, takes the log and the board from whoever it reaches, and answers
// what an agent would. It leaves nothing behind, so that any number may look beside one that publishes.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { limits } from '../gossip/limits.ts'
import { systemClock } from '../node/os.ts'
import { type FleetPorts, peersView, rolloutView } from '../node/views.ts'
import { hex } from '../signing/bytes.ts'
import { CliError, type Io, numberOption, type Options } from './command.ts'
import { openLaptop } from './laptop.ts'
import { operatorOf } from './operator.ts'
import type { Source } from './picture.ts'
import { findProject, readTree, trustOf } from './project.ts'
import { count, duration } from './render.ts'

/** ms without news of the board after which it counts as known: each neighbour was asked twice. */
const quietMs = 2 * limits.guestSyncMs
/** ms after which it does, although there is news all the time, as in a large fleet. */
const settleMs = 5_000
/** ms between looks at whether there is news. */
const lookMs = 50

export async function openOnlooker(options: Options, io: Io): Promise<Source> {
  const project = findProject(io.cwd)
  const trust = trustOf(await readTree(project, 'worktree'))
  const signer = await operatorOf(project, trust, options, io)
  const waitMs = (numberOption(options, 'reach', 1, 3_600) ?? 10) * 1000
  const state = mkdtempSync(join(tmpdir(), 'fleet-look-'))
  const laptop = await openLaptop({ project, trust, signer, io, state, role: 'onlooker' })
  const close = async () => {
    await laptop.close()
    rmSync(state, { recursive: true, force: true })
  }
  try {
    io.progress(
      `no agent runs here: asking the fleet itself (${count(trust.roster.length, 'host')} on the roster)`,
    )
    if (!(await laptop.catchUp(waitMs)))
      throw new CliError(`no host was reached within ${duration(waitMs)}`, {
        hint: 'is a host up, and does its line in trust/hosts have an addr= that this machine reaches?',
      })
    const { agent, carrier, entries, key, orders, reporter } = laptop.peer
    let root = ''
    let newsMs = performance.now()
    const end = newsMs + settleMs
    while (performance.now() < Math.min(end, newsMs + quietMs)) {
      const now = hex(reporter.board.root())
      if (now !== root) newsMs = performance.now()
      root = now
      await new Promise(resolve => setTimeout(resolve, lookMs))
    }
    // Whom the newest release concerns stands in its pack, which comes from a host.
    const packMs = performance.now() + waitMs
    while (entries.release() !== undefined && agent.progress() === undefined && performance.now() < packMs)
      await new Promise(resolve => setTimeout(resolve, lookMs))
    const ports: FleetPorts = {
      ...{ agent, log: entries, reporter, orders, host: key },
      connected: () => carrier.peers(),
    }
    return {
      async look() {
        const now = systemClock.now()
        const aheadMs = now - systemClock.steady()
        return {
          peers: peersView(ports, now, aheadMs),
          rollout: rolloutView(ports, aheadMs),
        }
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
