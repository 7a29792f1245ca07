// Core: the address book as it lies in a host's store, read. Whom to connect to is gossip/peers.ts's.
import type { Contact } from '../gossip/carrier.ts'
import { limits } from '../gossip/limits.ts'

/** The address book as it lies in the store; whatever is not of its shape is left out. */
export function decodeBook(bytes: Uint8Array | undefined): Contact[] {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes ?? new Uint8Array()))
    return Array.isArray(value) ? value.filter(isContact) : []
  } catch {
    return []
  }
}

function isContact(value: unknown): value is Contact {
  const { peer, addresses, seenMs } = (value ?? {}) as Partial<Contact>
  return (
    typeof peer === 'string' &&
    typeof seenMs === 'number' &&
    Array.isArray(addresses) &&
    addresses.every(each => typeof each === 'string' && each.length <= limits.addressChars)
  )
}
