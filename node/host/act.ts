// The small things that are done to a machine, and what is remembered so that each can be taken back. Verbs are many,
// acts few: planner, journal, apply and undo know only these. Decides nothing.
import type { Reason } from './errors.ts'
import type { Kind, ResourceId, State } from './resource.ts'
import type { Sum } from './saved.ts'
import type { Payload } from './steps/step.ts'
import type { Ownership, Stat } from './system.ts'

export type Content =
  | { readonly kind: 'payload'; readonly payload: Payload }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }

/** `before` of each is what the planner saw at `path`; if that is no longer so, the act fails: CHANGED_MEANWHILE. */
export type Act =
  /** A regular file takes the place of a file, a link or nothing. `validate`: argv with %s for the new file. */
  | {
      readonly kind: 'put'
      readonly path: string
      readonly content: Content
      readonly ownership: Ownership
      readonly validate?: readonly string[]
      /** What to remember instead of the whole file: LINE owns one line. */
      readonly original?: Original
    }
  /** A symbolic link takes the place of a file, a link or nothing. */
  | { readonly kind: 'link'; readonly path: string; readonly target: string; readonly ownership: Ownership }
  /** A directory where nothing is. */
  | { readonly kind: 'mkdir'; readonly path: string; readonly ownership: Ownership }
  /** Mode or owner of what is there. */
  | { readonly kind: 'modify'; readonly path: string; readonly ownership: Ownership }
  /** Whatever is there goes, a directory with all that is in it. */
  | { readonly kind: 'remove'; readonly path: string }
  /** An empty directory goes; one that is not is left behind, which is no failure. */
  | { readonly kind: 'rmdir'; readonly path: string }
  /** Something saved returns, in place of a file, a link or nothing. */
  | { readonly kind: 'restore'; readonly path: string; readonly saved: string; readonly stat: Stat }
  /**
   * An archive becomes a directory where nothing is: unpacked beside it, then renamed. `ownership` is given to all
   * that is in it, its mode to the directory alone.
   */
  | {
      readonly kind: 'unpack'
      readonly path: string
      readonly payload: Payload
      /** Leading components of each name that are left out. */
      readonly strip: number
      readonly ownership: Ownership
    }
  /** A resource gets another state. `from` is what the planner saw. */
  | {
      readonly kind: 'set'
      readonly id: ResourceId
      readonly from: State | null
      readonly to: State | null
      readonly purge?: boolean
      /** As in Change: undo of what came along with another one. */
      readonly along?: boolean
    }
  | {
      readonly kind: 'run'
      readonly argv: readonly string[]
      /** Not run if this ends with 0. */
      readonly unless?: readonly string[]
      readonly undo?: readonly string[]
      readonly timeoutMs: number
    }
  /** Looked at after everything else; it changes nothing, and what fails it fails the run. */
  | { readonly kind: 'check'; readonly probe: Probe; readonly withinMs: number }

/** What a CHECK asks. */
export type Probe =
  | { readonly kind: 'http'; readonly url: string; readonly status: number; readonly body?: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** `timeoutMs`: of one try. */
  | { readonly kind: 'command'; readonly argv: readonly string[]; readonly timeoutMs: number }
  | { readonly kind: 'unit'; readonly unit: string }

/** A line that LINE took over: `old` stood in its place (undefined: added at the end); `removed` matched further down. */
export interface LineOriginal {
  readonly was: 'line'
  readonly path: string
  readonly text: string
  readonly old?: string
  readonly removed: readonly { readonly index: number; readonly anchor: string; readonly text: string }[]
  /** The last line had no newline; one was added before ours. */
  readonly unended: boolean
}

export type SetAct = Extract<Act, { kind: 'set' }>

/** How a resource was before another one brought or changed it, and what became of it. */
export interface Along {
  readonly id: ResourceId
  readonly before: State | null
  readonly after: State | null
}

/** What was before fleet: kept as long as the step is in force, and put back when it leaves. */
export type Original =
  | { readonly was: 'absent'; readonly path: string }
  | {
      readonly was: 'saved'
      readonly path: string
      readonly saved: string
      readonly stat: Stat
      /** Known once it is saved. */
      readonly sum?: Sum
    }
  | { readonly was: 'attributes'; readonly path: string; readonly ownership: Ownership }
  | LineOriginal
  | { readonly was: 'command'; readonly undo: readonly string[]; readonly timeoutMs: number }
  | {
      readonly was: 'state'
      readonly id: ResourceId
      readonly before: State | null
      /** What the step made of it, as it was observed then; undo compares with it. */
      readonly after: State | null
      readonly purge?: boolean
      /** Known once it is done. */
      readonly along?: readonly Along[]
    }

/** What a verb may look at while it plans: the machine as it will be when the acts before it are done. */
export interface Look {
  stat(path: string): Stat | undefined
  digest(path: string): string
  read(path: string, bytesMax: number): Uint8Array
  readlink(path: string): string
  /** Without the engine's own temporary files. */
  list(path: string): readonly string[]
  /** Those of users and groups that acts before it create, too. */
  userId(name: string): number | undefined
  groupId(name: string): number | undefined
  /** Undefined: no provider for its kind on this machine. */
  state(id: ResourceId): State | null | undefined
  /** All that is known of a kind, by name: everything there is where the provider is `whole`. */
  states(kind: Kind): ReadonlyMap<string, State>
  /** The path is a target of some step, or a directory above one. */
  declared(path: string): boolean
  /** Whether owners are enforced where the step does not name them: only by root. */
  readonly privileged: boolean
}

/** What must be done for a step to be kept; empty: it is kept. */
export type Answer = readonly Act[] | Reason

export function isReason(answer: Answer): answer is Reason {
  return !Array.isArray(answer)
}
