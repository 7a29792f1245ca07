// A log of three entries by anna and bert, and what tests of chains ask of it.
import { expect } from 'vitest'
import { type ChainOptions, createChain, type Verdict } from '../../signing/chain.ts'
import type { FleetId } from '../../signing/entry.ts'
import { anna, bert, content, files, genesis, hosts, type Made, operator, release } from './fleet.ts'

export const both = [operator('anna', anna), operator('bert', bert)]
export const trust = files(both, hosts(10))
export const first = genesis(trust)
export const in2026 = Date.UTC(2026, 10, 20)

/** One that has taken these, whatever lies between. */
export function chainOf(made: readonly Made[], options: Partial<ChainOptions> = {}) {
  const chain = createChain({ fleet: first.id as string as FleetId, language: 1, ...options })
  for (const each of made)
    expect(chain.accept(each.envelope, { gap: true })).toMatchObject({ kind: 'accepted' })
  return chain
}
export const two = release({ fleet: first, previous: first })
export const three = release({ fleet: first, previous: two }, { content: content('second') })
export const start = { now: in2026, opened: false }

export function expectRefusal(verdict: Verdict | undefined, code: string, detail = '') {
  expect(verdict).toMatchObject({ kind: 'refused', code, detail: expect.stringContaining(detail) })
}
