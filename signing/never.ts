// The never list: contents that no release may have again until one allows them. Decides on one release; which list is in force
// is chain.ts's.
import type { ContentDigest, Release } from './entry.ts'
import { type Refusal, refused } from './errors.ts'

/** Why a release may not follow; `before`: the list of the release that it follows, undefined where that is not known. */
export function checkNever(
  { content, never: own = [], allow = [] }: Release,
  before: readonly ContentDigest[] | undefined,
): Refusal | undefined {
  if (own.includes(content))
    return refused('NEVER', `content ${content} is on the list of the release itself`)
  if (before === undefined) return undefined
  const removed = before.filter(each => !own.includes(each) && !allow.includes(each))
  if (before.includes(content) && !allow.includes(content)) return refused('NEVER', `content ${content}`)
  return removed.length === 0 ? undefined : refused('NEVER', `${removed[0]} leaves the list without Allow`)
}
