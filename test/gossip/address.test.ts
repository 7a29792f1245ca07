import { expect, test } from 'vitest'
import { fromMultiaddr, isLoopback, neighbourhood, toMultiaddr } from '../../gossip/address.ts'

test.each([
  ['192.0.2.1:4747', '/ip4/192.0.2.1/tcp/4747'],
  ['[2001:db8::1]:4747', '/ip6/2001:db8::1/tcp/4747'],
  ['db1.example.org:22', '/dns/db1.example.org/tcp/22'],
  ['/memory/a', '/memory/a'],
])('%s is %s, and back', (address, multiaddr) => {
  expect(toMultiaddr(address)).toBe(multiaddr)
  expect(fromMultiaddr(multiaddr)).toBe(address)
  expect(fromMultiaddr(`${multiaddr}/p2p/12D3KooWabc`)).toBe(address)
})

test.each([
  '',
  'host',
  'host:',
  ':1',
  'host:99999',
  'a b:1',
  '2001:db8::1:4747',
  '[x]:1',
  `${'a'.repeat(400)}:1`,
])('%j is no address', address => expect(toMultiaddr(address)).toBeUndefined())

test('what is near, and what is nowhere else', () => {
  expect(neighbourhood('192.0.2.1:1')).toBe(neighbourhood('192.0.2.99:2'))
  expect(neighbourhood('192.0.2.1:1')).not.toBe(neighbourhood('192.0.3.1:1'))
  expect(['127.0.0.1:1', '[::1]:1', '10.0.0.1:1'].map(isLoopback)).toEqual([true, true, false])
})
