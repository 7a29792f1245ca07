// The codes of gossip/: failures of the network that callers can name. What peers send wrongly is not here: it is
// ignored, or the connection closed. What to do stands in docs/errors.md.

export const gossipErrors = {
  ADDRESS_INVALID: 'an address is neither host, host:port nor a multiaddr',
  LISTEN_FAILED: 'cannot listen',
  MESSAGE_TOO_BIG: 'a message is larger than its receivers accept',
} as const

export type GossipErrorCode = keyof typeof gossipErrors

export class GossipError extends Error {
  override readonly name = 'GossipError'
  readonly code: GossipErrorCode
  readonly data: Readonly<Record<string, string | number>>

  constructor(code: GossipErrorCode, data: Readonly<Record<string, string | number>>, cause?: unknown) {
    const what = Object.entries(data).map(([key, value]) => `${key} ${value}`)
    super(`${gossipErrors[code]}: ${what.join(', ')}`, cause === undefined ? undefined : { cause })
    this.code = code
    this.data = data
  }
}
