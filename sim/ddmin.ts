// Delta debugging (Zeller & Hildebrandt 2002): which few of many are enough? What it means that they are enough is the
// caller's.

/**
 * A subset that still fails and of which no single one can be left out, as long as `fails` has not begun to say no for
 * want of budget. `all` itself is taken to fail, and is not tried. The order is kept.
 */
export async function ddmin<T>(
  all: readonly T[],
  fails: (some: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let left = all
  if (left.length > 0 && (await fails([]))) return []
  for (let parts = 2; left.length > 1; ) {
    const chunks = split(left, parts)
    const smaller = await firstOf(chunks, fails)
    if (smaller !== undefined) {
      left = smaller
      parts = 2
      continue
    }
    // With two parts the complements are the parts.
    const without = chunks.map(chunk => left.filter(each => !chunk.includes(each)))
    const rest = parts > 2 ? await firstOf(without, fails) : undefined
    if (rest !== undefined) {
      left = rest
      parts = Math.max(parts - 1, 2)
    } else if (parts >= left.length) break
    else parts = Math.min(parts * 2, left.length)
  }
  return left
}

async function firstOf<T>(
  candidates: readonly (readonly T[])[],
  fails: (some: readonly T[]) => Promise<boolean>,
): Promise<readonly T[] | undefined> {
  for (const each of candidates) if (await fails(each)) return each
  return undefined
}

function split<T>(all: readonly T[], parts: number): (readonly T[])[] {
  return Array.from({ length: parts }, (_, i) =>
    all.slice(Math.floor((i * all.length) / parts), Math.floor(((i + 1) * all.length) / parts)),
  )
}
