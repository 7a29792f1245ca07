// The loop: inputs in, effects out through the ports, one function per effect, in order. The only place where the
// agent's decisions meet the world; it decides nothing itself.
import type { Contact, PeerId } from '../gossip/carrier.ts'
import { limits } from '../gossip/limits.ts'
import { type Message, plainCodec, type StatusPair, type WantPack } from '../gossip/message.ts'
import { hex, utf8 } from '../signing/bytes.ts'
import { encode } from '../signing/cbor.ts'
import { writeFloor } from '../signing/floor.ts'
import type { DriverPorts } from './driver-ports.ts'
import type { Effect, Input } from './effects.ts'
import type { LogEntry } from './log.ts'
import type { Installed, Quarantine } from './ports.ts'
import type { TrialRun } from './trial.ts'

/** Names of the durable files (docs/formats.md section 12). */
export const files = {
  floor: 'floor',
  secondFloor: 'log/floor',
  counter: 'counter',
  failed: 'failed',
} as const

/** Store keys: entries in the order of their sequence, forks apart. */
export const keys = {
  entry: (sequence: number, id: string) => `entry/${String(sequence).padStart(16, '0')}/${id}`,
  fork: (id: string) => `fork/${id}`,
  order: (id: string) => `order/${id}`,
  /** The last status of a host, by its key in hex. */
  board: (host: string) => `board/${host}`,
  book: 'book',
  /** How far a release has come, by its entry's id. */
  stages: (id: string) => `stages/${id}`,
  /** What this host last said of a release. */
  said: 'said',
} as const

/** Least ms until the next tick: a core that wants one at once must not fill the loop. */
const tickMs = 5
/** ms between writes of board and address book to the store: each wakes a thread, which costs more than the bytes. */
const keepRowsMs = 10_000
/** What a host holds that the queue of effects may grow to before sends are dropped: sync heals those. */
const queueMax = 10_000
/** What one decision may add besides: a message of the largest size, each of its parts answered. */
const effectsMax = 4 * limits.statusesPerMessage
/** ms until a survey that failed, or CHECKs that could not be asked, are tried again. */
const againMs = 30_000
/** Packs open at once: the one wanted, and those that were overtaken by it and are not over yet. */
const quarantinesMax = 4

export class Driver {
  readonly #ports: DriverPorts
  readonly #queue: Effect[] = []
  readonly #quarantines = new Map<string, Promise<Quarantine>>()
  readonly #serving = new Map<PeerId, number>()
  #pumping = false
  #stopped = false
  #cancelTick: () => void = () => {}
  /** What the tick is set for. */
  #wakeMs: number | undefined
  readonly #rows = new Map<string, StatusPair>()
  /** The address book, when it is not in the store as it is. */
  #book: readonly Contact[] | undefined
  #cancelRows: (() => void) | undefined
  #idle: (() => void)[] = []

  constructor(ports: DriverPorts) {
    this.#ports = ports
  }

  async start(): Promise<void> {
    const { admissions, agent, carrier, clock, log, witness } = this.#ports
    await carrier.start({
      up: (peer, { inbound }) => {
        log('info', 'peer up', { peer, inbound })
        witness.up(peer)
        this.feed({ kind: 'up', peer })
      },
      down: peer => {
        log('info', 'peer down', { peer })
        witness.down(peer)
        this.feed({ kind: 'down', peer })
      },
      message: (from, bytes) => this.feed({ kind: 'message', from, bytes, gossip: false }),
      gossip: (from, bytes) => {
        const effects = this.#decide({ kind: 'message', from, bytes, gossip: true })
        const verdict = effects.find(each => each.kind === 'verdict')
        return verdict?.verdict ?? 'ignore'
      },
      knock: (from, bytes, ageMs) => witness.knocked(from, bytes, ageMs),
      admit: (peer, hello) => admissions.admit(peer, hello, clock.now()),
      hello: () => agent.hello(),
      bookChanged: book => {
        this.#book = book
        this.#keepSoon()
      },
    })
    this.feed({ kind: 'tick' })
  }

  /** Gives back the tags of entries whose objects are held: a repository that was begun anew has lost them. */
  async retag(entries: readonly LogEntry[]): Promise<void> {
    const { repository } = this.#ports
    const [held, tags] = [new Set(repository.held()), new Set<string>(repository.tags())]
    for (const entry of entries) {
      if (tags.has(tagRef(entry))) continue
      if (entry.kind === 'trust' || held.has(entry.release?.commit ?? '')) await this.#tag(entry)
    }
  }

  /** Takes an input; its effects are carried out after those before them. */
  feed(input: Input): void {
    if (!this.#stopped) this.#decide(input)
  }

  /** Resolves when all effects so far are carried out; runs and installs may still be under way. */
  settled(): Promise<void> {
    return this.#pumping ? new Promise(resolve => this.#idle.push(resolve)) : Promise.resolve()
  }

  /** Things that wait now, by queue, with what bounds them. */
  queues(): Readonly<Record<string, readonly [now: number, most: number]>> {
    return {
      effects: [this.#queue.length, queueMax + effectsMax],
      serving: [Math.max(0, ...this.#serving.values()), limits.packAnswersWaiting],
      quarantines: [this.#quarantines.size, quarantinesMax],
      rows: [this.#rows.size, limits.hosts],
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelTick()
    this.#ports.witness.stop()
    await this.#ports.carrier.stop()
    await this.settled()
    await this.#keepRows()
  }

  #decide(input: Input): readonly Effect[] {
    const { agent, clock } = this.#ports
    const effects = agent.handle(input, clock.steady(), clock.now())
    this.#ports.observe?.(input, effects)
    for (const effect of effects) {
      if (effect.kind === 'send' && this.#queue.length >= queueMax) continue
      this.#queue.push(effect)
    }
    void this.#pump()
    this.#arm()
    return effects
  }

  #arm(): void {
    if (this.#stopped) return
    const wakeMs = this.#ports.agent.wakeMs()
    // Most decisions leave it as it was.
    if (wakeMs === this.#wakeMs) return
    this.#cancelTick()
    this.#wakeMs = wakeMs
    const ms = Math.max(wakeMs - this.#ports.clock.steady(), tickMs)
    this.#cancelTick = this.#ports.timers.after(ms, () => {
      this.#wakeMs = undefined
      this.feed({ kind: 'tick' })
    })
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return
    this.#pumping = true
    for (let effect = this.#queue.shift(); effect !== undefined; effect = this.#queue.shift()) {
      try {
        // Most effects are done at once: waiting for those would cost a turn of the event loop each.
        const work = this.#perform(effect)
        if (work !== undefined) await work
      } catch (error) {
        // What follows leans on what failed: a status must not go out under a number that may be used again.
        this.#queue.length = 0
        this.#stopped = true
        this.#cancelTick()
        this.#failed(effect.kind, error)
        this.#ports.fatal(error)
      }
    }
    this.#pumping = false
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  #failed(what: string, error: unknown): void {
    const { code, message } = error as { code?: string; message?: string }
    this.#ports.log('error', 'effect failed', { what, code, message })
  }

  /** A promise only where later effects lean on this one. */
  #perform(effect: Effect): Promise<void> | undefined {
    const { carrier, durable, log, repository } = this.#ports
    switch (effect.kind) {
      case 'send':
        carrier.send(effect.to, effect.bytes).catch(error => this.#failed('send', error))
        return
      case 'publish':
        carrier.publish(effect.bytes)
        return
      case 'verdict':
        return
      case 'keep':
        return this.#keep(effect)
      case 'keep-fork':
        return this.#keepFork(effect.entry)
      case 'keep-order':
        return this.#ports.store.batch(
          [{ type: 'put', key: keys.order(effect.id), value: effect.envelope }],
          { durable: true },
        )
      case 'drop-orders':
        return this.#ports.store.batch(
          effect.ids.map(id => ({ type: 'del', key: keys.order(id) })),
          { durable: false },
        )
      case 'board':
        this.#rows.set(effect.host, effect.pair)
        this.#keepSoon()
        return
      case 'reserve':
        return durable.write(files.counter, utf8(`${effect.counter}\n`))
      case 'remember':
        return durable.write(files.failed, utf8(effect.failed.map(id => `${id}\n`).join('')))
      case 'append':
        return this.#append(effect.pack, effect.offset, effect.bytes).catch(error =>
          this.#stuck(effect.pack, error),
        )
      case 'discard':
        return this.#quarantine(effect.pack).then(quarantine => {
          this.#quarantines.delete(effect.pack)
          return quarantine.discard()
        })
      case 'install':
        void this.#install(effect)
        return
      case 'install-branch':
        void this.#installBranch(effect)
        return
      case 'prune':
        return repository.prune(new Set(effect.keep))
      case 'serve':
        void this.#serve(effect.to, effect.want)
        return
      case 'wanted':
        this.#ports.witness.wanted(effect.from, effect.want)
        return
      case 'apply':
        void this.#apply(effect)
        return
      case 'try':
        void this.#try(effect.run)
        return
      case 'plan':
        void this.#plan(effect.id, effect.commit)
        return
      case 'check':
        void this.#check(effect.entry)
        return
      case 'revert':
        void this.#revert(effect)
        return
      case 'keep-stages':
        return this.#keepStages(effect)
      case 'keep-said':
        this.#ports.store
          .batch([{ type: 'put', key: keys.said, value: effect.record }], { durable: false })
          .catch(error => this.#failed('said', error))
        return
      case 'survey':
        void this.#survey(effect)
        return
      case 'recheck':
        carrier.recheck()
        return
      case 'enrol':
        carrier.enrol(effect.roster)
        return
      case 'learn':
        if (effect.peer !== carrier.self) carrier.learn(effect.peer as PeerId, effect.addresses)
        return
      case 'log':
        log(effect.level, effect.event, effect.data)
        return
    }
  }

  /** Entry first, floor last: a floor names only what is there. A release's tag follows when its commit is here. */
  async #keep({ entry, floor }: Extract<Effect, { kind: 'keep' }>): Promise<void> {
    const { store, durable, repository } = this.#ports
    const key = keys.entry(entry.sequence, entry.id)
    await store.batch([{ type: 'put', key, value: entry.envelope }], { durable: true })
    if (entry.kind === 'trust') await this.#tag(entry)
    else if (repository.held().includes(entry.release?.commit ?? '')) await this.#tag(entry)
    const text = writeFloor(floor)
    await durable.write(files.floor, text)
    await durable.write(files.secondFloor, text)
  }

  #keepSoon(): void {
    this.#cancelRows ??= this.#ports.timers.after(keepRowsMs, () => void this.#keepRows())
  }

  /** The news of board and address book since the last time: what a crash takes with it, peers tell again. */
  async #keepRows(): Promise<void> {
    this.#cancelRows?.()
    this.#cancelRows = undefined
    const rows = [...this.#rows].map(
      ([host, pair]) => ({ type: 'put', key: keys.board(host), value: encode(pair) }) as const,
    )
    this.#rows.clear()
    if (this.#book !== undefined)
      rows.push({ type: 'put', key: keys.book, value: utf8(JSON.stringify(this.#book)) })
    this.#book = undefined
    if (rows.length > 0)
      await this.#ports.store
        .batch(rows, { durable: false })
        .catch(error => this.#failed('board and book', error))
  }

  async #tag(entry: LogEntry): Promise<void> {
    await this.#ports.repository.putTag(tagRef(entry), entry.tag, treeOf(entry))
  }

  async #keepFork(entry: LogEntry): Promise<void> {
    const { repository, store } = this.#ports
    await store.batch([{ type: 'put', key: keys.fork(entry.id), value: entry.envelope }], { durable: true })
    if (entry.kind === 'trust')
      await repository.putTag(`refs/fleet/fork/${entry.id}`, entry.tag, treeOf(entry))
  }

  #quarantine(pack: string): Promise<Quarantine> {
    let found = this.#quarantines.get(pack)
    if (found === undefined) {
      found = this.#ports.repository.quarantine(pack)
      this.#quarantines.set(pack, found)
    }
    return found
  }

  async #append(pack: string, offset: number, bytes: Uint8Array): Promise<void> {
    const quarantine = await this.#quarantine(pack)
    if (offset === 0 && quarantine.size > 0) await quarantine.discard()
    // A part that a full disk or a discard has outrun: the digest of the whole would not hold, so begin again.
    if (quarantine.size === offset && (await quarantine.append(bytes))) return
    await quarantine.discard()
    this.#quarantines.delete(pack)
  }

  async #install(effect: Extract<Effect, { kind: 'install' }>): Promise<void> {
    const { repository } = this.#ports
    const { entry, pack } = effect
    const release = entry.release
    let result: Installed
    try {
      const base = release?.packs.find(each => each.digest === pack)?.base ?? 'none'
      const source = effect.bytes ?? (await this.#quarantine(pack))
      const claim = { digest: pack, base, commit: release?.commit ?? '', content: release?.content ?? '' }
      result = await repository.install(source, claim)
      if (effect.bytes === undefined) this.#quarantines.delete(pack)
      if (result.kind === 'installed') await this.#tag(entry)
    } catch (error) {
      this.#stuck(pack, error)
      return
    }
    this.feed({ kind: 'installed', entry: entry.id, pack, result })
  }

  async #installBranch({ commit, pack }: Extract<Effect, { kind: 'install-branch' }>): Promise<void> {
    try {
      const source = await this.#quarantine(pack)
      const result = await this.#ports.repository.install(source, { digest: pack, base: 'none', commit })
      this.#quarantines.delete(pack)
      this.feed({ kind: 'branch-installed', commit, pack, result })
    } catch (error) {
      this.#stuck(pack, error)
    }
  }

  /** The disk would not take a pack. What came so far goes, since it may be what fills the disk. */
  #stuck(pack: string, error: unknown): void {
    const { code, message } = error as { code?: string; message?: string }
    // Anything without a code is a bug of ours, and must not be retried for ever in silence.
    if (code === undefined) {
      this.#failed('store a pack', error)
      this.#ports.fatal(error)
      return
    }
    this.#quarantine(pack)
      .then(quarantine => quarantine.discard())
      .catch(failure => this.#failed('discard', failure))
      .finally(() => this.#quarantines.delete(pack))
    this.feed({ kind: 'stuck', pack, why: message ?? code })
  }

  async #serve(to: PeerId, want: WantPack): Promise<void> {
    const { carrier, codec = plainCodec, repository } = this.#ports
    const waiting = this.#serving.get(to) ?? 0
    if (waiting >= limits.packAnswersWaiting) return
    this.#serving.set(to, waiting + 1)
    try {
      const digest = hex(want.pack)
      const size = repository.packSize(digest)
      const bytes =
        size === undefined ? undefined : await repository.readPack(digest, want.offset, want.length)
      const answer: Message =
        size === undefined || bytes === undefined || bytes.length === 0
          ? { t: 'no-pack', pack: want.pack }
          : { t: 'part', pack: want.pack, offset: want.offset, size, bytes }
      await carrier.send(to, codec.encode(answer))
    } catch (error) {
      this.#failed('serve', error)
    } finally {
      const left = (this.#serving.get(to) ?? 1) - 1
      if (left > 0) this.#serving.set(to, left)
      else this.#serving.delete(to)
    }
  }

  async #apply({ entry, attempt }: Extract<Effect, { kind: 'apply' }>): Promise<void> {
    const { runner, agent } = this.#ports
    const none = { declared: 0, kept: 0, repaired: 0, notKept: 0 }
    const shut = () => agent.shut(entry.id)
    const acting = () => this.feed({ kind: 'acting', entry: entry.id })
    const report = runner
      ? await runner.run(entry, { attempt, shut, acting })
      : ({ kind: 'wait', why: 'this peer runs nothing', steps: none, dirty: false } as const)
    this.feed({ kind: 'ran', entry: entry.id, report })
  }

  async #try(run: TrialRun): Promise<void> {
    const steps = { declared: 0, kept: 0, repaired: 0, notKept: 0 }
    const report = (await this.#ports.runner?.try?.(run)) ?? {
      ...{ kind: 'wait' as const, why: 'this host takes no trials', steps, dirty: false },
    }
    this.feed({ kind: 'tried', run, report })
  }

  async #plan(id: string, commit: string): Promise<void> {
    const asked = this.#ports.runner?.plan?.(commit).catch(error => (error as Error).message)
    const plan = (await asked) ?? 'this host plans nothing for others'
    this.feed({ kind: 'planned', id, plan })
  }

  /** One that cannot be asked says nothing of the release: it is asked again until there is an answer. */
  async #check(entry: string): Promise<void> {
    try {
      const failing = (await this.#ports.runner?.check?.()) ?? []
      this.feed({ kind: 'checked', entry, failing })
    } catch (error) {
      this.#failed('check', error)
      this.#ports.timers.after(againMs, () => {
        if (!this.#stopped) void this.#check(entry)
      })
    }
  }

  async #revert({ entry, to }: Extract<Effect, { kind: 'revert' }>): Promise<void> {
    const none = { declared: 0, kept: 0, repaired: 0, notKept: 0 }
    const report = (await this.#ports.runner?.revert?.(entry, to)) ?? {
      ...{ kind: 'wait' as const, why: 'this host cannot go back', steps: none, dirty: false },
    }
    this.feed({ kind: 'reverted', entry: entry.id, to: to?.id, report })
  }

  /** Those of other releases go. */
  async #keepStages({ entry, record, durable }: Extract<Effect, { kind: 'keep-stages' }>): Promise<void> {
    const { store } = this.#ports
    const kept = await store.range({ from: 'stages/', before: 'stages0', limit: 16 })
    const others = kept.filter(([key]) => key !== keys.stages(entry))
    const gone = others.map(([key]) => ({ type: 'del', key }) as const)
    await store.batch([...gone, { type: 'put', key: keys.stages(entry), value: record }], { durable })
  }

  /** A disk that errs is asked again: until there is an answer, the host starts nothing of this release. */
  async #survey(effect: Extract<Effect, { kind: 'survey' }>): Promise<void> {
    try {
      const surveyed = await this.#ports.survey(effect.entry, effect.stable)
      if (surveyed !== undefined) this.feed(surveyed)
    } catch (error) {
      this.#failed('survey', error)
      this.#ports.timers.after(againMs, () => {
        if (!this.#stopped) void this.#survey(effect)
      })
    }
  }
}

const tagRef = ({ sequence }: LogEntry) => `refs/tags/fleet/${sequence}` as const

/** The files of a trust entry's tree. */
function treeOf({ trust }: LogEntry): ReadonlyMap<string, Uint8Array> | undefined {
  if (trust === undefined) return undefined
  return new Map([
    ['trust/hosts', trust.hosts],
    ['trust/operators', trust.operators],
    ['trust/policy', trust.policy],
  ])
}
