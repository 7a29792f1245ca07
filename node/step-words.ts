// Steps, where they are written, and what became of them, in the words that reports and the control socket use. Decides nothing.
import type { NotKept } from './host/apply.ts'
import type { Reason } from './host/errors.ts'
import type { RunOutcome } from './host/legs.ts'
import type { FailedCheck } from './host/look.ts'
import { formatProblem } from './host/steps/problem.ts'
import type { Problem, Step } from './host/steps/step.ts'
import { quote } from './host/steps/words.ts'
import type { RunReport } from './report.ts'
import type { FailingCheck } from './soak.ts'

/** `COPY files/x /etc/x`, as the language writes it, without options. */
export function stepText({ verb, args }: Step): string {
  return [verb, ...args.map(each => quote(each))].join(' ')
}

/** `site.steps:3`. */
export const originText = ({ origin }: Step): string => `${origin.file}:${origin.line}`

/** What is not kept, and why. */
export const wordsOf = ({ step, reason }: NotKept) => `${stepText(step)}: ${reasonText(reason)}`

/** One that does not pass now, as the agent counts it. */
export const failingCheck = (failed: FailedCheck): FailingCheck => ({
  ...{ id: failed.step.id, withinMs: failed.withinMs },
  why: whyText(failed),
})

/** `COPY files/x /etc/x (site.steps:3): EROFS /etc/x: …`. */
const whyText = ({ step, reason }: NotKept) =>
  `${stepText(step)} (${originText(step)}): ${reasonText(reason)}`

/** `EROFS /etc/x: …`. */
export const reasonText = ({ code, path, detail }: Reason): string =>
  path === undefined ? `${code}: ${detail}` : `${code} ${path}: ${detail}`

/** The first of them. */
export function problemsText(problems: readonly Problem[]): string {
  const [first, ...others] = problems
  if (first === undefined) return 'the steps cannot be read'
  return others.length === 0 ? formatProblem(first) : `${formatProblem(first)} (and ${others.length} more)`
}

/** A run of the host engine, as the agent needs it. */
export function reportOf(outcome: RunOutcome, declared: number): RunReport {
  const steps = {
    declared,
    kept: outcome.kept.length,
    repaired: outcome.repaired.length,
    notKept: outcome.notKept.length,
  }
  const [first] = outcome.notKept
  const why = first && whyText(first)
  const kind = outcome.kind === 'unchanged' ? 'applied' : outcome.kind
  const empty = kind === 'applied' && outcome.plans.every(each => each.acts.length === 0)
  return { kind, steps, dirty: outcome.dirty.length > 0, empty, ...(why !== undefined && { why }) }
}

/** A run that broke off before it changed anything for good. */
export function brokenOff(error: unknown, dirty: boolean): RunReport {
  const { code, message } = error as { code?: string; message: string }
  const steps = { declared: 0, kept: 0, repaired: 0, notKept: 0 }
  return { kind: 'wait', steps, why: `${code ?? 'ERROR'}: ${message}`, dirty }
}

/** Why a content may not run by the newest release's list. */
export function neverText(
  terms: { readonly never?: readonly string[] | undefined } | undefined,
  content: string,
): string | undefined {
  const isNever = terms?.never?.includes(content) ?? false
  return isNever ? 'this content is on the never list: a rollback took it back' : undefined
}
