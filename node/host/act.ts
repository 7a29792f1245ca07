// The small things that are done to a machine, and what is remembered so that each can be taken back. Verbs are many,
// acts few: planner, journal, apply and undo know only these. Decides nothing.
import type { Reason } from './errors.ts'
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
  | {
      readonly kind: 'run'
      readonly argv: readonly string[]
      /** Not run if this ends with 0. */
      readonly unless?: readonly string[]
      readonly undo?: readonly string[]
      readonly timeoutMs: number
    }

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

/** What a verb may look at while it plans: the machine as it will be when the acts before it are done. */
export interface Look {
  stat(path: string): Stat | undefined
  digest(path: string): string
  read(path: string, bytesMax: number): Uint8Array
  readlink(path: string): string
  /** Without the engine's own temporary files. */
  list(path: string): readonly string[]
  userId(name: string): number | undefined
  groupId(name: string): number | undefined
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

/** One line for a plan, such as `write /etc/motd mode=0644`. */
export function describe(act: Act): string {
  switch (act.kind) {
    case 'put':
      return `write ${act.path}${words(act.ownership)}`
    case 'link':
      return `link ${act.path} -> ${act.target}`
    case 'mkdir':
      return `make directory ${act.path}${words(act.ownership)}`
    case 'modify':
      return `set ${act.path}${words(act.ownership)}`
    case 'remove':
      return `remove ${act.path}`
    case 'rmdir':
      return `remove directory ${act.path}`
    case 'restore':
      return `restore ${act.path}`
    case 'run':
      return `run ${act.argv.join(' ')}`
  }
}

function words({ mode, uid, gid }: Ownership): string {
  const parts = [
    mode === undefined ? '' : ` mode=${mode.toString(8).padStart(4, '0')}`,
    uid === undefined ? '' : ` owner=${uid}`,
    gid === undefined ? '' : ` group=${gid}`,
  ]
  return parts.join('')
}
