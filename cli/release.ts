// A release on its way to be signed: its commit and packs, what it is compared with, the stages, the screen, the question. Joining
// and handing over are publish.ts's; what the stages are, node/course.ts's.
import { limits } from '../gossip/limits.ts'
import { isTrust } from '../node/content.ts'
import { type Basis, basisOf, candidatesOf, chart, progressOf, unfinishedOf } from '../node/course.ts'
import type { MadeRelease } from '../node/publish.ts'
import {
  type Common,
  contentOf,
  type Delta,
  type Draft,
  draftRelease,
  type MadeEntry,
  prepareRelease,
  type ReleaseWish,
  signDraft,
} from '../node/release.ts'
import { surveyOf, type Unread } from '../node/survey.ts'
import { hex } from '../signing/bytes.ts'
import { peerKey } from '../signing/keys.ts'
import { CliError, exits } from './command.ts'
import { isYes } from './confirm.ts'
import { filesOf, listingOf } from './contents.ts'
import type { Laptop } from './laptop.ts'
import { type Outline, outlineOf, screenOf } from './outline.ts'
import type { Publication } from './publish.ts'
import { count } from './render.ts'
import { settingsFile } from './settings.ts'

interface Released {
  readonly entry: MadeEntry
  readonly outline: Outline
}

/**
 * Shows what the release will do, asks, signs. Anew when the log went on meanwhile, which it may while somebody reads. Undefined:
 * none is wished for, or the newest release has this very content already.
 */
export async function release(
  publication: Publication,
  laptop: Laptop,
  trusted: MadeEntry | undefined,
): Promise<Released | undefined> {
  const { io, signer, author } = publication
  const { entries } = laptop.peer
  for (;;) {
    const plain = await publication.wish(laptop)
    if (plain === undefined) return undefined
    const wish = trusted ? plain : { ...plain, drops: publication.drops }
    const common = { log: entries, signer, author, nowMs: Date.now() }
    const prepared = await prepare(laptop, common, wish)
    if (prepared === undefined) return undefined
    const { made } = prepared
    const { draft, outline, ...seen } = await draftOf(publication, laptop, common, wish, prepared)
    const labels = new Map(entries.roster().map(host => [host.name, host.labels]))
    const { columns, colour } = io
    io.progress(`${screenOf(outline, name => labels.get(name) ?? {}, { columns, colour, ...seen })}\n`)
    if (!(await isWanted(publication, `Sign and publish release ${outline.sequence}?`)))
      throw new CliError(
        trusted === undefined
          ? 'nothing was signed, nothing was published'
          : `the release was not signed; trust is published as entry ${trusted.sequence}`,
      )
    if (entries.head()?.id !== draft.entry.previous) {
      io.progress(`the log is at entry ${entries.head()?.sequence} by now: looking again`)
      continue
    }
    const entry = signDraft(draft, signer)
    await laptop.submit(entry, { pack: made.digest, release: made.release })
    io.progress(
      `entry ${entry.sequence}: release, ${count(made.release.listing.size, 'file')}, pack ${made.size} bytes`,
    )
    return { entry, outline }
  }
}

/** A script that publishes has said all it can say: where nobody is there to answer, nobody is asked. */
async function isWanted({ io, isSure }: Publication, question: string): Promise<boolean> {
  return isSure || io.ask === undefined || isYes(await io.ask(`${question} [y/N] `))
}

interface Prepared {
  readonly made: MadeRelease
  readonly delta: Delta | undefined
}

/** The release's commit and packs, in this laptop's repository. Undefined: the newest release has this content already. */
async function prepare(laptop: Laptop, common: Common, wish: ReleaseWish): Promise<Prepared | undefined> {
  const { repository, entries } = laptop.peer
  const made = prepareRelease(common, wish)
  if (made.kind === 'refused')
    throw new CliError(`no host would take this: ${made.detail}`, { code: made.code, exit: exits.badInput })
  const newest = entries.terms()
  const content = contentOf(made)
  if (newest?.content === content && wish.never.length === 0 && wish.drops === undefined) return undefined
  if (newest?.never?.some(each => each === content) && !wish.allow.includes(content))
    throw new CliError('this content is on the never list: a rollback took it back', {
      exit: exits.badInput,
      hint: 'git revert what was bad first; or only trust/: fleet publish --trust; or all the same: fleet publish --allow',
    })
  const parent = newest?.object
  const commit = made.release.commit
  const claim = { digest: made.digest, base: 'none' as const, commit, content }
  const installed = await repository.install(made.pack, claim)
  if (installed.kind === 'refused')
    throw new CliError(`no host would take this: ${installed.detail}`, { code: installed.code })
  if (parent === undefined || !repository.held().includes(parent)) return { made, delta: undefined }
  const info = await repository.pack(commit, parent)
  const bytes = (await repository.readPack(info.digest, 0, info.size)) ?? new Uint8Array()
  return { made, delta: { ...info, base: parent, bytes } }
}

/** The entry, not signed yet, and what it will do. */
async function draftOf(
  publication: Publication,
  laptop: Laptop,
  common: Common,
  wish: ReleaseWish,
  { made, delta }: Prepared,
): Promise<{ draft: Draft; outline: Outline } & Seen> {
  const { entries, repository } = laptop.peer
  const roster = entries.roster()
  const seen = await seenOf(laptop, publication.project.root)
  const files = new Map([...made.release.listing].filter(([path]) => !isTrust(path)))
  const read = (path: string) => repository.read(made.release.commit, path)
  const { changes, lists } = await surveyOf(seen.before, { files, roster, read })
  const { seed } = seen.basis
  const candidates = candidatesOf(roster, changes, seed && entries.rosterOf(seed))
  const charted = chart(candidates, seen.basis, wish.terms, { now: publication.now })
  if (charted.kind === 'refused')
    throw new CliError(`its stages would not do: ${charted.reason}`, {
      exit: exits.badInput,
      hint: `stages = and risk = in [rollout] of ${settingsFile}; or all hosts at once: --now`,
    })
  const draft = draftRelease(common, { ...wish, terms: charted.terms }, made, delta, charted.course)
  const { sequence, subject, content } = draft.entry
  const again = entries.releases(limits.releasesKept).find(each => each.release.content === content)
  const about = { sequence, subject, id: draft.id, again: again?.sequence }
  const outline = outlineOf(about, roster, lists, seen.basis, charted)
  return { draft, outline, missing: seen.missing, unfinished: seen.unfinished }
}

/** For people, of what the new release builds on. */
interface Seen {
  /** The release last seen complete, whose content is not on this machine. */
  readonly missing: number | undefined
  /** Why the newest release is not complete. */
  readonly unfinished: string | undefined
}

/**
 * What the new release is compared with, by what the hosts say of the newest one. Where that content is not on this machine, the
 * entry names none: hosts then count all of the release as new, as it is counted here.
 */
async function seenOf(
  laptop: Laptop,
  root: string,
): Promise<{ basis: Basis; before: Unread | undefined } & Seen> {
  const { entries, reporter } = laptop.peer
  const newest = entries.release()
  if (newest !== undefined) await laptop.boardQuiet()
  const statusOf = (host: string) => reporter.board.row(host)?.status
  const dates = laptop
    .reached()
    .flatMap(peer => statusOf(hex(peerKey(peer) ?? new Uint8Array()))?.at ?? [])
    .sort((a, b) => a - b)
  const nowMs = Math.min(Date.now(), dates[dates.length >> 1] ?? Number.POSITIVE_INFINITY)
  const why = newest && unfinishedOf(progressOf(newest, entries.roster(), statusOf, nowMs))
  const unfinished = newest && why && `release ${newest.sequence} is not complete: ${why}`
  const basis = basisOf(newest, unfinished === undefined, id =>
    entries.releases(limits.releasesKept).find(each => each.id === id),
  )
  const { stable } = basis
  if (stable === undefined) return { basis, unfinished, before: undefined, missing: undefined }
  try {
    const files = await filesOf(laptop, root, stable)
    const read = async (path: string) => files.get(path)?.bytes
    const before = { files: listingOf(files), roster: entries.rosterOf(stable), read }
    return { basis, unfinished, before, missing: undefined }
  } catch {
    const unknown = { ...basis, stable: undefined }
    return { basis: unknown, unfinished, before: undefined, missing: stable.sequence }
  }
}
