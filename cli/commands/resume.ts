// `fleet resume`: the halts of the newest release hold no longer.
import { CliError, type CommandSpec } from '../command.ts'
import { giveOrders, heldText, orderOptions } from '../order.ts'

export const spec: CommandSpec = {
  about:
    'Signs an order that names the halts of the newest release that operators gave, and so clears them; one given later holds again. Needs the threshold of operators. A halt that follows from hosts that failed names no order: fleet promote outranks it.',
  options: orderOptions,
  examples: ['fleet resume', 'fleet resume --yes'],
  json: true,
  async run(_args, options, io) {
    const given = await giveOrders('resume', options, io, ({ orders, release }) => {
      const { halts } = orders
      if (halts.length === 0)
        throw new CliError(`release ${release.sequence} is not halted by any order; nothing was done`, {
          hint: 'fleet status on a host says what it waits for',
        })
      return {
        wishes: [{ order: 'resume', halts: halts.map(each => each.id).sort() }],
        lines: halts.map(
          each =>
            `clears the halt by ${each.signer} at ${each.issued}${each.reason === undefined ? '' : `: ${each.reason}`}`,
        ),
        question: 'let it go on?',
      }
    })
    return {
      json: given,
      text: () => `release ${given.release.sequence} goes on; ${heldText(given)}`,
    }
  },
}
