// Many seeds over several workers: who runs which seed, what happens to one that takes too long or takes its process
// along, and when to stop. Processes are processes.ts's, what it all comes to is summary.ts's.
import { crashed, type Outcome } from './outcome.ts'

/** One process. It runs one seed at a time. */
export interface Worker {
  /** Rejects with the reason, when the process ends before it answers. */
  run(seed: number): Promise<Outcome>
  /** Ends the process; a seed that is being run is lost. */
  end(): void
}

/** Seeds for one process: what one leaves behind in memory must not end up as the crash of a later one. */
const seedsPerWorker = 100

export interface Campaign {
  readonly seeds: Iterable<number>
  /** Workers at a time. */
  readonly jobs: number
  start(): Worker
  /** Wall clock in ms. */
  nowMs(): number
  /** Calls after so many ms of wall clock; answers with how to cancel it. */
  after(ms: number, action: () => void): () => void
  /** ms of wall clock after which a seed counts as a crash. */
  boundMs: number
  /** `isLate`: it was ended at the bound, which may say more about the machine than about the seed. */
  onOutcome(outcome: Outcome, isLate: boolean): void
  /** Resolves when it is enough: no seed is begun then, and those being run are dropped. */
  readonly stopped: Promise<void>
}

/** Resolves when all seeds have an outcome, or it was stopped: then with false. Workers are ended. */
export async function runCampaign(campaign: Campaign): Promise<boolean> {
  const seeds = campaign.seeds[Symbol.iterator]()
  const busy = new Set<Worker>()
  let isStopped = false
  const stopped = campaign.stopped.then(() => {
    isStopped = true
    for (const worker of busy) worker.end()
  })

  /** One of the workers at a time, over and over: a seed that took its process along gets the next a new one. */
  const line = async () => {
    let worker: Worker | undefined
    let ran = 0
    try {
      while (!isStopped) {
        const next = seeds.next()
        if (next.done) return
        if (worker === undefined) {
          worker = campaign.start()
          busy.add(worker)
          ran = 0
        }
        const { outcome, isAlive, isLate } = await runOne(campaign, worker, next.value)
        ran++
        if (!isAlive || ran >= seedsPerWorker) {
          worker.end()
          busy.delete(worker)
          worker = undefined
        }
        // A process that we ended says nothing about its seed.
        if (!isStopped) campaign.onOutcome(outcome, isLate)
      }
    } finally {
      worker?.end()
    }
  }
  const all = Promise.all(Array.from({ length: campaign.jobs }, line))
  try {
    await Promise.race([all, stopped])
    return !isStopped
  } finally {
    // Also when an outcome could not be kept: the other lines must not run on.
    isStopped = true
    for (const worker of busy) worker.end()
  }
}

interface Ran {
  readonly outcome: Outcome
  readonly isAlive: boolean
  readonly isLate: boolean
}

function runOne(campaign: Campaign, worker: Worker, seed: number): Promise<Ran> {
  const beganMs = campaign.nowMs()
  const { promise, resolve } = Promise.withResolvers<Ran>()
  const lost = (text: string, isLate = false) =>
    resolve({ outcome: crashed(seed, text, campaign.nowMs() - beganMs), isAlive: false, isLate })
  const cancel = campaign.after(campaign.boundMs, () =>
    lost(`took longer than ${campaign.boundMs / 1000} s of wall clock; its process was ended`, true),
  )
  worker.run(seed).then(
    outcome => resolve({ outcome, isAlive: true, isLate: false }),
    error => lost(error instanceof Error ? error.message : String(error)),
  )
  return promise.finally(cancel)
}
