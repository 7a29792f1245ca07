// Messages on a stream of bytes: each is preceded by its length as an unsigned varint (docs/formats.md section 11).

const lengthBytesMax = 4

export function frame(bytes: Uint8Array): Uint8Array {
  const head: number[] = []
  let rest = bytes.length
  for (; rest > 0x7f; rest >>>= 7) head.push((rest & 0x7f) | 0x80)
  head.push(rest)
  const framed = new Uint8Array(head.length + bytes.length)
  framed.set(head)
  framed.set(bytes, head.length)
  return framed
}

/** Cuts a stream into messages; holds at most one message of `bytesMax` and one chunk. */
export class Unframer {
  readonly #bytesMax: number
  #head: number[] = []
  #message: Uint8Array | undefined
  #filled = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** The messages that `chunk` completes; undefined when the peer announces too long a one, and for good. */
  push(chunk: Uint8Array): Uint8Array[] | undefined {
    const messages: Uint8Array[] = []
    for (let at = 0; at < chunk.length; ) {
      if (this.#message === undefined) {
        const byte = chunk[at++]!
        this.#head.push(byte & 0x7f)
        if (byte > 0x7f) {
          if (this.#head.length >= lengthBytesMax) return undefined
          continue
        }
        const length = this.#head.reduceRight((sum, seven) => sum * 128 + seven, 0)
        if (length > this.#bytesMax) return undefined
        this.#head = []
        this.#message = new Uint8Array(length)
        this.#filled = 0
      }
      const part = chunk.subarray(at, at + this.#message.length - this.#filled)
      this.#message.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled === this.#message.length) {
        messages.push(this.#message)
        this.#message = undefined
      }
    }
    return messages
  }
}
