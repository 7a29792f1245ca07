// `fleet why PATH`: which step keeps it, where that is written, since which release.
import type { WhyView } from '../../node/control.ts'
import { ask, stateOption } from '../client.ts'
import { CliError, type CommandSpec } from '../command.ts'

export const spec: CommandSpec = {
  args: [
    ['<path>', 'a path on this host, or what it has besides: user:deploy, package:nginx, unit:ssh.service'],
  ],
  options: [stateOption],
  examples: ['fleet why /etc/motd', 'fleet why /etc/motd --json'],
  json: true,
  async run([path = ''], options, io) {
    if (!/^(\/|[a-z]+:.)/.test(path))
      throw new CliError(`found '${path}', expected an absolute path`, { exit: 2 })
    const view = await ask<WhyView | null>(options, io, { ask: 'why', path })
    if (view === null)
      return {
        exit: 1,
        json: null,
        text: () => `${path} is not managed: no step of the release in force is about it`,
      }
    return { json: view, text: () => render(view) }
  },
}

function render(view: WhyView): string {
  const since = new Date(view.sinceMs).toISOString().slice(0, 16).replace('T', ' ')
  const made = view.made === null ? '' : ` (from ${view.made})`
  return [
    view.step,
    `  written in  ${view.origin}${made}`,
    `  by release  ${view.release}`,
    `  since       ${since} UTC`,
    ...(view.original ? ['  before      what was there is saved, and comes back when the step goes'] : []),
  ].join('\n')
}
