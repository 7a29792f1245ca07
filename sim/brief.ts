// A host of a large simulation, in brief: no engine and no steps, only what the agent sees of them. Runs take the time and have
// the outcomes that they have on a whole machine (engine.ts), what is in force stands in one file on the disk, and whatever
// somebody edits is put back. What a run does to a machine is shown by the hosts that have whole ones.

import type { RunTerms } from '../node/driver-ports.ts'
import { confirmWithinMs } from '../node/host/guard.ts'
import type { Probing } from '../node/host/system.ts'
import type { LogEntry } from '../node/log.ts'
import { cutMax } from '../node/os-attempts.ts'
import type { HostPorts } from '../node/peer.ts'
import type { RunReport, StepCounts } from '../node/report.ts'
import type { Side, SimEngineOptions, Trial } from './engine.ts'
import { simAttempts, simFiles } from './files.ts'

export type BriefOptions = Pick<
  SimEngineOptions,
  'world' | 'life' | 'name' | 'state' | 'runMs' | 'slowMs' | 'trial'
> & {
  readonly probe: Probing
}

/** Steps, acts and changes of the disk of a small role. */
const steps = 6
const acts = 8
const changes = 60
/** ms between looks whether what was spoilt can be put back. */
const mendMs = 10_000
/** What stands for the file that is spoilt. */
const spoiltPath = '/etc/spoilt'

interface Journal {
  readonly entry: string
}

export async function openBriefMachine(options: BriefOptions, ports: HostPorts): Promise<Side> {
  const { world, life, trial, probe, slowMs = () => 0 } = options
  const folder = `${options.state}/host`
  const path = `${folder}/in-force`
  const files = simFiles(life)
  files.makeFolder(folder)
  const attempts = simAttempts(life, folder)
  const chance = world.chance(options.name, 'machine')
  let inForce = files.exists(path) ? readJournal(files.read(path)) : undefined
  let notKept = 0
  let repairs = 0

  const after = (ms: number, action: () => void) => world.after(ms, () => life.alive && action())
  const wait = (ms: number) =>
    new Promise<void>(resolve => {
      after(ms, () => {
        world.unsettled?.()
        resolve()
      })
    })
  const tell = () => ports.report({ repairs, kept: 0, contested: 0 }, notKept)
  const counts = (kept: number): StepCounts => ({ declared: steps, kept, repaired: 0, notKept: steps - kept })
  const failed = (why: string, kept = 0): RunReport => ({
    kind: 'failed',
    steps: counts(kept),
    why,
    dirty: false,
  })

  /** As the engine does with a run that touches the way in; undefined: the host is still reached. */
  const cutOff = async (trial: Extract<Trial, { kind: 'cutsOff' }>): Promise<RunReport | undefined> => {
    const { witness } = ports
    const unchanged = { steps: counts(0), dirty: false }
    const found = await witness?.before()
    if (!witness || !found || found === 'none') return { kind: 'wait', why: 'NO_WITNESS', ...unchanged }
    trial.cut()
    if ((await witness.confirm(found.token, confirmWithinMs)) === 'confirmed') return undefined
    trial.back()
    const kind = (await witness.heard()) ? 'failed' : 'inconclusive'
    return { kind, why: 'CUT_OFF', ...unchanged }
  }

  /** Looks now and then whether it can be put back. */
  const mend = () => {
    if (life.disk.faults.immutable.has(spoiltPath)) {
      after(mendMs, mend)
      return
    }
    notKept = 0
    repairs++
    tell()
  }
  const spoil = (): string | undefined => {
    if (inForce === undefined || notKept > 0) return undefined
    life.disk.faults.immutable.add(spoiltPath)
    notKept = 1
    tell()
    after(mendMs, mend)
    return spoiltPath
  }

  const run = async (entry: LogEntry, terms?: RunTerms): Promise<RunReport> => {
    if (attempts.cut(entry.id, terms?.attempt) >= cutMax)
      return failed(`the agent ended ${cutMax} times in the middle of this run`)
    const wrong = trial?.(entry)
    const [least, most] = options.runMs
    const shut = terms?.shut()
    if (shut !== undefined) return { kind: 'wait', steps: counts(0), why: shut, dirty: false }
    terms?.acting()
    await wait(least + (most - least) * chance() + (wrong?.kind === 'hangs' ? wrong.ms : 0))
    try {
      attempts.begin(entry.id, terms?.attempt)
      // The next change of the disk is the last that this life does.
      if (wrong?.kind === 'kills' && wrong.at < changes) life.dieAt(0)
      if (wrong?.kind === 'fails' && wrong.at < acts) return failed('a step fails here', wrong.at)
      const report = wrong?.kind === 'cutsOff' ? await cutOff(wrong) : undefined
      if (report !== undefined) return report
      const found = await probe({ kind: 'command', argv: [] } as never, 0)
      if (found !== undefined) return failed(found, steps - 1)
      files.replace(path, [new TextEncoder().encode(JSON.stringify({ entry: entry.id } satisfies Journal))])
      inForce = { entry: entry.id }
    } catch (error) {
      if (!life.alive) return new Promise<never>(() => {})
      const { code, message } = error as { code?: string; message: string }
      if (code === undefined) throw error
      return { kind: 'wait', steps: counts(0), why: `${code}: ${message}`, dirty: false }
    } finally {
      if (life.alive) {
        ports.witness?.over()
        attempts.end()
      }
    }
    await wait(changes * slowMs())
    if (wrong?.kind === 'later') after(wrong.ms, spoil)
    notKept = 0
    return { kind: 'applied', steps: counts(steps), dirty: false }
  }

  return {
    host: {
      begin: () => {},
      audit: async () => counts(steps - notKept),
      retry: () => attempts.end(),
    },
    runner: { run },
    get inForce() {
      return inForce && { entry: inForce.entry, declared: steps, notKept }
    },
    dirty: false,
    paused: undefined,
    close: async () => {},
    edit: () => {
      if (inForce === undefined) return false
      repairs++
      after(1, tell)
      return true
    },
    spoil,
  }
}

function readJournal(bytes: Uint8Array): Journal | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as Journal
  } catch {
    return undefined
  }
}
