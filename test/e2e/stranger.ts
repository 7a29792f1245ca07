// Somebody who speaks the fleet's protocols and means no good: a real libp2p peer under whatever key it is given. Sends
// bytes and leaves; whether that did harm is for the tests to say.
import { libp2pCarrier } from '../../gossip/libp2p.ts'
import { encodeMessage, type Heads } from '../../gossip/message.ts'
import { version } from '../../node/config.ts'
import { readHostKey, readJoined } from '../../node/os-identity.ts'
import { unhex } from '../../signing/bytes.ts'
import { type Host, until } from './fleet.ts'

export interface Stranger {
  /** Whether the target let it in. */
  readonly up: boolean
  send(bytes: Uint8Array): Promise<void>
  /** Whether it still is in. */
  connected(): boolean
  leave(): Promise<void>
}

/** Connects to one host, as the host whose state folder was stolen, or under a key of its own. */
export async function connect(
  target: Host,
  as: { readonly stolen: Host } | { readonly fleet: string; readonly seed: Uint8Array },
): Promise<Stranger> {
  const joined = 'stolen' in as ? await readJoined(as.stolen.state) : undefined
  const fleet = 'fleet' in as ? as.fleet : joined!.fleet
  const key = 'seed' in as ? as.seed : readHostKey(as.stolen.state)!.seed
  const carrier = await libp2pCarrier({ fleet, key, listen: [], seeds: [`127.0.0.1:${target.port}`] })
  let tried = 0
  await carrier.start({
    up: () => {},
    down: () => {},
    message: () => {},
    gossip: () => 'ignore',
    admit: () => {
      tried++
      return 'member'
    },
    hello: () => encodeMessage({ t: 'hello', v: 1, fleet: unhex(fleet, 32)!, agent: version, addrs: [] }),
    bookChanged: () => {},
  })
  // One that is let in is up within a round trip; one that is not has been turned away by its third try.
  await until('a stranger to be let in or turned away', () =>
    carrier.peers().length > 0 || tried >= 3 ? true : undefined,
  )
  return {
    up: carrier.peers().length > 0,
    connected: () => carrier.peers().length > 0,
    send: async bytes => {
      const [peer] = carrier.peers()
      if (peer !== undefined) await carrier.send(peer, bytes)
    },
    leave: () => carrier.stop(),
  }
}

/** Listens in the place of a host, under its stolen key, and says of itself whatever `heads` says; hands nothing over. */
export async function impersonate(host: Host, heads: Heads): Promise<{ leave(): Promise<void> }> {
  const { fleet } = (await readJoined(host.state))!
  const { seed } = readHostKey(host.state)!
  const carrier = await libp2pCarrier({ fleet, key: seed, listen: [`127.0.0.1:${host.port}`], seeds: [] })
  const said = encodeMessage(heads)
  await carrier.start({
    up: peer => void carrier.send(peer, said),
    down: () => {},
    message: () => {},
    gossip: () => 'ignore',
    admit: () => 'member',
    hello: () => encodeMessage({ t: 'hello', v: 1, fleet: unhex(fleet, 32)!, agent: version, addrs: [] }),
    bookChanged: () => {},
  })
  return { leave: () => carrier.stop() }
}
