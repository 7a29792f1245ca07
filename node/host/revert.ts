// The loop that takes a run back, whole or a step of it: the last first, going by what is found, so that it may be called
// again and again. It serves a failed act and a crash alike.
import type { Act } from './act.ts'
import { type Reason, StepError } from './errors.ts'
import type { Entry, Intent, OpenRun } from './journal.ts'
import { comeBack, flushHomes, reasonFrom, type Setting, statOf, sweep } from './perform.ts'
import { type Transacting, untransact } from './providers.ts'
import { kindOf } from './resource.ts'
import type { Stat, System, Timing } from './system.ts'

/** Longest stretch without giving the event loop a turn, in milliseconds. */
const sliceMs = 10

/** What it takes to act on a machine under a journal. */
export interface Running extends Setting, Transacting {
  /** Appends to the journal, durable when it returns unless told otherwise. */
  readonly note: (entry: Entry, durable?: boolean) => void
  /** The run that is open, as the journal has it. */
  readonly open: () => OpenRun | undefined
  readonly timing: Timing
}

export interface Reverted {
  readonly leftBehind: readonly string[]
  readonly dirty: readonly Reason[]
}

/**
 * Takes the open run back and closes it. On a disk that is full or fails it may stay open; then the next start or run does this
 * again.
 */
export async function takeBack(context: Running): Promise<Reverted> {
  const open = context.open()
  if (!open) return { leftBehind: [], dirty: [] }
  let back: Reverted = { leftBehind: [], dirty: [] }
  try {
    back = await revert(context, open)
    context.note({ kind: 'undone', dirty: back.dirty })
  } catch (error) {
    reasonFrom(error)
  }
  return back
}

/**
 * Brings all that a run touched back to what it was before. `only`: intents of one step, which goes back alone. Legs
 * that were not staged have changed nothing: only what they prepared is removed.
 */
export async function revert(context: Running, open: OpenRun, only?: readonly number[]): Promise<Reverted> {
  const { machine } = context
  const leftBehind: string[] = []
  const dirty: Reason[] = []
  const indexes = only ?? [...open.intents.keys()]
  const mine = indexes.map(index => open.intents[index]!)
  const isOurs = recogniser(open)
  const started = new Set(open.started)
  const acted = indexes.filter(index => index < (open.made ?? []).length)
  const pace = pacer(context.timing)
  // What was taken back is not looked at again after a crash in here: what it stood on may be gone by then.
  const ended = (group: readonly number[]) => {
    try {
      for (const index of group) context.note({ kind: 'ended', index }, index === group.at(-1))
    } catch (error) {
      reasonFrom(error)
    }
  }
  machine.settle()
  // What was to take a target's place goes first: it may lie in a directory that is to go.
  dropUnused(machine, mine)
  for (const group of grouped(acted, open.intents).toReversed()) {
    const index = group[0]!
    const intent = open.intents[index]!
    try {
      if (intent.kind === 'set') {
        const due = group.filter(each => started.has(each))
        if (due.length === 0) continue
        leftBehind.push(
          ...(await untransact(
            context,
            due.map(each => open.intents[each]!),
          )),
        )
        ended(due)
      } else if (intent.kind === 'run') {
        if (!intent.undo || !started.has(index)) continue
        await command(machine, { kind: 'run', argv: intent.undo, timeoutMs: intent.timeoutMs! })
        ended([index])
      } else if (intent.first && comeBack(context, intent, isOurs, open.sums) === 'left')
        leftBehind.push(intent.path!)
    } catch (error) {
      dirty.push(reasonFrom(error))
    }
    await pace()
  }
  for (const index of acted) {
    const { reload, undo, timeoutMs } = open.intents[index]!
    if (!reload || undo || !started.has(index)) continue
    await command(machine, { kind: 'run', argv: reload, timeoutMs: timeoutMs! }).catch(error =>
      dirty.push(reasonFrom(error)),
    )
  }
  flushHomes(machine, pathsOf(mine))
  // What could not be put back is still saved; it stays for whoever looks after it.
  if (!only) sweep(machine, mine, new Set(dirty.length > 0 ? mine.flatMap(each => each.saved ?? []) : []))
  return { leftBehind, dirty }
}

function dropUnused(machine: System, intents: readonly Intent[]): void {
  for (const { kind, temp } of intents) {
    const unused = kind === 'put' || kind === 'link' || kind === 'unpack'
    if (unused && temp !== undefined && statOf(machine, temp) !== undefined) machine.removeTree(temp)
  }
}

/** The indexes in order, those of one transaction together. */
function grouped(indexes: readonly number[], intents: readonly Intent[]): number[][] {
  const groups: number[][] = []
  for (const index of indexes) {
    const last = groups.at(-1)
    if (last && isOneTransaction(intents[last[0]!]!, intents[index]!)) last.push(index)
    else groups.push([index])
  }
  return groups
}

function isOneTransaction(a: Intent, b: Intent): boolean {
  if (a.id === undefined || b.id === undefined) return false
  return kindOf(a.id) === kindOf(b.id) && a.states === b.states
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

export function pathsOf(intents: readonly Intent[]): string[] {
  return intents.flatMap(({ path }) => path ?? [])
}

/** Gives the event loop a turn now and then. */
export function pacer({ now, wait }: Timing): () => Promise<void> {
  let since = now()
  return async () => {
    if (now() - since < sliceMs) return
    await wait(0)
    since = now()
  }
}

export async function command(machine: System, act: Extract<Act, { kind: 'run' }>): Promise<void> {
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
