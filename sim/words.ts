// Times, sizes and counts of a report as people say them, the same on the screen and on the page. Where they stand is
// render.ts's and html.ts's.

/**
 * `380 ms`, `41 s`, `3 min 20 s`, `2 h 4 min`, `3 d 5 h`: two units at most. Leans on nothing outside itself, since
 * html.ts puts its source into the page.
 */
export function span(ms: number): string {
  if (ms > 0 && ms < 995) return `${Math.round(ms)} ms`
  if (ms > 0 && ms < 9950 && Math.round(ms / 100) % 10 > 0) return `${(ms / 1000).toFixed(1)} s`
  const units: [string, number][] = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ]
  let seconds = Math.max(0, Math.round(ms / 1000))
  const first = units.findIndex(([, each]) => seconds >= each)
  if (first < 0) return '0 s'
  // Rounded to the smaller of the two units first, so that no `1 h 60 min` comes out.
  const small = units[first + 1]?.[1] ?? 1
  seconds = Math.round(seconds / small) * small
  const words: string[] = []
  for (const [name, each] of units) {
    const n = Math.floor(seconds / each)
    seconds -= n * each
    if (n > 0) words.push(`${n} ${name}`)
  }
  return words.join(' ')
}

export function bytes(n: number): string {
  if (n < 1024) return `${Math.round(n)} B`
  if (n < 1024 ** 2) return `${(n / 1024).toFixed(1)} KiB`
  if (n < 1024 ** 3) return `${(n / 1024 ** 2).toFixed(1)} MiB`
  return `${(n / 1024 ** 3).toFixed(1)} GiB`
}

/** `1,204`; below ten with one digit after the point, where it says something. */
export function figure(n: number): string {
  if (n < 9.95 && !Number.isInteger(n)) return n.toFixed(1)
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** `1 host`, `1,204 hosts`. */
export const count = (n: number, noun: string) => `${figure(n)} ${noun}${n === 1 ? '' : 's'}`

/** How a run ended, for people. */
export const endings = {
  ok: 'every promise held',
  crash: 'fleet crashed',
  liveness: 'the healed fleet did not converge',
  safety: 'a promise was broken',
  nondeterminism: 'two runs of one seed differ',
} as const
