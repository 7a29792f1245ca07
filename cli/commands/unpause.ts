// `fleet unpause`: ends a pause before its time.
import { ask, stateOption } from '../client.ts'
import type { CommandSpec } from '../command.ts'

export const spec: CommandSpec = {
  args: [['[path]', 'as it was paused; default: the whole host']],
  options: [stateOption],
  examples: ['fleet unpause', 'fleet unpause /etc/motd'],
  json: true,
  async run([path], options, io) {
    await ask(options, io, { ask: 'unpause', ...(path !== undefined && { path }) })
    return { json: { path: path ?? null }, text: () => `${path ?? 'this host'} is kept again` }
  },
}
