// Where a peer listens, as text: `host:port` for people and the wire, multiaddr for libp2p.

import { limits } from './limits.ts'

const ipv4 = /^\d{1,3}(\.\d{1,3}){3}$/
const hostPort = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/

/** A multiaddr for `host:port` or for a multiaddr, the peer id cut off; undefined when it is neither. */
export function toMultiaddr(address: string): string | undefined {
  if (address.length > limits.addressChars) return undefined
  if (address.startsWith('/')) return address.replace(/\/p2p\/[A-Za-z0-9]+$/, '')
  const [, v6, host, port] = hostPort.exec(address) ?? []
  if (port === undefined || Number(port) > 65_535) return undefined
  if (v6 !== undefined) return `/ip6/${v6}/tcp/${port}`
  return `/${ipv4.test(host!) ? 'ip4' : 'dns'}/${host}/tcp/${port}`
}

/** `host:port` for TCP, else the multiaddr as it is; without the peer id. The inverse of `toMultiaddr`. */
export function fromMultiaddr(multiaddr: string): string {
  const [, kind, host, port] =
    /^\/(ip4|ip6|dns|dns4|dns6)\/([^/]+)\/tcp\/(\d+)(?:\/p2p\/.*)?$/.exec(multiaddr) ?? []
  if (kind === undefined) return multiaddr.replace(/\/p2p\/[A-Za-z0-9]+$/, '')
  return kind === 'ip6' ? `[${host}]:${port}` : `${host}:${port}`
}

/** Whether an address means something only on the machine that says it. */
export function isLoopback(address: string): boolean {
  return /^(127\.|\[::1\]|localhost:)/.test(address)
}

/** A part of the network where peers are likely to fail together: the /24 of IPv4, else the host. */
export function neighbourhood(address: string): string {
  const host = address.slice(0, address.lastIndexOf(':'))
  return ipv4.test(host) ? host.slice(0, host.lastIndexOf('.')) : host
}
