// Direct messages to and from one neighbour: a long-lived stream each way, in order, bounded, slowed down by whoever
// is slower. A stream that breaks is opened anew by the next message.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, Stream } from '@libp2p/interface'
import { frame, Unframer } from './frames.ts'
import { limits } from './limits.ts'

export const messageProtocol = '/fleet/1/sync'

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
      this.#stream.send(bytes)
      if (await isFlushed(this.#stream)) return true
      throw new Error('stuck or closed')
    } catch (error) {
      this.#stream?.abort(error as Error)
      this.#stream = undefined
      return false
    }
  }
}

/**
 * True once the stream has passed on all it was given, false when it closed or nothing moved for `limits.aliveMs`.
 * (In libp2p 3.3 onDrain() waits only once in the life of a stream; after that a fast sender would fill the memory.)
 */
function isFlushed(stream: Stream): boolean | Promise<boolean> {
  let left = stream.writeBufferLength
  if (left === 0) return true
  return new Promise(resolve => {
    const end = (flushed: boolean) => {
      clearInterval(watch)
      stream.removeEventListener('idle', idle)
      stream.removeEventListener('close', closed)
      resolve(flushed)
    }
    const idle = () => end(stream.status === 'open')
    const closed = () => end(false)
    const watch = setInterval(() => {
      if (stream.writeBufferLength === left) end(false)
      left = stream.writeBufferLength
    }, limits.aliveMs)
    watch.unref()
    stream.addEventListener('idle', idle)
    stream.addEventListener('close', closed)
  })
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
