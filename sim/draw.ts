// The dice: from a seed to the script of a run. First it is drawn which classes of faults there are at all, then how many of
// each and how bad (swarm testing, Groce et al., ISSTA 2012): what never meets would otherwise never be tried alone. Intensities
// after TigerBeetle's VOPR and Jepsen's packages.
import {
  type Fault,
  type FaultClass,
  type FaultKind,
  faultClasses,
  faultKinds,
  type Scenario,
} from './faults.ts'
import { World } from './world.ts'

export interface DrawOptions {
  /** Default: 3 to 50, small ones more often. */
  readonly hosts?: number
  /** Classes that may strike; default: all. */
  readonly classes?: readonly FaultClass[]
  /** ms of the first phase; default: drawn. */
  readonly faultsMs?: number
  /** Published in the first phase; default: drawn. Faults of operators publish besides. */
  readonly releases?: number
  /** Every class that may strike does. */
  readonly everything?: boolean
  /** No stages, whatever the dice say. */
  readonly atOnce?: boolean
}

const second = 1_000
const minute = 60 * second

/** Faults of one class in a run; times the hosts per ten, at least one. */
const perTenHosts: Record<FaultClass, number> = {
  network: 2,
  partition: 1,
  host: 3,
  disk: 2,
  clock: 1,
  apply: 2,
  content: 1,
  hostile: 1,
  operator: 1,
}

/** Faults of one class in any run: a thousand hosts are not struck a thousand times. */
const perClassMax = 20
/** The same of what people publish, since all hosts take it: it does not grow with the fleet. */
const publishedMax = 5
/** Part of the hosts that may be hostile, or one: what releases allow for (`Liars`). */
const liarsMost = 0.05
/** Hosts that one fault strikes, of those that strike hosts one by one. */
const struckMax = 30

export function drawScenario(seed: number, options: DrawOptions = {}): Scenario {
  const world = new World(seed)
  const chance = world.chance('scenario', 'draw')
  const between = (least: number, most: number) => least + chance() * (most - least)
  const whole = (least: number, most: number) => Math.floor(between(least, most + 1))
  const pick = <T>(items: readonly T[]): T => items[Math.floor(chance() * items.length)]!

  const hosts = options.hosts ?? Math.round(3 + 47 * chance() ** 2)
  const drawnMs = Math.round(between(4 * minute, 12 * minute))
  const faultsMs = options.faultsMs ?? drawnMs
  const classes = (options.classes ?? faultClasses).filter(
    () => chance() < 0.55 || options.everything === true,
  )
  // At least two thirds are healed for good: a majority of every neighbourhood.
  const order = shuffled(hosts, chance)
  const core = order.slice(0, Math.max(2, Math.ceil(hosts * between(0.67, 1)))).sort((a, b) => a - b)
  const inCore = new Set(core)
  const outside = order.filter(each => !inCore.has(each))
  const liars = (outside.length > 0 ? outside : order).slice(0, Math.max(1, Math.floor(hosts * liarsMost)))

  const faults: Fault[] = []
  for (const each of classes) {
    const kinds = kindsOf(each).filter(() => chance() < 0.5)
    if (kinds.length === 0) kinds.push(pick(kindsOf(each)))
    const count = Math.min(
      each === 'operator' || each === 'content' ? publishedMax : perClassMax,
      Math.max(1, Math.round((perTenHosts[each] * hosts * between(0.3, 1)) / 10)),
    )
    for (let at = 0; at < count; at++) faults.push(draw(pick(kinds)))
  }
  const published = whole(1, 4)
  const releases = Array.from({ length: options.releases ?? published }, (_, at) => ({
    atMs: at === 0 ? 20 * second : Math.round(between(minute, faultsMs - minute)),
    at: pick(core),
  })).sort((a, b) => a.atMs - b.atMs)
  const scenario = { format: 1, seed, hosts, faultsMs, healMs: 30 * minute, releases, core } as const
  const inOrder = (a: Fault, b: Fault) => a.atMs - b.atMs || (a.kind < b.kind ? -1 : 1)
  const staged = drawStages(world.chance('scenario', 'stages'))
  if (staged === undefined || options.atOnce)
    return { ...scenario, faults: faults.map(atRelease).sort(inOrder) }
  const orders = classes.includes('operator')
    ? drawOrders(world.chance('scenario', 'orders'), releases, faultsMs)
    : []
  const bad = classes.includes('apply') ? drawBad(world.chance('scenario', 'bad release'), scenario) : []
  return { ...scenario, ...staged, faults: [...faults.map(atRelease), ...orders, ...bad].sort(inOrder) }

  /** What a release does to a host matters only if there is one: it begins just before the next, or before the last. */
  function atRelease(fault: Fault): Fault {
    const { kind, atMs, untilMs } = fault
    if (faultKinds[kind].class !== 'apply' || untilMs === undefined) return fault
    const release = releases.find(each => each.atMs > atMs) ?? releases.at(-1)!
    const fromMs = release.atMs - second
    const lasting = Math.max(minute, untilMs - atMs)
    return { ...fault, atMs: fromMs, untilMs: Math.min(faultsMs, fromMs + lasting) }
  }

  function draw(kind: FaultKind): Fault {
    const spec = faultKinds[kind]
    const atMs = Math.round(between(5 * second, faultsMs - 30 * second))
    const lasting = Math.round(Math.min(faultsMs - atMs, between(2 * second, 4 * minute)))
    const modes = 'modes' in spec ? spec.modes : undefined
    const amount = amountOf(kind, between)
    const hosts = struckBy(kind)
    // Whoever lies and is not healed never stops: that is what the healed ones must live with. Floods end, since each second of one
    // costs thousands of events: what they drown they drown in the first phase.
    const isLie = (spec.class === 'hostile' && kind !== 'flood') || spec.class === 'content'
    const isForGood = kind === 'absent' || (isLie && hosts.every(at => !inCore.has(at)))
    return {
      kind,
      atMs: kind === 'absent' ? 0 : atMs,
      ...(spec.lasts && { untilMs: isForGood ? faultsMs : atMs + lasting }),
      hosts,
      ...(amount !== undefined && { amount }),
      ...(modes !== undefined && { mode: pick(modes) }),
    }
  }

  /** Whom it strikes. What cannot be made good again strikes only hosts that are not healed. */
  function struckBy(kind: FaultKind): number[] {
    const each = faultKinds[kind].class
    const some = (least: number, most: number) =>
      shuffled(hosts, chance)
        .slice(0, Math.max(1, Math.min(hosts - 1, whole(least, Math.max(least, most)))))
        .sort((a, b) => a - b)
    if (each === 'operator' || kind === 'hugePack' || kind === 'expired' || kind === 'wrongContent') return []
    if (kind === 'isolate' || kind === 'bridge') return some(1, 1)
    if (kind === 'halves') return some(Math.floor(hosts / 2), Math.ceil(hosts / 2))
    if (kind === 'minority') return some(1, Math.floor(hosts / 3))
    if (each === 'partition') return some(1, Math.ceil(hosts / 2))
    if (each === 'network') return chance() < 0.5 ? [] : some(1, Math.ceil(hosts / 3))
    if (kind === 'storm' || kind === 'breaksRole') return some(Math.ceil(hosts / 3), hosts - 1)
    // Their lies may go on for ever: they are no part of what must converge.
    if (each === 'hostile') return [pick(liars)]
    if (each === 'content') return outside.length > 0 ? [pick(outside)] : some(1, 1)
    return some(1, Math.min(struckMax, Math.ceil(hosts / 10)))
  }
}

/** Orders are drawn with the stages that they are about, by dice of their own: what else a seed draws does not depend on them. */
const orderKinds: readonly FaultKind[] = ['halt', 'resume', 'promote', 'retry']

function kindsOf(of: FaultClass): FaultKind[] {
  return (Object.keys(faultKinds) as FaultKind[]).filter(
    kind => faultKinds[kind].class === of && !orderKinds.includes(kind),
  )
}

/** Half of all worlds have releases in stages; a fleet of N takes about log2 N soaks, and must be able to be done. */
function drawStages(chance: () => number): Pick<Scenario, 'stages' | 'soakSeconds' | 'healMs'> | undefined {
  if (chance() < 0.5) return undefined
  return { stages: 'auto', soakSeconds: 20 + Math.floor(40 * chance()), healMs: 120 * minute }
}

/** In a third of these worlds a release, and what follows it, breaks most hosts for good: its stages must stop it. */
function drawBad(
  chance: () => number,
  { hosts, releases, faultsMs }: Pick<Scenario, 'hosts' | 'releases' | 'faultsMs'>,
): readonly Fault[] {
  if (chance() >= 1 / 3) return []
  const { atMs } = releases[Math.floor(releases.length * chance())]!
  const struck = shuffled(hosts, chance).slice(0, Math.ceil(hosts * (0.5 + chance() / 2)))
  const from = { kind: 'breaksRole', atMs: Math.max(0, atMs - second), untilMs: faultsMs } as const
  return [{ ...from, hosts: struck.sort((a, b) => a - b) }]
}

/** Within minutes of a release, while there is something to order. */
function drawOrders(
  chance: () => number,
  releases: Scenario['releases'],
  faultsMs: number,
): readonly Fault[] {
  return Array.from({ length: Math.floor(4 * chance()) }, () => {
    const { atMs } = releases[Math.floor(releases.length * chance())]!
    const kind = orderKinds[Math.floor(orderKinds.length * chance())]!
    return { kind, atMs: Math.min(faultsMs, Math.round(atMs + 3 * minute * chance())), hosts: [] }
  })
}

function amountOf(kind: FaultKind, between: (least: number, most: number) => number): number | undefined {
  const share = (least: number, most: number) => Number(between(least, most).toFixed(3))
  switch (kind) {
    case 'loss':
    case 'duplicate':
    case 'reorder':
      return share(0.01, 0.3)
    case 'replay':
    case 'corrupt':
      return share(0.005, 0.05)
    case 'breaks':
      return share(0.001, 0.02)
    case 'burst':
      return Math.round(between(200, 20_000))
    case 'rate':
      return Math.round(between(2_000, 200_000))
    case 'restore':
      return Math.round(between(30_000, 240_000))
    case 'errors':
      return share(0.01, 0.3)
    case 'slowDisk':
      return Math.round(between(20, 1_000))
    case 'offset':
    case 'step':
      return Math.round(between(-1, 1) * 7_200_000)
    case 'drift':
      return Math.round(between(-200_000, 200_000))
    case 'applyHangs':
      return Math.round(between(5_000, 300_000))
    case 'flood':
      return Math.round(between(10, 200))
    case 'future':
      return 365 * 86_400_000
    default:
      return undefined
  }
}

export function shuffled(count: number, chance: () => number): number[] {
  const out = Array.from({ length: count }, (_, at) => at)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(chance() * (i + 1))
    ;[out[i], out[j]] = [out[j]!, out[i]!]
  }
  return out
}
