// What a simulation need not work out twice: what bytes say, and whether a status is good. The answers are those of the real
// functions; only bytes that are the very same object are known again, so whatever was changed on the way is read anew.
import { type Codec, type Malformed, type Message, plainCodec } from '../gossip/message.ts'
import { isBytes, isList } from '../signing/cbor.ts'
import { readStatus } from '../signing/status.ts'

export interface Memory {
  readonly codec: Codec
  readonly readStatus: typeof readStatus
}

export function memory(): Memory {
  const messages = new WeakMap<Uint8Array, Message | Malformed>()
  const statuses = new WeakMap<Uint8Array, { signature: Uint8Array; answer: ReturnType<typeof readStatus> }>()
  return {
    codec: {
      encode: message => {
        const bytes = plainCodec.encode(message)
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
    readStatus: item => {
      const [body, signature] = isList(item) ? item : []
      if (!isBytes(body) || !isBytes(signature)) return readStatus(item)
      const known = statuses.get(body)
      if (known?.signature === signature) return known.answer
      const answer = readStatus(item)
      statuses.set(body, { signature, answer })
      return answer
    },
  }
}

/** Everything anew, as on real hosts. */
export const noMemory: Memory = { codec: plainCodec, readStatus }
