// What the agent needs from the world: time, waits, chance, a store, small durable files, a repository. Shapes and promises
// only; os.ts, level.ts, git.ts and sim/ fit them, driver.ts and the commands call them.

export interface Clock {
  /** Milliseconds since 1970; may jump when an operator sets the clock. */
  now(): number
  /** Milliseconds since 1970 as they were when the process began, and counted on since then: never jumps. */
  steady(): number
}

/** Waits, by a clock that nobody sets. */
export interface Timers {
  /** Calls `action` once, after at least `ms` (0 to any number); answers with how to cancel that. */
  after(ms: number, action: () => void): () => void
}

export interface Random {
  /** In [0, 1). */
  number(): number
  bytes(count: number): Uint8Array
}

export type StoreOp =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string }

/** Keys: 1 to 256 printable ASCII characters, so that text order is byte order everywhere. Others are a bug. */
export const storeKey = /^[\x20-\x7e]{1,256}$/

/** Holds only what can be rebuilt from durable files or from peers (DESIGN section 8). */
export interface Store {
  get(key: string): Promise<Uint8Array | undefined>
  /** Pairs with `from` <= key < `before`, ascending, at most `limit` of them. */
  range(options: {
    from: string
    before: string
    limit: number
  }): Promise<(readonly [key: string, value: Uint8Array])[]>
  /**
   * All or nothing, in order. `durable`: on disk when the promise resolves (once a transition); without it a
   * power cut may lose the newest batches, never one from the middle.
   */
  batch(ops: readonly StoreOp[], options: { durable: boolean }): Promise<void>
  close(): Promise<void>
}

export type Kept =
  | { readonly kind: 'present'; readonly bytes: Uint8Array }
  | { readonly kind: 'absent' }
  /** There, but its checksum or frame is wrong: never to be taken for absent. */
  | { readonly kind: 'damaged'; readonly detail: string }

/** Small checksummed files that survive a power cut: key, trust root, floor (docs/formats.md section 12). */
export interface Durable {
  /** `name`: relative path, `/` between parts. */
  read(name: string): Promise<Kept>
  /** On disk when the promise resolves; a crash leaves the old or the new bytes. At most 2 MiB. */
  write(name: string, bytes: Uint8Array): Promise<void>
}

/** Modes that a release may hold: file, executable file, symbolic link. */
export type FileMode = '100644' | '100755' | '120000'

export interface FileInfo {
  readonly mode: FileMode
  /** Of the raw bytes (of a link: its target), lowercase hex. */
  readonly sha256: string
  /** Bytes. */
  readonly size: number
}

/** Path -> file, sorted by path bytes. */
export type Listing = ReadonlyMap<string, FileInfo>

/** What a release commit holds. */
export interface Release {
  readonly commit: string
  readonly parent?: string
  /** Content digest (docs/formats.md section 5), which leaves out trust/. */
  readonly content: string
  /** All files, trust/ included. */
  readonly listing: Listing
}

/** A commit that the receiver holds already, or nothing. */
export type Base = string | 'none'

/** What the entry says of a pack. */
export interface PackClaim {
  /** SHA-256 of the whole file, lowercase hex. */
  readonly digest: string
  readonly base: Base
  readonly commit: string
  /** Compared when given; a trial has none. */
  readonly content?: string
}

/** Why a pack is refused; the words are in node/errors.ts. */
export type PackRefusal =
  | 'PACK_DIGEST'
  | 'PACK_TOO_LARGE'
  | 'PACK_FORM'
  | 'PACK_OBJECT'
  | 'PACK_MISSING'
  | 'PACK_EXTRA'
  | 'PACK_CONTENT'
  | 'PACK_BASE'

export interface Refused {
  readonly kind: 'refused'
  readonly code: PackRefusal
  /** What was found, and where. */
  readonly detail: string
}

export type Installed = { readonly kind: 'installed'; readonly release: Release } | Refused

/** A pack under download; kept across restarts. */
export interface Quarantine {
  readonly digest: string
  /** Bytes so far: where to go on. */
  readonly size: number
  /** False, and nothing is written, when the pack would grow above the limit. */
  append(bytes: Uint8Array): Promise<boolean>
  discard(): Promise<void>
}

export type TagRef = `refs/tags/fleet/${number}` | `refs/fleet/fork/${string}`

export interface PackInfo {
  readonly digest: string
  /** Bytes. */
  readonly size: number
}

/**
 * The bare git repository of a host: release commits (shallow), trust trees, tags, and nothing else. Stock git may
 * read and clone it at any time. Errors: RELEASE_ABSENT, TAG_TARGET_ABSENT, TAG_FORM, and errno of the disk.
 */
export interface Repository {
  /** Release commits held. */
  held(): readonly string[]
  /**
   * Takes a pack that is hostile until proven. `pack`: its bytes, or a quarantine of this repository, which is discarded once
   * there is an answer, and kept when the disk failed. Installing what is held already answers `installed`.
   */
  install(pack: Uint8Array | Quarantine, claim: PackClaim): Promise<Installed>
  release(commit: string): Promise<Release>
  /** The raw bytes of a file of a held release; undefined when it has no such path. */
  read(commit: string, path: string): Promise<Uint8Array | undefined>
  /** The raw bytes with this digest, from any held release; the fast path of payloads. */
  blob(sha256: string): Promise<Uint8Array | undefined>
  /** Makes the pack for receivers that hold `base`; any host makes the same bytes. */
  pack(commit: string, base: Base): Promise<PackInfo>
  /**
   * Part of a pack that was made or installed here: at most 1 MiB, shorter at its end; undefined when there is no such pack
   * or offset and length are no sizes.
   */
  readPack(digest: string, offset: number, length: number): Promise<Uint8Array | undefined>
  /** Size of a pack that can be read, undefined when there is none. */
  packSize(digest: string): number | undefined
  quarantine(digest: string): Promise<Quarantine>
  /** Bytes of a pack that lie in quarantine; 0: none. */
  quarantined(digest: string): number
  /**
   * Holds a tag; `body` is the object without git's header. A release's commit must be held; a trust entry brings the files
   * of its tree (`trust/hosts` …). refs/heads/main follows the highest fleet tag whose target is a release.
   */
  putTag(ref: TagRef, body: Uint8Array, trust?: ReadonlyMap<string, Uint8Array>): Promise<void>
  tag(ref: TagRef): Promise<Uint8Array | undefined>
  tags(): readonly TagRef[]
  dropTag(ref: TagRef): Promise<void>
  /** Drops every release commit that is not in `keep`, with its tags and packs. */
  prune(keep: ReadonlySet<string>): Promise<void>
  /** Reads every byte again; answers what is damaged, in words. */
  audit(): Promise<string | undefined>
  close(): Promise<void>
}

/** An adapter that opens something which may be damaged: `note` says what was set aside, and where to. */
export interface Opened<T> {
  readonly port: T
  readonly note?: string
}
