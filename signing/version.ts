// Trust versions: which one an entry makes, and whether it may follow the one before. Where the entry stands in the log is for
// chain.ts to say.
import { hex } from './bytes.ts'
import { checkThreshold } from './cosign.ts'
import type { Entry, EntryId, Opened } from './entry.ts'
import { isRefusal, type Refusal, refused } from './errors.ts'
import type { Operator } from './operators.ts'
import { readTrust, type Trust, type TrustFiles, trustDigests, trustTree } from './trust.ts'

/** A place in the log. */
export interface Point {
  readonly sequence: number
  readonly id: EntryId
}

export interface TrustVersion extends Trust, Point {}

/** The version that an entry makes, if the files beside it are the ones it names and can be read. */
export function trustVersion(opened: Opened, files: TrustFiles | undefined): TrustVersion | Refusal {
  const { entry, id } = opened
  if (!files || entry.kind !== 'trust')
    return refused('TRUST_MISMATCH', 'found none; expected hosts, operators, policy')
  const digests = trustDigests(files)
  for (const name of ['operators', 'roster', 'policy'] as const)
    if (digests[name] !== entry[name])
      return refused('TRUST_MISMATCH', `${name}: found ${digests[name]}; expected ${entry[name]}`)
  const tree = trustTree(files)
  if (tree !== entry.object) return refused('TRUST_MISMATCH', `tree: found ${tree}; expected ${entry.object}`)
  const parsed = readTrust(files)
  if (parsed.kind === 'ok') return { ...parsed.value, sequence: entry.sequence, id }
  const [first] = parsed.problems
  return refused(
    'TRUST_MALFORMED',
    first ? `${first.file}:${first.line}:${first.column}: ${first.message}` : '',
  )
}

/** The version that follows `old`, signed by the threshold of both. */
export function checkNextTrust(
  opened: Opened<Entry>,
  next: TrustVersion | Refusal,
  old: TrustVersion,
  keysIn: (operators: readonly Operator[]) => ReadonlySet<string>,
): TrustVersion | Refusal {
  if (isRefusal(next)) return next
  const keys = keysIn([...old.operators, ...next.operators])
  const removes = 'removes' in opened.entry ? opened.entry.removes : undefined
  const lacking = checkThreshold(old, keys, 'git') ?? checkThreshold(next, keys, 'git')
  return lacking ?? checkRemoves(old, next, removes) ?? next
}

/** Of hosts: above this share, a removal must name their number (DESIGN section 4). */
const removedShareMax = 0.1

/** Whether the hosts that leave are few, or counted. */
function checkRemoves(old: Trust, next: Trust, said: number | undefined): Refusal | undefined {
  const kept = new Set(next.roster.map(each => hex(each.key)))
  const removed = old.roster.filter(each => !kept.has(hex(each.key))).length
  const fine = said === undefined ? removed <= removedShareMax * old.roster.length : said === removed
  if (fine) return undefined
  return refused(
    'TRUST_REMOVES',
    `found ${removed} of ${old.roster.length} leaving; expected Removes: ${removed}, found ${said ?? 'none'}`,
  )
}
