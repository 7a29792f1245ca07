// Values in text: `${var.x}`, `${host.name}`, `${host.address}`, `${label.role}`, `${fact.os.id}` and
// `${hosts.role=db.address}` (of all hosts with that label, in the roster's order, a blank between). No logic;
// `$${` writes `${`. What a value is, is asked of a scope.

import { facts } from './facts.ts'
import { nearest } from './problem.ts'

export type Reference =
  | { readonly kind: 'var' | 'label' | 'fact'; readonly name: string }
  | { readonly kind: 'host'; readonly name: 'name' | 'address' }
  | {
      readonly kind: 'hosts'
      readonly label: string
      readonly value: string
      readonly name: 'name' | 'address'
    }

/** A finding at an offset, in UTF-16 units, of the text. */
export interface Fault {
  readonly offset: number
  readonly message: string
}

interface Hole {
  readonly offset: number
  readonly source: string
  readonly reference: Reference
}

export interface Template {
  readonly parts: readonly (string | Hole)[]
  readonly faults: readonly Fault[]
}

/**
 * What a reference stands for: its value; that it can have none, and why; or that it is open, since the facts of the
 * host are not known here.
 */
export type Answer =
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'none'; readonly message: string }
  | { readonly kind: 'open' }

export type Scope = (reference: Reference) => Answer

export function hasHoles(text: string): boolean {
  return text.includes('${')
}

/** Never throws; what does not parse is a fault and left out. */
export function compile(text: string): Template {
  const parts: (string | Hole)[] = []
  const faults: Fault[] = []
  let from = 0
  for (let at = text.indexOf('${'); at >= 0; at = text.indexOf('${', from)) {
    if (at > from && text[at - 1] === '$') {
      parts.push(text.slice(from, at - 1), '${')
      from = at + 2
      continue
    }
    parts.push(text.slice(from, at))
    const match = /^\$\{([^{}\n]{1,512})\}/.exec(text.slice(at, at + 520))
    const reference = match ? readReference(match[1]!) : undefined
    const unknown = reference && checkFact(reference)
    if (unknown) faults.push({ offset: at, message: unknown })
    else if (match && reference) parts.push({ offset: at, source: match[0], reference })
    else
      faults.push({
        offset: at,
        message: `found ${match?.[0] ?? 'an unfinished variable'}; expected a value such as \${var.x}, \${label.role} or \${host.name}, or $\${ for the characters themselves`,
      })
    from = at + (match?.[0].length ?? 2)
  }
  parts.push(text.slice(from))
  return { parts: parts.filter(part => part !== ''), faults }
}

/** Reads what stands between `${` and `}`, and also the left side of a guard. */
export function readReference(source: string): Reference | undefined {
  if (source === 'host.name' || source === 'host.address')
    return { kind: 'host', name: source === 'host.name' ? 'name' : 'address' }
  const named = /^(var|label|fact)\.([A-Za-z0-9_][A-Za-z0-9_./-]*)$/.exec(source)
  if (named) return { kind: named[1] as 'var' | 'label' | 'fact', name: named[2]! }
  const hosts = /^hosts\.([A-Za-z0-9_][A-Za-z0-9_./-]*)=(.+)\.(name|address)$/.exec(source)
  return hosts
    ? { kind: 'hosts', label: hosts[1]!, value: hosts[2]!, name: hosts[3] as 'name' | 'address' }
    : undefined
}

/** Answers with a message when the reference asks for a fact that no host has. */
export function checkFact(reference: Reference): string | undefined {
  if (reference.kind !== 'fact' || Object.hasOwn(facts, reference.name)) return undefined
  const guess = nearest(reference.name, Object.keys(facts))
  const expected = guess ? `fact.${guess}` : `one of ${Object.keys(facts).join(' ')}`
  return `found fact.${reference.name}, which no host reports; expected ${expected}`
}

/** Puts values in; an open reference stays as it is written, so that equal openness gives equal text. */
export function render(template: Template, scope: Scope): { text: string; open: boolean; faults: Fault[] } {
  const faults = [...template.faults]
  let open = false
  let text = ''
  for (const part of template.parts) {
    if (typeof part === 'string') {
      text += part
      continue
    }
    const answer = scope(part.reference)
    if (answer.kind === 'value') text += answer.value
    else if (answer.kind === 'none') faults.push({ offset: part.offset, message: answer.message })
    else {
      open = true
      text += part.source
    }
  }
  return { text, open, faults: faults.sort((a, b) => a.offset - b.offset) }
}
