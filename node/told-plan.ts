// Core: what would be done to a host, as it is told: to the person at the same machine, or over the wire to an operator. Bounded, since
// a declaration may have a hundred thousand steps; what the plan is made of is the host engine's.
import { limits } from '../gossip/limits.ts'
import type { PlanMessage } from '../gossip/message.ts'
import { utf8 } from '../signing/bytes.ts'
import { describe } from './host/describe.ts'
import { changes as changesAnything, ordered, type StepPlan } from './host/plan.ts'

export interface ToldStep {
  readonly step: string
  /** `new`, `changed`, `repair`, `kept`, `undo`. */
  readonly change: string
  /** `exact`, `compensating`, `one-way`. */
  readonly undo: string
  readonly file: string
  readonly line: number
  /** Planned again when the steps before it are done. */
  readonly tentative: boolean
}

export interface ToldPlan {
  readonly kept: number
  readonly changes: readonly ToldStep[]
  /** In the order in which they would be done: how well each can be undone, and what it is in words. */
  readonly acts: readonly (readonly [undo: string, act: string])[]
  readonly impossible: readonly (ToldStep & { readonly code: string; readonly detail: string })[]
  /** Changes and acts that are not told, since there are too many. */
  readonly left: number
}

/** Of what is only foreseen, what stands in its way now may be gone by then. */
export const isImpossible = ({ reason, tentative }: StepPlan) => reason !== undefined && !tentative
export const isChange = (plan: StepPlan) =>
  changesAnything(plan) || (plan.tentative === true && plan.reason !== undefined)

/** A step may have several plans; one that leaves is not kept, even if nothing comes of it. */
export function keptOf(plans: readonly StepPlan[]): number {
  const isOther = (each: StepPlan) => isChange(each) || isImpossible(each) || each.kind === 'undo'
  const others = new Set(plans.filter(isOther).map(each => each.step.id))
  return new Set(plans.map(each => each.step.id)).size - others.size
}

/** The whole plan: `left` is 0. */
export function tellPlan(plans: readonly StepPlan[]): ToldPlan {
  return {
    kept: keptOf(plans),
    changes: plans.filter(isChange).map(toldStep),
    acts: ordered(plans).map(({ plan, planned }) => [plan.undoClass, describe(planned.act)]),
    impossible: plans.filter(isImpossible).map(each => ({
      ...toldStep(each),
      code: each.reason?.code ?? '',
      detail: each.reason?.detail ?? '',
    })),
    left: 0,
  }
}

/** A step of a plan without what is done. */
export function toldStep({ step, kind, undoClass, tentative }: StepPlan): ToldStep {
  const { file, line } = step.origin
  return {
    ...{ step: step.id, change: kind, undo: undoClass, file, line, tentative: tentative ?? false },
  }
}

/** As a message, as much of it as one may hold: what cannot be done first, then the changes, then the acts. */
export function planMessage(order: Uint8Array, plan: ToldPlan): PlanMessage {
  let bytes = 0
  let left = plan.left
  const fits = (row: readonly string[]) => {
    bytes += row.reduce((sum, cell) => sum + utf8(cell).length + 3, 3)
    if (bytes <= limits.planBytes) return true
    left++
    return false
  }
  const take = (rows: readonly (readonly string[])[]) =>
    rows
      .map(row => row.map(cell => cell.slice(0, limits.planCellChars).toWellFormed()))
      .filter((row, at) => {
        const taken = at < limits.planRows && fits(row)
        if (at >= limits.planRows) left++
        return taken
      })
  const impossible = take(plan.impossible.map(each => [...cellsOf(each), each.code, each.detail]))
  const changes = take(plan.changes.map(cellsOf))
  const acts = take(plan.acts)
  return { t: 'plan', order, kept: plan.kept, changes, acts, impossible, left }
}

const cellsOf = ({ step, change, undo, file, line, tentative }: ToldStep): string[] => [
  ...[step, change, undo, file, String(line), tentative ? 'tentative' : ''],
]

/** What a message says; undefined when its rows are not of the form that this version knows. What a host says is anybody's text. */
export function readPlanMessage({
  kept,
  changes,
  acts,
  impossible,
  left,
}: PlanMessage): ToldPlan | undefined {
  if (changes.some(row => row.length < 6) || acts.some(row => row.length < 2)) return undefined
  if (impossible.some(row => row.length < 8)) return undefined
  const plain = (text = '') => text.replace(/[^\P{Cc}\n]/gu, '?')
  const step = (row: readonly string[]): ToldStep => ({
    ...{ step: plain(row[0]), change: plain(row[1]), undo: plain(row[2]), file: plain(row[3]) },
    ...{ line: Number(row[4]) || 0, tentative: row[5] === 'tentative' },
  })
  return {
    ...{ kept, left },
    changes: changes.map(step),
    acts: acts.map(row => [plain(row[0]), plain(row[1])] as const),
    impossible: impossible.map(row => ({ ...step(row), code: plain(row[6]), detail: plain(row[7]) })),
  }
}
