// From a scenario that fails to a small one that still fails: classes, hosts and releases, time, faults, parameters, in
// this order. What counts as failing, and each run, is the caller's.
import { ddmin } from './ddmin.ts'
import { type Fault, type FaultKindSpec, faultClasses, faultKinds, type Scenario } from './faults.ts'
import { amountRange } from './scenario.ts'

export interface Shrunk {
  readonly scenario: Scenario
  /** How often `fails` was asked. */
  readonly runs: number
}

/** `scenario` is taken to fail. `fails` is never asked twice for one scenario, and at most `runsMax` times. */
export async function shrink(
  scenario: Scenario,
  fails: (candidate: Scenario) => Promise<boolean>,
  { runsMax }: { readonly runsMax: number },
): Promise<Shrunk> {
  const search = new Search(scenario, fails, runsMax)
  await settle(search)
  const { best } = search
  await parameters(search)
  // Once only: a rounded window may be a longer one, so parameters and time could chase each other.
  if (search.best !== best) await settle(search)
  return { scenario: search.best, runs: search.runs }
}

/** (a) to (d), each of which takes something away, until none does. */
async function settle(search: Search): Promise<void> {
  for (let before: Scenario | undefined; before !== search.best && !search.isOver; ) {
    before = search.best
    for (const pass of [classes, hosts, releases, time, faults]) await pass(search)
  }
}

class Search {
  best: Scenario
  runs = 0
  readonly #fails: (candidate: Scenario) => Promise<boolean>
  readonly #runsMax: number
  readonly #tried: Set<string>

  constructor(best: Scenario, fails: (candidate: Scenario) => Promise<boolean>, runsMax: number) {
    this.best = best
    this.#fails = fails
    this.#runsMax = runsMax
    this.#tried = new Set([JSON.stringify(best)])
  }

  get isOver(): boolean {
    return this.runs >= this.#runsMax
  }

  /** Whether it fails too; then it is the best from now on. What was tried before did not, or is what we have. */
  async take(candidate: Scenario | undefined): Promise<boolean> {
    if (candidate === undefined || this.isOver) return false
    const key = JSON.stringify(candidate)
    if (this.#tried.has(key)) return false
    this.#tried.add(key)
    this.runs++
    if (!(await this.#fails(candidate))) return false
    this.best = candidate
    return true
  }
}

/** (a) Stages and whole classes off, after the boldest guess: that nothing needs to go wrong at all. */
async function classes(search: Search): Promise<void> {
  if (search.best.stages !== undefined) {
    const { stages: _, soakSeconds: __, ...atOnce } = search.best
    await search.take(atOnce)
  }
  if (await search.take({ ...search.best, faults: [] })) return
  for (const name of faultClasses)
    await search.take({
      ...search.best,
      faults: search.best.faults.filter(each => faultKinds[each.kind].class !== name),
    })
}

/** (b) Hosts that nothing names, then halves, then one by one. */
async function hosts(search: Search): Promise<void> {
  const { best } = search
  const named = new Set([...best.faults.flatMap(each => each.hosts), ...best.releases.map(each => each.at)])
  if (!best.core.some(each => named.has(each))) named.add(best.core[0]!)
  await search.take(only(best, [...named]))
  const start = search.best
  const all = Array.from({ length: start.hosts }, (_, i) => i)
  await ddmin(all, async some => search.take(only(start, some)))
}

/**
 * The scenario with these hosts alone, numbered anew in their order; undefined when nobody of the core would be left. A
 * fault that struck none of them goes: without hosts it would strike everybody. Their releases go to the core.
 */
export function only(scenario: Scenario, kept: readonly number[]): Scenario | undefined {
  const order = [...kept].sort((a, b) => a - b)
  const renamed = new Map(order.map((host, i) => [host, i]))
  const rename = (list: readonly number[]) => list.flatMap(each => renamed.get(each) ?? [])
  const core = rename(scenario.core)
  if (core.length === 0) return undefined
  return {
    ...scenario,
    hosts: order.length,
    releases: scenario.releases.map(each => ({ ...each, at: renamed.get(each.at) ?? core[0]! })),
    core,
    faults: scenario.faults.flatMap(each => {
      const struck = rename(each.hosts)
      return each.hosts.length > 0 && struck.length === 0 ? [] : { ...each, hosts: struck }
    }),
  }
}

async function releases(search: Search): Promise<void> {
  const start = search.best
  await ddmin(start.releases, async some => search.take({ ...start, releases: some }))
}

/** (c) The first phase ends with its last event, or earlier: bisected, to a part in thirty. */
async function time(search: Search): Promise<void> {
  const { best } = search
  const ends = [
    ...best.faults.map(each => each.untilMs ?? each.atMs),
    ...best.releases.map(each => each.atMs),
  ]
  await search.take(until(best, Math.max(0, ...ends)))
  let fails = search.best.faultsMs
  let passes = 0
  while (fails - passes > Math.max(1_000, fails / 30)) {
    const middle = Math.round((fails + passes) / 2)
    if (await search.take(until(search.best, middle))) fails = middle
    else passes = middle
  }
}

/** The scenario with a first phase of at most `endMs`; what would begin later is left out. */
export function until(scenario: Scenario, endMs: number): Scenario {
  const faultsMs = Math.min(scenario.faultsMs, endMs)
  return {
    ...scenario,
    faultsMs,
    releases: scenario.releases.filter(each => each.atMs <= faultsMs),
    faults: scenario.faults.flatMap(each => {
      if (each.atMs > faultsMs || (each.atMs === faultsMs && each.untilMs !== undefined)) return []
      return each.untilMs === undefined ? each : { ...each, untilMs: Math.min(each.untilMs, faultsMs) }
    }),
  }
}

/** (d) */
async function faults(search: Search): Promise<void> {
  const start = search.best
  await ddmin(start.faults, async some => search.take({ ...start, faults: some }))
}

/** (e) Fault by fault: whom, how long, when, how much. */
async function parameters(search: Search): Promise<void> {
  for (let i = 0; i < search.best.faults.length && !search.isOver; i++) {
    const fault = () => search.best.faults[i]!
    const take = (change: Partial<Fault>) => search.take(changed(search.best, i, change))
    const struck = fault().hosts
    // An empty list would be everybody.
    await ddmin(struck, async some => some.length > 0 && (await take({ hosts: some })))
    await shorten(fault, take)
    for (const unitMs of [3_600_000, 60_000, 1_000])
      if (await take(rounded(fault(), unitMs, search.best))) break
    await simplerAmount(fault, take)
    const spec: FaultKindSpec = faultKinds[fault().kind]
    if (spec.modes !== undefined) await take({ mode: spec.modes[0]! })
  }
  for (const [i, each] of search.best.releases.entries())
    for (const unitMs of [3_600_000, 60_000, 1_000]) {
      const atMs = Math.round(each.atMs / unitMs) * unitMs
      const rounds = atMs <= search.best.faultsMs
      if (
        rounds &&
        (await search.take({ ...search.best, releases: search.best.releases.with(i, { ...each, atMs }) }))
      )
        break
    }
}

function changed(scenario: Scenario, i: number, change: Partial<Fault>): Scenario {
  return { ...scenario, faults: scenario.faults.with(i, { ...scenario.faults[i]!, ...change }) }
}

/** Half the window, from either end, while it fails. */
async function shorten(
  fault: () => Fault,
  take: (change: Partial<Fault>) => Promise<boolean>,
): Promise<void> {
  for (;;) {
    const { atMs, untilMs } = fault()
    if (untilMs === undefined || untilMs - atMs <= 1_000) return
    const middle = Math.round((atMs + untilMs) / 2)
    if (!(await take({ untilMs: middle })) && !(await take({ atMs: middle }))) return
  }
}

/** Its times in whole units, within the first phase; a window stays open for a unit at least. */
function rounded({ atMs, untilMs }: Fault, unitMs: number, { faultsMs }: Scenario): Partial<Fault> {
  const begin = Math.min(Math.round(atMs / unitMs) * unitMs, faultsMs)
  if (untilMs === undefined) return { atMs: begin }
  if (unitMs > Math.max(1_000, 2 * (untilMs - atMs))) return { atMs, untilMs }
  const end = Math.max(Math.round(untilMs / unitMs) * unitMs, begin + unitMs)
  return end <= faultsMs ? { atMs: begin, untilMs: end } : { atMs, untilMs }
}

async function simplerAmount(
  fault: () => Fault,
  take: (change: Partial<Fault>) => Promise<boolean>,
): Promise<void> {
  const { amount, kind } = fault()
  if (amount === undefined) return
  const { max } = amountRange(kind)
  // All of it is simpler than a share.
  const whole = max === 1 ? [1] : []
  for (const simple of [...whole, Number(amount.toPrecision(1)), Number(amount.toPrecision(2))])
    if (simple === amount || (simple <= max && (await take({ amount: simple })))) return
}
