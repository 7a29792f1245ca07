// `fleet peers`: the fleet, from the last status of each host: once, as a live screen, or as a wait for scripts.
import {
  countsOf,
  epochOf,
  type Filter,
  fits,
  type Picture,
  phaseOf,
  phases,
  type Sort,
  sorted,
  sorts,
  stateWords,
  type Waited,
  waited,
} from '../census.ts'
import {
  type Answer,
  CliError,
  type CommandSpec,
  exits,
  type Io,
  numberOption,
  type Options,
  textOption,
} from '../command.ts'
import { type FrameState, frame, listing } from '../fleet-frame.ts'
import { type Key, live, requireTerminal } from '../live.ts'
import { keyOption, passphraseOption } from '../operator.ts'
import { type Source, sourceOptions, withSource } from '../picture.ts'
import { period } from './pause.ts'

export const spec: CommandSpec = {
  about: `The phases, those that need somebody first: ${phases.join(', ')}. Asks the agent of this machine; on a laptop without one, the fleet itself. docs/fleet.md explains every word.`,
  options: [
    ['--label <name=value...>', 'only hosts with this label; all must fit'],
    ['--state <word...>', `only hosts in this phase or state (one must fit), or the agent's state folder`],
    ['--release <n>', 'only hosts whose last word is about this release; with --wait: the one to wait for'],
    ['--sort <by>', `order: ${sorts.join(', ')}`, 'attention'],
    ['--watch', 'a live screen: q quits, j k and space scroll'],
    ['--wait <what>', 'end when this is so: converged (exit 1 when it cannot be, or takes too long)'],
    ['--timeout <time>', 'how long to wait: 90s, 10m, 2h', '10m'],
    ...sourceOptions,
    keyOption,
    passphraseOption,
  ],
  examples: [
    'fleet peers',
    'fleet peers --watch --label role=web',
    'fleet peers --state failed silent',
    'fleet peers --wait converged --timeout 10m',
  ],
  json: true,
  async run(_args, options, io) {
    const { folder, ...filter } = filterOf(options)
    const sort = sortOf(options)
    const waitMs = waitOf(options)
    const watches = options['watch'] === true
    if (watches && (waitMs !== undefined || options['json'] === true))
      throw new CliError(`--watch and --${waitMs === undefined ? 'json' : 'wait'} do not go together`, {
        exit: exits.badInput,
      })
    if (watches) requireTerminal(io)
    return withSource(options, folder, io, async source => {
      const view = { filter, sort, colour: io.colour }
      if (watches) {
        await watch(source, view)
        return { text: () => '' }
      }
      if (waitMs !== undefined) return wait(source, filter, waitMs, io)
      const picture = await source.look()
      return {
        json: jsonOf(picture, filter, sort),
        text: () => listing({ picture, ...view }, io.columns, Date.now()),
      }
    })
  },
}

/** `--state` takes words of the closed list, and the agent's folder: any path with a slash, or one that is no such word. */
function filterOf(options: Options): Filter & { readonly folder: string | undefined } {
  const words = listOption(options, 'state')
  const isWord = (text: string) => stateWords.includes(text.toLowerCase())
  const others = words.filter(each => !isWord(each))
  const [folder, second] = others.filter(each => each.includes('/'))
  const wrong = others.find(each => !each.includes('/')) ?? second
  if (wrong !== undefined)
    throw new CliError(
      `--state: found '${wrong}', expected one of ${stateWords.join(' ')}, or the agent's state folder as a path with a /`,
      { exit: exits.badInput },
    )
  const labels = listOption(options, 'label')
  for (const each of labels)
    if (!/^[a-z][a-z0-9_-]*(=.*)?$/s.test(each))
      throw new CliError(`--label: found '${each}', expected name=value, or a name for any value`, {
        exit: exits.badInput,
        hint: 'labels are in trust/hosts',
      })
  return {
    folder,
    labels,
    states: words.filter(isWord).map(each => each.toLowerCase()),
    release: numberOption(options, 'release', 1, Number.MAX_SAFE_INTEGER),
  }
}

function listOption(options: Options, name: string): readonly string[] {
  const value = options[name]
  return Array.isArray(value) ? value : typeof value === 'string' ? [value] : []
}

function sortOf(options: Options): Sort {
  const text = textOption(options, 'sort') ?? 'attention'
  const found = sorts.find(each => each === text)
  if (found !== undefined) return found
  throw new CliError(`--sort: found '${text}', expected one of ${sorts.join(' ')}`, { exit: exits.badInput })
}

function waitOf(options: Options): number | undefined {
  const what = textOption(options, 'wait')
  if (what === undefined) return undefined
  if (what !== 'converged')
    throw new CliError(`--wait: found '${what}', expected converged`, { exit: exits.badInput })
  return period(textOption(options, 'timeout') ?? '10m', '--timeout')
}

/** `fleet peers --json`. Stable. */
function jsonOf(picture: Picture, filter: Filter, sort: Sort) {
  const { peers, rollout } = picture
  const newest = rollout?.sequence
  const shown = sorted(
    peers.filter(each => fits(each, filter, newest)),
    sort,
    newest,
  )
  return {
    release: rollout,
    epoch: rollout && epochOf(rollout),
    counts: countsOf(picture),
    hosts: shown.map(each => ({ ...each, phase: phaseOf(each, newest) })),
  }
}

/** ms between two looks of a wait. */
const waitLookMs = 1_000

async function wait(source: Source, filter: Filter, timeoutMs: number, io: Io): Promise<Answer> {
  const { release } = filter
  // The filter by release means the one to wait for here: a host that is not there yet must count.
  const only = { ...filter, release: undefined }
  const began = performance.now()
  let silentAtStart: ReadonlySet<string> | undefined
  let told = ''
  for (;;) {
    const { peers, rollout } = await source.look()
    const picture = { peers: peers.filter(each => fits(each, only, rollout?.sequence)), rollout }
    silentAtStart ??= new Set(picture.peers.filter(each => each.silent).map(each => each.name))
    const end = waited(picture, { release, silentAtStart, timeoutMs }, performance.now() - began)
    if (end !== undefined)
      return {
        exit: end.outcome === 'converged' ? exits.ok : exits.failed,
        json: { ...end, release: release ?? rollout?.sequence ?? null },
        text: () => endText(end),
      }
    const counts = countsOf(picture)
    const words = phases.filter(each => counts[each] > 0).map(each => `${counts[each]} ${each}`)
    const line = `release ${release ?? rollout?.sequence ?? '-'}: ${words.join(', ')}`
    if (line !== told) io.progress((told = line))
    await new Promise(resolve => setTimeout(resolve, waitLookMs))
  }
}

function endText({ outcome, reason, left }: Waited): string {
  const rest = left.length === 0 ? '' : `\nnot waited for (silent since before, or paused): ${left.join(' ')}`
  return `${outcome}: ${reason}${rest}`
}

async function watch(source: Source, view: Pick<FrameState, 'filter' | 'sort' | 'colour'>): Promise<void> {
  let picture: Picture | undefined = await source.look()
  let [offset, page] = [0, 1]
  let trouble: string | undefined
  await live({
    async look() {
      try {
        picture = await source.look()
        trouble = undefined
      } catch (error) {
        trouble = (error as Error).message
      }
    },
    draw(columns, rows) {
      const now: Picture = picture ?? { peers: [], rollout: null }
      const drawn = frame(
        { picture: now, ...view, offset, ...(trouble !== undefined && { trouble }) },
        columns,
        rows,
        Date.now(),
      )
      offset = drawn.offset
      page = drawn.page
      return drawn.lines
    },
    press(key) {
      offset = scrolled(offset, page, key)
    },
  })
}

/** Where a key scrolls to; `draw` keeps it within what there is. */
function scrolled(offset: number, page: number, key: Key): number {
  const by: Partial<Record<Key, number>> = {
    up: -1,
    down: 1,
    'page up': -page,
    'page down': page,
    top: -Infinity,
  }
  return key === 'end' ? Number.MAX_SAFE_INTEGER : Math.max(0, offset + (by[key] ?? 0))
}
