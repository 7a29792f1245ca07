// Plays a plan on a simulated fleet: its releases one after another, each when the one before has come to rest. Decides when
// that is; publishing is fleet.ts's, and what hosts make of it is their own.
import type { SimEvent } from './events.ts'
import type { SimHost } from './host.ts'
import type { Published, Wish } from './operators.ts'
import { breakages, type Plan, type PlannedRelease } from './plan.ts'
import type { World } from './world.ts'

export interface RehearsalWorld {
  readonly world: World
  readonly hosts: readonly SimHost[]
  readonly publish: (wish: Partial<Wish>, near: number) => Promise<Published | undefined>
  readonly wait: (ms: number) => Promise<void>
}

/** ms until the fleet has met, and between looks at it. */
const meetMs = 20_000
const lookMs = 1_000
/** ms without a run, beyond soak and window, after which nobody is waited for any more; and how often at most. */
const quietMs = 5 * 60_000
const quietsMax = 100
/** ms until what a host says last is known to all. */
const heardMs = 10_000
/** Seconds that hosts soak the last release at most: all that is reported of it is over when they begin. */
const lastSoak = 60

export class Rehearsal {
  /** All releases but the last that takes one back have come to rest. */
  over = false
  readonly #plan: Plan
  readonly #at: RehearsalWorld
  readonly #restMs: number
  #ranMs = 0
  #last: Published | undefined
  /** Content of the release that breaks hosts. */
  #bad: string | undefined

  constructor(plan: Plan, at: RehearsalWorld) {
    this.#plan = plan
    this.#at = at
    const { soakSeconds, windowSeconds } = plan.terms
    this.#restMs = quietMs + 1_000 * ((soakSeconds ?? 600) + (windowSeconds ?? 0))
  }

  event(event: SimEvent): void {
    if (event.kind === 'run' || event.kind === 'ran') this.#ranMs = this.#at.world.nowMs
  }

  async play(): Promise<void> {
    const { wait } = this.#at
    await wait(meetMs)
    for (const each of this.#plan.releases.filter(release => release.takesBack !== true)) {
      const published = await this.#publish(each)
      if (published === undefined) break
      await this.#rest(published.id)
      // Until all have heard how it ended.
      await wait(heardMs)
    }
    this.over = true
  }

  /** What the healed fleet is to get in the end; undefined: nothing, since `newest` is the last release and a good one. */
  last(newest: string | undefined): Partial<Wish> | undefined {
    const last = this.#plan.releases.at(-1)!
    if (last.takesBack !== true) return newest === this.#last?.id ? undefined : this.#wish(last)
    return { ...this.#wish(last), ...(this.#bad !== undefined && { never: [this.#bad] }) }
  }

  async #publish(release: PlannedRelease): Promise<Published | undefined> {
    const { world, hosts, publish } = this.#at
    const near = Math.floor(world.chance('rehearsal', `near ${release.subject}`)() * hosts.length)
    const published = await publish(this.#wish(release), near)
    this.#last = published
    if (release.breaks !== undefined) this.#bad = published?.content
    return published
  }

  #wish(release: PlannedRelease): Partial<Wish> {
    const { subject, files, breaks } = release
    const { terms, releases } = this.#plan
    const chance = this.#at.world.chance('rehearsal', `breaks ${subject}`)
    const soakSeconds =
      release === releases.at(-1) ? Math.min(lastSoak, terms.soakSeconds ?? lastSoak) : terms.soakSeconds
    return {
      ...{ subject, files, terms: { ...terms, soakSeconds } },
      ...(breaks !== undefined && { breaks: breakages(this.#plan, release, chance) }),
    }
  }

  /** Until it is in force and soaked on every host, or has failed there, or nothing has run for long. */
  async #rest(id: string): Promise<void> {
    const { world, hosts, wait } = this.#at
    const beganMs = world.nowMs
    this.#ranMs = beganMs
    while (!hosts.every(host => hasSettled(host, id))) {
      if (world.nowMs > this.#ranMs + this.#restMs || world.nowMs > beganMs + quietsMax * this.#restMs) return
      await wait(lookMs)
    }
  }
}

function hasSettled({ peer }: SimHost, id: string): boolean {
  if (peer?.entries.release()?.id !== id) return false
  const { agent, reporter } = peer
  // Only then is the next release compared with this one.
  if (agent.inForce === id) return reporter.state === 'HEALTHY' || reporter.state === 'NOOP'
  return agent.decision?.kind === 'hold' && agent.decision.gate === 'failed'
}
