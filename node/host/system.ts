// Port: what the engine asks of a machine. Paths that start with `/` are targets, inside the root directory; others
// are relative to the engine's own state directory (`saved/12-3`). File calls are synchronous, since that is several
// times faster here than promises; the loops yield between slices.
import type { Probe } from './act.ts'

/** What lstat says, as far as the engine cares. Times are milliseconds with a fraction; ids may exceed 2^53 inexactly. */
export interface Stat {
  readonly kind: 'file' | 'directory' | 'link' | 'other'
  readonly dev: number
  readonly ino: number
  /** Bytes. */
  readonly size: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** How a new file is to look. Undefined: what the process gives it. */
export interface Ownership {
  readonly mode: number | undefined
  readonly uid: number | undefined
  readonly gid: number | undefined
}

export interface Ran {
  /** Undefined: ended by a signal or killed by the timeout. */
  readonly code: number | undefined
  readonly timedOut: boolean
  /** The end of stdout and stderr together, at most 4 KiB. */
  readonly output: string
}

export interface Unpacking {
  /** SHA-256 in hex of the archive; stands in the manifest (unpacked.ts). */
  readonly digest: string
  /** Leading components of each name that are left out. */
  readonly strip: number
  /** Its mode is that of the directory itself, its owner that of everything. */
  readonly ownership: Ownership
}

/**
 * Looks once, for at most `timeoutMs`; at a command, for as long as that is given. Undefined: it is as the probe wants
 * it; else in words what was found and what was expected. Never throws.
 */
export type Probing = (probe: Probe, timeoutMs: number) => Promise<string | undefined>

/** The bound on everything that a check may wait for is its own. */
export interface Timing {
  /** Milliseconds, never going back. */
  readonly now: () => number
  /** 0: lets whatever else is due have its turn. */
  readonly wait: (ms: number) => Promise<void>
}

/** Every call may throw a StepError that names the errno and the path. */
export interface System {
  readonly uid: number
  readonly gid: number
  /** Undefined when nothing is there, or a parent is missing. */
  lstat(path: string): Stat | undefined
  /** The whole file; TOO_LARGE above `bytesMax`. */
  read(path: string, bytesMax: number): Uint8Array
  /** SHA-256 in hex of a regular file of any size. */
  digest(path: string): string
  readlink(path: string): string
  /** Names, sorted bytewise. */
  list(path: string): readonly string[]
  /** A new regular file; fails when the name is taken. Not yet durable. Answers what it is. */
  create(path: string, bytes: Uint8Array, ownership: Ownership): Stat
  mkdir(path: string, ownership: Ownership): void
  symlink(path: string, target: string, ownership: Ownership): void
  chmod(path: string, mode: number): void
  /** Of a link itself, when it is one. */
  chown(path: string, uid: number, gid: number): void
  rename(from: string, to: string): void
  /** False when the two names cannot share an inode (other file system, or not allowed): copy instead. */
  link(from: string, to: string): boolean
  unlink(path: string): void
  rmdir(path: string): void
  /** A whole tree (durable) or file (not yet) with everything on it, across file systems. Throws ATTRIBUTES_LOST when that fails. */
  copy(from: string, to: string): void
  /** A tree of the engine's own making or one that is saved elsewhere; missing is fine. */
  removeTree(path: string): void
  /**
   * Those of these files of the state directory that have neither ACL nor extended attributes nor security context; none
   * where that cannot be told.
   */
  plain(paths: readonly string[]): ReadonlySet<string>
  /** Copies ACLs, extended attributes and security context from one file to another; pairs are handled in one go. */
  carry(pairs: readonly (readonly [from: string, to: string])[]): void
  /** Makes all changes in and of these paths durable; with `trees`, of all that is below them too. */
  flush(paths: readonly string[], trees?: boolean): void
  /** Bytes that may still be written to the file system that holds this directory, and files that may be made there. */
  space(directory: string): { readonly bytes: number; readonly files: number }
  /** Appends to a file of the state directory; durable when it returns, if `durable`. */
  append(path: string, bytes: Uint8Array, durable: boolean): void
  /** Replaces a file of the state directory, durably. */
  replace(path: string, bytes: Uint8Array): void
  /** Cuts a file of the state directory to `size` bytes. */
  truncate(path: string, size: number): void
  /** `%s` in a word stands for the real path of `subject`. */
  run(argv: readonly string[], timeoutMs: number, subject?: string): Promise<Ran>
  /**
   * A tar archive becomes the directory `into`, where nothing is; not yet durable. Throws ARCHIVE_UNSAFE,
   * ARCHIVE_DAMAGED, TOO_LARGE, TOOL_MISSING; what is at `into` then is for the caller to remove.
   */
  unpack(archive: string, into: string, options: Unpacking): Promise<void>
  userId(name: string): number | undefined
  groupId(name: string): number | undefined
  /** Below these directories symbolic links in a path are not followed. */
  guard(directories: ReadonlySet<string>): void
  /** Forgets cached directory handles; before each look at the machine. */
  settle(): void
}

/** Whether a target looks untouched. Of a directory, what changes when something is put into it does not count. */
export function sameLook(a: Stat | null, b: Stat | null): boolean {
  if (a === null || b === null) return a === b
  return (
    a.ctimeMs === b.ctimeMs &&
    a.ino === b.ino &&
    a.size === b.size &&
    a.mtimeMs === b.mtimeMs &&
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.dev === b.dev &&
    a.kind === b.kind
  )
}

export function dirname(path: string): string {
  const at = path.lastIndexOf('/')
  return at <= 0 ? '/' : path.slice(0, at)
}

export function basename(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

export function join(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`
}
