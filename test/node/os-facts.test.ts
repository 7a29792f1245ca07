import { expect, test } from 'vitest'
import { facts } from '../../node/host/steps/facts.ts'
import { machineFacts } from '../../node/os-facts.ts'

test('every fact has a value, if an empty one', () => {
  const found = machineFacts()
  expect(Object.keys(found)).toEqual(Object.keys(facts))
  expect(found['arch']).not.toBe('')
  expect(Number(found['cpus'])).toBeGreaterThan(0)
})
