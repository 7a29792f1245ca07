// A plan as people read it, of this machine or told by another host. Decides the order of what is said, not what is done.
import type { ToldPlan } from '../node/told-plan.ts'
import { changeHeading, changeRow, originOf } from './local.ts'
import { count, paint, table } from './render.ts'

export interface PlanStyle {
  /** Show what is done to each path instead of the steps. */
  readonly acts: boolean
  readonly columns: number
  readonly colour: boolean
}

export function planText(plan: ToldPlan, { acts, columns, colour }: PlanStyle): string {
  const { changes, impossible, kept, left } = plan
  const lines: string[] = []
  if (acts) lines.push(...plan.acts.map(([undo, act]) => `${undo.padEnd(12)}  ${act}`))
  else if (changes.length > 0)
    lines.push(
      table(
        changeHeading,
        changes.map(each => changeRow(each, colour)),
        columns,
      ),
    )
  for (const { code, detail, ...step } of impossible) {
    const why = detail.trimEnd().replaceAll('\n', '\n  ')
    lines.push(paint(`cannot: ${step.step} (${originOf({ origin: step })}): ${code}: ${why}`, 'red', colour))
  }
  const oneWay = changes.filter(each => each.undo === 'one-way')
  if (oneWay.length > 0) {
    const steps = oneWay.map(each => each.step).join(', ')
    lines.push(paint(`${count(oneWay.length, 'step')} cannot be taken back: ${steps}`, 'red', colour))
  }
  if (changes.some(each => each.tentative))
    lines.push('* foreseen: planned again when the steps before it are done')
  if (left > 0) lines.push(`… and ${left} more lines that are not shown`)
  const parts = [`${count(changes.length, 'step')} to change`, `${kept} kept`]
  if (impossible.length > 0) parts.push(`${impossible.length} impossible`)
  const nothing = changes.length + impossible.length + left === 0
  return [...lines, nothing ? `nothing to do: ${count(kept, 'step')} kept` : parts.join(', ')].join('\n')
}
