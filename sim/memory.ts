// What a simulation need not work out twice: what bytes say, and whether a status is good. The answers are those of the real
// functions; only bytes that are the very same, byte for byte, are known again, so whatever was changed on the way is read anew.
import { type Codec, type Malformed, type Message, type Part, plainCodec } from '../gossip/message.ts'
import { plainReading, type Reading } from '../node/log.ts'
import { type ReadOrder, readOrderEnvelope } from '../node/orders.ts'
import type { Changes, TurnsMaker } from '../node/stages.ts'
import type { SurveyMemo } from '../node/survey.ts'
import type { Turns } from '../node/turns.ts'
import { equal, hex } from '../signing/bytes.ts'
import { isBytes, isList } from '../signing/cbor.ts'
import type { TrustVersion } from '../signing/chain.ts'
import { decodeEnvelope, type Opened } from '../signing/entry.ts'
import type { Refusal } from '../signing/errors.ts'
import { readStatus } from '../signing/status.ts'
import type { TrustFiles } from '../signing/trust.ts'

export interface Memory {
  readonly codec: Codec
  /** Bytes that `codec` reads as the message: for what goes over no wire, so that nobody counts or changes them. */
  readonly stand: (message: Message) => Uint8Array
  readonly readStatus: typeof readStatus
  readonly reading: Reading
  readonly surveys?: SurveyMemo
  readonly turns?: TurnsMaker
  readonly readOrder: ReadOrder
}

export function memory(): Memory {
  const messages = new WeakMap<Uint8Array, Message | Malformed>()
  /** By the first entry: the same parts of the log are asked for by thousands. */
  const answers = new WeakMap<Uint8Array, { readonly message: Entries; readonly bytes: Uint8Array }>()
  /** By pack and offset: the same parts are asked for by thousands. */
  const parts = new Map<string, { readonly message: Part; readonly bytes: Uint8Array }>()
  const trust = new WeakMap<TrustFiles, { opened: Opened; answer: TrustVersion | Refusal }>()
  return {
    codec: {
      encode: message => {
        if (message.t === 'part') {
          const name = `${hex(message.pack)} ${message.offset}`
          const part = parts.get(name)
          if (part !== undefined && samePart(part.message, message)) return part.bytes
          const bytes = plainCodec.encode(message)
          messages.set(bytes, message)
          parts.set(name, { message, bytes })
          return bytes
        }
        const first = message.t === 'entries' ? message.entries[0] : undefined
        const known = first && answers.get(first)
        if (known !== undefined && message.t === 'entries' && sameEntries(known.message, message))
          return known.bytes
        const bytes = plainCodec.encode(message)
        if (first !== undefined && message.t === 'entries') answers.set(first, { message, bytes })
        messages.set(bytes, message)
        return bytes
      },
      decode: bytes => {
        const known = messages.get(bytes)
        if (known !== undefined) return known
        const message = plainCodec.decode(bytes)
        messages.set(bytes, message)
        return message
      },
    },
    stand: message => {
      const bytes = new Uint8Array(0)
      messages.set(bytes, message)
      return bytes
    },
    readStatus: rememberedStatus(),
    surveys: new Map(),
    turns: rememberedTurns(),
    readOrder: remembered(readOrderEnvelope),
    reading: {
      decodeEnvelope: remembered(decodeEnvelope),
      openEntry: remembered(plainReading.openEntry),
      trustVersion: (opened, files) => {
        const known = files && trust.get(files)
        if (known?.opened === opened) return known.answer
        const answer = plainReading.trustVersion(opened, files)
        if (files !== undefined) trust.set(files, { opened, answer })
        return answer
      },
    },
  }
}

function samePart(a: Part, b: Part): boolean {
  return a.size === b.size && equal(a.bytes, b.bytes)
}

type Entries = Extract<Message, { t: 'entries' }>

function sameEntries(a: Entries, b: Entries): boolean {
  return (
    a.whole === b.whole &&
    a.entries.length === b.entries.length &&
    a.entries.every((each, at) => each === b.entries[at])
  )
}

/** Bytes by their object, else by what they are: those that a host has kept on its disk come back as others. */
function remembered<T>(read: (bytes: Uint8Array) => T): (bytes: Uint8Array) => T {
  const byObject = new WeakMap<Uint8Array, T>()
  const byContent = new Map<string, { readonly bytes: Uint8Array; readonly answer: T }>()
  return bytes => {
    const known = byObject.get(bytes)
    if (known !== undefined) return known
    const name = nameOf(bytes)
    let found = byContent.get(name)
    if (found === undefined || !equal(found.bytes, bytes)) {
      found = { bytes: bytes.slice(), answer: read(bytes) }
      byContent.set(name, found)
    }
    byObject.set(bytes, found.answer)
    return found.answer
  }
}

/** The survey's memo answers with one object: whoever asks the same of it has the same turns. */
function rememberedTurns(): TurnsMaker {
  const known = new WeakMap<Changes, Map<string, Turns>>()
  return (changes, name, make) => {
    const byName = known.get(changes) ?? new Map<string, Turns>()
    known.set(changes, byName)
    const found = byName.get(name) ?? make()
    byName.set(name, found)
    return found
  }
}

function rememberedStatus(): typeof readStatus {
  interface Known {
    readonly body: Uint8Array
    readonly signature: Uint8Array
    readonly answer: ReturnType<typeof readStatus>
  }
  const byObject = new WeakMap<Uint8Array, Known>()
  const byContent = new Map<string, Known>()
  return item => {
    const [body, signature] = isList(item) ? item : []
    if (!isBytes(body) || !isBytes(signature) || (item as readonly unknown[]).length !== 2)
      return readStatus(item)
    const known = byObject.get(body)
    if (known?.signature === signature) return known.answer
    const name = nameOf(signature)
    let found = byContent.get(name)
    if (found === undefined || !equal(found.signature, signature) || !equal(found.body, body)) {
      found = { body: body.slice(), signature: signature.slice(), answer: readStatus(item) }
      byContent.set(name, found)
    }
    byObject.set(body, { body, signature, answer: found.answer })
    return found.answer
  }
}

/** Enough of them to find them again; whether they are the same is compared. */
function nameOf(bytes: Uint8Array): string {
  const end = bytes.subarray(-32)
  return `${bytes.length} ${Buffer.from(end.buffer, end.byteOffset, end.byteLength).toString('latin1')}`
}

/** Everything anew, as on real hosts. */
export const noMemory: Memory = {
  codec: plainCodec,
  stand: plainCodec.encode,
  readStatus,
  reading: plainReading,
  readOrder: readOrderEnvelope,
}
