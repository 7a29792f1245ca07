// What `fleet sim` was asked for: options -> one run, or a campaign. Runs nothing, and reads no file.
import { randomInt } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { type FaultClass, faultClasses } from '../sim/faults.ts'
import type { Terms } from '../sim/outcome.ts'
import { scenarioLimits } from '../sim/scenario.ts'
import { CliError, exits, numberOption, type Options, textOption } from './command.ts'

export interface OneAsk {
  readonly kind: 'one'
  readonly seed: number
  /** The seed was not given. */
  readonly isRandom: boolean
  readonly terms: Terms
  readonly replay?: string
  readonly write?: string
  readonly shrink?: string
  readonly html?: string
}

export interface CampaignAsk {
  readonly kind: 'campaign'
  /** Both included. */
  readonly first: number
  readonly last: number
  readonly jobs: number
  readonly terms: Terms
  /** Wall clock for one run of a seed. */
  readonly patienceMs: number
  readonly resume?: string
}

/** What a scenario file decides itself, and what is for one run only. */
const notWith: Readonly<Record<string, readonly string[]>> = {
  replay: ['seed', 'seeds', 'hosts', 'faults', 'write'],
  seeds: ['seed', 'write', 'shrink', 'html'],
}

/** Ten times what 50 hosts take at worst, on a machine that has other work, too. */
const patienceSeconds = 300

export function readAsk(options: Options): OneAsk | CampaignAsk {
  for (const [name, others] of Object.entries(notWith))
    for (const other of options[name] === undefined ? [] : others)
      if (options[other] !== undefined)
        throw new CliError(`--${name} and --${other} do not go together`, { exit: exits.badInput })
  const terms = readTerms(options)
  const seeds = textOption(options, 'seeds')
  const jobs = numberOption(options, 'jobs', 1, 256)
  const patience = numberOption(options, 'patience', 1, 86_400)
  const resume = textOption(options, 'resume')
  if (seeds !== undefined)
    return {
      kind: 'campaign',
      ...readRange(seeds),
      jobs: jobs ?? availableParallelism(),
      terms,
      patienceMs: (patience ?? patienceSeconds) * 1000,
      ...(resume !== undefined && { resume }),
    }
  for (const name of ['jobs', 'patience', 'resume'])
    if (options[name] !== undefined)
      throw new CliError(`--${name} is for campaigns`, {
        exit: exits.badInput,
        hint: 'fleet sim --seeds 1..100',
      })
  const seed = numberOption(options, 'seed', 0, scenarioLimits.seedMax)
  const texts = Object.fromEntries(
    ['replay', 'write', 'shrink', 'html'].flatMap(name => {
      const value = textOption(options, name)
      return value === undefined ? [] : [[name, value]]
    }),
  )
  return {
    kind: 'one',
    seed: seed ?? randomInt(2 ** 32),
    isRandom: seed === undefined && options['replay'] === undefined,
    terms,
    ...texts,
  }
}

function readTerms(options: Options): Terms {
  const hosts = numberOption(options, 'hosts', 1, scenarioLimits.hostsMax)
  const classes = readClasses(textOption(options, 'faults'))
  return {
    ...(hosts !== undefined && { hosts }),
    ...(classes !== undefined && { classes }),
    ...(options['realCrypto'] === true && { realCrypto: true }),
    ...(options['checkDeterminism'] === true && { twice: true }),
  }
}

/** Undefined: the dice of the seed choose. In the order of the list, whatever was typed. */
function readClasses(text: string | undefined): readonly FaultClass[] | undefined {
  if (text === undefined) return undefined
  if (text === 'all') return faultClasses
  if (text === 'none') return []
  const wanted = text.split(',').map(each => each.trim())
  const wrong = wanted.find(each => !(faultClasses as readonly string[]).includes(each))
  if (wrong !== undefined)
    throw new CliError(
      `--faults: found '${wrong}', expected all, none, or some of ${faultClasses.join(',')}`,
      {
        exit: exits.badInput,
      },
    )
  return faultClasses.filter(each => wanted.includes(each))
}

function readRange(text: string): { readonly first: number; readonly last: number } {
  const match = /^([0-9]+)\.\.([0-9]+)$/.exec(text)
  const [first, last] = [Number(match?.[1]), Number(match?.[2])]
  if (!(first <= last && last <= scenarioLimits.seedMax))
    throw new CliError(
      `--seeds: found '${text}', expected A..B, whole numbers from 0 to ${scenarioLimits.seedMax}`,
      { exit: exits.badInput, hint: 'fleet sim --seeds 1..100' },
    )
  return { first, last }
}

/** The command that runs a seed with these terms again. */
export function againFor(seed: number, { hosts, classes, realCrypto, twice }: Terms): string {
  const faults =
    classes === undefined
      ? undefined
      : classes.length === 0
        ? 'none'
        : classes.length === faultClasses.length
          ? 'all'
          : classes.join(',')
  return [
    `fleet sim --seed ${seed}`,
    hosts !== undefined && `--hosts ${hosts}`,
    faults !== undefined && `--faults ${faults}`,
    realCrypto && '--real-crypto',
    twice && '--check-determinism',
  ]
    .filter(Boolean)
    .join(' ')
}
