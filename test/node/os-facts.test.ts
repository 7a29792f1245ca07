import { expect, test } from 'vitest'
import { facts } from '../../node/host/steps/facts.ts'
import { machineFacts } from '../../node/os-facts.ts'

test('every fact has a value, if an empty one', () => {
  const found = machineFacts()
  expect(Object.keys(found)).toEqual(Object.keys(facts))
  expect(found['arch']).not.toBe('')
  expect(Number(found['cpus'])).toBeGreaterThan(0)
})

test('addresses are those that others can reach, the first by the default route', () => {
  const { addresses = '', address = '' } = machineFacts()
  const all = addresses === '' ? [] : addresses.split(' ')
  expect(all.some(each => /^(127\.|169\.254\.|::1$|fe80)/.test(each))).toBe(false)
  if (address !== '') expect(all).toContain(address)
})
