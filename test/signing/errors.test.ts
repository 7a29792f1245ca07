// Refusals: their form, and which of them blame the sender.
import { expect, test } from 'vitest'
import { blames, isRefusal, refused } from '../../signing/errors.ts'

test('a refusal is a value with code and words', () => {
  const one = refused('WRONG_FLEET', 'found a; expected b')
  expect(one).toEqual({
    kind: 'refused',
    code: 'WRONG_FLEET',
    detail: expect.stringContaining('found a; expected b'),
  })
  expect([isRefusal(one), isRefusal({}), isRefusal({ kind: 'entry' })]).toEqual([true, false, false])
})

test('only what the bytes alone show blames the sender', () => {
  expect([blames('MALFORMED'), blames('SIGNATURE_BAD')]).toEqual([true, true])
  expect([blames('BELOW_FLOOR'), blames('SIGNER_UNKNOWN'), blames('FROZEN')]).toEqual([false, false, false])
})
