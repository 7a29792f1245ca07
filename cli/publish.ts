// Publishing, step by step, for `fleet publish` and `fleet rollback`: join, learn the head, refuse when behind, sign, hand over,
// leave. With nobody reachable the wish is kept, to be signed on the head of the day on which somebody is.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Author,
  type MadeEntry,
  makeTrustEntry,
  type ReleaseWish,
  trustChanged,
} from '../node/release.ts'
import type { Signer } from '../signing/sshsig.ts'
import type { Trust } from '../signing/trust.ts'
import { CliError, exits, type Io } from './command.ts'
import { type Laptop, openLaptop } from './laptop.ts'
import type { Outline } from './outline.ts'
import { fleetFolder, type Project } from './project.ts'
import { release } from './release.ts'
import { count, duration } from './render.ts'

export interface Publication {
  readonly project: Project
  readonly signer: Signer
  readonly author: Author
  /** trust/ as it shall be. */
  readonly trust: Trust
  /** Made once the head is known. Undefined: only trust. */
  readonly wish: (laptop: Laptop) => Promise<ReleaseWish | undefined>
  /** Id of a sibling entry to be declared dead. */
  readonly drops: string | undefined
  /** Hosts that must hold it before the laptop leaves; undefined: 3, or all that are reached. */
  readonly peers: number | undefined
  /** All hosts at once. */
  readonly now: boolean
  /** Nobody is to be asked. */
  readonly isSure: boolean
  /** ms to wait for the first host, and for the hand-over. */
  readonly waitMs: number
  readonly io: Io
}

/** `fleet publish --json`. Stable. */
export interface Published {
  readonly trust: { readonly sequence: number; readonly id: string } | null
  readonly release: ({ readonly id: string } & Outline) | null
  /** Hosts that hold what was published. */
  readonly held: number
  readonly reached: number
}

/** Fails with the reason; nothing was handed over then, or fewer hosts than wanted hold it, which the words say. */
export async function publish(publication: Publication): Promise<Published> {
  const { project, signer, trust, io, waitMs } = publication
  const laptop = await openLaptop({ project, trust, signer, io })
  try {
    const known = laptop.peer.entries.trustSequence()
    io.progress(`looking for hosts of the fleet (${count(trust.roster.length, 'host')} on the roster)`)
    if (!(await laptop.catchUp(waitMs))) throw nobody(publication)
    io.progress(
      `${count(laptop.reached().length, 'host')} reached; the log is at entry ${laptop.peer.entries.head()?.sequence}`,
    )
    const entries = laptop.peer.entries
    const newer = entries.trustSequence()
    if (newer > known && trustChanged(entries, trust.files)) throw trustBehind(publication, laptop)

    const { drops } = publication
    const words = { subject: `trust: ${count(trust.roster.length, 'host')}`, words: '', drops }
    const common = { log: entries, signer, author: publication.author, nowMs: Date.now() }
    let trusted: MadeEntry | undefined
    if (trustChanged(entries, trust.files)) {
      trusted = makeTrustEntry(common, trust, words)
      await laptop.submit(trusted)
      io.progress(`entry ${trusted.sequence}: trust, ${count(trust.roster.length, 'host')}`)
    }
    const released = await release(publication, laptop, trusted).catch(async error => {
      // Trust stands on its own: it is handed over, whatever became of the release.
      if (trusted !== undefined) await handOver(publication, laptop, trusted.sequence, false).catch(() => {})
      throw error
    })
    const last = released?.entry ?? trusted
    if (last === undefined) return { trust: null, release: null, held: 0, reached: laptop.reached().length }
    const held = await handOver(publication, laptop, last.sequence, released !== undefined)
    rmSync(pendingPath(project), { force: true })
    return {
      trust: trusted === undefined ? null : { sequence: trusted.sequence, id: trusted.id },
      release: released === undefined ? null : { id: released.entry.id, ...released.outline },
      held,
      reached: laptop.reached().length,
    }
  } finally {
    await laptop.close()
  }
}

async function handOver(
  { peers, waitMs, io }: Publication,
  laptop: Laptop,
  sequence: number,
  release: boolean,
): Promise<number> {
  const wanted = peers ?? Math.min(3, laptop.reached().length)
  const began = performance.now()
  const show = (now: number) =>
    io.progress(
      `${duration(performance.now() - began).padStart(7)}  held by ${now} of ${wanted} hosts wanted`,
    )
  const held = await laptop.handOver(sequence, release, wanted, Math.max(waitMs, 30_000), show)
  if (held < wanted)
    throw new CliError(
      `only ${count(held, 'host')} of ${wanted} took entry ${sequence} in time; it is published, and spreads from those`,
      {
        hint: 'fleet publish again hands it to more; FLEET_LOG=debug says more',
      },
    )
  return held
}

function pendingPath(project: Project): string {
  return join(fleetFolder(project), 'pending')
}

/** When a publication that found nobody was kept, and undefined when none was. */
export function pendingSince(project: Project): string | undefined {
  try {
    return readFileSync(pendingPath(project), 'utf8').trim()
  } catch {
    return undefined
  }
}

function nobody({ project, trust, waitMs }: Publication): CliError {
  const path = pendingPath(project)
  mkdirSync(fleetFolder(project), { recursive: true })
  writeFileSync(path, `${new Date().toISOString()}\n`)
  const why =
    trust.roster.length === 0
      ? 'the roster is empty: enroll a host first (fleet enroll)'
      : 'is a host up, and does its line in trust/hosts have an addr= that this machine reaches?'
  return new CliError(
    `no host was reached within ${duration(waitMs)}; nothing was published, the wish is kept`,
    {
      hint: `${why}\n  then: fleet publish, which signs it on the head of that day`,
    },
  )
}

function trustBehind({ project }: Publication, laptop: Laptop): CliError {
  const trust = laptop.peer.entries.trust()
  const folder = join(fleetFolder(project), `trust-${trust?.sequence}`)
  mkdirSync(folder, { recursive: true })
  for (const [name, bytes] of Object.entries(trust?.files ?? {})) writeFileSync(join(folder, name), bytes)
  return new CliError(
    `trust/ here is not the newest: entry ${trust?.sequence} changed it, by another operator`,
    {
      exit: exits.badInput,
      hint: `its files lie in ${folder}; merge them into trust/, commit, and publish again`,
    },
  )
}
