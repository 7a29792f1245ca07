import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { spec } from '../../cli/commands/apply.ts'
import { serveControl } from '../../node/os-socket.ts'
import { testIo } from './io.ts'

let state = ''
beforeEach(() => (state = mkdtempSync(join(tmpdir(), 'fleet-apply-'))))
afterEach(() => rmSync(state, { recursive: true, force: true }))

const io = testIo(tmpdir())

test('--agent asks the agent to look at all that is in force', async () => {
  const control = await serveControl(join(state, 'control.sock'), async ask => {
    expect(ask).toEqual({ ask: 'apply' })
    return { ok: { declared: 5, kept: 3, repaired: 1, notKept: 1 } }
  })
  try {
    const answer = await spec.run([], { agent: true, state }, io)
    expect(answer.text()).toBe('5 steps in force: 3 kept, 1 repaired, 1 not kept (fleet status says which)')
    expect(answer.exit).toBe(1)
  } finally {
    await control.close()
  }
})

test('--agent takes no revision, and says so when no agent runs', async () => {
  await expect(spec.run(['HEAD'], { agent: true, state }, io)).rejects.toThrow('expected it alone')
  await expect(spec.run([], { agent: true, state }, io)).rejects.toMatchObject({ exit: 3 })
})
