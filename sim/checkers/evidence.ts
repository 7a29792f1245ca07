// Evidence only grows: what a host counts of a release is what it has heard, at its strongest, and never less than before; and in
// whatever order, however often it is heard, it comes to the same.
import { claimOf, Evidence } from '../../node/evidence.ts'
import { hex, unhex } from '../../signing/bytes.ts'
import type { Checker, Scene, SimEvent, Watched } from '../events.ts'
import { heardIn, type Word } from '../heard.ts'
import { compareWords } from '../standings.ts'

/** ms between two looks at one host. */
const lookMs = 10_000
/** Words kept for the shuffles at the end; the newest take the place of the oldest. */
const keptMax = 2_000

type Claim = Pick<Word, 'attempt' | 'state'>

export function evidence(): Checker {
  const said: { readonly entry: string; readonly host: string; readonly claim: Claim }[] = []
  /** By host: what it counted at the last look, of one release. */
  const counted = new Map<
    string,
    { readonly entry: string; readonly atMs: number; readonly claims: ReadonlyMap<string, Claim> }
  >()
  return {
    of: ['decided', 'ended', 'spoke'],
    event(event, scene) {
      heardIn(scene).event(event)
      // Its store may have lost what was not durable; and a release that it comes back to is counted anew.
      if (event.kind === 'ended' || isSurveyed(event)) counted.delete(event.host.name)
      if (event.kind !== 'spoke') return undefined
      keep(event)
      return event.host.honest && !event.host.cloned && event.host.observes
        ? look(event.host, scene)
        : undefined
    },
    end(scene) {
      const sums = [0, 1, 2].map(at => sumOf(said, scene.chance(`evidence ${at}`)))
      return sums.every(each => each === sums[0])
        ? undefined
        : `${said.length} words come to different evidence in different orders`
    },
  }

  function keep({ status }: Extract<SimEvent, { kind: 'spoke' }>): void {
    const entry = status.entry && hex(status.entry[1])
    const found = entry === undefined ? undefined : claimOf(status, unhex(entry, 32)!)
    if (entry === undefined || found === undefined) return
    said.push({ entry, ...found })
    if (said.length > keptMax) said.shift()
  }

  function look(host: Watched, scene: Scene): string | undefined {
    const { peer, name } = host
    const entry = peer?.entries.release()?.id
    const before = counted.get(name)
    const atMs = scene.nowMs()
    if (peer === undefined || entry === undefined || (before && atMs < before.atMs + lookMs)) return undefined
    const progress = peer.agent.progress()
    if (progress === undefined) return undefined
    const claims = new Map(progress.evidence.map(each => [each.host, each.claim]))
    counted.set(name, { entry, atMs, claims })
    for (const [each, claim] of before?.entry === entry ? before.claims : [])
      if (compareWords(claims.get(each) ?? nothing, claim) < 0)
        return `counts less of ${each.slice(0, 8)} than before, when that was ${claim.state}`
    const words = heardIn(scene).of(host, entry)
    for (const [each, claim] of claims)
      if (!words.get(each)?.some(word => compareWords(word, claim) === 0))
        return `counts ${claim.state} of ${each.slice(0, 8)}, which it has not heard`
    const { attemptOf } = peer.orders.of(entry)
    for (const [each, heard] of words) {
      const known = claims.get(each)
      const more = heard.find(
        word => word.fresh && word.attempt <= attemptOf(each) && known && compareWords(word, known) > 0,
      )
      if (more !== undefined)
        return `counts ${known?.state} of ${each.slice(0, 8)}, and has heard ${more.state}`
    }
    return undefined
  }
}

const nothing: Claim = { attempt: 0, state: 'NOOP' }

const isSurveyed = (event: SimEvent): event is Extract<SimEvent, { kind: 'decided' }> =>
  event.kind === 'decided' && event.input.kind === 'surveyed'

/** What the words come to in an order that is drawn, some of them said twice. */
function sumOf(
  said: readonly { readonly entry: string; readonly host: string; readonly claim: Claim }[],
  chance: () => number,
): string {
  const sets = new Map<string, Evidence>()
  const order = said
    .flatMap(each => (chance() < 0.3 ? [each, each] : [each]))
    .map(each => ({ ...each, at: chance() }))
    .sort((a, b) => a.at - b.at)
  for (const { entry, host, claim } of order) {
    const set = sets.get(entry) ?? new Evidence({ isAsked: () => true, isRetried: () => true })
    sets.set(entry, set)
    set.add(host, claim, undefined)
  }
  return JSON.stringify(
    [...sets].sort(([a], [b]) => (a < b ? -1 : 1)).map(([entry, set]) => [entry, set.all()]),
  )
}
