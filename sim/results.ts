// The file of a campaign, one line of JSON for each seed: what `--resume` reads and writes. A seed counts as done only
// under the same code and terms. Pure; reading and appending are the command's.
import type { Outcome, Terms } from './outcome.ts'
import { exitCodes } from './report.ts'

/** What makes two runs of a seed the same run. */
export interface Key {
  /** Digest of the sources, and the version of Node.js. */
  readonly code: string
  readonly terms: Terms
}

interface Line extends Outcome {
  readonly code: string
  readonly terms: string
}

const termsText = ({ hosts, classes, releases, realCrypto, twice }: Terms) =>
  [
    hosts !== undefined && `hosts=${hosts}`,
    classes !== undefined && `faults=${[...classes].sort().join(',')}`,
    releases !== undefined && `releases=${releases}`,
    realCrypto && 'real-crypto',
    twice && 'twice',
  ]
    .filter(Boolean)
    .join(' ')

export function resultLine(outcome: Outcome, key: Key): string {
  const line: Line = { ...outcome, code: key.code, terms: termsText(key.terms) }
  return `${JSON.stringify(line)}\n`
}

/**
 * Outcomes by seed; the last line of a seed counts. Lines of other code or terms are passed over, and so is what is no
 * line at all: whoever was killed while writing leaves a torn one, and its seed is run again.
 */
export function readResults(text: string, key: Key): Map<number, Outcome> {
  const done = new Map<number, Outcome>()
  const wanted = termsText(key.terms)
  for (const each of text.split('\n')) {
    const line = parsed(each)
    if (line === undefined || line.code !== key.code || line.terms !== wanted) continue
    const { code: _, terms: __, ...outcome } = line
    done.set(outcome.seed, outcome)
  }
  return done
}

function parsed(text: string): Line | undefined {
  if (text === '') return undefined
  try {
    const line = JSON.parse(text) as Line
    const isLine =
      Number.isSafeInteger(line.seed) &&
      Object.hasOwn(exitCodes, line.ending) &&
      Array.isArray(line.violations) &&
      Array.isArray(line.pending) &&
      typeof line.marks === 'object' &&
      typeof line.queues === 'object' &&
      typeof line.wallMs === 'number'
    return isLine ? line : undefined
  } catch {
    return undefined
  }
}
