import { expect, test } from 'vitest'
import { inventoryHost, inventoryRoster } from '../../node/inventory.ts'

const key = new Uint8Array(32)
const web1 = { name: 'web1', key, addresses: ['192.0.2.1:4848', '[2001:db8::1]'], labels: { role: 'web' } }
const db1 = { name: 'db1', key, addresses: [], labels: {} }

test('addresses lose their ports; facts are open unless given', () => {
  expect(inventoryHost(web1)).toEqual({
    name: 'web1',
    labels: { role: 'web' },
    addresses: ['192.0.2.1', '2001:db8::1'],
    facts: undefined,
  })
  expect(inventoryHost(db1, { arch: 'x86_64' }).facts).toEqual({ arch: 'x86_64' })
})

test('a host without an address is reached by its name', () => {
  expect(inventoryRoster([web1, db1]).map(each => each.address)).toEqual(['192.0.2.1', 'db1'])
})
