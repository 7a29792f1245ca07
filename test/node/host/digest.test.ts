import { expect, test } from 'vitest'
import { sha256 } from '../../../node/host/digest.ts'

test('the digest of nothing is the one in FIPS 180-4', () => {
  expect(sha256(new Uint8Array())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
})
