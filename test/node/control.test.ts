import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Ask, controlLineBytesMax, decodeAsk, decodeReply, encodeLine } from '../../node/control.ts'
import { askControl, serveControl } from '../../node/os-socket.ts'

let folder = ''
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'fleet-control-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('control', () => {
  test('requests and replies are read as written; nothing throws', () => {
    const asks: Ask[] = [
      { ask: 'status' },
      { ask: 'why', path: '/etc/x' },
      { ask: 'pause', forMs: 1000, reason: 'night shift' },
      { ask: 'unpause', path: '/etc/x' },
      { ask: 'order', base64: 'AAEC' },
    ]
    for (const ask of asks) expect(decodeAsk(encodeLine(ask))).toEqual(ask)
    expect(decodeAsk('{"ask":"why"}')).toBeUndefined()
    expect(decodeAsk('{"ask":"pause","forMs":-1,"reason":"x"}')).toBeUndefined()
    expect(decodeAsk('{"ask":"order","base64":7}')).toBeUndefined()
    expect(decodeReply('{"ok":1}')).toEqual({ ok: 1 })
    expect(decodeReply('{"error":{}}')).toBeUndefined()
    fc.assert(
      fc.property(fc.string(), line => {
        decodeAsk(line)
        decodeReply(line)
      }),
    )
  })

  test('a socket of mode 0600 answers in order, replaces what a crash left, and refuses nonsense', async () => {
    const path = join(folder, 'control.sock')
    writeFileSync(path, 'left by a crash')
    const server = await serveControl(path, async ask => ({ ok: ask.ask }))
    try {
      expect(statSync(path).mode & 0o777).toBe(0o600)
      expect(decodeReply(await askControl(path, { ask: 'peers' }))).toEqual({ ok: 'peers' })
      const lines = await new Promise<string>(resolve => {
        const socket = connect(path)
        let text = ''
        socket.on('data', chunk => {
          text += chunk
          if (text.split('\n').length === 4) resolve(text)
        })
        socket.write('{"ask":"log"}\nnonsense\n{"ask":"drift"}\n')
      })
      expect(
        lines
          .split('\n')
          .slice(0, 3)
          .map(line => decodeReply(line)),
      ).toEqual([{ ok: 'log' }, { error: expect.objectContaining({ code: 'BAD_REQUEST' }) }, { ok: 'drift' }])
    } finally {
      await server.close()
    }
  })

  test('an endless line ends its connection', async () => {
    const path = join(folder, 'control.sock')
    const server = await serveControl(path, async () => ({ ok: null }))
    try {
      await new Promise<void>(resolve => {
        const socket = connect(path)
        socket.on('error', () => {})
        socket.on('close', () => resolve())
        socket.write(Buffer.alloc(controlLineBytesMax + 100_000, 65))
      })
    } finally {
      await server.close()
    }
  })
})
