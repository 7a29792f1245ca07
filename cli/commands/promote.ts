// `fleet promote`: open stages of the newest release by an operator's word instead of evidence.
import { hex } from '../../signing/bytes.ts'
import { CliError, type CommandSpec, exits, type Options } from '../command.ts'
import { type Found, giveOrders, heldText, hostsNamed, orderOptions } from '../order.ts'
import { count } from '../render.ts'

export const spec: CommandSpec = {
  about:
    'Signs an order that opens the stages up to STAGE, whatever hosts have said so far; also when the release is halted because hosts failed (a halt by an operator is cleared by fleet resume). --without leaves out what a host says, as that of a machine that is known to be broken. Needs the threshold of operators.',
  args: [['[stage]', 'the highest stage to open (default: the next one, by what hosts have said)']],
  options: [['--without <host...>', 'a host whose word does not count'], ...orderOptions],
  examples: ['fleet promote', 'fleet promote 3 --without web7'],
  json: true,
  async run([text], options, io) {
    if (text !== undefined && !/^[1-9][0-9]?$/.test(text))
      throw new CliError(`found '${text}', expected the number of a stage, from 1`, { exit: exits.badInput })
    let stage = 0
    const given = await giveOrders('promote', options, io, found => {
      const { stages, release } = found
      stage = text === undefined ? nextStage(found) : Number(text)
      if (stage > stages.length)
        throw new CliError(
          `release ${release.sequence} has ${count(stages.length, 'stage')} (${stages.join(' ')} hosts); found ${stage}`,
          { exit: exits.badInput },
        )
      const left = hostsNamed(listOption(options, 'without'), found)
      const without = [...new Set([...left.values()].map(hex))].sort()
      return {
        wishes: [{ order: 'promote', stage, ...(without.length > 0 && { without }) }],
        lines: [
          `opens stage ${stage} of ${stages.length}: ${count(stages[stage - 1] ?? 0, 'host')} in all may begin, whatever was heard so far`,
          ...(left.size > 0 ? [`what ${[...left.keys()].join(', ')} says does not count`] : []),
          ...found.orders.halts.map(each => `still halted by ${each.signer}: fleet resume clears that`),
        ],
        question: 'open it?',
      }
    })
    return {
      json: { ...given, stage },
      text: () => `stage ${stage} of release ${given.release.sequence} is open; ${heldText(given)}`,
    }
  },
}

/** The first stage that has hosts which have not begun, as far as is heard; beyond those promoted before. */
function nextStage({ release, stages, orders, trust, said }: Found): number {
  const begun = trust.roster.filter(({ key }) => {
    const status = said(hex(key))
    return status?.entry !== undefined && hex(status.entry[1]) === release.id && status.state !== 'WAIT'
  }).length
  const next = stages.findIndex(each => each > begun) + 1
  return Math.min(stages.length, Math.max(next === 0 ? stages.length : next, orders.promoted + 1))
}

function listOption(options: Options, name: string): readonly string[] {
  const value = options[name]
  return Array.isArray(value) ? value : []
}
