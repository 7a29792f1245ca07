// Any valid scenario, for properties.
import fc from 'fast-check'
import {
  type Fault,
  type FaultKind,
  type FaultKindSpec,
  faultKinds,
  type Scenario,
} from '../../sim/faults.ts'
import { amountRange } from '../../sim/scenario.ts'

export function scenarios(): fc.Arbitrary<Scenario> {
  const size = fc.record({
    hosts: fc.integer({ min: 1, max: 20 }),
    faultsMs: fc.integer({ min: 2_000, max: 10_000_000 }),
  })
  return size.chain(({ hosts, faultsMs }) => {
    const host = fc.integer({ min: 0, max: hosts - 1 })
    const times = fc
      .uniqueArray(fc.integer({ min: 0, max: faultsMs }), { minLength: 2, maxLength: 2 })
      .map(two => two.sort((a, b) => a - b))
    const kinds = Object.keys(faultKinds) as FaultKind[]
    const fault = fc.constantFrom(...kinds).chain(kind => {
      const spec: FaultKindSpec = faultKinds[kind]
      const { min, max } = amountRange(kind)
      return fc
        .record({
          times,
          hosts: fc.uniqueArray(host, { maxLength: 6 }),
          amount: fc.double({ min: Math.max(min, -1e7), max: Math.min(max, 1e7), noNaN: true }),
          mode: fc.constantFrom(...(spec.modes ?? ['none'])),
        })
        .map(
          (drawn): Fault => ({
            kind,
            atMs: drawn.times[0]!,
            ...(spec.lasts && { untilMs: drawn.times[1]! }),
            hosts: drawn.hosts,
            ...(spec.amount !== undefined && { amount: drawn.amount === 0 ? 0 : drawn.amount }),
            ...(spec.modes !== undefined && { mode: drawn.mode }),
          }),
        )
    })
    const staged = fc.constantFrom({}, { stages: 'auto', soakSeconds: 20 }, { stages: '1,50%,100%' })
    const plain = fc.record({
      format: fc.constant(1 as const),
      seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      hosts: fc.constant(hosts),
      faultsMs: fc.constant(faultsMs),
      healMs: fc.integer({ min: 1, max: 10_000_000 }),
      releases: fc.array(fc.record({ atMs: fc.integer({ min: 0, max: faultsMs }), at: host }), {
        maxLength: 5,
      }),
      core: fc.uniqueArray(host, { minLength: 1, maxLength: hosts }),
      faults: fc.array(fault, { maxLength: 12 }),
    })
    return fc.tuple(plain, staged).map(([scenario, more]): Scenario => ({ ...scenario, ...more }))
  })
}
