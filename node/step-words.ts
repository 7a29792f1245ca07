// Steps, where they are written, and what became of them, in the words that reports and the control socket use. Decides nothing.
import type { NotKept } from './host/apply.ts'
import type { Reason } from './host/errors.ts'
import { formatProblem } from './host/steps/problem.ts'
import type { Problem, Step } from './host/steps/step.ts'
import { quote } from './host/steps/words.ts'

/** `COPY files/x /etc/x`, as the language writes it, without options. */
export function stepText({ verb, args }: Step): string {
  return [verb, ...args.map(each => quote(each))].join(' ')
}

/** `site.steps:3`. */
export const originText = ({ origin }: Step): string => `${origin.file}:${origin.line}`

/** What is not kept, and why. */
export const wordsOf = ({ step, reason }: NotKept) => `${stepText(step)}: ${reasonText(reason)}`

/** `EROFS /etc/x: …`. */
export const reasonText = ({ code, path, detail }: Reason): string =>
  path === undefined ? `${code}: ${detail}` : `${code} ${path}: ${detail}`

/** The first of them. */
export function problemsText(problems: readonly Problem[]): string {
  const [first, ...others] = problems
  if (first === undefined) return 'the steps cannot be read'
  return others.length === 0 ? formatProblem(first) : `${formatProblem(first)} (and ${others.length} more)`
}
