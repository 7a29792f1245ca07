// A simulated fleet, run by a script: builds world, hosts and operators, lets the faults happen, heals the core for good, and
// waits until it has converged. What is promised is in checkers/; what is told of it is story.ts's.
import { limits } from '../gossip/limits.ts'
import type { LogEntry } from '../node/log.ts'
import type { RolloutTerms } from '../node/release.ts'
import { hex } from '../signing/bytes.ts'
import { publicKeyOf } from '../signing/crypto.ts'
import type { Host as Rostered } from '../signing/roster.ts'
import { Network } from './carrier.ts'
import { checkers, liveness } from './checkers/index.ts'
import { shuffled } from './draw.ts'
import type { Checker, Scene, SimEvent } from './events.ts'
import type { Fault, FaultKind, Scenario } from './faults.ts'
import { Handover } from './handover.ts'
import { SimHost } from './host.ts'
import { Ledger } from './ledger.ts'
import { Marks } from './marks.ts'
import { type Memory, noMemory } from './memory.ts'
import { Operators, type Person, type Published, people, seedOf, type Wish } from './operators.ts'
import { halt, openAll, promote, resume, retry, type Wishes } from './orders.ts'
import type { Plan } from './plan.ts'
import { Rehearsal } from './rehearsal.ts'
import type { Violation } from './report.ts'
import { roleFiles } from './role.ts'
import { Story } from './story.ts'
import { type Struck, strike } from './strike.ts'
import { World } from './world.ts'

/** ms that a laptop stays at most, and between two tries of an operator who found nobody. */
const stayMs = 60_000
const tryAgainMs = 30_000
/** ms between two looks of an operator at a healed fleet that has not come to rest. */
const operatorLooksMs = 6 * 60_000
/** Hosts that they ask then: each goes through all hosts of the fleet. */
const judgesMax = 50
/** Roles, by index: what a release breaks for one of them must not look broken to the others. */
const roles = ['web', 'db', 'cache'] as const
/** Entries that an operator publishes to end all forks. */
const forksMax = 8
/** Above so many hosts, so many keep whole boards and run whole engines (docs/simulator.md). */
const wholeMax = 200
const observersMax = 50
/** Violations told of one checker: the first says the most. */
const toldMax = 3

/** As `fleet publish --now`. */
const terms: RolloutTerms = {
  soakSeconds: 15,
  windowSeconds: 0,
  deadlineSeconds: 300,
  expiresSeconds: 7 * 86_400,
  riskBasisPoints: 10_000,
  liarsBasisPoints: 0,
}

export class SimFleet {
  readonly #terms: RolloutTerms
  readonly #atOnce: boolean
  readonly world: World
  readonly network: Network
  readonly ledger = new Ledger()
  readonly hosts: readonly SimHost[]
  /** Those that keep whole boards, and run whole engines. */
  readonly observers: readonly SimHost[]
  readonly operators: Operators
  readonly story: Story
  readonly marks = new Marks()
  readonly queues = new Map<string, readonly [number, number]>()
  readonly violations: Violation[] = []
  readonly scenario: Scenario
  readonly #checkers: ReadonlyMap<string, Checker>
  /** By what they look at. */
  readonly #lookers = new Map<SimEvent['kind'], (readonly [string, Checker])[]>()
  readonly #scene: Scene
  readonly #struck: Struck
  readonly #handover: Handover | undefined
  /** What ends the faults that last. */
  readonly #open = new Map<Fault, () => void>()
  readonly #rehearsal: Rehearsal | undefined
  #number = 0
  #over = false
  #healed = false
  #publishing = 0

  /** With a plan, its hosts and releases instead of made-up ones; the scenario is then one of drawRehearsal. */
  constructor(scenario: Scenario, memory: Memory = noMemory, plan?: Plan) {
    const { stages, soakSeconds } = scenario
    const staged = { ...terms, stages, soakSeconds: soakSeconds ?? terms.soakSeconds, riskBasisPoints: 500 }
    this.#terms = stages === undefined ? terms : staged
    this.#atOnce = stages === undefined && plan === undefined
    this.scenario = scenario
    const { seed } = scenario
    this.world = new World(seed)
    this.network = new Network(this.world)
    const core = new Set(scenario.core)
    const roster = Array.from({ length: scenario.hosts }, (_, at) => rosteredOf(seed, at, plan))
    const crashed = (where: string, error: unknown) => this.#crashed(where, error)
    this.operators = new Operators(
      seed,
      roster,
      { world: this.world, network: this.network, memory, crashed },
      this.ledger,
    )
    const { fleet } = this.operators.genesis
    const emit = (event: SimEvent) => this.#emit(event)
    const breaks = ({ id }: LogEntry, index: number) => this.ledger.byId(id)?.breaks?.get(index)
    const chosen = observersOf(scenario)
    const handsOver = chosen.size < scenario.hosts
    const here = {
      ...{ world: this.world, network: this.network, memory, fleet, emit, crashed, breaks, handsOver },
    }
    // The hosts of a plan stand for a fleet that knows itself: nobody is asked by all.
    const met = this.world.chance('fleet', 'met')
    const seeds = (index: number) =>
      plan === undefined ? seedsOf(scenario, index) : shuffled(roster.length, met).slice(0, 3)
    this.hosts = roster.map(
      (rostered, index) =>
        new SimHost(here, {
          ...{ index, rostered, core: core.has(index), seed: seedOf(seed, rostered.name) },
          seeds: seeds(index).map(at => roster[at]!.addresses[0]!),
          ...{ observes: chosen.has(index), whole: chosen.has(index) },
          given: plan?.hosts[index]?.given ?? [],
        }),
    )
    this.observers = this.hosts.filter(each => each.observes)
    this.#handover = handsOver ? new Handover(this.world, this.network, memory, this.observers) : undefined
    const informed = () => this.observers.find(each => each.honest && each.up && each.peer !== undefined)
    if (handsOver) this.operators.board = () => informed()?.peer?.reporter
    this.story = new Story(this.hosts, this.ledger, scenario.faultsMs + scenario.healMs / 6)
    this.#rehearsal =
      plan &&
      new Rehearsal(plan, {
        world: this.world,
        hosts: this.hosts,
        publish: (wish, near) => this.publish('anna', wish, near),
        wait: ms => this.#wait(ms),
      })
    this.#checkers = checkers(this.queues)
    this.#scene = {
      nowMs: () => this.world.nowMs,
      seed,
      hosts: this.hosts,
      ledger: this.ledger,
      memory,
      chance: purpose => this.world.chance('checkers', purpose),
    }
    this.#struck = {
      ...{ world: this.world, network: this.network, hosts: this.hosts },
      operate: (kind, fault) => void this.#operate(kind, fault),
    }
  }

  /** Runs both phases. Answers what the healed core still waited for at the end; empty: it converged. */
  async run(progress: (share: number, line: string) => void): Promise<readonly string[]> {
    const { world, scenario } = this
    const { faults, faultsMs, healMs, releases } = scenario
    const absent = new Set(faults.filter(each => each.kind === 'absent').flatMap(each => each.hosts))
    for (const host of this.hosts)
      if (!absent.has(host.index)) host.start(Math.round(world.chance(host.name, 'start')() * 3_000))
    for (const fault of faults) world.after(fault.atMs, () => this.#begin(fault))
    for (const { atMs, at } of releases) world.after(atMs, () => void this.publish('anna', {}, at))
    this.#sample()
    const rehearsal = this.#rehearsal
    rehearsal?.play().catch(error => this.#crashed('the rehearsal', error))
    const isOver = () => (rehearsal === undefined ? world.nowMs >= faultsMs : rehearsal.over)
    while (!isOver() && this.violations.length === 0) {
      await world.run(rehearsal ? world.nowMs + 5_000 : Math.min(faultsMs, world.nowMs + 5_000))
      progress(0.8 * Math.min(1, world.nowMs / faultsMs), 'faults')
    }
    if (this.violations.length > 0) return []
    const endMs = world.nowMs + healMs
    await this.#heal(endMs)
    let pending: readonly string[] = this.#pending()
    let lookMs = world.nowMs + operatorLooksMs
    while (pending.length > 0 && world.nowMs < endMs && this.violations.length === 0) {
      await world.run(world.nowMs + 2_000)
      pending = this.#pending()
      if (pending.length > 0 && world.nowMs >= lookMs) {
        lookMs = world.nowMs + operatorLooksMs
        void this.#judge()
      }
      progress(1 - (0.2 * (endMs - world.nowMs)) / healMs, 'healed core')
    }
    if (this.violations.length === 0)
      for (const [name, checker] of this.#checkers) {
        const wrong = checker.end?.(this.#scene)
        if (wrong !== undefined) this.#violated(name, undefined, wrong)
      }
    this.#over = true
    return pending
  }

  /** Publishes a release near a host; tries again until somebody is there or the run is over. */
  async publish(
    person: Person,
    wish: Partial<Wish> & { readonly isLarge?: boolean },
    near: number,
  ): Promise<Published | undefined> {
    const number = ++this.#number
    const chance = this.world.chance(`release ${number}`, 'files')
    const bytes = chance() < (wish.isLarge ? 1 : 0.3) ? 40_000 + chance() * 400_000 : 100 + chance() * 4_000
    const files = wish.files ?? roleFiles(number, chance, Math.round(bytes))
    const about = { subject: `release number ${number}`, terms: this.#terms, atOnce: this.#atOnce }
    const asked: Wish = { ...about, ...wish, files }
    const addresses = () => (wish.drops === undefined ? this.#near(near) : [this.hosts[near]!.address])
    this.#publishing++
    try {
      for (;;) {
        const published = await this.operators.release(person, asked, addresses(), stayMs)
        if (published !== undefined || this.#over) return published
        await this.#wait(tryAgainMs)
      }
    } catch (error) {
      this.#crashed(`${person}'s laptop`, error)
      return undefined
    } finally {
      this.#publishing--
    }
  }

  /** Addresses that a laptop asks first: a host, and two others that run and know how the others are. */
  #near(index: number): string[] {
    const running = this.hosts.filter(each => each.up && each.honest)
    const others = running.filter(each => each.observes && each.index !== index).slice(0, 2)
    return [this.hosts[index]!, ...others].map(each => each.address)
  }

  /** Everybody in the core is made whole, and stays so; an operator publishes what they are to have in the end. */
  async #heal(endMs: number): Promise<void> {
    const { world, scenario } = this
    this.#healed = true
    for (const [fault, undo] of this.#open) {
      if (this.#isOfCore(fault)) undo()
      this.#open.delete(fault)
    }
    for (const host of this.hosts.filter(each => each.core)) host.heal()
    this.#emit({ kind: 'healed' })
    await world.run(world.nowMs + 30_000)
    // A laptop that still looks for hosts finds them now, or gives up; its entry must not come after the last.
    while (this.#publishing > 0 && world.nowMs < endMs) await world.run(world.nowMs + 5_000)
    const near = scenario.core[0]!
    const frozen = () => this.hosts.some(each => each.core && each.peer?.entries.frozen() === true)
    const rehearsal = this.#rehearsal
    const newest = frozen() ? undefined : this.ledger.entries().at(-1)?.id
    // In every other world its pack is too large to travel inside: it is fetched from whoever holds it.
    const isLarge = scenario.seed % 2 === 0
    const wish = rehearsal ? rehearsal.last(newest) : { subject: 'the last release', isLarge }
    if (wish === undefined) return
    // Forks within forks are ended one after the other, as operators see them.
    for (let tries = 0; tries < forksMax && world.nowMs < endMs && this.violations.length === 0; tries++) {
      let last: Published | undefined
      const lost = this.#lostSide()
      const asked = { ...wish, ...(lost && { drops: lost.id }) }
      void this.publish('anna', asked, lost?.near ?? near).then(done => {
        last = done
      })
      while (last === undefined && world.nowMs < endMs && this.violations.length === 0)
        await world.run(world.nowMs + 2_000)
      // Until all have heard of it, by gossip or by sync.
      const heardMs = world.nowMs + 2 * limits.syncMs
      while (frozen() && world.nowMs < heardMs && this.violations.length === 0)
        await world.run(world.nowMs + 2_000)
      if (!frozen()) return
    }
  }

  /**
   * Hosts outside the core go on failing, or say that they do, and hold the others up: an operator who knows that opens the stages
   * without them. Whose key was taken for a cloned one is started again. What else holds is for the fleet itself to get over.
   */
  async #judge(): Promise<void> {
    for (const host of this.hosts) if (host.core && host.peer?.reporter.cloned) host.restart('kill')
    const wanted = this.ledger.entries().at(-1)
    const strangers = new Set(this.hosts.filter(each => !each.core || !each.honest).map(each => each.key))
    const failed = new Set<string>()
    for (const { peer } of this.hosts.filter(each => each.core).slice(0, judgesMax)) {
      if (peer?.entries.release()?.id !== wanted?.id) continue
      for (const { host, claim } of peer?.agent.progress()?.evidence ?? [])
        if (claim.state !== 'HEALTHY' && claim.state !== 'NOOP' && strangers.has(host)) failed.add(host)
    }
    if (failed.size > 0) await this.#order(openAll([...failed]), this.scenario.core[0]!)
  }

  /**
   * Of the oldest fork that a host of the core shows: the sibling that operators agree to drop, and a host that is not on its
   * side.
   */
  #lostSide(): { readonly id: string; readonly near: number } | undefined {
    const core = this.hosts.filter(each => each.core && each.peer !== undefined)
    const forks = core.flatMap(each => (each.peer?.entries.frozen() ? each.peer.entries.forks() : []))
    const [oldest] = [...forks].sort((a, b) => a.sequence - b.sequence)
    if (oldest === undefined) return undefined
    const sides = [oldest.ours, oldest.theirs].sort()
    for (const id of sides) {
      const near = core.find(each => {
        const held = each.peer?.entries.idAt(oldest.sequence)
        return held !== id && sides.some(side => side === held)
      })
      if (near !== undefined) return { id, near: near.index }
    }
    return undefined
  }

  #isOfCore(fault: Fault): boolean {
    return fault.hosts.length === 0 || fault.hosts.some(at => this.hosts[at]?.core)
  }

  #begin(fault: Fault): void {
    // A rehearsal may be over sooner than was guessed.
    if (this.violations.length > 0 || this.#healed) return
    this.world.trace(`fault ${fault.kind} ${fault.hosts.join(',')} ${fault.amount ?? ''} ${fault.mode ?? ''}`)
    const undo = strike(fault, this.#struck)
    if (undo === undefined) return
    this.#open.set(fault, undo)
    // What lasts to the end of the phase is for #heal to end: outside the core it goes on.
    if (fault.untilMs !== undefined && fault.untilMs < this.scenario.faultsMs)
      this.world.after(fault.untilMs - this.world.nowMs, () => {
        if (!this.#open.delete(fault)) return
        this.world.trace(`end of ${fault.kind} ${fault.hosts.join(',')}`)
        undo()
      })
  }

  async #operate(kind: FaultKind, fault: Fault): Promise<void> {
    const core = this.scenario.core
    const chance = this.world.chance('operators', `${kind} ${fault.atMs}`)
    const near = () => core[Math.floor(chance() * core.length)]!
    const label = `${kind} at ${fault.atMs}`
    switch (kind) {
      case 'supersede':
        await this.publish('bert', { subject: label }, near())
        return
      case 'expired':
      case 'wrongContent': {
        const wrong = kind === 'expired' ? { expired: true } : { untrue: true }
        await this.publish('bert', { subject: label, ...wrong }, near())
        return
      }
      case 'fork':
        await Promise.all(
          people.map(person => this.publish(person, { subject: `${label}, ${person}` }, near())),
        )
        return
      case 'rollback':
        await this.publish('anna', { subject: label, back: true }, near())
        return
      case 'roster': {
        const outside = this.hosts.find(each => !each.core)
        if (outside === undefined) return
        const roster = this.operators.roster.filter(each => each.name !== outside.name)
        if (roster.length === this.operators.roster.length) return
        outside.honest = false
        await this.operators
          .trust('anna', roster, {}, this.#near(near()), stayMs)
          .catch(error => this.#crashed(`anna's laptop`, error))
        return
      }
      case 'halt':
      case 'resume':
      case 'promote':
      case 'retry':
        await this.#order({ halt, resume, retry, promote: promote(chance) }[kind], near())
        return
      default:
        return
    }
  }

  async #order(wishes: Wishes, near: number): Promise<void> {
    this.#publishing++
    await this.operators
      .order('bert', wishes, this.#near(near), stayMs)
      .catch(error => this.#crashed(`bert's laptop`, error))
      .finally(() => this.#publishing--)
  }

  #pending(): readonly string[] {
    return [...this.#checkers].flatMap(([name, each]) =>
      (each.pending?.(this.#scene) ?? []).map(line => `${name}: ${line}`),
    )
  }

  #emit(event: SimEvent): void {
    if (this.violations.length >= toldMax) return
    this.#trace(event)
    if (event.kind === 'spoke') this.ledger.say(hex(event.pair[1]), event.status)
    if (event.kind === 'spoke' && event.host instanceof SimHost) this.#handover?.said(event.host, event.pair)
    this.marks.event(event)
    this.story.event(event, this.world.nowMs)
    this.#rehearsal?.event(event)
    for (const [name, checker] of this.#lookersAt(event.kind)) {
      const wrong = checker.event(event, this.#scene)
      if (wrong !== undefined) this.#violated(name, 'host' in event ? event.host.name : undefined, wrong)
    }
  }

  #lookersAt(kind: SimEvent['kind']): readonly (readonly [string, Checker])[] {
    let lookers = this.#lookers.get(kind)
    if (lookers === undefined) {
      lookers = [...this.#checkers].filter(([, { of }]) => of === undefined || of.includes(kind))
      this.#lookers.set(kind, lookers)
    }
    return lookers
  }

  /** What the trace hash is made of: decisions that bind, not every message. */
  #trace(event: SimEvent): void {
    const { world } = this
    switch (event.kind) {
      case 'decided': {
        const kinds = event.effects.map(each => each.kind).join(' ')
        world.trace(`${event.host.name} ${event.input.kind} ${kinds}`)
        return
      }
      case 'spoke':
        world.trace(`${event.host.name} says ${event.status.n} ${event.status.state ?? ''}`)
        return
      case 'run':
      case 'ran':
        world.trace(
          `${event.host.name} ${event.kind} ${event.entry.id}${event.kind === 'ran' ? ` ${event.report.kind}` : ''}`,
        )
        return
      case 'healed':
        world.trace('healed')
        return
      case 'logged':
        return
      default:
        world.trace(`${event.host.name} ${event.kind}`)
    }
  }

  #violated(checker: string, host: string | undefined, text: string): void {
    const atMs = this.world.nowMs
    this.world.trace(`violated ${checker} ${host ?? ''}: ${text}`)
    if (this.violations.length < toldMax)
      this.violations.push({ checker, ...(host !== undefined && { host }), atMs, text })
  }

  #crashed(where: string, error: unknown): void {
    const { stack, message } = error as Error
    this.#violated('crash', where, stack ?? message ?? String(error))
  }

  #sample(): void {
    this.story.sample()
    this.world.after(this.story.everyMs, () => {
      if (!this.#over) this.#sample()
    })
  }

  #wait(ms: number): Promise<void> {
    return new Promise(resolve =>
      this.world.after(ms, () => {
        this.world.unsettled()
        resolve()
      }),
    )
  }

  /** How the run ended, by what was violated. */
  ending(pending: readonly string[]) {
    if (this.violations.some(each => each.checker === 'crash')) return 'crash'
    if (this.violations.some(each => !liveness.has(each.checker))) return 'safety'
    return this.violations.length > 0 || pending.length > 0 ? 'liveness' : 'ok'
  }
}

/** Hosts that keep whole boards and run whole engines: all of them up to a size, then a few of the core. */
function observersOf({ hosts, core }: Scenario): ReadonlySet<number> {
  if (hosts <= wholeMax) return new Set(Array.from({ length: hosts }, (_, at) => at))
  const every = Math.max(1, core.length / observersMax)
  return new Set(core.filter((_, at) => Math.floor(at / every) !== Math.floor((at - 1) / every)))
}

/** Whom a host is told of when it joins: three of the core; not the same for all in a fleet that is too large for that. */
function seedsOf({ hosts, core }: Scenario, index: number): readonly number[] {
  if (hosts <= wholeMax) return core.slice(0, 3)
  return [0, 1, 2].map(each => core[(index * 3 + each) % core.length]!)
}

function rosteredOf(seed: number, at: number, plan: Plan | undefined): Rostered {
  const { name, labels } = plan?.hosts[at] ?? {
    name: `h${at + 1}`,
    labels: { role: roles[at % roles.length]! },
  }
  return {
    name,
    key: publicKeyOf(seedOf(seed, name)),
    addresses: [`10.${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255}:4747`],
    labels,
  }
}
