// Direct messages to and from one neighbour: a long-lived stream each way, in order, bounded, slowed down by whoever
// is slower. A stream that breaks is opened anew by the next message.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, Stream } from '@libp2p/interface'
import { frame, Unframer } from './frames.ts'
import { limits } from './limits.ts'

export const messageProtocol = '/fleet/1/sync'

/** ms without any progress after which a stream is given up. */
const stuckMs = 30_000

export class Outbox {
  readonly #connect: () => Connection | undefined
  #stream: Stream | undefined
  #queuedBytes = 0
  #last: Promise<unknown> = Promise.resolve()

  /** `connect` answers with a live connection to the neighbour, if there is one. */
  constructor(connect: () => Connection | undefined) {
    this.#connect = connect
  }

  /** As `Carrier.send`. */
  send(bytes: Uint8Array): Promise<boolean> {
    if (this.#queuedBytes + bytes.length > limits.sendQueueBytes) return Promise.resolve(false)
    this.#queuedBytes += bytes.length
    const sent = this.#last.then(() => this.#write(frame(bytes)))
    this.#last = sent.finally(() => {
      this.#queuedBytes -= bytes.length
    })
    return sent
  }

  async #write(bytes: Uint8Array): Promise<boolean> {
    try {
      if (this.#stream?.writeStatus !== 'writable') {
        const signal = AbortSignal.timeout(limits.helloMs)
        this.#stream = await this.#connect()?.newStream(messageProtocol, { signal })
        if (!this.#stream) return false
      }
      if (!this.#stream.send(bytes)) await this.#stream.onDrain({ signal: AbortSignal.timeout(stuckMs) })
      return true
    } catch (error) {
      this.#stream?.abort(error as Error)
      this.#stream = undefined
      return false
    }
  }
}

/**
 * Reads messages until the stream ends. While `handle` is at work or the neighbour is faster than `pauseMs` allows, nothing is
 * read: at most a window (`limits.windowBytes`) and a message wait here. A message over its limit ends the stream.
 */
export async function read(
  stream: Stream,
  pauseMs: () => number,
  handle: (bytes: Uint8Array) => void | Promise<void>,
): Promise<void> {
  const unframer = new Unframer(limits.messageBytes)
  for await (const chunk of stream) {
    const messages = unframer.push(chunk.subarray())
    if (messages === undefined) {
      stream.abort(new Error(`a message over ${limits.messageBytes} bytes`))
      return
    }
    if (messages.length === 0) continue
    pause(stream, true)
    for (const message of messages) {
      for (let wait = pauseMs(); wait > 0; wait = pauseMs()) await sleep(wait)
      await handle(message)
    }
    pause(stream, false)
  }
}

/** A closing stream refuses to be paused. */
function pause(stream: Stream, on: boolean): void {
  if (stream.readStatus === 'closing' || stream.readStatus === 'closed') return
  if (on) stream.pause()
  else stream.resume()
}
