// `fleet retry HOST…`: hosts that failed with the newest release may try it once more.
import { hex } from '../../signing/bytes.ts'
import { CliError, type CommandSpec, exits } from '../command.ts'
import { type Found, giveOrders, heldText, hostsNamed, orderOptions } from '../order.ts'
import { count } from '../render.ts'

export const spec: CommandSpec = {
  about:
    'Signs orders that allow these hosts one more attempt at the newest release. What they say of it replaces what they said at the attempt before, also for others that wait for their word. One operator is enough. For the release as a whole: fleet publish.',
  args: [['<host...>', 'names, as on the roster']],
  options: orderOptions,
  examples: ['fleet retry web7', 'fleet retry web7 web9 --yes'],
  json: true,
  async run(names, options, io) {
    const given = await giveOrders('retry', options, io, found => {
      const hosts = hostsNamed([...new Set(names)], found)
      if (hosts.size === 0) throw new CliError('found no host; expected names', { exit: exits.badInput })
      const tries = [...hosts].map(([name, key]) => ({ name, ...tryOf(hex(key), found) }))
      return {
        wishes: tries.map(({ host, attempt }) => ({ order: 'retry', host, attempt })),
        lines: tries.map(({ name, state, attempt }) => `${name} (${state}) may begin attempt ${attempt}`),
        question: `let ${count(tries.length, 'host')} try again?`,
      }
    })
    return {
      json: given,
      text: () => `${names.join(', ')} may try release ${given.release.sequence} again; ${heldText(given)}`,
    }
  },
}

/** The attempt after all that are known, and what the host last said of this release. */
function tryOf(host: string, { release, orders, said }: Found) {
  const status = said(host)
  const isOf = status?.entry !== undefined && hex(status.entry[1]) === release.id
  const spoken = isOf ? (status.attempt ?? 1) : 1
  const state = isOf
    ? `${status.state}${status.why === undefined ? '' : `: ${firstLine(status.why)}`}`
    : 'says nothing of it'
  return { host, state, attempt: Math.max(orders.attemptOf(host), spoken) + 1 }
}

/** What a host says is anybody's text: no more than a line of it, and nothing that a terminal obeys. */
function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').replace(/\p{Cc}/gu, '?').slice(0, 200)
}
