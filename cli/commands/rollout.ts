// `fleet rollout`: the story of the newest release: its stages, what hosts say for and against it, and what is decided.

import { stateOption } from '../client.ts'
import { type CommandSpec, textOption } from '../command.ts'
import { keyOption, passphraseOption } from '../operator.ts'
import { sourceOptions, withSource } from '../picture.ts'
import { story } from '../story.ts'

export const spec: CommandSpec = {
  about:
    "Stages with bars (█ healthy, × failed, ? fell silent, ▒ running, - absent, · waiting), evidence, and the gate's decision with its reason. Asks the agent of this machine; on a laptop without one, the fleet itself.",
  options: [stateOption, ...sourceOptions, keyOption, passphraseOption],
  examples: ['fleet rollout', 'fleet rollout --json'],
  json: true,
  run: (_args, options, io) =>
    withSource(options, textOption(options, 'state'), io, async source => {
      const picture = await source.look()
      return {
        json: picture.rollout,
        text: () => story(picture, io.columns, Date.now(), io.colour).join('\n'),
      }
    }),
}
