// Somebody who speaks the fleet's protocols and means no good: a real libp2p peer under whatever key it is given.
import { type Carrier, type PeerId, unreachable } from '../../gossip/carrier.ts'
