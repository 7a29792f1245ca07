// What a host is to its declaration: the values of references, and whether a guard holds. Facts may be open: on an
// operator's machine nobody knows those of the hosts.

import type { Test } from './parse.ts'
import { nearest } from './problem.ts'
import type { Answer, Reference, Scope } from './template.ts'
import type { Vars } from './vars.ts'

/** The host that steps are declared for. */
export interface Host {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** The first one is `${host.address}`. */
  readonly addresses: readonly string[]
  /** As frozen at the last run; undefined: open. Names as in facts.ts. */
  readonly facts?: Readonly<Record<string, string>> | undefined
}

/** A host of the roster, for `${hosts.KEY=VALUE.address}`. */
export interface RosterHost {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly address: string
}

const own = (record: Readonly<Record<string, string>>, name: string) =>
  Object.hasOwn(record, name) ? record[name] : undefined

/** Answers name no host, so that a problem of many is one. */
export function scopeOf(
  host: Host,
  roster: readonly RosterHost[],
  vars: Vars,
  values: ReadonlyMap<string, string>,
): Scope {
  const answer = (value: string | undefined, found: string, expected: string): Answer =>
    value === undefined
      ? { kind: 'none', message: `found ${found}; expected ${expected}` }
      : { kind: 'value', value }
  return (reference: Reference): Answer => {
    switch (reference.kind) {
      case 'var': {
        const { name } = reference
        const guess = vars.names.has(name) ? undefined : nearest(name, vars.names)
        const expected = guess
          ? `var.${guess}`
          : 'one in [default], or in the table of a label or of the host'
        return answer(values.get(name), `var.${name}, which has no value`, expected)
      }
      case 'label':
        return answer(
          own(host.labels, reference.name),
          `label.${reference.name}, which the host does not have`,
          'a label of the host, or WHEN around it',
        )
      case 'fact': {
        if (host.facts === undefined) return { kind: 'open' }
        const found = `fact.${reference.name}, which the host does not report`
        return answer(own(host.facts, reference.name), found, 'a fact that it reports')
      }
      case 'host':
        return reference.name === 'name'
          ? { kind: 'value', value: host.name }
          : answer(host.addresses[0], 'host.address, but the host has none', 'an address in the roster')
      case 'hosts': {
        const { label, value, name } = reference
        const found = roster.filter(each => own(each.labels, label) === value).map(each => each[name])
        return answer(
          found.length > 0 ? found.join(' ') : undefined,
          `hosts.${label}=${value}, but no host has that label`,
          'at least one in the roster',
        )
      }
    }
  }
}

/** Whether a test holds on the host of a scope; a label, fact or variable that it lacks has none of the values. */
export function holds({ subject, values, negated }: Test, scope: Scope): 'yes' | 'no' | 'open' {
  const answer = scope(subject)
  if (answer.kind === 'open') return 'open'
  return (answer.kind === 'value' && values.includes(answer.value)) !== negated ? 'yes' : 'no'
}

/** Whether two lists of open tests can never hold on one host, since they give one key different values. */
export function exclude(a: readonly Test[], b: readonly Test[]): boolean {
  return a.some(one =>
    b.some(two => {
      if (one.source !== two.source || (one.negated && two.negated)) return false
      if (one.negated === two.negated) return !one.values.some(value => two.values.includes(value))
      const [not, is] = one.negated ? [one, two] : [two, one]
      return is.values.every(value => not.values.includes(value))
    }),
  )
}
