// Whether somebody still answers at the other end: TCP believes in a peer that lost its power for a quarter of an hour.

import type { Connection } from '@libp2p/interface'

/** Nobody speaks it: that they say so is the answer. */
const protocol = '/fleet/1/alive'

/** `withinMs` must allow for a bulk transfer on a slow line ahead of the question. */
export async function isAlive(connection: Connection, withinMs: number): Promise<boolean> {
  try {
    const stream = await connection.newStream(protocol, { signal: AbortSignal.timeout(withinMs) })
    stream.abort(new Error('only asked'))
    return true
  } catch (error) {
    return error instanceof Error && error.name === 'UnsupportedProtocolError'
  }
}
