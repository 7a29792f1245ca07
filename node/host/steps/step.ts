// What a declared line is once guards, includes, TREE and variables are resolved for one host: the one currency of
// the host engine. Decides nothing; declare.ts makes these, diff.ts compares them, verbs turn them into acts.

/** Where a step comes from. `made` is the provenance of a `#@` comment, for example `fleet.ts:41:3`. */
export interface Origin {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1, in characters. */
  readonly column: number
  readonly made?: string
}

/** The bytes that a step puts on the machine: a file of the release, or a template already rendered. */
export interface Payload {
  /** Path in the repository, `/` between parts. */
  readonly path: string
  /** Lowercase hex, over the bytes that are written. */
  readonly sha256: string
  /** Bytes. */
  readonly size: number
  /** The execute bit that git has for the file. */
  readonly executable: boolean
}

/**
 * The parent of a target that a step makes is declared by an earlier step of the list or is a base directory
 * (base.ts); check.ts sees to it. TREE has become MKDIR, COPY and LINK.
 */
export interface Step {
  /** In capitals, one of verbs/index.ts: `COPY`. */
  readonly verb: string
  /** Positional arguments, unquoted, variables put in; without the `->` of LINK. */
  readonly args: readonly string[]
  /** `key=value` options; a bare word such as `exclusive` has the value ''. */
  readonly options: Readonly<Record<string, string>>
  /** verb + target + key (DESIGN section 3): equal ids mean one thing to keep; unique in a list. */
  readonly id: string
  readonly origin: Origin
  /** For COPY, TEMPLATE and UNPACK, and for the file that an option of a verb names. */
  readonly payload?: Payload
}

/** One finding in a text that an operator wrote; problem.ts prints it. */
export interface Problem {
  readonly file: string
  readonly line: number
  readonly column: number
  /** As in Origin. */
  readonly made?: string
  /** `found …; expected …`, without the place. */
  readonly message: string
}
