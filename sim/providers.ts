// What a simulated machine has besides paths: accounts, packages, units, kernel parameters, as documents on its disk. Every
// package is on offer and brings nothing along, every unit is known: enough for the roles of real fleets. Decides nothing.
import { carriedAlong } from '../node/host/accounts.ts'
import { StepError } from '../node/host/errors.ts'
import {
  type Change,
  type Changed,
  type Kind,
  kindOf,
  nameOf,
  type Provider,
  type Providers,
  type ResourceId,
  resourceId,
  type Snapshot,
  type State,
  type States,
  sameState,
} from '../node/host/resource.ts'
import { DiskError } from './disk.ts'
import type { Life } from './life.ts'

export interface SimProviders {
  readonly providers: Providers
  /** Somebody changes a resource; whoever listens hears of it. */
  set(id: ResourceId, state: State | null): void
  /** From now on the first change but so many fails, once. */
  failAt(changes: number): void
}

const kinds: readonly Kind[] = ['group', 'user', 'package', 'unit', 'sysctl']
/** What there is without anybody having asked for it. */
const given: { readonly [K in Kind]?: State } = {
  unit: { running: false, enabled: 'disabled' },
  sysctl: { value: '0' },
}
const whole: ReadonlySet<Kind> = new Set(['group', 'user', 'package'])
const packageVersion = '1.0'

export function openSimProviders(life: Life): SimProviders {
  const { disk } = life
  const ears = new Map<Kind, Set<(name: string | undefined) => void>>()
  let failing = Number.POSITIVE_INFINITY
  const get = (id: ResourceId): State | null => disk.resources.get(id) ?? given[kindOf(id)] ?? null
  const tell = (id: ResourceId) => {
    for (const hint of ears.get(kindOf(id)) ?? []) hint(nameOf(id))
  }
  const keep = (id: ResourceId, state: State | null) => {
    try {
      // What is there by itself takes no room.
      disk.keepResource(id, sameState(state, given[kindOf(id)] ?? null) ? null : state)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      throw new StepError(error.code === 'ENOSPC' ? 'DISK_FULL' : 'IO_FAILED', id, error.message)
    }
    tell(id)
  }
  const change = (change: Change) => {
    const { id, to } = change
    if (sameState(get(id), to)) return
    if (failing-- <= 0) {
      failing = Number.POSITIVE_INFINITY
      throw new StepError('IO_FAILED', id, 'found a release that does not work here')
    }
    const along = carriedAlong({ id, from: get(id), to }, disk.resources)
    const wanted = kindOf(id) === 'package' && to !== null ? (to as States['package']) : undefined
    keep(id, wanted ? { ...wanted, version: wanted.version || packageVersion } : to)
    for (const [user, state] of along) keep(user, state)
  }

  const provider = (kind: Kind): Provider => ({
    kind,
    spreads: kind === 'package',
    whole: whole.has(kind),
    observe: async (names): Promise<Snapshot> => {
      life.live()
      const found = new Map(names.map(name => [resourceId(kind, name), get(resourceId(kind, name))]))
      if (whole.has(kind))
        for (const [id, state] of disk.resources) if (kindOf(id) === kind) found.set(id, state)
      return found
    },
    prepare: async () => life.live(),
    change: async (changes): Promise<Changed> => {
      life.live()
      for (const each of changes) change(each)
      return { leftBehind: [] }
    },
    oneWay: async () => new Map(),
    recover: async () => {},
    hear: hint => {
      const mine = ears.get(kind) ?? new Set()
      ears.set(kind, mine.add(hint))
      return () => mine.delete(hint)
    },
    busy: () => false,
    close: () => {},
  })
  return {
    providers: new Map(kinds.map(kind => [kind, provider(kind)])),
    set: (id, state) => keep(id, state),
    failAt: changes => {
      failing = changes
    },
  }
}
