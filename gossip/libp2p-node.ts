// How libp2p is set up: which defaults are wrong for a fleet, and why. Knows no peer; whom to let in, and to what, is
// asked of the carrier.

import { createHash } from 'node:crypto'
import { type GossipSub, gossipsub, StrictNoSign } from '@libp2p/gossipsub'
import { type Identify, identify } from '@libp2p/identify'
import type { Connection, Libp2p, PrivateKey, StreamHandler } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p, type Libp2pOptions, type ServiceFactoryMap } from 'libp2p'
import type { PeerId } from './carrier.ts'
import { limits } from './limits.ts'

export type TransportFactory = NonNullable<Libp2pOptions['transports']>[number]
/** What libp2p hands to its parts. */
export type Components = Parameters<TransportFactory>[0]
export type Node = Libp2p<{ identify: Identify; gossip: GossipSub; parts: { components: Components } }>

export interface NodeSettings {
  readonly key: PrivateKey
  /** Multiaddrs. */
  readonly listen: readonly string[]
  /** Default TCP. */
  readonly transport: TransportFactory | undefined
  readonly fleet: string
  /** gossipsub's topic. */
  readonly topic: string
  readonly dht: boolean
  /** Not even a stranger. */
  isDenied(peer: PeerId): boolean
  /** Denied, or one too many. */
  isUnwelcome(peer: PeerId): boolean
  /** Its gossip is dropped. */
  isShutOut(peer: PeerId): boolean
  /** Wraps the handler of each protocol. */
  guard(protocol: string, handler: StreamHandler): StreamHandler
}

/** ms of silence after which a connection is dead; yamux asks for a sign of life every `keepAliveMs`. */
const silenceMs = 75_000
const keepAliveMs = 25_000
/** Far below gossipsub's graylist threshold (-80), and multiplied by 10. */
const shutOut = -100

/** Makes a node that is not started. */
export async function makeNode(settings: NodeSettings): Promise<Node> {
  const id = (peer: { toString(): string }) => peer.toString() as PeerId
  const window = limits.windowBytes
  const services = {
    parts: (components: Components) => {
      // Guarded here, before any service registers. libp2p 3.3's own middleware runs the handlers of all earlier
      // streams again for each new one.
      const { registrar } = components
      const handle = registrar.handle.bind(registrar)
      registrar.handle = (protocol, handler, options) =>
        handle(protocol, settings.guard(protocol, handler), options)
      // Not the components themselves, which would start themselves.
      return { components }
    },
    // Not by itself: gossipsub opens its streams to whoever is identified, so that is done after the hellos.
    identify: identify({ runOnConnectionOpen: false }),
    gossip: gossipsub({
      allowedTopics: [settings.topic],
      // Meshes are mended three times slower than usual, at a third of the cost: sync heals what gossip misses.
      heartbeatInterval: 3_000,
      maxTopicBytesPerPeer: 16 * 1024,
      maxOutboundBufferSize: limits.gossipQueueBytes,
      // Content is signed by its author within; the same content is the same message, whoever sends it.
      globalSignaturePolicy: StrictNoSign,
      msgIdFn: ({ data }) => createHash('sha256').update(data).digest(),
      fallbackToFloodsub: false,
      floodPublish: false,
      doPX: false,
      allowPublishToZeroTopicPeers: true,
      ignoreDuplicatePublishError: true,
      scoreParams: {
        // Hosts behind one address are a site, not an attack.
        IPColocationFactorWeight: 0,
        appSpecificScore: peer => (settings.isShutOut(id(peer)) ? shutOut : 0),
      },
    }),
    ...(settings.dht ? (await import('./libp2p-dht.ts')).services(settings.fleet) : {}),
  }
  const node = await createLibp2p({
    privateKey: settings.key,
    start: false,
    nodeInfo: { userAgent: 'fleet' },
    addresses: { listen: [...settings.listen] },
    transports: [
      settings.transport ??
        tcp({ inboundSocketInactivityTimeout: silenceMs, outboundSocketInactivityTimeout: silenceMs }),
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({
        keepAliveInterval: keepAliveMs,
        maxInboundStreams: 64,
        // They would grow to 16 MiB, and one bulk transfer would hold up all else on its connection.
        streamOptions: { initialStreamWindowSize: window, maxStreamWindowSize: window },
      }),
    ],
    connectionManager: {
      maxConnections: limits.connectionsHard,
      // Sites behind one address restart together; strangers have a rate of their own.
      inboundConnectionThreshold: 256,
      maxIncomingPendingConnections: 128,
      dialTimeout: limits.dialMs,
      addressDialTimeout: limits.dialMs,
      reconnectRetries: 0,
    },
    // It hangs up on a peer that answers one ping too late; yamux and TCP find the dead.
    connectionMonitor: { enabled: false },
    connectionGater: {
      denyDialPeer: peer => settings.isDenied(id(peer)),
      denyOutboundEncryptedConnection: peer => settings.isDenied(id(peer)),
      denyInboundEncryptedConnection: peer => settings.isUnwelcome(id(peer)),
    },
    services: services as unknown as ServiceFactoryMap,
  })
  return node as unknown as Node
}

/** Whether our stream for gossip is open. */
export function isGossiping({ streams }: Connection): boolean {
  return streams.some(
    ({ protocol, direction, writeStatus }) =>
      protocol.startsWith('/meshsub/') && direction === 'outbound' && writeStatus === 'writable',
  )
}
