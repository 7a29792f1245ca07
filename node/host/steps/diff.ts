// The way from one list of steps to another: what to take back, what to apply. The one mechanism for a release, a
// rollback, a trial and going back to nothing. How a step is taken back is left to its verb.

import type { Step } from './step.ts'

export interface Difference {
  /** Only in `a`, in the reverse of its order. */
  readonly undo: readonly Step[]
  /** Only in `b`, or in both and not the same, in the order of `b`. */
  readonly apply: readonly Step[]
}

/** The ids of each list are unique. */
export function diff(a: readonly Step[], b: readonly Step[]): Difference {
  const before = new Map(a.map(step => [step.id, step]))
  return {
    undo: leaving(a, b),
    apply: b.filter(step => {
      const old = before.get(step.id)
      return old === undefined || !sameStep(old, step)
    }),
  }
}

/** The steps that are only in `a`, in the reverse of its order; a fraction of the work of `diff`. */
export function leaving(a: readonly Step[], b: readonly Step[]): readonly Step[] {
  const after = new Set(b.map(step => step.id))
  return a.filter(step => !after.has(step.id)).reverse()
}

/** Whether two steps ask for the same; where they were declared, and the payload's path, do not count. */
export function sameStep(a: Step, b: Step): boolean {
  const options = Object.keys(a.options)
  return (
    a.verb === b.verb &&
    a.args.length === b.args.length &&
    a.args.every((arg, index) => arg === b.args[index]) &&
    options.length === Object.keys(b.options).length &&
    options.every(name => Object.hasOwn(b.options, name) && a.options[name] === b.options[name]) &&
    a.payload?.sha256 === b.payload?.sha256 &&
    a.payload?.executable === b.payload?.executable
  )
}

/** Whether a step is also declared at the same place: then nothing of it needs to be written down again. */
export function identical(a: Step, b: Step): boolean {
  const [from, to] = [a.origin, b.origin]
  return (
    sameStep(a, b) &&
    a.id === b.id &&
    a.payload?.path === b.payload?.path &&
    from.file === to.file &&
    from.line === to.line &&
    from.column === to.column &&
    from.made === to.made
  )
}
