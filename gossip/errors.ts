// Failures of the network that callers can name. What peers send wrongly is not here: it is ignored or closed.

const meanings = {
  ADDRESS_INVALID: 'an address is neither host:port nor a multiaddr',
  LISTEN_FAILED: 'the listen address or port cannot be used',
  MESSAGE_TOO_BIG: 'a message is larger than its peers accept',
}

export type GossipCode = keyof typeof meanings

export class GossipError extends Error {
  readonly code: GossipCode
  readonly data: Readonly<Record<string, unknown>>

  constructor(code: GossipCode, data: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    const facts = Object.entries(data).map(([key, value]) => `${key} ${String(value)}`)
    super([meanings[code], ...facts].join('; '), options)
    this.name = 'GossipError'
    this.code = code
    this.data = data
  }
}
