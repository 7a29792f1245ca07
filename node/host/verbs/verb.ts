// What every verb says of itself. The static half (usage, arguments, options, identity, undo class) serves the
// parser, `fleet check`, `fleet help VERB` and the docs; the other half, in the same file, serves the planner.

import type { Act, SetAct } from '../act.ts'
import type { ResourceId } from '../resource.ts'
import type { Step } from '../steps/step.ts'

/** How well a step can be taken back: exactly, by a compensating act, or not at all (DESIGN section 3). */
export type UndoClass = 'exact' | 'compensating' | 'one-way'

/**
 * What an argument or option may be. `path`: absolute target path; `source`: path of a file in the repository;
 * `sourcedir`: of a folder there; `mode`: octal of 3 or 4 digits, or `keep`; `user`, `group`: name or number, or
 * `keep`; `flag`: a bare word; `paths`: absolute paths with commas between; `globs`: file names with `*` and `?`,
 * commas between; `regex`: JavaScript, with the flag `u`; `duration`: `500ms`, `30s`, `5m`, `2h`; `number`: decimal,
 * not negative; `oneof`: one of `values`; `account`, `accounts`: the name of a user or group, names with commas
 * between; `package`, `unit`, `sysctl`: such a name. values.ts checks and reads them.
 */
export type ValueKind =
  | 'path'
  | 'source'
  | 'sourcedir'
  | 'text'
  | 'command'
  | 'mode'
  | 'user'
  | 'group'
  | 'flag'
  | 'paths'
  | 'globs'
  | 'regex'
  | 'duration'
  | 'number'
  | 'oneof'
  | 'account'
  | 'accounts'
  | 'package'
  | 'unit'
  | 'sysctl'

export interface ArgumentSpec {
  readonly name: string
  readonly kind: ValueKind
  /** Words that stand before the argument in the text, such as `->`; not part of `args`. */
  readonly after?: string
  /** The last argument may be repeated: RUN's command words. */
  readonly rest?: boolean
  /** For `oneof`. */
  readonly values?: readonly string[]
  /** One sentence for the reference, where the name does not say it all. */
  readonly doc?: string
}

export interface OptionSpec {
  readonly kind: ValueKind
  /** One sentence for the reference; says the default. */
  readonly doc: string
  /** For `oneof`. */
  readonly values?: readonly string[]
}

/** What is done once per run, after all changes, if something at or below one of `on` changed; on undo too. */
export interface Owed {
  readonly on: readonly string[]
  readonly act: Extract<Act, { kind: 'run' }>
  /** An act of the same run that makes it unnecessary: a unit that has just been started needs no reload. */
  readonly spares?: (act: SetAct) => boolean
}

/** The parts of a step that its verb needs to know what it is about. */
export type Declared = Pick<Step, 'args' | 'options'>

export interface VerbSpec {
  readonly name: string
  /** One sentence, starting with a verb. */
  readonly summary: string
  /** A line that parses. */
  readonly example: string
  /** For the reference: paragraphs that say what a user must know beyond the summary and the options. */
  readonly about?: readonly string[]
  /** For the reference, a sentence each: what happens when the step leaves; how a change from outside is noticed. */
  readonly leaves?: string
  readonly noticed?: string
  readonly args: readonly ArgumentSpec[]
  readonly options: Readonly<Record<string, OptionSpec>>
  /** What follows the verb in the step's id; pure. */
  readonly key: (step: Declared) => string
  /** The path whose content or existence the step decides, if it is about one. */
  readonly target?: (step: Declared) => string
  /**
   * What stands at the target afterwards; `line`: a part of a file that other LINEs share; `attributes`: what was there,
   * whatever it is.
   */
  readonly makes?: 'directory' | 'file' | 'link' | 'line' | 'attributes' | 'nothing'
  /** Every path that the step decides, its target first; default: the target. */
  readonly paths?: (step: Declared & Pick<Partial<Step>, 'payload'>) => readonly string[]
  /** What it decides lies deeper than `paths`: every audit asks its planner, however untouched they look. */
  readonly deep?: boolean
  /** Directories that come along with it, without being its own: targets of later steps may lie in them. */
  readonly brings?: (step: Declared) => readonly string[]
  /** The resources that the step decides; they are observed before it is planned. */
  readonly resources?: (step: Declared) => readonly ResourceId[]
  /** The commands that it owes when paths of others change. */
  readonly owes?: (step: Declared) => Owed | undefined
  readonly undo: (step: Declared) => UndoClass
  /** Checks beyond the kinds of arguments and options: a message `found …; expected …`, or undefined. */
  readonly check?: (step: Declared) => string | undefined
  /** What is wrong with the text of its `source`; then that is read before anything is signed. Offsets in characters. */
  readonly checkSource?: (text: string) => readonly { readonly offset: number; readonly message: string }[]
}
