// How long one way takes between two hosts when nothing is wrong: the same in both directions and at all times, drawn
// from a distribution. Decides no fault.
import { mix } from './world.ts'

export type Latency =
  | { readonly kind: 'uniform'; readonly leastMs: number; readonly mostMs: number }
  /** `leastMs` and an exponential part on top, so that the mean is `meanMs`. */
  | { readonly kind: 'exponential'; readonly leastMs: number; readonly meanMs: number }
  /** Half are below `medianMs`; `sigma` is the deviation of the logarithm: 0.5 for one country, 1 for the world. */
  | { readonly kind: 'logNormal'; readonly medianMs: number; readonly sigma: number }
  /** Each host is in one region by lot; ms between two regions by row and column, within one on the diagonal. */
  | { readonly kind: 'regions'; readonly ms: readonly (readonly number[])[] }

/** A fleet in one place, one country, and three continents with figures as public clouds publish them. */
export const latencies = {
  site: { kind: 'uniform', leastMs: 1, mostMs: 5 },
  country: { kind: 'logNormal', medianMs: 15, sigma: 0.5 },
  world: {
    kind: 'regions',
    ms: [
      [5, 45, 85],
      [45, 5, 120],
      [85, 120, 5],
    ],
  },
} as const satisfies Record<string, Latency>

/** ms of one way between two hosts, each told by a number of its own. */
export function baseMs(latency: Latency, seed: number, a: number, b: number): number {
  // Of the pair alone, so that a host more or less moves no other.
  const pair = mix(mix(seed ^ Math.min(a, b)) ^ Math.max(a, b))
  switch (latency.kind) {
    case 'uniform':
      return latency.leastMs + unit(pair) * (latency.mostMs - latency.leastMs)
    case 'exponential':
      return latency.leastMs - (latency.meanMs - latency.leastMs) * Math.log(1 - unit(pair))
    case 'logNormal': {
      const normal =
        Math.sqrt(-2 * Math.log(1 - unit(pair))) * Math.cos(2 * Math.PI * unit(mix(pair ^ 0x5bd1e995)))
      return latency.medianMs * Math.exp(latency.sigma * normal)
    }
    case 'regions': {
      const region = (host: number) => Math.floor(unit(mix(seed ^ host)) * latency.ms.length)
      return latency.ms[region(a)]![region(b)]!
    }
  }
}

const unit = (bits: number): number => (bits >>> 0) / 2 ** 32
