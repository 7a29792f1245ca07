// What each host has noted of the stages of releases, as checkers see it: whom it takes a release to concern, what it has opened,
// whether it was halted. Read from what its core wants kept; judged by standings.ts.
import { readSaid } from '../node/aftermath.ts'
import type { Opening } from '../node/standing.ts'
import type { Turns } from '../node/turns.ts'
import type { Scene, SimEvent, Watched } from './events.ts'
import { heardIn } from './heard.ts'
import { type Changes, lineOf, Standings } from './standings.ts'

interface New {
  readonly entry: string
  readonly before: readonly Opening[]
  readonly opening: Opening
}

interface Noted {
  changes: Changes | undefined
  /** Each by its numbers, with when it was first seen. */
  readonly openings: Map<string, Opening>
  /** As it was looked at last. */
  seen: readonly Opening[] | undefined
  halted: { readonly atMs: number; readonly disks: number } | undefined
}

/** ms after which what is to be kept durably is, on the slowest disk. */
const keptMs = 10_000

/** The same for all hosts that were answered alike. */
const lines = new WeakMap<Changes, Map<string, Turns>>()

export class Rollouts {
  readonly #hosts = new Map<string, Map<string, Noted>>()
  /** By host: contents with which it has noted that it was HEALTHY. */
  readonly #proved = new Map<string, Set<string>>()
  #nowMs = 0

  /** To be called with every `decided`, `ended` and `spoke`, before anything is asked. */
  event(event: SimEvent, scene: Scene): void {
    this.#nowMs = scene.nowMs()
    heardIn(scene).event(event)
    if (event.kind === 'ended') this.#ended(event.host)
    if (event.kind !== 'decided') return
    const { host, input } = event
    // Before it is said, too: what is decided next is right already.
    for (const effect of event.effects)
      if (effect.kind === 'keep-said') this.#kept(host, effect.record, scene)
    if (input.kind === 'surveyed') this.#of(host, input.entry).changes = input.changes
  }

  /** The openings that were not seen before, each with those before it, and their release. */
  noted(host: Watched): readonly New[] {
    const record = host.peer?.agent.noted()
    if (record === undefined) return []
    const { entry, opened, halted } = record
    const noted = this.#of(host, entry)
    if (noted.halted === undefined && halted === undefined && noted.seen === opened) return []
    noted.seen = opened
    // The record takes the place of any other release's.
    for (const [id, other] of this.#hosts.get(host.name) ?? []) if (id !== entry) other.halted = undefined
    const atMs = this.#nowMs
    if (halted !== undefined) noted.halted ??= { atMs, disks: host.disks }
    const found: New[] = []
    const before: Opening[] = []
    for (const { stage, granted, upTo } of opened) {
      const name = `${stage} ${granted} ${upTo}`
      const known = noted.openings.get(name)
      const opening = known ?? { stage, granted, upTo, atMs }
      if (known === undefined) found.push({ entry, before: [...before], opening })
      noted.openings.set(name, opening)
      before.push(opening)
    }
    return found
  }

  opened(host: Watched, entry: string): readonly Opening[] {
    return [...this.#of(host, entry).openings.values()]
  }

  /** It has noted a HALT on the disk that it still has. */
  isHalted(host: Watched, entry: string): boolean {
    return this.#of(host, entry).halted?.disks === host.disks
  }

  /** Whether it was well with that content before, so that it may go back to it at any time. */
  wasHealthy({ name }: Watched, content: string | undefined): boolean {
    return content !== undefined && this.#proved.get(name)?.has(content) === true
  }

  line({ name, peer }: Watched, entry: string): Turns | undefined {
    const changes = this.#hosts.get(name)?.get(entry)?.changes
    const release = peer?.entries.byId(entry)
    if (changes === undefined || peer === undefined || release?.release === undefined) return undefined
    const known = lines.get(changes) ?? new Map<string, Turns>()
    lines.set(changes, known)
    const about = `${entry} ${peer.entries.trustSequence()}`
    const found = known.get(about) ?? lineOf(peer, { ...release, release: release.release }, changes)
    known.set(about, found)
    return found
  }

  /** How the hosts of a release stand by what a host has heard until now; undefined: it does not know whom that concerns. */
  standings(host: Watched, entry: string, opened: readonly Opening[], scene: Scene): Standings | undefined {
    const turns = this.line(host, entry)
    const { peer } = host
    const release = peer?.entries.byId(entry)
    if (turns === undefined || peer === undefined || release?.release === undefined) return undefined
    return new Standings({
      ...{ turns, opened, release: { ...release, release: release.release } },
      words: heardIn(scene).of(host, entry),
      orders: peer.orders.of(entry),
      enrolled: peer.entries.roster().length,
      isEnrolled: each => peer.entries.host(each) !== undefined,
      isDoubted: each => peer.agent.noted()?.doubted.has(each) === true,
      nowMs: scene.nowMs(),
    })
  }

  #ended({ name }: Watched): void {
    for (const noted of this.#hosts.get(name)?.values() ?? [])
      if (noted.halted !== undefined && this.#nowMs < noted.halted.atMs + keptMs) noted.halted = undefined
  }

  #kept(host: Watched, record: Uint8Array, { ledger }: Scene): void {
    const said = readSaid(record)?.said
    if (said?.state !== 'HEALTHY') return
    const content = ledger.byId(said.entry)?.content
    const known = this.#proved.get(host.name) ?? new Set()
    this.#proved.set(host.name, known)
    if (content !== undefined) known.add(content)
  }

  #of({ name }: Watched, entry: string): Noted {
    const entries = this.#hosts.get(name) ?? new Map<string, Noted>()
    this.#hosts.set(name, entries)
    let noted = entries.get(entry)
    if (noted === undefined) {
      noted = { changes: undefined, openings: new Map(), seen: undefined, halted: undefined }
      entries.set(entry, noted)
    }
    return noted
  }
}
