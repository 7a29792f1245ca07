// `fleet halt`: no host begins with the newest release any more.
import { CliError, type CommandSpec, exits, textOption } from '../command.ts'
import { giveOrders, heldText, orderOptions } from '../order.ts'

export const spec: CommandSpec = {
  about:
    'Signs an order that holds the newest release: no host begins with it from then on. Those that have it keep it, and repair goes on. One operator is enough. Works from a laptop with no agent, in the seconds that it takes to hand the order over; hosts pass it on. It lasts until fleet resume, or a newer release.',
  options: [['-m, --message <text>', 'the reason, shown on every host'], ...orderOptions],
  examples: ['fleet halt -m "customers see errors"', 'fleet halt --yes'],
  json: true,
  async run(_args, options, io) {
    const reason = reasonOf(textOption(options, 'message'))
    const given = await giveOrders('halt', options, io, ({ orders }) => ({
      wishes: [{ order: 'halt', ...(reason !== undefined && { reason }) }],
      lines: [
        'no host begins with it any more; those that have it keep it, repair goes on',
        ...orders.halts.map(each => `halted already by ${each.signer} at ${each.issued}`),
      ],
      question: 'halt it?',
    }))
    return {
      json: given,
      text: () =>
        `halted release ${given.release.sequence}; ${heldText(given)}\nlet it go on: fleet resume; take it back: fleet rollback SEQUENCE`,
    }
  },
}

function reasonOf(text: string | undefined): string | undefined {
  const reason = text?.trim()
  if (reason === undefined || reason === '') return undefined
  const bytes = Buffer.byteLength(reason)
  if (bytes <= 512 && !/[\u0000-\u001f\u007f]/.test(reason)) return reason
  throw new CliError(`--message: found ${bytes} bytes; expected one line of at most 512`, {
    exit: exits.badInput,
  })
}
