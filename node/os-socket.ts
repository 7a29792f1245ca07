// The agent's local socket: lines in, lines out. Who may ask is said by the file's mode (0600); what is answered, by the
// caller.
import { chmodSync, rmSync } from 'node:fs'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { type Ask, controlLineBytesMax, decodeAsk, encodeLine, type Reply } from './control.ts'

/** Connections at once: a person and a few scripts. */
const connectionsMax = 32

/**
 * Listens at `path`, replacing a socket that a crashed agent left. One request at a time per connection, answered in
 * order; a line that is no request gets an error with code BAD_REQUEST. The caller holds the lock of the state folder.
 */
export async function serveControl(
  path: string,
  answer: (ask: Ask) => Promise<Reply>,
): Promise<{ close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    readLines(socket, async line => {
      const ask = decodeAsk(line)
      const reply: Reply =
        ask === undefined
          ? {
              error: {
                code: 'BAD_REQUEST',
                message: 'expected one JSON document a line, with a known "ask"',
              },
            }
          : await answer(ask)
      if (!socket.destroyed) socket.write(encodeLine(reply))
    })
  })
  server.maxConnections = connectionsMax
  rmSync(path, { force: true })
  const mask = process.umask(0o177)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
  } finally {
    process.umask(mask)
  }
  chmodSync(path, 0o600)
  return {
    close: () =>
      new Promise(resolve => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}

/** Asks once. Fails with ENOENT or ECONNREFUSED when no agent listens at `path`. */
export function askControl(path: string, ask: Ask): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the agent closed the connection without an answer')))
    readLines(socket, async line => {
      resolve(line)
      socket.end()
    })
    socket.write(encodeLine(ask))
  })
}

/** Calls `take` for each line, one after another; a line over the bound ends the connection. */
function readLines(socket: Socket, take: (line: string) => Promise<void>): void {
  let rest = Buffer.alloc(0)
  let turn = Promise.resolve()
  socket.on('data', chunk => {
    rest = Buffer.concat([rest, chunk])
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = rest.subarray(0, end).toString('utf8')
      rest = rest.subarray(end + 1)
      socket.pause()
      turn = turn
        .then(() => take(line))
        .catch(() => void socket.destroy())
        .finally(() => void socket.resume())
    }
    if (rest.length > controlLineBytesMax) socket.destroy()
  })
}
