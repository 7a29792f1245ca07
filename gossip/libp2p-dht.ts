// The private DHT: finds the addresses of a known peer among the admitted. Off by default; roster addresses, exchange
// and mDNS find peers at less cost.

import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'

/** libp2p services. Every host serves, and private addresses are kept: kad-dht's defaults would leave it empty. */
export function services(fleet: string) {
  return {
    ping: ping(),
    dht: kadDHT({
      protocol: `/fleet/${fleet}/kad/1.0.0`,
      clientMode: false,
      peerInfoMapper: passthroughMapper,
    }),
  }
}
