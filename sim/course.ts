// The stages of a simulated release, as `fleet publish` works them out (node/course.ts): what it is compared with, whom it
// concerns, in which order. What is in the releases stands with the operators, as in their repository.
import { limits } from '../gossip/limits.ts'
import { isTrust } from '../node/content.ts'
import { basisOf, candidatesOf, chart, progressOf, unfinishedOf } from '../node/course.ts'
import type { Peer } from '../node/peer.ts'
import type { MadeRelease, SourceFile } from '../node/publish.ts'
import type { Course, RolloutTerms } from '../node/release.ts'
import { surveyOf, type Unread } from '../node/survey.ts'
import { epochMs } from './clock.ts'

/** Contents that operators remember: a release is compared with one of the newest that hosts hold. */
const contentsMax = limits.releasesKept

export interface Drawn {
  readonly files: ReadonlyMap<string, SourceFile>
  readonly made: MadeRelease
  readonly terms: RolloutTerms
}

export class Contents {
  /** By entry id. */
  readonly #held = new Map<string, Omit<Unread, 'roster'>>()

  remember(id: string, { files, made }: Omit<Drawn, 'terms'>): void {
    this.#held.set(id, unreadOf(files, made))
    const [oldest] = this.#held.keys()
    if (this.#held.size > contentsMax && oldest !== undefined) this.#held.delete(oldest)
  }

  /** What the laptop's board says of the newest release decides what the new one builds on. */
  async courseOf(
    { entries, reporter }: Pick<Peer, 'entries' | 'reporter'>,
    { files, made, terms }: Drawn,
    nowMs: number,
  ): Promise<{ readonly course: Course; readonly terms: RolloutTerms }> {
    const newest = entries.release()
    const roster = entries.roster()
    const statusOf = (host: string) => reporter.board.row(host)?.status
    const complete =
      newest !== undefined &&
      unfinishedOf(progressOf(newest, roster, statusOf, epochMs + nowMs)) === undefined
    const held = entries.releases(limits.releasesKept)
    const basis = basisOf(newest, complete, id => held.find(each => each.id === id))
    const content = basis.stable && this.#held.get(basis.stable.id)
    const stable = content && basis.stable
    const before = content && stable && { ...content, roster: entries.rosterOf(stable) }
    const { changes } = await surveyOf(before, { ...unreadOf(files, made), roster })
    const candidates = candidatesOf(roster, changes, basis.seed && entries.rosterOf(basis.seed))
    const charted = chart(candidates, { ...basis, stable }, terms)
    if (charted.kind === 'refused') throw new Error(`stages that stand still: ${charted.reason}`)
    return charted
  }
}

function unreadOf(files: ReadonlyMap<string, SourceFile>, made: MadeRelease): Omit<Unread, 'roster'> {
  return {
    files: new Map([...made.release.listing].filter(([path]) => !isTrust(path))),
    read: async path => files.get(path)?.bytes,
  }
}
