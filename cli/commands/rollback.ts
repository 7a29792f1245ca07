// `fleet rollback SEQ`: publish the content of an earlier release again, and bar the one that is taken back.
import type { ReleaseEntry } from '../../node/log.ts'
import type { SourceFile } from '../../node/publish.ts'
import type { ReleaseWish } from '../../node/release.ts'
import { CliError, type CommandSpec, exits } from '../command.ts'
import { filesOf } from '../contents.ts'
import type { Laptop } from '../laptop.ts'
import { findProject, readTree } from '../project.ts'
import { publish } from '../publish.ts'
import { common, publishOptions, render, wordsOf } from './publish.ts'

export const spec: CommandSpec = {
  about:
    "Publishes SEQ's content with today's trust as a new release; the content of the newest release goes on the never list, so that no host takes it again by accident. Hosts undo by their journals.",
  args: [['<sequence>', 'the release to go back to (fleet log lists them)']],
  options: publishOptions,
  examples: ['fleet rollback 41', 'fleet rollback 41 -m "back: new TLS settings broke clients"'],
  json: true,
  async run([text = ''], options, io) {
    if (!/^[1-9][0-9]{0,14}$/.test(text))
      throw new CliError(`found '${text}', expected the sequence of a release`, {
        exit: exits.badInput,
        hint: 'fleet log lists them',
      })
    const sequence = Number(text)
    const project = findProject(io.cwd)
    const head = await readTree(project, { rev: 'HEAD' })
    const words = wordsOf(options, `rollback to release ${sequence}`)
    const published = await publish({
      ...(await common(project, head, options, io)),
      async wish(laptop): Promise<ReleaseWish> {
        const newest = laptop.peer.entries.terms()
        const entry = laptop.peer.entries.entries().find(each => each.sequence === sequence)
        if (newest === undefined || entry?.release === undefined)
          throw new CliError(`${sequence} is no release that this laptop's log holds`, {
            exit: exits.badInput,
            hint: `the newest is ${newest?.sequence ?? 'none'}; fleet log on a host lists them`,
          })
        const { content } = entry.release
        if (content === newest.content)
          throw new CliError(`release ${newest.sequence} has the content of ${sequence} already`)
        const files = await filesFor(laptop, project.root, entry as ReleaseEntry)
        const allow = (newest.never ?? []).filter(each => each === content)
        return {
          files,
          source: newest.source,
          never: [newest.content],
          allow,
          terms: project.settings.rollout,
          ...words,
        }
      },
    })
    return { json: published, text: () => render(published) }
  },
}

async function filesFor(
  laptop: Laptop,
  root: string,
  entry: ReleaseEntry,
): Promise<ReadonlyMap<string, SourceFile>> {
  try {
    return await filesOf(laptop, root, entry)
  } catch (error) {
    throw new CliError(
      `the content of release ${entry.sequence} is not on this machine: ${(error as Error).message}`,
      {
        hint: 'run fleet rollback where it was published, or git fetch its commit first',
      },
    )
  }
}
