// What operators know of their releases, as from their repository: the stages of a new one, as `fleet publish` works them out
// (node/course.ts), and what `fleet rollback` would publish.
import { limits } from '../gossip/limits.ts'
import { isTrust } from '../node/content.ts'
import { basisOf, candidatesOf, chart, progressOf, unfinishedOf } from '../node/course.ts'
import type { EntryLog } from '../node/log.ts'
import type { Peer } from '../node/peer.ts'
import type { MadeRelease, SourceFile } from '../node/publish.ts'
import type { Course, ReleaseWish, RolloutTerms } from '../node/release.ts'
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
  readonly #held = new Map<string, Omit<Drawn, 'terms'>>()

  remember(id: string, { files, made }: Omit<Drawn, 'terms'>): void {
    this.#held.set(id, { files, made })
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
    const before = content && stable && { ...unreadOf(content), roster: entries.rosterOf(stable) }
    const { changes } = await surveyOf(before, { ...unreadOf({ files, made }), roster })
    const candidates = candidatesOf(roster, changes, basis.seed && entries.rosterOf(basis.seed))
    const charted = chart(candidates, { ...basis, stable }, terms)
    if (charted.kind === 'refused') throw new Error(`stages that stand still: ${charted.reason}`)
    return charted
  }

  /** What takes the newest release back: the files of the one before with another content. Undefined: there is none. */
  back(log: EntryLog): Pick<ReleaseWish, 'files' | 'never' | 'allow'> | undefined {
    const [newest, ...older] = log.releases(limits.releasesKept)
    if (newest === undefined) return undefined
    const { content } = newest.release
    const barred = log.terms()?.never ?? []
    for (const { id, release } of older) {
      const files = this.#held.get(id)?.files
      if (files === undefined || release.content === content) continue
      return { files, never: [content], allow: barred.filter(each => each === release.content) }
    }
    return undefined
  }
}

function unreadOf({ files, made }: Omit<Drawn, 'terms'>): Omit<Unread, 'roster'> {
  return {
    files: new Map([...made.release.listing].filter(([path]) => !isTrust(path))),
    read: async path => files.get(path)?.bytes,
  }
}
