// How releases of known quality fare: fleets of many sizes, failure rates from none to all, the real gate, and each host's fate a
// throw of the dice. Time passes only to let hosts be missed; what networks do is the other simulations'.
import type { Claim } from '../node/evidence.ts'
import { type GateInput, gate } from '../node/gate.ts'
import { ladderOf } from '../node/ladder.ts'
import type { Opening } from '../node/standing.ts'
import { isInReach, type Turns, turnsOf } from '../node/turns.ts'
import { World } from './world.ts'

export interface TableOptions {
  /** Fleet sizes. */
  readonly ns: readonly number[]
  /** Probabilities that the release fails on a host, 0 to 1. */
  readonly ps: readonly number[]
  /** Releases per row. */
  readonly runs: number
  readonly seed: number
  /** As `ladderOf` takes them. Default: `auto`. */
  readonly stages?: string
  /** Basis points. Default: 500 and 0. */
  readonly risk?: number
  readonly liars?: number
  /** Shares of hosts that are switched off (default 3 %), and of failures that come without a word (default none). */
  readonly absent?: number
  readonly silent?: number
}

/** One size and probability. Shares of the runs: all hosts may start, halted, held until an operator decides. */
export interface TableRow {
  readonly n: number
  readonly p: number
  readonly done: number
  readonly halted: number
  readonly waiting: number
  /** Share of the fleet that the release broke: mean, and the value that 95 % of the runs stay within. */
  readonly damageMean: number
  readonly damageP95: number
  /** Mean number of openings, stand-ins included. */
  readonly openings: number
}

const times = { windowMs: 60_000, soakMs: 600_000, deadlineMs: 1_800_000, heartbeatMs: 60_000 }

export function table(options: TableOptions): readonly TableRow[] {
  return options.ns.flatMap(n => {
    const turns = fleetOf(n)
    return options.ps.map(p => rowOf(options, turns, p))
  })
}

function rowOf(options: TableOptions, turns: Turns, p: number): TableRow {
  const n = turns.counted
  const world = new World(options.seed)
  const runs = Array.from({ length: options.runs }, (_, run) =>
    release(options, turns, p, world.chance(`${n} ${p}`, `run ${run}`)),
  )
  const share = (kind: Run['kind']) => runs.filter(each => each.kind === kind).length / runs.length
  const mean = (of: (run: Run) => number) => runs.reduce((sum, run) => sum + of(run), 0) / runs.length
  const damages = runs.map(each => each.broken / n).sort((a, b) => a - b)
  return {
    n,
    p,
    done: share('done'),
    halted: share('halted'),
    waiting: share('waiting'),
    damageMean: mean(run => run.broken / n),
    damageP95: damages[Math.ceil(0.95 * damages.length) - 1]!,
    openings: mean(run => run.openings),
  }
}

interface Run {
  readonly kind: 'done' | 'halted' | 'waiting'
  readonly broken: number
  readonly openings: number
}

/** One release, until it is through, halted, or waits for more than time. */
function release(options: TableOptions, turns: Turns, p: number, chance: () => number): Run {
  const { risk = 500, liars = 0, absent = 0.03, silent = 0 } = options
  const n = turns.counted
  const ladder = ladderOf(options.stages ?? 'auto', n, { risk, liars })
  if (ladder.kind === 'refused') throw new Error(ladder.reason)
  const terms = { stages: ladder.stages, risk, liars }
  const claims = new Map<string, Claim>()
  const heard = new Map<string, { readonly firstMs: number; readonly verdictMs?: number }>()
  const facts: Omit<GateInput, 'opened'> = {
    turns,
    terms,
    times,
    roster: { enrolled: n, heard: n },
    claimOf: host => claims.get(host),
    heardOf: host => heard.get(host),
  }
  let [nowMs, open, broken] = [0, 0, 0]
  let opened: readonly Opening[] = []
  for (;;) {
    const decision = gate({ ...facts, opened }, nowMs)
    opened = decision.opened
    const result = (kind: Run['kind']): Run => ({ kind, broken, openings: opened.length })
    if (decision.kind === 'halt') return result('halted')
    const isNews = decision.opensUpTo > open
    for (; open < decision.opensUpTo; open++) {
      if (chance() < absent) continue
      const isBroken = chance() < p
      const isSilent = isBroken && chance() < silent
      if (isBroken) broken++
      if (!isInReach(open, terms.stages, n)) continue
      const host = turns.hosts[open]!
      claims.set(host, { attempt: 1, state: isSilent ? 'APPLYING' : isBroken ? 'FAILED' : 'HEALTHY' })
      heard.set(host, { firstMs: nowMs, ...(!isSilent && { verdictMs: nowMs }) })
    }
    if (decision.kind === 'go') return result('done')
    if (!isNews && decision.untilMs === undefined) return result('waiting')
    if (!isNews) nowMs = decision.untilMs!
  }
}

/** Hosts that all have the same changes, which is how most releases are. */
function fleetOf(n: number): Turns {
  const candidates = Array.from({ length: n }, (_, i) => ({
    key: (i + 1).toString(16).padStart(64, '0'),
    labels: {},
    changes: 'all',
    origin: true,
    guest: false,
  }))
  return turnsOf(candidates, '00'.repeat(32))
}
