// Core: how sure the evidence makes us. The one-sided 95 % Clopper–Pearson bound and the number of failures that stops a
// release, decided without rounding so that all hosts agree; which hosts are counted is left to gate.ts.
import assert from 'node:assert'

/** A number without rounding: `over / under`, `under` above 0. */
export interface Ratio {
  readonly over: bigint
  readonly under: bigint
}

/** 1 − confidence, and the share of failing hosts that is still ordinary: both 5 %, one in this. */
const oneIn = 20n
/**
 * The share of a sum below which floating point is not believed. Its error stays below (n + 8k + 8)·2⁻⁵² of the sum
 * (every term is positive, and takes one multiplication a trial), which is 2·10⁻¹⁰ at a hundred thousand trials.
 */
const doubt = 1e-9
const trialsMax = 100_000

/**
 * The damage that a release may still do, in hosts: Risk × hosts − D, where D is the share of verdicts that are failures ×
 * the hosts already open. Below zero when more is broken than may be. `risk` in basis points, 0 to 10,000.
 */
export function budgetLeft(at: {
  readonly hosts: number
  readonly risk: number
  readonly healthy: number
  readonly failed: number
  readonly open: number
}): Ratio {
  const verdicts = BigInt(at.healthy + at.failed)
  const whole = { over: BigInt(at.risk) * BigInt(at.hosts), under: 10_000n }
  if (verdicts === 0n) return whole
  return {
    over: whole.over * verdicts - 10_000n * BigInt(at.failed) * BigInt(at.open),
    under: 10_000n * verdicts,
  }
}

/** Verdicts that may be lies: `liars` basis points of them, rounded up. */
export function liesAmong(verdicts: number, liars: number): number {
  return Math.ceil((verdicts * liars) / 10_000)
}

/**
 * Whether a further `hosts` hosts stay within the budget if they fail as often as the bound allows:
 * hosts × UCB95(failed, trials) ≤ budget. 0 hosts always do.
 */
export function fits(hosts: number, failed: number, trials: number, { over, under }: Ratio): boolean {
  return hosts <= 0 || ucbAtMost(failed, trials, { over, under: under * BigInt(hosts) })
}

/** The most hosts, up to `most`, that `fits` allows. */
export function largestStep(failed: number, trials: number, budget: Ratio, most: number): number {
  let [yes, no] = [0, most + 1]
  while (no - yes > 1) {
    const middle = Math.floor((yes + no) / 2)
    if (fits(middle, failed, trials, budget)) yes = middle
    else no = middle
  }
  return yes
}

/**
 * Whether UCB95(failed, trials) ≤ p: so few failures have a probability of at most 5 % where each trial fails with
 * probability p (C. J. Clopper & E. S. Pearson, Biometrika 26, 1934). Without trials the bound is 1.
 */
export function ucbAtMost(failed: number, trials: number, p: Ratio): boolean {
  assert(
    0 <= failed && failed <= trials && trials <= trialsMax && p.under > 0n,
    'counts of failures and trials',
  )
  if (p.over >= p.under) return true
  // Where np ≤ k, k or fewer are at least half, since no median lies above ⌈np⌉ (Kaas & Buhrman 1980); also where p ≤ 0.
  if (BigInt(trials) * p.over <= BigInt(failed) * p.under) return false
  const near = tail(
    failed,
    trials,
    Number(p.over) / Number(p.under),
    Number(p.under - p.over) / Number(p.under),
  )
  if (Number.isFinite(near) && Math.abs(near * Number(oneIn) - 1) > doubt) return near * Number(oneIn) < 1
  return exactly(failed, trials, p)
}

/** UCB95(failed, trials), 0 to 1, to about 12 digits: for words and tables. Decisions are `ucbAtMost`'s. */
export function ucb95(failed: number, trials: number): number {
  if (failed >= trials) return 1
  let [low, high] = [failed / trials, 1]
  for (let round = 0; round < 60; round++) {
    const middle = (low + high) / 2
    if (middle === low || middle === high) break
    if (tail(failed, trials, middle, 1 - middle) * Number(oneIn) > 1) low = middle
    else high = middle
  }
  return high
}

/**
 * The least number of failures among `hosts` that stops a release: P(Bin(hosts, 5 %) ≥ k) ≤ 5 %. More than `hosts` where no
 * number would do (0 hosts: 1).
 */
export function haltAt(hosts: number): number {
  const known = halts.get(hosts)
  if (known !== undefined) return known
  // Summed from the top in whole numbers of 20⁻ⁿ: the largest k whose tail is within 5 % is the one before it outgrows that.
  const all = oneIn ** BigInt(hosts)
  let below = 0n
  let term = (oneIn - 1n) ** BigInt(hosts)
  let k = 0
  // P(≥ k) = all − P(< k); one term more until that is at most a twentieth.
  while ((all - below) * oneIn > all && k <= hosts) {
    below += term
    term = (term * BigInt(hosts - k)) / (BigInt(k + 1) * (oneIn - 1n))
    k++
  }
  halts.set(hosts, k)
  return k
}
/** A memo; as many as there are sums of panels. */
const halts = new Map<number, number>()

/**
 * P(Bin(n, p) ≤ k), where k < np and q = 1 − p. The largest term first, as a product that stays between qⁿ and n: each of its
 * k rising factors is at least 1, so that nothing is lost below the smallest number but what is far below 5 % anyway.
 */
function tail(k: number, n: number, p: number, q: number): number {
  let top = 1
  let left = n - k
  for (let i = 1; i <= k; i++) {
    top *= ((n - k + i) / i) * p
    for (; top > 1 && left > 0; left--) top *= q
  }
  top *= power(q, left)
  let sum = 0
  let term = top
  for (let i = k; i >= 0 && term > sum * 1e-18; i--) {
    sum += term
    term *= (i / (n - i + 1)) * (q / p)
  }
  return sum
}

/** By multiplications alone, whose rounding is known: Math.pow may differ between platforms. */
function power(base: number, exponent: number): number {
  let result = 1
  for (; exponent > 0; exponent = Math.floor(exponent / 2)) {
    if (exponent % 2 === 1) result *= base
    base *= base
  }
  return result
}

/** The same question in whole numbers: 20 · Σ C(n, i) aⁱ (b − a)ⁿ⁻ⁱ ≤ bⁿ. Slow, and asked only next to equality. */
function exactly(failed: number, trials: number, p: Ratio): boolean {
  const [a, b] = [p.over, p.under]
  const c = b - a
  // Σ without its common factor c^(n−k).
  let sum = 0n
  let choose = 1n
  let rising = 1n
  const falling: bigint[] = [1n]
  for (let i = 1; i <= failed; i++) falling.push(falling[i - 1]! * c)
  for (let i = 0; i <= failed; i++) {
    sum += choose * rising * falling[failed - i]!
    choose = (choose * BigInt(trials - i)) / BigInt(i + 1)
    rising *= a
  }
  return oneIn * sum * c ** BigInt(trials - failed) <= b ** BigInt(trials)
}

/** For tests: the same answer without floating point. */
export function ucbAtMostExactly(failed: number, trials: number, p: Ratio): boolean {
  if (p.over >= p.under) return true
  return p.over > 0n && exactly(failed, trials, p)
}
