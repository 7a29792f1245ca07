// What an operator wants tried on a simulated fleet: a roster, releases and terms of their own instead of made-up ones, and
// the script of such a run. Plain data and dice; cli/sim-plan.ts reads it from a repository, rehearsal.ts plays it.
import type { SourceFile } from '../node/publish.ts'
import type { RolloutTerms } from '../node/release.ts'
import { drawScenario, shuffled } from './draw.ts'
import type { Fault, FaultClass, Scenario } from './faults.ts'
import { World } from './world.ts'

export interface Plan {
  /** Whose files and how many hosts, in words. */
  readonly title: string
  readonly hosts: readonly PlannedHost[]
  readonly terms: RolloutTerms
  readonly releases: readonly PlannedRelease[]
}

export interface PlannedHost {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** Its declaration has a CHECK, which a bad release can fail. */
  readonly checks: boolean
  /** Files that its declaration takes for given: a machine in memory has only what is put there. */
  readonly given: readonly string[]
}

export interface PlannedRelease {
  readonly subject: string
  readonly files: ReadonlyMap<string, SourceFile>
  /** How many hosts it breaks; they are drawn. Default: none. */
  readonly breaks?: number
  /** The content of the release before goes on the never list: what `fleet rollback` does. */
  readonly takesBack?: boolean
}

/** How a release does not work on a host. */
export type Breakage = 'check' | 'step'

/** Which hosts a release breaks, and how: half by a check where there is one, the others by a step. */
export function breakages(
  { hosts }: Plan,
  { breaks = 0 }: PlannedRelease,
  chance: () => number,
): ReadonlyMap<number, Breakage> {
  const struck = shuffled(hosts.length, chance).slice(0, breaks)
  return new Map(struck.map(at => [at, hosts[at]!.checks && chance() < 0.5 ? 'check' : 'step']))
}

export interface RehearsalOptions {
  readonly hosts: number
  readonly releases: number
  /** Classes that may strike besides what is always so. */
  readonly classes?: readonly FaultClass[]
}

const second = 1_000
const minute = 60 * second
/** A guess at how long a release takes, ms: when faults strike, not how long is waited. */
const releaseMs = 20 * second
/** What goes on in any fleet: share of gossip that is lost, hosts that are booted, agents that end, as parts of all. */
const lossOfAll = 0.002
const bootsOfAll = 0.02
const restartsOfAll = 0.03
/** Within which the last release goes through its stages. */
const healingMs = 120 * minute
/** Struck one by one in any run: a thousand faults would tell no more. */
const struckMax = 40

/** The script of a rehearsal. Its first phase lasts as long as its releases take; what is drawn is spread over a guess. */
export function drawRehearsal(seed: number, options: RehearsalOptions): Scenario {
  const { hosts, releases, classes = [] } = options
  const faultsMs = 40 * second + releases * releaseMs
  const base = drawScenario(seed, { hosts, classes, faultsMs })
  const chance = new World(seed).chance('scenario', 'rehearsal')
  const at = () => Math.round(20 * second + chance() * (faultsMs - 30 * second))
  const some = (part: number) =>
    shuffled(hosts, chance).slice(0, Math.min(struckMax, Math.max(1, Math.round(part * hosts))))
  const faults: Fault[] = [
    ...base.faults,
    { kind: 'loss', atMs: 0, untilMs: faultsMs, hosts: [], amount: lossOfAll },
    ...some(bootsOfAll).map((host): Fault => {
      const atMs = at()
      const untilMs = Math.min(faultsMs, Math.round(atMs + (0.5 + chance() / 2) * minute))
      return { kind: 'kill', atMs, untilMs, hosts: [host] }
    }),
    ...some(restartsOfAll).map((host): Fault => ({ kind: 'restart', atMs: at(), hosts: [host] })),
  ]
  faults.sort((a, b) => a.atMs - b.atMs || (a.kind < b.kind ? -1 : 1))
  const core = classes.length === 0 ? Array.from({ length: hosts }, (_, each) => each) : base.core
  // The stages are those of the plan.
  const { stages: _, soakSeconds: __, ...rest } = base
  return { ...rest, healMs: healingMs, releases: [], core, faults }
}
