// What one run of the simulator came to, as plain data: `--json` prints it, render.ts puts it on one screen, html.ts
// draws it. Decides nothing; all times are milliseconds since the world began.

/** How a run ended (DESIGN section 10). `crash`: an exception in our own code. */
export const exitCodes = { ok: 0, crash: 127, liveness: 128, safety: 129, nondeterminism: 130 } as const
export type Ending = keyof typeof exitCodes

export interface Violation {
  /** File name of the checker without its ending, or `crash`. */
  readonly checker: string
  readonly host?: string
  readonly atMs: number
  /** What was promised and what was seen. */
  readonly text: string
}

/** Seconds and shares of a release's way through the fleet. Undefined: that share was never reached. */
export interface ReleaseStory {
  readonly sequence: number
  readonly id: string
  readonly subject: string
  readonly publishedMs: number
  /** Hosts whose journal says that it is in force at the end; that ever tried it; where it failed. */
  readonly inForce: number
  readonly tried: number
  readonly failed: number
  /** Hosts that it was to break, if it was to. */
  readonly breaks?: number
  /** Of a rehearsal: the first failure that nobody drew, with the host it was on. */
  readonly why?: string
  /** ms from the publication until that share of the hosts it is meant for had it in force. */
  readonly p50Ms?: number
  readonly p90Ms?: number
  readonly p99Ms?: number
  readonly lastMs?: number
  /** Rollout decisions, in order; empty while releases open for everybody at once. */
  readonly stages: readonly StageStory[]
}

export interface StageStory {
  /** Cumulative count of hosts of the stage. */
  readonly hosts: number
  /** When the first host was let through. */
  readonly openedMs?: number
  readonly healthy: number
  readonly failed: number
  /** GO, HOLD or HALT, with the reason in words. */
  readonly decision: string
}

/** One thing that the world did to the fleet; `untilMs` absent: a moment. */
export interface FaultStory {
  readonly kind: string
  readonly atMs: number
  readonly untilMs?: number
  /** Hosts struck, by index into `hosts`; empty: everybody. */
  readonly hosts: readonly number[]
  readonly text: string
}

/** Means over all hosts and the whole run, per host. */
export interface Traffic {
  readonly messagesIn: number
  readonly messagesOut: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Of these, on the log topic. */
  readonly gossipIn: number
  readonly gossipBytesIn: number
  /** Signatures checked. */
  readonly verifications: number
  /** Processor time of its core's decisions, measured on this machine. Left out of the trace hash. */
  readonly cpuMs: number
}

/**
 * Samples at equal distances: `counts[series][sample]` is a number of hosts. Series: one for each release
 * (`release 4`), then `down`, `cut off`.
 */
export interface Curve {
  readonly everyMs: number
  readonly series: readonly string[]
  readonly counts: readonly (readonly number[])[]
}

/** What a host was doing at a sample; one letter of a host's line in `heat`. */
export const phases = {
  b: 'blank',
  w: 'waiting',
  f: 'fetching',
  a: 'applying',
  s: 'soaking',
  h: 'healthy',
  x: 'failed',
  o: 'on an older release',
  d: 'down',
} as const
export type Phase = keyof typeof phases

export interface Report {
  readonly format: 1
  readonly seed: number
  /** Whose repository was tried, if it was one, and on how many hosts. */
  readonly title?: string
  /** Of fleet. */
  readonly version: string
  readonly ending: Ending
  readonly violations: readonly Violation[]
  /** What is still pending, when the healed core did not converge. */
  readonly pending: readonly string[]
  /** SHA-256 over all that happened, in order; the same for the same seed, script and code. */
  readonly traceHash: string
  readonly hosts: readonly string[]
  /** Hosts that keep a whole board, and hosts that run the whole engine; the rest is said in docs/simulator.md. */
  readonly observers: number
  readonly engines: number
  readonly simulatedMs: number
  readonly events: number
  readonly wallMs: number
  readonly releases: readonly ReleaseStory[]
  readonly traffic: Traffic
  readonly curve: Curve
  /** One line for each host, one letter (`phases`) for each sample of the curve. */
  readonly heat: readonly string[]
  readonly faults: readonly FaultStory[]
  /** How often each `sometimes` mark was reached. */
  readonly marks: Readonly<Record<string, number>>
  /** The largest each bounded queue ever was, and its bound. */
  readonly queues: Readonly<Record<string, readonly [largest: number, bound: number]>>
  /** The command that runs it again. */
  readonly again: string
}
