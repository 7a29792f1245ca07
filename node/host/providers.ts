// The loop's way to what a machine has besides paths: many resources observed at once, adjacent changes of one kind as
// one transaction, and the way back from it. What a kind means is left to its provider.
import type { Along } from './act.ts'
import { type Reason, StepError } from './errors.ts'
import type { Intent, Outcome } from './journal.ts'
import {
  type Change,
  type Kind,
  kindOf,
  nameOf,
  type Provider,
  type Providers,
  type ResourceId,
  type Snapshot,
  type State,
  type Surroundings,
  sameState,
} from './resource.ts'
import type { System } from './system.ts'

/**
 * The same providers, for which nothing that a tool or a file says can break more than the steps it is about: whatever they
 * throw is a StepError.
 */
export function contained(providers: Providers): Providers {
  return new Map([...providers].map(([kind, each]) => [kind, containedOne(each)]))
}

function containedOne(provider: Provider): Provider {
  const { kind } = provider
  const named = (error: unknown): StepError => {
    if (error instanceof StepError) return error
    const { message } = error as Error
    return new StepError(
      'TOOL_UNEXPECTED',
      undefined,
      `found an answer about a ${kind} of unknown shape: ${message}`,
    )
  }
  const safe = async <T>(action: () => Promise<T>): Promise<T> => {
    try {
      return await action()
    } catch (error) {
      throw named(error)
    }
  }
  const either = <T>(action: () => T, otherwise: T): T => {
    try {
      return action()
    } catch {
      return otherwise
    }
  }
  return {
    kind,
    spreads: provider.spreads,
    whole: provider.whole,
    ...(provider.sources ? { sources: provider.sources } : {}),
    observe: names => safe(() => provider.observe(names)),
    prepare: changes => safe(() => provider.prepare(changes)),
    change: (changes, surroundings) => safe(() => provider.change(changes, surroundings)),
    oneWay: changes => safe(() => provider.oneWay(changes)),
    recover: reverts => safe(() => provider.recover(reverts)),
    hear: (hint, deaf) => {
      try {
        return provider.hear(hint, deaf)
      } catch (error) {
        deaf(named(error).message)
        return () => {}
      }
    },
    busy: () => either(() => provider.busy(), false),
    owns: paths => either(() => provider.owns?.(paths) ?? new Set(), new Set()),
    close: () => provider.close(),
  }
}

export interface Observed {
  readonly snapshot: Snapshot
  /** Kinds that could not be observed. A kind without a provider is in neither. */
  readonly unseen: ReadonlyMap<Kind, Reason>
}

export const nothingObserved: Observed = { snapshot: new Map(), unseen: new Map() }

/** Asks every provider once, all of them at the same time. */
export async function observe(providers: Providers, ids: Iterable<ResourceId>): Promise<Observed> {
  const names = Map.groupBy(new Set(ids), kindOf)
  const snapshot = new Map<ResourceId, State | null>()
  const unseen = new Map<Kind, Reason>()
  const look = async ([kind, mine]: readonly [Kind, readonly ResourceId[]]) => {
    const provider = providers.get(kind)
    if (!provider) return
    try {
      const found = await provider.observe(mine.map(nameOf))
      for (const [id, state] of found) snapshot.set(id, state)
      for (const id of mine) if (!found.has(id)) snapshot.set(id, null)
    } catch (error) {
      if (!(error instanceof StepError)) throw error
      unseen.set(kind, error.reason)
    }
  }
  await Promise.all([...names].map(look))
  return { snapshot, unseen }
}

function providerOf(providers: Providers, id: ResourceId): Provider {
  const provider = providers.get(kindOf(id))
  if (!provider) throw new StepError('TOOL_MISSING', id, 'found no provider for it on this machine')
  return provider
}

/** What a transaction needs of the run around it. */
export interface Transacting {
  readonly machine: System
  readonly providers: Providers
  readonly surroundings: Surroundings
}

export interface Transacted {
  readonly outcomes: ReadonlyMap<ResourceId, Outcome>
  readonly leftBehind: readonly string[]
}

/**
 * Makes changes of one kind in one go. `states`: where the states before are kept, for a kind that spreads; `begin` is
 * called when these are durable, just before anything is changed. A change that somebody made already is no error.
 */
export async function transact(
  { machine, providers, surroundings }: Transacting,
  changes: readonly Change[],
  states: string | undefined,
  begin: () => void,
): Promise<Transacted> {
  const ids = changes.map(each => each.id)
  const provider = providerOf(providers, ids[0]!)
  const before = await provider.observe(ids.map(nameOf))
  const due: Change[] = []
  for (const change of changes) {
    const now = before.get(change.id) ?? null
    if (sameState(now, change.to)) continue
    if (!sameState(now, change.from))
      throw new StepError(
        'CHANGED_MEANWHILE',
        change.id,
        `found ${JSON.stringify(now)}; expected ${JSON.stringify(change.from)}, as when the run was planned`,
      )
    due.push(change)
  }
  if (states !== undefined) machine.replace(states, new TextEncoder().encode(JSON.stringify([...before])))
  begin()
  const { leftBehind } = due.length > 0 ? await provider.change(due, surroundings) : { leftBehind: [] }
  const after = await provider.observe(ids.map(nameOf))
  const along = provider.spreads ? alongOf(before, after, new Set(ids)) : []
  const outcomes = new Map(ids.map(id => [id, { after: after.get(id) ?? null, along }]))
  return { outcomes, leftBehind }
}

function alongOf(before: Snapshot, after: Snapshot, named: ReadonlySet<ResourceId>): readonly Along[] {
  return differences(before, after).flatMap(id =>
    named.has(id) ? [] : [{ id, before: before.get(id) ?? null, after: after.get(id) ?? null }],
  )
}

function differences(a: Snapshot, b: Snapshot): ResourceId[] {
  const ids = new Set([...a.keys(), ...b.keys()])
  return [...ids].filter(id => !sameState(a.get(id) ?? null, b.get(id) ?? null))
}

/** Bytes; 5,000 packages take 1 MiB. */
const statesBytesMax = 64 * 1024 * 1024

function statesIn(text: string, path: string): [ResourceId, State | null][] {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new StepError(
      'ORIGINAL_DAMAGED',
      path,
      `found ${(error as Error).message}; expected what was noted there`,
    )
  }
}

/** Brings what these intents of one kind changed back to what it was, and what came along with it. */
export async function untransact(
  { machine, providers, surroundings }: Transacting,
  intents: readonly Intent[],
): Promise<readonly string[]> {
  const wanted = new Map<ResourceId, State | null>()
  // Of one resource that was changed twice, the first counts.
  for (const { id, from } of intents.toReversed()) wanted.set(id!, from ?? null)
  const ids = [...wanted.keys()]
  const provider = providerOf(providers, ids[0]!)
  const now = await provider.observe(ids.map(nameOf))
  const states = intents[0]?.states
  if (states !== undefined && machine.lstat(states) !== undefined) {
    const text = new TextDecoder().decode(machine.read(states, statesBytesMax))
    const before = new Map(statesIn(text, states))
    for (const id of differences(before, now)) wanted.set(id, before.get(id) ?? null)
  }
  const changes = [...wanted].flatMap(([id, to]): Change[] => {
    const from = now.get(id) ?? null
    return sameState(from, to) ? [] : [{ id, from, to }]
  })
  if (changes.length === 0) return []
  return (await provider.change(changes, surroundings)).leftBehind
}
