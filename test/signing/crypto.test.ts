// Ed25519 as the fleet checks it: RFC 8032's vectors, our own hostile cases, and Wycheproof's where they are at hand.
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { unhex, utf8 } from '../../signing/bytes.ts'
import {
  digest,
  hasher,
  publicKeyOf,
  sha1,
  sha256,
  sha512,
  sign,
  verifyStrict,
} from '../../signing/crypto.ts'

interface Vector {
  name: string
  seed?: string
  key: string
  message: string
  signature: string
}

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const load = (name: string) => JSON.parse(readFileSync(path(`../fixtures/ed25519/${name}.json`), 'utf8'))
const bytes = (text: string) => unhex(text)!
const both = { both: true }

describe('RFC 8032', () => {
  test.each<Vector>(load('rfc8032'))('$name', vector => {
    const [seed, key, message] = [bytes(vector.seed!), bytes(vector.key), bytes(vector.message)]
    expect(publicKeyOf(seed)).toEqual(key)
    expect(sign(seed, message)).toEqual(bytes(vector.signature))
    expect(verifyStrict(key, message, bytes(vector.signature), both)).toBe(true)
  })
})

describe('verifyStrict refuses', () => {
  test.each<Vector>(load('hostile'))('$name', vector => {
    const [key, message, signature] = [bytes(vector.key), bytes(vector.message), bytes(vector.signature)]
    expect(verifyStrict(key, message, signature)).toBe(false)
    expect(verifyStrict(key, message, signature, both)).toBe(false)
  })
})

const wycheproof = path('../../../shared/data/ed25519/wycheproof.json')
const absent = !existsSync(wycheproof)
if (absent) console.info(`skipped: Wycheproof's vectors are not at ${wycheproof}`)
test.skipIf(absent)("Wycheproof's 151 vectors", () => {
  const wrong: number[] = []
  let count = 0
  for (const group of JSON.parse(readFileSync(wycheproof, 'utf8')).testGroups)
    for (const each of group.tests) {
      const [key, message, signature] = [bytes(group.publicKey.pk), bytes(each.msg), bytes(each.sig)]
      count++
      if (verifyStrict(key, message, signature) !== (each.result === 'valid')) wrong.push(each.tcId)
    }
  expect(wrong).toEqual([])
  expect(count).toBe(151)
})

test('hashes are the standard ones, whole or in pieces', () => {
  expect(sha1(utf8('abc'))).toEqual(bytes('a9993e364706816aba3e25717850c26c9cd0d89d'))
  expect(sha256(utf8('abc'))).toEqual(
    bytes('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'),
  )
  expect(sha512(utf8('abc')).length).toBe(64)
  const pieces = hasher('sha256').update(utf8('a')).update(utf8('bc'))
  expect(pieces.digest()).toEqual(sha256(utf8('abc')))
  expect(digest('fleet/entry/1', utf8('a'), utf8('b'))).toEqual(sha256(utf8('fleet/entry/1ab')))
})
