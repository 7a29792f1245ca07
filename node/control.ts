// Questions and commands over the agent's local socket: one JSON document a line, each way. Only types, encode and
// decode; os-socket.ts moves the lines, driver.ts answers, cli/client.ts asks.

/** Bytes of one line: the hosts of the largest fleet (`limits.hosts`), about 600 bytes each with labels and a reason. */
export const controlLineBytesMax = 8 * 1024 * 1024

export type Ask =
  | { readonly ask: 'status' }
  | { readonly ask: 'peers' }
  | { readonly ask: 'rollout' }
  | { readonly ask: 'log' }
  | { readonly ask: 'why'; readonly path: string }
  | { readonly ask: 'drift' }
  | { readonly ask: 'drift-read'; readonly id: string }
  | { readonly ask: 'drift-drop'; readonly id: string }
  /** A managed path as it is now, in the form of a kept edit without an id. */
  | { readonly ask: 'draft'; readonly path: string }
  | { readonly ask: 'pause'; readonly path?: string; readonly forMs: number; readonly reason: string }
  | { readonly ask: 'unpause'; readonly path?: string }
  | { readonly ask: 'apply' }
  /** Takes an order (docs/formats.md section 7), its envelope in Base64, and hands it to the fleet. */
  | { readonly ask: 'order'; readonly base64: string }
  /** End, so that the launcher starts the slot that is on trial. */
  | { readonly ask: 'handover' }

export type Reply =
  | { readonly ok: unknown }
  | { readonly error: { readonly code: string; readonly message: string } }

/** What `fleet status --json` prints: about this host. Stable. */
export interface StatusView {
  readonly fleet: string
  readonly host: { readonly name: string | null; readonly key: string; readonly peer: string }
  readonly agent: string
  readonly head: { readonly sequence: number; readonly id: string } | null
  readonly trust: { readonly sequence: number; readonly hosts: number; readonly operators: number } | null
  readonly release: ReleaseView | null
  readonly state: string
  readonly why: string | null
  readonly steps: {
    readonly declared: number
    readonly kept: number
    readonly repaired: number
    readonly notKept: number
  }
  readonly notKept: readonly { readonly step: string; readonly origin: string; readonly reason: string }[]
  /** Facts that the release asked for, as frozen when it was applied and as they are now. */
  readonly changedFacts: readonly { readonly name: string; readonly from: string; readonly to: string }[]
  readonly drift: { readonly repairs: number; readonly kept: number; readonly contested: number }
  readonly flags: readonly string[]
  readonly paused: { readonly untilMs: number; readonly reason: string } | null
  /** The trial that concerns this host; while it runs, `steps` are its steps and `release` is what it goes back to. */
  readonly trial: {
    readonly id: string
    readonly commit: string
    /** Null: it is over, and is taken back. */
    readonly untilMs: number | null
    readonly state: 'waiting' | 'running' | 'failed' | 'ending'
    readonly why: string | null
  } | null
  readonly pausedPaths: readonly {
    readonly path: string
    readonly untilMs: number
    readonly reason: string
  }[]
  /** What cannot be listened to, so that audits must do. */
  readonly deaf: readonly { readonly source: string; readonly why: string }[]
  readonly peers: number
  readonly addresses: readonly string[]
  readonly fetching: readonly { readonly pack: string; readonly size: number; readonly offset: number }[]
  readonly upMs: number
  /** What keeps the newest release from starting here; null: nothing does. Times by the machine's clock. */
  readonly held: { readonly gate: string; readonly reason: string; readonly untilMs: number | null } | null
  /** What waits in the agent now, by queue, with what bounds it. */
  readonly queues: Readonly<Record<string, readonly [now: number, most: number]>>
  /** Why the last upgrade of the agent was taken back, or that this agent is on trial. */
  readonly upgrade: string | null
}

export interface ReleaseView {
  readonly sequence: number
  readonly id: string
  readonly subject: string
}

/** One host in `fleet peers --json`. Stable. */
export interface PeerView {
  readonly name: string
  readonly key: string
  readonly labels: Readonly<Record<string, string>>
  readonly you: boolean
  readonly connected: boolean
  /** Null: nothing was ever heard of it. */
  readonly heardMs: number | null
  /** Three heartbeats went by without a status, or none was ever heard. */
  readonly silent: boolean
  readonly release: number | null
  readonly head: number | null
  readonly state: string
  readonly why: string | null
  /** Steps that its last run found as declared, and those that it brought there. */
  readonly kept: number
  readonly repaired: number
  readonly notKept: number
  /** Drift since its agent started: repairs, edits that were kept, targets that somebody fights over. */
  readonly repairs: number
  readonly edits: number
  readonly contested: number
  readonly flags: readonly string[]
  readonly refused: { readonly sequence: number; readonly code: string } | null
  /** Version of its agent. */
  readonly agent: string | null
}

/** The newest release on its way, in `fleet rollout --json`; null in its place: none was published yet. Stable. */
export interface RolloutView {
  readonly sequence: number
  readonly id: string
  readonly subject: string
  readonly signer: string | null
  /** The operator's commit. */
  readonly source: string | null
  readonly issuedMs: number
  /** At least one. */
  readonly stages: readonly StageView[]
  readonly decision: {
    readonly kind: 'go' | 'hold' | 'halt'
    /** In words. */
    readonly reason: string
    /** When the answer may change though nothing new is heard. */
    readonly untilMs: number | null
  }
  /** What hosts whose word counts have said, at most `limits.evidenceShown`. */
  readonly evidence: readonly EvidenceView[]
  readonly halts: readonly HaltView[]
}

export interface StageView {
  /** From 1. */
  readonly stage: number
  /** Hosts of this stage alone. */
  readonly hosts: number
  /** Of these, how many may start. */
  readonly granted: number
  readonly healthy: number
  readonly failed: number
  /** Run or soak. */
  readonly running: number
  /** May start and have not, or may not yet. */
  readonly waiting: number
  /** Not heard of in time, or nobody waits for them: nothing to do, or the first with the same changes failed. */
  readonly absent: number
  /** Fell silent after they began. */
  readonly timedOut: number
  /** Null: still shut. */
  readonly openedMs: number | null
}

export interface EvidenceView {
  /** Key in hex. */
  readonly host: string
  readonly name: string
  readonly state: string
  readonly attempt: number
  readonly why: string | null
}

/** An order to halt that stands. */
export interface HaltView {
  readonly id: string
  readonly signer: string | null
  readonly issuedMs: number
  readonly reason: string | null
}

/** One entry in `fleet log --json`. Stable. */
export interface LogView {
  readonly sequence: number
  readonly id: string
  readonly kind: string
  readonly subject: string
  readonly signer: string | null
  readonly issuedMs: number
  /** `head`, `in force`, `refused`, `fork`, or empty. */
  readonly mark: string
  readonly refusal: { readonly code: string; readonly detail: string } | null
}

/** The step behind a path, in `fleet why --json`. Stable. */
export interface WhyView {
  readonly path: string
  /** The step as `fleet fmt` writes it. */
  readonly step: string
  /** `file:line`. */
  readonly origin: string
  /** Provenance of a `#@` comment. */
  readonly made: string | null
  /** `42 subject`. */
  readonly release: string
  readonly sinceMs: number
  /** Something was there before the step, and is saved. */
  readonly original: boolean
  /** The path without the agent's root: where an editor finds it. */
  readonly real: string
}

/** A kept edit in `fleet drift --json`. Stable. */
export interface DriftView {
  readonly id: string
  readonly path: string
  /**
   * `content`, `attributes` (mode or owner), `missing`, `foreign` (not declared in an exclusive directory), `state` (of a
   * resource, which `path` names: `user:deploy`).
   */
  readonly what: string
  readonly atMs: number
  /** Bytes of the kept edit; null when it left none (a deleted file). */
  readonly size: number | null
}

/** One kept edit whole, in `fleet drift show --json`. Stable. */
export interface DriftEdit {
  readonly id: string
  readonly path: string
  readonly what: string
  /** The edited file, the target of a link, the state of a resource as JSON; null when nothing was left of it. */
  readonly base64: string | null
  /** What is declared in its place; null when it is not known here, or no file. */
  readonly declared: string | null
  /** The file of the repository that the step copies; null when it copies none. */
  readonly source: string | null
  /** `file:line` of the step. */
  readonly origin: string
  /** What was found at the path. */
  readonly found: FoundView | null
  /** The step that keeps the path, or the directory that it lies in; null: none in force does. */
  readonly step: StepView | null
}

export interface FoundView {
  readonly type: 'file' | 'directory' | 'link' | 'other'
  /** Octal, four digits. */
  readonly mode: string
  /** Names, or numbers where these have none; null: the agent has no say in owners. */
  readonly owner: string | null
  readonly group: string | null
}

/** A step as it is in force, and where it is written. */
export interface StepView {
  readonly verb: string
  readonly args: readonly string[]
  readonly options: Readonly<Record<string, string>>
  /** The execute bit that git has for the file that it puts there. */
  readonly executable: boolean
  readonly file: string
  readonly line: number
  readonly made: string | null
}

/** A line of a socket as a request; undefined when it is none. Never throws. */
export function decodeAsk(line: string): Ask | undefined {
  const value = parse(line)
  if (value === undefined) return undefined
  const text = (name: string) => typeof value[name] === 'string'
  const path = value['path'] === undefined || text('path')
  switch (value['ask']) {
    case 'status':
    case 'peers':
    case 'rollout':
    case 'log':
    case 'drift':
    case 'apply':
    case 'handover':
      return value as unknown as Ask
    case 'why':
    case 'draft':
      return text('path') ? (value as unknown as Ask) : undefined
    case 'drift-read':
    case 'drift-drop':
      return text('id') ? (value as unknown as Ask) : undefined
    case 'order':
      return text('base64') ? (value as unknown as Ask) : undefined
    case 'pause':
      return path && typeof value['forMs'] === 'number' && value['forMs'] > 0 && text('reason')
        ? (value as unknown as Ask)
        : undefined
    case 'unpause':
      return path ? (value as unknown as Ask) : undefined
    default:
      return undefined
  }
}

export function decodeReply(line: string): Reply | undefined {
  const value = parse(line)
  if (value === undefined) return undefined
  if ('ok' in value) return { ok: value['ok'] }
  const error = value['error'] as { code?: unknown; message?: unknown } | undefined
  if (typeof error?.code !== 'string' || typeof error.message !== 'string') return undefined
  return { error: { code: error.code, message: error.message } }
}

export const encodeLine = (value: Ask | Reply): string => `${JSON.stringify(value)}\n`

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
