// The loop that runs a plan: intents durable, everything prepared beside its target, then the acts, then the outcome.
// Until all is prepared nothing has changed; after that a failure takes back what was done, in reverse order. The same
// way back serves a failed act and a crash, since it goes by what is found, not by what is remembered to be done.
import assert from 'node:assert'
import type { Act } from './act.ts'
import { probeWords } from './describe.ts'
import { sha256 } from './digest.ts'
import { type Reason, StepError } from './errors.ts'
import { type Intent, type Outcome, type Sums, savedIn } from './journal.ts'
import {
  check,
  commit,
  discard,
  dropEmptyRooms,
  flushHomes,
  homeFinder,
  intentOf,
  type Job,
  joinRooms,
  madeOf,
  makeRooms,
  reasonFrom,
  stage,
  sweep,
  temporaryPrefix,
} from './perform.ts'
import { ordered, type StepPlan } from './plan.ts'
import { transact } from './providers.ts'
import { type Change, kindOf, type ResourceId } from './resource.ts'
import { command, pacer, pathsOf, type Running, revert, takeBack } from './revert.ts'
import { type Sum, sumOf } from './saved.ts'
import type { Payload, Step } from './steps/step.ts'
import { basename, type Probing, type Stat, type System } from './system.ts'

export { reasonFrom } from './perform.ts'
export { takeBack } from './revert.ts'

/** Where the bytes of a payload come from; content-addressed, checked after each read. */
export interface Payloads {
  read(payload: Payload): Promise<Uint8Array>
}

/** A step that is not kept, and why. */
export interface NotKept {
  readonly step: Step
  readonly reason: Reason
}

export interface Applying extends Running {
  readonly withoutXattrs: boolean
  readonly probe: Probing
}

export interface Applied {
  readonly notKept: readonly NotKept[]
  readonly leftBehind: readonly string[]
  /** Absent: all is in force. `prepare`: nothing was changed. `undone`: what was changed is taken back. */
  readonly ended?: 'prepare' | 'undone'
  /** Steps whose acts were begun. */
  readonly begun: readonly Step[]
  readonly dirty: readonly Reason[]
  /** Of the originals that were saved. */
  readonly sums: Sums
  /** Of the resources that were changed. */
  readonly outcomes: ReadonlyMap<ResourceId, Outcome>
  /** How what came with its directory looked when it was made: whatever was done to it since shows. */
  readonly looks: ReadonlyMap<string, Stat>
}

/** Pairs handed to one call of a tool: bounds open handles. */
const carryMax = 50
/** Files that one look for attributes is for: a few milliseconds. */
const plainMax = 1000
const validateTimeoutMs = 60_000

/**
 * Runs `plans` as a leg of run number `run`, which is open already if it is not the first. The caller notes the outcome
 * `done`, this notes all else.
 */
export async function apply(
  context: Applying,
  plans: readonly StepPlan[],
  run: number,
  payloads: Payloads,
  keepFailed: boolean,
): Promise<Applied> {
  const { machine, note, open } = context
  const base = open()?.intents.length ?? 0
  const { jobs, rooms } = joinRooms(jobsOf(context, plans, run, base))
  const intents = jobs.map(job => job.intent)
  const byPlan = Map.groupBy(jobs, job => job.plan)
  const failed = new Map<StepPlan, Reason>()
  for (const plan of plans) if (plan.reason) failed.set(plan, plan.reason)
  const left: string[] = []
  const dirty: Reason[] = []
  const begun = new Set<Step>()
  const sums: Record<string, Sum> = {}
  const outcomes = new Map<ResourceId, Outcome>()
  const looks = new Map<string, Stat>()
  const outcome = (ended?: Applied['ended']): Applied => ({
    notKept: [...failed].map(([plan, reason]) => ({ step: plan.step, reason })),
    leftBehind: [...plans.flatMap(each => each.leftBehind), ...left],
    ...(ended === undefined ? {} : { ended }),
    begun: [...begun],
    dirty: ended === undefined ? [...plans.flatMap(each => each.damaged), ...dirty] : dirty,
    sums,
    outcomes,
    looks,
  })
  let staged = false
  const giveUp = async (error?: unknown) => {
    if (error !== undefined) blame(error)
    const nothingDone = base === 0 && !staged
    const back = await takeBack(context)
    left.push(...back.leftBehind)
    dirty.push(...back.dirty)
    return outcome(nothingDone ? 'prepare' : 'undone')
  }
  /** What concerns the whole run is said of its first step. */
  const blame = (error: unknown) => {
    const reason = reasonFrom(error)
    if (!plans[0]) throw error
    failed.set(plans[0], reason)
  }
  const originals = new Set(plans.flatMap(each => savedIn(each.originals)))
  const sumUp = ({ saved, keeps }: Intent) => {
    for (const name of [saved, keeps]) {
      if (name === undefined || !originals.has(name) || name in sums) continue
      const sum = sumOf(machine, name)
      if (sum) sums[name] = sum
    }
  }
  if (failed.size > 0 && !keepFailed) return giveUp()
  try {
    note({ kind: 'begin', run, intents })
    makeRooms(machine, intents, rooms)
  } catch (error) {
    return giveUp(error)
  }

  // Prepare: all that can fail without anything being changed.
  const ready = jobs.map((): Stat | undefined => undefined)
  const pace = pacer(context.timing)
  for (const [at, job] of jobs.entries()) {
    if (failed.has(job.plan)) continue
    try {
      ready[at] = await stageJob(context, job, payloads)
      sumUp(job.intent)
    } catch (error) {
      failed.set(job.plan, reasonFrom(error, job.intent.path))
    }
    await pace()
    if (failed.size > 0 && !keepFailed) return giveUp()
  }
  try {
    const plain = await plainOf(
      context,
      jobs.filter(job => !failed.has(job.plan)),
      pace,
    )
    for (const name of plain) if (sums[name]) sums[name] = { ...sums[name], plain: true }
    await finishStaging(context, jobs, failed, pace, plain)
    if (failed.size > 0 && !keepFailed) return giveUp()
    for (const job of jobs) if (failed.has(job.plan)) discard(machine, job)
    note({ kind: 'staged', made: ready.map(madeOf), sums })
    staged = true
  } catch (error) {
    return giveUp(error)
  }

  // Staging may have taken long: a directory that was swapped for a link since must not be reached by an old handle.
  machine.settle()
  for (const group of transactions(jobs)) {
    for (let due = group; ; ) {
      due = due.filter(job => !failed.has(job.plan))
      if (due.length === 0) break
      try {
        await perform(context, due, { begun, left, outcomes })
        for (const job of due) sumUp(job.intent)
        break
      } catch (error) {
        const reason = reasonFrom(error, due[0]!.intent.path)
        for (const job of blamed(due, reason)) failed.set(job.plan, reason)
        if (!keepFailed) return giveUp()
        // The step stands alone: only its own acts go back; others of the transaction are tried without it.
        const mine = due.filter(job => failed.has(job.plan)).flatMap(job => byPlan.get(job.plan)!)
        const indexes = mine.map(each => each.index)
        try {
          const back = await revert(context, open()!, indexes)
          for (const each of mine) discard(machine, each)
          left.push(...back.leftBehind)
          dirty.push(...back.dirty)
        } catch (error) {
          return giveUp(error)
        }
      }
    }
    await pace()
  }
  // What came along was flushed in its directory, which was its home then.
  const came = ({ plan, along, intent }: Job) => along?.done && intent.kind !== 'mkdir' && !failed.has(plan)
  try {
    dropEmptyRooms(machine, intents)
    flushHomes(machine, pathsOf(jobs.filter(job => !came(job)).map(job => job.intent)))
  } catch (error) {
    // What the disk does not hold must not be called in force.
    return giveUp(error)
  }
  for (const [at, job] of jobs.entries()) if (came(job)) looks.set(job.intent.path!, ready[at]!)
  return outcome()
}

/** The acts in order; adjacent changes of one kind of resource are one transaction. */
function transactions(jobs: readonly Job[]): Job[][] {
  const groups: Job[][] = []
  for (const job of jobs) {
    const last = groups.at(-1)
    if (last && isTogether(last[0]!, job)) last.push(job)
    else groups.push([job])
  }
  return groups
}

function isTogether(
  { planned: { act: a } }: Pick<Job, 'planned'>,
  { planned: { act: b } }: Pick<Job, 'planned'>,
) {
  return a.kind === 'set' && b.kind === 'set' && kindOf(a.id) === kindOf(b.id)
}

function jobsOf(
  { machine, tag, providers }: Applying,
  plans: readonly StepPlan[],
  run: number,
  base: number,
): Job[] {
  const prefix = `${temporaryPrefix(tag)}${run}-`
  const homes = homeFinder(machine, plans, base === 0 ? `${prefix}in` : `${prefix}${base}in`)
  const jobs: Job[] = []
  for (const [at, { plan, planned }] of ordered(plans).entries()) {
    const index = base + at
    const last = jobs.at(-1)
    const spreads = planned.act.kind === 'set' && providers.get(kindOf(planned.act.id))?.spreads
    const together = last && isTogether(last, { planned })
    const states = spreads ? (together ? last.intent.states : `saved/${run}-${index}-states`) : undefined
    jobs.push({ plan, planned, index, intent: intentOf(planned, `${prefix}${index}`, homes, states) })
  }
  return jobs
}

/** The step that the reason names, else all of the transaction. */
function blamed(jobs: readonly Job[], { path }: Reason): readonly Job[] {
  const named = jobs.filter(({ planned: { act } }) => act.kind === 'set' && act.id === path)
  return named.length > 0 ? named : jobs
}

/** What is gathered while acts are done. */
interface Gathered {
  readonly begun: Set<Step>
  readonly left: string[]
  readonly outcomes: Map<ResourceId, Outcome>
}

/** One act, or a transaction of several. */
async function perform(context: Applying, jobs: readonly Job[], { begun, left, outcomes }: Gathered) {
  const { machine, note } = context
  const job = jobs[0]!
  const { act, before, drifted } = job.planned
  const begin = () => {
    for (const each of jobs) note({ kind: 'started', index: each.index }, each === jobs.at(-1))
    for (const each of jobs) begun.add(each.plan.step)
  }
  switch (act.kind) {
    case 'set': {
      for (const { planned } of jobs)
        if (planned.drifted && planned.act.kind === 'set') context.keepState(planned.act.id, planned.act.from)
      const done = await transact(context, jobs.map(changeOf), job.intent.states, begin)
      for (const [id, outcome] of done.outcomes) outcomes.set(id, outcome)
      left.push(...done.leftBehind)
      return
    }
    case 'run':
      begin()
      return command(machine, act).catch(error => {
        // What a step that leaves would have told may have left before it, with its program.
        const gone = error instanceof StepError && error.reason.code === 'TOOL_MISSING'
        if (!gone || job.plan.kind !== 'undo' || !job.planned.reload) throw error
      })
    case 'check':
      return poll(context, act)
    default:
      check(machine, job)
      begun.add(job.plan.step)
      if (drifted && before && before.kind !== 'directory') context.keepEdit(act.path, before, act.kind)
      if (commit(machine, job) === 'left') left.push(act.path)
  }
}

function changeOf({ planned: { act } }: Job): Change {
  assert(act.kind === 'set')
  const { kind: _, ...change } = act
  return change
}

/** Milliseconds. A probe that hangs is given up after the longest. */
const pollFirstMs = 100
const pollMostMs = 2000
const probeMostMs = 10_000

/** Asks until the answer is right, or the time is over. */
async function poll({ probe, timing }: Applying, act: Extract<Act, { kind: 'check' }>) {
  const endMs = timing.now() + act.withinMs
  for (let pauseMs = pollFirstMs; ; pauseMs = Math.min(2 * pauseMs, pollMostMs)) {
    const leftMs = endMs - timing.now()
    const found = await probe(act.probe, Math.min(probeMostMs, Math.max(leftMs, pollFirstMs)))
    if (found === undefined) return
    const restMs = endMs - timing.now()
    if (restMs <= 0)
      throw new StepError(
        'CHECK_FAILED',
        undefined,
        `${probeWords(act.probe)}: ${found}; asked for ${act.withinMs} ms`,
      )
    await timing.wait(Math.min(pauseMs, restMs))
  }
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
  const jobs = ordered([plan]).map(({ planned }, index): Job => {
    const { saved: _unsaved, ...intent } = intentOf(planned, `${prefix}${index}`, homes)
    return { plan, planned, intent, index }
  })
  // What may fail or take long is ready before what it replaces goes: that is away for two renames only.
  const ready = jobs.filter(({ planned }) => planned.act.kind === 'unpack')
  try {
    for (const job of ready) {
      makeRooms(machine, [job.intent])
      await stageJob(context, job, payloads)
    }
    await repairInOrder(context, jobs, ready, payloads)
  } finally {
    sweep(
      machine,
      ready.map(job => job.intent),
    )
  }
}

async function repairInOrder(
  context: Applying,
  jobs: readonly Job[],
  ready: readonly Job[],
  payloads: Payloads,
): Promise<void> {
  const { machine } = context
  for (const group of transactions(jobs)) {
    const job = group[0]!
    const { act, before } = job.planned
    if (act.kind === 'run') await command(machine, act)
    if (act.kind === 'set') {
      for (const { planned } of group)
        if (planned.act.kind === 'set') context.keepState(planned.act.id, planned.act.from)
      await transact(context, group.map(changeOf), undefined, () => {})
    }
    if (!('path' in act)) continue
    try {
      if (!ready.includes(job)) {
        makeRooms(machine, [job.intent])
        await stageJob(context, job, payloads)
      }
      const failed = new Map<StepPlan, Reason>()
      await finishStaging(context, [job], failed, pacer(context.timing))
      const refused = failed.get(job.plan)
      if (refused) throw new StepError(refused.code, refused.path, refused.detail)
      check(machine, job)
      if (job.planned.first) context.keepEdit(act.path, before, act.kind)
      if (machine.lstat(act.path) !== undefined || act.kind !== 'remove') commit(machine, job)
      flushHomes(machine, [act.path])
    } finally {
      sweep(machine, [job.intent])
    }
  }
}

/** Makes what will take the target's place, and answers how it looks. */
async function stageJob({ machine }: Applying, job: Job, payloads: Payloads): Promise<Stat | undefined> {
  const { act } = job.planned
  if (act.kind !== 'unpack') return stage(machine, job, await bytesOf(job, payloads))
  const { path, payload, strip, ownership } = act
  const temp = job.intent.temp!
  const archive = `saved/${basename(temp)}-archive`
  const bytes = await fetchPayload(payloads, payload, path)
  try {
    machine.create(archive, bytes, { mode: 0o600, uid: undefined, gid: undefined })
    await machine.unpack(archive, temp, { digest: payload.sha256, strip, ownership })
  } finally {
    machine.removeTree(archive)
  }
  machine.flush([`${temp}/.`], true)
  return stage(machine, job, undefined)
}

async function bytesOf({ planned: { act } }: Job, payloads: Payloads): Promise<Uint8Array | undefined> {
  if (act.kind !== 'put') return undefined
  return act.content.kind === 'bytes'
    ? act.content.bytes
    : await fetchPayload(payloads, act.content.payload, act.path)
}

/** Throws PAYLOAD_MISSING, PAYLOAD_DAMAGED; `path`: what it is for. */
export async function fetchPayload(payloads: Payloads, payload: Payload, path: string): Promise<Uint8Array> {
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

/** Of the saved files whose attributes would be carried over, those that have none: a process for each is spared. */
async function plainOf(
  { machine, withoutXattrs }: Applying,
  jobs: readonly Job[],
  pace: () => Promise<void>,
): Promise<ReadonlySet<string>> {
  const names = jobs.flatMap(({ planned, intent }) =>
    planned.carry !== undefined && !withoutXattrs ? (intent.saved ?? []) : [],
  )
  const plain = new Set<string>()
  for (let from = 0; from < names.length; from += plainMax) {
    for (const name of machine.plain(names.slice(from, from + plainMax))) plain.add(name)
    await pace()
  }
  return plain
}

/** What is done in batches: attributes carried over, validators, and one flush. */
async function finishStaging(
  { machine, withoutXattrs }: Applying,
  jobs: readonly Job[],
  failed: Map<StepPlan, Reason>,
  pace: () => Promise<void>,
  plain: ReadonlySet<string> = new Set(),
) {
  const live = jobs.filter(job => !failed.has(job.plan))
  const carried = withoutXattrs
    ? []
    : live.filter(({ planned, intent }) => planned.carry !== undefined && !plain.has(intent.saved ?? ''))
  for (let from = 0; from < carried.length; from += carryMax) {
    const some = carried.slice(from, from + carryMax)
    machine.carry(some.map(job => [job.planned.carry!, job.intent.temp!]))
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
  const files = live.flatMap(({ planned, intent, along }) => {
    const { act, before } = planned
    const names: string[] = []
    if (intent.saved && before?.kind === 'file') names.push(intent.saved)
    if (intent.keeps) names.push(intent.keeps)
    if (intent.saved || intent.keeps) names.push('saved/.')
    if (act.kind === 'put' || (act.kind === 'restore' && act.stat.kind === 'file')) names.push(intent.temp!)
    if (along && act.kind === 'mkdir') names.push(`${intent.temp}/.`)
    return names
  })
  machine.flush([...new Set(files)])
}

async function validate(machine: System, path: string, argv: readonly string[], temp: string) {
  const ran = await machine.run(argv, validateTimeoutMs, temp)
  if (ran.timedOut) throw new StepError('COMMAND_TIMEOUT', path, `validate= took more than 60 s`)
  if (ran.code !== 0) throw new StepError('INVALID', path, `${argv.join(' ')}: ${ran.output.trim()}`)
}
