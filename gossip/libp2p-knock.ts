// A knock: one question and its answer by a connection of its own, which shows that a new one can be made. No hello is
// said: it is for keys that are admitted without one, and nothing else is spoken by that connection.

import type { Connection, Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { limits } from './limits.ts'

export const knockProtocol = '/fleet/1/knock'

const options = { maxDataLength: limits.knockBytes, maxBufferSize: 4 * limits.knockBytes }

/** Dialler's side; undefined: the other closed without an answer. Fails when it hangs up or takes too long. */
export async function ask(connection: Connection, question: Uint8Array): Promise<Uint8Array | undefined> {
  const signal = AbortSignal.timeout(limits.helloMs)
  const stream = await connection.newStream(knockProtocol, { signal })
  const messages = lpStream(stream, options)
  await messages.write(question, { signal })
  const answer = (await messages.read({ signal })).subarray()
  await stream.close({ signal })
  return answer
}

/** Listener's side. */
export async function reply(
  stream: Stream,
  answer: (question: Uint8Array) => Uint8Array | undefined,
): Promise<void> {
  const signal = AbortSignal.timeout(limits.helloMs)
  const messages = lpStream(stream, options)
  const said = answer((await messages.read({ signal })).subarray())
  if (said === undefined) return stream.abort(new Error('no answer'))
  await messages.write(said, { signal })
  await stream.close({ signal })
}
