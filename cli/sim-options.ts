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
  /** An operator's own fleet, instead of a made-up one. */
  readonly repository?: RepositoryAsk
  readonly replay?: string
  readonly write?: string
  readonly shrink?: string
  readonly html?: string
}

export interface RepositoryAsk {
  /** As typed. */
  readonly folder: string
  /** Undefined: the files as they are now. */
  readonly rev?: string
  /** Part of the hosts that the last release breaks, in basis points; undefined: none of its releases does. */
  readonly breaks?: number
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
  replay: ['seed', 'seeds', 'hosts', 'faults', 'releases', 'write'],
  seeds: ['seed', 'write', 'shrink', 'html'],
  repo: ['replay', 'seeds', 'releases', 'write', 'shrink'],
}

/** Ten times what 50 hosts take at worst, on a machine that has other work, too. */
const patienceSeconds = 300

export function readAsk(options: Options): OneAsk | CampaignAsk {
  for (const [name, others] of Object.entries(notWith))
    for (const other of options[name] === undefined ? [] : others)
      if (options[other] !== undefined)
        throw new CliError(`--${name} and --${other} do not go together`, { exit: exits.badInput })
  const terms = readTerms(options)
  const repository = readRepository(options)
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
    ...(repository && { repository }),
    ...texts,
  }
}

function readTerms(options: Options): Terms {
  const hosts = numberOption(options, 'hosts', 1, scenarioLimits.hostsMax)
  const classes = readClasses(textOption(options, 'faults'))
  const releases = numberOption(options, 'releases', 1, scenarioLimits.releasesMax)
  return {
    ...(hosts !== undefined && { hosts }),
    ...(classes !== undefined && { classes }),
    ...(releases !== undefined && { releases }),
    ...(options['realCrypto'] === true && { realCrypto: true }),
    ...(options['checkDeterminism'] === true && { twice: true }),
  }
}

function readRepository(options: Options): RepositoryAsk | undefined {
  const folder = textOption(options, 'repo')
  const rev = textOption(options, 'rev')
  const part = textOption(options, 'break')
  if (folder === undefined) {
    for (const name of ['rev', 'break'])
      if (options[name] !== undefined)
        throw new CliError(`--${name} is for a repository`, {
          exit: exits.badInput,
          hint: 'fleet sim --repo . --break 3%',
        })
    return undefined
  }
  const match = part === undefined ? undefined : /^([0-9]{1,3}(?:\.[0-9]{1,2})?)%$/.exec(part)
  const breaks = match === undefined ? undefined : Math.round(Number(match?.[1]) * 100)
  if (breaks !== undefined && !(breaks > 0 && breaks <= 10_000))
    throw new CliError(`--break: found '${part}', expected a part of the hosts such as 3% or 0.5%`, {
      exit: exits.badInput,
    })
  return { folder, ...(rev !== undefined && { rev }), ...(breaks !== undefined && { breaks }) }
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
export function againFor(
  seed: number,
  { hosts, classes, releases, realCrypto, twice }: Terms,
  repository?: RepositoryAsk,
): string {
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
    repository && `--repo ${quoted(repository.folder)}`,
    repository?.rev !== undefined && `--rev ${quoted(repository.rev)}`,
    repository?.breaks !== undefined && `--break ${repository.breaks / 100}%`,
    hosts !== undefined && `--hosts ${hosts}`,
    faults !== undefined && `--faults ${faults}`,
    releases !== undefined && `--releases ${releases}`,
    realCrypto && '--real-crypto',
    twice && '--check-determinism',
  ]
    .filter(Boolean)
    .join(' ')
}

/** As a shell reads it. */
const quoted = (text: string) =>
  /^[A-Za-z0-9_@%+=:,./~^-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
