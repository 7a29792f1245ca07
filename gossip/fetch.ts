// Core: which pack to fetch from whom, a few parts ahead, resumed where it stopped. Decides nothing about what is in a
// pack: the caller checks the digest of the whole and says `bad` or `drop`. Serving packs is the driver's.
import type { PeerId } from './carrier.ts'
import { limits } from './limits.ts'
import type { Part, WantPack } from './message.ts'

export type FetchInput =
  /** `have`: bytes that lie in quarantine from an earlier try. `from`: who announced it, asked first. */
  | {
      readonly kind: 'want'
      readonly pack: string
      readonly size: number
      readonly have: number
      readonly from?: PeerId
    }
  | { readonly kind: 'part'; readonly from: PeerId; readonly part: Part; readonly pack: string }
  | { readonly kind: 'no-pack'; readonly from: PeerId; readonly pack: string }
  | { readonly kind: 'down'; readonly peer: PeerId }
  /** A peer said of itself what it holds: `holders` may name it now. */
  | { readonly kind: 'holder' }
  /** The whole arrived and its digest is wrong. */
  | { readonly kind: 'bad'; readonly pack: string }
  /** Not wanted any more, or arrived well. */
  | { readonly kind: 'drop'; readonly pack: string }
  | { readonly kind: 'tick' }

export type FetchEffect =
  | { readonly kind: 'send'; readonly to: PeerId; readonly message: WantPack }
  /** Offsets are contiguous per pack: each starts where the last one ended, or at 0 after a `discard`. */
  | { readonly kind: 'append'; readonly pack: string; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'complete'; readonly pack: string }
  | { readonly kind: 'discard'; readonly pack: string }
  /** Everybody who might have it was asked in vain; it goes on asking unless it is dropped. */
  | { readonly kind: 'nobody'; readonly pack: string }

interface Job {
  readonly pack: string
  readonly size: number
  readonly announcer: PeerId | undefined
  /** Bytes received, contiguous. */
  offset: number
  /** First byte not asked for yet. */
  asked: number
  source: PeerId | undefined
  progressMs: number
  /** When all sources have failed: try again then. */
  retryMs: number
  /** Peers that had nothing, stalled or lied in this round. */
  readonly failed: Set<PeerId>
  /** Who sent the bytes that lie in quarantine. Bytes of an earlier life have no known sender. */
  readonly contributors: Set<PeerId | 'earlier'>
  /** After a wrong digest made of several peers' bytes: take all of them from one. */
  single: boolean
}

export interface Fetch {
  handle(input: FetchInput, nowMs: number): FetchEffect[]
  /** When `tick` is wanted next; undefined: nothing under way. */
  wakeMs(): number | undefined
  /** Packs under way, with the bytes received. */
  progress(): readonly { pack: string; size: number; offset: number; source?: PeerId }[]
}

/** `holders` names connected peers likely to have a pack, in any order; `unhex` turns a digest's text into bytes. */
export function createFetch(ports: {
  readonly holders: (pack: string) => readonly PeerId[]
  readonly random: () => number
  readonly unhex: (text: string) => Uint8Array
}): Fetch {
  const jobs = new Map<string, Job>()

  function pick(job: Job): PeerId | undefined {
    const able = ports.holders(job.pack).filter(peer => !job.failed.has(peer))
    if (job.announcer !== undefined && !job.failed.has(job.announcer) && able.includes(job.announcer))
      return job.announcer
    return able[Math.floor(ports.random() * able.length)]
  }

  /** Asks for more, from a new source when there is none. */
  function ask(job: Job, nowMs: number): FetchEffect[] {
    if (job.source === undefined) {
      const source = pick(job)
      if (source === undefined) {
        const asked = job.failed.size > 0
        job.failed.clear()
        job.retryMs = nowMs + limits.packStallMs
        return asked ? [{ kind: 'nobody', pack: job.pack }] : []
      }
      job.source = source
      job.asked = job.offset
      job.progressMs = nowMs
    }
    const effects: FetchEffect[] = []
    const ahead = job.offset + limits.packPartsAhead * limits.packPartBytes
    while (job.asked < Math.min(job.size, ahead)) {
      const length = Math.min(limits.packPartBytes, job.size - job.asked)
      const message: WantPack = { t: 'want-pack', pack: ports.unhex(job.pack), offset: job.asked, length }
      effects.push({ kind: 'send', to: job.source, message })
      job.asked += length
    }
    return effects
  }

  function leave(job: Job, nowMs: number): FetchEffect[] {
    if (job.source !== undefined) job.failed.add(job.source)
    job.source = undefined
    const effects = job.single && job.offset > 0 ? restart(job) : []
    return [...effects, ...ask(job, nowMs)]
  }

  function restart(job: Job): FetchEffect[] {
    job.offset = 0
    job.asked = 0
    job.contributors.clear()
    return [{ kind: 'discard', pack: job.pack }]
  }

  function onPart(job: Job, from: PeerId, part: Part, nowMs: number): FetchEffect[] {
    // Late parts of an earlier source, and parts nobody asked for, are dropped: order matters to the hash.
    if (from !== job.source || part.offset !== job.offset) return []
    // Whole parts only: a byte now and then would look like progress for years.
    if (part.size !== job.size || part.bytes.length !== Math.min(limits.packPartBytes, job.size - job.offset))
      return leave(job, nowMs)
    job.contributors.add(from)
    job.offset += part.bytes.length
    job.progressMs = nowMs
    const append: FetchEffect = { kind: 'append', pack: job.pack, offset: part.offset, bytes: part.bytes }
    if (job.offset === job.size) return [append, { kind: 'complete', pack: job.pack }]
    return [append, ...ask(job, nowMs)]
  }

  function onBad(job: Job, nowMs: number): FetchEffect[] {
    const only = job.contributors.size === 1 ? [...job.contributors][0] : undefined
    if (only !== undefined && only !== 'earlier') job.failed.add(only)
    job.single = true
    job.source = undefined
    return [...restart(job), ...ask(job, nowMs)]
  }

  function handle(input: FetchInput, nowMs: number): FetchEffect[] {
    switch (input.kind) {
      case 'want': {
        if (jobs.has(input.pack)) return []
        const have = Math.min(input.have, input.size)
        const job: Job = {
          pack: input.pack,
          size: input.size,
          announcer: input.from,
          offset: have,
          asked: have,
          source: undefined,
          progressMs: nowMs,
          retryMs: nowMs,
          failed: new Set(),
          contributors: new Set(have > 0 ? ['earlier' as const] : []),
          single: false,
        }
        jobs.set(input.pack, job)
        return have === input.size ? [{ kind: 'complete', pack: input.pack }] : ask(job, nowMs)
      }
      case 'part': {
        const job = jobs.get(input.pack)
        return job === undefined ? [] : onPart(job, input.from, input.part, nowMs)
      }
      case 'no-pack': {
        const job = jobs.get(input.pack)
        return job === undefined || job.source !== input.from ? [] : leave(job, nowMs)
      }
      case 'bad': {
        const job = jobs.get(input.pack)
        return job === undefined ? [] : onBad(job, nowMs)
      }
      case 'drop':
        jobs.delete(input.pack)
        return []
      case 'down':
        return [...jobs.values()].filter(job => job.source === input.peer).flatMap(job => leave(job, nowMs))
      case 'holder':
        return [...jobs.values()]
          .filter(job => job.source === undefined && job.offset < job.size)
          .flatMap(job => ask(job, nowMs))
      case 'tick':
        return [...jobs.values()].flatMap(job => {
          if (job.offset === job.size) return []
          if (job.source === undefined) return nowMs >= job.retryMs ? ask(job, nowMs) : []
          return nowMs - job.progressMs >= limits.packStallMs ? leave(job, nowMs) : []
        })
    }
  }

  return {
    handle,
    wakeMs() {
      const times = [...jobs.values()]
        .filter(job => job.offset < job.size)
        .map(job => (job.source === undefined ? job.retryMs : job.progressMs + limits.packStallMs))
      return times.length === 0 ? undefined : Math.min(...times)
    },
    progress: () =>
      [...jobs.values()].map(job => ({
        pack: job.pack,
        size: job.size,
        offset: job.offset,
        ...(job.source !== undefined && { source: job.source }),
      })),
  }
}
