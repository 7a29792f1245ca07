// The codes of node/: failures of the world, and the reasons for which a pack is refused. The words serve logs and
// `fleet log`; what to do stands in docs/errors.md.

export const nodeErrors = {
  BUNDLE_FORM: 'no bundle of fleet that runs here',
  BUNDLE_SPACE: 'there is no room for the bundle',
  FILE_TOO_LARGE: 'a durable file would be larger than it may be',
  IDENTITY_DAMAGED: "the host's key or the fleet that it joined cannot be read",
  ORDERS_FULL: 'as many orders as are kept stand before this one',
  PACK_BASE: 'the base of the pack is not held here',
  PACK_CONTENT: 'the files of the release are not those that the entry signs',
  PACK_DIGEST: 'the pack is not the one that the entry names',
  PACK_EXTRA: 'the pack holds an object that the release does not need',
  PACK_FORM: 'the pack is not in the byte-defined form',
  PACK_MISSING: 'the pack lacks an object of the release',
  PACK_OBJECT: 'a commit or tree of the pack is malformed or holds what a host may not be given',
  PACK_TOO_LARGE: 'the pack or the release exceeds a limit',
  RELEASE_ABSENT: 'the release is not held here',
  REPOSITORY_DAMAGED: 'the repository is damaged',
  SOURCE_ABSENT: 'there is no such repository or revision',
  SOURCE_REFUSED: 'the repository holds what cannot be published',
  STORE_LOCKED: 'another process holds the store',
  STORE_FAILED: 'the store cannot be opened',
  TAG_FORM: 'the object is no tag that can be held',
  TAG_TARGET_ABSENT: 'what the tag names is not held here',
} as const

export type NodeErrorCode = keyof typeof nodeErrors

/** A failure of the world around the agent. `data` names what it happened to. */
export class NodeError extends Error {
  override readonly name = 'NodeError'
  readonly code: NodeErrorCode
  readonly data: Readonly<Record<string, string | number>>

  constructor(code: NodeErrorCode, data: Readonly<Record<string, string | number>>, cause?: unknown) {
    const what = Object.entries(data).map(([key, value]) => `${key} ${value}`)
    super(`${nodeErrors[code]}: ${what.join(', ')}`, cause === undefined ? undefined : { cause })
    this.code = code
    this.data = data
  }
}
