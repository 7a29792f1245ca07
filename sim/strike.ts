// Carries out the script of a run: each fault begins and ends as written. One function for each class of faults; who is
// struck and when was decided by draw.ts or stands in a file.
import type { Network } from './carrier.ts'
import type { Fault, FaultKind } from './faults.ts'
import { faultKinds } from './faults.ts'
import type { SimHost } from './host.ts'
import { hostile } from './hostile.ts'
import type { World } from './world.ts'

export interface Struck {
  readonly world: World
  readonly network: Network
  readonly hosts: readonly SimHost[]
  /** What operators do: publish, and what for. */
  readonly operate: (kind: FaultKind, fault: Fault) => void
}

/** What takes a fault back. */
type Undo = () => void
type Strike = (fault: Fault, hosts: readonly SimHost[], at: Struck) => Undo | undefined

const hour = 3_600_000

/** Begins a fault now; answers with what ends it, for those that last. */
export function strike(fault: Fault, at: Struck): Undo | undefined {
  const hosts = fault.hosts.length === 0 ? at.hosts : fault.hosts.flatMap(index => at.hosts[index] ?? [])
  return byClass[faultKinds[fault.kind].class](fault, hosts, at)
}

const byClass: Record<(typeof faultKinds)[FaultKind]['class'], Strike> = {
  network: onLinks,
  partition: onLinks,
  host: (fault, hosts, at) => {
    const undos = hosts.map(host => onHost(fault, host, at))
    return all(undos)
  },
  disk: (fault, hosts) => all(hosts.map(host => onDisk(fault, host))),
  clock: (fault, hosts) => all(hosts.map(host => onClock(fault, host))),
  apply: (fault, hosts, at) => all(hosts.map(host => onMachine(fault, host, at))),
  content: (fault, hosts, at) => {
    if (fault.kind === 'corruptPack' || fault.kind === 'missingPack')
      return all(hosts.map(host => hostile(fault, host, at)))
    at.operate(fault.kind, fault)
    return undefined
  },
  hostile: (fault, hosts, at) => all(hosts.map(host => hostile(fault, host, at))),
  operator: (fault, _, at) => {
    at.operate(fault.kind, fault)
    return undefined
  },
}

function onLinks(fault: Fault, hosts: readonly SimHost[], { network }: Struck): Undo {
  network.links.begin(
    fault,
    hosts.map(each => each.self),
  )
  return () => network.links.end(fault)
}

function all(undos: readonly (Undo | undefined)[]): Undo | undefined {
  const given = undos.filter(each => each !== undefined)
  return given.length === 0
    ? undefined
    : () => {
        for (const undo of given) undo()
      }
}

function onHost({ kind, amount }: Fault, host: SimHost, { world }: Struck): Undo | undefined {
  switch (kind) {
    case 'kill':
      host.end('power')
      return () => host.start()
    case 'restart':
      host.restart('kill')
      return undefined
    case 'storm':
      host.restart('power')
      return undefined
    case 'hang':
      host.hang()
      return () => host.goOn()
    case 'absent':
      host.end('power')
      return () => host.start()
    case 'clone':
      return host.double()
    case 'reimage':
      host.end('power')
      host.wipe()
      host.start(1_000)
      return undefined
    case 'restore': {
      // The copy is taken now, and comes back when it is as old as the fault says.
      const copy = host.disk.snapshot()
      const isWhole = world.chance(host.name, `restore ${world.nowMs}`)() < 0.5
      world.after(amount ?? hour, () => {
        host.end('power')
        if (isWhole) host.putBack(copy)
        else host.putBackLog(copy)
        host.start(1_000)
      })
      return undefined
    }
    default:
      return undefined
  }
}

function onDisk({ kind, amount = 0 }: Fault, host: SimHost): Undo | undefined {
  const { faults } = host.disk
  switch (kind) {
    case 'full':
      faults.full = true
      return () => {
        faults.full = false
      }
    case 'errors':
      faults.errors = amount
      return () => {
        faults.errors = 0
      }
    case 'lost':
      host.losesUnflushed = true
      return () => {
        host.losesUnflushed = false
      }
    case 'flip':
      host.flip()
      return undefined
    case 'slowDisk':
      host.slowMs = amount
      return () => {
        host.slowMs = 0
      }
    default:
      return undefined
  }
}

function onClock({ kind, amount = 0 }: Fault, { clock }: SimHost): Undo | undefined {
  switch (kind) {
    case 'step':
      clock.step(amount)
      return undefined
    case 'offset':
      clock.step(amount)
      break
    case 'drift':
      clock.run(1 + amount / 1_000_000)
      break
    case 'frozen':
      clock.run(0)
      break
  }
  return () => clock.mend()
}

function onMachine({ kind, amount = 0 }: Fault, host: SimHost, { network }: Struck): Undo | undefined {
  const { machine } = host
  switch (kind) {
    case 'applyFails':
      return machine.trouble({ fails: true })
    case 'applyHangs':
      return machine.trouble({ hangsMs: amount })
    case 'applyThenFails':
      return machine.trouble({ sickens: true })
    case 'breaksRole':
      return machine.trouble({ sick: true })
    case 'killsAgent':
      return machine.trouble({ kills: true })
    case 'cutsOff':
      return machine.trouble({
        cutsOff: () => network.freeze(host.address),
        back: () => network.thaw(host.address),
      })
    case 'driftsBack':
      machine.drift()
      return undefined
    default:
      return undefined
  }
}
