import { expect, test } from 'vitest'
import { fromMultiaddr, isLoopback, neighbourhood, peerIn, toMultiaddr } from '../../gossip/address.ts'

test.each([
  ['192.0.2.1', '/ip4/192.0.2.1/tcp/4747'],
  ['192.0.2.1:22', '/ip4/192.0.2.1/tcp/22'],
  ['[2001:db8::1]', '/ip6/2001:db8::1/tcp/4747'],
  ['[2001:db8::1]:22', '/ip6/2001:db8::1/tcp/22'],
  ['db1.example.org:22', '/dns/db1.example.org/tcp/22'],
  ['/memory/a', '/memory/a'],
])('%s is %s, and back', (address, multiaddr) => {
  expect(toMultiaddr(address)).toBe(multiaddr)
  expect(fromMultiaddr(multiaddr)).toBe(address)
  expect(fromMultiaddr(`${multiaddr}/p2p/12D3KooWabc`)).toBe(address)
  expect(peerIn(`${multiaddr}/p2p/12D3KooWabc`)).toBe('12D3KooWabc')
})

test.each([
  '',

  'host:',
  ':1',
  'host:99999',
  'a b:1',
  '2001:db8::1:4747',
  '[x]:1',
  `${'a'.repeat(400)}:1`,
])('%j is no address', address => expect(toMultiaddr(address)).toBeUndefined())

test('a port that goes without saying is not said', () => {
  expect(fromMultiaddr(toMultiaddr('192.0.2.1:4747') ?? '')).toBe('192.0.2.1')
})

test('what is near, and what is nowhere else', () => {
  expect(neighbourhood('192.0.2.1:1')).toBe(neighbourhood('192.0.2.99'))
  expect(neighbourhood('192.0.2.1:1')).not.toBe(neighbourhood('192.0.3.1:1'))
  expect(['127.0.0.1:1', '[::1]', '10.0.0.1:1'].map(isLoopback)).toEqual([true, true, false])
})
