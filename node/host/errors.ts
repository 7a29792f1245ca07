// What can go wrong on the machine, named. A reason is an expected answer (a step that cannot be kept); HostError is a
// failure of the engine's own ground: its state directory and its journal.

/** Why a step cannot be kept, or a run cannot start. Codes are stable; words are not. */
export const reasons = {
  ACCOUNTS_LOCKED: 'another program is changing users and groups',
  ARCHIVE_DAMAGED: 'the archive cannot be read to its end',
  ARCHIVE_UNSAFE: 'the archive holds what may not be unpacked: a way out, a device, a setuid file',
  ATTRIBUTES_LOST: 'the ACL or extended attributes of the present file cannot be carried over',
  BUSY: 'the path is in use, such as a mount point',
  CALLED_OFF: 'while the run was prepared something closed that must be open for it',
  CHANGED_BACK: 'what was repaired is not as declared right after it',
  CHANGED_MEANWHILE: 'the path changed between plan and act',
  CHECK_FAILED: 'a CHECK did not come true in time',
  COMMAND_FAILED: 'a command ended with another code than 0',
  COMMAND_TIMEOUT: 'a command did not end in time and was killed',
  CONTESTED: 'something else keeps changing the target; it is left alone for a while',
  CUT_OFF: 'no peer reached the host after a run that touched the way in; it was taken back',
  DIRTY: 'an earlier undo failed; nothing new is taken until a retry is asked for',
  DISK_FULL: 'no space or no quota left',
  INVALID: 'validate= refused the new content',
  ID_TAKEN: 'another user or group has the number, or none is free',
  IO_FAILED: 'the system refused for another reason, given by errno',
  IMMUTABLE: 'the file or its directory is immutable or append-only',
  NO_PARENT: 'the directory that should hold the target is missing',
  NO_PERMISSION: 'the agent may not do this',
  NO_WITNESS: 'no peer could say whether a run that touches the way in cut the host off',
  NO_TARGET: 'nothing is there whose mode or owner could be set',
  OBSERVED: 'it drifted, and its step only observes',
  ONE_WAY: 'what is to be removed is too large to be saved across file systems',
  ORIGINAL_DAMAGED: 'the saved original is missing or not what was saved',
  PACKAGE_CONFLICT: 'a package transaction would do what no step says',
  PACKAGE_FAILED: 'a package transaction failed',
  PACKAGE_LOCKED: 'another package manager is at work',
  PACKAGE_UNKNOWN: 'no source of the machine offers this package or version',
  PACKAGES_BUSY: 'a package manager is at work; the repair waits until it is done',
  PAUSED: 'the target is on hold',
  PAYLOAD_DAMAGED: 'the content is not what its digest says',
  PAYLOAD_MISSING: 'the content of a file is not here yet',
  READ_ONLY: 'the file system is read-only',
  SYMLINK_IN_PATH: 'a symbolic link in the path leads out of a managed directory, or is not trusted',
  SYSCTL_UNKNOWN: 'the kernel has no parameter of that name',
  TOOL_MISSING: 'a program that the step needs is not installed',
  TOOL_UNEXPECTED: 'a tool or a file of the system says something of unknown shape',
  TOO_LARGE: 'the file is larger than this verb handles',
  UNIT_FAILED: 'systemd could not start, stop or enable a unit',
  UNIT_MISSING: 'systemd knows no such unit',
  UNIT_STATIC: 'the unit cannot be enabled or disabled',
  UNKNOWN_OWNER: 'no such user or group on this machine',
  WRONG_TYPE: 'something of another type stands at the path',
} as const

export type ReasonCode = keyof typeof reasons

/** A named outcome. `detail` says what was found and what was expected, with errno or the end of the output. */
export interface Reason {
  readonly code: ReasonCode
  readonly path?: string
  readonly detail: string
}

/** A reason on its way out of the port; thrown by System, caught by the loops. */
export class StepError extends Error {
  readonly reason: Reason
  constructor(code: ReasonCode, path: string | undefined, detail: string) {
    super(`${code}${path === undefined ? '' : ` ${path}`}: ${detail}`)
    this.name = 'StepError'
    this.reason = path === undefined ? { code, detail } : { code, path, detail }
  }
}

/** Why nothing new is taken. */
export function dirtyReason(dirty: readonly Reason[]): Reason {
  const detail = dirty.map(each => `${each.code} ${each.path ?? ''}`.trim()).join(', ')
  return {
    code: 'DIRTY',
    detail: `an earlier undo failed (${detail}); look after it, then: fleet apply --agent`,
  }
}

/** Failures of the state directory; nothing can be promised without it. */
export const hostErrors = {
  JOURNAL_DAMAGED: 'the journal is damaged before its end',
  STATE_LOCKED: 'another process holds the state directory',
  STATE_UNKNOWN: 'the state directory was written by a newer version',
} as const

export class HostError extends Error {
  readonly code: keyof typeof hostErrors
  readonly data: Readonly<Record<string, string | number>>
  constructor(
    code: keyof typeof hostErrors,
    message: string,
    data: Readonly<Record<string, string | number>> = {},
  ) {
    super(message)
    this.name = 'HostError'
    this.code = code
    this.data = data
  }
}
