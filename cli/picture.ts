// Where a picture of the fleet comes from: the agent of this machine, or, on a laptop without one, the fleet itself, which
// it joins for as long as the command lasts. How it looks is fleet-frame.ts's.
import type { PeerView, RolloutView } from '../node/control.ts'
import type { Picture } from './census.ts'
import { ask } from './client.ts'
import { CliError, exits, type Io, type Options } from './command.ts'
import { projectRoot } from './project.ts'

export const sourceOptions = [
  ['--reach <seconds>', 'without an agent here: how long to look for hosts', '10'],
] as const

export interface Source {
  look(): Promise<Picture>
  close(): Promise<void>
}

/** `folder`: the agent's state folder, if one was named; then no other way is tried. */
export async function openSource(options: Options, folder: string | undefined, io: Io): Promise<Source> {
  const where: Options = { state: folder }
  const look = async (): Promise<Picture> => {
    const [peers, rollout] = await Promise.all([
      ask<readonly PeerView[]>(where, io, { ask: 'peers' }),
      ask<RolloutView | null>(where, io, { ask: 'rollout' }),
    ])
    return { peers, rollout }
  }
  try {
    const first = await look()
    let next: Picture | undefined = first
    return {
      async look() {
        const now = next ?? (await look())
        next = undefined
        return now
      },
      close: async () => {},
    }
  } catch (error) {
    const isElsewhere = error instanceof CliError && error.exit === exits.noAgent
    if (!isElsewhere || folder !== undefined || io.env['FLEET_STATE'] !== undefined) throw error
    if (projectRoot(io.cwd) === undefined)
      throw new CliError(error.message, {
        exit: error.exit,
        hint: `${error.hint}\n  or, on an operator's machine: go to the repository of your fleet, and type the same`,
      })
    // Brings libp2p along, which an agent's answer does not need.
    const { openOnlooker } = await import('./onlooker.ts')
    return openOnlooker(options, io)
  }
}

/** Opens, uses, closes; the arguments are openSource's. */
export async function withSource<T>(
  options: Options,
  folder: string | undefined,
  io: Io,
  use: (source: Source) => Promise<T>,
): Promise<T> {
  const source = await openSource(options, folder, io)
  try {
    return await use(source)
  } finally {
    await source.close()
  }
}
