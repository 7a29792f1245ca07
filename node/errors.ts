// The codes of node/: failures of the world, and the reasons for which a pack is refused. The words serve logs and
// `fleet log`; what to do stands in docs/errors.md.

export const nodeErrors = {
  STORE_LOCKED: 'another process holds the store',
  STORE_FAILED: 'the store cannot be opened, nor set aside',
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
