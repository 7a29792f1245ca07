// Where a peer listens, as text: ADDR of docs/formats.md section 3 for people and the wire, multiaddr for libp2p.

import { limits } from './limits.ts'

/** The port that ADDR leaves out. */
export const defaultPort = 4747

const ipv4 = /^\d{1,3}(\.\d{1,3}){3}$/
const addr = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/
const peerId = /\/p2p\/(\w+)$/

/** The peer that a multiaddr ends in, if it does. */
export function peerIn(address: string): string | undefined {
  return peerId.exec(address)?.[1]
}

/** A multiaddr without peer id, for an ADDR or a multiaddr; undefined when it is neither. */
export function toMultiaddr(address: string): string | undefined {
  if (address.length > limits.addressChars) return undefined
  if (address.startsWith('/')) return address.replace(peerId, '')
  const [, v6, host, port = `${defaultPort}`] = addr.exec(address) ?? []
  if ((v6 ?? host) === undefined || Number(port) > 65_535) return undefined
  if (v6 !== undefined) return `/ip6/${v6}/tcp/${port}`
  return `/${ipv4.test(host!) ? 'ip4' : 'dns'}/${host}/tcp/${port}`
}

/** ADDR for TCP, else the multiaddr as it is; without the peer id. One place has one text. */
export function fromMultiaddr(multiaddr: string): string {
  const place = multiaddr.replace(peerId, '')
  const [, kind, host, port] = /^\/(ip4|ip6|dns|dns4|dns6)\/([^/]+)\/tcp\/(\d+)$/.exec(place) ?? []
  if (kind === undefined) return place
  return (kind === 'ip6' ? `[${host}]` : host) + (Number(port) === defaultPort ? '' : `:${port}`)
}

/** Whether an address means something only on the machine that says it. */
export function isLoopback(address: string): boolean {
  return /^(127\.|\[::1\]|localhost\b)/.test(address)
}

/** A part of the network where peers are likely to fail together: the /24 of IPv4, else the host. */
export function neighbourhood(address: string): string {
  const host = address.replace(/:\d+$/, '')
  return ipv4.test(host) ? host.slice(0, host.lastIndexOf('.')) : host
}
