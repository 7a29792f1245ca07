// The hosts of a fleet, parted by what they are doing about the newest release: counts, filters, an order for people, and
// whether a script need wait no longer. Pure; how it looks is fleet-frame.ts's.
import type { PeerView, RolloutView } from '../node/control.ts'
import { count, duration, harmless, nameKey } from './render.ts'

/** The fleet at one moment. */
export interface Picture {
  readonly peers: readonly PeerView[]
  readonly rollout: RolloutView | null
}

/** What each means is in docs/fleet.md; those that need somebody come first. */
export const phases = [
  'failed',
  'not-kept',
  'stuck',
  'silent',
  'applying',
  'soaking',
  'waiting',
  'paused',
  'converged',
] as const
export type Phase = (typeof phases)[number]

/** States that a status may name, those that are shown in place of one, and a flag: what `--state` takes besides phases. */
const shownStates = [
  'NOOP',
  'APPLYING',
  'APPLIED',
  'INCONCLUSIVE',
  'HEALTHY',
  'FAILED',
  'WAIT',
  'BLANK',
  'SILENT',
  'PAUSED',
  'STALE',
] as const

/** Words of `--state`, as they are typed. */
export const stateWords: readonly string[] = [
  ...new Set([...phases, ...shownStates.map(each => each.toLowerCase())]),
]

export function phaseOf(peer: PeerView, release: number | undefined): Phase {
  const has = (...flags: string[]) => flags.some(each => peer.flags.includes(each))
  if (peer.silent) return 'silent'
  if (has('PAUSED')) return 'paused'
  if (has('DIRTY')) return 'failed'
  const isNewest = release !== undefined && (peer.release ?? 0) >= release
  if (isNewest && peer.state === 'FAILED') return 'failed'
  if (peer.notKept > 0) return 'not-kept'
  if (has('FORK', 'CLONED', 'TWINS', 'NEEDS_AGENT')) return 'stuck'
  if (release !== undefined && peer.refused?.sequence === release) return 'stuck'
  if (peer.state === 'WAIT' || peer.state === 'INCONCLUSIVE') return 'stuck'
  if (peer.state === 'APPLYING') return 'applying'
  if (!isNewest) return 'waiting'
  return peer.state === 'APPLIED' ? 'soaking' : 'converged'
}

/** The word in the table: what the host said last, or why that does not count. */
export function stateOf(peer: PeerView): string {
  if (peer.silent) return 'SILENT'
  return peer.flags.includes('PAUSED') ? 'PAUSED' : peer.state
}

export type Counts = Readonly<Record<Phase | 'stale', number>>

/** Each host is in one phase; `stale` ones besides. */
export function countsOf({ peers, rollout }: Picture): Counts {
  const counts = { stale: 0, ...Object.fromEntries(phases.map(each => [each, 0])) } as Record<string, number>
  for (const peer of peers) {
    counts[phaseOf(peer, rollout?.sequence)]!++
    if (peer.flags.includes('STALE')) counts['stale']!++
  }
  return counts as Counts
}

export interface Filter {
  /** `role=web`, or `role` for any value; all must fit. */
  readonly labels: readonly string[]
  /** Of `stateWords`; one must fit, if there are any. */
  readonly states: readonly string[]
  readonly release: number | undefined
}

export function fits(
  peer: PeerView,
  { labels, states, release }: Filter,
  newest: number | undefined,
): boolean {
  const labelled = labels.every(each => {
    const [, name = each, value] = /^([^=]*)=(.*)$/s.exec(each) ?? []
    const found = Object.hasOwn(peer.labels, name) ? peer.labels[name] : undefined
    return value === undefined ? found !== undefined : found === value
  })
  if (!labelled || (release !== undefined && peer.release !== release)) return false
  const isStale = peer.flags.includes('STALE') ? ['stale'] : []
  const words = [phaseOf(peer, newest), stateOf(peer).toLowerCase(), ...isStale]
  return states.length === 0 || states.some(each => words.includes(each))
}

/** `attention`: by phase, as listed above. Names part what is equal. */
export const sorts = ['attention', 'name', 'release', 'heard', 'drift'] as const
export type Sort = (typeof sorts)[number]

export function sorted(
  peers: readonly PeerView[],
  sort: Sort,
  newest: number | undefined,
): readonly PeerView[] {
  const rank: Record<Sort, (peer: PeerView) => number> = {
    attention: peer => phases.indexOf(phaseOf(peer, newest)),
    name: () => 0,
    release: peer => -(peer.release ?? 0),
    // Who has been quiet for longest first.
    heard: peer => (peer.you ? Number.POSITIVE_INFINITY : (peer.heardMs ?? 0)),
    drift: peer => -peer.repairs,
  }
  const by = rank[sort]
  const keyed = peers.map(peer => ({ peer, rank: by(peer), name: nameKey(peer.name) }))
  const order = (a: number | string, b: number | string) => (a < b ? -1 : a > b ? 1 : 0)
  return keyed.sort((a, b) => order(a.rank, b.rank) || order(a.name, b.name)).map(each => each.peer)
}

/** The newest open stage, of how many. */
export function epochOf(rollout: RolloutView): { readonly open: number; readonly of: number } {
  const open = rollout.stages.findLastIndex(each => each.openedMs !== null) + 1
  return { open, of: rollout.stages.length }
}

/** The decision; an order to halt that stands outranks what the evidence says. */
export function decisionOf({ decision, halts }: RolloutView): RolloutView['decision'] {
  const [halt] = halts
  if (halt === undefined || decision.kind === 'halt') return decision
  const reason = `${halt.signer ?? 'somebody unknown'} halted it: ${halt.reason ?? 'no reason given'}`
  return { kind: 'halt', reason, untilMs: null }
}

/** How a wait ended, in `fleet peers --wait converged --json`. Stable. */
export interface Waited {
  readonly outcome: 'converged' | 'timeout' | 'failed' | 'halted' | 'nobody'
  /** In words. */
  readonly reason: string
  /** Hosts that have not converged and were waited for. */
  readonly waiting: readonly string[]
  /** Hosts that were silent at the start and still are, and paused ones: not waited for. */
  readonly left: readonly string[]
}

/** ms in which a host that seems silent may be heard of after all: whoever asks may have started just now. */
const graceMs = 10_000

export interface WaitFor {
  /** Undefined: the newest, also one that is published meanwhile. */
  readonly release: number | undefined
  /** Names that were silent when the wait began. */
  readonly silentAtStart: ReadonlySet<string>
  readonly timeoutMs: number
}

/** The end of a wait, or undefined while it goes on. `peers`: those the filters leave. */
export function waited(picture: Picture, wait: WaitFor, passedMs: number): Waited | undefined {
  const { peers, rollout } = picture
  const known = rollout !== null && rollout.sequence >= (wait.release ?? 0)
  const release = wait.release ?? rollout?.sequence
  const all = sorted(peers, 'name', release).map(peer => ({ peer, phase: phaseOf(peer, release) }))
  const isLeft = ({ peer, phase }: (typeof all)[number]) =>
    phase === 'paused' || (phase === 'silent' && wait.silentAtStart.has(peer.name))
  const left = all.filter(isLeft).map(each => each.peer.name)
  const counted = all.filter(each => !isLeft(each))
  const open = counted.filter(each => each.phase !== 'converged')
  const end = (outcome: Waited['outcome'], reason: string): Waited => ({
    ...{ outcome, reason, waiting: open.map(each => each.peer.name), left },
  })
  const failed = open.find(each => each.phase === 'failed')
  if (known && failed !== undefined)
    return end(
      'failed',
      `${failed.peer.name} failed at release ${failed.peer.release ?? '-'}: ${harmless(failed.peer.why ?? 'it did not say why')}`,
    )
  const decision = rollout === null ? undefined : decisionOf(rollout)
  if (known && decision?.kind === 'halt' && rollout.sequence === release && open.length > 0)
    return end('halted', `release ${release} is halted: ${harmless(decision.reason)}`)
  const mayBeHeard = passedMs < graceMs && all.some(each => isLeft(each) && each.phase === 'silent')
  if (known && open.length === 0 && counted.length > 0 && !mayBeHeard)
    return end('converged', `release ${release} is on ${count(counted.length, 'host')}, all healthy`)
  if (known && all.length === 0) return end('nobody', 'there is no host to wait for: none fits')
  if (passedMs < wait.timeoutMs) return undefined
  const after = `after ${duration(wait.timeoutMs)}`
  if (!known)
    return end(
      'timeout',
      `${after} ${wait.release === undefined ? 'there is no release yet' : `release ${wait.release} has not been heard of`}`,
    )
  if (counted.length === 0) return end('nobody', `${after} all hosts are silent or paused still`)
  const still = open.map(({ peer, phase }) => `${peer.name} ${phase}`)
  return end(
    'timeout',
    `${after} ${open.length} of ${count(counted.length, 'host')} have not converged: ${some(still, 8)}`,
  )
}

/** The first few, and how many more. */
export function some(words: readonly string[], most: number): string {
  const more = words.length - most
  return more > 0 ? `${words.slice(0, most).join(', ')} and ${more} more` : words.join(', ')
}
