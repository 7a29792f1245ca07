// The port to the network: how bytes reach other peers, who is there, and whom to let in. Decides nothing itself;
// libp2p.ts is the real adapter, sim/station.ts the one of the simulator, test/compliance/carrier.test.ts binds both.

/** Text of a libp2p peer id, `12D3Koo…`: the identity multihash of a raw Ed25519 public key. */
export type PeerId = string & { readonly brand: 'PeerId' }

/**
 * What the roster and the operators' delegations say of a key. `member`: full peer once hellos are exchanged.
 * `unknown`: may say hello and nothing else. `denied`: no connection in either direction.
 */
export type Admission = 'member' | 'unknown' | 'denied'

/**
 * What to do with a gossiped message. `accept`: pass it on. `ignore`: drop it; nobody is to blame, and these bytes
 * are not offered again for two minutes. `reject`: drop it and blame the neighbour who sent it, whose gossip is
 * shut out when that happens too often (limits.ts, `blame`).
 */
export type Verdict = 'accept' | 'ignore' | 'reject'

/**
 * A peer this host was connected to, and where. Hearsay is never in it, so it may be handed on.
 * An address is an ADDR of docs/formats.md section 3 (`192.0.2.1`, `[2001:db8::1]:22`), or a multiaddr.
 */
export interface Contact {
  readonly peer: PeerId
  /** Best first; at most `limits.addressesPerPeer`. */
  readonly addresses: readonly string[]
  /** When the peer was last up, in ms since 1970. */
  readonly seenMs: number
}

/** Hosts that there are, and where they may be; one object for all who know the same. */
export interface Directory {
  readonly hosts: readonly { readonly peer: string; readonly addresses: readonly string[] }[]
  readonly byPeer: ReadonlyMap<string, { readonly addresses: readonly string[] }>
}

/** All are called one at a time, never from inside a call of the carrier, and must not throw. */
export interface Handlers {
  /** Hellos are exchanged and the peer is admitted. */
  up(peer: PeerId, how: { readonly inbound: boolean }): void
  /** The last connection is gone. Each `up` has exactly one `down`, save at `stop()`. */
  down(peer: PeerId): void
  /**
   * One message of `send`, in the order of sending. Nothing more is read from this peer until the promise settles:
   * a slow handler slows the sender down and fills no memory.
   */
  message(from: PeerId, bytes: Uint8Array): void | Promise<void>
  /** One gossiped message, once per content in two minutes; `from` is the neighbour, not the author. */
  gossip(from: PeerId, bytes: Uint8Array): Verdict
  /** `hello` is absent while the connection is made; with it, anything but `member` closes the connection. */
  admit(peer: PeerId, hello?: Uint8Array): Admission
  /**
   * A peer that is a `member` without a hello knocked, by a connection that it opened `ageMs` ago for nothing else. Answers
   * with what goes back by that connection; undefined: nothing. Absent: nobody is answered.
   */
  knock?(from: PeerId, bytes: Uint8Array, ageMs: number): Uint8Array | undefined
  /** What this host says first on each connection: at most `limits.helloBytes`. */
  hello(): Uint8Array
  /** The address book as it is now; to be persisted and given back at the next start. */
  bookChanged(book: readonly Contact[]): void
}

export interface Carrier {
  readonly self: PeerId
  /** Resolves when the carrier listens. Fails with `LISTEN_FAILED` or `ADDRESS_INVALID`. Once in a life. */
  start(handlers: Handlers): Promise<void>
  /** Closes all connections; resolves when nothing is left open. Handlers are not called any more. */
  stop(): Promise<void>
  /**
   * Gossips to the whole fleet on the log topic: best effort, may be lost, repeated, reordered; no answer.
   * Throws `MESSAGE_TOO_BIG` above `limits.gossipBytes`: receivers would silently go deaf to this host.
   */
  publish(bytes: Uint8Array): void
  /**
   * Sends to one neighbour, in order. Resolves true when the transport has room for more, false when the peer is not
   * up, its queue is full (`limits.sendQueueBytes`) or the connection broke; true is no receipt.
   * Fails with `MESSAGE_TOO_BIG` above `limits.messageBytes`.
   */
  send(peer: PeerId, bytes: Uint8Array): Promise<boolean>
  /**
   * Shows that a new connection to this peer can be made, up or not: makes one beside those there are, asks by it, and ends it.
   * Resolves with the answer; undefined when there was none within `limits.knockMs`, or no address of the peer is known.
   */
  knock(peer: PeerId, bytes: Uint8Array): Promise<Uint8Array | undefined>
  /** Peers that are up. */
  peers(): PeerId[]
  /** Hints where a peer may be: peer exchange, a join. No addresses: the peer exists; look for it. */
  learn(peer: PeerId, addresses: readonly string[]): void
  /** The same of every host of the roster; replaces the roster before. */
  enrol(roster: Directory): void
  /** Own addresses, loopback only when there is no other; none before `start`. */
  addresses(): string[]
  /** The address book, for peer exchange. */
  book(): readonly Contact[]
  /** Admission may have changed: closes what is no longer admitted, tries again what was refused. */
  recheck(): void
}
