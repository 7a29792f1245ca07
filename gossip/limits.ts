// Every cap and rate of gossip/, with its unit and its reason. What a peer can make us hold is the product of these.

const KiB = 1024
const MiB = 1024 * KiB

export const limits = {
  /** Bytes of a hello: a fleet id, a certificate and an operator's delegation are under 4 KiB. */
  helloBytes: 16 * KiB,
  /** ms for the whole exchange of hellos: a few round trips on a bad line; a silent stranger costs us no longer. */
  helloMs: 5_000,
  /** Connections of keys that are not on the roster and have not proven anything yet, at once. */
  strangers: 16,
  /** Strangers let in a second, after a burst of `strangers`: a handshake costs us about 3 ms of processor time. */
  strangersPerSecond: 4,

  /** Bytes of a gossiped message: an entry, a pack inline and cosignatures at their limits below, with room to spare. */
  gossipBytes: 128 * KiB,
  /** Bytes of gossip waiting for one neighbour; one that is slower than that is connected to anew. */
  gossipQueueBytes: 4 * MiB,
  /** Gossiped messages a second from one neighbour, after a burst; the rest is ignored, and sync heals it. */
  gossipPerSecond: 50,
  gossipBurst: 500,
  /** Rejected messages of one neighbour before its gossip is shut out, and how fast that is forgiven (a second). */
  blame: 8,
  blameForgivenPerSecond: 1 / 30,

  /** Bytes of one direct message: a trust entry with the roster of the largest fleet travels whole. */
  messageBytes: 2 * MiB,
  /** Bytes waiting for one neighbour: two of the largest messages. Times `connectionsMax` is what senders can hold. */
  sendQueueBytes: 4 * MiB,
  /** Direct messages a second read from one neighbour, after a burst: parts of 256 KiB still make 100 MiB/s. */
  messagesPerSecond: 400,
  messagesBurst: 800,
  /** ms of processor time a second that one neighbour's direct messages may cost, after a burst: 900 entries checked. */
  workMsPerSecond: 250,
  workMsBurst: 5_000,
  /** Bytes of a yamux window, each way: larger ones let a bulk transfer starve the rest of its connection. */
  windowBytes: 256 * KiB,

  /** ms between two questions whether a neighbour is alive, and for its answer, which may wait behind a bulk transfer. */
  askAliveMs: 30_000,
  aliveMs: 60_000,

  /** Connections to keep: a random graph of degree 8 is connected for any fleet we know; small fleets are a clique. */
  connectionsWanted: 8,
  /** Above this the oldest spare ones are closed: room for newcomers, who all dial the seeds first. */
  connectionsMax: 24,
  /** Above this nobody is let in: a whole fleet that starts at one moment dials its seeds first. 20 MB of streams. */
  connectionsHard: 256,
  /** Dials under way at once. */
  dials: 4,
  /** ms until a dial is given up: three lost SYNs. */
  dialMs: 10_000,
  /** ms between two searches in the DHT, each of which asks a few hosts. */
  searchMs: 250,
  /** ms of the first pause after a failure, doubled each time, and its ceiling; the actual pause is 50 to 100 %. */
  backoffMs: 1_000,
  backoffMaxMs: 120_000,
  /** ms between dials beyond `connectionsWanted`, on average: heals halves of a fleet that are each content. */
  wanderMs: 120_000,
  /** ms a connection must have lasted before it may be closed as spare: both have exchanged peers by then. */
  spareAfterMs: 60_000,

  /** Peers in the address book and as candidates: above, those longest unseen go. 10,000 hosts are about 2 MB. */
  peersKnown: 10_000,
  /** Addresses per peer: a host has a few interfaces, each with IPv4 and IPv6. */
  addressesPerPeer: 8,
  /** Characters of an address: the longest multiaddr of a DNS name. */
  addressChars: 300,
  /** ms without being up after which a contact leaves the book. */
  contactAgeMs: 30 * 24 * 3_600_000,

  /** Bytes of a nonce: nobody guesses it. */
  nonceBytes: 16,
  /** ms for a knock: a new connection, a question and its answer. */
  knockMs: 10_000,
  /** Bytes of what is said by a knock, each way: one small message. */
  knockBytes: 256,
  /**
   * What a host does for others whose run may cut them off: so many at a time, each for so many ms, with a knock every so
   * many, or at most so often when it is asked again. A knock costs both about 3 ms of processor time.
   */
  knockErrands: 16,
  knockForMs: 600_000,
  knockEveryMs: 10_000,
  knockLeastMs: 2_000,
  /** Knocks of one peer that are answered a second, after a burst. */
  knocksPerSecond: 1,
  knocksBurst: 20,

  /** Hosts of a segment that answer mDNS at one time: each answers all, so the traffic grows with the square. */
  onDuty: 8,
  /** Below this many peers a host is always on mDNS duty. */
  peersTooFew: 3,
  /** ms of one slot of mDNS duty: three queries. */
  dutySlotMs: 60_000,

  /** Bytes of an entry's or order's envelope: the roster of 5,000 hosts with labels takes about 700 KiB. */
  envelopeBytes: 1.5 * MiB,
  /** Entries in one answer, and the bytes at which it is cut (the asker asks again). */
  entriesPerMessage: 256,
  entriesBytes: 512 * KiB,
  /** Releases kept in memory and answered to late hosts; trust entries are kept all. */
  releasesKept: 256,
  /** Orders in one answer, and the bytes at which it is cut (the asker asks again). */
  ordersPerMessage: 256,
  ordersBytes: 512 * KiB,
  /**
   * Orders held of one entry, by kind, and in all: only operators can make them, and a few say all; of `retry` one a host. The
   * rest is left out by a rule that is the same on every host (node/orders.ts). About 50 MB if all are as large as they may be.
   */
  ordersPerKind: { halt: 32, resume: 16, promote: 16, fresh: 16, trial: 64, retry: 512 },
  orders: 1_024,
  /**
   * A plan that a host tells an operator: rows of each kind, characters of a cell, bytes of the whole, which is one message; and how
   * many a host makes at once, each of which may bring a pack.
   */
  planRows: 5_000,
  planCellChars: 2_000,
  planBytes: 1.5 * MiB,
  plansAtOnce: 4,
  /** Bytes of a status's body; hosts on a board (twice the largest fleet meant); statuses in one batch and its bytes. */
  statusBytes: 2 * KiB,
  hosts: 10_000,
  statusesPerMessage: 500,
  /** Pieces of evidence in an answer to `fleet rollout`: a panel, and nobody reads more. */
  evidenceShown: 128,
  statusesBytes: 64 * KiB,
  /** Statuses in one gossiped message: a host gossips its own, one at a time; room for later. */
  statusesGossiped: 8,
  /** ms between batches of statuses to one neighbour, and neighbours that get one. */
  statusBatchMs: 1_000,
  statusFanout: 3,
  /** ms between heartbeats of one host: the larger of these, so that a fleet sends at most about ten a second. */
  heartbeatMs: 60_000,
  heartbeatMsPerHost: 100,
  /** ms between syncs with a random peer, ± half of it (DESIGN section 6). */
  syncMs: 30_000,
  /** The same for an operator's laptop, which stays for seconds, with all its neighbours. */
  guestSyncMs: 250,
  /** Peers told of a new head at once; the rest hear it by gossip, or at the next sync. */
  headsFanout: 4,
  /** Bytes of one part of a pack, and parts asked for ahead: with 256 KiB in flight a 10 ms line carries 25 MB/s. */
  packPartBytes: 64 * KiB,
  packPartsAhead: 8,
  /** ms without a part before another peer is asked. */
  packStallMs: 5_000,
  /** Parts served to one peer per call of its turn; what it asks beyond this many at once is not answered. */
  packAnswersWaiting: 16,
  /** Peers in one peer-exchange message. */
  peersPerMessage: 16,
  peerIdChars: 128,
  agentChars: 32,
  delegationBytes: 4 * KiB,
} as const
