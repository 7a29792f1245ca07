// What the loop stands on: the agent, the ports, and whatever runs releases. Types only.
import type { Carrier } from '../gossip/carrier.ts'
import type { Codec } from '../gossip/message.ts'
import type { Admissions } from './admission.ts'
import type { Agent } from './agent.ts'
import type { Effect, Input } from './effects.ts'
import type { LogEntry } from './log.ts'
import type { Log } from './os-log.ts'
import type { PeerWitness } from './os-witness.ts'
import type { Clock, Durable, Repository, Store, Timers } from './ports.ts'
import type { RunReport } from './report.ts'
import type { FailingCheck } from './soak.ts'
import type { Surveyor } from './survey.ts'
import type { ToldPlan } from './told-plan.ts'
import type { TrialRun } from './trial.ts'

/** What a run is told, and asks and tells meanwhile. */
export interface RunTerms {
  /** From 1; a signed `retry` allows more. */
  readonly attempt: number
  /** Asked once, when all is prepared and nothing is changed yet: why it must not go on, in words. Then it answers WAIT. */
  readonly shut: () => string | undefined
  /** Called once, when it is about to change something. */
  readonly acting: () => void
}

/** What runs a release on this machine; os-host.ts makes one of the host engine. Never fails: failures are reports. */
export interface Runner {
  run(entry: LogEntry, terms?: RunTerms): Promise<RunReport>
  /** Asks the CHECKs of what is in force once; answers with those that fail. Never fails itself. */
  check?(): Promise<readonly FailingCheck[]>
  /** Brings `to` in force again, or undefined: what was before the first release. */
  revert?(from: LogEntry, to: LogEntry | undefined): Promise<RunReport>
  /** Runs a trial, or goes back from it. */
  try?(run: TrialRun): Promise<RunReport>
  /** What a held commit would do here; in words why that cannot be said. */
  plan?(commit: string): Promise<ToldPlan | string>
}

export interface DriverPorts {
  readonly agent: Agent
  readonly admissions: Admissions
  readonly carrier: Carrier
  readonly store: Store
  readonly durable: Durable
  readonly repository: Repository
  readonly runner: Runner | undefined
  readonly survey: Surveyor
  readonly witness: PeerWitness
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
  /** The world failed where the agent cannot go on (its own disk): the process ends, and starts from its journal. */
  readonly fatal: (error: unknown) => void
  /** Default: the plain one. */
  readonly codec?: Codec | undefined
  /** Told of every decision before it is carried out: the simulator's checkers look on. */
  readonly observe?: ((input: Input, effects: readonly Effect[]) => void) | undefined
}
