// Loop: whom a release concerns, out of the log and the repository. Reads the texts that affected.ts asks for, which decides;
// the same question is answered once.
import type { Host } from '../signing/roster.ts'
import { type Content, changesOf, type Survey } from './affected.ts'
import { isTrust } from './content.ts'
import type { Surveyed } from './effects.ts'
import { decodeText } from './host/steps/lex.ts'
import type { EntryLog, LogEntry, ReleaseEntry } from './log.ts'
import type { Repository } from './ports.ts'

/** Undefined: the release is not held here any more. Fails only with the disk. */
export type Surveyor = (entry: string, stable: string | undefined) => Promise<Surveyed | undefined>

export type Found = Extract<Survey, { kind: 'surveyed' }>

/** By what was compared: commits, and the trust entries that name the rosters. */
export type SurveyMemo = Map<string, Found>

/** The last questions: a host asks of one release, of the next, and once more when Stable has moved. */
const memoMax = 4

/** A content whose texts are read when they are wanted. */
export interface Unread extends Pick<Content, 'files' | 'roster'> {
  read(path: string): Promise<Uint8Array | undefined>
}

export function openSurvey(ports: {
  readonly entries: EntryLog
  readonly repository: Repository
  readonly memo?: SurveyMemo | undefined
}): Surveyor {
  const { entries, repository, memo = new Map<string, Found>() } = ports
  const held = (id: string | undefined) => {
    const entry = id === undefined ? undefined : entries.byId(id)
    return isRelease(entry) && repository.held().includes(entry.release.commit) ? entry : undefined
  }
  const unread = (entry: ReleaseEntry) => unreadOf(repository, entry.release.commit, entries.rosterOf(entry))
  return async (id, stableId) => {
    const [stable, release] = [held(stableId), held(id)]
    if (release === undefined) return undefined
    const name = [stable, release].map(each => each && `${each.release.commit} ${each.release.trust}`).join()
    let found = memo.get(name)
    if (found === undefined) {
      found = await surveyOf(stable && (await unread(stable)), await unread(release))
      memo.set(name, found)
      const [oldest] = memo.keys()
      if (memo.size > memoMax && oldest !== undefined) memo.delete(oldest)
    }
    return { kind: 'surveyed', entry: id, stable: stable?.id, changes: found.changes }
  }
}

/** A release of the repository, with a roster. */
export async function unreadOf(
  repository: Repository,
  commit: string,
  roster: readonly Host[],
): Promise<Unread> {
  const { listing } = await repository.release(commit)
  return {
    files: new Map([...listing].filter(([path]) => !isTrust(path))),
    roster,
    read: path => repository.read(commit, path),
  }
}

/** As `changesOf`, with all that it needs read. */
export async function surveyOf(stable: Unread | undefined, release: Unread): Promise<Found> {
  const [before, after] = [stable && new Texts(stable), new Texts(release)]
  for (;;) {
    const found = changesOf(before?.content, after.content)
    if (found.kind === 'surveyed') return found
    await before?.load(found.stable)
    await after.load(found.release)
  }
}

class Texts {
  readonly content: Content
  readonly #texts = new Map<string, string>()
  readonly #unread: Unread

  constructor(unread: Unread) {
    this.#unread = unread
    const { files, roster } = unread
    this.content = { files, roster, text: path => this.#texts.get(path) }
  }

  async load(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      const { text, problems } = decodeText(path, (await this.#unread.read(path)) ?? new Uint8Array())
      // What is no text is refused by every host that is to take it; here it only has to differ from any other.
      this.#texts.set(
        path,
        problems.length === 0 ? text : `not a text: ${this.#unread.files.get(path)?.sha256}`,
      )
    }
  }
}

const isRelease = (entry: LogEntry | undefined): entry is ReleaseEntry => entry?.release !== undefined
