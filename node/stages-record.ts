// Core: what a host keeps of a release's stages for its next life, as bytes and back. What is in it is stages.ts's.
import { limits } from '../gossip/limits.ts'
import type { StatusPair } from '../gossip/message.ts'
import { hex, unhex } from '../signing/bytes.ts'
import { type CborSource, decodeMap, encode, isBytes, isList, isMap, isNumber } from '../signing/cbor.ts'
import type { Opening } from './standing.ts'

export interface StagesRecord {
  /** Id of the release's entry. */
  readonly entry: string
  /** Times by the machine's clock. */
  readonly opened: readonly Opening[]
  /** The reason of a HALT. */
  readonly halted: string | undefined
  /** Statuses that count, and that the board does not hold any more. */
  readonly proofs: readonly StatusPair[]
}

/** Openings of one release: a stage opens in parts, each of one host at least; above, the record is not believed. */
const openingsMax = limits.hosts

export function writeStages({ entry, opened, halted, proofs }: StagesRecord): Uint8Array {
  const items: CborSource = {
    entry: unhex(entry, 32) ?? new Uint8Array(32),
    opened: opened.map(each => [each.stage, each.granted, each.upTo, Math.max(0, Math.round(each.atMs))]),
    proofs: proofs.map(([body, signature]) => [body, signature]),
    ...(halted !== undefined && { halted }),
  }
  return encode(items)
}

/** Undefined for what is no such record. */
export function readStages(bytes: Uint8Array): StagesRecord | undefined {
  const map = decodeMap(bytes)
  if (map === undefined || !isMap(map) || !isBytes(map['entry'], 32)) return undefined
  const { opened, proofs, halted } = map
  if (!isList(opened) || opened.length > openingsMax || !isList(proofs)) return undefined
  const openings: Opening[] = []
  for (const each of opened) {
    if (!isList(each) || each.length !== 4 || !each.every(number => isNumber(number))) return undefined
    const [stage, granted, upTo, atMs] = each as readonly number[]
    openings.push({ stage: stage!, granted: granted!, upTo: upTo!, atMs: atMs! })
  }
  const pairs: StatusPair[] = []
  for (const each of proofs) {
    const [body, signature] = isList(each) ? each : []
    if (!isBytes(body) || !isBytes(signature)) return undefined
    pairs.push([body, signature])
  }
  return {
    entry: hex(map['entry']),
    opened: openings,
    halted: typeof halted === 'string' ? halted : undefined,
    proofs: pairs,
  }
}
