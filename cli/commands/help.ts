// `fleet help`: what a verb of the steps language does, from the same words as docs/verbs/.
import { CliError, type CommandSpec, exits } from '../command.ts'
import { pages, terminal } from '../reference.ts'
import { table } from '../render.ts'

export const spec: CommandSpec = {
  args: [['[verb]', 'a verb of the steps language, in any case; without one, all of them']],
  about: 'Of a command: fleet COMMAND --help.',
  examples: ['fleet help', 'fleet help COPY', 'fleet help when'],
  json: true,
  async run([word], _options, io) {
    const all = pages()
    const columns = Math.min(io.columns, 80)
    const list = () =>
      table(
        ['VERB', ''],
        all.map(({ name, summary }) => [name, summary]),
        columns,
      )
    if (word === undefined)
      return {
        json: all.map(({ name, summary }) => ({ name, summary })),
        text: () =>
          `${list()}\n\nOf a verb: fleet help COPY. Of a command: fleet plan --help; all: fleet --help`,
      }
    const page = all.find(each => each.name === word.toUpperCase())
    if (page === undefined)
      throw new CliError(`there is no verb '${word}'`, {
        exit: exits.badInput,
        hint: `expected one of ${all.map(each => each.name).join(' ')}; of a command: fleet ${word} --help`,
      })
    return { json: page, text: () => terminal(page, columns) }
  },
}
