// The operators of a simulated fleet: two people with keys, who make trust and releases as `fleet publish` does
// (node/release.ts), on laptops that join as peers, hand over, and leave. What they sign stands in the ledger.

import type { Peer } from '../node/peer.ts'
import type { SourceFile } from '../node/publish.ts'
import type { RolloutTerms, Words } from '../node/release.ts'
import {
  type Delta,
  type MadeEntry,
  makeReleaseEntry,
  makeTrustEntry,
  prepareRelease,
  taggerOf,
} from '../node/release.ts'
import { hex, utf8 } from '../signing/bytes.ts'
import { encode } from '../signing/cbor.ts'
import { publicKeyOf, sha256 } from '../signing/crypto.ts'
import { sealDelegation, writeDelegation } from '../signing/delegation.ts'
import {
  type EntryId,
  encodeEnvelope,
  entryIdOf,
  type FleetId,
  sealEntry,
  writePayload,
} from '../signing/entry.ts'
import { timeOf } from '../signing/fields.ts'
import { type Operator, writeOperators } from '../signing/operators.ts'
import { type Order, orderMap, sealOrder, writeOrder } from '../signing/order.ts'
import { writePolicy } from '../signing/policy.ts'
import { type Host, writeRoster } from '../signing/roster.ts'
import { type Signer, seedSigner, signSshsig } from '../signing/sshsig.ts'
import { readTrust, type Trust, type TrustFiles, trustDigests, trustTree } from '../signing/trust.ts'
import { epochMs } from './clock.ts'
import { Contents } from './course.ts'
import { Laptop, type LaptopWorld } from './laptop.ts'
import type { Ledger, Signed } from './ledger.ts'
import type { Wishes } from './orders.ts'

export const people = ['anna', 'bert'] as const
export type Person = (typeof people)[number]

/** ms that a laptop is let in for, and that it looks for hosts before its operator gives up. */
const sessionMs = 3_600_000
const searchMs = 90_000
/** ms that it waits for what hosts say of the release before. */
const boardMs = 10_000
/** ms that it waits for the orders that hosts hold. */
const ordersMs = 10_000

/** A key of the simulated world: what it signs follows from the seed of the run. */
export const seedOf = (seed: number, name: string): Uint8Array => sha256(utf8(`simulated/${seed}/${name}`))

export interface Genesis {
  readonly fleet: FleetId
  readonly envelope: Uint8Array
  readonly trust: Trust
}

/** What is to be released. */
export interface Wish {
  readonly files: ReadonlyMap<string, SourceFile>
  readonly subject: string
  readonly terms: RolloutTerms
  /** One stage of all hosts, compared with nothing; else stages as `fleet publish` makes them. */
  readonly atOnce?: boolean
  /** Expired before anybody hears of it. */
  readonly expired?: boolean
  /** Id of a sibling that ends. */
  readonly drops?: string
  /** The content that is signed is not that of the files. */
  readonly untrue?: boolean
  /** Content digests put on the never list. */
  readonly never?: readonly string[]
  /** Instead of the files: those of the release before, as `fleet rollback` publishes them; nothing where there is none. */
  readonly back?: true
  readonly breaks?: Signed['breaks']
}

export interface Published {
  readonly sequence: number
  readonly id: string
  readonly content?: string
  /** The log was still frozen afterwards, as the laptop saw it. */
  readonly frozen?: boolean
}

/** Keys, genesis and publications of one world. */
export class Operators {
  readonly genesis: Genesis
  /** The roster as operators have it now. */
  roster: readonly Host[]
  /** Where statuses do not travel, the board that a laptop would have got from a host; undefined: its own. */
  board: (() => Peer['reporter'] | undefined) | undefined
  readonly #seed: number
  readonly #signers: Readonly<Record<Person, Signer>>
  readonly #operators: readonly Operator[]
  readonly #world: LaptopWorld
  readonly #ledger: Ledger
  readonly #contents = new Contents()
  #laptops = 0

  constructor(seed: number, roster: readonly Host[], world: LaptopWorld, ledger: Ledger) {
    this.#seed = seed
    this.#world = world
    this.#ledger = ledger
    this.roster = roster
    const signer = (name: Person) => seedSigner(seedOf(seed, name))
    this.#signers = { anna: signer('anna'), bert: signer('bert') }
    this.#operators = people.map(name => ({
      principal: name,
      namespaces: ['git', 'fleet'],
      key: this.#signers[name].key,
      comment: '',
    }))
    this.genesis = this.#begin()
  }

  /** Joins near `addresses`, publishes on the head that is heard there, stays for `stayMs`, leaves. Undefined: nobody was there. */
  async release(
    person: Person,
    wish: Wish,
    addresses: readonly string[],
    stayMs: number,
  ): Promise<Published | undefined> {
    return this.#session(person, addresses, stayMs, async laptop => {
      const { entries, repository } = laptop.peer
      const nowMs = this.#nowMs()
      const common = { log: entries, signer: this.#signers[person], author: authorOf(person), nowMs }
      // The hosts that were reached are on the side that is to end.
      if (wish.drops !== undefined && entries.entries().some(each => each.id === wish.drops)) return undefined
      const { terms, drops, breaks } = wish
      const back = wish.back && this.#contents.back(entries)
      if (wish.back && back === undefined) return { sequence: 0, id: '' }
      const { files, never, allow } = { never: [], allow: [], ...wish, ...back }
      const subject = drops === undefined ? wish.subject : 'end of a fork'
      const asked = {
        ...{ files, subject, words: '', source: undefined, never, allow, drops },
        terms: wish.expired ? { ...terms, expiresSeconds: -60 } : terms,
      }
      const made = prepareRelease(common, asked)
      if (made.kind === 'refused') throw new Error(`a release that nobody takes: ${made.detail}`)
      const { commit, content } = made.release
      const claim = { digest: made.digest, base: 'none' as const, commit, content }
      const installed = await repository.install(made.pack, claim)
      if (installed.kind === 'refused') throw new Error(`its own pack is refused: ${installed.detail}`)
      const parent = entries.terms()?.object
      let delta: Delta | undefined
      if (parent !== undefined && repository.held().includes(parent)) {
        const info = await repository.pack(commit, parent)
        const bytes = (await repository.readPack(info.digest, 0, info.size)) ?? new Uint8Array()
        delta = { ...info, base: parent, bytes }
      }
      const signed = wish.untrue ? hex(sha256(utf8(content))) : content
      const release = { ...made.release, content: signed }
      const world = this.#world.world
      if (!wish.atOnce) await laptop.boardQuiet(boardMs)
      const charted = wish.atOnce
        ? undefined
        : await this.#contents.courseOf(
            { entries, reporter: this.board?.() ?? laptop.peer.reporter },
            { files, made, terms: asked.terms },
            world.nowMs,
          )
      const wished = charted && { terms: charted.terms }
      const entry = makeReleaseEntry(
        common,
        { ...asked, ...wished },
        { ...made, release },
        delta,
        charted?.course,
      )
      this.#contents.remember(entry.id, { files, made })
      const more = {
        ...{ commit, content: signed, risk: terms.riskBasisPoints },
        ...(wish.untrue && { untrue: true as const }),
        ...(breaks && { breaks }),
        ...(!wish.atOnce && (terms.stages ?? 'auto') === 'auto' && { auto: true as const }),
      }
      this.#sign(entry, 'release', subject, more, !wish.expired && !wish.untrue)
      laptop.submit(entry, { pack: made.digest, release: made.release })
      return { sequence: entry.sequence, id: entry.id, content, frozen: entries.frozen() }
    })
  }

  /** The same for a change of trust: `roster` is the whole new one. */
  async trust(
    person: Person,
    roster: readonly Host[],
    words: Partial<Words>,
    addresses: readonly string[],
    stayMs: number,
  ): Promise<Published | undefined> {
    this.roster = roster
    return this.#session(person, addresses, stayMs, async laptop => {
      const common = {
        log: laptop.peer.entries,
        signer: this.#signers[person],
        author: authorOf(person),
        nowMs: this.#nowMs(),
      }
      const next = trustOf(this.#filesOf(roster))
      const subject = words.subject ?? `trust: ${roster.length} hosts`
      const entry = makeTrustEntry(common, next, {
        subject,
        words: '',
        ...(words.drops && { drops: words.drops }),
      })
      this.#sign(entry, 'trust', subject, {}, true)
      laptop.submit(entry)
      return { sequence: entry.sequence, id: entry.id }
    })
  }

  /** Gives orders about the newest release; none are given where there is none, or nothing to order. */
  async order(
    person: Person,
    wishes: Wishes,
    addresses: readonly string[],
    stayMs: number,
  ): Promise<Published | undefined> {
    return this.#session(person, addresses, stayMs, async laptop => {
      const { entries } = laptop.peer
      await laptop.learnOrders(ordersMs)
      const release = entries.release()
      const { stages = [] } = entries.terms() ?? {}
      if (release === undefined) return { sequence: 0, id: '' }
      for (const wish of wishes(laptop.peer, { id: release.id, stages })) {
        const payload = writeOrder({
          ...wish,
          fleet: this.genesis.fleet,
          entry: release.id as EntryId,
          issued: timeOf(this.#nowMs()),
        } as Order)
        const order = sealOrder(payload, signSshsig(this.#signers[person], 'fleet', payload))
        await laptop.order(encode(orderMap({ order, cosigs: [] })), stayMs)
      }
      return { sequence: release.sequence, id: release.id }
    })
  }

  async #session(
    person: Person,
    addresses: readonly string[],
    stayMs: number,
    publish: (laptop: Laptop) => Promise<Published | undefined>,
  ): Promise<Published | undefined> {
    const name = `laptop${++this.#laptops}`
    const key = seedOf(this.#seed, name)
    const laptop = await Laptop.open(this.#world, {
      ...{ name, key, fleet: this.genesis.fleet, first: [this.genesis.envelope], seeds: addresses },
      delegation: this.#delegate(person, key),
    })
    try {
      if (!(await laptop.catchUp(searchMs))) return undefined
      const published = await publish(laptop)
      if (published !== undefined) await laptop.stay(published.sequence, stayMs)
      return published
    } finally {
      await laptop.close()
    }
  }

  #delegate(person: Person, session: Uint8Array): Uint8Array {
    const payload = writeDelegation({
      fleet: this.genesis.fleet,
      session: publicKeyOf(session),
      issued: timeOf(this.#nowMs() - 60_000),
      until: timeOf(this.#nowMs() + sessionMs),
    })
    return sealDelegation(payload, signSshsig(this.#signers[person], 'fleet', payload))
  }

  #begin(): Genesis {
    const trust = trustOf(this.#filesOf(this.roster))
    const payload = writePayload({
      ...{ kind: 'trust', sequence: 1, object: trustTree(trust.files) },
      ...{ tagger: taggerOf(authorOf('anna'), this.#nowMs()), subject: 'genesis', words: '' },
      ...trustDigests(trust.files),
    })
    const tag = sealEntry(payload, signSshsig(this.#signers.anna, 'git', payload))
    const envelope = encodeEnvelope({ tag, cosigs: [], trust: trust.files })
    const id = entryIdOf(payload)
    const about = { sequence: 1, id, kind: 'trust', subject: 'genesis', sound: true } as const
    this.#ledger.sign({ ...about, envelope, atMs: this.#world.world.nowMs })
    return { fleet: id as string as FleetId, envelope, trust }
  }

  #sign(
    { sequence, id, envelope }: MadeEntry,
    kind: 'trust' | 'release',
    subject: string,
    more: Partial<Pick<Signed, 'commit' | 'content' | 'untrue' | 'risk' | 'auto' | 'breaks'>>,
    sound: boolean,
  ): void {
    const atMs = this.#world.world.nowMs
    this.#ledger.sign({ sequence, id, kind, subject, envelope, atMs, sound, ...more })
  }

  #filesOf(roster: readonly Host[]): TrustFiles {
    return {
      operators: writeOperators(this.#operators),
      hosts: writeRoster(roster),
      policy: writePolicy({ threshold: 1 }),
    }
  }

  #nowMs(): number {
    return epochMs + this.#world.world.nowMs
  }
}

const authorOf = (person: Person) => ({ name: person, email: `${person}@example.org` })

function trustOf(files: TrustFiles): Trust {
  const read = readTrust(files)
  if (read.kind === 'bad') throw new Error(`trust files: ${JSON.stringify(read.problems)}`)
  return read.value
}
