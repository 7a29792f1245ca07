// Core: the hosts of the roster as the steps language knows them. The same on the operator's machine and on the host,
// so that what is planned is what is done.
import { parseAddress, type Host as RosterLine } from '../signing/roster.ts'
import type { Host, RosterHost } from './host/steps/scope.ts'

/** A host of the roster, its addresses without ports; `facts` as frozen at the last run, undefined: open. */
export function inventoryHost(
  { name, labels, addresses }: RosterLine,
  facts?: Readonly<Record<string, string>>,
): Host {
  return { name, labels, addresses: addresses.map(bare), facts }
}

/** For `${hosts.KEY=VALUE.address}`; a host without an address is reached by its name. */
export function inventoryRoster(roster: readonly RosterLine[]): readonly RosterHost[] {
  return roster.map(({ name, labels, addresses: [first] }) => ({
    name,
    labels,
    address: first === undefined ? name : bare(first),
  }))
}

const bare = (address: string) => parseAddress(address)?.host ?? address
