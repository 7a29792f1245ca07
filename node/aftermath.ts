// Core: what follows a run on this host: CHECKs asked again while it soaks, the way back when one fails, and what its next life
// must know of all that. What is said meanwhile is report.ts's, how to go back the host engine's.
import { hex, unhex } from '../signing/bytes.ts'
import { decodeMap, encode, isBytes, isList, isNumber } from '../signing/cbor.ts'
import { type State, states } from '../signing/status.ts'
import { type Effect, type Input, log } from './effects.ts'
import type { Failed } from './failed.ts'
import type { EntryLog, LogEntry } from './log.ts'
import type { Reporter, Said } from './report.ts'

export type AftermathEffect =
  /** Ask the CHECKs of the release in force once. Answered by `checked`. */
  | { readonly kind: 'check'; readonly entry: string }
  /** Go back to a release, or to what was before the first one. Answered by `reverted`. */
  | { readonly kind: 'revert'; readonly entry: LogEntry; readonly to: LogEntry | undefined }
  /** Keep for the next life; peers know what was said. */
  | { readonly kind: 'keep-said'; readonly record: Uint8Array }

export interface AftermathPorts {
  readonly log: EntryLog
  readonly reporter: Reporter
  readonly failed: Failed
  /** Of the machine, new at each boot. */
  readonly boot: Uint8Array
}

/** What a host keeps of what it said. */
export interface SaidRecord {
  readonly said: Said
  /** Of the machine, when it was said. */
  readonly boot: Uint8Array
  /** What was in force before the release that it speaks of; null: nothing. */
  readonly before: string | null | undefined
  /** Contents that this host has said HEALTHY for, the newest last. */
  readonly proved: readonly string[]
}

/** Contents remembered: a rollback goes back by a few releases. */
const provedMax = 64

export class Aftermath {
  readonly #ports: AftermathPorts
  #before: string | null | undefined
  readonly #proved: Set<string>
  /** The release, and which attempt at it, from which the way back was tried here, in this life. */
  #triedBack: string | undefined
  #kept = ''

  constructor(ports: AftermathPorts, record: SaidRecord | undefined) {
    this.#ports = ports
    this.#before = record?.before
    this.#proved = new Set(record?.proved)
  }

  /** A release came in force here. `before`: what was till then, which may be itself. */
  applied(entry: string, before: string | undefined): void {
    if (entry !== before) this.#before = before ?? null
    this.#triedBack = undefined
  }

  /** The releases whose commits are needed to go back. */
  needs(): readonly string[] {
    return typeof this.#before === 'string' ? [this.#before] : []
  }

  wasHealthy(content: string): boolean {
    return this.#proved.has(content)
  }

  /** The CHECKs that are to be asked now. */
  check(nowMs: number): AftermathEffect[] {
    const entry = this.#ports.reporter.soaks
    return entry !== undefined && this.#ports.reporter.asksChecks(nowMs) ? [{ kind: 'check', entry }] : []
  }

  /** They were asked: one that fails for too long, of what soaks here, is a failure of the release. */
  checked(
    { entry, failing }: Extract<Input, { kind: 'checked' }>,
    inForce: string | undefined,
    nowMs: number,
  ): Effect[] {
    const { log: entries, reporter, failed } = this.#ports
    const { news, lost } = reporter.checked(entry, failing, nowMs)
    if (entry !== inForce) return []
    const sequence = entries.byId(entry)?.sequence
    if (lost === undefined) {
      if (news === undefined) return []
      const { why, withinMs } = news
      return [log('warn', 'a CHECK fails in the soak, which begins anew', { sequence, why, withinMs })]
    }
    const { why } = lost
    reporter.fell(why)
    failed.add(entry, reporter.attempt)
    return [
      { kind: 'remember', failed: failed.lines() },
      log('error', 'a CHECK fails in the soak', { sequence, why }),
    ]
  }

  /** The way back from what is in force, which has failed since: once an attempt and life, since it may fail as well. */
  back(entry: LogEntry, attempt: number): AftermathEffect[] {
    const tried = `${entry.id} ${attempt}`
    const to = typeof this.#before === 'string' ? this.#ports.log.byId(this.#before) : undefined
    const isKnown = this.#before === null || to !== undefined
    if (!isKnown || this.#triedBack === tried) return []
    this.#triedBack = tried
    return [{ kind: 'revert', entry, to }]
  }

  /** An operator asked for another try. */
  retry(): void {
    this.#triedBack = undefined
  }

  /** What is to be kept, if that has changed. */
  keep(nowMs: number): AftermathEffect[] {
    const { log, reporter, boot } = this.#ports
    // The soak's begin is in whole seconds, and would seem to move: all else tells when to write.
    const seen = `${reporter.entry} ${reporter.attempt} ${reporter.state} ${reporter.soakSinceMs}`
    if (seen === this.#kept) return []
    this.#kept = seen
    const said = reporter.said(nowMs)
    if (said === undefined) return []
    const content = log.byId(said.entry)?.release?.content
    if (said.state === 'HEALTHY' && content !== undefined) {
      this.#proved.delete(content)
      this.#proved.add(content)
      const [oldest] = this.#proved
      if (this.#proved.size > provedMax && oldest !== undefined) this.#proved.delete(oldest)
    }
    const record = writeSaid({ said, boot, before: this.#before, proved: [...this.#proved] })
    return [{ kind: 'keep-said', record }]
  }
}

export function writeSaid({ said, boot, before, proved }: SaidRecord): Uint8Array {
  const id = (text: string) => unhex(text, 32) ?? new Uint8Array(32)
  return encode({
    entry: id(said.entry),
    attempt: said.attempt,
    state: states.indexOf(said.state),
    ...(said.why !== undefined && { why: said.why }),
    ...(said.soakUp !== undefined && { soak: said.soakUp }),
    boot,
    ...(before !== undefined && { before: before === null ? null : id(before) }),
    proved: proved.map(id),
  })
}

/** Undefined for what is no such record. */
export function readSaid(bytes: Uint8Array | undefined): SaidRecord | undefined {
  const map = bytes && decodeMap(bytes)
  if (map === undefined) return undefined
  const { entry, attempt, state, why, soak, boot, before, proved } = map
  if (!isBytes(entry, 32) || !isNumber(attempt, 1) || !isBytes(boot) || !isList(proved)) return undefined
  const known = isNumber(state) ? (states[state] satisfies State | undefined) : undefined
  if (known === undefined) return undefined
  return {
    said: {
      entry: hex(entry),
      attempt,
      state: known,
      why: typeof why === 'string' ? why : undefined,
      soakUp: isNumber(soak) ? soak : undefined,
    },
    boot,
    before: before === null ? null : isBytes(before, 32) ? hex(before) : undefined,
    proved: proved.flatMap(each => (isBytes(each, 32) ? [hex(each)] : [])),
  }
}
