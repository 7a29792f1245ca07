// The record of applying: what is in force, and what a run was about to do, so that a crash at any point can be taken
// back. A frame is one line of digest and length, then one JSON document; a frame counts whole or not at all.
// Appending and making durable are left to apply.ts.
import type { Act, Along, Original } from './act.ts'
import { sha256 } from './digest.ts'
import { HostError, type Reason } from './errors.ts'
import type { Held } from './plan.ts'
import { kindOf, type ResourceId, type State as ResourceState, sameState } from './resource.ts'
import type { Sum } from './saved.ts'
import { dirname, type Stat } from './system.ts'

/** What a run is: a release, or any other list of steps, with the facts that were frozen for it. */
export interface About {
  readonly id: string
  readonly label: string
  readonly facts?: Readonly<Record<string, string>>
}

/** What it takes to undo one act, durable before anything is touched. `index` counts within the run. */
export interface Intent {
  readonly kind: Act['kind']
  readonly path?: string
  readonly before: Stat | null
  readonly first: boolean
  readonly saved?: string
  /** The temporary file or link that will take the place of `path`. */
  readonly temp?: string
  /** A file written into the state directory as an original. */
  readonly keeps?: string
  /** For `restore`: what returns, in the state directory. */
  readonly source?: string
  readonly drifted?: boolean
  /** For RUN: what takes it back; `reload`: what is run again after an undo. */
  readonly undo?: readonly string[]
  readonly reload?: readonly string[]
  readonly timeoutMs?: number
  /** For `set`: the resource, how it was, and what it is to be. */
  readonly id?: ResourceId
  readonly from?: ResourceState | null
  readonly to?: ResourceState | null
  /** The states of its whole kind just before, in the state directory: for kinds that spread. */
  readonly states?: string
}

export interface Pause {
  /** Undefined: everything. */
  readonly path?: string
  readonly untilMs: number
  readonly reason: string
}

/** What will take a target's place: inode and modification time (ms); null where nothing will. */
export type Made = readonly [ino: number, mtimeMs: number] | null

/** Of originals saved by a run, by their names in the state directory. */
export type Sums = Readonly<Record<string, Sum>>

/**
 * 2: originals have sums; 3: runs have legs, and acts on resources. Older ones are read; what version 1 saved is known by
 * its kind only.
 */
export const version = 3

export type Entry =
  /** A run begins, or another leg of the run that is open. */
  | { readonly kind: 'begin'; readonly run: number; readonly intents: readonly Intent[] }
  /** Everything of the leg is prepared; from here on its acts are done. */
  | { readonly kind: 'staged'; readonly made: readonly Made[]; readonly sums: Sums }
  /** A command is about to run or a resource about to change; it has been taken back. */
  | { readonly kind: 'started' | 'ended'; readonly index: number }
  /** The run is in force; `dirty`: originals that could not come back. */
  | {
      readonly kind: 'done'
      readonly about: About
      readonly held: readonly Held[]
      readonly dirty: readonly Reason[]
    }
  /** The run was taken back; `dirty`: what could not be. */
  | { readonly kind: 'undone'; readonly dirty: readonly Reason[] }
  /** Targets were looked at and found right. */
  | {
      readonly kind: 'seen'
      readonly atMs: number
      readonly seen: readonly (readonly [id: string, Stat | null])[]
    }
  | { readonly kind: 'pauses'; readonly pauses: readonly Pause[] }
  /** An operator looked after what was dirty. */
  | { readonly kind: 'retry' }
  /** Commands that a repair owes, by step id. */
  | { readonly kind: 'owed'; readonly ids: readonly string[] }
  | { readonly kind: 'snapshot'; readonly version: 1 | 2 | typeof version; readonly state: State }

export interface OpenRun {
  readonly run: number
  /** Of all its legs, in order. */
  readonly intents: readonly Intent[]
  /** Of the intents of legs that were staged; what has none was not acted on. */
  readonly made?: readonly Made[]
  readonly sums?: Sums
  readonly started: readonly number[]
}

export interface State {
  readonly about?: About
  readonly held: readonly Held[]
  readonly runs: number
  readonly open?: OpenRun
  readonly dirty: readonly Reason[]
  readonly pauses: readonly Pause[]
  readonly owed: readonly string[]
  /** Where the last run may have left what it removed, if it was cut short after it was in force. */
  readonly homes?: readonly string[]
}

export const blank: State = { held: [], runs: 0, dirty: [], pauses: [], owed: [] }

export function advance(state: State, entry: Entry): State {
  switch (entry.kind) {
    case 'begin':
      if (state.open?.run === entry.run)
        return { ...state, open: { ...state.open, intents: [...state.open.intents, ...entry.intents] } }
      return { ...state, runs: entry.run, open: { run: entry.run, intents: entry.intents, started: [] } }
    case 'staged':
      if (!state.open) return state
      return {
        ...state,
        open: {
          ...state.open,
          made: [...(state.open.made ?? []), ...entry.made],
          sums: { ...state.open.sums, ...entry.sums },
        },
      }
    case 'started':
      return state.open
        ? { ...state, open: { ...state.open, started: [...state.open.started, entry.index] } }
        : state
    case 'ended':
      if (!state.open) return state
      return {
        ...state,
        open: { ...state.open, started: state.open.started.filter(each => each !== entry.index) },
      }
    case 'done':
      return closed({
        ...state,
        homes: homesOf(state.open),
        about: entry.about,
        held: entry.held,
        dirty: [...state.dirty, ...(entry.dirty ?? [])],
      })
    case 'undone':
      return closed({ ...state, dirty: [...state.dirty, ...entry.dirty] })
    case 'seen': {
      const seen = new Map(entry.seen)
      const held = state.held.map(each =>
        seen.has(each.step.id) ? { ...each, seen: seen.get(each.step.id)!, seenAtMs: entry.atMs } : each,
      )
      return { ...state, held }
    }
    case 'pauses':
      return { ...state, pauses: entry.pauses }
    case 'retry':
      return { ...state, dirty: [] }
    case 'owed':
      return { ...state, owed: entry.ids }
    case 'snapshot':
      return entry.state
  }
}

/** The directories that temporary files of removals lie in, or the folders of such files. */
function homesOf(open: OpenRun | undefined): readonly string[] {
  const temps = (open?.intents ?? []).flatMap(({ kind, temp }) => (kind === 'remove' && temp ? [temp] : []))
  return [...new Set(temps.flatMap(temp => [dirname(temp), dirname(dirname(temp))]))]
}

function closed({ open: _, ...state }: State): State {
  return state
}

/** Names in the state directory that something in force still needs. */
export function savedIn(originals: readonly Original[]): string[] {
  return originals.flatMap(each => (each.was === 'saved' ? [each.saved] : []))
}

/** What came of the resources that a run changed. */
export interface Outcome {
  readonly after: ResourceState | null
  readonly along: readonly Along[]
}

/** The originals with what became of the resources, once that is known. */
export function withOutcomes(
  originals: readonly Original[],
  outcomes: ReadonlyMap<ResourceId, Outcome>,
): readonly Original[] {
  if (outcomes.size === 0) return originals
  return originals.map(each => {
    const outcome = each.was === 'state' ? outcomes.get(each.id) : undefined
    if (each.was !== 'state' || outcome === undefined) return each
    const known = new Map([...(each.along ?? []), ...outcome.along].map(one => [one.id, one]))
    // How it was at first stays.
    for (const one of each.along ?? []) known.set(one.id, { ...known.get(one.id)!, before: one.before })
    return { ...each, after: outcome.after, ...(known.size > 0 ? { along: [...known.values()] } : {}) }
  })
}

/** Of what came along with a step that leaves, what is still there although it was to go: others need it. */
export function orphansOf(
  originals: readonly Original[],
  outcomes: ReadonlyMap<ResourceId, Outcome>,
): readonly Along[] {
  return originals.flatMap(each =>
    each.was !== 'state'
      ? []
      : (each.along ?? []).flatMap(one => {
          const { after } = outcomes.get(one.id) ?? { after: null }
          return after === null || sameState(after, one.before) ? [] : [{ ...one, after }]
        }),
  )
}

/** Another step of their kind takes them over, and lets them go when it leaves and nothing needs them any more. */
export function bequeath(
  held: readonly Held[],
  orphans: readonly Along[],
): { readonly held: readonly Held[]; readonly heirless: readonly Along[] } {
  const heirless: Along[] = []
  let next = held
  for (const orphan of orphans) {
    const isHeir = (each: Original) => each.was === 'state' && kindOf(each.id) === kindOf(orphan.id)
    const at = next.findIndex(({ originals }) => originals.some(isHeir))
    const heir = next[at]
    if (heir === undefined) {
      heirless.push(orphan)
      continue
    }
    const own = heir.originals.findIndex(isHeir)
    const originals = heir.originals.map((each, index) => {
      if (index !== own || each.was !== 'state') return each
      return { ...each, along: [...(each.along ?? []).filter(({ id }) => id !== orphan.id), orphan] }
    })
    next = next.with(at, { ...heir, originals })
  }
  return { held: next, heirless }
}

/** The same list, if nothing is to be added. */
export function withSums(originals: readonly Original[], sums: Sums): readonly Original[] {
  const lacks = (each: Original) => each.was === 'saved' && !each.sum && each.saved in sums
  if (!originals.some(lacks)) return originals
  return originals.map(each =>
    each.was === 'saved' && lacks(each) ? { ...each, sum: sums[each.saved]! } : each,
  )
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const newline = 10
/** `fleet1 <64 hex> <length in bytes, 10 digits>`, then a newline. */
const headBytes = 6 + 1 + 64 + 1 + 10 + 1

export function encode(entry: Entry): Uint8Array {
  const body = encoder.encode(`${JSON.stringify(entry)}\n`)
  const head = encoder.encode(`fleet1 ${sha256(body)} ${String(body.length).padStart(10, '0')}\n`)
  const frame = new Uint8Array(head.length + body.length)
  frame.set(head)
  frame.set(body, head.length)
  return frame
}

/**
 * The state that a journal stands for, and how many of its bytes count. What follows is the torn end of a write that
 * a crash cut short; whole frames after a damaged one are more than that: JOURNAL_DAMAGED.
 */
export function replay(bytes: Uint8Array): { state: State; size: number } {
  let state = blank
  let at = 0
  while (at < bytes.length) {
    const frame = frameAt(bytes, at)
    if (frame === undefined) {
      for (let next = at + 1; next < bytes.length; next++)
        if (bytes[next - 1] === newline && frameAt(bytes, next))
          throw new HostError(
            'JOURNAL_DAMAGED',
            `the journal is damaged at byte ${at}; whole records follow`,
            { at },
          )
      break
    }
    const entry = JSON.parse(frame.body) as Entry
    if (entry.kind === 'snapshot' && entry.version > version)
      throw new HostError(
        'STATE_UNKNOWN',
        `found journal version ${entry.version}; expected ${version} or older`,
      )
    state = advance(state, entry)
    at = frame.end
  }
  return { state, size: at }
}

function frameAt(bytes: Uint8Array, at: number): { body: string; end: number } | undefined {
  if (at + headBytes > bytes.length) return undefined
  const match = /^fleet1 ([0-9a-f]{64}) (\d{10})\n$/.exec(decoder.decode(bytes.subarray(at, at + headBytes)))
  if (!match) return undefined
  const end = at + headBytes + Number(match[2])
  if (end > bytes.length) return undefined
  const body = bytes.subarray(at + headBytes, end)
  return sha256(body) === match[1] ? { body: decoder.decode(body), end } : undefined
}
