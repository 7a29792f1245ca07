// Wiring of a peer on a real machine: opens its store, repository, durable files and network. `openPeer` serves hosts and
// operators' laptops alike; what a host has besides (engine, control socket, audits) is os-host.ts's.
import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'
import { join } from 'node:path'
import { type Libp2pOptions, libp2pCarrier } from '../gossip/libp2p.ts'
import { unhex } from '../signing/bytes.ts'
import { openRepository } from './git.ts'
import { openLevel } from './level.ts'
import { openDurable, systemClock, systemRandom, systemTimers } from './os.ts'
import type { Log } from './os-log.ts'
import { type Peer, type PeerOptions, startPeer } from './peer.ts'

export interface MachineOptions extends PeerOptions {
  /** Folder of this peer's store, repository and durable files. */
  readonly state: string
  readonly network: Pick<Libp2pOptions, 'listen' | 'seeds' | 'mdns' | 'dht' | 'transport'>
  readonly log: Log
  readonly fatal: (error: unknown) => void
}

/** Opens everything and starts to listen. Errors: STORE_LOCKED when another process has the folder, LISTEN_FAILED, errno of the disk. */
export async function openPeer(options: MachineOptions): Promise<Peer> {
  const { state, fleet, log, network, fatal } = options
  const clock = systemClock
  const durable = openDurable(state)
  const { port: store, note } = await openLevel(join(state, 'db'), clock)
  if (note !== undefined) log('error', 'store rebuilt', { note })
  const opened = await openRepository(join(state, 'repo.git'), clock)
  if (opened.note !== undefined) log('error', 'repository rebuilt', { note: opened.note })
  return startPeer(
    {
      store,
      durable,
      repository: opened.port,
      clock,
      timers: systemTimers,
      random: () => systemRandom.number(),
      log,
      carrier: book => libp2pCarrier({ fleet, key: options.key, ...network, book }),
      boot: bootId(),
      uptime,
      fatal,
    },
    options,
  )
}

/** 16 bytes; zeros where the kernel does not say. */
function bootId(): Uint8Array {
  try {
    const said = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().replaceAll('-', '')
    return unhex(said, 16) ?? new Uint8Array(16)
  } catch {
    return new Uint8Array(16)
  }
}
