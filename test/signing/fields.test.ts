import fc from 'fast-check'
import { expect, test } from 'vitest'
import { timeOf } from '../../signing/fields.ts'

test('a time is written as the platform would write it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) }), ms => {
      expect(timeOf(ms)).toBe(new Date(ms).toISOString().replace(/\.[0-9]+Z$/, 'Z'))
    }),
  )
})
