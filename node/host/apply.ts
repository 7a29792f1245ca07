// The loop that runs a plan: intents durable, everything prepared beside its target, then the acts, then the outcome.
// Until all is prepared nothing has changed; after that a failure takes back what was done, in reverse order. The same
// way back serves a failed act and a crash, since it goes by what is found, not by what is remembered to be done.
import { setImmediate as breathe } from 'node:timers/promises'
import type { Act } from './act.ts'
import { sha256 } from './digest.ts'
import { type Reason, StepError } from './errors.ts'
import { type Entry, type Intent, type Made, type OpenRun, type Sums, savedIn } from './journal.ts'
import {
  check,
  comeBack,
  commit,
  dropRooms,
  flushHomes,
  homeFinder,
  intentOf,
  type Job,
  makeRooms,
  type Setting,
  stage,
  sweep,
  temporaryPrefix,
} from './perform.ts'
import { ordered, type StepPlan } from './plan.ts'
import { type Sum, sumOf } from './saved.ts'
import type { Payload, Step } from './steps/step.ts'
import { basename, type Stat, type System } from './system.ts'

/** Where the bytes of a payload come from; content-addressed, checked after each read. */
export interface Payloads {
  read(payload: Payload): Promise<Uint8Array>
}

/** A step that is not kept, and why. */
export interface NotKept {
  readonly step: Step
  readonly reason: Reason
}

export interface Applying extends Setting {
  /** Appends to the journal, durable when it returns. */
  readonly note: (entry: Entry) => void
  readonly withoutXattrs: boolean
}

export interface Applied {
  readonly notKept: readonly NotKept[]
  readonly leftBehind: readonly string[]
  /** Absent: all is in force. `prepare`: nothing was changed. `undone`: what was changed is taken back. */
  readonly ended?: 'prepare' | 'undone'
  readonly undone: readonly Step[]
  readonly dirty: readonly Reason[]
  /** Of the originals that were saved. */
  readonly sums: Sums
}

/** Longest stretch without giving the event loop a turn, in milliseconds. */
const sliceMs = 10
/** Pairs handed to one call of a tool: bounds open handles. */
const carryMax = 50
const validateTimeoutMs = 60_000

/** Runs `plans` as run number `run`; the caller notes the outcome `done`, this notes all else. */
export async function apply(
  context: Applying,
  plans: readonly StepPlan[],
  run: number,
  payloads: Payloads,
  keepFailed: boolean,
): Promise<Applied> {
  const { machine, note } = context
  const prefix = `${temporaryPrefix(context.tag)}${run}-`
  const homes = homeFinder(machine, plans, `${prefix}in`)
  const jobs: Job[] = ordered(plans).map(({ plan, planned }, index) => ({
    plan,
    planned,
    index,
    intent: intentOf(planned, `${prefix}${index}`, homes),
  }))
  const jobsOf = Map.groupBy(jobs, job => job.plan)
  const failed = new Map<StepPlan, Reason>()
  for (const plan of plans) if (plan.reason) failed.set(plan, plan.reason)
  const outcome = (ended: Applied['ended'], back?: Reverted): Applied => ({
    notKept: [...failed].map(([plan, reason]) => ({ step: plan.step, reason })),
    leftBehind: [...plans.flatMap(each => each.leftBehind), ...left, ...(back?.leftBehind ?? [])],
    ...(ended === undefined ? {} : { ended }),
    undone:
      ended === 'undone' ? [...new Set(jobs.filter(job => done.has(job)).map(job => job.plan.step))] : [],
    dirty: ended === undefined ? plans.flatMap(each => each.damaged) : (back?.dirty ?? []),
    sums,
  })
  const sums: Record<string, Sum> = {}
  const originals = new Set(plans.flatMap(each => savedIn(each.originals)))
  const sumUp = ({ saved, keeps }: Intent) => {
    for (const name of [saved, keeps]) {
      if (name === undefined || !originals.has(name) || name in sums) continue
      const sum = sumOf(machine, name)
      if (sum) sums[name] = sum
    }
  }
  const left: string[] = []
  const done = new Set<Job>()
  /** What concerns the whole run is said of its first step. */
  const blame = (error: unknown) => {
    const reason = reasonFrom(error)
    if (!plans[0]) throw error
    failed.set(plans[0], reason)
  }
  if (failed.size > 0 && !keepFailed) return outcome('prepare')
  const intents = jobs.map(job => job.intent)
  try {
    note({ kind: 'begin', run, intents })
  } catch (error) {
    blame(error)
    return outcome('prepare')
  }
  try {
    makeRooms(machine, intents)
  } catch (error) {
    blame(error)
    await takeBack(context, { run, intents, started: [] })
    return outcome('prepare')
  }

  // Prepare: all that can fail without anything being changed.
  const made: Made[] = jobs.map(() => null)
  const pace = pacer()
  const open = (): OpenRun => ({ run, intents, made, sums, started: [...started] })
  const started = new Set<number>()
  for (const job of jobs) {
    if (failed.has(job.plan)) continue
    try {
      made[job.index] = stage(machine, job, await bytesOf(job, payloads))
      sumUp(job.intent)
    } catch (error) {
      failed.set(job.plan, reasonFrom(error, job.intent.path))
    }
    await pace()
    if (failed.size > 0 && !keepFailed) break
  }
  if (failed.size === 0 || keepFailed)
    await finishStaging(context, jobs, failed, pace).catch(error => {
      blame(error)
      keepFailed = false
    })
  if (failed.size === 0 || keepFailed)
    try {
      note({ kind: 'staged', made, sums })
    } catch (error) {
      blame(error)
      keepFailed = false
    }
  if (failed.size > 0 && !keepFailed) {
    await takeBack(context, { run, intents, started: [] })
    return outcome('prepare')
  }

  for (const job of jobs) {
    if (failed.has(job.plan)) continue
    try {
      if (job.planned.act.kind === 'run') {
        note({ kind: 'started', index: job.index })
        started.add(job.index)
        done.add(job)
        await command(machine, job.planned.act)
      } else if ('path' in job.planned.act) {
        const { path, kind } = job.planned.act
        check(machine, job)
        done.add(job)
        if (job.planned.drifted && job.planned.before && job.planned.before.kind !== 'directory')
          context.keepEdit(path, job.planned.before, kind)
        if (commit(machine, job) === 'left') left.push(path)
        // A removed directory is saved only now.
        sumUp(job.intent)
      }
    } catch (error) {
      failed.set(job.plan, reasonFrom(error, job.intent.path))
      if (!keepFailed) {
        return outcome('undone', await takeBack(context, open()))
      }
      // The step stands alone: only its own acts go back.
      const mine = jobsOf.get(job.plan)!.map(each => each.index)
      const back = await revert(context, open(), mine)
      left.push(...back.leftBehind)
    }
    await pace()
  }
  dropRooms(machine, intents)
  flushHomes(machine, paths(intents))
  return outcome(undefined)
}

/** One repair: each act by itself, no way back; what is replaced goes to the drift store. */
export async function repair(
  context: Applying,
  plan: StepPlan,
  payloads: Payloads,
  run: number,
): Promise<void> {
  const { machine } = context
  const prefix = `${temporaryPrefix(context.tag)}r${run}-`
  const homes = homeFinder(machine, [plan], `${prefix}in`)
  for (const [index, { plan: _, planned }] of ordered([plan]).entries()) {
    const { act, before } = planned
    if (act.kind === 'run') {
      await command(machine, act)
      continue
    }
    if (!('path' in act)) continue
    const { saved: _unsaved, ...intent } = intentOf(planned, `${prefix}${index}`, homes)
    const job: Job = { plan, planned, intent, index }
    try {
      makeRooms(machine, [intent])
      stage(machine, job, await bytesOf(job, payloads))
      await finishStaging(context, [job], new Map(), pacer())
      check(machine, job)
      context.keepEdit(act.path, before, act.kind)
      if (machine.lstat(act.path) !== undefined || act.kind !== 'remove') commit(machine, job)
      flushHomes(machine, [act.path])
    } finally {
      sweep(machine, [intent])
    }
  }
}

async function bytesOf({ planned: { act } }: Job, payloads: Payloads): Promise<Uint8Array | undefined> {
  if (act.kind !== 'put') return undefined
  return act.content.kind === 'bytes'
    ? act.content.bytes
    : await fetch(payloads, act.content.payload, act.path)
}

async function fetch(payloads: Payloads, payload: Payload, path: string): Promise<Uint8Array> {
  let bytes: Uint8Array
  try {
    bytes = await payloads.read(payload)
  } catch (error) {
    throw new StepError('PAYLOAD_MISSING', path, `${payload.path}: ${(error as Error).message}`)
  }
  if (sha256(bytes) !== payload.sha256)
    throw new StepError(
      'PAYLOAD_DAMAGED',
      path,
      `${payload.path}: found other bytes; expected ${payload.sha256}`,
    )
  return bytes
}

/** What is done in batches: attributes carried over, validators, and one flush. */
async function finishStaging(
  { machine, withoutXattrs }: Applying,
  jobs: readonly Job[],
  failed: Map<StepPlan, Reason>,
  pace: () => Promise<void>,
) {
  const live = jobs.filter(job => !failed.has(job.plan))
  const carried = withoutXattrs ? [] : live.filter(job => job.planned.carry)
  for (let from = 0; from < carried.length; from += carryMax) {
    const some = carried.slice(from, from + carryMax)
    machine.carry(some.map(job => [job.intent.path!, job.intent.temp!]))
    for (const { planned, intent } of some) {
      const act = planned.act as Extract<Act, { kind: 'put' }>
      if (act.ownership.mode !== undefined) machine.chmod(intent.temp!, act.ownership.mode)
    }
    await pace()
  }
  for (const { plan, planned, intent } of live) {
    const { act } = planned
    if (act.kind !== 'put' || !act.validate) continue
    await validate(machine, act.path, act.validate, intent.temp!).catch(error =>
      failed.set(plan, reasonFrom(error)),
    )
  }
  const files = live.flatMap(({ planned, intent }) => {
    const { act, before } = planned
    const names: string[] = []
    if (intent.saved && before?.kind === 'file') names.push(intent.saved)
    if (intent.keeps) names.push(intent.keeps)
    if (intent.saved || intent.keeps) names.push('saved/.')
    if (act.kind === 'put' || (act.kind === 'restore' && act.stat.kind === 'file')) names.push(intent.temp!)
    return names
  })
  machine.flush([...new Set(files)])
}

async function validate(machine: System, path: string, argv: readonly string[], temp: string) {
  const ran = await machine.run(argv, validateTimeoutMs, temp)
  if (ran.timedOut) throw new StepError('COMMAND_TIMEOUT', path, `validate= took more than 60 s`)
  if (ran.code !== 0) throw new StepError('INVALID', path, `${argv.join(' ')}: ${ran.output.trim()}`)
}

async function command(machine: System, act: Extract<Act, { kind: 'run' }>) {
  if (act.unless) {
    const guard = await machine.run(act.unless, act.timeoutMs)
    if (guard.code === 0) return
  }
  const ran = await machine.run(act.argv, act.timeoutMs)
  const words = act.argv.join(' ')
  if (ran.timedOut)
    throw new StepError(
      'COMMAND_TIMEOUT',
      undefined,
      `${words}: killed after ${act.timeoutMs} ms\n${ran.output}`,
    )
  if (ran.code !== 0)
    throw new StepError(
      'COMMAND_FAILED',
      undefined,
      `${words}: exit ${ran.code ?? 'by signal'}\n${ran.output}`,
    )
}

export interface Reverted {
  readonly leftBehind: readonly string[]
  readonly dirty: readonly Reason[]
}

/** Takes a whole run back and closes it. On a full disk it may stay open; then the next start or run does this again. */
export async function takeBack(context: Applying, open: OpenRun): Promise<Reverted> {
  const back = await revert(context, open)
  try {
    context.note({ kind: 'undone', dirty: back.dirty })
  } catch (error) {
    reasonFrom(error)
  }
  return back
}

/**
 * Brings every path of a run back to what was there before, the last first. May be called again and again: it goes by
 * what it finds. `only`: intents of one step, which goes back alone. Without `made` nothing was changed yet, and only temporary things are removed.
 */
export async function revert(context: Applying, open: OpenRun, only?: readonly number[]): Promise<Reverted> {
  const { machine } = context
  const leftBehind: string[] = []
  const dirty: Reason[] = []
  const indexes = only ?? [...open.intents.keys()]
  const mine = indexes.map(index => open.intents[index]!)
  const pace = pacer()
  machine.settle()
  if (open.made) {
    const isOurs = recogniser(open)
    const started = new Set(open.started)
    for (const index of indexes.toReversed()) {
      const intent = open.intents[index]!
      try {
        if (intent.kind === 'run') {
          if (intent.undo && started.has(index))
            await command(machine, { kind: 'run', argv: intent.undo, timeoutMs: intent.timeoutMs! })
        } else if (intent.first && comeBack(context, intent, isOurs, open.sums) === 'left')
          leftBehind.push(intent.path!)
      } catch (error) {
        dirty.push(reasonFrom(error))
      }
      await pace()
    }
    for (const index of indexes) {
      const { reload, undo, timeoutMs } = open.intents[index]!
      if (!reload || undo || !started.has(index)) continue
      await command(machine, { kind: 'run', argv: reload, timeoutMs: timeoutMs! }).catch(error =>
        dirty.push(reasonFrom(error)),
      )
    }
  }
  flushHomes(machine, paths(mine))
  // What could not be put back is still saved; it stays for whoever looks after it.
  if (!only) sweep(machine, mine, new Set(dirty.length > 0 ? mine.flatMap(each => each.saved ?? []) : []))
  return { leftBehind, dirty }
}

/** Whether what stands at a path is what the run put there; the table is made when first asked. */
function recogniser({ intents, made = [] }: OpenRun): (path: string, stat: Stat) => boolean {
  let known: Map<string | undefined, number[]> | undefined
  return (path, stat) => {
    known ??= Map.groupBy(intents.keys(), index => intents[index]!.path)
    return (known.get(path) ?? []).some(index => {
      const [ino, mtimeMs] = made[index] ?? []
      return ino === stat.ino && (stat.kind === 'directory' || mtimeMs === stat.mtimeMs)
    })
  }
}

function paths(intents: readonly Intent[]): string[] {
  return intents.flatMap(({ path }) => path ?? [])
}

function pacer(): () => Promise<void> {
  let since = performance.now()
  return async () => {
    if (performance.now() - since < sliceMs) return
    await breathe()
    since = performance.now()
  }
}

/** `path` stands in for a temporary name beside it. What is no StepError is thrown on. */
export function reasonFrom(error: unknown, path?: string): Reason {
  if (!(error instanceof StepError)) throw error
  const { reason } = error
  const temporary = reason.path !== undefined && basename(reason.path).startsWith(temporaryPrefix(''))
  return temporary && path !== undefined ? { ...reason, path } : reason
}
