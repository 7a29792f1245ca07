// Enrolled hosts that do what they like: the carrier of a host is wrapped, so that what it sends is forged, withheld or made
// up, while it goes on to hear what all hear. What good hosts make of it is up to the code under test.
import type { Carrier } from '../gossip/carrier.ts'
import { encodeMessage, type Message, type StatusPair } from '../gossip/message.ts'
import { hex, unhex, utf8 } from '../signing/bytes.ts'
import { signing } from '../signing/crypto.ts'
import { decodeEnvelope, encodeEnvelope } from '../signing/entry.ts'
import { isRefusal } from '../signing/errors.ts'
import { joinSigned, seedSigner, signSshsig, splitSigned } from '../signing/sshsig.ts'
import { type State, type Status, signStatus } from '../signing/status.ts'
import type { Fault } from './faults.ts'
import type { SimHost } from './host.ts'
import type { Time } from './world.ts'

/** ms between two deeds of a hostile host that does not only wait for others. */
const deedMs = 3_000
/** Messages a second that a flood is cut to: the simulator has to carry them all. */
const floodMax = 200
/** Parts asked for at once: more than anybody answers. */
const burst = 32

/** The host turns hostile now; answers with what makes it good again. It counts as hostile for the rest of the run. */
export function hostile(fault: Fault, host: SimHost, { world }: { readonly world: Time }): () => void {
  host.honest = false
  let on = true
  const chance = world.chance(host.name, `hostile ${fault.kind} ${fault.atMs}`)
  const filter = filters[fault.kind]
  if (filter !== undefined) host.filters.add(filter)
  const deed = deeds[fault.kind]
  const everyMs =
    fault.kind === 'flood' ? 1_000 / Math.min(floodMax, Math.max(1, fault.amount ?? 20)) : deedMs
  const act = () => {
    if (!on || deed === undefined) return
    const { carrier } = host
    if (host.up && carrier !== undefined) deed(host, carrier, chance, fault)
    world.after(everyMs * (0.5 + chance()), act)
  }
  if (deed !== undefined) world.after(everyMs * chance(), act)
  return () => {
    on = false
    if (filter !== undefined) host.filters.delete(filter)
  }
}

/** What becomes of a message that the host wants to send; undefined: it is kept back. */
export type Filter = (message: Message, host: SimHost) => Message | undefined

const filters: Partial<Record<Fault['kind'], Filter>> = {
  withhold: message => (message.t === 'heads' || message.t === 'hello' ? message : undefined),
  corruptPack: message =>
    message.t === 'part' ? { ...message, bytes: message.bytes.map(byte => byte ^ 0x55) } : message,
  // Some say so. Others claim to hold what is newest, and leave whoever asks without an answer.
  missingPack: (message, { index }) => {
    if (message.t === 'part') return index % 2 === 0 ? { t: 'no-pack', pack: message.pack } : undefined
    if (index % 2 === 0) return message
    return message.t === 'heads'
      ? { ...message, held: message.head[0] }
      : message.t === 'no-pack'
        ? undefined
        : message
  },
  falseHealthy: withOwn(says('HEALTHY')),
  falseFailed: withOwn(says('FAILED')),
  future: withOwn(status => ({ ...status, at: status.at + 365 * 86_400_000, up: status.up + 1e6 })),
}

function says(state: State): (status: Status) => Status {
  return status => (status.entry === undefined ? status : { ...status, state })
}

/** The host's own status in a batch, said otherwise, under the same counter: each lie is signed once. */
function withOwn(change: (status: Status) => Status): Filter {
  const lies = new WeakMap<StatusPair, StatusPair>()
  return (message, host) => {
    if (message.t !== 'statuses') return message
    const statuses = message.statuses.map((pair): StatusPair => {
      const read = host.memory.readStatus(pair)
      if (isRefusal(read) || read.by !== host.key) return pair
      const lie = lies.get(pair) ?? pairOf(change(read.status), host)
      lies.set(pair, lie)
      return lie
    })
    return { ...message, statuses }
  }
}

/** Keys that are ready to sign, of those that have lied. */
const signers = new WeakMap<SimHost, ReturnType<typeof signing>>()

function pairOf(status: Status, host: SimHost): StatusPair {
  const sign = signers.get(host) ?? signing(host.seed)
  signers.set(host, sign)
  const { body, signature } = signStatus(status, sign)
  return [body, signature]
}

type Deed = (host: SimHost, carrier: Carrier, chance: () => number, fault: Fault) => void

const deeds: Partial<Record<Fault['kind'], Deed>> = {
  /**
   * The newest entry under the host's own signature; one beside it that the host made up, and one that follows it, once under
   * its own signature and once under that of an operator for the newest. By gossip until that is shut, and to each neighbour;
   * and a status of somebody else.
   */
  forged: (host, carrier, chance) => {
    const envelope = newest(host)
    const parts = envelope && splitSigned(envelope.tag)
    const head = host.peer?.entries.head()
    if (envelope === undefined || parts === undefined || head === undefined) return
    const subject = `forged ${Math.floor(chance() * 2 ** 32)}`
    const beside = new TextDecoder().decode(parts.payload).replace(/\n\n[^\n]+\n\n/, `\n\n${subject}\n\n`)
    const after = beside
      .replace(/\ntag fleet\/[0-9]+\n/, `\ntag fleet/${head.sequence + 1}\n`)
      .replace(/\nSequence: [0-9]+\n/, `\nSequence: ${head.sequence + 1}\n`)
      .replace(/\nPrevious: [0-9a-f]+\n/, `\nPrevious: ${head.id}\n`)
    const mine = (payload: Uint8Array) => signSshsig(seedSigner(host.seed), 'git', payload)
    const forgeries = [
      { payload: parts.payload, blob: mine(parts.payload) },
      { payload: utf8(beside), blob: mine(utf8(beside)) },
      { payload: utf8(after), blob: mine(utf8(after)) },
      { payload: utf8(after), blob: parts.blob },
    ]
    for (const each of forgeries) {
      const entry = encodeEnvelope({ ...envelope, tag: joinSigned(each) })
      say(carrier, { t: 'entry', entry })
      tell(carrier, { t: 'entry', entry })
    }
    const others = (host.peer?.reporter.board.rows() ?? []).filter(each => hex(each.status.host) !== host.key)
    const row = others[Math.floor(chance() * others.length)]
    if (row === undefined) return
    tell(carrier, { t: 'statuses', statuses: [pairOf({ ...row.status, n: row.status.n + 1 }, host)] })
  },
  /** True entries, old and new, and statuses that were overtaken long ago. */
  replayed: (host, carrier, chance) => {
    const entries = host.peer?.entries.entries() ?? []
    const entry = entries[Math.floor(chance() * entries.length)]
    if (entry !== undefined) say(carrier, { t: 'entry', entry: entry.envelope })
    const old = host.past[Math.floor(chance() * host.past.length)]
    if (old !== undefined) tell(carrier, { t: 'statuses', statuses: [old] })
  },
  /** The same entry, its armour broken at other columns: git takes it, we do not. */
  rewrapped: (host, carrier) => {
    const envelope = newest(host)
    if (envelope === undefined) return
    const text = new TextDecoder().decode(envelope.tag)
    const at = text.indexOf('-----BEGIN SSH SIGNATURE-----')
    const lines = text.slice(at).trimEnd().split('\n')
    const body = lines.slice(1, -1).join('')
    const wrapped = [lines[0], ...(body.match(/.{1,64}/g) ?? []), lines.at(-1)].join('\n')
    say(carrier, {
      t: 'entry',
      entry: encodeEnvelope({ ...envelope, tag: utf8(`${text.slice(0, at)}${wrapped}\n`) }),
    })
  },
  /** Two bodies under one counter, to different neighbours. */
  equivocate: (host, carrier) => {
    const row = host.peer?.reporter.board.row(host.key)
    if (row === undefined) return
    const [first, ...others] = carrier.peers()
    const lie = pairOf({ ...row.status, why: 'otherwise' }, host)
    if (first !== undefined) void carrier.send(first, encodeMessage({ t: 'statuses', statuses: [lie] }))
    for (const peer of others) void carrier.send(peer, encodeMessage({ t: 'statuses', statuses: [row.pair] }))
  },
  /** Bytes that are no message, messages that ask for much, now and then many times at once, and gossip of nothing. */
  flood: (host, carrier, chance) => {
    const kind = Math.floor(chance() * 4)
    const junk = Uint8Array.from({ length: 64 }, () => Math.floor(chance() * 256))
    const packs = host.peer?.entries.entries().flatMap(each => each.release?.packs ?? []) ?? []
    const largest = packs.sort((a, b) => b.size - a.size)[0]
    const isBurst = largest !== undefined && chance() < 0.01
    const pack = isBurst ? unhex(largest.digest, 32)! : junk.subarray(0, 32)
    for (const peer of carrier.peers()) {
      if (kind === 0) void carrier.send(peer, junk)
      if (kind === 1) void carrier.send(peer, encodeMessage({ t: 'want', after: 0 }))
      if (kind === 2) void carrier.send(peer, encodeMessage({ t: 'digest', have: [], answer: false }))
      const wants = kind === 3 ? (isBurst ? burst : 1) : 0
      for (let at = 0; at < wants; at++)
        void carrier.send(peer, encodeMessage({ t: 'want-pack', pack, offset: 0, length: 65_536 }))
    }
    if (chance() < 0.2) carrier.publish(junk)
  },
}

function newest(host: SimHost) {
  const entry = host.peer?.entries.entries().at(-1)
  const envelope = entry && decodeEnvelope(entry.envelope)
  return envelope === undefined || isRefusal(envelope) ? undefined : envelope
}

const say = (carrier: Carrier, message: Message) => carrier.publish(encodeMessage(message))
const tell = (carrier: Carrier, message: Message) => {
  const bytes = encodeMessage(message)
  for (const peer of carrier.peers()) void carrier.send(peer, bytes)
}

/** A carrier whose messages go through the filters that the host has at that moment. */
export function filtered(
  carrier: Carrier,
  host: SimHost,
  spoke: (status: Status, pair: StatusPair) => void,
): Carrier {
  /** A status of the host's own leaves it for the first time. */
  const listen = (message: Message) => {
    if (message.t !== 'statuses') return
    for (const pair of message.statuses) {
      const read = host.memory.readStatus(pair)
      if (isRefusal(read) || read.by !== host.key || !host.isNews(pair)) continue
      spoke(read.status, pair)
    }
  }
  const through = (bytes: Uint8Array): Uint8Array | undefined => {
    const decoded = host.memory.codec.decode(bytes)
    if (decoded.t === 'malformed') return bytes
    listen(decoded)
    if (host.filters.size === 0) return bytes
    let message: Message | undefined = decoded
    for (const filter of host.filters) message = message && filter(message, host)
    return message && encodeMessage(message)
  }
  return {
    self: carrier.self,
    start: handlers => carrier.start(handlers),
    stop: () => carrier.stop(),
    publish: bytes => {
      const out = through(bytes)
      if (out !== undefined) carrier.publish(out)
    },
    send: async (peer, bytes) => {
      const out = through(bytes)
      return out === undefined ? true : carrier.send(peer, out)
    },
    knock: (peer, bytes) => carrier.knock(peer, bytes),
    peers: () => carrier.peers(),
    learn: (peer, addresses) => carrier.learn(peer, addresses),
    enrol: roster => carrier.enrol(roster),
    addresses: () => carrier.addresses(),
    book: () => carrier.book(),
    recheck: () => carrier.recheck(),
  }
}
