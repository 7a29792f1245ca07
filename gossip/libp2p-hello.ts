// The exchange of hellos on a new connection, before which a peer counts as nobody. Three messages, so that each
// side knows that the other let it in: hello of the dialler, hello of the listener, an empty welcome.

import type { Connection, Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { limits } from './limits.ts'

export const helloProtocol = '/fleet/1/hello'

/** What one side needs; `admit` is asked once, with the other's hello. */
export interface Greeting {
  hello(): Uint8Array
  admit(hello: Uint8Array): boolean
}

const options = { maxDataLength: limits.helloBytes, maxBufferSize: 4 * limits.helloBytes }

/** Dialler's side. True: both admitted each other. Fails when the other hangs up or takes too long. */
export async function greet(connection: Connection, greeting: Greeting): Promise<boolean> {
  const signal = AbortSignal.timeout(limits.helloMs)
  const stream = await connection.newStream(helloProtocol, { signal })
  const messages = lpStream(stream, options)
  await messages.write(greeting.hello(), { signal })
  if (!greeting.admit((await messages.read({ signal })).subarray())) return false
  await messages.write(new Uint8Array(), { signal })
  await stream.close({ signal })
  return true
}

/** Listener's side, as `greet`. */
export async function answer(stream: Stream, greeting: Greeting): Promise<boolean> {
  const signal = AbortSignal.timeout(limits.helloMs)
  const messages = lpStream(stream, options)
  if (!greeting.admit((await messages.read({ signal })).subarray())) return false
  await messages.write(greeting.hello(), { signal })
  await messages.read({ signal })
  await stream.close({ signal })
  return true
}
