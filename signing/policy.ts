// trust/policy: what the operators agreed on about signing. Language 1 knows `threshold`.
import { utf8 } from './bytes.ts'
import { number } from './fields.ts'
import { type Parsed, parseLines } from './trust-file.ts'

export interface Policy {
  /** How many distinct operators a trust entry and other grave acts need; 1 to 64, default 1. */
  readonly threshold: number
}

const threshold = number(1, 64)

/** Parses trust/policy; `file` is the name that problems carry. */
export function parsePolicy(bytes: Uint8Array, file = 'trust/policy'): Parsed<Policy> {
  const policy = { threshold: 1 }
  const seen = new Set<string>()
  return parseLines(file, bytes, policy, ({ words, wrong }) => {
    const [name, equals, value, more] = words
    if (name!.text !== 'threshold') return wrong(name, 'threshold')
    if (seen.has(name!.text)) return wrong(name, 'each name once')
    seen.add(name!.text)
    if (equals?.text !== '=') return wrong(equals, '=')
    const found = value && threshold.read(value.text)
    if (found === undefined) return wrong(value, threshold.expected)
    if (more) return wrong(more, 'the end of the line')
    policy.threshold = found
  })
}

/** The canonical text. */
export function writePolicy(policy: Policy): Uint8Array {
  return utf8(`threshold = ${policy.threshold}\n`)
}
