// `fleet fresh`: the newest release may start for longer than its entry says.
import type { Time } from '../../signing/fields.ts'
import { CliError, type CommandSpec, exits, textOption } from '../command.ts'
import { giveOrders, heldText, orderOptions } from '../order.ts'
import { period } from './pause.ts'

export const spec: CommandSpec = {
  about:
    'Signs an order that extends until when hosts may begin with the newest release; STALE goes. An entry expires so that a host which was away for long starts nothing that nobody stands behind any more. One operator is enough.',
  options: [
    ['--for <time>', 'from now on: 12h, 7d (at most 30d)'],
    ['--until <time>', 'such as 2026-12-31 or 2026-12-31T12:00:00Z'],
    ...orderOptions,
  ],
  examples: ['fleet fresh --for 30d', 'fleet fresh --until 2026-12-31 --yes'],
  json: true,
  async run(_args, options, io) {
    const until = untilOf(textOption(options, 'for'), textOption(options, 'until'))
    const given = await giveOrders('fresh', options, io, ({ release, orders }) => {
      const before = Math.max(release.release.expiresMs, orders.freshUntilMs ?? 0)
      const is = `${timeText(before)} as it is`
      if (Date.parse(until) <= before)
        throw new CliError(`--until: found ${until}; expected a time after ${is}; nothing was ordered`, {
          exit: exits.badInput,
        })
      return {
        wishes: [{ order: 'fresh', until }],
        lines: [`hosts may begin with it until ${until} (${is})`],
        question: 'extend it?',
      }
    })
    return {
      json: { ...given, until },
      text: () => `release ${given.release.sequence} is fresh until ${until}; ${heldText(given)}`,
    }
  },
}

const timeText = (ms: number) => new Date(ms).toISOString().replace(/\.[0-9]+Z$/, 'Z') as Time

function untilOf(length: string | undefined, until: string | undefined): Time {
  if ((length === undefined) === (until === undefined))
    throw new CliError('expected one of --for and --until', {
      exit: exits.badInput,
      hint: 'fleet fresh --for 30d',
    })
  if (length !== undefined) return timeText(Date.now() + period(length))
  const ms = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$/.test(until ?? '') ? Date.parse(until!) : Number.NaN
  if (!Number.isNaN(ms)) return timeText(ms)
  throw new CliError(`--until: found '${until}', expected a time in UTC such as 2026-12-31T12:00:00Z`, {
    exit: exits.badInput,
  })
}
