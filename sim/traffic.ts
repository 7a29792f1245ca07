// What goes over the wires of one host, counted.

/** What a host has sent and taken, restarts included. Gossip counts in all of them. */
export interface Traffic {
  messagesIn: number
  messagesOut: number
  bytesIn: number
  bytesOut: number
  gossipIn: number
  gossipBytesIn: number
}

export function sent(traffic: Traffic, bytes: number): void {
  traffic.messagesOut += 1
  traffic.bytesOut += bytes
}

export function taken(traffic: Traffic, bytes: number): void {
  traffic.messagesIn += 1
  traffic.bytesIn += bytes
}

export function gossiped(traffic: Traffic, bytes: number): void {
  taken(traffic, bytes)
  traffic.gossipIn += 1
  traffic.gossipBytesIn += bytes
}

export function noTraffic(): Traffic {
  return { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0, gossipIn: 0, gossipBytesIn: 0 }
}
